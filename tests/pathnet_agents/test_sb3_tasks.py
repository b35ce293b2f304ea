from copy import deepcopy

import gymnasium
import numpy as np
import pytest
import torch
from sb3_models import CARTPOLE, assert_equal_numbers, make_model, numbers, observations, q_values
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from pathnet_agents import PathNetDQN
from pathnet_rl.agent import AgentError


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
    model = make_model(network={"modules": 3, "active": 2})  # so few that a second path must reuse some
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


def test_an_unknown_task_is_refused():
    model = make_model()
    with pytest.raises(KeyError, match="no task 'nothing'; there are: task-1"):
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


@pytest.mark.parametrize("name", [3, None, ("a", 1)])
def test_a_name_that_is_no_string_is_refused_before_anything_changes(name):
    model = make_model()
    with pytest.raises(TypeError, match=r"name=.* must be a string"):
        model.learn_task(name, None, 150)
    assert model.paths == make_model().paths and model.num_timesteps == 0


def test_a_callback_cannot_freeze_what_is_being_learned_but_end_it():
    model, refused = make_model(), []

    def freeze_early(*_):
        with pytest.raises(RuntimeError, match="let the callback return False") as error:
            model.freeze_task()
        refused.append(error)
        return len(refused) < 3

    model.learn_task("first", None, 600, callback=freeze_early)
    assert len(refused) == 3 and model.num_timesteps < 600
    model.learn_task("first", None, 300)
    model.freeze_task()


def test_a_model_saved_by_a_callback_can_be_frozen_once_it_is_loaded(tmp_path):
    model = make_model()
    model.learn(200, callback=lambda *_: model.save(tmp_path / "within") or True)
    PathNetDQN.load(tmp_path / "within").freeze_task()


def test_a_new_task_that_goes_on_counting_is_warned_of():
    model = make_model()
    model.learn(300)
    model.freeze_task()
    with pytest.warns(UserWarning, match="'task-2' begins at 300 time steps, explored as at the end"):
        model.learn(200, reset_num_timesteps=False)
    model.learn(100, reset_num_timesteps=False)  # of which nothing is new
    model.freeze_task()
    model.learn(150)


def test_a_used_task_is_predicted_for_until_something_else_is_asked_for():
    model = make_model(search_steps=300, generation_steps=50)
    batch = observations(model.observation_space)
    model.learn_task("first", None, 300)
    model.freeze_task()
    first, seen = q_values(model, batch), []

    def look(*_):
        if model.num_timesteps == 120:
            model.use_task("first")
        seen.append(torch.equal(q_values(model, batch), first))
        return True

    model.learn_task("second", None, 600, callback=look)
    assert seen[118:] == [False] + [True] * 481  # through tournaments and the end of the search
    assert not torch.equal(q_values(model.use_task("second"), batch), first)
    model.use_task("first")
    with pytest.warns(UserWarning, match="goes on with task 'second'"):
        model.learn(100)
    assert not torch.equal(q_values(model, batch), first)


def test_without_an_environment_no_task_is_begun(tmp_path):
    model = make_model()
    model.learn_task("first", None, 200)
    model.freeze_task()
    model.save(tmp_path / "model")
    loaded = PathNetDQN.load(tmp_path / "model")
    for learn in (lambda: loaded.learn(100), lambda: loaded.learn_task("second", None, 100)):
        with pytest.raises(AssertionError, match="no environment to learn in: give load\\(\\) an env"):
            learn()
    assert list(loaded.paths) == ["first"]


def test_a_task_is_not_frozen_twice():
    model = make_model()
    model.learn_task("first", None, 150)
    model.freeze_task()
    with pytest.raises(ValueError, match="no task is begun since 'first' was frozen; learn for more than"):
        model.freeze_task()


def test_when_all_modules_are_frozen_a_task_learns_a_head_and_is_told_so():
    model = make_model(network={"layers": 1, "modules": 2, "active": 2})
    for name in ("first", "second"):
        model.learn_task(name, None, 250)
        model.freeze_task()
        if model.policy.net.frozen_rlm.all():
            break
    before = model.q_net.layer_0.clone()
    with pytest.warns(UserWarning, match=r"all 2 modules.*'last' can only learn a head.*modules=4"):
        model.learn_task("last", None, 250)
    assert torch.equal(model.q_net.layer_0, before)
    assert model.freeze_task() == [[]]


def test_parameters_bring_their_tasks_and_the_search_goes_on_from_their_paths():
    model, other = make_model(seed=0), make_model(seed=1)
    model.learn_task("first", None, 300)
    model.freeze_task()
    model.learn_task("second", None, 300)
    other.set_parameters(model.get_parameters())
    assert other.paths["first"] == model.paths["first"]
    assert_equal_numbers(other, model)
    assert torch.equal(q_values(other, CARTPOLE), q_values(model, CARTPOLE))
    other.learn(400)
    assert list(other.paths) == ["first", "second"]
    other.set_parameters(make_model(seed=2).learn(1_000).get_parameters())  # one whose search is over
    assert not other._search.searching
    other.learn(200)


@pytest.mark.parametrize(
    ("network", "env"), [({"modules": 10}, "CartPole-v1"), ({"units": 8}, "CartPole-v1"), ({}, "Acrobot-v1")]
)
def test_parameters_of_another_network_are_refused_and_change_nothing(network, env):
    model, other = make_model(), make_model(env, network=network)
    batch = observations(model.observation_space)
    model.learn_task("first", None, 300)
    model.freeze_task()
    model.learn_task("second", None, 300)
    first, before = q_values(model.use_task("first"), batch), deepcopy(model)
    other.learn(150)
    with pytest.raises(ValueError, match=r"of another network: layer\.0\.\w+ is \(.*, here \(.*must agree"):
        model.set_parameters(other.get_parameters())
    assert list(model.paths) == ["first", "second"]
    assert_equal_numbers(model, before)
    assert torch.equal(q_values(model.use_task("first"), batch), first)
    model.use_task("second").learn(150)


def test_an_agent_saved_between_two_tasks_goes_on(tmp_path):
    model = make_model()
    model.learn_task("first", None, 150)
    model.freeze_task()
    values = q_values(model, CARTPOLE)
    model.save(tmp_path / "model")
    loaded = PathNetDQN.load(tmp_path / "model", env=gymnasium.make("CartPole-v1"))
    assert list(loaded.paths) == ["first"]
    assert torch.equal(q_values(loaded, CARTPOLE), values)
    loaded.learn_task("second", None, 150)
    assert list(loaded.paths) == ["first", "second"]
    assert torch.equal(q_values(loaded.use_task("first"), CARTPOLE), values)
    assert numbers(loaded)["q_net.layer_0"].shape == numbers(model)["q_net.layer_0"].shape


def test_parameters_that_were_brought_are_a_task_to_freeze_and_not_to_drop():
    model, other = make_model(seed=0).learn(300), make_model(seed=1)
    other.set_parameters(model.get_parameters())
    with pytest.raises(ValueError, match="'task-1' is not frozen: call freeze_task"):
        other.learn_task("other", None, 150)
    other.freeze_task()
    assert torch.equal(q_values(other, CARTPOLE), q_values(model, CARTPOLE))


class Pays(gymnasium.Env):
    """Pays the same at every step; 100 steps make an episode."""

    action_space = gymnasium.spaces.Discrete(2)
    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def __init__(self, reward=1.0):
        self.reward = reward

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.steps += 1
        return np.zeros(2, np.float32), self.reward, False, self.steps == 100, {}


def test_a_kept_replay_mixes_no_two_tasks_in_one_return():
    model = make_model(Pays(1.0), n_steps=3, gamma=1.0)
    model.learn_task("one", None, 150)  # ends within an episode
    model.freeze_task(keep_replay=True)
    stored = model.replay_buffer.pos
    model.learn_task("hundred", Pays(100.0), 50)
    returns = model.replay_buffer._get_samples(np.arange(model.replay_buffer.pos)).rewards.flatten().tolist()
    assert {*returns[:stored]} == {1.0, 2.0, 3.0} and min(returns[stored:]) >= 100.0


@pytest.mark.parametrize(
    ("changes", "generations", "grace"),
    [
        ({}, 8, 3),
        ({"search_steps": 1_000, "generation_steps": 200}, 5, 1),
        ({"search_steps": 900, "generation_steps": 300}, 3, 1),
        ({"search_steps": 100, "generation_steps": 5_000}, 1, 0),
        ({"search_steps": np.int64(600), "generation_steps": 10}, 60, 3),
    ],
)
def test_members_sit_out_fewer_tournaments_where_there_are_fewer(changes, generations, grace):
    model = make_model(**{"search_steps": None, "generation_steps": None, **changes})
    settings = model._search_settings(8_000)
    assert -(-settings.search_env_steps // settings.generation_env_steps) == generations
    assert settings.grace_generations == grace
    model._search.plan(settings)
    assert model._search.search.evolution.grace_generations == grace


def test_a_member_that_is_lost_is_replaced_and_told_of():
    model = make_model(search_steps=10_000, network={"modules": 200})  # so that none are shared
    model.learn(300)
    model.policy.sync()
    model.policy.net.heads["task-1"].values_rmk[0, 1] = np.nan
    with pytest.warns(RuntimeWarning, match="'task-1': weights or returns of members that were not finite: 1;"):
        model.learn(300, reset_num_timesteps=False)
    assert all(tensor.isfinite().all() for tensor in numbers(model).values() if tensor.is_floating_point())


def test_learning_ends_where_all_members_are_lost():
    model = make_model(Pays(np.nan))
    with pytest.raises(AgentError, match="'task-1': after .* all members have weights or returns"):
        model.learn(600)


def test_learning_another_task_than_the_used_one_is_warned_of():
    model = make_model()
    model.learn_task("first", None, 150)
    model.freeze_task()
    model.learn_task("second", None, 150)
    model.use_task("first")
    with pytest.warns(UserWarning, match=r"goes on with task 'second'; 'first', which use_task\(\) named"):
        model.learn(50, reset_num_timesteps=False)


def test_statistics_that_move_on_under_a_frozen_task_are_warned_of():
    lanes = VecNormalize(make_vec_env("CartPole-v1"))
    model = make_model(lanes)
    model.learn_task("first", None, 150)
    model.freeze_task()
    assert model.normalised
    with pytest.warns(UserWarning, match="VecNormalize goes on to change .*: set its training=False"):
        model.learn_task("second", None, 50)
    lanes.training = False
    model.learn_task("second", None, 50)
    model.learn_task("second", VecNormalize(make_vec_env("CartPole-v1")), 50)  # one of its own


def test_the_default_search_has_its_grace_too():
    model = make_model(search_steps=None, generation_steps=None, learning_starts=1_000).learn(300)
    assert model._search.search.evolution.grace_generations == 3


def test_a_task_that_a_loaded_policy_does_not_know_is_forgotten():
    model, other = make_model(seed=0), make_model(seed=1)
    model.learn_task("theirs", None, 150)
    other.learn_task("mine", None, 150)
    other.policy.load_state_dict(model.policy.state_dict())
    with pytest.raises(ValueError, match="task 'theirs' is not frozen"):
        other.learn_task("next", None, 50)


def test_what_was_used_before_it_was_frozen_is_not_warned_of():
    model = make_model()
    model.learn_task("first", None, 150)
    model.use_task("first").freeze_task()
    model.learn(50)
