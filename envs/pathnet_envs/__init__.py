"""A curriculum of LunarLander sub-tasks for Gymnasium.

Importing the package registers ``PathNet/LanderKillSpin-v0`` to ``PathNet/LanderLand-v0``, and a twin with
continuous actions of each, ``PathNet/LanderKillSpinContinuous-v0``; naming the package in the id does too,
``gymnasium.make("pathnet_envs:PathNet/LanderHover-v0")``. :func:`catalogue` lists them. The
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
from pathnet_envs.sub_goal import SubGoal
from pathnet_envs.sub_goals import SUB_GOALS

__all__ = ["REWARDS", "SUB_GOALS", "CatalogueRow", "SubGoal", "catalogue"]


def _register() -> None:
    """Register what is not registered yet, so that a second import stays silent.

    The environment keeps its own time limit, order and checks of actions: no wrapper costs time, and a vector
    of our own steps the very same class.
    """
    for name, sub_goal in SUB_GOALS.items():
        for env_id, continuous in ((sub_goal.env_id, False), (sub_goal.continuous_env_id, True)):
            if env_id not in gymnasium.registry:
                gymnasium.register(
                    id=env_id,
                    entry_point="pathnet_envs.lander:LanderSubTask",
                    vector_entry_point="pathnet_envs.vector:LanderVector",
                    order_enforce=False,
                    disable_env_checker=True,
                    kwargs={"sub_goal": name, "continuous": True} if continuous else {"sub_goal": name},
                )


_register()
