"""Agent: what the runner needs of a learner, and the settings it is built from.

A distribution offers an agent by an entry point of the group ``pathnet_rl.agents``: the name is what a
curriculum gives as ``agent: {name: ...}``, the value a settings class with ``build``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pathnet_rl.records import Evaluation, Record
from pathnet_rl.settings import SubTaskSettings

if TYPE_CHECKING:
    from torch import Tensor

ENTRY_POINTS = "pathnet_rl.agents"


class AgentError(RuntimeError):
    """Learning cannot go on; the message says why and since when. What was learned before is not lost."""


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


@dataclass(frozen=True)
class Checkpoint:
    """An agent between two generations: all that it has learned, a sub-task in progress included.

    Attributes:
        tensors: By name, on any device; they may be the agent's own, and who keeps them copies them.
        notes: Everything else, as strict JSON has it: words, finite numbers, true, false, null, lists, mappings.
    """

    tensors: "dict[str, Tensor]"
    notes: dict[str, Any]


class Agent(Protocol):
    """Learns sub-tasks one after another, and can show each of them later."""

    @property
    def learned(self) -> Mapping[str, LearnedTask]:
        """The sub-tasks learned, by name, in order."""
        ...

    def learn_task(self, settings: SubTaskSettings) -> Iterator[Record]:
        """Learn one sub-task: a record a generation, the last one the sub-task's own.

        After :meth:`restore`, the sub-task that was in progress goes on where it stood.
        """
        ...

    def evaluate(self, task: str, episodes: int, seed: int) -> Evaluation:
        """Fly a learned sub-task greedily on held-out seeds."""
        ...

    def checkpoint(self) -> Checkpoint:
        """Return all that decides how this agent goes on, whenever ``learn_task`` has yielded a record.

        It changes nothing: an agent that is asked goes on as one that is not.
        """
        ...

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take what :meth:`checkpoint` returned, into a freshly built agent of the same settings.

        Raises:
            Exception: Of any kind, if the checkpoint is not of such an agent.
        """
        ...
