"""Live paths: the members of a population while they learn, with their target network."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import huber_loss

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
        """Return each member's mean Huber loss of double DQN.

        As :func:`pathnet_agents.double_dqn.double_dqn_loss`, except that the target network may see other
        features of the next observation than the online one: those of its own, slower extractor.

        Args:
            sample: Transitions as features, a batch of its own for each member.
            target_next: The target network's features of the next observation, ``(members, batch, features)``.

        Returns:
            ``(members,)``.
        """
        with torch.no_grad():
            next_action = self.working.forward(sample.next_observation[None]).argmax(-1, keepdim=True)
            next_value = self.working.forward(target_next[None], self.target).gather(-1, next_action)
            goal = sample.reward + sample.discount * next_value[0, :, :, 0]
        value = self.working.forward(sample.observation[None])[0].gather(-1, sample.action[..., None])[..., 0]
        return huber_loss(value, goal, reduction="none").mean(-1)

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
