"""Lanes: the environments an agent learns from, stepped together, every episode on a seed of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray

from pathnet_rl.rng import numpy_generator

Policy: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.int64]]  # (batch, inputs) -> (batch,)


@dataclass(frozen=True)
class Episode:
    """One finished episode; ``success`` is None where the environment does not report ``is_success``."""

    lane: int
    undiscounted_return: float
    steps: int
    success: bool | None


@dataclass(frozen=True)
class Transitions:
    """One step of every lane; ``ended`` includes time limits, ``terminated`` does not, so that those bootstrap."""

    observation: NDArray[np.float32]  # (lanes, inputs)
    action: NDArray[np.int64]  # (lanes,)
    reward: NDArray[np.float32]  # (lanes,)
    next_observation: NDArray[np.float32]  # (lanes, inputs)
    terminated: NDArray[np.bool_]  # (lanes,)
    ended: NDArray[np.bool_]  # (lanes,)


class Lanes:
    """A synchronous vector of one environment.

    The seed of a lane's next episode comes from (seed, index, lane) alone, so an episode can be replayed
    without those before it.

    Args:
        env: Gymnasium id.
        env_kwargs: Keyword arguments of the environment.
        lanes: How many.
        seed: The run's seed.
        index: The sub-task's index.
        level: Where the first episodes start; None for an environment without levels.
    """

    def __init__(
        self,
        env: str,
        env_kwargs: dict[str, Any],
        lanes: int,
        seed: int,
        index: int,
        level: float | None = None,
    ) -> None:
        # Autoreset would draw its own seeds; disabled, a reset names the lanes and the seeds.
        self.envs = SyncVectorEnv(
            [lambda: gymnasium.make(env, **env_kwargs) for _ in range(lanes)],
            autoreset_mode=AutoresetMode.DISABLED,
        )
        self.lanes = lanes
        self._generators = [numpy_generator(seed, index, f"episodes of lane {lane}") for lane in range(lanes)]
        self._returns = np.zeros(lanes)
        self._steps = np.zeros(lanes, dtype=np.int64)
        if level is not None:
            self.set_level(level)
        self.observation = self._reset(np.ones(lanes, dtype=bool))

    def _reset(self, lanes: NDArray[np.bool_]) -> NDArray[np.float32]:
        seeds: list[int | None] = [None] * self.lanes
        for lane in np.flatnonzero(lanes):
            seeds[lane] = int(self._generators[lane].integers(2**31 - 1))
        observation, _ = self.envs.reset(seed=seeds, options={"reset_mask": lanes})
        self._returns[lanes], self._steps[lanes] = 0.0, 0
        return observation.astype(np.float32, copy=False)

    def step(self, actions: NDArray[np.int64]) -> tuple[Transitions, list[Episode]]:
        """Step every lane and restart those whose episode is over."""
        before = self.observation
        after, reward, terminated, truncated, info = self.envs.step(actions)
        after = after.astype(np.float32, copy=False)
        self._returns += reward
        self._steps += 1
        ended = terminated | truncated
        episodes = [self._episode(int(lane), info) for lane in np.flatnonzero(ended)]
        transitions = Transitions(before, actions, reward.astype(np.float32), after, terminated.copy(), ended)
        self.observation = self._reset(ended) if episodes else after
        return transitions, episodes

    def _episode(self, lane: int, info: dict[str, Any]) -> Episode:
        success = bool(info["is_success"][lane]) if "is_success" in info else None
        return Episode(lane, float(self._returns[lane]), int(self._steps[lane]), success)

    def set_level(self, level: float) -> None:
        """Move the start distribution of every lane's next episodes, 0 easiest to 1 full."""
        self.envs.set_attr("level", level)

    def close(self) -> None:
        """Close the environments."""
        self.envs.close()


class HeldOut:
    """Greedy episodes on given seeds, at full difficulty, apart from the lanes that learn.

    The policy always sees a batch of the same size, so that an episode's actions do not depend on how many
    others are still running.
    """

    def __init__(self, env: str, env_kwargs: dict[str, Any], lanes: int = 20) -> None:
        self.envs = [gymnasium.make(env, **env_kwargs) for _ in range(lanes)]

    def run(self, policy: Policy, seeds: Sequence[int]) -> list[Episode]:
        """Run one episode a seed and return them in the order of the seeds; ``lane`` is the seed's position."""
        inputs = self.envs[0].observation_space.shape
        assert inputs is not None
        batch = np.zeros((len(self.envs), *inputs), dtype=np.float32)
        waiting = list(reversed(range(len(seeds))))
        flying: dict[int, tuple[int, float, int]] = {}  # lane -> (position, return, steps)
        done: dict[int, Episode] = {}
        for lane in range(len(self.envs)):
            self._start(lane, waiting, flying, seeds, batch)
        while flying:
            actions = policy(batch)
            for lane, (position, before, steps) in list(flying.items()):
                batch[lane], reward, terminated, truncated, info = self.envs[lane].step(int(actions[lane]))
                total = before + float(reward)
                flying[lane] = (position, total, steps + 1)
                if terminated or truncated:
                    del flying[lane]
                    success = bool(info["is_success"]) if "is_success" in info else None
                    done[position] = Episode(position, total, steps + 1, success)
                    self._start(lane, waiting, flying, seeds, batch)
        return [done[position] for position in range(len(seeds))]

    def _start(
        self,
        lane: int,
        waiting: list[int],
        flying: dict[int, tuple[int, float, int]],
        seeds: Sequence[int],
        batch: NDArray[np.float32],
    ) -> None:
        if waiting:
            position = waiting.pop()
            batch[lane], _ = self.envs[lane].reset(seed=seeds[position])
            flying[lane] = (position, 0.0, 0)

    def close(self) -> None:
        """Close the environments."""
        for env in self.envs:
            env.close()
