from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import huber_loss

from pathnet_agents.double_dqn import action_values, temporal_differences
from pathnet_agents.replay import Sample
from pathnet_rl.network import PathNet
from pathnet_rl.optimizer import SGD
from pathnet_rl.paths import random_paths
from pathnet_rl.shapes import dense_layers
from pathnet_rl.working_set import WorkingSet

PATHS, BATCH, INPUTS, ACTIONS, DISCOUNT = 3, 7, 4, 3, 0.9


@pytest.fixture
def working():
    return make_working_set(ACTIONS)


def make_working_set(outputs):
    generators = [torch.Generator().manual_seed(0)]
    net = PathNet(dense_layers(INPUTS, 6, 2), modules=5, active=2, generators=generators)
    net.add_heads("a", PATHS, outputs, generators)
    paths = random_paths(PATHS, 2, 5, 2, np.random.default_rng(0))
    return WorkingSet(net, "a", paths[None], np.arange(PATHS)[None], SGD(1.0))


def losses_of(working, target_values, sample):
    return temporal_differences(working, target_values, sample).loss(sample)[0]


def sample_of(goes_on):
    generator = torch.Generator().manual_seed(1)
    observation, following = (torch.randn(PATHS, BATCH, INPUTS, generator=generator) for _ in range(2))
    action = torch.randint(ACTIONS, (PATHS, BATCH), generator=generator)
    reward = 3 * torch.randn(PATHS, BATCH, generator=generator)
    return Sample(observation, action, reward, following, torch.full((PATHS, BATCH), DISCOUNT * goes_on))


@torch.no_grad()
def reference(working, target_values, sample):
    """Compute the loss one transition at a time."""
    following = sample.next_observation[None]
    online, later = working.forward(sample.observation[None])[0], working.forward(following)[0]
    target = working.forward(following, target_values)[0]
    losses = torch.zeros(PATHS)
    for path in range(PATHS):
        for row in range(BATCH):
            best = int(later[path, row].argmax())
            goal = sample.reward[path, row] + sample.discount[path, row] * target[path, row, best]
            error = float(online[path, row, sample.action[path, row]] - goal)
            losses[path] += 0.5 * error**2 if abs(error) <= 1 else abs(error) - 0.5
    return losses / BATCH


@pytest.mark.parametrize("goes_on", [0, 1])
def test_the_loss_equals_a_transition_by_transition_reference(working, goes_on):
    target_values = [value + 0.3 for value in working.copy_values()]
    sample = sample_of(goes_on)
    losses = losses_of(working, target_values, sample)
    assert torch.allclose(losses, reference(working, target_values, sample), atol=1e-5)


def test_a_time_limit_bootstraps_and_a_crash_does_not(working):
    """The next state moves the loss where the return goes on, and cannot where it ends."""
    far = [value + 5.0 for value in working.copy_values()]
    near = working.copy_values()
    ended, cut = sample_of(0), sample_of(1)
    assert torch.equal(losses_of(working, far, ended), losses_of(working, near, ended))
    assert not torch.allclose(losses_of(working, far, cut), losses_of(working, near, cut))


@pytest.mark.parametrize("outputs", [ACTIONS, ACTIONS + 1])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_step_goes_down_the_gradient_that_torch_finds(outputs, weighted):
    """Of the Huber loss of what was done, dueling or not, weighted or not; the target is a constant."""
    working, sample = make_working_set(outputs), sample_of(1)
    if weighted:
        sample = replace(sample, weight=torch.rand(PATHS, BATCH, generator=torch.Generator().manual_seed(2)))
    target_values = [value + 0.3 for value in working.copy_values()]
    differences = temporal_differences(working, target_values, sample, ACTIONS)
    losses, gradient = differences.loss(sample)

    leaf = differences.run.outputs.clone().requires_grad_()
    value = action_values(leaf[0], ACTIONS).gather(-1, sample.action[..., None])[..., 0]
    plain = huber_loss(value, differences.target, reduction="none") * (sample.weight if weighted else 1.0)
    (expected,) = torch.autograd.grad(plain.mean(-1).sum(), leaf)
    assert torch.allclose(losses, plain.mean(-1))
    assert torch.allclose(gradient, expected, atol=1e-7)

    before = losses.sum()
    working.optimizer = SGD(0.01)
    working.step(differences.run, gradient)
    again = temporal_differences(working, target_values, sample, ACTIONS)
    value = again.value - differences.target
    after = huber_loss(value, torch.zeros_like(value), reduction="none") * (sample.weight if weighted else 1.0)
    assert after.mean(-1).sum() < before


def test_without_double_the_target_network_chooses(working):
    sample = sample_of(1)
    target_values = [value + 0.3 for value in working.copy_values()]
    differences = temporal_differences(working, target_values, sample, double=False)
    best = working.forward(sample.next_observation[None], target_values)[0].max(-1).values
    assert torch.allclose(differences.target, sample.reward + sample.discount * best)
