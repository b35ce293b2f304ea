"""The course of the baseline's training: its latest episodes, and when it is verified or ended like PathNet-DQN."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pathnet_rl.records import Evaluation
from pathnet_rl.settings import SubTaskSettings

REPORTED_EPISODES = 100  # a record's means are over so many, as PathNet-DQN's


@dataclass(frozen=True)
class Flight:
    """One episode."""

    episode_return: float
    steps: int
    success: bool | None  # None where the environment does not report it


def measure(settings: SubTaskSettings, success_rate: float | None, mean_return: float) -> float:
    """Return the value that the sub-task's advancement looks at."""
    if settings.advance.measure != "success_rate":
        return mean_return
    assert success_rate is not None  # a curriculum that asks for what is not reported is refused
    return success_rate


class Course:
    """Where the training of a sub-task stands, and when PathNet-DQN's rule would verify or end it."""

    def __init__(self, settings: SubTaskSettings) -> None:
        self.settings = settings
        self.generation, self.env_steps, self.finished_episodes = 0, 0, 0
        self.mastered, self.why = False, ""
        self._recent: deque[Flight] = deque(maxlen=max(REPORTED_EPISODES, settings.advance.window_episodes))
        self._verify_from = 0

    def hear(self, env_steps: int, episodes: Sequence[Flight]) -> None:
        """Take notice of a generation."""
        self.env_steps = env_steps
        self.finished_episodes += len(episodes)
        self._recent += episodes

    def window(self, episodes: int) -> tuple[float | None, float | None]:
        """Return success rate and mean return of the latest training episodes, None while there are none."""
        latest = list(self._recent)[-episodes:]
        if not latest:
            return None, None
        successes = [episode.success for episode in latest if episode.success is not None]
        rate = float(np.mean(successes)) if successes else None
        return rate, float(np.mean([episode.episode_return for episode in latest]))

    @property
    def _spent(self) -> bool:
        return self.env_steps >= self.settings.budget_env_steps

    @property
    def worth_verifying(self) -> bool:
        """Whether training looks good enough and the last verification is long ago, or nothing comes after."""
        advance = self.settings.advance
        rate, mean_return = self.window(advance.window_episodes)
        if self._spent:
            return True
        full = len(self._recent) >= advance.window_episodes and self.finished_episodes >= advance.min_episodes
        if not full or mean_return is None:
            return False
        promising = measure(self.settings, rate, mean_return) >= advance.window_threshold
        return promising and self.env_steps >= self._verify_from

    def judge(self, verification: Evaluation | None) -> None:
        """Decide whether the training is over, and say why."""
        if verification is None:
            return
        advance = self.settings.advance
        self._verify_from = self.env_steps + advance.verify_pause_env_steps
        measured = measure(self.settings, verification.success_rate, verification.mean_return)
        self.mastered = measured >= advance.threshold
        if self.mastered:
            self.why = f"mastered: {advance.measure} {measured:.4g}, {advance.threshold:g} asked"
        elif self._spent:
            self.why = f"budget of {self.settings.budget_env_steps} environment steps spent"
