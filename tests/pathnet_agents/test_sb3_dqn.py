import subprocess
import sys

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.callbacks import CheckpointCallback, EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import configure
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer

from pathnet_agents import PathNetDQN

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
    extra = state.pop("_extra_state")
    return {**state, **extra["network"]}


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
    return model.policy.q_values(tensors)


CARTPOLE = observations(spaces.Box(-1.0, 1.0, (4,), np.float32))


def test_cartpole_is_learned_far_beyond_chance():
    model = PathNetDQN("PathNetPolicy", "CartPole-v1", seed=0, search_steps=9_600, device="cpu")
    env = make_vec_env("CartPole-v1", 5, seed=9)
    before, _ = evaluate_policy(model, env, 10)
    model.learn(16_000)
    after, _ = evaluate_policy(model, env, 10)
    assert before < 50
    assert after > 100  # chance earns 22
    assert not model._search.searching


def test_settings_do_not_import_torch_but_the_package_offers_the_agent():
    program = (
        "import sys, pathnet_agents.settings as s; assert 'torch' not in sys.modules;"
        "from pathnet_agents import PathNetDQN; assert 'torch' in sys.modules; print(PathNetDQN.__name__)"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "PathNetDQN"


@pytest.mark.parametrize("envs", [1, 4])
def test_the_same_seed_gives_the_same_parameters_and_another_seed_others(envs):
    first, again, other = (make_model(make_vec_env("CartPole-v1", envs), seed).learn(800) for seed in (0, 0, 1))
    assert_equal_numbers(first, again)
    assert first.paths == again.paths
    name = "layer.0.values"
    assert not torch.equal(numbers(first)[name], numbers(other)[name])


def test_every_member_learns_from_every_update():
    model = make_model()
    model.learn(101)
    before = numbers(model)
    members = [set(np.unique(model._search.population[:, layer])) - {-1} for layer in range(2)]
    model.train(1, 16)
    after = numbers(model)
    for layer in range(2):
        updated = set(
            torch.nonzero(after[f"layer.{layer}.updates"][0] - before[f"layer.{layer}.updates"][0])[:, 0].tolist()
        )
        assert updated == members[layer]
    assert (after["head.task-1.values"] != before["head.task-1.values"]).any(-1).all()


def test_a_lone_environment_is_given_to_the_members_in_turn():
    model = make_model(generation_steps=10_000, search_steps=10_000)
    model.learn(600)
    assert [len(returns) > 0 for returns in model._search._returns] == [True] * 4


def test_the_search_ends_with_the_best_member_alone():
    model = make_model().learn(1_200)
    assert not model._search.searching
    assert len(model._search.population) == model.policy.live.members == 1
    assert model.paths["task-1"] == [sorted(set(layer) - {-1}) for layer in model._search.best_path.tolist()]


def test_the_log_has_dqns_keys_and_the_searchs(tmp_path):
    model = make_model()
    model.set_logger(configure(str(tmp_path), ["csv"]))
    model.learn(500, log_interval=1)
    model.logger.close()
    header, *rows = (tmp_path / "progress.csv").read_text(encoding="utf-8").splitlines()
    last = dict(zip(header.split(","), rows[-1].split(","), strict=True))
    for name in ("fitness_best", "diversity", "reused_modules", "loss", "learning_rate", "n_updates"):
        assert np.isfinite(float(last[f"train/{name}"]))
    assert {"rollout/exploration_rate", "rollout/ep_rew_mean", "time/fps"} <= {*last}


def test_every_task_has_a_tensorboard_run_of_its_own(tmp_path):
    model = make_model(tensorboard_log=str(tmp_path))
    for name in ("first", "second"):
        model.learn_task(name, None, 150)
        model.freeze_task()
        model.logger.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first_1", "second_1"]


def test_a_learning_rate_schedule_reaches_the_modules():
    model = make_model(learning_rate=lambda remaining: 1e-2 * remaining).learn(400)
    assert model.policy.live.working.optimizer.learning_rate < 1e-3


@pytest.mark.filterwarnings("ignore:rich is experimental", "ignore:Training and eval env")
def test_callbacks_and_the_progress_bar(tmp_path):
    evaluation = EvalCallback(
        Monitor(gymnasium.make("CartPole-v1")), eval_freq=300, n_eval_episodes=2, log_path=str(tmp_path),
        best_model_save_path=str(tmp_path), verbose=0,
    )  # fmt: skip
    checkpoint = CheckpointCallback(save_freq=400, save_path=str(tmp_path), name_prefix="cart")
    make_model().learn(800, [evaluation, checkpoint], progress_bar=True)
    assert len(evaluation.evaluations_results) == 2
    for name in ("best_model", "cart_400_steps", "cart_800_steps"):
        action, _ = PathNetDQN.load(tmp_path / name).predict(CARTPOLE, deterministic=True)
        assert action.shape == (50,)


@pytest.mark.parametrize("steps", [500, 1_000])  # in the midst of a search, and after it
def test_a_loaded_agent_is_the_saved_one_and_learns_on_as_it_would(tmp_path, steps):
    model = make_model().learn(steps)
    model.save(tmp_path / "model")
    model.save_replay_buffer(tmp_path / "replay")
    loaded = PathNetDQN.load(tmp_path / "model", env=gymnasium.make("CartPole-v1"))
    loaded.load_replay_buffer(tmp_path / "replay")
    assert_equal_numbers(loaded, model)
    assert torch.equal(q_values(loaded, CARTPOLE), q_values(model, CARTPOLE))
    assert loaded.paths == model.paths
    for agent in (model, loaded):
        agent.set_random_seed(5)
        agent.set_env(gymnasium.make("CartPole-v1"))
        agent.set_random_seed(5)
        agent.learn(400, reset_num_timesteps=False)
    assert_equal_numbers(loaded, model)
    assert not torch.equal(q_values(loaded, CARTPOLE), q_values(PathNetDQN.load(tmp_path / "model"), CARTPOLE))


def test_parameters_are_taken_in_place_and_not_shared():
    model, other = make_model(seed=0).learn(300), make_model(seed=1).learn(300)
    other.set_parameters(model.get_parameters())
    assert_equal_numbers(other, model)
    other.train(1, 16)
    assert not torch.equal(numbers(other)["layer.0.values"], numbers(model)["layer.0.values"])


def test_the_policy_alone_is_saved_and_loaded(tmp_path):
    model = make_model().learn(300)
    model.policy.save(str(tmp_path / "policy.pt"))
    policy = type(model.policy).load(str(tmp_path / "policy.pt"))
    assert (policy.predict(CARTPOLE)[0] == model.policy.predict(CARTPOLE)[0]).all()


def test_a_loaded_agent_may_have_another_number_of_environments(tmp_path):
    make_model().learn(300).save(tmp_path / "model")
    loaded = PathNetDQN.load(tmp_path / "model", env=make_vec_env("CartPole-v1", 8))
    loaded.learn(160, reset_num_timesteps=False)
    assert loaded._search.member_of_lane.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    with pytest.raises(ValueError, match="n_envs=2 cannot be spread evenly"):
        PathNetDQN.load(tmp_path / "model", env=make_vec_env("CartPole-v1", 2))


def test_a_policy_moved_to_another_device_keeps_every_number():
    model = make_model().learn(300)
    before, values, network = numbers(model), q_values(model, CARTPOLE), model.policy.net
    network.device = "cpu:0"  # as if it were another one
    model.policy.to("cpu")
    assert model.policy.net is not network
    assert torch.equal(q_values(model, CARTPOLE), values)
    after = numbers(model)
    assert all(torch.equal(after[name], before[name]) for name in before)
    model.learn(100, reset_num_timesteps=False)


def test_set_env_goes_on_in_another_environment():
    model = make_model().learn(200)
    model.set_env(gymnasium.make("CartPole-v1", max_episode_steps=7))
    model.learn(100, reset_num_timesteps=False)
    assert model.num_timesteps == 300
    assert model.ep_info_buffer[-1]["l"] <= 7
    with pytest.raises(ValueError, match="Observation spaces do not match"):
        model.set_env(gymnasium.make("Acrobot-v1"))


def learn_two(model, env, other_env, steps=900):
    """Learn and freeze one task, then another; return what the first one's values were when it was frozen."""
    batch = observations(model.observation_space)
    model.learn_task("first", env, steps)
    newly = model.freeze_task()
    assert newly == model.paths["first"]
    first = q_values(model, batch)
    model.learn_task("second", other_env, steps)
    model.freeze_task()
    return batch, first


@pytest.mark.parametrize("warm_start", ["clone", "reset"])
def test_two_tasks_and_nothing_forgotten_to_the_bit(tmp_path, warm_start):
    model = make_model(warm_start=warm_start)
    batch, first = learn_two(model, "CartPole-v1", gymnasium.make("CartPole-v1", sutton_barto_reward=True))
    second = q_values(model, batch)
    assert torch.equal(q_values(model.use_task("first"), batch), first)
    assert not torch.equal(first, second)
    model.save(tmp_path / "both")
    loaded = PathNetDQN.load(tmp_path / "both", env=gymnasium.make("CartPole-v1"))
    assert list(loaded.paths) == ["first", "second"]
    assert loaded.reused("first") == [{}, {}]
    loaded.learn_task("third", None, 300)
    for name, values in (("first", first), ("second", second)):
        assert torch.equal(q_values(loaded.use_task(name), batch), values)


def test_a_task_without_a_name_gets_one_that_is_free():
    model = make_model()
    model.learn_task("task-1", None, 150)
    model.freeze_task()
    model.learn(150)
    assert list(model.paths) == ["task-1", "task-2"]


def test_reuse_counts_what_earlier_tasks_froze():
    model = make_model(network={"modules": 3})  # so few that a second path must reuse some
    learn_two(model, None, None)
    first, second = model.paths["first"], model.paths["second"]
    shared = [len({*one} & {*two}) for one, two in zip(first, second, strict=True)]
    assert [sum(layer.values()) for layer in model.reused("second")] == shared
    assert sum(shared) > 0


def test_an_interrupted_task_is_used_beside_frozen_ones():
    model = make_model()
    model.learn_task("first", None, 300)
    model.freeze_task(keep_replay=True)
    assert model.replay_buffer.size() == 300
    model.learn_task("second", None, 300)
    assert q_values(model.use_task("first"), CARTPOLE).shape == (50, 2)
    model.use_task("second").learn_task("second", None, 200)
    assert model.policy.route.task == "second"
    assert list(model.paths) == ["first", "second"]


def test_pixels_are_learned_and_the_extractor_is_frozen_with_the_first_task(tmp_path):
    model = make_model(TwoLights(), buffer_size=700, gamma=0.0, exploration_fraction=0.5)
    model.learn_task("lit", None, 600)
    assert evaluate_policy(model, Monitor(TwoLights()), 5)[0] > 7
    model.freeze_task()
    batch = observations(model.observation_space, 5)
    extractor = {name: value.clone() for name, value in model.policy.features_extractor.state_dict().items()}
    values = q_values(model, batch)
    model.learn_task("dark", TwoLights(flipped=True), 600)
    assert evaluate_policy(model, Monitor(TwoLights(flipped=True)), 5)[0] > 7
    after = model.policy.features_extractor.state_dict()
    assert all(torch.equal(after[name], extractor[name]) for name in extractor)
    model.save(tmp_path / "pixels")
    loaded = PathNetDQN.load(tmp_path / "pixels", env=Monitor(TwoLights()))
    assert torch.equal(q_values(loaded.use_task("lit"), batch), values)
    assert not any(parameter.requires_grad for parameter in loaded.policy.features_extractor.parameters())


def test_an_extractor_learns_with_the_first_task_and_its_target_follows():
    model = make_model(TwoLights(), buffer_size=300, target_update_interval=10_000)
    weight = "cnn.0.weight"
    before = model.policy.features_extractor.state_dict()[weight].clone()
    model.learn(160)
    online, slow = model.policy.features_extractor.state_dict(), model.policy.target_extractor.state_dict()
    assert not torch.equal(online[weight], before)
    assert not torch.equal(online[weight], slow[weight])
    model.policy.update_target(1.0)
    assert torch.equal(online[weight], slow[weight])


def test_dictionaries_are_learned_from():
    model = PathNetDQN(
        "MultiInputPathNetPolicy", LightsAndNumber(), seed=0, gamma=0.0, **SMALL, policy_kwargs=NETWORK
    )
    model.learn(600)
    assert evaluate_policy(model, Monitor(LightsAndNumber()), 5)[0] > 6


def test_hindsight_replay_reaches_goals():
    model = make_model(
        Corridor(), replay_buffer_class=HerReplayBuffer, replay_buffer_kwargs={"n_sampled_goal": 4},
        gamma=0.9, train_freq=1,
    )  # fmt: skip
    model.learn_task("walk", None, 1_500)
    assert evaluate_policy(model, Monitor(Corridor()), 10)[0] > -5  # a goal 3 or 4 places away
    model.freeze_task()
    model.learn_task("again", Corridor(), 200)
    assert model.replay_buffer.env is model.env


def test_normalised_environments_and_n_step_returns():
    env = VecNormalize(DummyVecEnv([lambda: gymnasium.make("CartPole-v1")]))
    model = make_model(env, n_steps=3, generation_steps=10_000).learn(300)
    assert max(max(returns) for returns in model._search._returns if returns) >= 8  # unscaled: a step pays 1


def test_discrete_observations():
    model = make_model("FrozenLake-v1").learn(150)
    assert int(model.predict(3, deterministic=True)[0]) in range(4)


def test_prediction_takes_one_observation_or_a_batch_and_explores_like_dqn():
    model = make_model()
    assert model.predict(CARTPOLE[0], deterministic=True)[0].shape == ()
    assert model.predict(CARTPOLE, state=None, episode_start=np.ones(50))[0].shape == (50,)
    model.exploration_rate = 1.0
    assert {int(model.predict(CARTPOLE[0])[0]) for _ in range(30)} == {0, 1}
    assert set(model.predict(CARTPOLE)[0].tolist()) == {0, 1}


@pytest.mark.parametrize("name", ["MlpPolicy", "PathNetPolicy"])
def test_dqns_policy_names_are_understood(name):
    assert type(PathNetDQN(name, "CartPole-v1", device="cpu").policy).__name__ == "PathNetPolicy"


def test_continuous_actions_are_refused():
    with pytest.raises(AssertionError, match="only supports .*Discrete.* as action spaces but Box"):
        make_model("Pendulum-v1")


def test_environments_that_cannot_be_spread_are_refused():
    with pytest.raises(
        ValueError, match="n_envs=3 cannot be spread evenly over population=4: give 1 or a multiple"
    ):
        make_model(make_vec_env("CartPole-v1", 3))


def test_an_unknown_task_is_refused():
    model = make_model()
    with pytest.raises(KeyError, match="no task 'nothing'; there are: none yet"):
        model.use_task("nothing")
    model.learn_task("first", None, 110)
    with pytest.raises(KeyError, match="no task 'nothing'; there are: first"):
        model.reused("nothing")


def test_tasks_are_not_mixed_up():
    model = make_model()
    with pytest.raises(ValueError, match="nothing to freeze"):
        model.freeze_task()
    model.predict(CARTPOLE)  # begins a task that has learned nothing, and may be given up
    model.learn_task("first", None, 150)
    with pytest.raises(ValueError, match="'first' is not frozen: call freeze_task"):
        model.learn_task("second", None, 100)
    assert set(model.paths) == {"first"}
    model.freeze_task()
    with pytest.raises(ValueError, match="'first' is frozen; give the new one another name"):
        model.learn_task("first", None, 100)
    with pytest.raises(ValueError, match="spaces do not match"):
        model.learn_task("third", "Acrobot-v1", 100)
    assert set(model.paths) == {"first"}  # what was refused leaves nothing behind


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": {"population": 1}}, "population=1 must be 2 or more"),
        ({"network": {"active": 9}}, "active=9 must not exceed modules=8"),
        ({"network": {"units": 0}}, "units"),
        ({"search_steps": 0}, "search_steps=0 must be 1 or more"),
        ({"warm_start": "copy"}, 'warm_start=.copy. must be "clone" or "reset"'),
    ],
)
def test_arguments_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make_model(**changes)


def test_a_policy_without_a_task_says_what_to_do():
    with pytest.raises(RuntimeError, match=r"knows no task yet: call learn\(\)"):
        make_model().policy.predict(CARTPOLE)
