"""What each reward mode pays, and when an episode counts as a success."""

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathnet_envs import SUB_GOALS, body
from pathnet_envs.body_state import BodyState
from pathnet_envs.lander import LanderSubTask
from pathnet_envs.scripted import constant, scripted, uniform_random

NAMES = list(SUB_GOALS)
REST_OFF_PAD = BodyState(x=0.3, y=0.0)


def play(env, policy, seed):
    """Return states (one more than steps), rewards, infos, and the flags of the last step."""
    observation, info = env.reset(seed=seed)
    states, rewards, infos = [observation.tolist()], [], [info]
    terminated = truncated = False
    while not (terminated or truncated):
        observation, reward, terminated, truncated, info = env.step(policy(states[-1]))
        states.append(observation.tolist())
        rewards.append(reward)
        infos.append(info)
    return states, rewards, infos, terminated


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(NAMES),
    discount=st.sampled_from([0.0, 0.9, 0.99, 1.0]),
    shaping=st.floats(0.0, 2.0),
    seed=st.integers(0, 10_000),
    skilled=st.booleans(),
    horizon_steps=st.sampled_from([20, 120, 1000]),
)
def test_the_shaped_return_telescopes(name, discount, shaping, seed, skilled, horizon_steps):
    sub_goal = SUB_GOALS[name]
    env = gymnasium.make(
        sub_goal.env_id, shaping=shaping, discount=discount, level=0.3, max_episode_steps=horizon_steps
    )
    policy = scripted(name) if skilled else uniform_random(np.random.default_rng(seed))
    states, rewards, infos, terminated = play(env, policy, seed)
    steps = len(rewards)
    shaped = sum(discount**t * reward for t, reward in enumerate(rewards))
    sparse = discount ** (steps - 1) * infos[-1]["is_success"]
    last = 0.0 if terminated else discount**steps * (1.0 - sub_goal.cost(states[-1]))
    first = 1.0 - sub_goal.cost(states[0])
    assert shaped == pytest.approx(sparse + shaping * (last - first), abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_success_pays_one_and_ends_the_episode(name):
    # Wind and an empty tank defeat the controller now and then; at level 0 there is neither.
    env = gymnasium.make(SUB_GOALS[name].env_id, reward="sparse", level=0.0 if name.startswith("land-") else 1.0)
    states, rewards, infos, terminated = play(env, scripted(name), seed=0)
    assert terminated and infos[-1]["is_success"]
    assert rewards[-1] == 1.0 and set(rewards[:-1]) <= {0.0}
    assert not any(info["is_success"] for info in infos[:-1])


@pytest.mark.parametrize("name", NAMES)
def test_a_crash_pays_nothing_and_is_no_success(name):
    env = gymnasium.make(SUB_GOALS[name].env_id, reward="sparse")
    crashes = 0
    for seed in range(8):
        _, rewards, infos, terminated = play(env, uniform_random(np.random.default_rng(seed)), seed)
        if terminated and not infos[-1]["is_success"]:
            crashes += 1
            assert set(rewards) == {0.0}
            assert infos[-1]["hold"] == 0
    assert crashes  # random flight from full difficulty crashes nearly always


@pytest.mark.parametrize("name", NAMES)
def test_hold_counts_the_consecutive_steps_at_the_goal(name):
    sub_goal = SUB_GOALS[name]
    env = gymnasium.make(sub_goal.env_id, reward="sparse", level=0.2)
    for seed in range(4):
        for policy in (scripted(name), uniform_random(np.random.default_rng(seed))):
            states, _, infos, terminated = play(env, policy, seed)
            hold = 0
            for state, info in zip(states[1:-1], infos[1:-1], strict=True):
                hold = hold + 1 if sub_goal.reached(state) else 0
                assert info["hold"] == hold < sub_goal.hold_steps
            if infos[-1]["is_success"] and not sub_goal.landing:
                assert infos[-1]["hold"] == sub_goal.hold_steps


@pytest.mark.parametrize("name", NAMES)
def test_the_reward_mode_changes_neither_physics_nor_start(name):
    traces = []
    for reward in ("sparse", "shaped", "native"):
        env = LanderSubTask(name, reward=reward)
        first = env.reset(seed=4)[0]
        steps = [env.step(action)[0] for action in (0, 2, 1, 2, 3, 2)]
        traces.append(np.stack([first, *steps]).tobytes())
    assert len(set(traces)) == 1


def test_native_pays_lunar_landers_reward_and_goes_on_after_success():
    env = gymnasium.make(SUB_GOALS["kill-spin"].env_id, reward="native")
    observation, info = env.reset(seed=0)
    successes, paid, terminated = [], 0.0, False
    while not terminated:  # stops the spin, then falls until it crashes
        observation, reward, terminated, truncated, info = env.step(scripted("kill-spin")(observation.tolist()))
        paid += reward
        assert not truncated and info["native_return"] == paid
        successes.append(info["is_success"])
    first = successes.index(True)
    assert all(successes[first:-1]) and len(successes) > first + 10  # kept while it lasts
    assert reward == -100.0 and not successes[-1]  # and cleared by the crash


def settle(env, seed, start):
    """Let the lander drop onto the ground with its engines off; return the last step."""
    env.reset(seed=seed)
    body.place(env._lander, start)
    terminated = False
    while not terminated:
        observation, reward, terminated, _, info = env.step(0)
    return observation.tolist(), reward, info


def test_coming_to_rest_on_the_pad_is_success_at_once():
    env = LanderSubTask("land-low", reward="sparse")
    state, reward, info = settle(env, 0, BodyState(x=0.0, y=0.02))
    assert abs(state[0]) <= 0.2 and info["is_success"] and reward == 1.0


@pytest.mark.parametrize("name", ["hover", "go-to-x"])
def test_coming_to_rest_on_the_pad_is_no_success_in_the_air(name):
    state, reward, info = settle(LanderSubTask(name, reward="sparse"), 0, BodyState(x=0.0, y=0.02))
    assert abs(state[0]) <= 0.2 and reward == 0.0 and not info["is_success"]


@pytest.mark.parametrize("name", ["land-low", "hover"])
def test_coming_to_rest_elsewhere_ends_the_episode_without_success(name):
    rested = 0
    for seed in range(12):
        env = LanderSubTask(name, reward="sparse")
        state, reward, info = settle(env, seed, REST_OFF_PAD)
        if body.is_asleep(env._lander) and abs(state[0]) > 0.2:
            rested += 1
            assert reward == 0.0 and not info["is_success"]
    assert rested


def test_leaving_the_screen_ends_the_episode_without_success():
    env = LanderSubTask("kill-spin", reward="sparse")
    env.reset(seed=0)
    body.place(env._lander, BodyState(x=0.99, y=1.2, vx=0.8))
    for _ in range(2):  # kill-spin's goal is reached all the time, but not for long enough
        _, reward, terminated, _, info = env.step(0)
        if terminated:
            break
    assert terminated and reward == 0.0 and not info["is_success"] and info["hold"] == 0


def test_a_constant_policy_earns_no_shaping_from_a_crash():
    env = gymnasium.make(SUB_GOALS["brake-fall"].env_id, shaping=1.0, discount=1.0)
    _, rewards, infos, terminated = play(env, constant(0), seed=0)
    assert terminated and not infos[-1]["is_success"]
    assert sum(rewards) <= 0.0
