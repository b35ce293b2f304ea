"""Robust statistics of few runs: interquartile means, medians of censored times, bootstrap intervals.

After Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical precipice"
(arXiv:2108.13264), and Kaplan and Meier 1958. A resampling draws whole runs, of every sub-task apart (stratified).
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pathnet_rl.study.statistics import CONFIDENCE, Estimate, kaplan_meier_median

Values: TypeAlias = NDArray[np.float64]
RESAMPLES = 5_000
QUANTILES = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
TRIMMED = 0.25  # of the values at either end
FEWEST = 3  # repeats that an interval is given for: of two, a resampling only tells which they were


def interquartile_mean(values: Values) -> Values:
    """Return the mean of the middle half along the last axis, ``(..., values) -> (...)``.

    Of n values, n // 4 are left out at either end, as in rliable; of fewer than four, none.

    Example:
        >>> float(interquartile_mean(np.array([100.0, 2, 1, -50])))
        1.5
    """
    cut = int(TRIMMED * values.shape[-1])
    ordered = np.sort(values, axis=-1)
    return ordered[..., cut : values.shape[-1] - cut].mean(axis=-1)


def stratified_iqm(scores: Values) -> Estimate:
    """Return the interquartile mean of all scores, ``(repeats, tasks)``, with its stratified-bootstrap interval.

    Without an interval (not a number) for fewer than three repeats.
    """
    repeats, tasks = scores.shape
    rng = np.random.default_rng(0)
    drawn = rng.integers(repeats, size=(RESAMPLES, repeats, tasks))
    resampled = scores[drawn, np.arange(tasks)].reshape(RESAMPLES, -1)
    return _estimate(float(interquartile_mean(scores.ravel())), interquartile_mean(resampled), repeats)


def iqm(values: Sequence[float]) -> Estimate:
    """Return the interquartile mean of one value a repeat with its bootstrap interval."""
    return stratified_iqm(np.array(values, dtype=np.float64)[:, None])


def iqm_band(curves: Values) -> tuple[Values, Values, Values]:
    """Return the interquartile mean of curves, ``(repeats, places)``, and its interval's bounds at each place."""
    repeats = len(curves)
    rng = np.random.default_rng(0)
    drawn = rng.integers(repeats, size=(RESAMPLES // 5, repeats))
    resampled = interquartile_mean(np.moveaxis(curves[drawn], 1, -1))  # (resamples, places)
    low, high = np.quantile(resampled, QUANTILES, axis=0)
    return interquartile_mean(curves.T), low, high


def median_time(times: Values, reached: NDArray[np.bool_]) -> Estimate:
    """Return the median of censored times with its bootstrap interval; what half never reach is infinite."""
    runs = len(times)
    drawn = np.random.default_rng(0).integers(runs, size=(RESAMPLES, runs))
    resampled = kaplan_meier_median(times[drawn], reached[drawn])
    return _estimate(float(kaplan_meier_median(times, reached)), resampled, runs)


def bootstrap(measure: Callable[[NDArray[np.int64]], Values], repeats: int) -> Estimate:
    """Return a measure of all repeats with its bootstrap interval.

    Args:
        measure: Takes indexes of repeats, ``(..., repeats)``, gives ``(...)``.
        repeats: How many there are; they are drawn together, so that pairs stay pairs.
    """
    drawn = np.random.default_rng(0).integers(repeats, size=(RESAMPLES, repeats))
    return _estimate(float(measure(np.arange(repeats))), measure(drawn), repeats)


def _estimate(value: float, resampled: Values, repeats: int) -> Estimate:
    if repeats < FEWEST:
        return Estimate(value, float("nan"), float("nan"))
    # A quantile between a number and infinity would be neither; these are values that were drawn.
    low, high = (float(np.quantile(resampled, each, method="inverted_cdf")) for each in QUANTILES)
    return Estimate(value, low, high)
