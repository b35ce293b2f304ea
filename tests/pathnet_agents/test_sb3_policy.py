import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_models import CARTPOLE, SMALL, TwoLights, make_model, numbers
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, FlattenExtractor, NatureCNN
from torch import nn

from pathnet_agents import PathNetDQN


def make_named(policy, env, **policy_kwargs):
    return PathNetDQN(policy, env, seed=0, **{**SMALL, "buffer_size": 300}, policy_kwargs=policy_kwargs)


class Normalised(BaseFeaturesExtractor):
    """Batch normalisation and dropout of a flat observation."""

    def __init__(self, observation_space):
        super().__init__(observation_space, observation_space.shape[0])
        self.normalise = nn.BatchNorm1d(self.features_dim)
        self.dropout = nn.Dropout(0.5)

    def forward(self, observations):
        return self.dropout(self.normalise(observations))


@pytest.mark.parametrize(
    ("name", "env", "extractor"),
    [
        ("PathNetPolicy", "CartPole-v1", FlattenExtractor),
        ("PathNetPolicy", TwoLights(), NatureCNN),
        ("MlpPolicy", "CartPole-v1", FlattenExtractor),
        ("MlpPolicy", TwoLights(), FlattenExtractor),
        ("CnnPolicy", TwoLights(), NatureCNN),
    ],
)
def test_a_policys_name_chooses_what_lies_below_the_modules(name, env, extractor):
    assert type(make_named(name, env).q_net.features_extractor) is extractor


def test_a_network_for_images_refuses_what_is_none():
    with pytest.raises(AssertionError, match="NatureCNN"):
        make_named("CnnPolicy", "CartPole-v1")


def test_net_arch_names_the_width_of_every_layer():
    model = make_named("MlpPolicy", "CartPole-v1", net_arch=[24, 8], modules=6)
    assert [stack.shape.units for stack in model.policy.net.stacks] == [24, 8]
    assert model.q_net.layer_1.shape == (1, 6, 24 * 8 + 8)
    assert [len(layer) for layer in model.paths.values()] == [2]
    model.learn(150)


def test_batch_statistics_reach_the_target_and_nothing_else_does_without_tau():
    model = make_model(network={"features_extractor_class": Normalised}, tau=0.0, learning_starts=10)
    online, slow = (net.features_extractor.normalise for net in (model.q_net, model.q_net_target))
    weight, statistics = online.weight.clone(), online.running_mean.clone()
    model.learn(150)
    model.policy.update_target(0.0)
    assert not torch.equal(online.running_mean, statistics)
    assert torch.equal(slow.running_mean, online.running_mean)
    assert torch.equal(slow.weight, weight)
    assert not torch.equal(online.weight, weight)


def test_acting_changes_no_statistics_and_drops_nothing_out():
    model = make_model(network={"features_extractor_class": Normalised})
    statistics = model.q_net.features_extractor.normalise.running_mean.clone()
    actions = [model.predict(CARTPOLE, deterministic=True)[0].tolist() for _ in range(3)]
    assert actions[0] == actions[1] == actions[2]
    assert torch.equal(model.q_net.features_extractor.normalise.running_mean, statistics)


def test_a_frozen_extractor_takes_in_no_statistics():
    model = make_model(network={"features_extractor_class": Normalised})
    model.learn_task("first", None, 200)
    model.freeze_task()
    before = {name: value.clone() for name, value in model.q_net.features_extractor.state_dict().items()}
    model.learn_task("second", None, 200)
    after = model.q_net.features_extractor.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_the_optimizer_names_every_parameter_that_learns():
    model = make_model(TwoLights(), buffer_size=300, learning_rate=3e-4)
    model.learn_task("first", None, 150)
    model.freeze_task()
    model.learn_task("second", TwoLights(), 150)
    (group,) = model.policy.optimizer.param_groups
    assert {id(given) for given in group["params"]} == {id(own) for own in model.q_net.parameters()}
    assert group["lr"] == 3e-4
    assert len(list(model.policy.parameters())) == 2 * len(group["params"])


def test_frozen_modules_stay_to_the_bit_whatever_moves_the_others():
    model = make_model(network={"optimizer_class": torch.optim.AdamW, "optimizer_kwargs": {"weight_decay": 0.1}})
    model.learn_task("first", None, 300)
    model.freeze_task()
    frozen = model.policy.net.frozen_rlm[0, 0].copy()
    before = numbers(model)["q_net.layer_0"].clone()
    model.learn_task("second", None, 300)
    after = numbers(model)["q_net.layer_0"]
    assert torch.equal(after[0, frozen], before[0, frozen])
    assert not torch.equal(after, before)


@pytest.mark.parametrize("space", [spaces.MultiDiscrete([4, 3]), spaces.MultiBinary(5), spaces.Discrete(6)])
def test_observations_that_are_no_boxes(space):
    class Anything(gymnasium.Env):
        observation_space, action_space = space, spaces.Discrete(3)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return space.sample(), {}

        def step(self, action):
            return space.sample(), 1.0, bool(self.np_random.random() < 0.1), False, {}

    model = make_named("MlpPolicy", Anything()).learn(150)
    assert model.predict(np.asarray(space.sample()), deterministic=True)[0].shape == ()
