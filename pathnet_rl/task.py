"""Task: what the members of a population are trained on, and what training gave."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pathnet_rl.paths import Paths


@dataclass(frozen=True)
class Outcome:
    """What one generation of training gave.

    Attributes:
        fitness: ``(trained,)``; higher is better, not finite means failed.
        judged: ``(trained,)``; False where a member has no fitness yet.
        metrics: Whatever else the task measured, by name; None where it has no value yet.
    """

    fitness: NDArray[np.float64]
    judged: NDArray[np.bool_]
    metrics: dict[str, float | None] = field(default_factory=dict[str, float | None])


class Task(Protocol):
    """Trains the members of a population."""

    def train(self, members: NDArray[np.int64], paths: Paths) -> Outcome:
        """Train these members along their paths, ``(trained, layers, active)``, for one evaluation."""
        ...

    def replaced(self, loser: int, winner: int) -> None:
        """Take notice that a member is now a mutated copy of another (it inherits the head)."""
        ...
