"""LanderVector shows what Gymnasium's own vector shows, to the bit, in every mode and any number of processes."""

import os
import signal

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode

from pathnet_envs import SUB_GOALS
from pathnet_envs.vector import LanderVector

MODES = list(AutoresetMode)
LANES = 5


def make_sync(env_id, mode, **settings):
    return gymnasium.make_vec(
        env_id, LANES, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}, **settings
    )


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["kill-spin", "land-low", "land-fuel"])
def test_it_equals_gymnasiums_vector(name, mode, processes):
    env_id = SUB_GOALS[name].env_id
    ours = gymnasium.make_vec(env_id, LANES, autoreset_mode=mode, processes=processes)
    theirs = make_sync(env_id, mode)
    assert isinstance(ours, LanderVector)
    assert ours.metadata == theirs.metadata
    assert ours.observation_space == theirs.observation_space and ours.action_space == theirs.action_space
    assert data_equivalence(ours.reset(seed=3), theirs.reset(seed=3))
    rng, ends = np.random.default_rng(0), 0
    for _ in range(250):
        actions = rng.integers(4, size=LANES)
        shown, expected = ours.step(actions), theirs.step(actions)
        assert data_equivalence(shown, expected), (shown, expected)
        ended = shown[2] | shown[3]
        ends += int(ended.sum())
        if mode == AutoresetMode.DISABLED and ended.any():
            again = [
                envs.reset(seed=[int(seed) for seed in range(LANES)], options={"reset_mask": ended.copy()})
                for envs in (ours, theirs)
            ]
            assert data_equivalence(*again)
    assert ends > 3
    ours.close(), theirs.close()


@pytest.mark.parametrize("processes", [1, 2])
def test_continuous_lanes_equal_gymnasiums_too(processes):
    env_id = SUB_GOALS["land-fuel"].continuous_env_id
    ours = gymnasium.make_vec(env_id, LANES, processes=processes, observe_hidden=True)
    theirs = make_sync(env_id, AutoresetMode.NEXT_STEP, observe_hidden=True)
    ours.reset(seed=1), theirs.reset(seed=1)
    rng = np.random.default_rng(1)
    for _ in range(120):
        actions = rng.uniform(-1, 1, size=(LANES, 2)).astype(np.float32)
        assert data_equivalence(ours.step(actions), theirs.step(actions))
    ours.close(), theirs.close()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_gymnasiums_vectors_serve_too(mode):
    lanes = gymnasium.make_vec(SUB_GOALS["hover"].env_id, 2, vectorization_mode=mode)
    observations, _ = lanes.reset(seed=4)
    alone = gymnasium.make(SUB_GOALS["hover"].env_id)
    for lane in range(2):
        assert observations[lane].tobytes() == alone.reset(seed=4 + lane)[0].tobytes()
    lanes.close()


@pytest.mark.parametrize("processes", [1, 2])
def test_every_lane_has_its_own_level_and_sub_goal(processes):
    lanes = LanderVector(4, processes=processes, sub_goal="go-to-x")
    lanes.set_attr("level", [0.0, 1.0, 0.0, 1.0])
    lanes.set_attr("sub_goal", ["go-to-x", "go-to-x", "hover", "land"])
    observations, _ = lanes.reset(seed=[5] * 4)
    assert lanes.get_attr("level") == (0.0, 1.0, 0.0, 1.0)
    for lane, (name, level) in enumerate([("go-to-x", 0.0), ("go-to-x", 1.0), ("hover", 0.0), ("land", 1.0)]):
        alone = gymnasium.make(SUB_GOALS[name].env_id, level=level)
        assert observations[lane].tobytes() == alone.reset(seed=5)[0].tobytes()
    lanes.set_attr("level", 0.5)
    assert lanes.get_attr("level") == (0.5,) * 4
    assert lanes.call("get_wrapper_attr", "sub_goal") == ("go-to-x", "go-to-x", "hover", "land")
    assert lanes.np_random_seed == (5, 5, 5, 5)
    for values in ([0.5], ["high"] * 4, [0.5, 0.5, 0.5, 2.0]):
        with pytest.raises(ValueError, match="level"):
            lanes.set_attr("level", values)
    assert lanes.step(np.zeros(4, dtype=int))[0].shape == (4, 8)  # still answers
    lanes.close()


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("actions", [[0, 4], [0, -1], [0.0, 1.0], [0], [[0, 1]], ["a", "b"]])
def test_an_invalid_action_moves_no_lane(actions, processes):
    lanes, untouched = (LanderVector(2, processes=processes, sub_goal="hover") for _ in range(2))
    lanes.reset(seed=0), untouched.reset(seed=0)
    with pytest.raises(gymnasium.error.InvalidAction, match="integers from 0 to 3"):
        lanes.step(actions)
    assert data_equivalence(lanes.step([2, 1]), untouched.step([2, 1]))
    lanes.close(), untouched.close()


def test_an_ended_lane_is_not_stepped_on():
    lanes = LanderVector(2, sub_goal="kill-spin", autoreset_mode="Disabled")
    lanes.reset(seed=0)
    with pytest.raises(gymnasium.error.ResetNeeded, match="lane . has ended"):
        for _ in range(101):
            lanes.step([0, 0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_envs": 0}, "num_envs: 0 is refused; give a whole number of 1 or more"),
        ({"num_envs": 2, "processes": 3}, "processes: 3 is refused; give a whole number from 1 to 2"),
        ({"num_envs": 2, "processes": 0}, "processes: 0"),
        ({"num_envs": 2, "render_mode": "human"}, "shows one environment"),
        ({"num_envs": 2, "level": 2.0}, "level: 2.0 is outside"),
        ({"num_envs": 2, "autoreset_mode": "Never"}, "Never"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        LanderVector(sub_goal="hover", **arguments)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    ("reset", "message"),
    [
        ({"seed": [1]}, "seed: has 1 entries"),
        ({"options": {"lvl": 1}}, "nearest: 'level'"),
        ({"options": {"reset_mask": np.array([True])}}, "reset_mask"),
        ({"options": {"state": {"y": -1.0}}}, "inside the ground"),
    ],
)
def test_wrong_resets_are_refused_and_the_lanes_stay_usable(reset, message, processes):
    lanes = LanderVector(2, processes=processes, sub_goal="hover")
    with pytest.raises(ValueError, match=message):
        lanes.reset(**reset)
    assert lanes.reset(seed=0)[0].shape == (2, 8)
    lanes.close()


def test_a_process_that_dies_is_named():
    lanes = LanderVector(4, processes=2, sub_goal="hover")
    lanes.reset(seed=0)
    os.kill(lanes._others[0]._process.pid, signal.SIGKILL)
    with pytest.raises(gymnasium.error.Error, match="lanes 2 to 3 has ended by itself"):
        for _ in range(3):
            lanes.step([0, 0, 0, 0])
    lanes.close()


def test_closing_leaves_no_process_behind():
    lanes = LanderVector(2, processes=2, sub_goal="hover")
    process = lanes._others[0]._process
    lanes.close()
    assert not process.is_alive()
