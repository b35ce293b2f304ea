"""The arms of the first-path study: what a repeat does, told as a generator that asks for one evaluation at a time.

Definitions after the University of Oslo's note of November 2017 on PathNet (Fernando et al. 2017,
arXiv:1701.08734). Every arm learns the same two tasks with the same budget; a repeat's random numbers come from
(seed, index, purpose), so that arms of one index start from the same modules and can be compared in pairs.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pathnet_rl.evolution import EVOLUTIONS
from pathnet_rl.paths import EMPTY, Path, from_lists, overlap, random_paths, to_lists
from pathnet_rl.rng import numpy_generator
from pathnet_rl.search import PathSearch
from pathnet_rl.study.learner import ColumnLearner, Learner, PathLearner, Training
from pathnet_rl.study.records import LearnedTask, RepeatRecord, Reuse
from pathnet_rl.study.settings import StudySettings
from pathnet_rl.task import Outcome

FIRST, SECOND = 0, 1
EVALUATIONS_PER_GENERATION = 2  # a tournament trains two paths

Asks: TypeAlias = Generator[Training, float, LearnedTask]
"""Yields evaluations, is sent the images classified correctly, returns what was learned."""
Course: TypeAlias = Generator[Training, float, RepeatRecord]


@dataclass(frozen=True)
class Arm:
    """One way to learn two tasks."""

    name: str
    learner: type[PathLearner] | type[ColumnLearner]
    course: "Callable[[Repeat], Course]"
    needs: str | None = None
    """The arm whose repeat of the same index must be known first."""


@dataclass(frozen=True)
class Repeat:
    """One repeat of an arm, in one slot of a learner.

    Attributes:
        partner: The record of the repeat that the arm needs, if it needs one.
    """

    study: StudySettings
    arm: str
    index: int
    learner: Learner
    slot: int
    partner: RepeatRecord | None = None

    @property
    def sequence(self) -> int:
        """Which pair of tasks it learns."""
        return self.index % len(self.study.sequences)

    @property
    def paths(self) -> PathLearner:
        """The learner of an arm that trains paths."""
        assert isinstance(self.learner, PathLearner)
        return self.learner

    @property
    def columns(self) -> ColumnLearner:
        """The learner of an arm that trains columns."""
        assert isinstance(self.learner, ColumnLearner)
        return self.learner

    def rng(self, purpose: str) -> np.random.Generator:
        """Return the generator for a purpose."""
        return numpy_generator(self.study.seed, self.index, purpose)

    def images(self, task: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw the training images of one evaluation, with replacement: ``(minibatches, batch)``."""
        training = self.study.training
        available = self.learner.images.sequences[self.sequence][task].train_images
        return rng.integers(available, size=(training.minibatches, training.batch_images))

    def random_path(self, purpose: str) -> Path:
        """Draw one path."""
        network = self.study.network
        return random_paths(1, network.layers, network.modules, network.active, self.rng(purpose))[0]

    def switch_task(self, path: Path) -> None:
        """Freeze the first task's path and return all other modules to their initial weights."""
        self.paths.net.freeze(path, replica=self.slot)
        self.paths.net.reinitialise(replica=self.slot)

    def average_training(self, path: Path) -> float:
        """Return the mean training counter of a path's modules."""
        counters_lm = self.paths.net.trained_rlm[self.slot]
        layers, slots = np.nonzero(path != EMPTY)
        return float(counters_lm[layers, path[layers, slots]].mean())


def search(repeat: Repeat, task: int) -> Asks:
    """Search a path for a task until the threshold or the limit of generations."""
    study, network = repeat.study, repeat.study.network
    population = random_paths(
        study.search.population, network.layers, network.modules, network.active, repeat.rng(f"population {task}")
    )
    strategy = EVOLUTIONS[study.search.evolution]
    generations = PathSearch(strategy(population, network.modules, repeat.rng(f"evolution {task}")))
    image_rng = repeat.rng(f"images {task}")
    curve: list[list[float | None]] = []
    while True:
        _, paths = generations.ask()
        correct: list[float] = []
        for path in paths:
            correct.append((yield Training(task, repeat.images(task, image_rng), path)))
        fitness = np.array(correct) / study.training.images
        generation = generations.tell(Outcome(fitness, np.ones(len(paths), dtype=bool)))
        curve.append([_or_none(value) for value in correct])
        reached = float(generation.fitness[generation.best])
        if reached >= study.search.threshold or len(curve) == study.search.limit_generations:
            return _learned(repeat, task, generation.best_path, reached, curve)


def train_path(repeat: Repeat, task: int, path: Path, evaluations: int | None) -> Asks:
    """Train one path, for so many evaluations, or until the threshold or the limit if there is no number."""
    study, image_rng = repeat.study, repeat.rng(f"images {task}")
    limit = evaluations or EVALUATIONS_PER_GENERATION * study.search.limit_generations
    curve: list[list[float | None]] = []
    while True:
        correct = yield Training(task, repeat.images(task, image_rng), path)
        curve.append([_or_none(correct)])
        reached = correct / study.training.images
        if len(curve) == limit or (evaluations is None and reached >= study.search.threshold):
            return _learned(repeat, task, path, reached, curve)


def train_column(repeat: Repeat, task: int) -> Asks:
    """Train a task's column until the threshold or the limit."""
    study, image_rng = repeat.study, repeat.rng(f"images {task}")
    limit = EVALUATIONS_PER_GENERATION * study.search.limit_generations
    curve: list[list[float | None]] = []
    while True:
        correct = yield Training(task, repeat.images(task, image_rng))
        curve.append([_or_none(correct)])
        reached = correct / study.training.images
        if len(curve) == limit or reached >= study.search.threshold:
            accuracy = repeat.columns.test_accuracy(repeat.slot, task)
            return LearnedTask(
                path=None,
                fitness=_or_none(reached),
                solved=reached >= study.search.threshold,
                evaluations=len(curve),
                average_training=float(len(curve)),
                test_accuracy=accuracy,
                curve=curve,
            )


def _learned(repeat: Repeat, task: int, path: Path, reached: float, curve: list[list[float | None]]) -> LearnedTask:
    return LearnedTask(
        path=to_lists(path),
        fitness=_or_none(reached),
        solved=reached >= repeat.study.search.threshold,
        evaluations=sum(len(generation) for generation in curve),
        average_training=repeat.average_training(path),
        test_accuracy=repeat.paths.test_accuracy(repeat.slot, task, path),
        curve=curve,
    )


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def search_search(repeat: Repeat) -> Course:
    """Search a path for the first task, freeze it, search one for the second."""
    first = yield from search(repeat, FIRST)
    return (yield from _search_second(repeat, first))


def pick_search(repeat: Repeat) -> Course:
    """Train a random path as long as the partner's first path on average, freeze it, search the second."""
    assert repeat.partner is not None and repeat.partner.first is not None
    evaluations = max(1, round(repeat.partner.first.average_training))
    first = yield from train_path(repeat, FIRST, repeat.random_path("pick"), evaluations)
    return (yield from _search_second(repeat, first))


def _search_second(repeat: Repeat, first: LearnedTask) -> Course:
    assert first.path is not None
    first_path = from_lists(first.path, repeat.study.network.active)
    repeat.switch_task(first_path)
    second = yield from search(repeat, SECOND)
    assert second.path is not None
    by_layer = overlap(first_path, from_lists(second.path, repeat.study.network.active)).tolist()
    return _record(
        repeat,
        first,
        second,
        reuse=Reuse(total=sum(by_layer), by_layer=by_layer),
        first_test_after=repeat.paths.test_accuracy(repeat.slot, FIRST, first_path),
    )


def fine_tune(repeat: Repeat) -> Course:
    """Train a random path on the first task, and the same path, not frozen, on the second."""
    path = repeat.random_path("pick")
    first = yield from train_path(repeat, FIRST, path, None)
    second = yield from train_path(repeat, SECOND, path, None)
    after = repeat.paths.test_accuracy(repeat.slot, FIRST, path)
    return _record(repeat, first, second, reuse=None, first_test_after=after)


def de_novo(repeat: Repeat) -> Course:
    """Search a path for the second task in a fresh network."""
    second = yield from search(repeat, SECOND)
    return _record(repeat, None, second, reuse=None, first_test_after=None)


def progressive(repeat: Repeat) -> Course:
    """Train a column on the first task, and a second one with lateral connections from it on the second."""
    first = yield from train_column(repeat, FIRST)
    second = yield from train_column(repeat, SECOND)
    after = repeat.columns.test_accuracy(repeat.slot, FIRST)
    return _record(repeat, first, second, reuse=None, first_test_after=after)


def _record(
    repeat: Repeat,
    first: LearnedTask | None,
    second: LearnedTask,
    *,
    reuse: Reuse | None,
    first_test_after: float | None,
) -> RepeatRecord:
    return RepeatRecord(
        arm=repeat.arm,
        index=repeat.index,
        sequence=repeat.sequence,
        first=first,
        second=second,
        reuse=reuse,
        first_test_after=first_test_after,
    )


ARMS = {
    arm.name: arm
    for arm in (
        Arm("search+search", PathLearner, search_search),
        Arm("pick+search", PathLearner, pick_search, needs="search+search"),
        Arm("progressive", ColumnLearner, progressive),
        Arm("fine-tune", PathLearner, fine_tune),
        Arm("de-novo", PathLearner, de_novo),
    )
}
"""The arms by name."""
