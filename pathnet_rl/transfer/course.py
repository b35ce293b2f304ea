"""The course of the baseline's training: when it is verified or ended, by PathNet-DQN's rule."""

from collections.abc import Iterable

from pathnet_rl.practice import Episode, Practice
from pathnet_rl.records import Evaluation, measure_of
from pathnet_rl.settings import SubTaskSettings


class Course:
    """Where the training of a sub-task stands."""

    def __init__(self, settings: SubTaskSettings) -> None:
        self.settings, self.practice = settings, Practice(settings.advance)
        self.generation, self.env_steps = 0, 0
        self.mastered, self.why = False, ""
        self._verify_from = 0

    def hear(self, env_steps: int, episodes: Iterable[Episode]) -> None:
        """Take notice of a generation."""
        self.env_steps = env_steps
        for episode in episodes:
            self.practice.add(episode)

    @property
    def _spent(self) -> bool:
        return self.env_steps >= self.settings.budget_env_steps

    @property
    def worth_verifying(self) -> bool:
        """Whether training looks good enough and the last verification is long ago, or nothing comes after."""
        return self._spent or (self.practice.promising and self.env_steps >= self._verify_from)

    def judge(self, verification: Evaluation | None) -> None:
        """Decide whether the training is over, and say why."""
        if verification is None:
            return
        advance = self.settings.advance
        self._verify_from = self.env_steps + advance.verify_pause_env_steps
        measured = measure_of(verification, advance.measure)
        assert measured is not None  # a curriculum that asks for what is not reported is refused
        self.mastered = measured >= advance.threshold
        if self.mastered:
            self.why = f"mastered: {advance.measure} {measured:.4g}, {advance.threshold:g} asked"
        elif self._spent:
            self.why = f"budget of {self.settings.budget_env_steps} environment steps spent"
