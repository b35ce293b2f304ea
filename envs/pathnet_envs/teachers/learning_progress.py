"""Learning progress: practise what changes fastest.

Source: Matiisen et al. 2017, "Teacher-Student Curriculum Learning" (arXiv:1707.00183), the window algorithm.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pathnet_envs.checks import whole_within, within
from pathnet_envs.teachers.lesson import Lesson, Outcome
from pathnet_envs.teachers.teacher import Teacher, register

NOTEWORTHY_RATIO = 2.0
"""A new favourite is told of once it changes twice as fast as the last one told of; noise stays silent."""


@register("learning-progress")
class LearningProgress(Teacher):
    """The sub-goal whose return has the steepest slope, up or down, with a share of random ones.

    A falling return counts like a rising one, so what is being forgotten is practised again; what is mastered and
    what is out of reach both stay flat. Noise in the returns looks like a slope until the window is long enough.

    Different from the paper: the score is the return of one training episode, where the paper evaluates the
    learner on its own; so the window is longer, and a sub-goal keeps coming first until it has ``warm_up_episodes``
    outcomes, where the paper gives it a slope of 1 until it has two. The choice is epsilon-greedy only.

    Args:
        sub_goals: See :class:`Teacher`; their order means nothing.
        seed: See :class:`Teacher`.
        window_episodes: Latest episodes of a sub-goal that its slope is fitted to, 2 or more. Short ones react
            fast and follow noise.
        warm_up_episodes: Outcomes before a slope is believed, from 2 to ``window_episodes``.
        random_share: Share of lessons with a uniformly drawn sub-goal, in [0, 1]; the paper's epsilon.
        level: The level of every lesson, in [0, 1].
    """

    def __init__(
        self,
        sub_goals: Sequence[str],
        seed: int,
        *,
        window_episodes: int = 50,
        warm_up_episodes: int = 10,
        random_share: float = 0.1,
        level: float = 1.0,
    ) -> None:
        super().__init__(sub_goals, seed)
        window_episodes = whole_within("window_episodes", window_episodes, 2)
        self.warm_up_episodes = whole_within("warm_up_episodes", warm_up_episodes, 2, window_episodes)
        self.random_share = within("random_share", random_share, 0.0, 1.0)
        self.level = within("level", level, 0.0, 1.0)
        # (outcomes of all sub-goals so far, return), oldest first
        self._scores = {name: deque[tuple[int, float]](maxlen=window_episodes) for name in self.sub_goals}
        self._progress = dict.fromkeys(self.sub_goals, math.inf)
        self._told = 0
        self._announced: str | None = None

    @property
    def progress(self) -> dict[str, float]:
        """Absolute change of return an episode by sub-goal; infinite where too little is known."""
        return dict(self._progress)

    def ask(self) -> Lesson:
        """Return a lesson of the steepest sub-goal, ties broken at random, or of a random one."""
        if self.rng.random() < self.random_share:
            return Lesson(self._any_sub_goal(), self.level)
        steepest = max(self._progress.values())
        tied = [name for name in self.sub_goals if self._progress[name] == steepest]
        return Lesson(tied[self.rng.integers(len(tied))], self.level)

    def state_dict(self) -> dict[str, Any]:
        """Return the scores too; slopes follow from them."""
        return super().state_dict() | {
            "scores": {name: [list(score) for score in scores] for name, scores in self._scores.items()},
            "told": self._told,
            "announced": self._announced,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the same scores."""
        super().load_state_dict(state)
        for name, scores in self._scores.items():
            scores.clear()
            scores.extend((told, score) for told, score in state["scores"][name])
            self._progress[name] = self._progress_of(name)
        self._told = state["told"]
        self._announced = state["announced"]

    def _learn(self, lesson: Lesson, outcome: Outcome) -> str | None:
        """Take a score, and say so if another sub-goal has become the favourite."""
        self._told += 1
        self._scores[lesson.sub_goal].append((self._told, outcome.episode_return))
        self._progress[lesson.sub_goal] = self._progress_of(lesson.sub_goal)
        return self._favourite_changed()

    def _progress_of(self, name: str) -> float:
        scores = self._scores[name]
        if len(scores) < self.warm_up_episodes:
            return math.inf
        told, returns = zip(*scores, strict=True)
        return abs(slope(told, returns))

    def _favourite_changed(self) -> str | None:
        favourite = max(self.sub_goals, key=self._progress.__getitem__)
        change, before = self._progress[favourite], self._announced
        if math.isinf(change) or favourite == before:
            return None
        if change <= (NOTEWORTHY_RATIO * self._progress[before] if before is not None else 0.0):
            return None
        self._announced = favourite
        than = f", that of {before} by {self._progress[before]:.2g}" if before is not None else ""
        return f"{favourite} is practised most from now on: its return changes by {change:.2g} an episode{than}"


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the slope of the least-squares line through two points or more.

    Args:
        x: ``(points,)``, not all equal.
        y: ``(points,)``.

    Example:
        >>> round(slope([1, 2, 4], [0.0, 1.0, 3.0]), 6)
        1.0
    """
    offsets = np.array(x, dtype=float) - np.mean(x)
    rises = np.array(y, dtype=float) - y[0]  # from the first, so that equal values give exactly 0, and tie
    return float(offsets @ rises / (offsets @ offsets))
