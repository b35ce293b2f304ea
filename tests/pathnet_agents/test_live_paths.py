import gc
import weakref

import numpy as np
import pytest
import torch

from pathnet_agents.double_dqn import temporal_differences
from pathnet_agents.live_paths import LivePaths
from pathnet_agents.replay import Sample
from pathnet_agents.sb3_optimizer import TorchOptimizer
from pathnet_rl.network import PathNet
from pathnet_rl.optimizer import Adam
from pathnet_rl.paths import random_paths
from pathnet_rl.shapes import dense_layers
from pathnet_rl.working_set import WorkingSet

MEMBERS, BATCH, FEATURES, ACTIONS = 3, 7, 4, 2


def make_net(state_names=()):
    generators = [torch.Generator().manual_seed(0)]
    net = PathNet(dense_layers(FEATURES, 6, 2), modules=5, active=2, generators=generators, state_names=state_names)
    net.add_heads("a", MEMBERS, ACTIONS, generators)
    return net


@pytest.fixture
def net():
    return make_net(Adam(0.01).state_names)


@pytest.fixture
def target_net():
    return make_net()


PATHS = random_paths(MEMBERS, 2, 5, 2, np.random.default_rng(0))


@pytest.fixture
def live(net, target_net):
    return LivePaths(net, target_net, "a", PATHS, np.arange(MEMBERS), Adam(0.0))


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)))


def make_sample():
    features = draw(2, MEMBERS, BATCH, FEATURES)
    action = torch.arange(MEMBERS * BATCH).view(MEMBERS, BATCH) % ACTIONS
    return Sample(features[0], action, draw(MEMBERS, BATCH), features[1], torch.full((MEMBERS, BATCH), 0.9))


def test_the_loss_is_double_dqns_where_both_networks_see_the_same(live):
    with torch.no_grad():
        for value in live.target:
            value.add_(0.3)
    sample = make_sample()
    expected = temporal_differences(live.working, live.target, sample).target
    assert torch.equal(live.compare(sample, sample.next_observation).target, expected)
    assert not torch.equal(live.compare(sample, sample.next_observation + 1).target, expected)


def descend(live, sample, learning_rate, max_norm=10.0):
    live.learn(sample, sample.next_observation, learning_rate, max_norm)


def gradients_by_torch(live, made, others):
    """Return the gradients of the sum of squared outputs, of inputs ``made()``, as Torch's graph has them."""
    values = [value.clone().requires_grad_() for value in live.working.values]
    hidden = made()
    for layer, value in enumerate(values[:-1]):
        rows = value[0, live.working._slots_gn[layer]]
        with_ones = torch.cat((hidden, torch.ones(*hidden.shape[:-1], 1)), dim=-1)
        hidden = torch.einsum("gbi,gnio->gnbo", with_ones, rows).relu().sum(1)
    with_ones = torch.cat((hidden, torch.ones(*hidden.shape[:-1], 1)), dim=-1)
    loss = (with_ones @ values[-1][0]).square().sum()
    return torch.autograd.grad(loss, [*values, *others], materialize_grads=True)


def test_live_paths_that_are_replaced_are_gone_at_once(live):
    gone = weakref.ref(live.working)
    descend(live, make_sample(), 0.1)
    live.values_by_lane(draw(MEMBERS, FEATURES), np.arange(MEMBERS))
    live.values_by_lane(draw(1, FEATURES), np.array([1]))
    gc.disable()  # no cycle of references keeps them
    try:
        live.gather()
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("members", [[1], [2, 2], [0, 1, 2], [0, 0, 1, 1, 2, 2], [2, 0]])
def test_a_lane_is_valued_by_the_member_that_acts_there(live, members):
    features = draw(len(members), FEATURES)
    expected = live.values(features)[members, range(len(members))]
    for _ in range(2):  # the second time from what was kept
        assert torch.allclose(live.values_by_lane(features, np.array(members)), expected, atol=1e-6)


def test_every_member_values_every_observation_with_its_own_path(net, live):
    features = draw(BATCH, FEATURES)
    values = live.values(features)
    assert values.shape == (MEMBERS, BATCH, ACTIONS)
    for member in range(MEMBERS):
        alone = WorkingSet(net, "a", PATHS[None, [member]], np.array([[member]]))
        assert torch.allclose(values[member], alone.forward(features[None, None])[0, 0], atol=1e-6)


def test_one_backward_pass_gives_the_gradients_below_the_paths(live):
    extractor = torch.nn.Linear(FEATURES, FEATURES)
    unused = torch.zeros(3, requires_grad=True)

    def made():
        return extractor(make_sample().observation)

    others = [*extractor.parameters(), unused]
    expected = gradients_by_torch(live, made, others)[-3:]
    run = live.working.run(made()[None])
    gradients = live.descend(run, 2 * run.outputs, 0.01, others, max_norm=1e9)
    for gradient, other in zip(gradients, expected, strict=True):
        assert torch.allclose(gradient, other, rtol=1e-4, atol=1e-5)
    assert gradients[0].any()


def test_the_norm_of_all_gradients_together_is_bounded(live):
    below = torch.ones(FEATURES, requires_grad=True)

    def made():
        return make_sample().observation * below

    everything = gradients_by_torch(live, made, [below])
    norm = torch.sqrt(sum((gradient**2).sum() for gradient in everything))
    assert norm > 2.0
    run = live.working.run(made()[None])
    (gradient,) = live.descend(run, 2 * run.outputs, 0.0, [below], max_norm=2.0)
    assert torch.allclose(gradient, everything[-1] * 2.0 / norm, rtol=1e-4)


def test_a_gradient_that_is_not_finite_leaves_the_other_members_their_step(live):
    weights = torch.tensor([1.0, float("nan"), 1.0])[:, None, None]
    run = live.working.run(make_sample().observation[None])
    live.descend(run, weights.expand_as(run.outputs), 0.01, [], max_norm=0.5)
    heads = live.working.values[-1][0]
    assert torch.isfinite(heads[[0, 2]]).all()
    assert not torch.isfinite(heads[1]).any()


def test_what_was_learned_is_written_back_once(net, live):
    assert not live.write_back()
    before = net.heads["a"].values_rmk.clone()
    sample = make_sample()
    descend(live, sample, 0.01)
    assert torch.equal(net.heads["a"].values_rmk, before)
    assert live.write_back()
    assert not torch.equal(net.heads["a"].values_rmk, before)
    assert not live.write_back()


def test_the_target_follows_by_a_share(live):
    sample = make_sample()
    before = [value.clone() for value in live.target]
    descend(live, sample, 0.1)
    live.update_target(0.25)
    for slow, was, online in zip(live.target, before, live.working.values, strict=True):
        assert torch.allclose(slow, was + 0.25 * (online - was), atol=1e-6)
    live.update_target(1.0)
    assert all(torch.equal(slow, online) for slow, online in zip(live.target, live.working.values, strict=True))


def test_the_target_is_written_back_to_its_own_network_and_gathered_from_there(net, target_net, live):
    before = net.heads["a"].values_rmk.clone()
    with torch.no_grad():
        live.target[-1].add_(1)
    live.update_target(0.0)
    assert live.write_back()
    assert torch.equal(net.heads["a"].values_rmk, before)
    assert torch.allclose(target_net.heads["a"].values_rmk, before + 1)
    target_net.heads["a"].values_rmk.zero_()
    live.gather()
    assert not live.target[-1].any()


def test_another_optimizer_moves_the_paths(live):
    live.rule = TorchOptimizer(torch.optim.SGD, {})
    live.gather()
    before = live.working.values[-1].clone()
    run = live.working.run(make_sample().observation[None])
    live.descend(run, torch.ones_like(run.outputs), 0.5, [], max_norm=1e9)
    assert torch.allclose(live.working.values[-1][..., -1, :], before[..., -1, :] - 0.5 * BATCH)  # the biases


def test_a_write_that_does_not_know_the_latest_updates_is_warned_of(net, live):
    before, live._moved = live.working.values[0].clone(), True
    net.stacks[0].values_rmk.mul_(0.5)
    with pytest.warns(RuntimeWarning, match=r"what was learned since is lost; call parameters\(\) again"):
        live.values_by_lane(torch.zeros(4, net.inputs), np.zeros(4, dtype=np.int64))
    torch.testing.assert_close(live.working.values[0], before / 2)
