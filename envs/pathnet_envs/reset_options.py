"""What ``reset(options=...)`` may say, checked before anything is changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pathnet_envs.body import SPIN_RAD_S, VX_M_S, VY_M_S, X_M, Y_M
from pathnet_envs.body_state import BodyState
from pathnet_envs.checks import one_of, within

OPTIONS = ("level", "state")
# Where a lander may be put: inside the observation space, and not where the episode is over at once.
LIMITS = {"x": 0.99, "y": 2.5, "vx": 10.0, "vy": 10.0, "angle": 6.28, "spin": 10.0}
SI = {
    "x_m": ("x", X_M),
    "y_m": ("y", Y_M),
    "vx_m_s": ("vx", VX_M_S),
    "vy_m_s": ("vy", VY_M_S),
    "angle_rad": ("angle", 1.0),
    "spin_rad_s": ("spin", SPIN_RAD_S),
}
"""Keys in SI units: the observed number each stands for, and how many SI units one of its units is."""


@dataclass(frozen=True)
class ResetOptions:
    """What one reset was asked for; None leaves it as it is."""

    level: float | None = None
    state: BodyState | None = None


NOTHING_ASKED = ResetOptions()


def read_options(options: Mapping[str, Any] | None) -> ResetOptions:
    """Check the options of a reset.

    Example:
        >>> read_options({"level": 0.3, "state": {"y": 0.5, "vx_m_s": -2.0}}).state
        BodyState(x=0.0, y=0.5, vx=-0.4, vy=0.0, angle=0.0, spin=0.0)

    Raises:
        ValueError: If an option is unknown or outside its range.
    """
    options = options or {}
    for name in options:
        one_of("reset options", name, OPTIONS)
    return ResetOptions(
        level=within("level", options["level"], 0.0, 1.0) if "level" in options else None,
        state=read_state(options["state"]) if "state" in options else None,
    )


def read_state(state: Any) -> BodyState:
    """Return the state of motion that a mapping describes, in SI units, in observation units, or in both.

    Args:
        state: Any of ``x``, ``y``, ``vx``, ``vy``, ``angle``, ``spin`` in observation units, or of ``x_m``,
            ``y_m``, ``vx_m_s``, ``vy_m_s``, ``angle_rad``, ``spin_rad_s``; the rest as in :class:`BodyState`.

    Raises:
        ValueError: If a key is unknown or given in both units, or a value is outside its range.
    """
    if not isinstance(state, Mapping):
        raise ValueError(f"reset options: state: {state!r} is no mapping; give {{'x': 0.5, 'vy_m_s': -2.0}}, say")
    observed: dict[str, float] = {}
    for key, value in state.items():
        name, unit = SI.get(key, (key, 1.0))
        one_of("reset options: state", key, (*LIMITS, *SI))
        if name in observed:
            raise ValueError(f"reset options: state: {name} is given twice; give {key!r} or its twin alone")
        limit = LIMITS[name] * unit
        observed[name] = within(f"reset options: state: {key}", value, -limit, limit) / unit
    return BodyState(**observed)
