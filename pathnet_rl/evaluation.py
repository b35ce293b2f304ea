"""Evaluation of held-out episodes: rates and means with their intervals."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from pathnet_rl.records import Evaluation


def evaluation_of(
    returns: Sequence[float], successes: Sequence[bool], steps: Sequence[int], measured: Sequence[float] = ()
) -> Evaluation:
    """Return rates and means of episodes with their 95% intervals (Wilson; Student t).

    Args:
        returns: Undiscounted, one an episode.
        successes: One an episode.
        steps: Environment steps, one an episode.
        measured: The numbers of the info that was asked for, if one was.
    """
    episodes, succeeded = len(returns), sum(successes)
    interval = stats.binomtest(succeeded, episodes).proportion_ci(method="wilson")
    spread = float(np.std(returns, ddof=1)) if episodes > 1 else 0.0
    margin = float(stats.t.ppf(0.975, max(episodes - 1, 1))) * spread / episodes**0.5
    mean = float(np.mean(returns))
    return Evaluation(
        episodes=episodes,
        success_rate=succeeded / episodes,
        success_interval=(float(interval.low), float(interval.high)),
        mean_return=mean,
        return_interval=(mean - margin, mean + margin),
        return_std=spread,
        mean_episode_steps=float(np.mean(steps)),
        measured=float(np.mean(measured)) if len(measured) else None,
    )
