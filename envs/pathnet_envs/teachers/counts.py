"""Whole numbers among a teacher's settings, checked when they are given."""

import operator
from typing import Any


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
