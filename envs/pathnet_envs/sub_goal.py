"""SubGoal: what is to be achieved, how far away it is, where an episode begins, and under which conditions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pathnet_envs.body_state import BodyState
from pathnet_envs.region import Region

State = Sequence[float]
"""An observation of LunarLander as plain floats."""
Start = Callable[[np.random.Generator, float], BodyState | None]
"""Draws the start of an episode from a generator and a level in [0, 1]; None leaves LunarLander's own."""

EASY_FUEL = 300.0
"""Fuel at level 0: three times a tank that two scripted landings of three get by with."""


@dataclass(frozen=True)
class SubGoal:
    """One sub-goal.

    Attributes:
        name: Its name, the ``sub_goal`` argument of the environment.
        title: The part of the environment's id that names it.
        goal: What is to be achieved, in words.
        formula: The same in observation units.
        start_words: Where an episode begins at full difficulty, in words.
        easy_start_words: Where it begins at level 0.
        horizon_steps: Steps after which an episode is truncated; 50 steps are a second.
        hold_steps: Consecutive steps for which the goal has to be reached.
        reached: Whether a state fulfils the goal.
        cost: How far a state is from the goal, in [0, 1].
        start: Draws the start of an episode from a generator and a level in [0, 1]; None leaves
            LunarLander's own.
        mastery: Success rate over 100 greedy episodes from which the sub-task counts as mastered.
        landing: Whether coming to rest on the pad is success at once; LunarLander ends the episode there.
        wind_power: LunarLander's ``wind_power`` at full difficulty; 0 at level 0.
        turbulence_power: LunarLander's ``turbulence_power`` at full difficulty; 0 at level 0.
        fuel: Steps of the main engine that the tank holds at full difficulty, a step of a side engine taking a
            tenth; ``EASY_FUEL`` at level 0. None is a tank that never empties.
        region: The ranges that ``reached`` asks for, for the picture; None draws nothing.
    """

    name: str
    title: str
    goal: str
    formula: str
    start_words: str
    easy_start_words: str
    horizon_steps: int
    hold_steps: int
    reached: Callable[[State], bool]
    cost: Callable[[State], float]
    start: Start
    mastery: float = 0.9
    landing: bool = False
    wind_power: float = 0.0
    turbulence_power: float = 0.0
    fuel: float | None = None
    region: Region | None = None

    @property
    def env_id(self) -> str:
        """The id under which the environment is registered."""
        return f"PathNet/Lander{self.title}-v0"

    @property
    def continuous_env_id(self) -> str:
        """The id of its twin with continuous actions."""
        return f"PathNet/Lander{self.title}Continuous-v0"

    @property
    def windy(self) -> bool:
        """Whether there is wind at any level above 0."""
        return self.wind_power > 0.0 or self.turbulence_power > 0.0


SUB_GOALS: dict[str, SubGoal] = {}
"""Every sub-goal by its name, in the order of the curriculum."""


def register(sub_goal: SubGoal) -> None:
    """Append a sub-goal to the curriculum."""
    SUB_GOALS[sub_goal.name] = sub_goal
