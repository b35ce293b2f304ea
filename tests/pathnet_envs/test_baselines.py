"""Baselines: the interval's known values, and what ships is what is measured."""

import json
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from pathnet_envs import SUB_GOALS, baselines
from pathnet_envs.baselines import FIRST_SEED, measure, random_of, succeeds
from pathnet_envs.success_rates import SHIPPED, Baselines, SuccessRate, shipped_baselines

POLICIES = ("random", "no_op", "best_constant", "scripted", "random_at_level_0")
QUICK = 20  # episodes
SLACK = QUICK**-0.5  # two standard errors of such a rate at most


@pytest.fixture(scope="module")
def shipped_file():
    return json.loads(Path(baselines.__file__).with_name(SHIPPED).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("successes", "episodes", "interval"),
    [
        # by hand: z^2 = 3.8415; at 0 of 10 the upper end is z^2 / (10 + z^2), at 5 of 10 the centre is a half
        (0, 10, (0.0, 0.2775)),
        (10, 10, (0.7225, 1.0)),
        (5, 10, (0.2366, 0.7634)),
        (1, 1, (0.2065, 1.0)),
    ],
)
def test_wilson_intervals_are_those_worked_out_by_hand(successes, episodes, interval):
    assert SuccessRate(successes, episodes).interval == pytest.approx(interval, abs=1e-4)


def test_an_interval_contains_its_rate_and_narrows():
    few, many = SuccessRate(9, 30), SuccessRate(90, 300)
    assert few.interval[0] < many.interval[0] < many.rate < many.interval[1] < few.interval[1]


@pytest.mark.parametrize(("successes", "episodes"), [(0, 0), (3, 2), (-1, 5)])
def test_impossible_counts_are_refused(successes, episodes):
    with pytest.raises(ValueError, match=f"{successes} of {episodes} episodes; give 1 episode or more"):
        SuccessRate(successes, episodes)


def test_what_ships_is_of_every_sub_goal_and_says_how_to_measure_it_again(shipped_file):
    assert list(shipped_file["sub_goals"]) == list(SUB_GOALS)
    first, last = shipped_file["seeds"]
    assert first == FIRST_SEED
    assert shipped_file["command"] == f"python -m pathnet_envs.baselines --episodes {last - first + 1}"
    assert shipped_file["machine"] and shipped_file["date"]
    assert {"pathnet-rl", "gymnasium", "box2d"} <= shipped_file["versions"].keys()
    for measured in shipped_baselines().values():
        assert all(getattr(measured, policy).episodes == last - first + 1 for policy in POLICIES)


def test_rates_and_intervals_in_the_file_follow_from_the_counts(shipped_file):
    for entry in shipped_file["sub_goals"].values():
        assert Baselines.from_dict(entry).to_dict() == entry


@pytest.mark.parametrize("name", SUB_GOALS)
def test_what_ships_says_that_a_sub_task_can_be_solved_and_not_by_chance(name):
    measured = shipped_baselines()[name]
    assert measured.scripted.interval[1] >= SUB_GOALS[name].mastery
    assert measured.random.interval[1] < 0.2
    assert measured.best_constant.successes >= measured.no_op.successes
    assert measured.best_constant.rate < SUB_GOALS[name].mastery


@pytest.mark.parametrize("name", ["kill-spin", "land-low"])
def test_a_quick_measurement_agrees_with_what_ships_and_with_itself(name):
    again = measure(name, QUICK)
    assert again == measure(name, QUICK)
    for policy in POLICIES:
        low, high = getattr(shipped_baselines()[name], policy).interval
        assert low - SLACK <= getattr(again, policy).rate <= high + SLACK, policy


def test_random_actions_do_not_repeat_the_draws_of_the_start():
    policy, of_environment = random_of(FIRST_SEED), np.random.default_rng(FIRST_SEED)
    assert [policy([]) for _ in range(30)] != of_environment.integers(4, size=30).tolist()


def test_an_episode_is_a_success_only_by_its_last_info():
    env = gymnasium.make(SUB_GOALS["hover"].env_id, reward="sparse")
    assert not succeeds(env, lambda observation: 0, FIRST_SEED)


def test_the_command_writes_what_is_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(baselines, "SUB_GOALS", {"kill-spin": SUB_GOALS["kill-spin"]})
    file = tmp_path / "measured.json"
    baselines.main(["--episodes", "2", "--out", str(file)])
    written = json.loads(file.read_text())
    assert written["command"] == "python -m pathnet_envs.baselines --episodes 2"
    assert Baselines.from_dict(written["sub_goals"]["kill-spin"]) == measure("kill-spin", 2)
    baselines.main(["--episodes", "2"])
    out, err = capsys.readouterr()
    assert json.loads(out) == written
    assert "kill-spin: random" in err


def test_no_episodes_are_refused(capsys):
    with pytest.raises(SystemExit):
        baselines.main(["--episodes", "0"])
    assert "--episodes 0: give 1 or more" in capsys.readouterr().err
