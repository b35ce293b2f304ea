"""Lesson and Outcome: what a teacher gives for one episode, and what it hears of it."""

import math
from dataclasses import dataclass

from pathnet_envs.checks import within


@dataclass(frozen=True)
class Lesson:
    """What one episode practises.

    Attributes:
        sub_goal: The name of a sub-goal.
        level: Difficulty of the start, in [0, 1].

    Raises:
        ValueError: If the level is outside [0, 1].
    """

    sub_goal: str
    level: float

    def __post_init__(self) -> None:
        within("level", self.level, 0.0, 1.0)


@dataclass(frozen=True)
class Outcome:
    """How one episode went.

    Attributes:
        success: Whether the sub-goal was reached.
        episode_return: Sum of the episode's rewards, not discounted.

    Raises:
        ValueError: If the return is not finite; it would poison every later comparison.
    """

    success: bool
    episode_return: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.episode_return):
            raise ValueError(f"episode_return: {self.episode_return!r} is not finite; look for such a reward")
