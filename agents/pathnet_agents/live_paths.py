"""Live paths: the members of a population while they learn, with their target network."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pathnet_agents.double_dqn import double_dqn_loss
from pathnet_agents.replay import Sample
from pathnet_rl.network import PathNet
from pathnet_rl.optimizer import Adam
from pathnet_rl.paths import Paths
from pathnet_rl.working_set import WorkingSet


class LivePaths:
    """The working set of a task, kept over many updates and written back when somebody looks at the network.

    Args:
        net: Whose modules learn; one replica.
        task: Whose heads the paths use.
        paths: ``(members, layers, active)``.
        heads: Which head each member uses, ``(members,)``.
    """

    def __init__(self, net: PathNet, task: str, paths: Paths, heads: NDArray[np.int64]) -> None:
        self.task, self.paths, self.heads = task, paths.copy(), heads.copy()
        self.working = WorkingSet(net, task, self.paths[None], self.heads[None], Adam(0.0))
        self.target = self.working.copy_values()
        self._moved = False

    @property
    def members(self) -> int:
        """How many paths learn."""
        return len(self.paths)

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
        """Take one step of Adam down the loss and return the gradients of ``others``."""
        self.working.optimizer = Adam(learning_rate)
        self._moved = True
        return self.working.step(loss, others, max_norm)

    @torch.no_grad()
    def update_target(self, share: float) -> None:
        """Let a share of the online network flow into the target network."""
        for slow, online in zip(self.target, self.working.values, strict=True):
            slow.lerp_(online, share)

    def write_back(self) -> bool:
        """Return what was learned to the network; say whether there was anything."""
        moved, self._moved = self._moved, False
        if moved:
            self.working.write_back()
        return moved
