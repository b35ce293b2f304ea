"""Small networks for the engine's tests."""

import numpy as np
import torch

from pathnet_rl.network import PathNet
from pathnet_rl.optimizer import Adam
from pathnet_rl.paths import random_paths
from pathnet_rl.rng import torch_generator
from pathnet_rl.shapes import dense_layers

ADAM = Adam(learning_rate=0.01)


def make_network(
    replicas=2, layers=3, modules=6, active=3, inputs=5, units=4, members=4, outputs=3, *, head_gain=1.0
):
    """Return a network with heads for the task ``"a"``."""
    net = PathNet(
        dense_layers(inputs, units, layers),
        modules=modules,
        active=active,
        generators=[torch_generator(7, replica, "modules") for replica in range(replicas)],
        state_names=ADAM.state_names,
        head_gain=head_gain,
    )
    net.add_heads("a", members, outputs, [torch_generator(7, replica, "heads") for replica in range(replicas)])
    return net


def make_paths(net, members=4, seed=0):
    """Return random paths ``(replicas, members, layers, active)``."""
    rng = np.random.default_rng(seed)
    drawn = [random_paths(members, net.layers, net.modules, net.active, rng) for _ in range(net.replicas)]
    return np.stack(drawn)


def heads_of(paths):
    """Let member p use head p."""
    return np.tile(np.arange(paths.shape[1]), (paths.shape[0], 1))


def copies(net):
    """Return a copy of every tensor of a network."""
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def random_inputs(paths, net, batch=6, seed=0):
    """Return ``(replicas, paths, batch, inputs)``."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*paths.shape[:2], batch, net.inputs, generator=generator)


def step_towards_zero(working, inputs):
    """Take a step down the sum of squared outputs."""
    run = working.run(inputs)
    working.step(run, 2 * run.outputs)
