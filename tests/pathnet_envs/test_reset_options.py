"""Resets into a given state: in both units, clear of the ground, and refused with a remedy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathnet_envs.lander import LanderSubTask
from pathnet_envs.reset_options import SI, read_state

STATES = st.fixed_dictionaries(
    {
        "x": st.floats(-0.8, 0.8),
        "y": st.floats(0.65, 1.4),
        "vx": st.floats(-0.6, 0.6),
        "vy": st.floats(-0.8, 0.8),
        "angle": st.floats(-1.0, 1.0),
        "spin": st.floats(-1.0, 1.0),
    }
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(state=STATES, seed=st.integers(0, 50))
def test_the_first_observation_is_the_state_in_either_unit(state, seed):
    env = LanderSubTask("land")
    observed, _ = env.reset(seed=seed, options={"state": state})
    in_si = {name: state[observed_name] * unit for name, (observed_name, unit) in SI.items()}
    again, _ = env.reset(seed=seed, options={"state": in_si})
    asked = [state[name] for name in ("x", "y", "vx", "vy", "angle", "spin")]
    assert observed[:6] == pytest.approx(asked, abs=1e-3)
    assert again == pytest.approx(observed, abs=1e-5)


def test_a_state_serves_one_episode():
    env, plain = LanderSubTask("hover"), LanderSubTask("hover")
    env.reset(seed=0, options={"state": {"y": 1.2}})
    assert env.reset(seed=5)[0].tobytes() == plain.reset(seed=5)[0].tobytes()


def test_units_may_be_mixed_and_what_is_left_out_is_at_rest_above_the_pad():
    state = read_state({"x_m": 2.0, "vy": -0.1})
    assert (state.x, state.y, state.vx, state.vy, state.angle, state.spin) == (0.2, 1.0, 0.0, -0.1, 0.0, 0.0)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"z": 1.0}, "state: 'z' is unknown"),
        ({"vx_ms": 1.0}, "nearest: 'vx_m_s'"),
        ({"x": 0.1, "x_m": 1.0}, "x is given twice"),
        ({"x": 1.0}, r"state: x: 1.0 is outside \[-0.99, 0.99\]"),
        ({"x_m": 12.0}, r"x_m: 12.0 is outside \[-9.9, 9.9\]"),
        ({"vy": float("nan")}, "vy: nan is outside"),
        ({"angle": "left"}, "angle: 'left' is no number"),
        ({"y": -0.5}, "inside the ground"),
        ([1, 2], "is no mapping"),
    ],
)
def test_a_wrong_state_is_refused_and_the_environment_stays_usable(state, message):
    env, plain = LanderSubTask("hover"), LanderSubTask("hover")
    with pytest.raises(ValueError, match=message):
        env.reset(seed=0, options={"state": state})
    assert env.reset(seed=1)[0].tobytes() == plain.reset(seed=1)[0].tobytes()
    assert np.isfinite(env.step(2)[0]).all()


def test_the_ground_that_is_named_is_the_ground():
    env = LanderSubTask("land")
    with pytest.raises(ValueError, match="inside the ground") as refused:
        env.reset(seed=3, options={"state": {"x": 0.6, "y": -0.4}})
    lowest = float(str(refused.value).split("give ")[1].split(" ")[0])
    observation, _ = env.reset(seed=3, options={"state": {"x": 0.6, "y": lowest + 0.001}})
    assert observation[1] == pytest.approx(lowest + 0.001, abs=1e-3)
    assert not observation[6:].any()
