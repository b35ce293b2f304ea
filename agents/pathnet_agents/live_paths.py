"""Live paths: the members of a population while they learn, with their target network."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pathnet_agents.double_dqn import Differences, follow, temporal_differences
from pathnet_agents.replay import Sample
from pathnet_agents.sb3_optimizer import Rule
from pathnet_rl.graphed import Graphed
from pathnet_rl.network import PathNet
from pathnet_rl.optimizer import Adam
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
        self._rate, self._rate_is = torch.zeros((), dtype=torch.float64, device=self.net.device), 0.0
        self._rule = replace(self.rule)
        if isinstance(self._rule, Adam):
            self._rule = replace(self._rule, learning_rate=self._rate)
        self.working = WorkingSet(self.net, *which, self._rule)
        self._following = WorkingSet(self.target_net, *which)
        self._moved = False
        self._learning: tuple[float, Graphed] | None = None
        self._acting: dict[int | None, Graphed] = {}
        self._matrices: dict[int, list[Tensor]] = {}
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
        if len(members) % self.members and (members != members[0]).any():
            return self.values(features)[members, np.arange(len(members))]
        alone = int(members[0]) if (members == members[0]).all() else None
        if alone not in self._acting:
            # On the CPU what a member multiplies by is put together once an update; in a graph it always is.
            kept = None if torch.device(self.net.device).type == "cuda" else self._matrices
            act = partial(_act, self.working) if alone is None else partial(_act_alone, self.working, kept, alone)
            self._acting[alone] = Graphed(act, self.net.device)
        return self._acting[alone](features)[0]

    def compare(self, sample: Sample, target_next: Tensor) -> Differences:
        """Return double DQN's differences; see :func:`pathnet_agents.double_dqn.temporal_differences`."""
        self._heed()
        return temporal_differences(self.working, self.target, sample, target_next=target_next)

    def learn(self, sample: Sample, target_next: Tensor, learning_rate: float, max_norm: float) -> Tensor:
        """Take one step, where nothing below the modules learns, and return the losses, ``(members,)``."""
        self._heed()
        self._take_rate(learning_rate)
        if self._learning is None or self._learning[0] != max_norm:
            # Torch's own optimizers count and branch on the CPU: a graph of theirs would repeat their first step.
            device = self.net.device if isinstance(self._rule, Adam) else "cpu"
            self._learning = (max_norm, Graphed(partial(_learn, self.working, self.target, max_norm), device))
        parts = (sample.observation, sample.action, sample.reward, sample.next_observation, sample.discount)
        (losses,) = self._learning[1](*parts, target_next)
        self._moved = True
        self._matrices.clear()
        return losses

    def _take_rate(self, learning_rate: float) -> None:
        if not isinstance(self._rule, Adam):
            self._rule.learning_rate = learning_rate
        elif learning_rate != self._rate_is:
            self._rate.fill_(learning_rate)
            self._rate_is = learning_rate

    def descend(
        self, run: Run, gradient: Tensor, learning_rate: float, others: Sequence[Tensor], max_norm: float
    ) -> list[Tensor]:
        """Take one step and return the gradients of ``others``; see :meth:`WorkingSet.step`."""
        self._take_rate(learning_rate)
        self._moved = True
        self._matrices.clear()
        return self.working.step(run, gradient, others, max_norm)

    def update_target(self, share: float) -> None:
        """Let a share of the online network flow into the target network."""
        follow(self.target, self.working.values, share)
        self._moved = True

    def write_back(self) -> bool:
        """Return what was learned to the networks; say whether there was anything."""
        moved, self._moved = self._moved, False
        if moved:
            self.working.write_back()
            self._following.write_back()
            self._seen = self._versions()
        return moved


# No methods: a graph that held the live paths would keep them alive after their time.


def _learn(working: WorkingSet, target: list[Tensor], max_norm: float, *tensors: Tensor) -> tuple[Tensor]:
    """Take one step; the tensors are a sample's and what the target network sees of what followed."""
    *parts, target_next = tensors
    sample = Sample(*parts)
    differences = temporal_differences(working, target, sample, target_next=target_next)
    losses, gradient = differences.loss(sample)
    working.step(differences.run, gradient, max_norm=max_norm)
    return (losses,)


def _act(working: WorkingSet, features: Tensor) -> tuple[Tensor]:
    """Run all members, each in as many lanes, ``(lanes, features) -> (lanes, actions)``."""
    own_lanes = features.unflatten(0, (working.paths, -1))
    return (working.forward(own_lanes[None])[0].flatten(0, 1),)


def _act_alone(
    working: WorkingSet, kept: dict[int, list[Tensor]] | None, member: int, hidden: Tensor
) -> tuple[Tensor]:
    """Run one member, ``(batch, features) -> (batch, actions)``, in a third of a working set's calls."""
    matrices = working.matrices(member) if kept is None or member not in kept else kept[member]
    if kept is not None:
        kept[member] = matrices
    *layers, head = matrices
    for matrix, shape in zip(layers, working.net.shapes, strict=True):
        outputs = torch.addmm(matrix[-1], hidden, matrix[:-1]).relu_()
        hidden = outputs.unflatten(-1, (-1, shape.units)).sum(-2)  # of the layer's active modules
    return (torch.addmm(head[-1], hidden, head[:-1]),)
