import numpy as np
import pytest
import torch
from torch.nn import functional

from pathnet_rl.network import PathNet
from pathnet_rl.optimizer import SGD
from pathnet_rl.paths import EMPTY
from pathnet_rl.shapes import Conv, Dense
from pathnet_rl.working_set import WorkingSet


def mixed_network(replicas=2):
    first = Conv(channels=1, height=9, width=8, units=3)
    second = Conv(channels=3, height=first.grid[0], width=first.grid[1], units=2, kernel=5, stride=1)
    shapes = [first, second, Dense(second.outputs, 6)]
    generators = [torch.Generator().manual_seed(replica) for replica in range(replicas)]
    net = PathNet(shapes, modules=4, active=2, generators=generators)
    net.add_heads("a", 2, 3, generators)
    for stack in net.stacks:
        stack.bias_rmo.uniform_(-0.5, 0.5)
    return net


def plain_forward(net, replica, path, head, inputs):
    """Run one path in float64 with torch's own convolution."""
    hidden = inputs.double()
    for layer, (shape, genes) in enumerate(zip(net.shapes, path, strict=True)):
        total = 0
        for module in genes[genes != EMPTY]:
            weight = net.stacks[layer].weight_rmio[replica, int(module)].double()
            bias = net.stacks[layer].bias_rmo[replica, int(module)].double()
            if isinstance(shape, Conv):
                images = hidden.view(len(hidden), shape.channels, shape.height, shape.width)
                kernels = weight.T.reshape(shape.units, shape.channels, shape.kernel, shape.kernel)
                out = functional.conv2d(images, kernels, bias, stride=shape.stride, padding=shape.kernel // 2)
                total = total + torch.relu(out).flatten(1)
            else:
                total = total + torch.relu(hidden @ weight + bias)
        hidden = total
    stack = net.heads["a"]
    return hidden @ stack.weight_rmio[replica, head].double() + stack.bias_rmo[replica, head].double()


@pytest.mark.parametrize("members", [1, 2])
def test_convolutional_modules_equal_torch_conv2d(members):
    net = mixed_network()
    paths = np.array([[[[0, 1], [2, EMPTY], [3, 0]], [[1, 2], [2, 3], [1, EMPTY]]]] * 2)[:, :members]
    inputs = torch.randn(2, members, 5, 72, generator=torch.Generator().manual_seed(3))
    heads = np.tile(np.arange(members), (2, 1))
    outputs = WorkingSet(net, "a", paths, heads).forward(inputs)
    for replica in range(2):
        for member in range(members):
            plain = plain_forward(net, replica, paths[replica, member], member, inputs[replica, member])
            assert torch.allclose(outputs[replica, member].double(), plain, atol=1e-5)


def test_a_convolutional_layer_learns():
    net = mixed_network(replicas=1)
    paths = np.array([[[[0, 1], [2, 3], [1, EMPTY]]]])
    working = WorkingSet(net, "a", paths, np.array([[0]]), SGD(0.02))
    inputs = torch.randn(1, 1, 8, 72, generator=torch.Generator().manual_seed(0))
    losses = []
    for _ in range(60):
        run = working.run(inputs)
        difference = run.outputs - 1
        working.step(run, 2 * difference / difference.numel())
        losses.append(float((difference**2).mean()))
    assert losses[-1] < losses[0] / 5


@pytest.mark.parametrize("members", [1, 2])
def test_what_is_run_beside_changes_nothing_that_convolutions_learn(members):
    paths = np.array([[[[0, 1], [2, 3], [1, EMPTY]], [[1, 2], [2, 3], [1, 3]]]])[:, :members]
    inputs, others = torch.randn(2, 1, members, 8, 72, generator=torch.Generator().manual_seed(0))
    net, learned = mixed_network(replicas=1), []
    for beside in (None, others[:, :, :5]):
        working = WorkingSet(net, "a", paths, np.arange(members)[None], SGD(0.1))
        run = working.run(inputs, beside)
        working.step(run, run.outputs - 1)
        learned.append(working.values)
    for one, other in zip(*learned, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("side", "kernel", "stride"), [(28, 3, 2), (7, 5, 1), (9, 3, 3), (5, 1, 2)])
def test_the_grid_is_the_one_torch_computes(side, kernel, stride):
    shape = Conv(1, side, side + 1, 2, kernel, stride)
    out = functional.conv2d(
        torch.zeros(1, 1, side, side + 1), torch.zeros(2, 1, kernel, kernel), stride=stride, padding=kernel // 2
    )
    assert shape.grid == tuple(out.shape[2:])
    assert shape.outputs == out.numel()
