"""On the CPU; what a CUDA device does is in tests/acceptance/test_cuda.py."""

import threading
from copy import deepcopy

import pytest
import torch

from pathnet_rl.graphed import EAGER_CALLS, Graphed


class Adder:
    """Adds up what it is given."""

    def __init__(self):
        self.total = torch.zeros(2)

    def add(self, numbers):
        self.total += numbers
        return (self.total,)


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")])
def test_on_the_cpu_it_is_the_function_and_nothing_else(device):
    adder = Adder()
    add = Graphed(adder.add, device)
    for count in range(1, EAGER_CALLS + 5):
        (total,) = add(torch.ones(2))
        assert total is adder.total
        assert total.tolist() == [count, count]
    assert add(torch.ones(3, 2)[0])[0] is adder.total


def test_a_copy_works_on_a_copy_of_what_the_function_changes_and_has_no_graph():
    adder = Adder()
    add = Graphed(adder.add, "cpu")
    add(torch.ones(2))
    add._graph = threading.Lock()  # can no more be copied than a graph
    copied = deepcopy(add)
    assert copied._graph is None
    assert copied(torch.ones(2))[0].tolist() == [2, 2]
    assert adder.total.tolist() == [1, 1]
