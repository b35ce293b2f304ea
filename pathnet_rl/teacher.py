"""Teacher: what the runner needs of a strategy that chooses the level of every episode.

A distribution offers a teacher by an entry point of the group ``pathnet_rl.teachers``: the name is what a
curriculum gives as ``teacher:``, the value a class that is called with names of sub-goals and a seed. Those of
:mod:`pathnet_envs.teachers` are there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

ENTRY_POINTS = "pathnet_rl.teachers"


class Lesson(Protocol):
    """What one episode practises."""

    @property
    def level(self) -> float:
        """How hard it starts, from 0 to 1."""
        ...


@dataclass(frozen=True)
class Outcome:
    """How one episode went."""

    success: bool
    episode_return: float  # undiscounted


class Teacher(Protocol):
    """Asked for lessons, told of their outcomes; several may be under way at once."""

    def __init__(self, sub_goals: list[str], seed: int) -> None:
        """Make it for these sub-goals."""
        ...

    def ask(self) -> Lesson:
        """Return the lesson for the next episode to begin."""
        ...

    def tell(self, lesson: Lesson, outcome: Outcome) -> str | None:
        """Take the outcome of a lesson and say in words what was decided."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return all that changes as plain data."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        ...
