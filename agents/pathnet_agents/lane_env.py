"""LaneEnv: one environment of a lane, its action held for some steps, its failures kept from the other lanes."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, SupportsFloat

import gymnasium
import numpy as np

from pathnet_agents.isolated_env import IsolatedEnv
from pathnet_rl.agent import AgentError


@dataclass(frozen=True)
class Recipe:
    """How to make the environments of a sub-task.

    Attributes:
        env: Gymnasium id.
        env_kwargs: Keyword arguments of the environment.
        action_repeat: How often every action is taken.
        measure: Key of the info that a finished episode is measured by, if any.
        isolated: Whether every one lives in a process of its own.
        silent_s: See :class:`pathnet_agents.isolated_env.IsolatedEnv`.
    """

    env: str
    env_kwargs: dict[str, Any] = field(default_factory=dict[str, Any])
    action_repeat: int = 1
    measure: str | None = None
    isolated: bool = False
    silent_s: float = 0.0

    def make(self) -> "LaneEnv":
        """Make one."""
        return LaneEnv(self._make, self.action_repeat)

    def _make(self) -> gymnasium.Env[Any, Any]:
        if self.isolated:
            return IsolatedEnv(self.env, self.env_kwargs, self.silent_s)
        return gymnasium.make(self.env, **self.env_kwargs)


class LaneEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Takes every action several times over, unless the episode ends before; rewards add up.

    At 50 decisions a second an action is worth hardly more than another; what is decided less often is told apart
    more easily. The info's ``env_steps`` says how many steps were taken.

    An environment that raises, or gives a reward or an observation that is not finite or of another shape than its
    space, is thrown away, and a fresh one takes its place; the info's ``failure`` says why. In a step the episode
    ends there, as at a time limit; a reset is done once more.

    Args:
        make: Makes the environment.
        times: How often an action is taken.
    """

    def __init__(self, make: Callable[[], gymnasium.Env[Any, Any]], times: int = 1) -> None:
        super().__init__(make())
        self._make, self.times = make, times
        self._latest: tuple[Any, dict[str, Any]] = (None, {})
        self._level: float | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode.

        Raises:
            AgentError: If a fresh environment cannot start it either.
        """
        try:
            self._latest = self._checked(*self.env.reset(seed=seed, options=options))
        except Exception as error:  # noqa: BLE001 - environments of others raise what they like
            failure = self._replace(error)
            try:
                observation, info = self._checked(*self.env.reset(seed=seed, options=options))
            except Exception as again:
                raise AgentError(f"no environment can be reset with seed {seed}: {_words(again)}") from again
            self._latest = (observation, {**info, "failure": f"{failure}, at its reset"})
        return self._latest

    def set_wrapper_attr(self, name: str, value: Any, *, force: bool = True) -> bool:
        """Set an attribute of the environment; a level is set once more for whatever replaces it."""
        if name == "level":
            self._level = value
        return self.env.set_wrapper_attr(name, value, force=force)

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take the action and return what the last step gave, with the sum of the rewards."""
        total, taken, over = 0.0, 0, (False, False)
        while taken < self.times and not any(over):
            try:
                observation, reward, terminated, truncated, info = self.env.step(action)
                observation, info = self._checked(observation, info)
                if not math.isfinite(reward):
                    raise ValueError(f"its reward is {reward}")
            except Exception as error:  # noqa: BLE001 - environments of others raise what they like
                return self._failed(error, total, taken)
            total, taken, over = total + float(reward), taken + 1, (terminated, truncated)
            self._latest = (observation, info)
        observation, info = self._latest
        return observation, total, *over, {**info, "env_steps": taken}

    def _checked(self, observation: Any, info: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Return a copy of what was observed, if it has the shape of its space and is finite."""
        space, seen = self.observation_space.shape, np.array(observation)
        if seen.shape != space:
            raise ValueError(f"its observation has the shape {seen.shape}, its space {space}")
        if not np.isfinite(seen).all():
            raise ValueError(f"its observation is {seen}")
        return seen, info

    def _failed(self, error: Exception, total: float, taken: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """End the episode on the last observation."""
        observation, info = self._latest
        return observation, total, False, True, {**info, "env_steps": taken, "failure": self._replace(error)}

    def _replace(self, error: Exception) -> str:
        """Put a fresh environment in the place of one that has failed, and say how it did."""
        self.env = self._make()
        if self._level is not None:
            self.env.set_wrapper_attr("level", self._level)
        return _words(error)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
