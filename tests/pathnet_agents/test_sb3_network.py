from copy import deepcopy

import cloudpickle
import numpy as np
import pytest
import torch
from sb3_models import CARTPOLE, TwoLights, make_model, numbers, observations, q_values
from stable_baselines3 import DQN
from torch import nn

from pathnet_agents import PathNetDQN
from pathnet_agents.sb3_network import STRUCTURE, Route, route_of


def drawn(state):
    """Return other numbers for all tensors of a state, without what it says about tasks."""
    return {name: torch.rand_like(tensor) for name, tensor in state.items()}


def test_a_route_is_what_its_plain_values_describe():
    route = Route("a", np.array([[1, -1], [0, 2]]), 3, [[1], []])
    again = route_of(route.plain())
    assert (again.path == route.path).all()
    assert (again.task, again.head, again.newly_frozen) == ("a", 3, [[1], []])


@pytest.mark.parametrize("part", ["policy", "q_net", "q_net_target"])
def test_a_state_holds_floating_numbers_alone_and_all_of_them_are_taken(part):
    module = {"policy": (model := make_model().learn(300)).policy, "q_net": model.q_net}.get(
        part, model.q_net_target
    )
    random = drawn(module.state_dict())
    module.load_state_dict(random)
    state = module.state_dict()
    assert all(tensor.is_floating_point() for tensor in state.values())
    assert all(torch.equal(state[name], random[name]) for name in random)


def test_numbers_that_are_taken_act_and_learn_on():
    model = make_model().learn(300)
    before = q_values(model, CARTPOLE)
    state = model.policy.state_dict()
    state["q_net.head_0"] = state["q_net.head_0"] * 2
    model.policy.load_state_dict(state)
    assert torch.allclose(q_values(model, CARTPOLE), before * 2, atol=1e-5)
    assert torch.equal(model.policy.live.working.values[-1].flatten(), model.q_net.head_0.flatten())


def test_a_state_that_lacks_something_is_refused_and_a_part_of_it_is_taken_on_request():
    model = make_model().learn(300)
    state = dict(model.policy.state_dict())
    kept = state.pop("q_net.layer_0").clone()
    state["q_net.layer_1"] = state["q_net.layer_1"] + 1
    with pytest.raises(RuntimeError, match="q_net.layer_0"):
        model.policy.load_state_dict(state)
    model.policy.load_state_dict(state, strict=False)
    assert torch.equal(model.q_net.layer_0, kept)
    assert torch.equal(model.q_net.layer_1, state["q_net.layer_1"])


def test_the_metadata_of_a_state_say_what_the_numbers_belong_to():
    model = make_model().learn(300)
    state = model.policy.state_dict()
    assert state._metadata[""][STRUCTURE]["live"]["task"] == "task-1"
    assert state._metadata["q_net"][STRUCTURE]["heads"] == {"task-1": 4}


@pytest.mark.parametrize("env", ["CartPole-v1", TwoLights()])
def test_the_q_network_alone_is_saved_and_loaded(tmp_path, env):
    model = make_model(env, buffer_size=300).learn(200)
    batch = observations(model.observation_space, 10)
    model.q_net.save(str(tmp_path / "q_net.pt"))
    loaded = type(model.q_net).load(str(tmp_path / "q_net.pt"), device="cpu")
    assert (loaded.predict(batch)[0] == model.q_net.predict(batch)[0]).all()
    assert torch.equal(loaded(loaded.obs_to_tensor(batch)[0]), q_values(model, batch))


def test_a_copy_is_equal_and_its_own():
    model = make_model().learn(300)
    copied = deepcopy(model.policy)
    assert (copied.predict(CARTPOLE)[0] == model.policy.predict(CARTPOLE)[0]).all()
    before = model.q_net.layer_0.clone()
    with torch.no_grad():
        copied.q_net.layer_0.add_(1)
    assert torch.equal(model.q_net.layer_0, before)
    assert torch.equal(copied.net.stacks[0].values_rmk, copied.q_net.layer_0)


def test_parameters_are_taken_from_a_vector():
    model = make_model().learn(300)
    vector = model.policy.parameters_to_vector()
    model.policy.load_from_vector(vector * 0)
    assert (q_values(model, CARTPOLE) == 0).all()
    model.policy.load_from_vector(vector)
    assert np.array_equal(model.policy.parameters_to_vector(), vector)


def test_the_target_is_set_by_the_other_networks_state():
    model = make_model(target_update_interval=10_000).learn(300)
    assert not torch.equal(model.q_net.layer_0, model.q_net_target.layer_0)
    model.q_net_target.load_state_dict(model.q_net.state_dict())
    live = model.policy.live
    assert all(torch.equal(*pair) for pair in zip(live.target, live.working.values, strict=True))


def test_numbers_of_other_tasks_are_taken_by_the_whole_policy_only():
    model, other = make_model(), make_model()
    other.learn_task("first", None, 150)
    other.freeze_task()
    with pytest.raises(ValueError, match=r"tasks \['first'\], not of \['task-1'\]: let the whole policy"):
        model.q_net.load_state_dict(other.q_net.state_dict())
    model.policy.load_state_dict(other.policy.state_dict())
    assert torch.equal(q_values(model, CARTPOLE), q_values(other, CARTPOLE))


def test_a_network_without_a_task_says_what_to_do():
    policy = make_model().policy
    policy.drop_task("task-1")
    with pytest.raises(RuntimeError, match=r"knows no task yet: call learn\(\)"):
        policy.predict(CARTPOLE)


def test_parameters_are_as_they_are_now_whoever_asks():
    model = make_model().learn(200)
    before = [parameter.clone() for parameter in model.policy.parameters()]
    model.train(1, 16)
    changed = [not torch.equal(*pair) for pair in zip(before, model.policy.parameters(), strict=True)]
    online = len(list(model.q_net.parameters()))
    assert changed == [True] * online + [False] * online
    assert all(isinstance(parameter, nn.Parameter) for parameter in model.policy.parameters())
    assert numbers(model).keys() >= {"q_net.layer_0", "q_net_target.head_0"}


def test_numbers_that_are_written_into_parameters_act_and_learn_on():
    model = make_model().learn(900)
    observation = torch.rand(5, 4)
    model.q_net(observation)
    with torch.no_grad():
        for parameter in model.q_net.parameters():
            parameter.zero_()
    assert not model.q_net(observation).any()
    model.learn(8, reset_num_timesteps=False)
    assert max(float(parameter.detach().abs().max()) for parameter in model.q_net.parameters()) < 0.1


def test_a_pickled_model_learns_and_is_saved(tmp_path):
    model = cloudpickle.loads(cloudpickle.dumps(make_model().learn(900)))
    before = [parameter.clone() for parameter in model.q_net.parameters()]
    model.learn(200, reset_num_timesteps=False)
    assert not all(torch.equal(*pair) for pair in zip(before, model.q_net.parameters(), strict=True))
    model.save(tmp_path / "model")
    observation = torch.rand(5, 4)
    loaded = PathNetDQN.load(tmp_path / "model")
    assert torch.equal(loaded.q_net(observation), model.q_net(observation))


@pytest.mark.parametrize("steps", [150, 900])
def test_a_policy_that_is_given_anothers_state_goes_on_along_its_paths(steps):
    model, other = make_model(seed=0).learn(900), make_model(seed=1).learn(steps)
    other.policy.load_state_dict(model.policy.state_dict())
    observation = torch.rand(5, 4)
    assert other.paths == model.paths
    other.learn(0, reset_num_timesteps=False)
    assert torch.equal(other.q_net(observation), model.q_net(observation))
    other.learn(100, reset_num_timesteps=False)


def test_heads_begin_about_as_small_as_dqns_last_layer():
    path_net = make_model(network={"units": 64}).q_net.net
    (heads,) = path_net.heads.values()
    last = DQN("MlpPolicy", "CartPole-v1", seed=0).q_net.q_net[-1]
    assert isinstance(last, nn.Linear) and last.in_features == 64
    assert float(heads.weight_rmio.abs().max()) == pytest.approx(float(last.weight.detach().abs().max()), rel=0.1)


def test_what_is_printed_tells_of_modules_and_heads():
    printed = str(make_model().policy.q_net)
    assert "net_arch=[16, 16], modules=8, active=3, heads=['task-1']" in printed
