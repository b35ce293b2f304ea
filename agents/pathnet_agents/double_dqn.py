"""The temporal-difference loss of double DQN, for all paths of a population at once."""

import torch
from torch import Tensor
from torch.nn.functional import huber_loss

from pathnet_agents.replay import Sample
from pathnet_rl.working_set import WorkingSet


def double_dqn_loss(
    working: WorkingSet,
    target_values: list[Tensor],
    sample: Sample,
    target_next: Tensor | None = None,
) -> Tensor:
    """Return each path's mean Huber loss.

    The online network chooses the next action, the target network values it (van Hasselt et al. 2016,
    arXiv:1509.06461); only a terminal state ends the return, a time limit does not.

    Args:
        working: The paths, one replica.
        target_values: Numbers of the target network, from ``working.copy_values()``.
        sample: Transitions, a batch a path.
        target_next: What the target network sees of the next observation, ``(paths, batch, inputs)``, where a
            slower features extractor of its own makes it; by default what the online one sees.

    Returns:
        ``(paths,)``.
    """
    following = sample.next_observation[None]
    with torch.no_grad():
        next_action = working.forward(following).argmax(-1, keepdim=True)
        seen_by_target = following if target_next is None else target_next[None]
        next_value = working.forward(seen_by_target, target_values).gather(-1, next_action)
        target = sample.reward + sample.discount * next_value[0, :, :, 0]
    value = working.forward(sample.observation[None])[0].gather(-1, sample.action[..., None])[..., 0]
    return huber_loss(value, target, reduction="none").mean(-1)
