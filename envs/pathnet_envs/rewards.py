"""The reward modes, and the potential-based term that shapes one of them."""

from typing import Literal, get_args

Reward = Literal["sparse", "shaped", "native"]

REWARDS: tuple[str, ...] = get_args(Reward)
"""The names of the modes; :class:`pathnet_envs.lander.LanderSubTask` defines what they pay."""


def potential_term(before: float, after: float, discount: float) -> float:
    """Return what a step adds to the reward without changing which policies are best (Ng et al. 1999).

    Args:
        before: Potential of the state that is left.
        after: Potential of the state that is entered; 0 after a termination, itself after a truncation.
        discount: Of the learner's return.

    Example:
        >>> potential_term(0.5, 0.75, discount=1.0)
        0.25
    """
    return discount * after - before
