"""Lanes: the environments an agent learns from, stepped together, every episode on a seed of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray

from pathnet_agents.lane_env import Recipe
from pathnet_agents.patience import Patience
from pathnet_rl.evaluation import success_in
from pathnet_rl.practice import Episode
from pathnet_rl.rng import numpy_generator

Policy: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.int64]]  # (batch, inputs) -> (batch,)


@dataclass(frozen=True)
class Beginning:
    """How an episode began."""

    seed: int
    level: float | None


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
        recipe: How to make one.
        lanes: How many.
        seed: The run's seed.
        index: The sub-task's index.
        next_level: Called with a lane that is about to start an episode; returns its level, None to leave the
            environment alone.
        patience: With environments that fail.
    """

    def __init__(
        self,
        recipe: Recipe,
        lanes: int,
        seed: int,
        index: int,
        *,
        next_level: Callable[[int], float | None] = lambda _: None,
        patience: Patience | None = None,
    ) -> None:
        # Autoreset would draw its own seeds; disabled, a reset names the lanes and the seeds.
        self.envs = SyncVectorEnv(
            [recipe.make for _ in range(lanes)],
            autoreset_mode=AutoresetMode.DISABLED,
        )
        self.lanes, self._next_level, self._measure = lanes, next_level, recipe.measure
        self.failures: list[str] = []
        """Environments that have failed since the last look, each with what it takes to see it again."""
        self._patience = patience or Patience()
        self.env_steps = 0
        """Environment steps of all lanes together so far."""
        self._generators = [numpy_generator(seed, index, f"episodes of lane {lane}") for lane in range(lanes)]
        self._returns, self._steps = np.zeros(lanes), np.zeros(lanes, dtype=np.int64)
        self._begun = [Beginning(0, None) for _ in range(lanes)]
        self._actions: list[list[int]] = [[] for _ in range(lanes)]
        self.observation = self._reset(np.ones(lanes, dtype=bool))

    def _reset(self, lanes: NDArray[np.bool_]) -> NDArray[np.float32]:
        for lane in np.flatnonzero(lanes).tolist():
            seed = int(self._generators[lane].integers(2**31 - 1))
            self._begun[lane] = Beginning(seed, self._next_level(lane))
            self._actions[lane] = []
        self._returns[lanes], self._steps[lanes] = 0.0, 0
        return self._begin(lanes)

    def _begin(self, lanes: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Start the episodes of these lanes as it is noted."""
        if any(beginning.level is not None for beginning in self._begun):
            self.envs.set_attr("level", [beginning.level for beginning in self._begun])
        seeds: list[int | None] = [beginning.seed for beginning in self._begun]
        with self._patience:
            observation, info = self.envs.reset(seed=seeds, options={"reset_mask": lanes})
        self._note_failures(info)
        return observation.astype(np.float32, copy=False)

    def step(self, actions: NDArray[np.int64]) -> tuple[Transitions, list[Episode]]:
        """Take an action in every lane and restart those whose episode is over."""
        before = self.observation
        with self._patience:
            after, reward, terminated, truncated, info = self.envs.step(actions)
        after = after.astype(np.float32, copy=False)
        self._returns += reward
        self._steps += info["env_steps"]
        self.env_steps += int(info["env_steps"].sum())
        for taken, action in zip(self._actions, actions.tolist(), strict=True):
            taken.append(action)
        ended = terminated | truncated
        self._note_failures(info)
        episodes = [self._episode(lane, info) for lane in np.flatnonzero(ended).tolist()]
        transitions = Transitions(before, actions, reward.astype(np.float32), after, terminated.copy(), ended)
        self.observation = self._reset(ended) if episodes else after
        return transitions, episodes

    def _note_failures(self, info: Mapping[str, Any]) -> None:
        """Say how each failure can be seen again, and give up where there are too many."""
        for lane in np.flatnonzero(info.get("_failure", False)).tolist():
            actions = " ".join(map(str, self._actions[lane])) or "none"
            seed, level = self._begun[lane].seed, self._begun[lane].level
            start = f"seed {seed}" if level is None else f"seed {seed}, level {level:g}"
            failure = info["failure"][lane]
            self.failures.append(f"lane {lane}'s environment failed, {failure} ({start}, actions {actions})")
            self._patience.count(self.failures[-1])

    def _episode(self, lane: int, info: dict[str, Any]) -> Episode:
        success, measured = _reported(info, "is_success", lane), _reported(info, self._measure, lane)
        return Episode(
            float(self._returns[lane]),
            int(self._steps[lane]),
            None if success is None else bool(success),
            None if measured is None else float(measured),
            lane,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return how every lane's episode began and what was done in it, as plain data."""
        return {
            "generators": [generator.bit_generator.state for generator in self._generators],
            "env_steps": self.env_steps,
            "begun": [asdict(beginning) for beginning in self._begun],
            "actions": self._actions,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Bring every lane to where it was: physics cannot be restored, so the actions are taken once more."""
        for generator, saved in zip(self._generators, state["generators"], strict=True):
            generator.bit_generator.state = saved
        self._begun = [Beginning(**beginning) for beginning in state["begun"]]
        self._actions = [list(actions) for actions in state["actions"]]
        self.env_steps = state["env_steps"]
        self._returns[:], self._steps[:] = 0.0, 0
        self.observation = self._begin(np.ones(self.lanes, dtype=bool)).copy()
        for lane, actions in enumerate(self._actions):
            for action in actions:
                observation, reward, _, _, info = self.envs.envs[lane].step(action)
                self._returns[lane] += float(reward)
                self._steps[lane] += info["env_steps"]
                self.observation[lane] = observation

    def close(self) -> None:
        """Close the environments."""
        self.envs.close()


def _reported(info: Mapping[str, Any], key: str | None, lane: int) -> Any:
    """Return what a lane's environment reports under a key, None where it does not: the vector holds a 0 there."""
    return info[key][lane] if key is not None and key in info and info[f"_{key}"][lane] else None


class HeldOut:
    """Greedy episodes on given seeds, at full difficulty, apart from the lanes that learn.

    The policy always sees a batch of the same size, so that an episode's actions do not depend on how many
    others are still running.

    Args:
        recipe: How to make one.
        lanes: Environments flown side by side.
        patience: With environments that fail; their episodes are flown again.
    """

    def __init__(self, recipe: Recipe, lanes: int = 20, patience: Patience | None = None) -> None:
        self._measure = recipe.measure
        self._patience = patience or Patience()
        self.envs = [recipe.make() for _ in range(lanes)]

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
            with self._patience:
                answers = {lane: self.envs[lane].step(int(actions[lane])) for lane in flying}
            for lane, (batch[lane], reward, terminated, truncated, info) in answers.items():
                position, before, steps_before = flying[lane]
                total, steps = before + float(reward), steps_before + info["env_steps"]
                flying[lane] = (position, total, steps)
                if not (terminated or truncated):
                    continue
                del flying[lane]
                if "failure" in info:
                    self._note_failure(info["failure"], seeds[position])
                    waiting.append(position)
                else:
                    measured = None if self._measure is None else float(info[self._measure])
                    done[position] = Episode(total, steps, success_in(info), measured, position)
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
            with self._patience:
                batch[lane], info = self.envs[lane].reset(seed=seeds[position])
            if "failure" in info:
                self._note_failure(info["failure"], seeds[position])
            flying[lane] = (position, 0.0, 0)

    def _note_failure(self, failure: str, seed: int) -> None:
        self._patience.count(f"a held-out one, {failure} (seed {seed})")

    def close(self) -> None:
        """Close the environments."""
        for env in self.envs:
            env.close()
