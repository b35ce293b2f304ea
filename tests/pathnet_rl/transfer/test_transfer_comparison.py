"""Arms side by side: thresholds, pairs and forward transfer of hand-made runs."""

from dataclasses import replace

import numpy as np
import pytest
from make_runs import curve_of, measured, repeat, result, small_curriculum

from pathnet_rl.transfer.comparison import Comparison, target_of
from pathnet_rl.transfer.measures import env_steps_of_run, env_steps_of_task
from pathnet_rl.transfer.tables import effect_rows

CURRICULUM = small_curriculum(
    tasks=[
        {"name": "hover", "env": "PathNet/LanderHover-v0", "budget_env_steps": 1000},
        {
            "name": "land",
            "env": "PathNet/LanderLand-v0",
            "env_kwargs": {"reward": "native"},
            "budget_env_steps": 400,
            "advance": {"measure": "mean_return", "threshold": 215},
        },
    ]
)


def pathnet(index, values, final=220.0):
    steps = 100 * len(values)
    tasks = [result("hover", total=1000), result("land", env_steps=steps, total=1000 + steps, final=final)]
    return repeat(curve_of(values, before=1000), tasks, index=index)


def alone(index, values, final=100.0):
    steps = 100 * len(values)
    tasks = [result("land", env_steps=steps, total=steps, final=final, mastered=False)]
    return repeat(curve_of(values), tasks, arm="target-only", index=index)


@pytest.fixture
def comparison():
    runs = [pathnet(0, [-100.0, 215.0]), pathnet(1, [15.0, 215.0]), alone(0, [-200.0] * 4), alone(1, [0.0] * 4)]
    return Comparison(CURRICULUM, runs)


def test_native_landing_is_solved_at_200_and_mastered_at_its_own_threshold(comparison):
    target = comparison.target
    assert (target.name, target.thresholds, target.horizon) == ("land", (215.0, 200.0), 400.0)
    assert target.floor == -100.0 and target.ceiling == 215.0


def test_a_registered_threshold_counts_too():
    curriculum = small_curriculum()
    assert target_of(curriculum, []).thresholds == (400.0, 475.0)  # CartPole-v1 is registered with 475


def test_forward_transfer_of_hand_made_curves(comparison):
    # From -100 to 215; pathnet: steps of 100 at 0 and 1, then mastered; at 115/315 and 1, then mastered.
    # Alone: 0 throughout, the second at 100/315.
    expected_areas = [(0 + 1 + 2) / 4, (115 / 315 + 1 + 2) / 4]
    expected_baseline = [0.0, 100 / 315]
    values = comparison.values("pathnet", comparison.normalised_performance)
    assert list(values.values()) == pytest.approx(expected_areas)
    mean, base = np.mean(expected_areas), np.mean(expected_baseline)
    assert comparison.forward_transfer("pathnet").value == pytest.approx((mean - base) / (1 - base))
    assert comparison.forward_transfer("target-only").value == 0.0


def test_weak_and_strong_times_differ_by_the_curriculum(comparison):
    run = comparison.runs["pathnet"][0]
    assert comparison.reach(run, 200, env_steps_of_task).at == 200
    assert comparison.reach(run, 200, env_steps_of_run).at == 1200


def test_effects_are_paired_and_corrected(comparison):
    effects = {effect.question: effect for effect in comparison.effects()}
    weak = effects["environment steps of the target to 200: pathnet - target-only"]
    assert weak.difference.value == -200.0 and weak.repeats == 2  # 200 against 400 and not yet
    strong = effects["environment steps of the run to 200: pathnet - target-only"]
    assert strong.difference.value == 0.0, "both are unknown to be faster after 400 steps"
    rows = {row["question"]: row["difference"] for row in effect_rows(list(effects.values()))}
    assert rows[strong.question] == "unknown: no pair says who was first" and rows[weak.question].startswith("-200")
    assert effects["final evaluation: pathnet - target-only"].difference.value == 120.0
    assert all(effect.p_corrected >= effect.p for effect in effects.values())


def test_pathnet_is_compared_with_every_control_that_learns_all_sub_tasks(comparison):
    runs = [run for by_index in comparison.runs.values() for run in by_index.values()]
    kept = {"hover": measured(0.5, 0.9), "land": measured(220.0, 1.0)}
    lost = {"hover": measured(0.1, 0.1), "land": measured(220.0, 1.0)}
    runs = [replace(run, after=kept) if run.arm == "pathnet" else run for run in runs]
    half = result("hover", total=1000, success_rate=0.5)
    tuned = [pathnet(0, [-50.0, 215.0], final=230.0), pathnet(1, [15.0, 215.0], final=230.0)]
    tuned = [replace(run, tasks=[half, run.tasks[1]]) for run in tuned]
    tuned[1] = replace(tuned[1], tasks=[half, replace(tuned[1].tasks[1], total_env_steps=1300)])
    runs += [replace(run, arm="fine-tune", after=lost) for run in tuned]
    effects = {effect.question: effect for effect in Comparison(CURRICULUM, runs).control_effects()}
    assert all(question.endswith(": pathnet - fine-tune") for question in effects)
    for measure, difference in (
        ("final evaluation", -10.0),
        ("success of all sub-tasks in the end", 0.4),
        ("success of all sub-tasks, each when learned", 0.25),
        ("environment steps of the run", -50.0),
    ):
        assert effects[f"{measure}: pathnet - fine-tune"].difference.value == pytest.approx(difference), measure
    assert comparison.control_effects() == [], "target-only learns nothing else"


def test_ten_clear_pairs_stay_clear_whatever_else_is_measured():
    arms = [
        repeat(run.points, run.tasks, arm="de-novo", index=k) for k in range(10) for run in [pathnet(k, [9.0 + k])]
    ]
    runs = [*(pathnet(k, [9.0 + k]) for k in range(10)), *arms, *(alone(k, [0.5 * k]) for k in range(10))]
    effects = [effect for effect in Comparison(CURRICULUM, runs).effects() if effect.question.startswith("final")]
    assert [effect.p_corrected for effect in effects] == pytest.approx([2 * 2 / 1024] * 2)


def test_single_pairs_are_not_compared():
    found = Comparison(CURRICULUM, [pathnet(0, [1.0]), alone(0, [1.0]), alone(1, [1.0])])
    assert found.effects() == [] and found.forward_transfer("pathnet") is not None
    assert Comparison(CURRICULUM, [pathnet(0, [1.0])]).forward_transfer("pathnet") is None


def test_a_time_that_is_cut_off_counts_by_its_sign_alone():
    """Nine runs of ten reach 200 first, a little before their partners stop; one does long after its partner."""
    runs = [pathnet(index, [0, 205.0]) for index in range(9)] + [pathnet(9, [0] * 30 + [205.0])]
    others = [alone(index, [0] * 12) for index in range(9)] + [alone(9, [205.0])]
    effects = {effect.question: effect for effect in Comparison(CURRICULUM, runs + others).effects()}
    found = effects["environment steps of the run to 200: pathnet - target-only"]
    assert found.test == "sign" and found.repeats == 10
    weak = effects["environment steps of the target to 200: pathnet - target-only"]
    assert weak.p == pytest.approx(22 / 2**10)


def test_a_sub_task_that_was_not_learned_counts_as_no_success():
    run = repeat([], [result("hover", success_rate=0.9)])
    comparison = Comparison(CURRICULUM, [run, alone(0, [1.0])])
    assert comparison.mean_success(run) == comparison.success_in_the_end(run) == pytest.approx(0.45)
    assert comparison.success_in_the_end(comparison.runs["target-only"][0]) is None
