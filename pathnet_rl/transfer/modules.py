"""Modules: which sub-task uses whose, beside what a random path of the same sizes would, and how many are left."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from pathnet_rl.paths import layer_overlap_given_sizes
from pathnet_rl.study.statistics import Effect, against_distributions
from pathnet_rl.transfer.repeats import Repeat, TaskResult
from pathnet_rl.transfer.robust import Values


@dataclass(frozen=True)
class Reuse:
    """Modules of a later sub-task's path (row) that an earlier one froze (column), means over repeats.

    Attributes:
        tasks: All sub-tasks of the curriculum; rows and columns are in this order.
        used: ``(layers, tasks, tasks)``; not a number where the column is not earlier.
        chance: The same of a random path with as many modules in each layer: size x frozen / M.
    """

    tasks: list[str]
    used: Values
    chance: Values


def reuse_of(repeats: Sequence[Repeat], tasks: Sequence[str], layers: int, modules: int) -> Reuse:
    """Count the reuse of an arm's repeats.

    Args:
        repeats: Of one arm.
        tasks: Names in the order of the curriculum.
        layers: Layers of the network.
        modules: Modules in a layer (M).
    """
    counted = [_counts(repeat, tasks, layers, modules) for repeat in repeats]
    used, chance = (np.stack([each[which] for each in counted]) for which in (0, 1))
    return Reuse(list(tasks), _mean_known(used), _mean_known(chance))


def _mean_known(values: Values) -> Values:
    """Return the mean over the first axis of what is a number, not a number where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _counts(repeat: Repeat, tasks: Sequence[str], layers: int, modules: int) -> tuple[Values, Values]:
    used, chance = (np.full((layers, len(tasks), len(tasks)), np.nan) for _ in range(2))
    results = {name: repeat.task(name) for name in tasks}
    for row, name in enumerate(tasks):
        later = results[name]
        for column, other in enumerate(tasks[:row]):
            earlier = results[other]
            if later is None or earlier is None or not later.path:
                continue
            for layer in range(layers):
                used[layer, row, column] = later.reused[layer].get(other, 0)
                frozen = len(earlier.newly_frozen[layer])
                chance[layer, row, column] = len(later.path[layer]) * frozen / modules
    return used, chance


def reuse_effects(repeats: Sequence[Repeat], layers: int, modules: int) -> list[Effect]:
    """Compare, layer by layer, the reuse of all later sub-tasks with its exact distribution for random paths.

    A path's modules that anyone froze before are hypergeometric in a random path of its size; sub-tasks and repeats
    are convolved. A path that is taken as it is reuses all of its modules, whatever the search prefers: once more
    without such paths.
    """
    effects: list[Effect] = []
    for (whose, only_new), layer in product((("a path", False), ("a path with new modules", True)), range(layers)):
        learned = [
            (before, task)
            for repeat in repeats
            for before, task in _with_frozen_before(repeat, layer)
            if not only_new or any(task.newly_frozen)
        ]
        if learned:
            counts = np.array([sum(task.reused[layer].values()) for _, task in learned], dtype=np.int64)
            chances = [
                layer_overlap_given_sizes(modules, before, len(task.path[layer])) for before, task in learned
            ]
            question = f"reuse in layer {layer + 1}, {whose}: pathnet - random of its sizes"
            effects.append(against_distributions(question, counts, chances))
    return effects


def _with_frozen_before(repeat: Repeat, layer: int) -> list[tuple[int, TaskResult]]:
    """Return every later sub-task with how many modules of the layer were frozen before it."""
    frozen, found = 0, list[tuple[int, TaskResult]]()
    for task in repeat.tasks:
        if not task.path:
            continue
        if frozen:
            found.append((frozen, task))
        frozen += len(task.newly_frozen[layer])
    return found


@dataclass(frozen=True)
class Capacity:
    """Modules newly frozen with each sub-task and left after it, means over repeats: ``(tasks, layers)``."""

    tasks: list[str]
    newly_frozen: Values
    left: Values


def capacity_of(repeats: Sequence[Repeat], tasks: Sequence[str], layers: int) -> Capacity:
    """Count what an arm's repeats froze, and what was left."""
    newly, left = (np.full((len(repeats), len(tasks), layers), np.nan) for _ in range(2))
    for number, repeat in enumerate(repeats):
        for place, name in enumerate(tasks):
            task = repeat.task(name)
            if task is not None and task.path:
                newly[number, place] = [len(layer) for layer in task.newly_frozen]
                left[number, place] = task.free_modules
    return Capacity(list(tasks), _mean_known(newly), _mean_known(left))
