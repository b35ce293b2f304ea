"""Greedy policies and what held-out episodes say about them."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from pathnet_agents.lanes import Episode
from pathnet_rl.network import PathNet
from pathnet_rl.paths import Path
from pathnet_rl.records import Evaluation
from pathnet_rl.working_set import WorkingSet


class GreedyPolicy:
    """The action of highest value along the only path of a working set, ``(batch, inputs) -> (batch,)``."""

    def __init__(self, working: WorkingSet) -> None:
        self._working = working
        self._device = working.net.device

    @classmethod
    def of(cls, net: PathNet, task: str, path: Path, head: int = 0) -> "GreedyPolicy":
        """Return the policy of a path as the network holds it."""
        return cls(WorkingSet(net, task, path[None, None], np.array([[head]])))

    @torch.inference_mode()
    def __call__(self, observation: NDArray[np.float32]) -> NDArray[np.int64]:
        """Choose an action for every observation of the batch."""
        inputs = torch.from_numpy(observation).to(self._device)[None, None]
        return self._working.forward(inputs)[0, 0].argmax(-1).cpu().numpy()


def summarise(episodes: Sequence[Episode]) -> Evaluation:
    """Return rates and means of episodes with their 95% intervals (Wilson; Student t).

    Success is 0 throughout where the environment does not report it.
    """
    returns = np.array([episode.undiscounted_return for episode in episodes])
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
        mean_episode_steps=float(np.mean([episode.steps for episode in episodes])),
    )
