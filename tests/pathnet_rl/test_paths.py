from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathnet_rl.paths import (
    EMPTY,
    LARGEST_SHIFT,
    diversity,
    from_lists,
    layer_overlap_distribution,
    membership,
    mutate,
    overlap,
    overlap_distribution,
    random_paths,
    to_lists,
)


@st.composite
def paths_and_modules(draw):
    modules = draw(st.integers(1, 12))
    active = draw(st.integers(1, min(modules, 5)))
    layers = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return random_paths(1, layers, modules, active, rng)[0], modules, rng


def assert_valid(path, modules):
    for layer in path:
        genes = layer[layer != EMPTY]
        assert 1 <= len(genes) <= len(layer)
        assert len(set(genes)) == len(genes)
        assert genes.min() >= 0
        assert genes.max() < modules


@given(paths_and_modules())
def test_random_and_mutated_paths_are_valid_and_keep_their_sizes(case):
    path, modules, rng = case
    assert_valid(path, modules)
    mutated = mutate(path, modules, rng)
    assert_valid(mutated, modules)
    assert ((mutated == EMPTY) == (path == EMPTY)).all()


@given(paths_and_modules())
def test_a_mutated_gene_moves_at_most_two_modulo_the_modules(case):
    path, modules, rng = case
    moved = (mutate(path, modules, rng) - path) % modules
    assert (np.minimum(moved, modules - moved) <= LARGEST_SHIFT).all()


def test_genes_mutate_with_probability_one_over_layers_times_active():
    rng = np.random.default_rng(0)
    path = random_paths(1, 3, 100, 3, rng)[0]
    path[:] = np.array([10, 40, 70])  # far apart: no shift is ever redrawn
    changed = np.mean([mutate(path, 100, rng) != path for _ in range(4000)])
    expected = (1 / 9) * (4 / 5)  # one shift in five is zero
    assert changed == pytest.approx(expected, abs=4 * (expected / 36_000) ** 0.5)


def test_shifts_are_uniform_over_minus_two_to_two():
    rng = np.random.default_rng(1)
    path = np.array([[10]])  # a single gene mutates with probability one
    shifts = np.bincount([mutate(path, 50, rng)[0, 0] - 8 for _ in range(5000)], minlength=5)
    assert len(shifts) == 5
    assert np.abs(shifts - 1000).max() < 5 * 1000**0.5


def test_a_full_layer_can_only_stay_as_it_is():
    path = np.array([[0, 1, 2]])
    rng = np.random.default_rng(2)
    assert all((mutate(path, 3, rng) == path).all() for _ in range(200))


def test_path_sizes_are_uniform():
    sizes = (random_paths(6000, 1, 10, 3, np.random.default_rng(3)) != EMPTY).sum(axis=2)
    assert np.abs(np.bincount(sizes.ravel())[1:] - 2000).max() < 5 * 2000**0.5


def test_more_active_than_there_are_modules_is_refused():
    with pytest.raises(ValueError, match=r"active=4 must lie between 1 and modules=3"):
        random_paths(1, 3, 3, 4, np.random.default_rng(0))


@given(paths_and_modules(), st.integers(0, 2**32 - 1))
def test_overlap_agrees_with_sets(case, seed):
    path, modules, _ = case
    other = random_paths(1, *path.shape[:1], modules, path.shape[1], np.random.default_rng(seed))[0]
    expected = [len(set(a) & set(b)) for a, b in zip(to_lists(path), to_lists(other), strict=True)]
    assert overlap(path, other).tolist() == expected


@given(paths_and_modules())
def test_lists_and_arrays_describe_the_same_path(case):
    path, modules, _ = case
    again = from_lists(to_lists(path), path.shape[1])
    assert (membership(again, modules) == membership(path, modules)).all()


def test_diversity_is_zero_for_equal_paths_and_one_for_disjoint_ones():
    same, other = np.array([[0, 1]]), np.array([[2, 3]])
    half = np.array([[0, 2]])
    assert diversity(np.stack([same, same]), 4) == 0
    assert diversity(np.stack([same, other]), 4) == 1
    assert diversity(np.stack([same, half]), 4) == pytest.approx(2 / 3)
    assert diversity(same[None], 4) == 0


def enumerated_overlap(modules, active):
    """Mix over all pairs of module sets, each size equally likely and each set of a size equally likely."""
    probabilities = np.zeros(active + 1)
    sets = {size: list(combinations(range(modules), size)) for size in range(1, active + 1)}
    for first in sets.values():
        for second in sets.values():
            weight = 1 / (active**2 * len(first) * len(second))
            for one, other in product(first, second):
                probabilities[len(set(one) & set(other))] += weight
    return probabilities


@pytest.mark.parametrize(("modules", "active"), [(1, 1), (3, 2), (5, 3), (6, 4)])
def test_the_overlap_of_random_paths_equals_brute_force(modules, active):
    exact = layer_overlap_distribution(modules, active)
    assert np.allclose(exact, enumerated_overlap(modules, active), atol=1e-12)


def test_the_overlap_in_all_layers_equals_brute_force_over_layers():
    one = enumerated_overlap(4, 2)
    expected = np.zeros(5)
    for (a, p), (b, q) in product(enumerate(one), enumerate(one)):
        expected[a + b] += p * q
    assert np.allclose(overlap_distribution(2, 4, 2), expected, atol=1e-12)


def test_the_overlap_has_the_values_derived_by_hand():
    # M=10, N=3: given sizes a and b a layer shares a b / 10 on average; mean size 2, so .4 a layer, 1.2 in three.
    distribution = overlap_distribution(3, 10, 3)
    assert np.isclose(distribution @ np.arange(10), 1.2)
    # Nothing shared in one layer: the mean over sizes of C(10 - a, b) / C(10, b).
    nothing = np.mean([[0.9, 0.8, 0.7], [0.8, 28 / 45, 21 / 45], [0.7, 21 / 45, 35 / 120]])
    assert np.isclose(layer_overlap_distribution(10, 3)[0], nothing)
    # All nine slots shared: both paths full in all layers (1/9 each) and equal (1 of 120 sets each).
    assert np.isclose(distribution[9], (1 / 9 / 120) ** 3)


def test_sampled_paths_overlap_as_computed():
    rng = np.random.default_rng(0)
    first, second = (random_paths(4000, 3, 10, 3, rng) for _ in range(2))
    totals = [int(overlap(one, other).sum()) for one, other in zip(first, second, strict=True)]
    shares = np.bincount(totals, minlength=10) / len(totals)
    assert np.abs(shares - overlap_distribution(3, 10, 3)).max() < 0.03  # four standard errors


def test_a_path_has_no_fewer_modules_than_it_must():
    sizes = (random_paths(500, 2, 10, 4, np.random.default_rng(3), fewest=3) != EMPTY).sum(axis=2)
    assert set(sizes.flatten().tolist()) == {3, 4}
    with pytest.raises(ValueError, match="fewest=5 must lie between 1 and active=4"):
        random_paths(1, 2, 10, 4, np.random.default_rng(0), fewest=5)
