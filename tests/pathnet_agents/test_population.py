import numpy as np
import pytest
import torch

from pathnet_agents.population import Ancestor, first_population
from pathnet_rl.network import PathNet
from pathnet_rl.paths import EMPTY, membership, random_paths
from pathnet_rl.rng import torch_generator
from pathnet_rl.settings import SearchSettings
from pathnet_rl.shapes import dense_layers
from pathnet_rl.working_set import WorkingSet

SEARCH = SearchSettings(population=8, warm_share=0.75, clone_probability=0.7)


def prepared(modules=40):
    """Return a network that has frozen a path for task ``"old"`` and has heads for ``"new"``."""
    net = PathNet(
        dense_layers(8, 8, 3), modules=modules, active=3, generators=[torch_generator(0, 0, "modules")],
        state_names=("mean", "square"),
    )  # fmt: skip
    net.add_heads("old", 1, 4, [torch_generator(0, 0, "heads")])
    path = random_paths(1, 3, modules, 3, np.random.default_rng(0))[0]
    net.freeze(path)
    net.add_heads("new", 8, 4, [torch_generator(0, 1, "heads")])
    return net, Ancestor("old", path)


def values(net, task, path, head):
    inputs = torch.randn(1, 1, 16, 8, generator=torch.Generator().manual_seed(0))
    return WorkingSet(net, task, path[None, None], np.array([[head]])).forward(inputs)


def test_warm_members_compute_what_their_ancestor_does_and_can_still_learn():
    net, ancestor = prepared()
    population = first_population(net, "new", SEARCH, ancestor, np.random.default_rng(1))
    expected = values(net, "old", ancestor.path, 0)
    for member in range(6):
        assert torch.allclose(values(net, "new", population[member], member), expected, atol=1e-5)
        genes = population[member] != EMPTY
        assert net.frozen_in(population[member]) < genes.sum()
    for member in range(6, 8):
        assert not torch.allclose(values(net, "new", population[member], member), expected, atol=1e-2)


def test_all_members_may_be_warm():
    net, ancestor = prepared()
    population = first_population(net, "new", SEARCH, ancestor, np.random.default_rng(1), all_warm=True)
    expected = values(net, "old", ancestor.path, 0)
    assert all(
        torch.allclose(values(net, "new", path, member), expected, atol=1e-5)
        for member, path in enumerate(population)
    )


def test_no_two_warm_members_share_a_copy():
    net, ancestor = prepared()
    warm = first_population(net, "new", SEARCH, ancestor, np.random.default_rng(1))[:6]
    used_by = membership(warm, 40).sum(axis=0)
    assert (used_by[~net.frozen_rlm[0]] <= 1).all()


@pytest.mark.parametrize(("ancestor_given", "warm_start"), [(False, "clone"), (True, "reset")])
def test_without_ancestor_or_with_reset_all_paths_are_random_and_nothing_is_copied(ancestor_given, warm_start):
    net, ancestor = prepared()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    search = SEARCH.model_copy(update={"warm_start": warm_start})
    population = first_population(
        net, "new", search, ancestor if ancestor_given else None, np.random.default_rng(3)
    )
    assert (population == random_paths(8, 3, 40, 3, np.random.default_rng(3))).all()
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_on_a_saturated_network_warm_members_keep_the_frozen_path():
    net, ancestor = prepared(modules=4)
    net.freeze(np.array([[0, 1, 2], [0, 1, 2], [0, 1, 2]]))
    net.freeze(np.array([[3, EMPTY, EMPTY]] * 3))
    population = first_population(net, "new", SEARCH, ancestor, np.random.default_rng(1))
    assert all((population[member] == ancestor.path).all() for member in range(6))


@pytest.mark.parametrize("probability", [0.0, 0.7])
def test_where_one_layer_is_used_up_the_open_module_lies_in_another(probability):
    net, ancestor = prepared()
    net.frozen_rlm[0, 0] = True
    search = SEARCH.model_copy(update={"clone_probability": probability})
    for seed in range(50):
        warm = first_population(net, "new", search, ancestor, np.random.default_rng(seed))[:6]
        assert all(net.frozen_in(path) < (path != EMPTY).sum() for path in warm)
