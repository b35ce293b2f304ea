import numpy as np
import pytest
import torch
from make_networks import ADAM, copies, heads_of, make_network, make_paths, random_inputs, step_towards_zero

from pathnet_rl.optimizer import SGD
from pathnet_rl.paths import EMPTY
from pathnet_rl.working_set import WorkingSet


def reference_forward(net, path, head, replica, inputs, leaves):
    """Run one path plainly in float64, module by module; ``leaves`` collects its parameters by place."""
    hidden = inputs.double()
    for layer, genes in enumerate(path):
        total = torch.zeros(len(hidden), net.shapes[layer].units, dtype=torch.float64)
        for module in genes[genes != EMPTY]:
            weight, bias = leaf(leaves, net.stacks[layer], layer, replica, int(module))
            total = total + torch.relu(hidden @ weight + bias)
        hidden = total
    weight, bias = leaf(leaves, net.heads["a"], "head", replica, head)
    return hidden @ weight + bias


def leaf(leaves, stack, layer, replica, module):
    if (layer, replica, module) not in leaves:
        weight = stack.weight_rmio[replica, module].double().clone().requires_grad_()
        bias = stack.bias_rmo[replica, module].double().clone().requires_grad_()
        leaves[layer, replica, module] = (weight, bias)
    return leaves[layer, replica, module]


@pytest.mark.parametrize("members", [1, 4])
def test_batched_forward_and_backward_equal_a_plain_path_by_path_reference(members):
    net = make_network()
    paths = make_paths(net, members=members)
    inputs = random_inputs(paths, net)
    working = WorkingSet(net, "a", paths, heads_of(paths), ADAM)
    run = working.run(inputs)
    outputs = run.outputs
    assert torch.equal(outputs, working.forward(inputs))
    targets = torch.randn_like(outputs)
    gradients = gradients_of_values(working, run, 2 * (outputs - targets))

    leaves = {}
    loss = torch.zeros((), dtype=torch.float64)
    for replica in range(net.replicas):
        for member, path in enumerate(paths[replica]):
            plain = reference_forward(net, path, member, replica, inputs[replica, member], leaves)
            assert torch.allclose(outputs[replica, member].double(), plain, atol=1e-5)
            loss = loss + ((plain - targets[replica, member].double()) ** 2).sum()
    loss.backward()

    for (layer, replica, module), (weight, bias) in leaves.items():
        index = net.layers if layer == "head" else layer
        row = module if layer == "head" else int(np.flatnonzero(working._rows_ru[index][replica] == module)[0])
        plain = torch.cat([weight.grad.flatten(), bias.grad])
        gradient = gradients[index][replica, row].flatten().double()
        assert torch.allclose(gradient, plain, atol=1e-4, rtol=1e-4)


def gradients_of_values(working, run, gradient):
    """Return what a step would move the values by, if it moved them by their gradients."""
    before, working.optimizer = working.copy_values(), SGD(1.0)
    working.step(run, gradient)
    return [old - new for old, new in zip(before, working.values, strict=True)]


@pytest.mark.parametrize("members", [1, 4])
def test_what_is_run_beside_changes_nothing(members):
    net = make_network()
    paths = make_paths(net, members=members)
    inputs, others = random_inputs(paths, net), random_inputs(paths, net, batch=9, seed=1)
    working = WorkingSet(net, "a", paths, heads_of(paths), ADAM)
    alone, both = working.run(inputs), working.run(inputs, others)
    assert alone.beside is None
    torch.testing.assert_close(both.outputs, alone.outputs)
    torch.testing.assert_close(both.beside, working.forward(others))
    wanted = torch.randn_like(alone.outputs)
    of_both = gradients_of_values(working, both, wanted)
    again = WorkingSet(net, "a", paths, heads_of(paths), ADAM)
    of_one = gradients_of_values(again, again.run(inputs), wanted)
    assert any(gradient.any() for gradient in of_one)
    for one, other in zip(of_one, of_both, strict=True):
        torch.testing.assert_close(one, other)


def test_the_empty_slot_neither_adds_nor_learns():
    net = make_network(replicas=1)
    paths = np.array([[[[0, EMPTY, EMPTY]] * 3, [[1, 2, EMPTY]] * 3]])
    working = WorkingSet(net, "a", paths, heads_of(paths), ADAM)
    for _ in range(3):
        step_towards_zero(working, random_inputs(paths, net))
    for values, rows in zip(working.values, working._rows_ru[:-1], strict=False):
        assert (values[0, rows[0] == EMPTY] == 0).all()


def train(net, paths, steps=5):
    working = WorkingSet(net, "a", paths, heads_of(paths), ADAM)
    for step in range(steps):
        step_towards_zero(working, random_inputs(paths, net, seed=step))
    working.write_back()
    working.count_evaluation()


def test_training_changes_active_open_modules_and_nothing_else():
    net = make_network(replicas=1)
    paths = make_paths(net, seed=1)
    net.freeze(paths[0, 0])
    before = copies(net)
    train(net, paths)
    after = net.state_dict()
    for layer in range(net.layers):
        active = np.isin(np.arange(net.modules), paths[0, :, layer])
        moved = active & ~net.frozen_rlm[0, layer]
        assert moved.any()
        for name in ("values", "mean", "square", "updates"):
            now, then = after[f"layer.{layer}.{name}"][0], before[f"layer.{layer}.{name}"][0]
            same = (now == then).reshape(net.modules, -1).all(1).numpy()
            assert (same == ~moved).all(), (layer, name)


def test_training_counters_count_evaluations_of_open_modules_for_each_path():
    net = make_network(replicas=1)
    paths = np.array([[[[0, 1, EMPTY]] * 3, [[1, 2, EMPTY]] * 3]])
    train(net, paths)
    assert net.trained_rlm[0, 0].tolist() == [1, 2, 1, 0, 0, 0]
    net.freeze(paths[0, 0])
    train(net, paths)
    assert net.trained_rlm[0, 0].tolist() == [1, 2, 2, 0, 0, 0]


def test_a_replica_learns_the_same_whatever_stands_beside_it():
    both = make_network(replicas=2)
    paths = make_paths(both)
    alone = make_network(replicas=1)
    for replica_paths, net in ((paths, both), (paths[:1], alone)):
        working = WorkingSet(net, "a", replica_paths, heads_of(replica_paths), ADAM)
        for step in range(5):
            step_towards_zero(working, random_inputs(paths, net, seed=step)[: net.replicas])
        working.write_back()
    for one, two in zip(alone.stacks, both.stacks, strict=True):
        assert torch.allclose(one.values_rmk[0], two.values_rmk[0], atol=1e-6)


def test_numbers_that_are_not_finite_are_found_on_the_paths_that_use_them():
    net = make_network(replicas=1)
    paths = np.array([[[[0, EMPTY, EMPTY]] * 3, [[1, 2, EMPTY]] * 3]])
    net.stacks[1].values_rmk[0, 2, 0] = float("nan")
    assert WorkingSet(net, "a", paths, heads_of(paths)).finite_rp().tolist() == [[True, False]]


def test_a_gradient_of_other_outputs_is_refused():
    net = make_network(replicas=1)
    paths = make_paths(net)
    working = WorkingSet(net, "a", paths, heads_of(paths), ADAM)
    run = working.run(random_inputs(paths, net), random_inputs(paths, net))
    with pytest.raises(ValueError, match=r"shape is \(1, 4, 5, 3\), that of the outputs \(1, 4, 6, 3\)"):
        working.step(run, run.outputs[:, :, 1:])


def test_without_an_optimizer_it_cannot_train():
    net = make_network(replicas=1)
    paths = make_paths(net)
    working = WorkingSet(net, "a", paths, heads_of(paths))
    with pytest.raises(ValueError, match="no optimizer"):
        step_towards_zero(working, random_inputs(paths, net))
