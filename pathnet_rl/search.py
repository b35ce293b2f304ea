"""PathSearch: ask, train, tell, until someone has seen enough; it knows nobody who listens."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pathnet_rl.evolution import Evolution, Replacement
from pathnet_rl.paths import Path, Paths
from pathnet_rl.task import Outcome, Task


@dataclass(frozen=True)
class Generation:
    """One generation as it stands when its tournament is over.

    ``paths`` and ``fitness`` are the population that was trained, before a loser is overwritten.
    """

    index: int
    paths: Paths  # (members, layers, active)
    fitness: np.ndarray  # (members,), not finite where a member has none
    best: int
    failed: int
    outcome: Outcome
    replacement: Replacement | None

    @property
    def best_path(self) -> Path:
        """The path of the member with the highest fitness."""
        return self.paths[self.best]


class PathSearch:
    """The generations of one search.

    Args:
        task: Trains and judges the paths.
        evolution: Proposes them.
        first_index: Number of the first generation.
    """

    def __init__(self, task: Task, evolution: Evolution, first_index: int = 0) -> None:
        self.task, self.evolution, self.next_index = task, evolution, first_index

    def step(self) -> Generation:
        """Run one generation."""
        evolution = self.evolution
        members = evolution.ask()
        outcome = self.task.train(members, evolution.population[members])
        paths = evolution.population.copy()
        replacement = evolution.tell(members, outcome.fitness, outcome.judged)
        fitness = np.where(np.isfinite(evolution.fitness), evolution.fitness, np.nan)
        generation = Generation(
            index=self.next_index,
            paths=paths,
            fitness=fitness,
            best=evolution.best,
            failed=int((outcome.judged & ~np.isfinite(outcome.fitness)).sum()),
            outcome=outcome,
            replacement=replacement,
        )
        if replacement is not None:
            self.task.replaced(replacement.loser, replacement.winner)
        self.next_index += 1
        return generation

    def __iter__(self) -> Iterator[Generation]:
        """Yield generations without end; the caller stops when the task is solved or the budget is spent."""
        while True:
            yield self.step()
