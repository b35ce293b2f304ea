import io
import zipfile

import gymnasium
import pytest
from sb3_models import make_model
from stable_baselines3 import DQN
from stable_baselines3.dqn.policies import DQNPolicy
from torch import nn

from pathnet_agents import PathNetDQN


@pytest.mark.parametrize("kind", [ValueError, AssertionError])  # the second is what Stable-Baselines3 raises
def test_continuous_actions_are_refused(kind):
    with pytest.raises(
        kind, match=r"env: PathNetDQN only supports Discrete as action spaces, but Box.*by a wrapper"
    ):
        make_model("Pendulum-v1")


def test_actions_that_do_not_count_from_0_are_refused():
    env = gymnasium.make("CartPole-v1").unwrapped
    env.action_space = gymnasium.spaces.Discrete(2, start=1)
    with pytest.raises(ValueError, match="actions must count from 0, not 1: shift them by a wrapper"):
        make_model(env)


def test_a_recurrent_policy_is_refused():
    with pytest.raises(
        ValueError, match="policy='MlpLstmPolicy' is not known; give one of PathNetPolicy.*recurrent"
    ):
        PathNetDQN("MlpLstmPolicy", "CartPole-v1")


def test_a_policy_without_paths_is_refused():
    with pytest.raises(ValueError, match='policy=DQNPolicy has no paths: give "PathNetPolicy"'):
        PathNetDQN(DQNPolicy, "CartPole-v1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": {"population": 1}}, "population=1 must be a whole number, 2 or more"),
        ({"network": {"active": 9}}, "active=9 must not exceed modules=8: give active=8 or fewer, or more modules"),
        ({"network": {"active": 0}}, "active=0 must be a whole number, 1 or more"),
        ({"network": {"modules": 2.5}}, "modules=2.5 must be a whole number, 1 or more"),
        ({"network": {"units": 0}}, "layers=2, units=0 must name one layer or more"),
        ({"network": {"layers": 0}}, "layers=0, units=16 must name one layer or more"),
        ({"network": {"net_arch": [8]}}, r"net_arch=\[8\] says what layers=2 and units=16 say; give one of them"),
        ({"network": {"activation_fn": nn.Tanh}}, "activation_fn=Tanh is not possible: leave it out"),
        ({"network": {"unit": 3}}, "unit=3 is not an option of the policy; nearest: units"),
        ({"network": {"zzz": 3}}, "zzz=3 is not an option of the policy; known: net_arch, .*population"),
        ({"network": {"optimizer_class": "adam"}}, "optimizer_class='adam' must be a class"),
        ({"search_steps": 0}, "search_steps=0 must be 1 or more"),
        ({"batch_size": 0}, "batch_size=0 must be a whole number, 1 or more"),
        ({"batch_size": 8.0}, r"batch_size=8\.0 must be a whole number, 1 or more"),
        ({"warm_start": "copy"}, 'warm_start=.copy. must be "clone" or "reset"'),
    ],
)
def test_arguments_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make_model(**changes)


@pytest.mark.parametrize("net_arch", [[], [0], [8, -1], ["8"], {"pi": [8]}, [True]])
def test_a_net_arch_without_layers_is_refused(net_arch):
    with pytest.raises(ValueError, match="policy_kwargs: net_arch=.* must name one layer or more by its width"):
        PathNetDQN("MlpPolicy", "CartPole-v1", policy_kwargs={"net_arch": net_arch})


def test_a_file_of_another_algorithm_is_refused(tmp_path):
    DQN("MlpPolicy", "CartPole-v1", buffer_size=100, device="cpu").save(tmp_path / "dqn")
    with pytest.raises(ValueError, match="a file of another algorithm is loaded by that algorithm"):
        PathNetDQN.load(tmp_path / "dqn")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_refused(tmp_path, share):
    make_model().save(tmp_path / "whole")
    content = (tmp_path / "whole.zip").read_bytes()
    (tmp_path / "part.zip").write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"part\.zip.* is no whole file of PathNetDQN"):
        PathNetDQN.load(tmp_path / "part.zip")


def test_a_file_that_is_no_archive_is_refused_in_dqns_words(tmp_path):
    (tmp_path / "note.zip").write_text("not an agent", encoding="utf-8")
    with pytest.raises(ValueError, match="wasn't a zip-file"):
        PathNetDQN.load(tmp_path / "note.zip")


def test_a_file_without_the_parameters_is_refused():
    whole, part = io.BytesIO(), io.BytesIO()
    make_model().save(whole)
    with zipfile.ZipFile(whole) as given, zipfile.ZipFile(part, "w") as kept:
        for name in given.namelist():
            if name != "policy.pth":
                kept.writestr(name, given.read(name))
    part.seek(0)
    with pytest.raises(ValueError, match=r"lacks policy\.pth"):
        PathNetDQN.load(part)
