"""Continuous actions, fuel and wind: what sub-tasks change of LunarLander's engines and air."""

import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathnet_envs import SUB_GOALS
from pathnet_envs.fuel import EASY_FUEL, Tank
from pathnet_envs.lander import LanderSubTask

NAMES = list(SUB_GOALS)
THROTTLES = np.array([[0.0, 0.0], [0.0, -1.0], [1.0, 0.0], [0.0, 1.0]], dtype=np.float32)  # as the four actions


@pytest.mark.parametrize("name", NAMES)
def test_full_throttle_flies_like_the_discrete_engines_bit_for_bit(name):
    discrete, continuous = (
        gymnasium.make(env_id) for env_id in (SUB_GOALS[name].env_id, SUB_GOALS[name].continuous_env_id)
    )
    first, _ = discrete.reset(seed=2)
    assert first.tobytes() == continuous.reset(seed=2)[0].tobytes()
    for action in np.random.default_rng(0).integers(4, size=80):
        one, other = discrete.step(action), continuous.step(THROTTLES[action])
        assert one[0].tobytes() == other[0].tobytes()
        assert one[1:4] == pytest.approx(other[1:4])
        assert one[4] == pytest.approx(other[4])
        if one[2]:
            break


@pytest.mark.parametrize("action", [[2.0, 0.0], [0.0, -1.1], [np.nan, 0.0], [0.0], 2, None, "up", [[0.0, 0.0]]])
def test_an_invalid_throttle_is_named_and_changes_nothing(action):
    env, untouched = (LanderSubTask("hover", continuous=True) for _ in range(2))
    env.reset(seed=0), untouched.reset(seed=0)
    with pytest.raises(gymnasium.error.InvalidAction, match="give two numbers from -1 to 1"):
        env.step(action)
    assert env.step(THROTTLES[2])[0].tobytes() == untouched.step(THROTTLES[2])[0].tobytes()


def test_a_throttle_before_the_first_reset_is_refused():
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
        LanderSubTask("hover", continuous=True).step(THROTTLES[0])


def test_an_empty_tank_stops_the_engines():
    env, dead = LanderSubTask("land-fuel", fuel=3.0), LanderSubTask("land")
    env.reset(seed=0), dead.reset(seed=0)
    left = [env.step(action)[4]["fuel"] for action in (2, 1, 2, 0, 2, 2)]
    assert left == pytest.approx([2.0, 1.9, 0.9, 0.9, 0.0, 0.0])
    for action in (2, 1, 2, 0, 2, 0):  # the last bit of fuel still fires, then nothing does
        expected = dead.step(action)[0]
    assert env.step(2)[0].tobytes() == dead.step(0)[0].tobytes()
    assert expected.shape == (8,)


@pytest.mark.parametrize(
    ("throttle", "cost"), [((1.0, 0.0), 1.0), ((0.0, 1.0), 0.1), ((0.5, 0.4), 0.75), ((-1, -0.8), 0.08)]
)
def test_a_throttle_burns_in_proportion_to_its_power(throttle, cost):
    tank = Tank(10.0, 10.0)
    tank.burn(np.array(throttle), continuous=True)
    assert 10.0 - tank.left == pytest.approx(cost)


@pytest.mark.parametrize("reward", ["sparse", "shaped", "native"])
def test_fuel_has_the_price_that_is_asked(reward):
    dear, free = (LanderSubTask("land-fuel", reward, fuel=3.0, fuel_price=price) for price in (2.0, 0.0))
    dear.reset(seed=0), free.reset(seed=0)
    for action, burnt in ((2, 1.0), (1, 0.1), (0, 0.0), (2, 1.0), (2, 0.9), (2, 0.0), (3, 0.0)):
        priced, unpriced = dear.step(action), free.step(action)
        assert unpriced[1] - priced[1] == pytest.approx(2.0 * burnt)
        assert priced[4]["native_return"] == unpriced[4]["native_return"]


@given(level=st.floats(0.0, 1.0))
def test_the_tank_shrinks_with_the_level(level):
    assert Tank.of(SUB_GOALS["land-fuel"], level, None).capacity == pytest.approx(EASY_FUEL - level * 200.0)
    assert Tank.of(SUB_GOALS["land"], level, None) is None


def test_fuel_is_told_only_where_there_is_a_tank():
    assert "fuel" in LanderSubTask("land-fuel").reset(seed=0)[1]
    assert "fuel" not in LanderSubTask("land").reset(seed=0)[1]


def test_wind_grows_with_the_level_and_is_lunar_landers_own():
    windy = gymnasium.make("LunarLander-v3", enable_wind=True, wind_power=10.0, turbulence_power=1.0)
    env = gymnasium.make(SUB_GOALS["land-wind"].env_id, reward="native")
    assert env.reset(seed=1)[0].tobytes() == windy.reset(seed=1)[0].tobytes()
    for action in (0, 2, 1, 3, 2, 0, 0):
        assert env.step(action)[0].tobytes() == windy.step(action)[0].tobytes()
    calm = LanderSubTask("land-wind", level=0.0)
    assert calm.reset(seed=1)[0].tobytes() == gymnasium.make("LunarLander-v3").reset(seed=1)[0].tobytes()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sub_goal": "hover", "fuel": 10.0}, "fuel: 10.0: hover has none"),
        ({"sub_goal": "land", "wind_power": 5.0}, "wind_power: 5.0: land has none"),
        ({"sub_goal": "land-wind", "wind_power": 21.0}, r"wind_power: 21.0 is outside \[0, 20\]"),
        ({"sub_goal": "land-wind", "turbulence_power": -1.0}, r"turbulence_power: -1.0 is outside \[0, 2\]"),
        ({"sub_goal": "land-fuel", "fuel": float("nan")}, "fuel: nan is outside"),
        ({"sub_goal": "land", "fuel_price": 1.0}, "fuel_price: 1.0: land has none"),
        ({"sub_goal": "land-fuel", "fuel_price": -1.0}, r"fuel_price: -1.0 is outside \[0, inf\]"),
    ],
)
def test_conditions_are_refused_where_they_do_not_belong(settings, message):
    with pytest.raises(ValueError, match=message):
        LanderSubTask(**settings)
