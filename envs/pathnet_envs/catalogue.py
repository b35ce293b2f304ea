"""The environments as rows of a table, for a command line or a page of documentation."""

from dataclasses import dataclass

from pathnet_envs.rewards import REWARDS
from pathnet_envs.sub_goals import SUB_GOALS


@dataclass(frozen=True)
class CatalogueRow:
    """One environment.

    Attributes:
        env_id: What ``gymnasium.make`` takes.
        sub_goal: Its name, the ``sub_goal`` argument of the environment.
        goal: The sub-goal in words.
        formula: The sub-goal in observation units.
        hold_steps: Consecutive steps for which the formula has to be true.
        start: The start at full difficulty in words, in observation units.
        horizon_steps: Steps after which the episode is truncated.
        rewards: The reward modes it accepts.
        mastery: Success rate over 100 greedy episodes from which the sub-task counts as mastered.
    """

    env_id: str
    sub_goal: str
    goal: str
    formula: str
    hold_steps: int
    start: str
    horizon_steps: int
    rewards: tuple[str, ...]
    mastery: float


def catalogue() -> list[CatalogueRow]:
    """Return one row an environment, in the order of the curriculum.

    Example:
        >>> [row.env_id for row in catalogue()][:2]
        ['PathNet/LanderKillSpin-v0', 'PathNet/LanderUpright-v0']
    """
    return [
        CatalogueRow(
            env_id=sub_goal.env_id,
            sub_goal=name,
            goal=sub_goal.goal,
            formula=sub_goal.formula,
            hold_steps=sub_goal.hold_steps,
            start=sub_goal.start_words,
            horizon_steps=sub_goal.horizon_steps,
            rewards=REWARDS,
            mastery=sub_goal.mastery,
        )
        for name, sub_goal in SUB_GOALS.items()
    ]
