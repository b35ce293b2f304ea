"""Small agents and environments for the tests of PathNetDQN."""

import gymnasium
import numpy as np
import torch
from gymnasium import spaces

from pathnet_agents import PathNetDQN
from pathnet_agents.sb3_network import STRUCTURE

NETWORK = {"layers": 2, "modules": 8, "units": 16}
SMALL = {
    "learning_starts": 100,
    "batch_size": 16,
    "buffer_size": 2_000,
    "target_update_interval": 100,
    "search_steps": 600,
    "generation_steps": 150,
    "device": "cpu",
}


def make_model(env="CartPole-v1", seed=0, network=None, **changes):
    """Return a small agent; unlike most tests' agents it searches only for 600 steps."""
    kwargs = {**SMALL, "policy_kwargs": {**NETWORK, **(network or {})}, **changes}
    return PathNetDQN("PathNetPolicy", env, seed=seed, **kwargs)


class TwoLights(gymnasium.Env):
    """An image with the left or the right half lit; pressing that side pays 1, eight times an episode."""

    action_space = spaces.Discrete(2)
    observation_space = spaces.Box(0, 255, (36, 36, 1), np.uint8)

    def __init__(self, flipped=False):
        self.flipped = flipped

    def _observe(self):
        self.lit = int(self.np_random.integers(2))
        image = np.zeros(self.observation_space.shape, np.uint8)
        image[:, 18 * self.lit : 18 * self.lit + 18] = 255
        return image

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._observe(), {}

    def step(self, action):
        self.steps += 1
        reward = float((action == self.lit) != self.flipped)
        return self._observe(), reward, False, self.steps == 8, {}


class LightsAndNumber(TwoLights):
    """The same picture beside a number that says nothing."""

    observation_space = spaces.Dict(
        {"image": TwoLights.observation_space, "number": spaces.Box(-1.0, 1.0, (3,), np.float32)}
    )

    def _observe(self):
        self.lit = int(self.np_random.integers(2))
        image = np.zeros((36, 36, 1), np.uint8)
        image[:, 18 * self.lit : 18 * self.lit + 18] = 255
        return {"image": image, "number": self.np_random.uniform(-1, 1, 3).astype(np.float32)}


class Corridor(gymnasium.Env):
    """Walk on a line of nine places to a goal; -1 a step while not there."""

    action_space = spaces.Discrete(2)
    observation_space = spaces.Dict(
        {name: spaces.Box(-1.0, 1.0, (1,), np.float32) for name in ("observation", "achieved_goal", "desired_goal")}
    )

    def _observe(self):
        place, goal = (np.array([value / 4], np.float32) for value in (self.place, self.goal))
        return {"observation": place, "achieved_goal": place.copy(), "desired_goal": goal}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.goal, self.steps = 0, int(self.np_random.choice([-4, -3, 3, 4])), 0
        return self._observe(), {}

    def compute_reward(self, achieved_goal, desired_goal, info):
        return -(np.abs(achieved_goal - desired_goal) > 0.1).any(-1).astype(np.float32)

    def step(self, action):
        self.place = int(np.clip(self.place + (1, -1)[action], -4, 4))
        self.steps += 1
        observation = self._observe()
        reward = float(self.compute_reward(observation["achieved_goal"], observation["desired_goal"], {}))
        return observation, reward, reward == 0.0, self.steps == 12, {"is_success": reward == 0.0}


def numbers(model):
    """Return every tensor that the policy stores, by name."""
    state = model.policy.state_dict()
    return {**{name: tensor.clone() for name, tensor in state.items()}, **state._metadata[""][STRUCTURE]["network"]}


def assert_equal_numbers(first, second):
    first, second = numbers(first), numbers(second)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def observations(space, count=50):
    """Return a batch of observations of a space."""
    space.seed(0)
    return np.stack([space.sample() for _ in range(count)])


def q_values(model, batch):
    tensors, _ = model.policy.obs_to_tensor(batch)
    model.policy.set_training_mode(False)
    return model.policy.q_net(tensors)


CARTPOLE = observations(spaces.Box(-1.0, 1.0, (4,), np.float32))
