from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_study import make_record, make_study

from pathnet_rl.study.statistics import (
    Lengths,
    against_distribution,
    against_distributions,
    by_survival,
    correlation,
    effects,
    expected_given_sizes,
    holm,
    in_pairs,
    lengths,
    mean,
    wilson_errors,
)


def length_data(evaluations, censored=None):
    censored = np.zeros(len(evaluations), dtype=bool) if censored is None else np.array(censored)
    return Lengths("a", 1, np.array(evaluations), censored)


def test_the_exact_test_equals_enumeration():
    probabilities, counts = np.array([0.5, 0.3, 0.2]), np.array([2, 1, 2, 2])
    sums = {}
    for draws in product(range(3), repeat=4):
        sums[sum(draws)] = sums.get(sum(draws), 0) + float(np.prod(probabilities[list(draws)]))
    upper = sum(p for total, p in sums.items() if total >= 7)
    effect = against_distribution("q", counts, probabilities)
    assert np.isclose(effect.p, 2 * upper)
    assert np.isclose(effect.difference.value, 7 / 4 - 0.7)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p):
    corrected = holm(np.array(p))
    assert (corrected >= np.array(p) - 1e-12).all() and (corrected <= 1).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(corrected[order]) >= -1e-12).all()


def test_the_interval_of_a_mean_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(1000):
        estimate = mean(rng.normal(3.0, 2.0, size=8))
        covered += estimate.low <= 3.0 <= estimate.high
    assert 0.93 < covered / 1000 < 0.97


def test_censored_repeats_lift_the_median_and_are_never_dropped():
    solved = length_data([2, 4, 6, 10, 10])
    censored = length_data([2, 4, 10, 10, 10], [False, False, True, True, True])
    assert solved.median() == 6
    assert censored.median() is None
    assert censored.mean().value == pytest.approx(7.2)


def test_the_log_rank_test_separates_what_differs_and_nothing_else():
    rng = np.random.default_rng(1)
    fast, slow = rng.integers(2, 30, size=80), rng.integers(20, 60, size=80)
    effect = by_survival("q", length_data(slow), length_data(fast))
    assert effect.p < 1e-6 and effect.difference.low > 0
    same = by_survival("q", length_data(fast), length_data(fast))
    assert same.p == pytest.approx(1.0) and same.difference.value == 0


def test_pairs_are_compared_index_by_index():
    rng = np.random.default_rng(2)
    level = rng.normal(0, 10, size=60)  # differs from repeat to repeat far more than the arms do
    effect = in_pairs("q", level + 0.5 + rng.normal(0, 0.2, size=60), level)
    assert effect.p < 1e-6 and effect.difference.low > 0.4
    assert in_pairs("q", level, level).p == 1.0


def test_correlation_knows_its_sign_and_what_is_undefined():
    rng = np.random.default_rng(3)
    x = rng.normal(size=100)
    assert correlation(x, x + 0.1 * rng.normal(size=100)).low > 0.9
    assert np.isnan(correlation(x, np.ones(100)).value)


def test_wilson_errors_stay_inside_zero_and_one():
    counts = np.array([0, 3, 10])
    below, above = wilson_errors(counts, 10)
    assert (counts / 10 - below >= -1e-12).all() and (counts / 10 + above <= 1 + 1e-12).all()


def test_lengths_come_from_the_arm_and_task_asked_for():
    records = [make_record(index=i, evaluations=(2 + 2 * i, 10)) for i in range(3)] + [make_record("de-novo", 0)]
    assert lengths(records, "search+search", 0).evaluations.tolist() == [2, 4, 6]
    assert lengths(records, "search+search", 1).evaluations.tolist() == [10, 10, 10]


def test_reuse_expected_of_paths_of_the_same_sizes():
    # Sizes 2 and 1 in both paths of five modules: 2 * 2 / 5 + 1 * 1 / 5.
    assert expected_given_sizes(make_study(), [make_record()], "search+search") == pytest.approx([0.8, 0.2])


def test_each_count_is_held_against_its_own_distribution():
    small, large = np.array([0.9, 0.1]), np.array([0.2, 0.5, 0.3])
    effect = against_distributions("q", np.array([1, 2, 2]), [small, large, large])
    upper = 0.1 * 0.3 * 0.3  # nothing shares more than that
    assert effect.p == pytest.approx(2 * upper)
    assert effect.difference.value == pytest.approx((0.9 + 0.9 + 0.9) / 3)


def test_effects_answer_every_question_and_correct_over_all_of_them():
    rng = np.random.default_rng(4)
    records = []
    for index in range(40):
        records.append(make_record(index=index, by_layer=(1, int(rng.integers(2))), evaluations=(4, 20)))
        length = 2 * int(rng.integers(20, 40))
        records.append(make_record("pick+search", index, by_layer=(0, 0), evaluations=(4, length)))
        records.append(make_record("progressive", index, by_layer=None, evaluations=(4, 6)))
    found = {effect.question: effect for effect in effects(make_study(), records)}
    more = found["reuse: search+search - pick+search"]
    assert more.p_corrected < 1e-4 and more.difference.value > 0.9
    assert found["evaluations for task 2: search+search - pick+search"].difference.high < 0
    assert found["evaluations for task 2: search+search - progressive"].difference.value == 14
    assert found["test accuracy on task 1, progressive: after task 2 - before"].p == 1.0
    assert all(effect.p_corrected >= effect.p for effect in found.values())


def test_where_only_the_order_of_a_pair_is_known_signs_are_tested():
    first, second = np.array([1.0, 2, 3, 4, 5, 6]), np.array([2.0, 3, 4, 5, 6, 1000])
    assert in_pairs("", first, second, test="sign").p == pytest.approx(2 / 2**6)
    assert in_pairs("", first, second, test="sign").p == in_pairs("", first, second - 0.5, test="sign").p
    mixed = in_pairs("", np.array([900.0, 900, 1, 1, 1, 1]), np.array([1.0, 1, 2, 2, 2, 2]), test="sign")
    assert mixed.p > 0.6, "two large differences are no more than two"


def test_a_single_value_has_no_interval():
    assert np.isnan(mean(np.array([3.0])).low)
