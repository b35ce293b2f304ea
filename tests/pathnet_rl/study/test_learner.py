from dataclasses import replace

import pytest
from make_study import make_study

from pathnet_rl.study.workers import Job, run_here


def ignoring_time(records):
    return {(record.arm, record.index): replace(record, wall_s=0.0) for record in records}


@pytest.mark.parametrize("arm", ["search+search", "progressive", "fine-tune", "de-novo"])
def test_a_repeat_is_the_same_to_the_bit_alone_and_in_any_slot_beside_any_others(arm):
    study = make_study()
    jobs = [Job(arm, index) for index in range(5)]
    together = ignoring_time(run_here(study, jobs, slots=5))
    # Three slots: repeats 3 and 4 come into slots that others have left, at different moments.
    refilled = ignoring_time(run_here(study, jobs[::-1], slots=3))
    alone = ignoring_time(run_here(study, jobs[3:4], slots=1))
    assert together == refilled
    assert alone[arm, 3] == together[arm, 3]


def test_arms_that_run_side_by_side_do_not_disturb_each_other():
    study = make_study()
    alone = ignoring_time(run_here(study, [Job("search+search", 0)], slots=1))
    mixed = [Job("progressive", 0), Job("fine-tune", 1), Job("search+search", 0), Job("de-novo", 0)]
    assert ignoring_time(run_here(study, mixed, slots=4))["search+search", 0] == alone["search+search", 0]


def test_another_seed_or_index_gives_other_numbers():
    study, other = make_study(), make_study(seed=1)
    first, second = run_here(study, [Job("de-novo", 0), Job("de-novo", 1)], slots=2)
    (third,) = run_here(other, [Job("de-novo", first.index)], slots=1)
    assert first.second.curve != second.second.curve
    assert first.second.curve != third.second.curve


def test_real_digits_are_learned():
    study = make_study(
        network={"layers": 3, "modules": 10, "active": 3, "units": 20},
        training={"minibatches": 50},
        search={"population": 64, "threshold": 0.97, "limit_generations": 100},
    )
    records = run_here(study, [Job("search+search", index) for index in range(4)], slots=4)
    for record in records:
        assert record.first.solved and record.second.solved
        assert min(record.first.test_accuracy, record.second.test_accuracy) > 0.85
