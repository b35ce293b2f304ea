"""Evaluation of held-out episodes: rates and means with their intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from pathnet_rl.records import Evaluation


def outcome(evaluation: Evaluation, *, interval: bool = True) -> str:
    """Spell success, where it is reported, and return.

    Example:
        >>> outcome(evaluation_of([200.0, 100.0], [True, False], [80, 90]))
        'success 50% (9% to 91%), return 150'
        >>> outcome(evaluation_of([200.0, 100.0], [None, None], [80, 90]))
        'return 150'
    """
    mean_return = f"return {evaluation.mean_return:.4g}"
    if evaluation.success_rate is None:
        return mean_return
    return f"success {success(evaluation, interval=interval)}, {mean_return}"


def success(evaluation: Evaluation, *, interval: bool = True) -> str:
    """Spell a success rate with its interval, a dash where none is reported."""
    if evaluation.success_rate is None or evaluation.success_interval is None:
        return "-"
    low, high = evaluation.success_interval
    return f"{evaluation.success_rate:.0%}" + (f" ({low:.0%} to {high:.0%})" if interval else "")


def success_in(info: Mapping[str, Any]) -> bool | None:
    """Return whether an episode's last info reports success, None where it says nothing of it."""
    return bool(info["is_success"]) if "is_success" in info else None


def _rate(successes: Sequence[bool]) -> tuple[float | None, tuple[float, float] | None]:
    """Return the rate of success and Wilson's 95% interval, None for both of nothing."""
    if not successes:
        return None, None
    interval = stats.binomtest(sum(successes), len(successes)).proportion_ci(method="wilson")
    return sum(successes) / len(successes), (float(interval.low), float(interval.high))


def evaluation_of(
    returns: Sequence[float],
    successes: Sequence[bool | None],
    steps: Sequence[int],
    measured: Sequence[float] = (),
) -> Evaluation:
    """Return rates and means of episodes with their 95% intervals (Wilson; Student t).

    Args:
        returns: Undiscounted, one an episode.
        successes: One an episode; None where the environment reports none.
        steps: Environment steps, one an episode.
        measured: The numbers of the info that was asked for, if one was.
    """
    episodes = len(returns)
    rate, interval = _rate([success for success in successes if success is not None])
    spread = float(np.std(returns, ddof=1)) if episodes > 1 else 0.0
    margin = float(stats.t.ppf(0.975, max(episodes - 1, 1))) * spread / episodes**0.5
    mean = float(np.mean(returns))
    return Evaluation(
        episodes=episodes,
        success_rate=rate,
        success_interval=interval,
        mean_return=mean,
        return_interval=(mean - margin, mean + margin),
        return_std=spread,
        mean_episode_steps=float(np.mean(steps)),
        measured=float(np.mean(measured)) if len(measured) else None,
    )
