"""Exploration: which action each lane takes, given what its member thinks of all actions."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

LADDER = 7.0  # exponents 1 to 1 + LADDER over the members (Horgan et al. 2018, arXiv:1803.00933, section 4.1)
DISAGREEMENT = 1.0  # standard deviations added to an action's value (Chen et al. 2017, arXiv:1706.01502)

Kind = Literal["shared", "per-member", "ensemble"]


class Exploration:
    """Epsilon-greedy, in one of three kinds; every draw comes from one generator.

    Args:
        kind: See :class:`pathnet_agents.settings.PathNetDQNSettings`.
        rng: The source of the draws.
    """

    def __init__(self, kind: Kind, rng: np.random.Generator) -> None:
        self.kind: Kind = kind
        self.rng = rng

    def choose(
        self,
        values_la: NDArray[np.float32],
        epsilon: float,
        members: NDArray[np.int64],
        disagreement_la: NDArray[np.float32] | None = None,
    ) -> NDArray[np.int64]:
        """Choose an action for every lane.

        Args:
            values_la: What the lane's member expects of each action, ``(lanes, actions)``.
            epsilon: Probability of a random action, where members do not differ in it.
            members: Which member flies each lane, ``(lanes,)``.
            disagreement_la: Standard deviation over the population, ``(lanes, actions)``; ``ensemble`` needs it.

        Returns:
            ``(lanes,)``.
        """
        hopes_la = values_la if disagreement_la is None else values_la + DISAGREEMENT * disagreement_la
        explores = self.rng.random(len(values_la)) < self._epsilons(epsilon, members)
        random_actions = self.rng.integers(values_la.shape[1], size=len(values_la))
        return np.where(explores, random_actions, hopes_la.argmax(1))

    def _epsilons(self, epsilon: float, members: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return each lane's epsilon: with a ladder, the first member explores most and the last hardly at all."""
        last = int(members.max())
        if self.kind != "per-member" or last == 0:
            return np.full(len(members), epsilon)
        return epsilon ** (1 + LADDER * members / last)
