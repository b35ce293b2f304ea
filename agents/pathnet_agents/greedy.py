"""Greedy policies and what held-out episodes say about them."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from pathnet_agents.double_dqn import ValueNetwork, action_values
from pathnet_agents.lanes import Episode
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
    """Return rates and means of episodes with their 95% intervals (Wilson; Student t).

    Success is 0 throughout where the environment does not report it.
    """
    returns = np.array([episode.undiscounted_return for episode in episodes])
    measured = [episode.measured for episode in episodes if episode.measured is not None]
    successes = sum(bool(episode.success) for episode in episodes)
    interval = stats.binomtest(successes, len(episodes)).proportion_ci(method="wilson")
    spread = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    margin = float(stats.t.ppf(0.975, max(len(returns) - 1, 1))) * spread / len(returns) ** 0.5
    mean = float(returns.mean())
    return Evaluation(
        episodes=len(episodes),
        success_rate=successes / len(episodes),
        success_interval=(float(interval.low), float(interval.high)),
        mean_return=mean,
        return_interval=(mean - margin, mean + margin),
        return_std=spread,
        measured=float(np.mean(measured)) if measured else None,
        mean_episode_steps=float(np.mean([episode.steps for episode in episodes])),
    )
