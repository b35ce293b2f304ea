"""Temporal differences of (double, dueling) DQN, for all paths of a population at once."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import huber_loss

from pathnet_agents.replay import Sample
from pathnet_rl.working_set import Run


class ValueNetwork(Protocol):
    """Numbers for every action along each path: a :class:`pathnet_rl.working_set.WorkingSet`, or another's like."""

    def forward(self, inputs_rpbi: Tensor, values: list[Tensor] | None = None) -> Tensor:
        """Run every path on its own batch, ``(1, paths, batch, inputs) -> (1, paths, batch, outputs)``."""
        ...

    def run(self, inputs_rpbi: Tensor, beside_rpbi: Tensor | None = None) -> Run:
        """Run every path on its own batch, for a step to learn from; beside it on others, to learn nothing from."""
        ...


def action_values(outputs: Tensor, actions: int) -> Tensor:
    """Return the values of the actions that a head's outputs mean.

    A head with one output more than there are actions is a dueling one: the first is the state's value, the
    others are advantages, whose mean is taken off (Wang et al. 2016, arXiv:1511.06581, equation 9).

    Args:
        outputs: ``(..., actions)`` or ``(..., 1 + actions)``.
        actions: How many there are.

    Returns:
        ``(..., actions)``.
    """
    if outputs.shape[-1] == actions:
        return outputs
    state, advantages = outputs[..., :1], outputs[..., 1:]
    return state + advantages - advantages.mean(-1, keepdim=True)


def output_gradient(gradient: Tensor, action: Tensor, outputs: int, actions: int) -> Tensor:
    """Carry a gradient by the values of what was done back through :func:`action_values`.

    Args:
        gradient: ``(...)``.
        action: What was done, ``(...)``.
        outputs: Of the head: actions, or one more.
        actions: How many there are.

    Returns:
        ``(..., outputs)``.
    """
    by_action = gradient.new_zeros(*gradient.shape, actions).scatter_(-1, action[..., None], gradient[..., None])
    if outputs == actions:
        return by_action
    return torch.cat((gradient[..., None], by_action - by_action.mean(-1, keepdim=True)), dim=-1)


@dataclass(frozen=True)
class Differences:
    """What the values of the actions done are, and what they should have been.

    Attributes:
        run: Where the values come from.
        value: ``(paths, batch)``.
        target: ``(paths, batch)``.
        actions: How many there are.
    """

    run: Run
    value: Tensor
    target: Tensor
    actions: int

    def loss(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """Return each path's mean Huber loss and what a step down all of them needs.

        Args:
            sample: What the differences are of.

        Returns:
            The losses, ``(paths,)``, and the gradient of their sum by the outputs of the run,
            ``(1, paths, batch, outputs)``.
        """
        losses = huber_loss(self.value, self.target, reduction="none")
        gradient = (self.value - self.target).clamp_(-1, 1)
        if sample.weight is None:
            gradient *= 1 / losses.shape[-1]
        else:
            losses = losses * sample.weight
            gradient *= sample.weight * (1 / losses.shape[-1])
        outputs = self.run.outputs.shape[-1]
        return losses.mean(-1), output_gradient(gradient, sample.action, outputs, self.actions)[None]


def temporal_differences(
    network: ValueNetwork,
    target_values: list[Tensor],
    sample: Sample,
    actions: int | None = None,
    *,
    double: bool = True,
    target_next: Tensor | None = None,
) -> Differences:
    """Compare the values of what was done with what they should have been.

    The online network chooses the next action, the target network values it (van Hasselt et al. 2016,
    arXiv:1509.06461); only a terminal state ends the return, a time limit does not.

    Args:
        network: The paths, one replica.
        target_values: Numbers of the target network, such as from ``working.copy_values()``.
        sample: Transitions, a batch a path.
        actions: How many there are; by default as many as a head has outputs, which is not a dueling one.
        double: Let the online network choose; otherwise the target network does (Mnih et al. 2015).
        target_next: What the target network sees of the next observation, ``(paths, batch, inputs)``, where a
            slower features extractor of its own makes it; by default what the online one sees.
    """
    following = sample.next_observation[None]
    run = network.run(sample.observation[None], following if double else None)
    with torch.no_grad():
        next_values = network.forward(following if target_next is None else target_next[None], target_values)
        actions = next_values.shape[-1] if actions is None else actions
        next_values = action_values(next_values, actions)
        chosen_by = next_values if run.beside is None else action_values(run.beside, actions)
        next_value = next_values.gather(-1, chosen_by.argmax(-1, keepdim=True))
        target = sample.reward + sample.discount * next_value[0, :, :, 0]
        value = action_values(run.outputs[0], actions).gather(-1, sample.action[..., None])[..., 0]
    return Differences(run, value, target, actions)


@torch.no_grad()
def follow(target: list[Tensor], online: list[Tensor], share: float) -> None:
    """Let a share of the online network's numbers flow into the target network's."""
    for slow, quick in zip(target, online, strict=True):
        slow.lerp_(quick, share)
