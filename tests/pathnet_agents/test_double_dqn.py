import numpy as np
import pytest
import torch

from pathnet_agents.double_dqn import double_dqn_loss
from pathnet_agents.replay import Sample
from pathnet_rl.network import PathNet
from pathnet_rl.optimizer import Adam
from pathnet_rl.paths import random_paths
from pathnet_rl.shapes import dense_layers
from pathnet_rl.working_set import WorkingSet

PATHS, BATCH, INPUTS, ACTIONS, DISCOUNT = 3, 7, 4, 3, 0.9


@pytest.fixture
def working():
    adam = Adam(0.01)
    generators = [torch.Generator().manual_seed(0)]
    net = PathNet(
        dense_layers(INPUTS, 6, 2), modules=5, active=2, generators=generators, state_names=adam.state_names
    )
    net.add_heads("a", PATHS, ACTIONS, generators)
    paths = random_paths(PATHS, 2, 5, 2, np.random.default_rng(0))
    return WorkingSet(net, "a", paths[None], np.arange(PATHS)[None], adam)


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
    losses = double_dqn_loss(working, target_values, sample)
    assert torch.allclose(losses, reference(working, target_values, sample), atol=1e-5)


def test_a_time_limit_bootstraps_and_a_crash_does_not(working):
    """The next state moves the loss where the return goes on, and cannot where it ends."""
    far = [value + 5.0 for value in working.copy_values()]
    near = working.copy_values()
    ended, cut = sample_of(0), sample_of(1)
    assert torch.equal(double_dqn_loss(working, far, ended), double_dqn_loss(working, near, ended))
    assert not torch.allclose(double_dqn_loss(working, far, cut), double_dqn_loss(working, near, cut))


def test_no_gradient_flows_through_the_target(working):
    target_values = [value.requires_grad_() for value in working.copy_values()]
    loss = double_dqn_loss(working, target_values, sample_of(1)).sum()
    assert torch.autograd.grad(loss, target_values, allow_unused=True) == (None,) * len(target_values)
