"""Placing the lander: the asked motion, one rigid body, clear of the terrain, reproducible."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathnet_envs import SUB_GOALS, body
from pathnet_envs.actions import NOTHING
from pathnet_envs.body import LunarLander
from pathnet_envs.body_state import BodyState
from pathnet_envs.starts import native

SI = np.array([body.X_M, body.Y_M, body.VX_M_S, body.VY_M_S, 1.0, body.SPIN_RAD_S])

flights = st.builds(
    BodyState,
    x=st.floats(-0.8, 0.8),
    y=st.floats(0.65, 1.4),
    vx=st.floats(-0.6, 0.6),
    vy=st.floats(-0.8, 0.8),
    angle=st.floats(-1.0, 1.0),
    spin=st.floats(-1.0, 1.0),
)


def placed(start, seed=0):
    lander = LunarLander()
    lander.reset(seed=seed)
    return lander, body.place(lander, start)


def asked(start):
    return np.array([start.x, start.y, start.vx, start.vy, start.angle, start.spin])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(start=flights, seed=st.integers(0, 100))
def test_the_first_observation_is_the_start_that_was_asked_for(start, seed):
    _, observation = placed(start, seed)
    error = np.abs(observation[:6] - asked(start)) * SI  # m, m, m/s, m/s, rad, rad/s
    assert (error < 1e-3).all(), error
    assert not observation[6:].any()


def test_units_are_those_of_lunar_lander():
    assert (body.X_M, body.VX_M_S, body.SPIN_RAD_S) == (10.0, 5.0, 2.5)
    assert pytest.approx((6.667, 7.5), abs=1e-3) == (body.Y_M, body.VY_M_S)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(start=flights)
def test_hull_and_legs_move_as_one_rigid_body(start):
    lander, _ = placed(start)
    hull = lander.lander
    for leg in lander.legs:
        offset = leg.worldCenter - hull.worldCenter
        expected = hull.linearVelocity + hull.angularVelocity * type(offset)(-offset.y, offset.x)
        # Within a tick, turning accelerates a leg by spin^2 x arm x 20 ms.
        slack = 0.01 + hull.angularVelocity**2 * offset.length * body.TICK_S
        assert (leg.linearVelocity - expected).length < slack
        assert abs(abs(leg.angle - hull.angle) - 0.35) < 0.01  # where free flight holds a leg


def test_free_fall_goes_on_as_physics_says():
    lander, _ = placed(BodyState(x=0.1, y=1.2, vx=0.2, vy=0.1, angle=0.3, spin=0.4))
    for _ in range(25):  # half a second
        observation = lander.step(NOTHING)[0]
    x_m, y_m, vx, vy, angle, spin = observation[:6] * SI
    # Positions are the hull's origin, which turns about its centre of mass, 0.1 m away.
    assert x_m == pytest.approx(0.1 * 10 + 1.0 * 0.5, abs=0.06)
    assert vx == pytest.approx(1.0, abs=0.02)
    assert vy == pytest.approx(0.75 - 10 * 0.5, abs=0.02)
    assert y_m == pytest.approx(8.0 + 0.75 * 0.5 - 0.5 * 10 * 0.25, abs=0.1)
    assert (angle, spin) == (pytest.approx(0.3 + 0.5, abs=0.01), pytest.approx(1.0, abs=0.01))


@settings(max_examples=10, deadline=None, derandomize=True)
@given(start=flights, seed=st.integers(0, 1000))
def test_150_steps_are_bit_equal_in_a_fresh_environment(start, seed):
    actions = np.random.default_rng(seed).integers(4, size=150).tolist()

    def fly():
        lander, first = placed(start, seed)
        return [first.tobytes()] + [lander.step(action)[0].tobytes() for action in actions]

    assert fly() == fly()


def test_moving_pays_no_reward():
    lander, _ = placed(BodyState(x=0.5, y=0.8))
    assert abs(lander.step(NOTHING)[1]) < 10.0  # a remembered old place would pay about 50


@pytest.mark.parametrize("seed", range(10))
def test_a_start_inside_a_hill_is_raised_above_it(seed):
    lander, observation = placed(BodyState(x=0.7, y=-0.4, angle=0.4), seed)
    assert not lander.game_over and not observation[6:].any()
    lowest = min(y for _, y in body._outline(0.4)) + lander.lander.position.y
    assert lowest > body._highest_terrain_m(lander, 16.5, 17.5)
    assert np.allclose(observation[[0, 4]], [0.7, 0.4], atol=1e-3)  # and nothing else was changed


@pytest.mark.parametrize("name", [name for name, goal in SUB_GOALS.items() if goal.start is not native])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_no_start_touches_the_ground(name, level):
    lander = LunarLander()
    rng = np.random.default_rng(0)
    for seed in range(40):
        lander.reset(seed=seed)
        observation = body.place(lander, SUB_GOALS[name].start(rng, level))
        assert not lander.game_over and not observation[6:].any()
        assert not body.is_asleep(lander)
