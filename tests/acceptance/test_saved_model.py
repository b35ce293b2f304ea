"""``evaluate`` of what PathNetDQN saved: as the model itself flies, and not a byte loaded before somebody asks."""

import base64
import json
import os
import pickle
import zipfile
from pathlib import Path

import pytest
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecNormalize
from typer.testing import CliRunner

from pathnet_agents import PathNetDQN
from pathnet_rl.cli import app
from pathnet_rl.saved_model import SavedModel


def evaluate(*arguments):
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    sizes = {"layers": 2, "modules": 8, "units": 8}
    model = PathNetDQN(
        "PathNetPolicy", "CartPole-v1", learning_starts=50, search_steps=200, policy_kwargs=sizes, seed=0
    )
    model.learn_task("balance", "CartPole-v1", total_timesteps=400)
    model.freeze_task()
    model.learn_task("again", "CartPole-v1", total_timesteps=400)
    path = tmp_path_factory.mktemp("model") / "model.zip"
    model.save(path)
    return path


def test_a_saved_model_flies_as_it_does_in_python(saved):
    flown = SavedModel(saved, "CartPole-v1", trusted=True, device="cpu")
    env = make_vec_env("CartPole-v1")
    for task in ("balance", "again"):
        env.seed(3)
        model = PathNetDQN.load(saved).use_task(task)
        returns, steps = evaluate_policy(model, env, 5, return_episode_rewards=True)
        evaluation = flown.evaluate(task, 5, seed=3)
        assert evaluation.mean_return == pytest.approx(sum(returns) / 5)
        assert evaluation.mean_episode_steps == pytest.approx(sum(steps) / 5)
        assert evaluation.success_rate is None, "CartPole reports none"
    status, output = evaluate(saved, "--env", "CartPole-v1", "--trust", "--episodes", 3, "--task", "again")
    assert status == 0
    assert "again 3 - " in output
    assert "balance" not in output


class Explosive:
    """Makes a directory when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_no_file_is_loaded_before_somebody_vouches_for_it(saved, tmp_path):
    bomb, planted = tmp_path / "bomb", tmp_path / "planted.zip"
    with zipfile.ZipFile(saved) as whole, zipfile.ZipFile(planted, "w") as copy:
        for name in whole.namelist():
            content = whole.read(name)
            if name == "data":
                data = json.loads(content)
                pickled = base64.b64encode(pickle.dumps(Explosive(bomb))).decode()
                data["policy_kwargs"] = {":type:": "dict", ":serialized:": pickled}
                content = json.dumps(data)
            copy.writestr(name, content)
    status, output = evaluate(planted, "--env", "CartPole-v1")
    assert status == 2
    assert "give --trust" in output
    assert not bomb.exists()
    evaluate(planted, "--env", "CartPole-v1", "--trust")
    assert bomb.exists(), "the file would have run its code"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{model}"], "give --env"),
        (["{model}", "--env", "CartPole-v1"], "give --trust"),
        (["{model}", "--env", "Acrobot-v1", "--trust"], "to be flown in Acrobot-v1"),
        (["{model}", "--env", "Nothing-v0", "--trust"], "to be flown in Nothing-v0"),
        (["{model}", "--env", "CartPole-v1", "--trust", "--task", "x"], "has learned balance, again"),
        (["none.zip", "--env", "CartPole-v1", "--trust"], "there is no such file"),
        (["README.md", "--trust"], "are for a .zip"),
    ],
)
def test_what_cannot_be_flown_is_refused(saved, arguments, words):
    status, output = evaluate(*(argument.format(model=saved) for argument in arguments))
    assert status == 2
    assert words in output


def test_a_file_cut_short_is_refused(saved, tmp_path):
    cut = Path(tmp_path / "cut.zip")
    cut.write_bytes(saved.read_bytes()[:-500])
    status, output = evaluate(cut, "--env", "CartPole-v1", "--trust")
    assert (status, "is no whole file of PathNetDQN" in output) == (2, True)


def test_what_was_learned_under_normalisation_is_told(tmp_path):
    lanes = VecNormalize(make_vec_env("CartPole-v1"))
    PathNetDQN("PathNetPolicy", lanes, learning_starts=50, seed=0).learn(100).save(tmp_path / "m.zip")
    status, output = evaluate(tmp_path / "m.zip", "--env", "CartPole-v1", "--trust", "--episodes", 1)
    assert status == 0 and "learned under VecNormalize, whose statistics are not in it" in output
    assert "task-1 flown in CartPole-v1" in output
