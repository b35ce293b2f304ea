"""Board: the arrays in which all lanes of a vector write what they show, in memory that processes share."""

from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from typing import Any

import numpy as np
from numpy.typing import NDArray

INFO_FIELDS = {"is_success": np.bool_, "hold": np.int64, "native_return": np.float64, "fuel": np.float64}
"""What a lane tells in its info, and as which type of number."""


@dataclass(frozen=True)
class Board:
    """One row a lane.

    Attributes:
        action: ``(lanes,)`` int64, or ``(lanes, 2)`` float32.
        observation: ``(lanes, inputs)`` float32.
        reward: ``(lanes,)`` float64.
        terminated: ``(lanes,)`` bool.
        truncated: ``(lanes,)`` bool.
        info: By name, ``(lanes,)``.
        has_fuel: Whether a lane tells its fuel, ``(lanes,)``.
        final_observation: The last one of an episode that ended in a step which began the next.
        final_info: The same for the info.
        final_has_fuel: The same for ``has_fuel``.
    """

    action: NDArray[Any]
    observation: NDArray[np.float32]
    reward: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    info: dict[str, NDArray[Any]]
    has_fuel: NDArray[np.bool_]
    final_observation: NDArray[np.float32]
    final_info: dict[str, NDArray[Any]]
    final_has_fuel: NDArray[np.bool_]


@dataclass(frozen=True)
class SharedMemory:
    """The memory of a :class:`Board`; it is handed to a process, which opens its own view."""

    lanes: int
    inputs: int
    continuous: bool
    raw: Any

    @classmethod
    def allocate(cls, context: BaseContext, lanes: int, inputs: int, *, continuous: bool) -> "SharedMemory":
        """Take zeroed memory for so many lanes."""
        sizes = [
            np.dtype(kind).itemsize * int(np.prod(shape)) for kind, shape in _fields(lanes, inputs, continuous)
        ]
        return cls(lanes, inputs, continuous, context.RawArray("b", sum(map(_aligned, sizes))))

    def board(self) -> Board:
        """Return arrays over the memory."""
        views: list[NDArray[Any]] = []
        offset = 0
        for kind, shape in _fields(self.lanes, self.inputs, self.continuous):
            count = int(np.prod(shape))
            views.append(np.frombuffer(self.raw, dtype=kind, count=count, offset=offset).reshape(shape))
            offset += _aligned(np.dtype(kind).itemsize * count)
        following = iter(views)
        return Board(  # in the order of _fields
            action=next(following),
            observation=next(following),
            reward=next(following),
            terminated=next(following),
            truncated=next(following),
            info={name: next(following) for name in INFO_FIELDS},
            has_fuel=next(following),
            final_observation=next(following),
            final_info={name: next(following) for name in INFO_FIELDS},
            final_has_fuel=next(following),
        )


def _fields(lanes: int, inputs: int, continuous: bool) -> Sequence[tuple[Any, tuple[int, ...]]]:
    """Return type and shape of every array, in the order in which they lie in memory."""
    each = (lanes,)
    infos = [(kind, each) for kind in INFO_FIELDS.values()]
    action = (np.float32, (lanes, 2)) if continuous else (np.int64, each)
    observation = (np.float32, (lanes, inputs))
    return [
        action,
        observation,
        (np.float64, each),
        (np.bool_, each),
        (np.bool_, each),
        *infos,
        (np.bool_, each),
        observation,
        *infos,
        (np.bool_, each),
    ]


def _aligned(size: int) -> int:
    """Round up to whole words."""
    return -(-size // 8) * 8
