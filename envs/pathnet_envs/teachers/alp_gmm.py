"""ALP-GMM: draw levels where the return changes.

Source: Portelas et al. 2019, "Teacher algorithms for curriculum learning of Deep RL in continuously parameterized
environments" (arXiv:1910.07224), algorithm 1.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, NamedTuple

import numpy as np

from pathnet_envs.checks import whole_within, within
from pathnet_envs.teachers.lesson import Lesson, Outcome
from pathnet_envs.teachers.mixture import fit_best
from pathnet_envs.teachers.teacher import Teacher, register


class Experience(NamedTuple):
    """One episode of a sub-goal: its level, its return, and how far that was from the nearest earlier one's."""

    level: float
    episode_return: float
    progress: float


@dataclass(frozen=True)
class LevelRange:
    """Where the levels of one Gaussian lie, and the mean absolute learning progress there."""

    level_mean: float
    level_deviation: float
    progress: float


@register("alp-gmm")
class AlpGmm(Teacher):
    """Sub-goals and levels in proportion to their absolute learning progress, with a share of random ones.

    The absolute learning progress (ALP) of an episode is the distance of its return to that of the earlier episode
    with the nearest level. A mixture of Gaussians over (level, ALP) says at which levels it is high. A lesson
    draws a sub-goal, one of its Gaussians, each in proportion to its mean ALP, and a level from the Gaussian.

    Different from the paper: the nearest earlier episode is looked for among the latest ``window_episodes``, which
    also feed the fit, instead of in the whole history; ALP is scaled by its largest value before a fit, so that the
    rewards' unit does not matter; a single Gaussian may be the best fit; with several sub-goals each has its own
    mixture, and those without a first fit come first, at uniform levels.

    Args:
        sub_goals: See :class:`Teacher`; their order means nothing.
        seed: See :class:`Teacher`.
        window_episodes: Latest episodes of a sub-goal that are compared and fitted, ``fit_every_episodes`` or more.
        fit_every_episodes: Episodes of a sub-goal between two fits, 10 or more; the paper's is 250.
        most_components: Gaussians in the largest mixture tried, from 1 to 10; a level is one number, where the
            paper has several.
        random_share: Share of uniformly random lessons, in [0, 1]; the paper's is 0.2.
    """

    def __init__(
        self,
        sub_goals: Sequence[str],
        seed: int,
        *,
        window_episodes: int = 250,
        fit_every_episodes: int = 50,
        most_components: int = 4,
        random_share: float = 0.2,
    ) -> None:
        super().__init__(sub_goals, seed)
        self.fit_every_episodes = whole_within("fit_every_episodes", fit_every_episodes, 10)
        window_episodes = whole_within("window_episodes", window_episodes, self.fit_every_episodes)
        self.most_components = whole_within("most_components", most_components, 1, 10)
        self.random_share = within("random_share", random_share, 0.0, 1.0)
        self._episodes = {name: deque[Experience](maxlen=window_episodes) for name in self.sub_goals}
        self._told = dict.fromkeys(self.sub_goals, 0)
        self._ranges: dict[str, list[LevelRange]] = {}  # only sub-goals that were fitted

    @property
    def progress(self) -> dict[str, float]:
        """Mean absolute learning progress over each sub-goal's window."""
        return {name: _mean_progress(episodes) for name, episodes in self._episodes.items()}

    def ask(self) -> Lesson:
        """Return a lesson where progress is high, or a random one."""
        unknown = [name for name in self.sub_goals if name not in self._ranges]
        if unknown:
            return Lesson(unknown[self.rng.integers(len(unknown))], self.rng.random())
        if self.rng.random() < self.random_share:
            return Lesson(self._any_sub_goal(), self.rng.random())
        name = self.sub_goals[self._in_proportion(list(self.progress.values()))]
        return Lesson(name, self._level_for(self._ranges[name]))

    def state_dict(self) -> dict[str, Any]:
        """Return the windows and the fits too."""
        return super().state_dict() | {
            "episodes": {name: [list(each) for each in episodes] for name, episodes in self._episodes.items()},
            "told": dict(self._told),
            "ranges": {name: [list(astuple(each)) for each in ranges] for name, ranges in self._ranges.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the same windows and fits."""
        super().load_state_dict(state)
        for name, episodes in self._episodes.items():
            episodes.clear()
            episodes.extend(Experience(*each) for each in state["episodes"][name])
        self._told = dict(state["told"])
        self._ranges = {name: [LevelRange(*each) for each in ranges] for name, ranges in state["ranges"].items()}

    def _learn(self, lesson: Lesson, outcome: Outcome) -> str | None:
        """Compare an episode with its nearest earlier one, and fit anew when it is time."""
        name, episodes = lesson.sub_goal, self._episodes[lesson.sub_goal]
        progress = 0.0
        if episodes:  # the latest of equally near ones
            nearest = min(reversed(episodes), key=lambda earlier: abs(earlier.level - lesson.level))
            progress = abs(outcome.episode_return - nearest.episode_return)
        episodes.append(Experience(lesson.level, outcome.episode_return, progress))
        self._told[name] += 1
        return None if self._told[name] % self.fit_every_episodes else self._fit(name)

    def _fit(self, name: str) -> str:
        """Fit a sub-goal's mixture to its window."""
        points = np.array([(each.level, each.progress) for each in self._episodes[name]])
        largest = points[:, 1].max()
        if largest == 0.0:
            self._ranges[name] = []
            return f"{name}'s levels stay uniform: no return differed in its last {len(points)} episodes"
        mixture = fit_best(points / [1.0, largest], self.most_components, self.rng)
        deviations = np.sqrt(mixture.covariances[:, 0, 0])
        self._ranges[name] = [
            LevelRange(float(level), float(deviation), float(progress * largest))
            for (level, progress), deviation in zip(mixture.means, deviations, strict=True)
        ]
        best = max(self._ranges[name], key=lambda each: each.progress)
        return (
            f"{name}'s levels are drawn around {best.level_mean:.2f} most: returns differ by {best.progress:.2g}"
            f" there, by {_mean_progress(self._episodes[name]):.2g} over its last {len(points)} episodes"
        )

    def _level_for(self, ranges: list[LevelRange]) -> float:
        """Draw a level from a Gaussian, itself drawn in proportion to its progress."""
        if not ranges:
            return self.rng.random()
        chosen = ranges[self._in_proportion([each.progress for each in ranges])]
        return min(max(self.rng.normal(chosen.level_mean, chosen.level_deviation), 0.0), 1.0)

    def _in_proportion(self, weights: Sequence[float]) -> int:
        """Draw an index in proportion to weights of 0 or more, uniformly if all are 0."""
        total = sum(weights)
        return int(self.rng.choice(len(weights), p=np.array(weights) / total if total > 0.0 else None))


def _mean_progress(episodes: Sequence[Experience] | deque[Experience]) -> float:
    return sum(each.progress for each in episodes) / len(episodes) if episodes else 0.0
