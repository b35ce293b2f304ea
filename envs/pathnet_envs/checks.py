"""Checks of arguments: a clear ``ValueError`` with name, value and remedy."""

import math
import operator
from collections.abc import Collection
from difflib import get_close_matches
from typing import Any


def within(name: str, value: Any, low: float, high: float) -> float:
    """Return the value as a float.

    Example:
        >>> within("level", 2, 0.0, 1.0)
        Traceback (most recent call last):
        ...
        ValueError: level: 2 is outside [0, 1]; give a number inside

    Raises:
        ValueError: If it is no finite number from ``low`` to ``high``.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: {value!r} is no number; give one in [{low:g}, {high:g}]") from None
    if not (low <= number <= high and math.isfinite(number)):
        raise ValueError(f"{name}: {value!r} is outside [{low:g}, {high:g}]; give a number inside")
    return number


def whole_within(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return the value as an int; no ``high`` is no limit.

    Example:
        >>> whole_within("window_episodes", 0.5, 1)
        Traceback (most recent call last):
        ...
        ValueError: window_episodes: 0.5 is refused; give a whole number of 1 or more

    Raises:
        ValueError: If it is no whole number from ``low`` to ``high``.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = low - 1
    if number < low or (high is not None and number > high):
        allowed = f"of {low} or more" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name}: {value!r} is refused; give a whole number {allowed}")
    return number


def one_of(name: str, value: Any, known: Collection[str]) -> str:
    """Return the value, one of the known words.

    Example:
        >>> one_of("reward", "shapd", ("sparse", "shaped"))
        Traceback (most recent call last):
        ...
        ValueError: reward: 'shapd' is unknown; nearest: 'shaped'; choose one of sparse, shaped

    Raises:
        ValueError: If it is none of them.
    """
    if isinstance(value, str) and value in known:
        return value
    close = get_close_matches(str(value), known, n=1)
    hint = f"nearest: {close[0]!r}; " if close else ""
    raise ValueError(f"{name}: {value!r} is unknown; {hint}choose one of {', '.join(known)}")
