"""Where episodes of each sub-task begin, from its easiest start (level 0) to its full difficulty (level 1).

All values in observation units. Each range is interpolated linearly between its two ends by the level. How often
uniformly random actions succeed from either end is measured in ``baselines.json``.
"""

import math

import numpy as np

from pathnet_envs.body_state import BodyState

Range = tuple[float, float]


def kill_spin(rng: np.random.Generator, level: float) -> BodyState:
    """High above the pad, turning either way."""
    return BodyState(
        y=rng.uniform(1.0, 1.3),
        angle=rng.uniform(-0.05, 0.05),
        spin=_either_way(rng, _draw(rng, level, easy=(0.1, 0.25), full=(0.4, 1.0))),
    )


def upright(rng: np.random.Generator, level: float) -> BodyState:
    """High above the pad, tilted either way and turning further."""
    side = _either_way(rng, 1.0)
    return BodyState(
        y=rng.uniform(1.0, 1.3),
        angle=side * _draw(rng, level, easy=(0.1, 0.25), full=(0.3, 0.7)),
        spin=side * _draw(rng, level, easy=(0.0, 0.05), full=(0.0, 0.3)),
    )


def brake_fall(rng: np.random.Generator, level: float) -> BodyState:
    """High above the pad, falling and tilted."""
    return BodyState(
        y=rng.uniform(1.0, 1.4),
        vy=-_draw(rng, level, easy=(0.03, 0.13), full=(0.3, 0.7)),
        angle=_either_way(rng, _draw(rng, level, easy=(0.0, 0.05), full=(0.05, 0.3))),
    )


def hover(rng: np.random.Generator, level: float) -> BodyState:
    """Around the hovering height; thrown upward at level 0, so that falling back takes most of the hold."""
    vx, vy = _slow(rng, 0.2 * level)
    return BodyState(
        x=rng.uniform(-0.1, 0.1),
        y=_draw(rng, level, easy=(0.52, 0.56), full=(0.6, 0.9)),
        vx=vx,
        vy=vy + _draw(rng, level, easy=(0.6, 0.65), full=(0.0, 0.0)),
    )


def go_to_altitude(rng: np.random.Generator, level: float) -> BodyState:
    """Below or above the wanted height; thrown upward just under it at level 0, so that it is its turning point."""
    below = rng.random() < 0.5
    full = (0.25, 0.55) if below else (1.1, 1.4)
    return BodyState(
        x=rng.uniform(-0.1, 0.1),
        y=_draw(rng, level, easy=(0.65, 0.77), full=full),
        vy=_draw(rng, level, easy=(0.07, 0.3), full=(0.0, 0.0)),
    )


def go_to_x(rng: np.random.Generator, level: float) -> BodyState:
    """At middle height, beside the pad."""
    return BodyState(
        x=_either_way(rng, _draw(rng, level, easy=(0.0, 0.2), full=(0.3, 0.7))),
        y=rng.uniform(0.8, 1.2),
    )


def land_low(rng: np.random.Generator, level: float) -> BodyState:
    """Just above the pad and slow."""
    vx, vy = _slow(rng, 0.05 * level)
    return BodyState(
        x=_draw(rng, level, easy=(-0.05, 0.05), full=(-0.1, 0.1)),
        y=_draw(rng, level, easy=(0.03, 0.09), full=(0.05, 0.25)),
        vx=vx,
        vy=vy,
    )


def land_centre(rng: np.random.Generator, level: float) -> BodyState:
    """Over the pad, up to half the height of the screen, drifting."""
    vx, vy = _slow(rng, 0.3 * level)
    return BodyState(
        x=_draw(rng, level, easy=(-0.05, 0.05), full=(-0.2, 0.2)),
        y=_draw(rng, level, easy=(0.08, 0.18), full=(0.5, 1.0)),
        vx=vx,
        vy=vy,
    )


def land_anywhere(rng: np.random.Generator, level: float) -> BodyState:
    """Anywhere in the air, drifting and tilted."""
    return BodyState(
        x=_draw(rng, level, easy=(-0.05, 0.05), full=(-0.7, 0.7)),
        y=_draw(rng, level, easy=(0.08, 0.18), full=(0.7, 1.4)),
        vx=_draw(rng, level, easy=(0.0, 0.0), full=(-0.5, 0.5)),
        angle=_draw(rng, level, easy=(0.0, 0.0), full=(-0.3, 0.3)),
    )


def native(rng: np.random.Generator, level: float) -> None:
    """LunarLander's own start, whatever the level."""


def _draw(rng: np.random.Generator, level: float, *, easy: Range, full: Range) -> float:
    """Draw from the range between the easy and the full one at this level."""
    low = easy[0] + level * (full[0] - easy[0])
    high = easy[1] + level * (full[1] - easy[1])
    return rng.uniform(low, high)


def _either_way(rng: np.random.Generator, value: float) -> float:
    return value if rng.random() < 0.5 else -value


def _slow(rng: np.random.Generator, max_speed: float) -> tuple[float, float]:
    """Draw a velocity of any direction, its speed uniform up to the maximum."""
    speed, direction = rng.uniform(0.0, max_speed), rng.uniform(0.0, 2.0 * math.pi)
    return speed * math.cos(direction), speed * math.sin(direction)
