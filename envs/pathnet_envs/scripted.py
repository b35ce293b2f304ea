"""A hand-written controller for every sub-goal, and baselines without any sense, to compare learners with.

A policy maps an observation, ``(8,)``, to one of LunarLander's four discrete actions. The controllers choose
the engine whose effect is closest to the acceleration they want: the main engine nets about 8 m/s2 upward, a
side engine turns the lander by about 5 rad/s2.
"""

from collections.abc import Callable, Sequence

import numpy as np

from pathnet_envs.actions import MAIN_ENGINE, NOTHING, TURN_LEFT, TURN_RIGHT
from pathnet_envs.checks import one_of

Policy = Callable[[Sequence[float]], int]

MAX_TILT_RAD = 0.3
TURN_DEADBAND = 0.04
"""Wanted turn (rad) below which no side engine fires; one tick of a side engine adds 0.04 to the spin."""


def constant(action: int) -> Policy:
    """Return the policy that always gives the same action."""
    return lambda observation: action


def uniform_random(rng: np.random.Generator) -> Policy:
    """Return the policy that draws every action uniformly."""
    return lambda observation: int(rng.integers(4))


def scripted(sub_goal: str) -> Policy:
    """Return the controller of a sub-goal.

    Example:
        >>> scripted("kill-spin")([0, 1.2, 0, 0, 0, 0.5, 0, 0])  # turning left, so push right
        3

    Raises:
        ValueError: If there is no controller for the sub-goal.
    """
    return CONTROLLERS[one_of("sub_goal", sub_goal, CONTROLLERS)]


def kill_spin(observation: Sequence[float]) -> int:
    """Fire against the spin."""
    return _turn(-float(observation[5]))


def upright(observation: Sequence[float]) -> int:
    """Turn upright; the main engine holds the height meanwhile."""
    return _fly(observation, wanted_angle=0.0, wanted_vy=0.0)


def hover(observation: Sequence[float]) -> int:
    """Hold the middle of the box above the pad."""
    y = float(observation[1])
    return _fly(observation, wanted_angle=_lean_towards_pad(observation), wanted_vy=0.75 - y)


def go_to_altitude(observation: Sequence[float]) -> int:
    """Fly upright to the wanted height, more slowly the nearer it is."""
    wanted_vy = min(max(1.0 * (0.8 - float(observation[1])), -0.4), 0.3)
    return _fly(observation, wanted_angle=0.0, wanted_vy=wanted_vy)


def go_to_x(observation: Sequence[float]) -> int:
    """Lean towards the pad at constant height."""
    y = float(observation[1])
    return _fly(observation, wanted_angle=_lean_towards_pad(observation), wanted_vy=0.8 - y)


def land(observation: Sequence[float]) -> int:
    """Fly to the pad, sink slower the lower it gets, and cut the engines on the ground."""
    x, y, *_, left, right = (float(value) for value in observation)
    if left or right:
        return NOTHING  # let it settle
    too_far = max(0.0, abs(x) - 0.1)
    wanted_vy = max(-0.45, 0.6 * (too_far - y) - 0.03)
    return _fly(observation, wanted_angle=_lean_towards_pad(observation), wanted_vy=wanted_vy)


def land_thriftily(observation: Sequence[float]) -> int:
    """Fall fast and brake late: a speed in proportion to the root of the height wants a constant deceleration."""
    x, y, vx, *_, left, right = (float(value) for value in observation)
    if left or right:
        return NOTHING
    height = max(0.0, y - 0.5 * max(0.0, abs(x) - 0.1))
    lean = min(max(0.3 * x + 0.8 * vx, -MAX_TILT_RAD), MAX_TILT_RAD)
    return _fly(observation, wanted_angle=lean, wanted_vy=-0.75 * height**0.5 - 0.05)


CONTROLLERS: dict[str, Policy] = {
    "kill-spin": kill_spin,
    "upright": upright,
    "brake-fall": upright,
    "hover": hover,
    "go-to-altitude": go_to_altitude,
    "go-to-x": go_to_x,
    "land-low": land,
    "land-centre": land,
    "land-anywhere": land,
    "land-wind": land,
    "land-fuel": land_thriftily,
    "land": land,
}


def _lean_towards_pad(observation: Sequence[float]) -> float:
    """Tilt (rad) that pushes the lander over the pad's centre; leaning left pushes left."""
    wanted = 0.5 * float(observation[0]) + 1.0 * float(observation[2])
    return min(max(wanted, -MAX_TILT_RAD), MAX_TILT_RAD)


def _fly(observation: Sequence[float], *, wanted_angle: float, wanted_vy: float) -> int:
    """Fire the engine that is missed most: the main one to climb, a side one to turn."""
    vy, angle, spin = (float(value) for value in observation[3:6])
    climb = wanted_vy - vy
    turn = 0.5 * (wanted_angle - angle) - spin
    if climb > 0.0 and 0.5 * climb > abs(turn) - TURN_DEADBAND and abs(angle) < 1.0:
        return MAIN_ENGINE
    return _turn(turn)


def _turn(turn: float) -> int:
    """Fire the side engine that turns this way, or none within the deadband."""
    if turn > TURN_DEADBAND:
        return TURN_LEFT
    return TURN_RIGHT if turn < -TURN_DEADBAND else NOTHING
