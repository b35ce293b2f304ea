import gymnasium
import pytest
import torch
from sb3_models import CARTPOLE, assert_equal_numbers, make_model, numbers, observations, q_values

from pathnet_agents import PathNetDQN


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
