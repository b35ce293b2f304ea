"""Arms are data: known names, overrides that the curriculum's own checks accept or refuse."""

import pytest
from make_runs import small_curriculum

from pathnet_rl.transfer.arms import ARMS, DEFAULT_ARMS, SHORTHANDS, ArmError, choose_arms, curriculum_of


@pytest.mark.parametrize("name", list(ARMS))
def test_every_arm_changes_a_curriculum_validly_and_only_as_it_says(name):
    search = {"population": 4, "fewest_active": 2, "warm_start_from": "best"}
    arm, base = ARMS[name], small_curriculum(agent={"lanes": 16, "action_repeat": 2}, search=search)
    changed = curriculum_of(arm, base, seed=7).to_dict()
    assert changed["seed"] == 7
    for key, value in arm.overrides.items():
        section, _, setting = key.partition(".")
        assert changed[section][setting] == value
        assert base.to_dict()[section][setting] != value, "an arm that changes nothing"
        changed[section][setting] = base.to_dict()[section][setting]
    if not arm.target_alone:
        assert changed == {**base.to_dict(), "seed": 7}


def test_the_last_sub_task_alone_has_the_steps_of_all():
    base = small_curriculum()
    alone = curriculum_of(ARMS["target-only"], base, seed=0, budget_env_steps=12_345)
    assert [task.name for task in alone.tasks] == ["second"] and alone.tasks[0].budget_env_steps == 12_345
    assert curriculum_of(ARMS["target-only"], base, seed=0).tasks[0].budget_env_steps == 1_800


def test_the_baseline_brings_its_own_agent():
    changed = curriculum_of(ARMS["sb3-dqn"], small_curriculum(), seed=0)
    assert changed.agent_name == "sb3-dqn" and changed.to_dict()["agent"]["batch_transitions"] == 128


def test_shorthands_are_spelled_out_once():
    chosen = [arm.name for arm in choose_arms(["one-step", "ablations", "pathnet"])]
    assert chosen[0] == "one-step" and len(chosen) == len(set(chosen)) == len(SHORTHANDS["ablations"]) + 1
    assert not {*DEFAULT_ARMS, "sb3-dqn"} & set(SHORTHANDS["ablations"])


def test_an_ablation_that_changes_nothing_is_refused():
    with pytest.raises(
        ArmError, match=r"last-ancestor changes nothing of carts: search.warm_start_from is last already"
    ):
        curriculum_of(ARMS["last-ancestor"], small_curriculum(), seed=0)


def test_unknown_arms_are_named_with_the_nearest():
    with pytest.raises(ArmError, match='"pathnt" is no arm of a curriculum; nearest: pathnet'):
        choose_arms(["target-only", "pathnt"])
    with pytest.raises(ArmError, match="names none"):
        choose_arms([])


def test_an_override_that_the_agent_refuses_is_reported():
    with pytest.raises(ArmError, match=r"arm population-16, search.population=16: agent.lanes: 4 lanes cannot"):
        curriculum_of(ARMS["population-16"], small_curriculum(), seed=0)
