"""Live paths: the members of a population while they learn, with their target network."""

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pathnet_agents.double_dqn import Differences, temporal_differences
from pathnet_agents.replay import Sample
from pathnet_agents.sb3_optimizer import Rule
from pathnet_rl.network import PathNet
from pathnet_rl.paths import Paths
from pathnet_rl.working_set import Run, WorkingSet


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
        self._acting: dict[int, list[Tensor]] = {}
        self._seen = self._versions()

    def _versions(self) -> list[int]:
        """Return how often anybody has written into the networks' numbers."""
        stacks = [*self.net.stacks, *self.target_net.stacks]
        stacks += [net.heads[self.task] for net in (self.net, self.target_net)]
        return [stack.version for stack in stacks]

    def _heed(self) -> None:
        """Take the numbers anew if somebody has written over them, such as into ``parameters()``."""
        if self._versions() == self._seen:
            return
        if self._moved:
            warnings.warn(
                "parameters were written into that had been read before the latest updates: what was learned since "
                "is lost; call parameters() again before every write",
                RuntimeWarning,
                stacklevel=3,
            )
        self.gather()

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

    @torch.no_grad()
    def values_by_lane(self, features: Tensor, members: NDArray[np.int64]) -> Tensor:
        """Return what the member that acts in each lane expects there.

        Args:
            features: ``(lanes, features)``.
            members: Who acts, ``(lanes,)``. Where the lanes are a multiple of the members: all of them, in order,
                in as many lanes each.

        Returns:
            ``(lanes, actions)``.
        """
        self._heed()
        if (members == members[0]).all():
            return self._values_of(int(members[0]), features)
        if len(members) % self.members == 0:
            own_lanes = features.unflatten(0, (self.members, -1))
            return self.working.forward(own_lanes[None])[0].flatten(0, 1)
        return self.values(features)[members, np.arange(len(members))]

    def _values_of(self, member: int, hidden: Tensor) -> Tensor:
        """Run one member, ``(batch, features) -> (batch, actions)``, in a third of a working set's calls."""
        if member not in self._acting:
            self._acting[member] = self.working.matrices(member)
        *layers, head = self._acting[member]
        for matrix, shape in zip(layers, self.net.shapes, strict=True):
            outputs = torch.addmm(matrix[-1], hidden, matrix[:-1]).relu_()
            hidden = outputs.unflatten(-1, (-1, shape.units)).sum(-2)  # of the layer's active modules
        return torch.addmm(head[-1], hidden, head[:-1])

    def compare(self, sample: Sample, target_next: Tensor) -> Differences:
        """Return double DQN's differences; see :func:`pathnet_agents.double_dqn.temporal_differences`."""
        self._heed()
        return temporal_differences(self.working, self.target, sample, target_next=target_next)

    def descend(
        self, run: Run, gradient: Tensor, learning_rate: float, others: Sequence[Tensor], max_norm: float
    ) -> list[Tensor]:
        """Take one step and return the gradients of ``others``; see :meth:`WorkingSet.step`."""
        if learning_rate != self._rule.learning_rate:
            self._rule = self.working.optimizer = replace(self._rule, learning_rate=learning_rate)
        self._moved = True
        self._acting.clear()
        return self.working.step(run, gradient, others, max_norm)

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
            self._seen = self._versions()
        return moved
