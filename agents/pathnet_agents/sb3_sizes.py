"""Sizes as Stable-Baselines3's users give them: whole numbers, NumPy's too, and the widths of layers."""

from typing import Any

import numpy as np

LAYERS, UNITS = 2, 64  # the widths of DQN's multilayer perceptron


def is_whole(number: Any) -> bool:
    """Say whether this is a whole number, NumPy's included."""
    return isinstance(number, (int, np.integer)) and not isinstance(number, bool)


def _is_positive(number: Any) -> bool:
    return is_whole(number) and bool(number >= 1)


def widths_of(net_arch: Any, layers: int | None, units: int | None) -> list[int]:
    """Return the units of a module by layer, DQN's unless they are given.

    Raises:
        ValueError: If they are given twice, or are no layers.
    """
    if net_arch is not None and not (layers is None and units is None):
        raise ValueError(
            f"policy_kwargs: net_arch={net_arch} says what layers={layers} and units={units} say; give one of them"
        )
    given = f"net_arch={net_arch!r}" if net_arch is not None else f"layers={layers!r}, units={units!r}"
    if net_arch is None and _is_positive(layers or LAYERS):
        net_arch = [UNITS if units is None else units] * (LAYERS if layers is None else layers)
    if not isinstance(net_arch, list | tuple) or not net_arch or not all(map(_is_positive, net_arch)):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        raise ValueError(
            f"policy_kwargs: {given} must name one layer or more by its width, such as net_arch=[64, 64]: a path "
            "leads through layers"
        )
    return [int(width) for width in net_arch]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
