"""The environment's contract: API checks, seeding, level, action, time limit, rendering."""

import contextlib
import copy
import io
import pickle
import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as check_gymnasium
from stable_baselines3.common.env_checker import check_env as check_stable_baselines
from stable_baselines3.common.vec_env import DummyVecEnv

from pathnet_envs import REWARDS, SUB_GOALS
from pathnet_envs.lander import LanderSubTask
from pathnet_envs.scripted import scripted
from pathnet_envs.starts import native

NAMES = list(SUB_GOALS)
PLACED = [name for name in NAMES if SUB_GOALS[name].start is not native]


def make(name, **settings):
    return gymnasium.make(SUB_GOALS[name].env_id, **settings)


def random_actions(seed, steps):
    return np.random.default_rng(seed).integers(4, size=steps).tolist()


def play(env, actions, **reset):
    """Return everything an episode shows, up to its end."""
    observation, info = env.reset(**reset)
    trace = [(observation.tobytes(), info)]
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        trace.append((observation.tobytes(), reward, terminated, truncated, info))
        if terminated or truncated:
            break
    return trace


@pytest.mark.parametrize("env_id", [env_id for env_id in gymnasium.registry if env_id.startswith("PathNet/")])
@pytest.mark.parametrize("settings", [{"reward": reward} for reward in REWARDS] + [{"observe_hidden": True}])
def test_both_checkers_pass_without_a_warning(env_id, settings):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make(env_id, **settings).unwrapped
        check_gymnasium(env, skip_render_check=True)
        check_stable_baselines(env, warn=True, skip_render_check=True)


def test_rendering_passes_the_checkers_too():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # pygame's own, on its import
        warnings.filterwarnings("ignore", category=UserWarning, module="pygame")
        env = make("hover", render_mode="rgb_array")
        check_gymnasium(env.unwrapped)
        env.reset(seed=0)
        assert env.render().shape == (400, 600, 3)
        env.close()


def test_rendering_without_a_mode_warns_and_shows_nothing():
    env = LanderSubTask("hover")
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="rgb_array"):
        assert env.render() is None


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_decides_everything(name):
    actions = random_actions(1, 150)
    env = make(name)
    first = play(env, actions, seed=7)
    assert play(make(name), actions, seed=7) == first  # in another environment
    assert play(env, actions, seed=7) == first  # in the same one again
    assert play(env, actions, seed=8) != first


def test_a_seed_decides_the_same_in_another_process():
    code = (
        "import gymnasium, hashlib, numpy as np, pathnet_envs\n"
        "digest = hashlib.sha256()\n"
        "for env_id in sorted(name for name in gymnasium.registry if name.startswith('PathNet/')):\n"
        "    env = gymnasium.make(env_id, level=0.7)\n"
        "    env.action_space.seed(1)\n"
        "    digest.update(env.reset(seed=2)[0].tobytes())\n"
        "    for _ in range(60):\n"
        "        observation, reward, *_ = env.step(env.action_space.sample())\n"
        "        digest.update(observation.tobytes() + np.float64(reward).tobytes())\n"
        "print(digest.hexdigest())"
    )
    digests = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in "ab"
    }
    here = io.StringIO()
    with contextlib.redirect_stdout(here):
        exec(code, {})
    assert digests == {here.getvalue()}


@pytest.mark.parametrize("name", NAMES)
def test_resets_without_a_seed_go_on_with_the_generator(name):
    actions = random_actions(2, 40)
    runs = []
    for _ in range(2):
        env = make(name)
        runs.append([play(env, actions, seed=3), play(env, actions), play(env, actions)])
    assert runs[0] == runs[1]
    assert runs[0][1] != runs[0][2]


@pytest.mark.parametrize("seed", range(4))
def test_native_land_is_lunar_lander_bit_for_bit(seed):
    ours, theirs = make("land", reward="native", level=0.3), gymnasium.make("LunarLander-v3")
    actions = random_actions(seed, 1000)
    for reset in ({"seed": seed}, {}):  # the second episode goes on with the generator
        trace, plain = play(ours, actions, **reset), play(theirs, actions, **reset)
        assert [step[0] for step in trace] == [step[0] for step in plain]
        assert [step[1:4] for step in trace[1:]] == [step[1:4] for step in plain[1:]]
        assert trace[-1][4]["native_return"] == sum(float(step[1]) for step in plain[1:])


@pytest.mark.parametrize("name", PLACED)
def test_the_level_moves_the_next_start_by_each_of_its_doors(name):
    def start(env, **reset):
        return env.reset(seed=5, **reset)[0].tolist()

    easy, hard = start(make(name, level=0.0)), start(make(name, level=1.0))
    assert easy != hard
    env = make(name)
    assert start(env) == hard
    env.unwrapped.level = 0.0
    assert start(env) == easy
    assert start(env, options={"level": 1.0}) == hard
    assert start(env) == hard  # an option stays


def test_land_begins_like_lunar_lander_at_every_level():
    starts = {make("land", level=level).reset(seed=5)[0].tobytes() for level in (0.0, 0.4, 1.0)}
    assert starts == {gymnasium.make("LunarLander-v3").reset(seed=5)[0].tobytes()}


def test_vectors_set_the_level_of_their_environments():
    lanes = gymnasium.make_vec(SUB_GOALS["go-to-x"].env_id, num_envs=2, vectorization_mode="sync")
    lanes.set_attr("level", [0.0, 1.0])
    observations, _ = lanes.reset(seed=[5, 5])
    assert abs(observations[0, 0]) < 0.2 < abs(observations[1, 0])
    lanes.set_attr("level", 0.3)
    assert [env.unwrapped.level for env in lanes.envs] == [0.3, 0.3]
    lanes.close()


def test_stable_baselines_vectors_set_the_level_too():
    lanes = DummyVecEnv([lambda: make("go-to-x")])
    lanes.env_method("set_wrapper_attr", "level", 0.0)
    assert lanes.get_attr("level") == [0.0]
    assert lanes.envs[0].unwrapped.level == 0.0


@pytest.mark.parametrize("level", [-0.01, 1.01, float("nan"), "high", None])
def test_a_level_outside_its_range_is_refused_everywhere(level):
    env = LanderSubTask("hover", level=0.5)
    with pytest.raises(ValueError, match=r"level: .* \[0, 1\]"):
        LanderSubTask("hover", level=level)
    with pytest.raises(ValueError, match="level"):
        env.level = level
    with pytest.raises(ValueError, match="level"):
        env.reset(options={"level": level})
    assert env.level == 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sub_goal": "hovr"}, "sub_goal: 'hovr' is unknown; nearest: 'hover'"),
        (
            {"sub_goal": "hover", "reward": "dense"},
            "reward: 'dense' is unknown; choose one of sparse, shaped, native",
        ),
        ({"sub_goal": "hover", "shaping": -1.0}, "shaping: -1.0 is outside"),
        ({"sub_goal": "hover", "shaping": float("inf")}, "shaping: inf is outside"),
        ({"sub_goal": "hover", "discount": 1.5}, "discount: 1.5 is outside"),
        ({"sub_goal": "hover", "render_mode": "ansi"}, "render_mode: 'ansi' is unknown"),
    ],
)
def test_a_wrong_argument_is_named_with_its_remedy(settings, message):
    with pytest.raises(ValueError, match=message):
        LanderSubTask(**settings)


def test_an_unknown_option_is_refused_and_leaves_the_seed_alone():
    actions = random_actions(0, 20)
    env, untouched = make("hover"), make("hover")
    play(env, [], seed=1)
    play(untouched, [], seed=1)
    with pytest.raises(ValueError, match="'lvl' is unknown; nearest: 'level'"):
        env.reset(seed=2, options={"lvl": 0.3})
    assert play(env, actions) == play(untouched, actions)


@pytest.mark.parametrize("action", [4, -1, 1.0, "left", None, np.array([1, 2])])
def test_an_invalid_action_is_named(action):
    env = LanderSubTask("hover")
    env.reset(seed=0)
    with pytest.raises(gymnasium.error.InvalidAction, match="give an integer from 0 to 3"):
        env.step(action)


@pytest.mark.parametrize("action", [2, np.int64(2), np.int32(2), np.array(2)])
def test_every_integer_type_is_an_action(action):
    env = LanderSubTask("hover")
    env.reset(seed=0)
    plain = LanderSubTask("hover")
    plain.reset(seed=0)
    assert env.step(action)[0].tobytes() == plain.step(2)[0].tobytes()


def test_a_step_before_the_first_reset_is_refused():
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
        LanderSubTask("hover").step(0)


def test_the_time_limit_truncates_and_does_not_terminate():
    env, trace = make("hover", reward="native"), []
    observation, _ = env.reset(seed=0)
    while not trace or not any(trace[-1][2:4]):
        trace.append(env.step(scripted("hover")(observation)))
        observation = trace[-1][0]
    assert len(trace) == SUB_GOALS["hover"].horizon_steps
    assert trace[-1][2:4] == (False, True)
    assert all(step[2:4] == (False, False) for step in trace[:-1])


def test_a_shorter_time_limit_can_be_put_around_it():
    env = gymnasium.make(SUB_GOALS["go-to-x"].env_id, max_episode_steps=5)
    assert len(play(env, [2] * 10, seed=0)) == 1 + 5


def test_a_sub_goal_that_is_set_begins_with_the_next_reset():
    env, plain = make("hover", reward="sparse"), make("kill-spin", reward="sparse")
    actions = random_actions(3, 200)
    env.reset(seed=1)
    env.unwrapped.sub_goal = "kill-spin"
    assert env.unwrapped.goal is SUB_GOALS["hover"]  # of the running episode
    assert play(env, actions, seed=4) == play(plain, actions, seed=4)
    with pytest.raises(ValueError, match="nearest: 'kill-spin'"):
        env.unwrapped.sub_goal = "kill-spn"
    assert env.unwrapped.sub_goal == "kill-spin"


@pytest.mark.parametrize("copier", [pickle.dumps, copy.deepcopy])
def test_a_live_environment_is_neither_pickled_nor_copied(copier):
    env = make("hover")
    with pytest.raises(TypeError, match=r"pickle env\.spec"):
        copier(env.unwrapped)
    again = gymnasium.make(pickle.loads(pickle.dumps(env.spec)))
    assert play(again, [2, 2], seed=3) == play(env, [2, 2], seed=3)


def test_what_is_observed_stays_in_the_space_where_lunar_lander_leaves_it():
    env, bare = make("land", reward="native"), gymnasium.make("LunarLander-v3")
    env.reset(seed=0), bare.reset(seed=0)
    left = 0
    for _ in range(600):  # upwards for ever
        ours, theirs = env.step(2)[0], bare.step(2)[0]
        assert env.observation_space.contains(ours)
        left += not bare.observation_space.contains(theirs)
    assert left


def test_the_hidden_state_is_observed_where_it_is_asked_for():
    env = make("land-fuel", observe_hidden=True, fuel=10.0)
    observation, _ = env.reset(seed=0)
    assert observation[8:].tolist() == [0.0, 1.0]
    for _ in range(5):
        observation, *_, info = env.step(2)
    assert observation[9] == 0.5 and info["fuel"] == 5.0
    hover = make("hover", observe_hidden=True)
    hover.reset(seed=0)
    assert hover.step(0)[0][8:].tolist() == pytest.approx([1 / 75, 1.0])
