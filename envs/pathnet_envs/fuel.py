"""Fuel: a tank that the engines empty, and that then stops them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pathnet_envs.actions import MAIN_ENGINE, NOTHING
from pathnet_envs.sub_goal import EASY_FUEL, SubGoal

SIDE_ENGINE_COST = 0.1  # of a step of the main engine, as in LunarLander's own reward


@dataclass
class Tank:
    """Steps of the main engine at full throttle that an episode has left."""

    capacity: float
    left: float
    burnt: float = 0.0  # by the latest action

    @classmethod
    def of(cls, goal: SubGoal, level: float, at_full_level: float | None) -> "Tank | None":
        """Return an episode's full tank, None where the sub-goal has none.

        Args:
            goal: The sub-goal.
            level: At 0 the tank holds ``EASY_FUEL``, at 1 what the sub-goal says.
            at_full_level: Instead of what the sub-goal says.
        """
        if goal.fuel is None:
            return None
        full = goal.fuel if at_full_level is None else at_full_level
        capacity = EASY_FUEL + level * (full - EASY_FUEL)
        return cls(capacity, capacity)

    @property
    def share(self) -> float:
        """How much of it is left, 0 to 1."""
        return self.left / self.capacity if self.capacity else 0.0

    def burn(self, action: Any, continuous: bool) -> Any:
        """Take what a valid action costs and return it, or doing nothing where nothing is left."""
        if self.left <= 0.0:
            self.burnt = 0.0
            return np.zeros(2) if continuous else NOTHING
        self.burnt = min(_throttle_cost(action) if continuous else _engine_cost(action), self.left)
        self.left -= self.burnt
        return action


def _engine_cost(action: int) -> float:
    if action == NOTHING:
        return 0.0
    return 1.0 if action == MAIN_ENGINE else SIDE_ENGINE_COST


def _throttle_cost(action: Any) -> float:
    main, side = float(action[0]), abs(float(action[1]))
    main_cost = 0.5 * (main + 1.0) if main > 0.0 else 0.0
    return main_cost + (SIDE_ENGINE_COST * side if side > 0.5 else 0.0)
