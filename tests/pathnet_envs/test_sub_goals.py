"""The sub-goals as data: predicates, costs and start distributions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathnet_envs import SUB_GOALS

NAMES = list(SUB_GOALS)
states = st.tuples(*[st.floats(-10.0, 10.0)] * 6, st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0]))

# x, y, vx, vy, angle, spin, left, right
IDEAL = {
    "kill-spin": (0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "upright": (0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "brake-fall": (0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "hover": (0.0, 0.75, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "go-to-altitude": (0.0, 0.8, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "go-to-x": (0.0, 0.8, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
}
LANDINGS = [name for name in NAMES if name.startswith("land")]
IDEAL |= dict.fromkeys(LANDINGS, (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0))
# Changes of the ideal state, (index, value), each of which alone spoils the goal.
SPOILED_BY = {
    "kill-spin": [(5, 0.11), (5, -0.11)],
    "upright": [(4, 0.16), (4, -0.16), (5, 0.16), (5, -0.16)],
    "brake-fall": [(1, 0.04), (3, 0.11), (3, -0.11), (4, 0.21), (5, -0.31), (6, 1.0), (7, 1.0)],
    "hover": [(0, 0.31), (0, -0.31), (1, 1.01), (1, 0.49), (4, 0.41), (4, -0.41)],
    "go-to-altitude": [(1, 0.91), (1, 0.69), (3, 0.16), (3, -0.16), (4, 0.31), (4, -0.31)],
    "go-to-x": [(0, 0.16), (0, -0.16), (2, 0.16), (2, -0.16), (4, 0.26), (6, 1.0), (7, 1.0)],
}
SPOILED_BY |= dict.fromkeys(LANDINGS, [(0, 0.21), (0, -0.21), (2, 0.031), (3, -0.031), (4, 0.26), (5, 0.051)])


@pytest.mark.parametrize("name", NAMES)
@given(state=states)
def test_the_cost_stays_between_zero_and_one(name, state):
    assert 0.0 <= SUB_GOALS[name].cost(state) <= 1.0


@pytest.mark.parametrize("name", NAMES)
def test_the_ideal_state_costs_nothing_and_reaches_the_goal(name):
    assert SUB_GOALS[name].cost(IDEAL[name]) == 0.0
    assert SUB_GOALS[name].reached(IDEAL[name]) is True


@pytest.mark.parametrize("name", NAMES)
def test_each_condition_alone_spoils_the_goal(name):
    for index, value in SPOILED_BY[name]:
        state = list(IDEAL[name])
        state[index] = value
        assert SUB_GOALS[name].reached(state) is False, (index, value)


def test_one_leg_is_enough_to_have_landed_and_none_is_not():
    for legs, landed in (((1.0, 0.0), True), ((0.0, 1.0), True), ((0.0, 0.0), False)):
        assert SUB_GOALS["land"].reached((*IDEAL["land"][:6], *legs)) is landed


@pytest.mark.parametrize(
    ("name", "state", "cost"),
    [
        ("kill-spin", (0.0, 1.0, 0.0, 0.0, 0.0, -0.4, 0.0, 0.0), 0.4),
        ("upright", (0.0, 1.0, 0.0, 0.0, -0.4, 0.2, 0.0, 0.0), 0.6),
        ("brake-fall", (0.0, 1.0, 0.0, -0.4, 0.2, 0.0, 0.0, 0.0), 0.6),
        ("hover", (-0.1, 0.65, 0.0, 0.2, -0.2, 0.0, 0.0, 0.0), 0.4),
        ("go-to-x", (0.35, 0.8, -0.2, 0.0, 0.2, 0.0, 0.0, 0.0), 0.7),
        ("land", (0.3, 0.4, 0.0, -0.5, 0.3, 0.0, 1.0, 0.0), 1.4 / 4.0),
        ("land", (0.0, 1.4, 0.0, -9.0, 0.0, 0.0, 0.0, 0.0), 1.0),
    ],
)
def test_known_costs(name, state, cost):
    assert SUB_GOALS[name].cost(state) == pytest.approx(cost)


@pytest.mark.parametrize(
    ("name", "ranges"),
    [
        ("kill-spin", {"y": (1.0, 1.3), "|spin|": (0.4, 1.0)}),
        ("upright", {"y": (1.0, 1.3), "|angle|": (0.3, 0.7), "|spin|": (0.0, 0.3)}),
        ("brake-fall", {"y": (1.0, 1.4), "vy": (-0.7, -0.3), "|angle|": (0.05, 0.3)}),
        ("hover", {"y": (0.6, 0.9), "speed": (0.0, 0.2)}),
        ("go-to-x", {"|x|": (0.3, 0.7), "y": (0.8, 1.2)}),
        ("land-low", {"|x|": (0.0, 0.1), "y": (0.05, 0.25), "speed": (0.0, 0.05)}),
        ("land-centre", {"|x|": (0.0, 0.2), "y": (0.5, 1.0), "speed": (0.0, 0.3)}),
    ],
)
def test_full_difficulty_fills_its_documented_ranges(name, ranges):
    rng = np.random.default_rng(0)
    starts = [SUB_GOALS[name].start(rng, 1.0) for _ in range(400)]
    read = {
        "y": lambda s: s.y,
        "vy": lambda s: s.vy,
        "|x|": lambda s: abs(s.x),
        "|angle|": lambda s: abs(s.angle),
        "|spin|": lambda s: abs(s.spin),
        "speed": lambda s: np.hypot(s.vx, s.vy),
    }
    for quantity, (low, high) in ranges.items():
        values = [read[quantity](start) for start in starts]
        margin = 0.05 * (high - low)
        assert low <= min(values) < low + margin, quantity
        assert high - margin < max(values) <= high + 1e-12, quantity


def test_upright_starts_turn_away_from_upright():
    rng = np.random.default_rng(0)
    starts = [SUB_GOALS["upright"].start(rng, 1.0) for _ in range(50)]
    assert all(start.angle * start.spin >= 0.0 for start in starts)
    assert {start.angle > 0.0 for start in starts} == {True, False}


def test_land_leaves_the_start_and_the_generator_alone():
    rng = np.random.default_rng(0)
    assert SUB_GOALS["land"].start(rng, 0.5) is None
    assert rng.random() == np.random.default_rng(0).random()
