"""The environments as rows of a table, for a command line or a page of documentation."""

from dataclasses import dataclass
from typing import Any

from pathnet_envs.rewards import REWARDS
from pathnet_envs.sub_goals import SUB_GOALS
from pathnet_envs.success_rates import Baselines, shipped_baselines


@dataclass(frozen=True)
class CatalogueRow:
    """One environment.

    Attributes:
        env_id: What ``gymnasium.make`` takes.
        continuous_env_id: The id of its twin with continuous actions.
        sub_goal: Its name, the ``sub_goal`` argument of the environment.
        goal: The sub-goal in words.
        formula: When it counts as reached, in observation units.
        hold_steps: Consecutive steps for which the formula has to be true.
        start: The start at full difficulty in words, in observation units.
        easy_start: The start at level 0.
        horizon_steps: Steps after which the episode is truncated.
        rewards: The reward modes it accepts.
        mastery: Success rate over 100 greedy episodes from which the sub-task counts as mastered.
        wind_power: LunarLander's ``wind_power`` at full difficulty; 0 is none.
        turbulence_power: LunarLander's ``turbulence_power`` at full difficulty.
        fuel: Steps of the main engine in the tank at full difficulty; None is a tank that never empties.
        baselines: Measured success of policies that learn nothing; None where it was not measured.
    """

    env_id: str
    continuous_env_id: str
    sub_goal: str
    goal: str
    formula: str
    hold_steps: int
    start: str
    easy_start: str
    horizon_steps: int
    rewards: tuple[str, ...]
    mastery: float
    wind_power: float
    turbulence_power: float
    fuel: float | None
    baselines: Baselines | None

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON says it."""
        return {
            **vars(self),
            "rewards": list(self.rewards),
            "baselines": None if self.baselines is None else self.baselines.to_dict(),
        }


def catalogue() -> list[CatalogueRow]:
    """Return one row an environment, in the order of the curriculum.

    Example:
        >>> [row.env_id for row in catalogue()][:2]
        ['PathNet/LanderKillSpin-v0', 'PathNet/LanderUpright-v0']
    """
    baselines = shipped_baselines()
    return [
        CatalogueRow(
            env_id=sub_goal.env_id,
            continuous_env_id=sub_goal.continuous_env_id,
            sub_goal=name,
            goal=sub_goal.goal,
            formula=sub_goal.formula,
            hold_steps=sub_goal.hold_steps,
            start=sub_goal.start_words,
            easy_start=sub_goal.easy_start_words,
            horizon_steps=sub_goal.horizon_steps,
            rewards=REWARDS,
            mastery=sub_goal.mastery,
            wind_power=sub_goal.wind_power,
            turbulence_power=sub_goal.turbulence_power,
            fuel=sub_goal.fuel,
            baselines=baselines.get(name),
        )
        for name, sub_goal in SUB_GOALS.items()
    ]
