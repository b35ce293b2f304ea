"""Robust statistics against hand-made numbers, SciPy's own, and their own promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pathnet_rl.study.statistics import kaplan_meier_median
from pathnet_rl.transfer.robust import (
    bootstrap,
    interquartile_mean,
    iqm,
    iqm_band,
    median_time,
    stratified_iqm,
)

NUMBERS = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30)


@given(NUMBERS)
def test_the_interquartile_mean_is_scipys_trimmed_mean(values):
    assert interquartile_mean(np.array(values)) == pytest.approx(stats.trim_mean(values, 0.25), abs=1e-6)


def test_the_interquartile_mean_leaves_out_outliers():
    assert interquartile_mean(np.array([0.0, 1, 2, 3, 4, 5, 6, 1e9])) == 3.5
    assert interquartile_mean(np.array([1.0, 2.0, 6.0])) == 3.0


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = [(found := iqm(rng.normal(size=20).tolist())).low <= 0 <= found.high for _ in range(100)]
    assert 85 <= sum(covered) <= 100


def test_strata_keep_the_sub_tasks_apart():
    # Every repeat has the same score in a sub-task: however repeats are drawn, nothing varies.
    found = stratified_iqm(np.tile([0.0, 1.0], (5, 1)))
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)


def test_a_single_repeat_has_no_interval():
    for found in (iqm([3.0]), median_time(np.array([3.0]), np.array([True]))):
        assert found.value == 3.0 and np.isnan(found.low) and np.isnan(found.high)


def test_a_band_of_equal_curves_has_no_width():
    value, low, high = iqm_band(np.tile([1.0, 2.0, 3.0], (4, 1)))
    assert value.tolist() == low.tolist() == high.tolist() == [1.0, 2.0, 3.0]


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=12))
def test_the_median_of_censored_times_is_that_of_the_survival_function(runs):
    times, reached = (np.array(each) for each in zip(*runs, strict=True))
    survival = stats.ecdf(stats.CensoredData.right_censored(times, ~reached)).sf
    below = np.flatnonzero(survival.probabilities <= 0.5 + 1e-12)
    expected = survival.quantiles[below[0]] if len(below) else np.inf
    assert kaplan_meier_median(times.astype(float), reached) == expected


def test_half_that_never_reach_it_make_an_endless_median():
    found = median_time(np.array([10.0, 20.0, 30.0, 40.0]), np.array([True, False, False, False]))
    assert np.isinf(found.value) and np.isinf(found.high)
    found = median_time(np.arange(1.0, 11.0), np.array([True] * 7 + [False] * 3))
    assert found.value == 5.0 and found.low <= 5.0 <= found.high


def test_repeats_are_drawn_together():
    first, second = np.arange(10.0), np.arange(10.0) + 1
    found = bootstrap(lambda drawn: (second[drawn] - first[drawn]).mean(axis=-1), 10)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)
