"""Evolution of paths as ask and tell; it knows nothing about networks or tasks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pathnet_rl.paths import Paths, mutate

EVOLUTIONS: dict[str, type["Evolution"]] = {}
"""Strategies by the name that a curriculum gives."""


def register(name: str) -> Callable[[type["Evolution"]], type["Evolution"]]:
    """Make a strategy available under this name."""

    def add(strategy: type["Evolution"]) -> type["Evolution"]:
        strategy.name = name
        EVOLUTIONS[name] = strategy
        return strategy

    return add


@dataclass(frozen=True)
class Replacement:
    """A tournament's outcome: the loser's slot now holds a mutated copy of the winner."""

    loser: int
    winner: int


class Evolution:
    """A population of paths and their latest fitness.

    Args:
        population: Paths to start from, ``(members, layers, active)``.
        modules: Modules in a layer, the range of a gene.
        rng: The source of every draw.
        train_all: Train every member in every generation, instead of only those about to compete.
        grace_generations: Generations of training before a member may be drawn for a tournament.
        tie_replaces: Let one of two that are equally fit replace the other all the same, as in the paper.
    """

    name: ClassVar[str] = ""

    def __init__(
        self,
        population: Paths,
        modules: int,
        rng: np.random.Generator,
        *,
        train_all: bool = False,
        grace_generations: int = 0,
        tie_replaces: bool = True,
    ) -> None:
        self.population = population.copy()
        self.modules = modules
        self.rng = rng
        self.train_all = train_all
        self.grace_generations = grace_generations
        self.tie_replaces = tie_replaces
        self.fitness: NDArray[np.float64] = np.full(len(population), -np.inf)
        self.age: NDArray[np.int64] = np.zeros(len(population), dtype=np.int64)

    @property
    def scores(self) -> NDArray[np.float64]:
        """The fitness of every member, minus infinity where it is not finite."""
        return np.where(np.isfinite(self.fitness), self.fitness, -np.inf)

    @property
    def best(self) -> int:
        """The member with the highest finite fitness; the first one while there is none."""
        return int(np.argmax(self.scores))

    def ask(self) -> NDArray[np.int64]:
        """Return the members to train in this generation, ``(trained,)``."""
        raise NotImplementedError

    def tell(
        self,
        members: NDArray[np.int64],
        fitness: NDArray[np.float64],
        judged: NDArray[np.bool_] | None = None,
    ) -> Replacement | None:
        """Take the fitness of the members asked for, and let the strategy act on it.

        Args:
            members: What :meth:`ask` returned.
            fitness: ``(trained,)``; a value that is not finite can never win.
            judged: Which of them have a fitness at all yet, ``(trained,)``; the others keep out of tournaments.

        Returns:
            Who was replaced by a mutated copy of whom, or None.
        """
        raise NotImplementedError

    def replace_failed(self) -> list[Replacement]:
        """Overwrite every member whose fitness is not a number by a mutated copy of the best one.

        Returns:
            Who was replaced by whom; nobody where no member is sound.
        """
        sound = np.flatnonzero(~np.isnan(self.fitness))
        if not len(sound):
            return []
        best = int(sound[np.argmax(self.fitness[sound])])
        return [self._overwrite(int(member), best) for member in np.flatnonzero(np.isnan(self.fitness))]

    def state_dict(self) -> dict[str, Any]:
        """Return all that changes as plain data, the generator apart; a fitness that is not finite is a word."""
        return {
            "population": self.population.tolist(),
            "fitness": [value if np.isfinite(value) else str(value) for value in self.fitness.tolist()],
            "age": self.age.tolist(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.population = np.array(state["population"], dtype=np.int64)
        self.fitness = np.array([float(value) for value in state["fitness"]])
        self.age = np.array(state["age"], dtype=np.int64)

    def _record(
        self, members: NDArray[np.int64], fitness: NDArray[np.float64], judged: NDArray[np.bool_] | None
    ) -> NDArray[np.int64]:
        """Store the fitness and return the members that a tournament may draw."""
        judged = np.ones(len(members), dtype=bool) if judged is None else judged
        self.age[members] += 1
        self.fitness[members[judged]] = fitness[judged]
        return members[judged & (self.age[members] > self.grace_generations)]

    def _overwrite(self, loser: int, winner: int) -> Replacement:
        """Give the loser's slot a mutated copy of the winner, to be judged anew."""
        self.population[loser] = mutate(self.population[winner], self.modules, self.rng)
        self.fitness[loser] = -np.inf
        self.age[loser] = 0
        return Replacement(loser, winner)


@register("binary-tournament")
class BinaryTournament(Evolution):
    """Two random members compete, the loser becomes a mutated copy of the winner.

    Where only those two are trained, they go on until both may compete: both are judged, and their grace is over.

    Source: Fernando et al. 2017 (arXiv:1701.08734), section 2.3; Harvey 2011 calls it the microbial algorithm.
    """

    _undecided: NDArray[np.int64] | None = None  # the members that were asked for and could not compete yet

    def ask(self) -> NDArray[np.int64]:
        """Return two distinct random members, or everyone when all train."""
        if self.train_all:
            return np.arange(len(self.population))
        if self._undecided is not None:
            return self._undecided
        return self.rng.choice(len(self.population), size=2, replace=False)

    def tell(
        self,
        members: NDArray[np.int64],
        fitness: NDArray[np.float64],
        judged: NDArray[np.bool_] | None = None,
    ) -> Replacement | None:
        """Let two of the members compete; nothing happens when neither is finite, or a tie replaces nobody."""
        drawable = self._record(members, fitness, judged)
        self._undecided = members if len(drawable) < 2 else None
        if self._undecided is not None:
            return None
        pair = drawable if len(drawable) == 2 else self.rng.choice(drawable, size=2, replace=False)
        scores = self.scores[pair]
        if np.isneginf(scores).all() or (scores[0] == scores[1] and not self.tie_replaces):
            return None
        winner = int(np.argmax(scores))  # a tie goes to the first drawn, which is random
        return self._overwrite(loser=int(pair[1 - winner]), winner=int(pair[winner]))

    def state_dict(self) -> dict[str, Any]:
        """Add who could not compete yet."""
        return super().state_dict() | {"undecided": None if self._undecided is None else self._undecided.tolist()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        super().load_state_dict(state)
        self._undecided = None if state["undecided"] is None else np.array(state["undecided"], dtype=np.int64)


class Alone(Evolution):
    """A population of one, which only learns: a path consolidated after its search."""

    def ask(self) -> NDArray[np.int64]:
        """Return the only member."""
        return np.arange(1)

    def tell(
        self,
        members: NDArray[np.int64],
        fitness: NDArray[np.float64],
        judged: NDArray[np.bool_] | None = None,
    ) -> Replacement | None:
        """Store the fitness; there is nobody to replace."""
        self._record(members, fitness, judged)
        return None
