"""The names of the reward modes; :class:`pathnet_envs.lander.LanderSubTask` defines what they pay."""

from typing import Literal, get_args

Reward = Literal["sparse", "shaped", "native"]

REWARDS: tuple[str, ...] = get_args(Reward)
