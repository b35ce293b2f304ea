"""The paths a sub-task starts from: warm ones that continue an earlier winner, and fresh ones."""

from dataclasses import dataclass

import numpy as np

from pathnet_rl.network import PathNet
from pathnet_rl.paths import EMPTY, Path, Paths, random_paths
from pathnet_rl.settings import SearchSettings


@dataclass(frozen=True)
class Ancestor:
    """An earlier sub-task's winner: whose head to copy and which path to continue."""

    task: str
    path: Path


def first_population(
    net: PathNet,
    task: str,
    search: SearchSettings,
    ancestor: Ancestor | None,
    rng: np.random.Generator,
    *,
    all_warm: bool = False,
) -> Paths:
    """Make the population of a new sub-task, whose heads are already there.

    Without an ancestor, or with ``warm_start: reset``, every member is a random path, as in the paper. Otherwise
    a share starts as the ancestor's function: its path, each gene with some probability replaced by an open
    module that starts as a copy, and its head. A path of frozen modules alone already behaves sensibly, wins
    early and then cannot learn; so every warm member gets at least one open module while there are any.

    Args:
        net: The network, in which open modules become copies.
        task: The new sub-task.
        search: How many members, and how many of them start warm.
        ancestor: What warm members continue.
        rng: The source of all draws.
        all_warm: Let every member continue the ancestor.

    Returns:
        ``(members, layers, active)``.
    """
    population = random_paths(
        search.population, net.layers, net.modules, net.active, rng, fewest=search.fewest_active
    )
    if ancestor is None or search.warm_start == "reset":
        return population
    warm = search.population if all_warm else round(search.population * search.warm_share)
    unused = [list(rng.permutation(np.flatnonzero(~frozen))) for frozen in net.frozen_rlm[0]]
    for member in range(warm):
        population[member] = _continue(net, ancestor.path, unused, search.clone_probability, rng)
        copy_head(net, ancestor.task, 0, task, member)
    return population


def _continue(
    net: PathNet, path: Path, unused: list[list[int]], probability: float, rng: np.random.Generator
) -> Path:
    """Replace genes of a path, one at least, by open copies of their modules, while there are unused ones."""
    genes = np.argwhere(path != EMPTY)
    chosen = rng.random(len(genes)) < probability
    possible = np.flatnonzero([bool(unused[layer]) for layer, _ in genes])
    if not chosen[possible].any() and len(possible):
        chosen[possible[rng.integers(len(possible))]] = True
    continued = path.copy()
    for layer, slot in genes[chosen]:
        if unused[layer]:
            target = int(unused[layer].pop())
            net.clone_module(int(layer), int(path[layer, slot]), target)
            continued[layer, slot] = target
    return continued


def copy_head(net: PathNet, source: str, source_copy: int, target: str, target_copy: int) -> None:
    """Copy the numbers of one task's head into another's, with untouched optimizer state."""
    values = net.heads[source].values_rmk[:, source_copy]
    net.heads[target].values_rmk[:, target_copy] = values
