"""Greedy policies and what held-out episodes say about them."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pathnet_agents.double_dqn import ValueNetwork, action_values
from pathnet_rl.evaluation import evaluation_of
from pathnet_rl.practice import Episode
from pathnet_rl.records import Evaluation


class GreedyPolicy:
    """The action of highest value along the only path of what was gathered, ``(batch, inputs) -> (batch,)``."""

    def __init__(self, weights: ValueNetwork, actions: int, device: str) -> None:
        self._weights, self._actions, self._device = weights, actions, device

    @torch.inference_mode()
    def __call__(self, observation: NDArray[np.float32]) -> NDArray[np.int64]:
        """Choose an action for every observation of the batch."""
        inputs = torch.from_numpy(observation).to(self._device)[None, None]
        return action_values(self._weights.forward(inputs)[0, 0], self._actions).argmax(-1).cpu().numpy()


def summarise(episodes: Sequence[Episode]) -> Evaluation:
    """Return rates and means of episodes."""
    return evaluation_of(
        [episode.undiscounted_return for episode in episodes],
        [episode.success for episode in episodes],
        [episode.steps for episode in episodes],
        [episode.measured for episode in episodes if episode.measured is not None],
    )
