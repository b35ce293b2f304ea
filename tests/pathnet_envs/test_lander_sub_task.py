"""The environment's contract: API checks, seeding, level, action, time limit, rendering."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as check_gymnasium
from stable_baselines3.common.env_checker import check_env as check_stable_baselines
from stable_baselines3.common.vec_env import DummyVecEnv

from pathnet_envs import REWARDS, SUB_GOALS
from pathnet_envs.lander import LanderSubTask

NAMES = list(SUB_GOALS)
PLACED = [name for name in NAMES if name != "land"]


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


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reward", REWARDS)
def test_both_checkers_pass_without_a_warning(name, reward):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = make(name, reward=reward).unwrapped
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
        ({"sub_goal": "hover", "reward": "dense"}, "reward: 'dense' is none of sparse, shaped, native"),
        ({"sub_goal": "hover", "shaping": -1.0}, "shaping: -1.0 is outside"),
        ({"sub_goal": "hover", "shaping": float("inf")}, "shaping: inf is outside"),
        ({"sub_goal": "hover", "discount": 1.5}, "discount: 1.5 is outside"),
        ({"sub_goal": "hover", "render_mode": "ansi"}, "render_mode: 'ansi'; choose"),
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
    with pytest.raises(ValueError, match="'lvl' is unknown; the only option is 'level'"):
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
    env = gymnasium.make(SUB_GOALS["go-to-x"].env_id, reward="sparse", max_episode_steps=5)
    trace = play(env, [2] * 10, seed=0)
    assert len(trace) == 1 + 5
    assert trace[-1][2:4] == (False, True)
    assert all(step[2:4] == (False, False) for step in trace[1:-1])
