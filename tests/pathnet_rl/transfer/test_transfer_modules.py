"""Reuse, chance and capacity of hand-made paths; forgetting of hand-made evaluations."""

import numpy as np
import pytest
from make_runs import measured, repeat, result

from pathnet_rl.transfer.forgetting import forgetting_of
from pathnet_rl.transfer.modules import capacity_of, reuse_effects, reuse_of

FIRST = result("a", path=[[0, 1], [2]], reused=[{}, {}], newly_frozen=[[0, 1], [2]], free_modules=[8, 9])
SECOND = result(
    "b", path=[[0, 5, 6], [2, 4]], reused=[{"a": 1}, {"a": 1}], newly_frozen=[[5, 6], [4]], free_modules=[6, 8]
)
THIRD = result("c", path=[[5], [7]], reused=[{"b": 1}, {}], newly_frozen=[[], [7]], free_modules=[6, 7])
NAMES = ["a", "b", "c"]


def test_reuse_and_its_chance_by_layer():
    found = reuse_of([repeat(tasks=[FIRST, SECOND, THIRD])], NAMES, layers=2, modules=10)
    assert found.used[:, 1, 0].tolist() == [1, 1]
    assert found.used[:, 2, 0].tolist() == [0, 0] and found.used[:, 2, 1].tolist() == [1, 0]
    # size of b's path (3, 2) x frozen by a (2, 1) / 10; of c's (1, 1) x frozen by b (2, 1) / 10
    assert found.chance[:, 1, 0] == pytest.approx([0.6, 0.2])
    assert found.chance[:, 2, 1] == pytest.approx([0.2, 0.1])
    assert np.isnan(found.used[:, 0, 1]).all() and np.isnan(found.used[:, 1, 1]).all()


def test_reuse_is_the_mean_over_the_repeats_that_got_so_far():
    nothing = result("b", path=[[7, 8, 9], [3]], reused=[{}, {}], newly_frozen=[[7, 8, 9], [3]])
    runs = [
        repeat(tasks=[FIRST, SECOND, THIRD]),
        repeat(tasks=[FIRST, nothing], index=1),
        repeat(tasks=[FIRST], index=2),
    ]
    found = reuse_of(runs, NAMES, layers=2, modules=10)
    assert found.used[:, 1, 0].tolist() == [0.5, 0.5] and found.used[:, 2, 1].tolist() == [1, 0]


def test_the_chance_is_what_random_paths_do():
    rng = np.random.default_rng(0)
    shared = [len({0, 1} & set(rng.choice(10, size=3, replace=False).tolist())) for _ in range(20_000)]
    assert np.mean(shared) == pytest.approx(3 * 2 / 10, abs=0.02)


def test_reuse_against_chance_is_exact():
    # One later path of one module, two of ten frozen: it takes a frozen one with probability .2, twice that is .4.
    later = result("b", path=[[0]], reused=[{"a": 1}], newly_frozen=[[]])
    first = result("a", path=[[0, 1]], reused=[{}], newly_frozen=[[0, 1]])
    (effect,) = reuse_effects([repeat(tasks=[first, later])], layers=1, modules=10)
    assert effect.p == pytest.approx(0.4) and effect.difference.value == pytest.approx(0.8)


def test_paths_that_are_taken_as_they_are_do_not_hide_what_the_search_reuses():
    first = result("a", path=[[0, 1]], reused=[{}], newly_frozen=[[0, 1]])
    taken = result("b", path=[[0, 1]], reused=[{"a": 2}], newly_frozen=[[]])
    own = result("c", path=[[4, 5]], reused=[{}], newly_frozen=[[4, 5]])
    effects = reuse_effects([repeat(tasks=[first, taken, own])], layers=1, modules=10)
    assert [(effect.repeats, effect.difference.value) for effect in effects] == [
        (2, pytest.approx((2 + 0) / 2 - 2 * 2 / 10)),
        (1, pytest.approx(-2 * 2 / 10)),
    ]


def test_capacity_by_sub_task_and_layer():
    found = capacity_of([repeat(tasks=[FIRST, SECOND, THIRD]), repeat(tasks=[FIRST], index=1)], NAMES, layers=2)
    assert found.newly_frozen.tolist() == [[2, 1], [2, 1], [0, 1]]
    assert found.left.tolist() == [[8, 9], [6, 8], [6, 7]]


def test_forgetting_is_the_evaluation_before_minus_the_one_at_the_end():
    runs = [
        repeat(
            tasks=[result("a", final=10.0, success_rate=1.0), result("b")],
            after={"a": measured(4.0, 0.5), "b": measured(210.0, 1.0)},
        ),
        repeat(
            tasks=[result("a", final=10.0, success_rate=1.0), result("b")],
            after={"a": measured(10.0, 1.0), "b": measured(210.0, 1.0)},
            index=1,
        ),
    ]
    (found,) = forgetting_of("fine-tune", runs, ["a", "b"])
    assert (found.task, found.runs, found.changed, found.most) == ("a", 2, 1, 6.0)
    assert found.success.value == 0.25 and found.mean_return.value == 3.0


def test_a_change_of_any_size_is_a_change():
    tasks = [result("a", final=10.0), result("b")]
    (found,) = forgetting_of("pathnet", [repeat(tasks=tasks, after={"a": measured(10.0 + 1e-12, 1.0)})], ["a", "b"])
    assert found.changed == 1


def test_a_run_of_one_sub_task_forgets_nothing():
    assert forgetting_of("target-only", [repeat(tasks=[result("b")])], ["a", "b"]) == []
