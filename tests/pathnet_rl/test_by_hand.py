"""A network of two modules whose every number is worked out on paper."""

import numpy as np
import pytest
import torch

from pathnet_rl.network import PathNet
from pathnet_rl.optimizer import SGD
from pathnet_rl.shapes import Dense
from pathnet_rl.working_set import WorkingSet

BOTH = np.array([[[[0, 1]]]])
RATE = 0.1


@pytest.fixture
def net():
    """One layer, two modules: 2x + 1 and -x + 5 before the ReLU; the head gives 3h - 2."""
    net = PathNet([Dense(1, 1)], modules=2, active=2, generators=[torch.Generator()])
    net.add_heads("a", 1, 1, [torch.Generator()])
    net.stacks[0].values_rmk[0] = torch.tensor([[2.0, 1.0], [-1.0, 5.0]])
    net.heads["a"].values_rmk[0] = torch.tensor([[3.0, -2.0]])
    return net


def working_set(net, optimizer=None):
    return WorkingSet(net, "a", BOTH, np.array([[0]]), optimizer)


def train_once(net, x):
    """Step down the output itself, whose gradient is one."""
    working = working_set(net, SGD(RATE))
    working.step(working.run(torch.tensor([[[[x]]]])), torch.ones(1, 1, 1, 1))
    working.write_back()
    working.count_evaluation()


def test_forward(net):
    outputs = working_set(net).forward(torch.tensor([[[[1.0], [6.0]]]]))
    # x=1: 3 + 4 = 7, 3 * 7 - 2 = 19.  x=6: 13 + relu(-1) = 13, 37.
    assert outputs.flatten().tolist() == [19.0, 37.0]


def test_gradient(net):
    train_once(net, 1.0)
    # Head: dw = h = 7, db = 1. Modules: dw = 3 x = 3, db = 3, both active.
    assert torch.allclose(net.heads["a"].values_rmk[0], torch.tensor([[3 - 0.7, -2 - 0.1]]))
    assert torch.allclose(net.stacks[0].values_rmk[0], torch.tensor([[1.7, 0.7], [-1.3, 4.7]]))


def test_a_silent_module_learns_nothing_but_counts_its_training(net):
    train_once(net, 6.0)
    assert net.stacks[0].values_rmk[0, 1].tolist() == [-1.0, 5.0]
    assert net.trained_rlm.tolist() == [[[1, 1]]]


def test_freezing_and_reinitialising(net):
    train_once(net, 1.0)
    net.freeze(np.array([[0, -1]]))
    frozen = net.stacks[0].values_rmk[0, 0].clone()
    train_once(net, 1.0)
    assert torch.equal(net.stacks[0].values_rmk[0, 0], frozen)
    assert net.trained_rlm.tolist() == [[[1, 2]]]
    net.reinitialise()
    assert torch.equal(net.stacks[0].values_rmk[0, 0], frozen)
    assert torch.equal(net.stacks[0].values_rmk[0, 1], net.initial_rmk[0][0, 1])
    assert net.trained_rlm.tolist() == [[[1, 0]]]


def test_a_restarted_replica_is_a_new_network(net):
    train_once(net, 1.0)
    net.freeze(np.array([[0, 1]]))
    net.restart(torch.Generator().manual_seed(5), replica=0)
    other = PathNet([Dense(1, 1)], modules=2, active=2, generators=[torch.Generator().manual_seed(5)])
    assert torch.equal(net.stacks[0].values_rmk, other.stacks[0].values_rmk)
    assert not net.frozen_rlm.any() and not net.trained_rlm.any()
