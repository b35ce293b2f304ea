"""Temporal differences of (double, dueling) DQN, for all paths of a population at once."""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import huber_loss

from pathnet_agents.replay import Sample


class ValueNetwork(Protocol):
    """Numbers for every action along each path: a :class:`pathnet_rl.working_set.WorkingSet`, or another's like."""

    def forward(self, inputs_rpbi: Tensor, values: list[Tensor] | None = None) -> Tensor:
        """Run every path on its own batch, ``(1, paths, batch, inputs) -> (1, paths, batch, outputs)``."""
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


def values_and_targets(
    network: ValueNetwork,
    target_values: list[Tensor],
    sample: Sample,
    actions: int | None = None,
    *,
    double: bool = True,
    target_next: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the values of what was done, and what they should have been.

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

    Returns:
        Two tensors ``(paths, batch)``, the second without gradient.
    """
    following = sample.next_observation[None]
    with torch.no_grad():
        seen_by_target = following if target_next is None else target_next[None]
        next_values = network.forward(seen_by_target, target_values)
        actions = next_values.shape[-1] if actions is None else actions
        next_values = action_values(next_values, actions)
        chosen_by = action_values(network.forward(following), actions) if double else next_values
        next_value = next_values.gather(-1, chosen_by.argmax(-1, keepdim=True))
        target = sample.reward + sample.discount * next_value[0, :, :, 0]
    values = action_values(network.forward(sample.observation[None])[0], actions)
    return values.gather(-1, sample.action[..., None])[..., 0], target


def double_dqn_loss(
    network: ValueNetwork, target_values: list[Tensor], sample: Sample, target_next: Tensor | None = None
) -> Tensor:
    """Return each path's mean Huber loss, ``(paths,)``; see :func:`values_and_targets`."""
    value, target = values_and_targets(network, target_values, sample, target_next=target_next)
    return huber_loss(value, target, reduction="none").mean(-1)
