"""What transfer is, in numbers, for one run: jumpstart, time to a threshold, mean performance, forward transfer.

After Taylor and Stone 2009, "Transfer learning for reinforcement learning domains", and for forward transfer
Wołczyk et al. 2021, "Continual World" (arXiv:2105.10919).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pathnet_rl.records import REPORTED_EPISODES
from pathnet_rl.transfer.repeats import Point, Repeat
from pathnet_rl.transfer.robust import Values

JUMPSTART_EPISODES = 50


@dataclass(frozen=True)
class Reach:
    """When a run reached a threshold; if it did not, how long it is known to have failed (censored)."""

    at: float
    reached: bool


def env_steps_of_task(repeat: Repeat, point: Point) -> float:
    """Return the environment steps of the sub-task until a point: earlier sub-tasks are free (weak transfer)."""
    del repeat
    return float(point.env_steps)


def env_steps_of_run(repeat: Repeat, point: Point) -> float:
    """Return the environment steps of the run until a point: earlier sub-tasks count (strong transfer)."""
    del repeat
    return float(point.total_env_steps)


def seconds_of_run(repeat: Repeat, point: Point) -> float:
    """Return the wall-clock of the run until a point, in seconds."""
    return repeat.wall_before(point.task) + point.wall_s


Cost = Callable[[Repeat, Point], float]


def curve(repeat: Repeat, task: str, measure: str, cost: Cost) -> tuple[Values, Values]:
    """Return what a sub-task's training had cost at each generation, and its mean over the last 100 episodes.

    Args:
        repeat: The run.
        task: The sub-task; of one that was not begun both are empty.
        measure: ``success_rate`` or ``mean_return``.
        cost: What to count.

    Returns:
        Twice ``(generations,)``; generations before the first finished episode are left out.
    """
    pairs = [
        (cost(repeat, point), value)
        for point in repeat.points_of(task)
        if (value := point.measure(measure)) is not None
    ]
    at = np.array([pair[0] for pair in pairs], dtype=np.float64)
    return at, np.array([pair[1] for pair in pairs], dtype=np.float64)


def first_episodes(points: Sequence[Point], measure: str, episodes: int = JUMPSTART_EPISODES) -> float | None:
    """Return the mean of a measure over the first training episodes of a sub-task.

    While a record's mean is over all episodes so far, sums are exact at the generations' ends; between two of them
    all episodes count alike. Where it is over fewer (its last 100, or those since weights were put back), these
    stand for the rest.

    Returns:
        None where there was no finished episode.
    """
    count_before, sum_before = 0, 0.0
    for point in points:
        value = point.measure(measure)
        if value is None:
            continue
        if point.window < point.episodes:
            return value if count_before == 0 else _extended(count_before, sum_before, value, episodes)
        total = value * point.episodes
        if point.episodes >= episodes:
            each = (total - sum_before) / (point.episodes - count_before)
            return _extended(count_before, sum_before, each, episodes)
        count_before, sum_before = point.episodes, total
    return sum_before / count_before if count_before else None


def _extended(count: int, total: float, each: float, episodes: int) -> float:
    """Return the mean of so many episodes: those known by their sum, the rest all alike."""
    return (total + each * (episodes - count)) / episodes


def time_to(repeat: Repeat, task: str, measure: str, threshold: float, cost: Cost) -> Reach:
    """Return when a sub-task's threshold was reached: over 100 training episodes or in a held-out verification.

    The lanes that explore earn less than the greedy policy, so a verification is often the first to show it.
    """
    points = repeat.points_of(task)
    for point in points:
        trained = point.measure(measure)
        verified = None if point.verification is None else point.verification.measure(measure)
        full = point.window >= REPORTED_EPISODES
        if (full and trained is not None and trained >= threshold) or (
            verified is not None and verified >= threshold
        ):
            return Reach(cost(repeat, point), True)
    return Reach(cost(repeat, points[-1]) if points else 0.0, False)


def mean_performance(
    at: Values, values: Values, *, final: float, horizon: float, scale: Callable[[Values], Values] | None = None
) -> float:
    """Return the mean of a training curve from 0 to a horizon.

    A generation's value holds for the steps of that generation. A run that ended before the horizon (mastered) is
    then what its held-out evaluation says: its last training mean, of lanes that explore, would count speed against
    it.

    Args:
        at: Environment steps of the sub-task at the end of each generation, rising, ``(generations,)``.
        values: Training mean there, ``(generations,)``.
        final: The held-out evaluation.
        horizon: Where to stop.
        scale: Is applied to all values; by default nothing is.
    """
    edges = np.concatenate([[0.0], np.minimum(at, horizon), [horizon]])
    heights = np.append(values, final)
    scaled = heights if scale is None else scale(heights)
    return float(np.diff(edges) @ scaled / horizon)


def normalise(values: Values, floor: float, ceiling: float) -> Values:
    """Return performance from 0 (the floor or below) to 1 (the ceiling or above); unknown if these are no range."""
    if ceiling <= floor:
        return np.full_like(values, np.nan)
    return np.clip((values - floor) / (ceiling - floor), 0.0, 1.0)


def forward_transfer(areas: Values, baseline: Values) -> Values:
    """Return (AUC - AUC_b) / (1 - AUC_b) of the means over the last axis: 0 like the baseline, 1 perfect at once.

    Args:
        areas: Mean normalised performance of the arm, ``(..., repeats)``.
        baseline: That of the runs that learn the sub-task alone, ``(..., repeats)``.

    Returns:
        ``(...)``; not a number where the baseline is perfect.
    """
    mean, of_baseline = areas.mean(axis=-1), baseline.mean(axis=-1)
    room = 1 - of_baseline
    return np.divide(mean - of_baseline, room, out=np.full_like(room, np.nan), where=room > 0)


def in_common(first: Reach, second: Reach) -> tuple[float, float]:
    """Return two times, both cut off where either run is no longer known: what a pair can say of the difference.

    Example:
        >>> in_common(Reach(80.0, True), Reach(50.0, False))
        (50.0, 50.0)
    """
    known = min((reach.at for reach in (first, second) if not reach.reached), default=np.inf)
    return min(first.at, known), min(second.at, known)


def interpolated(at: Values, values: Values, places: Values) -> Values:
    """Return a curve at given places: linear between its points, its last value after them, nothing before.

    Example:
        >>> interpolated(np.array([2.0, 4.0]), np.array([10.0, 20.0]), np.array([1.0, 3.0, 9.0])).tolist()
        [nan, 15.0, 20.0]
    """
    return np.interp(places, at, values, left=np.nan)
