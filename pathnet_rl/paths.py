"""Path codes: which modules are active in each layer.

A path is an integer array ``(layers, active)`` of module indices, distinct within a layer; ``EMPTY`` marks an
unused slot. Several paths are stacked in front: ``(..., layers, active)``. Rules after Fernando et al. 2017
(arXiv:1701.08734): L layers, M modules a layer, between 1 and N active modules.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import comb
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Path: TypeAlias = NDArray[np.int64]  # (layers, active)
Paths: TypeAlias = NDArray[np.int64]  # (paths, layers, active)

EMPTY = -1
LARGEST_SHIFT = 2  # a mutated gene moves by -2..2 (Fernando et al. 2017, section 2.3)


def random_paths(
    paths: int, layers: int, modules: int, active: int, rng: np.random.Generator, *, fewest: int = 1
) -> Paths:
    """Draw paths: in each layer a size uniform on fewest..active, then that many distinct modules.

    Returns:
        ``(paths, layers, active)``, used slots first.

    Raises:
        ValueError: If a layer has fewer modules than a path may activate, or a path fewer than it must.
    """
    if not 1 <= active <= modules:
        raise ValueError(f"active={active} must lie between 1 and modules={modules}")
    if not 1 <= fewest <= active:
        raise ValueError(f"fewest={fewest} must lie between 1 and active={active}")
    shuffled = rng.permuted(np.tile(np.arange(modules), (paths, layers, 1)), axis=2)[:, :, :active]
    sizes = rng.integers(fewest, active + 1, size=(paths, layers, 1))
    return np.where(np.arange(active) < sizes, shuffled, EMPTY)


def mutate(path: Path, modules: int, rng: np.random.Generator) -> Path:
    """Return a mutated copy: each gene, with probability 1/(layers*active), shifts by -2..2 modulo ``modules``.

    The shift is uniform over those that leave the layer without duplicates; no shift is always one of them.
    Empty slots stay empty, so a path keeps its sizes.
    """
    mutated = path.copy()
    chosen = (rng.random(path.shape) < 1 / path.size) & (path != EMPTY)
    for layer, slot in np.argwhere(chosen):
        others = np.delete(mutated[layer], slot)
        shifts = np.arange(-LARGEST_SHIFT, LARGEST_SHIFT + 1)
        moved = (mutated[layer, slot] + shifts) % modules
        mutated[layer, slot] = rng.choice(moved[~np.isin(moved, others)])
    return mutated


def membership(paths: Paths, modules: int) -> NDArray[np.bool_]:
    """Return which modules each path activates: ``(..., layers, active) -> (..., layers, modules)``."""
    return (paths[..., None] == np.arange(modules)).any(axis=-2)


def overlap(first: Path, second: Path) -> NDArray[np.int64]:
    """Count the modules that two paths share, layer by layer: ``(layers,)``.

    Example:
        >>> overlap(np.array([[0, 1], [2, EMPTY]]), np.array([[1, 3], [EMPTY, 4]])).tolist()
        [1, 0]
    """
    same = (first[:, :, None] == second[:, None, :]) & (first[:, :, None] != EMPTY)
    return same.sum(axis=(1, 2))


def reused(layers: Sequence[Sequence[int]], frozen: Mapping[str, Sequence[Sequence[int]]]) -> list[dict[str, int]]:
    """Count, by layer, the modules of a path that each task froze.

    Args:
        layers: The path's modules, by layer.
        frozen: The modules that each task froze, by layer.

    Example:
        >>> reused([[0, 1], [2]], {"a": [[1], [3]], "b": [[0, 4], []]})
        [{'b': 1, 'a': 1}, {}]
    """
    counts: list[dict[str, int]] = []
    for layer, modules in enumerate(layers):
        owner = {module: task for task, by_layer in frozen.items() for module in by_layer[layer]}
        counts.append(dict(Counter(owner[module] for module in modules if module in owner)))
    return counts


def layer_overlap_given_sizes(modules: int, first: int, second: int) -> NDArray[np.float64]:
    """Return the exact distribution of the modules that random paths of these sizes share in one layer.

    It is hypergeometric.

    Returns:
        ``(min(first, second) + 1,)``, the probability of sharing 0, 1, ... modules.

    Example:
        >>> layer_overlap_given_sizes(modules=4, first=1, second=2).tolist()
        [0.5, 0.5]
    """
    shared = range(min(first, second) + 1)
    ways = [comb(first, both) * comb(modules - first, second - both) for both in shared]
    return np.array(ways) / comb(modules, second)


def layer_overlap_distribution(modules: int, active: int) -> NDArray[np.float64]:
    """Return the exact distribution of the modules that two random paths share in one layer.

    A mixture over the two sizes, which are independent and uniform on 1..active, as :func:`random_paths` draws
    them.

    Returns:
        ``(active + 1,)``, the probability of sharing 0, 1, ... modules.

    Example:
        >>> layer_overlap_distribution(modules=4, active=1).tolist()
        [0.75, 0.25]
    """
    probabilities = np.zeros(active + 1)
    for first in range(1, active + 1):
        for second in range(1, active + 1):
            given_sizes = layer_overlap_given_sizes(modules, first, second)
            probabilities[: len(given_sizes)] += given_sizes / active**2
    return probabilities


def overlap_distribution(layers: int, modules: int, active: int) -> NDArray[np.float64]:
    """Return the exact distribution of the modules that two random paths share in all layers together.

    Returns:
        ``(layers * active + 1,)``.
    """
    in_one_layer, total = layer_overlap_distribution(modules, active), np.ones(1)
    for _ in range(layers):
        total = np.convolve(total, in_one_layer)
    return total


def diversity(paths: Paths, modules: int) -> float:
    """Return the mean Jaccard distance between two members' modules: 0 all alike, 1 nothing shared."""
    if len(paths) < 2:
        return 0.0
    active = membership(paths, modules).reshape(len(paths), -1).astype(np.int64)
    shared = active @ active.T
    sizes = np.diag(shared)
    distances = 1 - shared / (sizes[:, None] + sizes[None, :] - shared)
    return float(distances[np.triu_indices(len(paths), k=1)].mean())


def to_lists(path: Path) -> list[list[int]]:
    """Return the active modules by layer, sorted and without empty slots."""
    return [sorted(int(module) for module in layer if module != EMPTY) for layer in path]


def from_lists(layers: Sequence[Sequence[int]], active: int) -> Path:
    """Return the path of these modules by layer; the inverse of :func:`to_lists`.

    Example:
        >>> from_lists([[3], [0, 2]], active=2).tolist()
        [[3, -1], [0, 2]]
    """
    path = np.full((len(layers), active), EMPTY, dtype=np.int64)
    for row, modules in zip(path, layers, strict=True):
        row[: len(modules)] = modules
    return path
