"""Shaping changes returns by the potential alone, over any run of lanes, and never which policy is best."""

from itertools import product

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st

from pathnet_envs import SUB_GOALS
from pathnet_envs.rewards import potential_term

DISCOUNT, SHAPING, LANES = 0.97, 0.8, 3


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("name", ["kill-spin", "land-low", "land-fuel"])
def test_lanes_that_restart_themselves_telescope_too(name, mode):
    """Every complete episode of every lane: terminated, truncated, followed by another."""
    goal = SUB_GOALS[name]
    shaped, sparse = (
        gymnasium.make_vec(goal.env_id, LANES, autoreset_mode=mode, reward=reward, level=0.5, **kwargs)
        for reward, kwargs in (("shaped", {"discount": DISCOUNT, "shaping": SHAPING}), ("sparse", {}))
    )
    observation, _ = shaped.reset(seed=1)
    sparse.reset(seed=1)
    first, gain, steps = [goal.cost(row) for row in observation.tolist()], np.zeros(LANES), np.zeros(LANES, int)
    rng, ends, restarts = np.random.default_rng(0), {"terminated": 0, "truncated": 0}, np.zeros(LANES, dtype=bool)
    for _ in range(700):
        actions = rng.integers(4, size=LANES)
        shown, reward, terminated, truncated, info = shaped.step(actions)
        plain = sparse.step(actions)[1]
        for lane, row in enumerate(shown.tolist()):
            if restarts[lane]:  # the reset step of NEXT_STEP pays nothing and is no transition
                assert reward[lane] == 0.0
                first[lane], restarts[lane] = goal.cost(row), False
                continue
            gain[lane] += DISCOUNT ** steps[lane] * (reward[lane] - plain[lane])
            steps[lane] += 1
            if not (terminated[lane] or truncated[lane]):
                continue
            last = info["final_obs"][lane].tolist() if mode == AutoresetMode.SAME_STEP else row
            potential = 0.0 if terminated[lane] else 1.0 - goal.cost(last)
            expected = SHAPING * (DISCOUNT ** steps[lane] * potential - (1.0 - first[lane]))
            assert gain[lane] == pytest.approx(expected, abs=1e-9)
            ends["terminated" if terminated[lane] else "truncated"] += 1
            gain[lane], steps[lane] = 0.0, 0
            restarts[lane] = mode == AutoresetMode.NEXT_STEP
            first[lane] = goal.cost(row)
    assert ends["terminated"] > 2
    assert ends["truncated"] > 0 or name != "kill-spin"


def best_policies(rewards, following, discount, states, actions):
    """Return every optimal policy of a small deterministic process by trying all of them."""
    values = {}
    for policy in product(range(actions), repeat=states):
        value = np.zeros(states + 1)  # the last state is terminal
        for _ in range(400):
            value[:states] = [
                rewards[s, policy[s]] + discount * value[following[s, policy[s]]] for s in range(states)
            ]
        values[policy] = value[:states]
    best = np.max(list(values.values()), axis=0)
    return {policy for policy, value in values.items() if np.allclose(value, best, atol=1e-7)}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data(), discount=st.sampled_from([0.5, 0.9]), shaping=st.sampled_from([0.5, 5.0]))
def test_the_best_policies_stay_the_best(data, discount, shaping):
    states, actions = 4, 2
    each = st.integers(0, states)
    following = np.array(data.draw(st.lists(each, min_size=8, max_size=8))).reshape(states, actions)
    rewards = np.array(data.draw(st.lists(st.integers(-2, 2), min_size=8, max_size=8)), float).reshape(
        states, actions
    )
    potential = np.array([*data.draw(st.lists(st.floats(0, 1), min_size=states, max_size=states)), 0.0])
    shaped = rewards + shaping * np.array(
        [
            [potential_term(potential[s], potential[following[s, a]], discount) for a in range(actions)]
            for s in range(states)
        ]
    )
    assert best_policies(rewards, following, discount, states, actions) == best_policies(
        shaped, following, discount, states, actions
    )


def test_a_term_that_is_no_potential_would_change_them():
    # Paying for being near the goal, instead of for coming nearer, makes staying there forever the best.
    following, rewards = np.array([[0, 1]]), np.array([[0.0, 1.0]])  # stay, or finish for 1
    assert best_policies(rewards, following, 0.9, 1, 2) == {(1,)}
    assert best_policies(rewards + np.array([[0.5, 0.0]]), following, 0.9, 1, 2) == {(0,)}
