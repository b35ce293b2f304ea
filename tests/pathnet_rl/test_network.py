import numpy as np
import pytest
import torch
from make_networks import ADAM, copies, heads_of, make_network, make_paths, random_inputs, step_towards_zero
from safetensors.torch import load, save

from pathnet_rl.paths import EMPTY, to_lists
from pathnet_rl.rng import torch_generator
from pathnet_rl.working_set import WorkingSet


def train(net, paths, steps=5):
    working = WorkingSet(net, "a", paths, heads_of(paths), ADAM)
    for step in range(steps):
        step_towards_zero(working, random_inputs(paths, net, seed=step))
    working.write_back()
    working.count_evaluation()


def test_initial_weights_are_glorot_uniform_with_zero_bias():
    net = make_network(modules=200, units=32, inputs=8)
    bound = (6 / (8 + 32)) ** 0.5
    weight = net.stacks[0].weight_rmio
    assert weight.abs().max() <= bound
    assert weight.std() == pytest.approx(bound / 3**0.5, rel=0.02)
    assert (net.stacks[0].bias_rmo == 0).all()


def test_a_gain_multiplies_the_heads_initial_weights_also_those_drawn_later():
    plain, scaled = make_network(), make_network(head_gain=0.5)
    for net in (plain, scaled):
        net.restart_head("a", torch_generator(1, 0, "heads"), replica=0)
    torch.testing.assert_close(plain.heads["a"].values_rmk * 0.5, scaled.heads["a"].values_rmk)
    for one, other in zip(plain.stacks, scaled.stacks, strict=True):
        assert torch.equal(one.values_rmk, other.values_rmk)


def test_a_replicas_initial_weights_do_not_depend_on_the_number_of_replicas():
    assert torch.equal(
        make_network(replicas=1).stacks[0].values_rmk[0], make_network(replicas=3).stacks[0].values_rmk[0]
    )


def test_a_task_switch_keeps_the_path_and_resets_everything_else():
    net = make_network(replicas=1)
    paths = make_paths(net)
    initial = copies(net)
    train(net, paths)
    trained = copies(net)
    newly = net.freeze(paths[0, 2])
    net.reinitialise()
    assert newly == to_lists(paths[0, 2])
    after = net.state_dict()
    for layer in range(net.layers):
        frozen = net.frozen_rlm[0, layer]
        assert sorted(np.flatnonzero(frozen)) == newly[layer]
        values = after[f"layer.{layer}.values"][0]
        assert torch.equal(values[frozen], trained[f"layer.{layer}.values"][0][frozen])
        assert torch.equal(values[~frozen], initial[f"layer.{layer}.values"][0][~frozen])
        for name in ("mean", "square", "updates"):
            assert (after[f"layer.{layer}.{name}"] == 0).all()
        assert (net.trained_rlm[0, layer][~frozen] == 0).all()
        assert (net.trained_rlm[0, layer][frozen] > 0).all()


def test_what_is_frozen_and_earlier_heads_survive_later_training_to_the_bit():
    net = make_network(replicas=1)
    paths = make_paths(net)
    train(net, paths)
    net.keep_head("a", 1)
    net.freeze(paths[0, 1])
    net.reinitialise()
    kept = copies(net)
    net.add_heads("b", 4, 3, [torch.Generator().manual_seed(0)])
    working = WorkingSet(net, "b", paths, heads_of(paths), ADAM)
    for step in range(10):
        step_towards_zero(working, random_inputs(paths, net, seed=step))
    working.write_back()
    later = net.state_dict()
    for name in (name for name in kept if name.startswith("head.a")):
        assert torch.equal(later[name], kept[name])
    for layer in range(net.layers):
        frozen = net.frozen_rlm[0, layer]
        for name in ("values", "mean", "square", "updates"):
            key = f"layer.{layer}.{name}"
            assert torch.equal(later[key][0][frozen], kept[key][0][frozen])
    assert not torch.equal(later["layer.0.values"], kept["layer.0.values"])


def test_freezing_twice_names_only_what_is_new():
    net = make_network(replicas=1)
    first = np.array([[0, 1, EMPTY]] * 3)
    second = np.array([[1, 2, EMPTY]] * 3)
    assert net.freeze(first) == [[0, 1]] * 3
    assert net.frozen_in(second) == 3
    assert net.freeze(second) == [[2]] * 3


def test_a_clone_computes_what_its_source_does_and_learns_from_there():
    net = make_network(replicas=1)
    source = np.array([[0, 1, EMPTY]] * 3)
    net.freeze(source)
    for layer in range(3):
        net.clone_module(layer, 0, 5)
    clone = np.where(source == 0, 5, source)
    paths = np.stack([source, clone])[None]
    working = WorkingSet(net, "a", paths, np.array([[0, 1]]))
    net.heads["a"].copy_rows(0, [0], [1])
    working = WorkingSet(net, "a", paths, np.array([[0, 1]]))
    inputs = random_inputs(paths, net)
    inputs[:, 1] = inputs[:, 0]
    outputs = working.forward(inputs)
    assert torch.equal(outputs[:, 0], outputs[:, 1])
    frozen = net.stacks[0].values_rmk[0, 0].clone()
    train(net, paths)
    assert torch.equal(net.stacks[0].values_rmk[0, 0], frozen)
    assert not torch.equal(net.stacks[0].values_rmk[0, 5], frozen)


def test_cloning_onto_a_frozen_module_is_refused():
    net = make_network(replicas=1)
    net.freeze(np.array([[3, EMPTY, EMPTY]] * 3))
    with pytest.raises(ValueError, match="module 3 of layer 1 is frozen"):
        net.clone_module(1, 0, 3)


def test_a_saved_network_loads_to_the_bit():
    net = make_network()
    train(net, make_paths(net))
    net.freeze(make_paths(net)[0, 0])
    other = make_network()
    other.load_state_dict(load(save({name: tensor.contiguous() for name, tensor in net.state_dict().items()})))
    again = other.state_dict()
    assert again.keys() == net.state_dict().keys()
    assert all(torch.equal(tensor, again[name]) for name, tensor in net.state_dict().items())
