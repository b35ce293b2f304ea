"""Stable-Baselines3's DQN that stops now and then to let its caller look; it learns as its parent does."""

from collections.abc import Iterator
from typing import Any

from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.type_aliases import TrainFreq

from pathnet_rl.evaluation import success_in
from pathnet_rl.practice import Episode


class StepwiseDQN(DQN):
    """DQN whose learning is a generator; one environment, wrapped in SB3's monitor."""

    def learn_stepwise(self, budget_env_steps: int, pause_env_steps: int) -> Iterator[int]:
        """Learn, and yield the environment steps done after every so many, and at the end.

        The body is that of ``OffPolicyAlgorithm.learn``, which can be watched by callbacks alone.
        """
        self._episodes = _Episodes()
        total, callback = self._setup_learn(budget_env_steps, self._episodes)
        assert self.env is not None and self.replay_buffer is not None
        assert isinstance(self.train_freq, TrainFreq)
        callback.on_training_start({}, {})
        shown = 0
        while self.num_timesteps < total:
            rollout = self.collect_rollouts(
                self.env, callback, self.train_freq, self.replay_buffer, learning_starts=self.learning_starts
            )
            if self.num_timesteps > self.learning_starts:
                steps = self.gradient_steps if self.gradient_steps >= 0 else rollout.episode_timesteps
                self.train(batch_size=self.batch_size, gradient_steps=steps)
            if self.num_timesteps - shown >= pause_env_steps or self.num_timesteps >= total:
                shown = self.num_timesteps
                yield shown
        callback.on_training_end()

    def take_episodes(self) -> list[Episode]:
        """Return the training episodes finished since the last call."""
        finished, self._episodes.finished = self._episodes.finished, []
        return finished


class _Episodes(BaseCallback):
    """Keeps the episodes that the monitor tells of."""

    def __init__(self) -> None:
        super().__init__()
        self.finished: list[Episode] = []

    def _on_step(self) -> bool:
        infos: list[dict[str, Any]] = self.locals["infos"]
        for info in infos:
            if "episode" in info:
                episode = info["episode"]
                self.finished.append(Episode(float(episode["r"]), int(episode["l"]), success_in(info)))
        return True
