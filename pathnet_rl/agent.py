"""Agent: what the runner needs of a learner, and the settings it is built from.

A distribution offers an agent by an entry point of the group ``pathnet_rl.agents``: the name is what a
curriculum gives as ``agent: {name: ...}``, the value a settings class with ``build``.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from pathnet_rl.records import Evaluation, Record
from pathnet_rl.settings import SubTaskSettings

ENTRY_POINTS = "pathnet_rl.agents"


class LearnedTask(Protocol):
    """What an agent tells of a sub-task it has learned."""

    @property
    def settings(self) -> SubTaskSettings:
        """The sub-task."""
        ...

    @property
    def frozen(self) -> bool:
        """False where the run was interrupted before the sub-task was finished."""
        ...


class Agent(Protocol):
    """Learns sub-tasks one after another, and can show each of them later."""

    @property
    def learned(self) -> Mapping[str, LearnedTask]:
        """The sub-tasks learned, by name, in order."""
        ...

    def learn_task(self, settings: SubTaskSettings) -> Iterator[Record]:
        """Learn one sub-task: a record a generation, the last one the sub-task's own."""
        ...

    def evaluate(self, task: str, episodes: int, seed: int) -> Evaluation:
        """Fly a learned sub-task greedily on held-out seeds."""
        ...

    def save(self, directory: Path) -> None:
        """Write everything learned into an existing directory."""
        ...

    def load(self, directory: Path) -> None:
        """Take what :meth:`save` wrote."""
        ...
