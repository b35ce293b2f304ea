"""PathSearch: ask, train, tell, until someone has seen enough; it knows nobody who listens."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathnet_rl.evolution import Evolution, Replacement
from pathnet_rl.paths import Path, Paths
from pathnet_rl.task import Outcome, Task


@dataclass(frozen=True)
class Generation:
    """One generation as it stands when its tournament is over.

    ``paths`` is the population before a loser is overwritten, ``fitness`` what each member earned when it was last
    trained. ``best`` has the highest of these; while there is none it is the first that was trained.
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
        """The path of the best member."""
        return self.paths[self.best]


class PathSearch:
    """The generations of one search.

    Args:
        evolution: Proposes the paths.
        first_index: Number of the first generation.
    """

    def __init__(self, evolution: Evolution, first_index: int = 0) -> None:
        self.evolution, self.next_index = evolution, first_index

    def ask(self) -> tuple[NDArray[np.int64], Paths]:
        """Return the members to train in this generation, and their paths ``(trained, layers, active)``."""
        self._members = self.evolution.ask()
        return self._members, self.evolution.population[self._members]

    def tell(self, outcome: Outcome) -> Generation:
        """Take what training the members gave, hold the tournament and return the generation."""
        evolution = self.evolution
        paths = evolution.population.copy()
        replacement = evolution.tell(self._members, outcome.fitness, outcome.judged)
        self.next_index += 1
        known = np.isfinite(evolution.fitness).any()
        return Generation(
            index=self.next_index - 1,
            paths=paths,
            fitness=np.where(np.isfinite(evolution.fitness), evolution.fitness, np.nan),
            best=evolution.best if known else int(self._members[0]),
            failed=int((outcome.judged & ~np.isfinite(outcome.fitness)).sum()),
            outcome=outcome,
            replacement=replacement,
        )

    def step(self, task: Task) -> Generation:
        """Run one generation on a task."""
        generation = self.tell(task.train(*self.ask()))
        if generation.replacement is not None:
            task.replaced(generation.replacement.loser, generation.replacement.winner)
        return generation
