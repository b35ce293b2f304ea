"""Everything that touches LunarLander's Box2D bodies, so that another physics engine means changing one file.

Lengths in metres, time in seconds, angles in radians unless a name or a docstring says observation units.
"""

import math
import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathnet_envs.actions import NOTHING
from pathnet_envs.body_state import BodyState

with warnings.catch_warnings():
    # Box2D's extension warns while it loads, and takes the interpreter down where warnings are errors.
    warnings.simplefilter("ignore", DeprecationWarning)
    from gymnasium.envs.box2d.lunar_lander import (
        FPS,
        LANDER_POLY,
        LEG_AWAY,
        LEG_DOWN,
        LEG_H,
        LEG_W,
        SCALE,
        VIEWPORT_H,
        VIEWPORT_W,
        LunarLander,
    )

TICK_S = 1.0 / FPS
X_M = VIEWPORT_W / SCALE / 2
"""Metres in a unit of observed x; 10."""
Y_M = VIEWPORT_H / SCALE / 2
"""Metres in a unit of observed y; 6.667."""
VX_M_S = FPS / X_M
"""Metres a second in a unit of observed vx; 5."""
VY_M_S = FPS / Y_M
"""Metres a second in a unit of observed vy; 7.5."""
SPIN_RAD_S = FPS / 20.0
"""Radians a second in a unit of observed angular velocity; 2.5."""

LEG_LIMIT_RAD = 0.4 - 0.0001
"""Where the joint's limit of 0.4 holds a leg in free flight, outward from the lander.

A hair beyond, since a leg that rounding left short of the limit is pulled by its motor and turns the lander.
"""
LEG_TILT_RAD = 0.05
"""The angle at which LunarLander creates its legs; the joint's reference."""
PAD_M = VIEWPORT_H / SCALE / 4
"""Height of the pad; LunarLander's ``helipad_y``, on every terrain."""
HIGHEST_CONTACT_Y = 0.6
"""Observed y above which no terrain reaches the lander: peaks end at 0.40, its hull spans less than 0.2."""
CLEARANCE_M = 0.05
"""Air kept under a placed lander, so that no start touches the ground."""

Point = tuple[float, float]


def place(lander: LunarLander, start: BodyState) -> NDArray[np.float32]:
    """Put the lander and its legs into a state of motion, as one rigid body in free flight.

    The state is set one tick of free fall earlier and a no-op step leads into it, because only a step yields
    an observation. That step's reward, which pays for the jump from LunarLander's own start, is dropped. The
    start is raised where it would touch the terrain.

    Args:
        lander: A LunarLander that has just been reset.
        start: The motion that the first observation shall show.

    Returns:
        The first observation, ``(8,)`` float32.
    """
    x_m = (start.x + 1.0) * X_M
    y_m = start.y * Y_M + _resting_height_m(lander)
    if start.y < HIGHEST_CONTACT_Y:
        y_m = max(y_m, _lowest_free_height_m(lander, x_m, start.angle))
    vx, vy, spin = start.vx * VX_M_S, start.vy * VY_M_S, start.spin * SPIN_RAD_S
    angle = start.angle - spin * TICK_S
    # Box2D's velocity is that of the centre of mass, its position that of the hull's origin.
    local_centre = tuple(_body(lander).localCenter)
    centre, centre_before = _rotate(local_centre, start.angle), _rotate(local_centre, angle)
    position = (
        x_m + centre[0] - vx * TICK_S - centre_before[0],
        y_m + centre[1] - vy * TICK_S - centre_before[1],
    )
    _set_motion(lander, position, centre_before, (vx, vy - lander.gravity * TICK_S), angle, spin)
    return lander.step(np.zeros(2) if lander.continuous else NOTHING)[0]


def lowest_free_y(lander: LunarLander, start: BodyState) -> float:
    """Observed y from which on a lander at this x and angle is clear of the present terrain."""
    height_m = _lowest_free_height_m(lander, (start.x + 1.0) * X_M, start.angle)
    return (height_m - _resting_height_m(lander)) / Y_M


def blow(lander: LunarLander, wind_power: float, turbulence_power: float) -> None:
    """Set the wind of later episodes, in LunarLander's units; two zeros are no wind, and draw no numbers."""
    lander.enable_wind = wind_power > 0.0 or turbulence_power > 0.0
    lander.wind_power, lander.turbulence_power = wind_power, turbulence_power


def motion(lander: LunarLander) -> BodyState:
    """Return the present motion, as the last observation shows it, but for its rounding and clipping."""
    hull = _body(lander)
    (x_m, y_m), (vx, vy) = hull.position, hull.linearVelocity
    return BodyState(
        x=x_m / X_M - 1.0,
        y=(y_m - _resting_height_m(lander)) / Y_M,
        vx=vx / VX_M_S,
        vy=vy / VY_M_S,
        angle=hull.angle,
        spin=hull.angularVelocity / SPIN_RAD_S,
    )


def pixel(x: float, y: float) -> Point:
    """Return where LunarLander's picture shows the hull's origin that is observed at x, y.

    Example:
        >>> pixel(-1.0, 0.0)  # pixels from the left and from the top
        (0.0, 282.0)
    """
    return (x + 1.0) * X_M * SCALE, VIEWPORT_H - (y * Y_M + PAD_M) * SCALE - LEG_DOWN


def is_asleep(lander: LunarLander) -> bool:
    """Whether the lander has come to rest, which LunarLander pays for anywhere, and no observation shows."""
    return not _body(lander).awake


def is_ready(lander: LunarLander) -> bool:
    """Whether the lander exists, which it does from the first reset on."""
    return lander.lander is not None


def _body(lander: LunarLander) -> Any:
    """Return the hull's Box2D body; Box2D has no types."""
    return lander.lander


def _set_motion(
    lander: LunarLander, position: Point, centre: Point, velocity: Point, angle: float, spin: float
) -> None:
    """Give all three bodies the motion of one rigid body, or their joints would tear at them.

    Args:
        lander: The lander.
        position: Of the hull's origin, m.
        centre: The hull's centre of mass relative to its origin, m.
        velocity: Of the centre of mass, m/s.
        angle: rad.
        spin: rad/s.
    """
    _move(_body(lander), position, velocity, angle, spin)
    for side, leg in zip((-1, 1), lander.legs, strict=True):
        (dx, dy), leg_angle = _leg_offset(side, angle)
        # velocity of a point of a rigid body: v + spin x (its place relative to the centre of mass)
        leg_velocity = (velocity[0] - spin * (dy - centre[1]), velocity[1] + spin * (dx - centre[0]))
        _move(leg, (position[0] + dx, position[1] + dy), leg_velocity, leg_angle, spin)


def _move(body: Any, position: Point, velocity: Point, angle: float, spin: float) -> None:
    body.transform = (position, angle)
    body.linearVelocity = velocity
    body.angularVelocity = spin  # no need to wake it: LunarLander has just made it


@lru_cache(maxsize=256)  # most sub-tasks begin upright
def _leg_offset(side: int, lander_angle: float) -> tuple[Point, float]:
    """Return a leg's centre relative to the lander's, and its angle; side -1 is the first leg."""
    angle = lander_angle - side * LEG_LIMIT_RAD + side * LEG_TILT_RAD
    dx, dy = _rotate((side * LEG_AWAY / SCALE, LEG_DOWN / SCALE), angle)
    return (-dx, -dy), angle


def _rotate(point: Point, angle: float) -> Point:
    cosine, sine = math.cos(angle), math.sin(angle)
    return point[0] * cosine - point[1] * sine, point[0] * sine + point[1] * cosine


def _resting_height_m(lander: LunarLander) -> float:
    """Height of the lander's centre at which LunarLander observes y = 0."""
    return lander.helipad_y + LEG_DOWN / SCALE


def _lowest_free_height_m(lander: LunarLander, x_m: float, angle: float) -> float:
    """Height of the lander's centre that keeps its outline clear of the highest terrain under it."""
    left_m, right_m, bottom_m = _extent(angle)
    return _highest_terrain_m(lander, x_m + left_m, x_m + right_m) - bottom_m + CLEARANCE_M


@lru_cache(maxsize=256)
def _extent(angle: float) -> tuple[float, float, float]:
    """Return how far the outline reaches to the left, to the right and down, relative to the lander's centre."""
    xs, ys = zip(*_outline(angle), strict=True)
    return min(xs), max(xs), min(ys)


def _outline(angle: float) -> Iterator[Point]:
    """Yield the corners of the hull and of both legs, relative to the lander's centre."""
    for x, y in LANDER_POLY:
        yield _rotate((x / SCALE, y / SCALE), angle)
    for side in (-1, 1):
        (dx, dy), leg_angle = _leg_offset(side, angle)
        for corner in ((LEG_W, LEG_H), (LEG_W, -LEG_H), (-LEG_W, LEG_H), (-LEG_W, -LEG_H)):
            x, y = _rotate((corner[0] / SCALE, corner[1] / SCALE), leg_angle)
            yield dx + x, dy + y


def _highest_terrain_m(lander: LunarLander, left_m: float, right_m: float) -> float:
    """Highest point of the ground between two positions; it is a line of straight pieces, equally wide."""
    pieces, last = lander.sky_polys, len(lander.sky_polys) - 1
    width_m = pieces[0][1][0]
    first = min(max(int(left_m / width_m), 0), last)
    highest = 0.0
    for piece in pieces[first : int(right_m / width_m) + 1]:
        (x1, y1), (x2, y2) = piece[:2]
        slope = (y2 - y1) / (x2 - x1)
        highest = max(highest, y1 + slope * (max(x1, left_m) - x1), y1 + slope * (min(x2, right_m) - x1))
    return highest
