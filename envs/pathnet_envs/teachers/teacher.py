"""Teacher: chooses lessons by ask and tell; it knows nothing about environments or learners."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np

from pathnet_envs.checks import whole_within
from pathnet_envs.teachers.lesson import Lesson, Outcome

TEACHERS: dict[str, type["Teacher"]] = {}
"""Strategies by name."""


Strategy = TypeVar("Strategy", bound="Teacher")


def register(name: str) -> Callable[[type[Strategy]], type[Strategy]]:
    """Make a strategy available under this name."""

    def add(strategy: type[Strategy]) -> type[Strategy]:
        strategy.name = name
        TEACHERS[name] = strategy
        return strategy

    return add


class Teacher:
    """A strategy for what to practise next.

    Several lessons may be under way at once, and their outcomes may come back in any order or never.

    Args:
        sub_goals: Distinct names, easiest first where the strategy keeps an order.
        seed: Seeds every draw, 0 or more.

    Raises:
        ValueError: If there is no sub-goal, one is named twice, or a setting is outside its range.

    Example:
        >>> from pathnet_envs.teachers import TEACHERS, Outcome
        >>> teacher = TEACHERS["fixed-order"](["hover", "land"], seed=0)
        >>> lesson = teacher.ask()
        >>> lesson
        Lesson(sub_goal='hover', level=1.0)
        >>> teacher.tell(lesson, Outcome(success=True, episode_return=0.9))  # nothing to decide yet
    """

    name: ClassVar[str] = ""

    def __init__(self, sub_goals: Sequence[str], seed: int) -> None:
        self.sub_goals = _distinct(sub_goals)
        self.rng = np.random.default_rng(whole_within("seed", seed, 0))

    def ask(self) -> Lesson:
        """Return the lesson for the next episode to begin."""
        raise NotImplementedError

    def tell(self, lesson: Lesson, outcome: Outcome) -> str | None:
        """Take the outcome of a lesson.

        Returns:
            A sentence that says what was decided and why, or None if nothing was.

        Raises:
            ValueError: If the lesson's sub-goal is none of this teacher's.
        """
        if lesson.sub_goal not in self.sub_goals:
            raise ValueError(
                f"lesson: sub_goal {lesson.sub_goal!r} is none of {', '.join(self.sub_goals)};"
                " tell a teacher only of its own lessons"
            )
        return self._learn(lesson, outcome)

    def state_dict(self) -> dict[str, Any]:
        """Return all that changes as plain data, which JSON keeps exactly; the settings are not part of it."""
        return {
            "teacher": self.name,
            "sub_goals": list(self.sub_goals),
            "generator": self.rng.bit_generator.state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, as if there had been no interruption.

        Args:
            state: What :meth:`state_dict` of a teacher with the same settings returned.

        Raises:
            ValueError: If it was saved by another strategy or for other sub-goals.
        """
        saved = (state["teacher"], tuple(state["sub_goals"]))
        if saved != (self.name, self.sub_goals):
            raise ValueError(
                f"state: saved by {saved[0]!r} for {', '.join(saved[1])}; this is {self.name!r} for"
                f" {', '.join(self.sub_goals)}; load it into a teacher built like the first"
            )
        self.rng.bit_generator.state = state["generator"]

    def _learn(self, lesson: Lesson, outcome: Outcome) -> str | None:
        """Let the strategy act on an outcome of one of its own sub-goals."""
        raise NotImplementedError

    def _any_sub_goal(self) -> str:
        """Draw one uniformly."""
        return self.sub_goals[self.rng.integers(len(self.sub_goals))]


def _distinct(sub_goals: Sequence[str]) -> tuple[str, ...]:
    """Return the names, or say which is missing, given twice, or no list at all."""
    if isinstance(sub_goals, str):  # a string is a sequence of strings too
        raise ValueError(f"sub_goals: {sub_goals!r} is one name; give a list, [{sub_goals!r}]")
    names = tuple(sub_goals)
    if not names:
        raise ValueError("sub_goals: there are none; give one name or more")
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"sub_goals: {name!r} is there {names.count(name)} times; give each name once")
    return names
