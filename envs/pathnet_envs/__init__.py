"""A curriculum of LunarLander sub-tasks for Gymnasium.

Importing the package registers ``PathNet/LanderKillSpin-v0`` to ``PathNet/LanderLand-v0``; naming it in the
id does too, ``gymnasium.make("pathnet_envs:PathNet/LanderHover-v0")``. :func:`catalogue` lists them. The
contract of all of them is :class:`pathnet_envs.lander.LanderSubTask`. The package needs only NumPy and
Gymnasium with Box2D.

Example:
    >>> import gymnasium, pathnet_envs
    >>> env = gymnasium.make("PathNet/LanderHover-v0", reward="sparse", level=0.5)
    >>> observation, info = env.reset(seed=0)
    >>> info
    {'is_success': False, 'hold': 0, 'native_return': 0.0}
    >>> env.unwrapped.level = 1.0  # from the next reset on
"""

import gymnasium

from pathnet_envs.catalogue import CatalogueRow, catalogue
from pathnet_envs.rewards import REWARDS
from pathnet_envs.sub_goals import SUB_GOALS, SubGoal

__all__ = ["REWARDS", "SUB_GOALS", "CatalogueRow", "SubGoal", "catalogue"]


def _register() -> None:
    """Register every sub-goal that is not registered yet, so that a second import stays silent."""
    for name, sub_goal in SUB_GOALS.items():
        if sub_goal.env_id not in gymnasium.registry:
            gymnasium.register(
                id=sub_goal.env_id,
                entry_point="pathnet_envs.lander:LanderSubTask",
                max_episode_steps=sub_goal.horizon_steps,
                kwargs={"sub_goal": name},
            )


_register()
