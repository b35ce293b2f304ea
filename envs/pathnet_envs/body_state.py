"""A state of motion of the lander, as sub-tasks give it; it knows no physics engine."""

from typing import NamedTuple


class BodyState(NamedTuple):
    """The lander's motion in observation units.

    Attributes:
        x: Horizontal distance from the pad's centre, 10 m a unit.
        y: Height of the lander over its resting height on the pad, 6.667 m a unit.
        vx: Horizontal speed, 5 m/s a unit.
        vy: Vertical speed, 7.5 m/s a unit; negative falls.
        angle: Tilt in radians; positive leans left.
        spin: Angular velocity, 2.5 rad/s a unit; positive turns left.
    """

    x: float = 0.0
    y: float = 1.0
    vx: float = 0.0
    vy: float = 0.0
    angle: float = 0.0
    spin: float = 0.0
