import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest
import torch
from sb3_models import (
    CARTPOLE,
    NETWORK,
    SMALL,
    Corridor,
    LightsAndNumber,
    TwoLights,
    assert_equal_numbers,
    make_model,
    numbers,
    observations,
    q_values,
)
from stable_baselines3.common.callbacks import CheckpointCallback, EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import configure
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer

from pathnet_agents import PathNetDQN


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
    name = "q_net.layer_0"
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
    assert (after["q_net.head_0"] != before["q_net.head_0"]).any(-1).all()


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
    assert not torch.equal(numbers(other)["q_net.layer_0"], numbers(model)["q_net.layer_0"])


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
    loaded = PathNetDQN.load(tmp_path / "model", env=make_vec_env("CartPole-v1", 2))
    assert loaded._search.member_of_lane.tolist() == [0, 1]
    loaded.learn(600, reset_num_timesteps=False)


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


def test_pixels_are_learned_and_the_extractor_is_frozen_with_the_first_task(tmp_path):
    model = make_model(TwoLights(), buffer_size=700, gamma=0.0, exploration_fraction=0.5)
    model.learn_task("lit", None, 600)
    assert evaluate_policy(model, Monitor(TwoLights()), 5)[0] > 7
    model.freeze_task()
    batch = observations(model.observation_space, 5)
    extractor = {name: value.clone() for name, value in model.policy.q_net.features_extractor.state_dict().items()}
    values = q_values(model, batch)
    model.learn_task("dark", TwoLights(flipped=True), 600)
    assert evaluate_policy(model, Monitor(TwoLights(flipped=True)), 5)[0] > 7
    after = model.policy.q_net.features_extractor.state_dict()
    assert all(torch.equal(after[name], extractor[name]) for name in extractor)
    model.save(tmp_path / "pixels")
    loaded = PathNetDQN.load(tmp_path / "pixels", env=Monitor(TwoLights()))
    assert torch.equal(q_values(loaded.use_task("lit"), batch), values)
    assert not any(parameter.requires_grad for parameter in loaded.policy.q_net.features_extractor.parameters())


def test_an_extractor_learns_with_the_first_task_and_its_target_follows():
    model = make_model(TwoLights(), buffer_size=300, target_update_interval=10_000)
    weight = "cnn.0.weight"
    before = model.policy.q_net.features_extractor.state_dict()[weight].clone()
    model.learn(160)
    online, slow = (
        model.policy.q_net.features_extractor.state_dict(),
        model.policy.q_net_target.features_extractor.state_dict(),
    )
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


def test_what_is_read_after_learning_on_is_new_even_if_something_was_saved_in_between():
    model = make_model().learn(300)
    before = q_values(model, CARTPOLE)
    model.learn(100, reset_num_timesteps=False)
    model.get_parameters()
    assert not torch.equal(q_values(model, CARTPOLE), before)


def test_a_fresh_agent_has_its_networks_and_acts():
    model = make_model()
    assert model.q_net is model.policy.q_net
    assert model.q_net_target is model.policy.q_net_target
    pairs = zip(model.q_net.parameters(), model.q_net_target.parameters(), strict=True)
    assert all(torch.equal(online, slow) for online, slow in pairs)
    assert model.policy.predict(CARTPOLE)[0].shape == (50,)


def test_the_target_network_follows_at_its_interval():
    model = make_model(target_update_interval=150, train_freq=100, learning_starts=10, generation_steps=10_000)
    equal = {}

    def compare(*_):
        pairs = zip(model.q_net.parameters(), model.q_net_target.parameters(), strict=True)
        equal[model.num_timesteps] = all(torch.equal(online, slow) for online, slow in pairs)
        return True

    model.learn(200, compare)
    assert [equal[step] for step in (100, 101, 150, 151)] == [True, False, False, True]


def test_a_search_takes_a_tenth_of_a_tasks_steps_unless_it_is_told():
    model = make_model(search_steps=None, generation_steps=None).learn(400)
    settings = model._search.settings
    assert (settings.search_env_steps, settings.generation_env_steps) == (40, 5)
    model.learn(800, reset_num_timesteps=False)
    assert model._search.settings is settings
    assert not model._search.searching


def test_a_search_in_short_calls_waits_for_episodes():
    model = make_model("MountainCar-v0", search_steps=None, generation_steps=None, learning_starts=50)
    model.learn(380)  # episodes of 200 steps, of which the first counts for nobody
    assert model._search.searching and not model._search.latest.outcome.judged.any()
    model.learn(500, reset_num_timesteps=False)
    assert not model._search.searching and model._search.latest.outcome.judged.any()


def test_an_interval_below_the_number_of_environments_is_reported():
    with pytest.warns(UserWarning, match="n_envs=4 it is updated every 4 steps, not target_update_interval=3"):
        make_model(make_vec_env("CartPole-v1", 4), target_update_interval=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_model(make_vec_env("CartPole-v1", 4), target_update_interval=4)


@pytest.mark.parametrize("envs", [2, 3, 6])
def test_any_number_of_environments_is_given_to_the_members_in_turn(envs):
    model = make_model(make_vec_env("CartPole-v1", envs), generation_steps=10_000, search_steps=10_000)
    model.learn(900)
    assert [len(returns) > 0 for returns in model._search._returns] == [True] * 4


def test_a_tournament_leaves_the_target_network_behind_as_it_was():
    model = make_model(target_update_interval=10_000, generation_steps=60, search_steps=300, tau=0.0)
    before = model.q_net_target.layer_0.clone()
    model.learn(800)
    assert not model._search.searching
    assert torch.equal(model.q_net_target.layer_0, before)


def explored(model):
    model.exploration_rate = 1.0
    return [int(model.predict(np.zeros(4, dtype=np.float32))[0]) for _ in range(20)]


def test_a_seed_reaches_exploration(tmp_path):
    model = make_model().learn(200)
    first, second = (explored(model) for _ in range(2) if model.set_random_seed(7) is None)
    assert first == second
    model.save(tmp_path / "model")
    one, same, other = (explored(PathNetDQN.load(tmp_path / "model", seed=seed)) for seed in (1, 1, 2))
    assert one == same != other
    assert explored(PathNetDQN.load(tmp_path / "model")) == explored(model), "unseeded it goes on"


def test_no_gradient_steps_are_none():
    model = make_model().learn(150)
    updates = model._n_updates
    model.train(gradient_steps=0)
    assert model._n_updates == updates


def test_widths_may_be_a_tuple():
    model = PathNetDQN("MlpPolicy", "CartPole-v1", policy_kwargs={"net_arch": (8, 8)})
    assert model.policy.net_arch == [8, 8]
