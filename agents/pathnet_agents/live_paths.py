"""Live paths: the members of a population while they learn, with their target network."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pathnet_agents.double_dqn import double_dqn_loss
from pathnet_agents.replay import Sample
from pathnet_agents.sb3_optimizer import Rule
from pathnet_rl.network import PathNet
from pathnet_rl.paths import Paths
from pathnet_rl.working_set import WorkingSet


class LivePaths:
    """Two working sets of a task, kept over many updates and written back when somebody looks at the networks.

    Args:
        net: Whose modules learn; one replica.
        target_net: A network like it, whose modules follow.
        task: Whose heads the paths use.
        paths: ``(members, layers, active)``.
        heads: Which head each member uses, ``(members,)``.
        rule: How modules move.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what learns, where, and how
        self,
        net: PathNet,
        target_net: PathNet,
        task: str,
        paths: Paths,
        heads: NDArray[np.int64],
        rule: Rule,
    ) -> None:
        self.net, self.target_net, self.rule = net, target_net, rule
        self.task, self.paths, self.heads = task, paths.copy(), heads.copy()
        self.gather()

    def gather(self) -> None:
        """Take the numbers out of the networks; what was not written back is lost."""
        which = (self.task, self.paths[None], self.heads[None])
        self._rule = replace(self.rule)
        self.working = WorkingSet(self.net, *which, self._rule)
        self._following = WorkingSet(self.target_net, *which)
        self._moved = False

    @property
    def members(self) -> int:
        """How many paths learn."""
        return len(self.paths)

    @property
    def target(self) -> list[Tensor]:
        """The target network's numbers, row by row those of ``working.values``."""
        return self._following.values

    @torch.no_grad()
    def values(self, features: Tensor) -> Tensor:
        """Return every member's values of every observation: ``(batch, features) -> (members, batch, actions)``."""
        return self.working.forward(features.expand(1, self.members, *features.shape))[0]

    def losses(self, sample: Sample, target_next: Tensor) -> Tensor:
        """Return each member's loss; see :func:`pathnet_agents.double_dqn.double_dqn_loss`."""
        return double_dqn_loss(self.working, self.target, sample, target_next)

    def descend(
        self, loss: Tensor, learning_rate: float, others: Sequence[Tensor], max_norm: float
    ) -> list[Tensor]:
        """Take one step down the loss and return the gradients of ``others``."""
        self._rule = replace(self._rule, learning_rate=learning_rate)
        self.working.optimizer = self._rule
        self._moved = True
        return self.working.step(loss, others, max_norm)

    @torch.no_grad()
    def update_target(self, share: float) -> None:
        """Let a share of the online network flow into the target network."""
        for slow, online in zip(self.target, self.working.values, strict=True):
            slow.lerp_(online, share)
        self._moved = True

    def write_back(self) -> bool:
        """Return what was learned to the networks; say whether there was anything."""
        moved, self._moved = self._moved, False
        if moved:
            self.working.write_back()
            self._following.write_back()
        return moved
