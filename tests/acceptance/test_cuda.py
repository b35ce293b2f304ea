"""What holds on a CUDA device: the CPU's numbers within rounding, and the same ones every time."""

import json
import subprocess
import sys
import time
from copy import deepcopy

import gymnasium
import numpy as np
import pytest
import torch
from durable_runs import assert_same_run
from make_networks import heads_of, make_paths
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.utils import LinearSchedule

from pathnet_agents import PathNetDQN
from pathnet_rl.device import make_reproducible
from pathnet_rl.graphed import EAGER_CALLS, Graphed
from pathnet_rl.network import PathNet
from pathnet_rl.optimizer import SGD, Adam
from pathnet_rl.rng import torch_generator
from pathnet_rl.shapes import Conv, Dense, dense_layers
from pathnet_rl.working_set import WorkingSet

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

SHORT = [
    *(f"--set=tasks.{task}.budget_env_steps=4000" for task in range(3)),
    "--set=search.generation_env_steps=400",
]
OPTIONS = {  # every one that has arithmetic of its own
    "usual": [],
    "others": ["agent.prioritized=true", "agent.dueling=true", "agent.double=false", "agent.return_steps=1"],
    "hard": ["agent.target_update=hard", "agent.target_interval_updates=20", "agent.exploration=ensemble"],
    "fine-tune": ["agent.transfer=fine-tune"],
    "progressive": ["agent.transfer=progressive"],
}
DENSE = dense_layers(8, 32, 3)
CONVOLUTIONAL = [Conv(1, 12, 12, 4), Conv(4, 6, 6, 4), Dense(36, 16)]
PROGRAM = [sys.executable, "-c", "from pathnet_rl.cli import main; main()"]  # the script need not be installed
ONE_BY_ONE = [*PROGRAM[:2], f"import pathnet_rl.graphed as its; its.EAGER_CALLS = 10**9; {PROGRAM[2]}"]


def command(*words, program=PROGRAM):
    """Run the command as a user does and return what it printed."""
    done = subprocess.run([*program, *map(str, words)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(autouse=True)
def reproducible():
    """Compute as the commands do."""
    make_reproducible("cuda")
    yield
    torch.use_deterministic_algorithms(False)


def learned(device, shapes, optimizer, members, *, graphed=False):
    """Train paths for some steps on inputs drawn from a seed; return what they and their modules are then."""
    generators = [torch_generator(7, replica, "modules") for replica in range(2)]
    net = PathNet(
        shapes, modules=6, active=3, generators=generators, state_names=optimizer.state_names, device=device
    )
    net.add_heads("a", members, 4, generators)
    paths = make_paths(net, members)
    net.freeze(paths[0, 0, :, :1], replica=0)
    working = WorkingSet(net, "a", paths, heads_of(paths), optimizer)
    draw = torch_generator(0, 0, "inputs")

    def step(inputs, wanted):
        run = working.run(inputs)
        working.step(run, (run.outputs - wanted) / 16, max_norm=5.0)
        return (run.outputs,)

    once = Graphed(step, device) if graphed else step
    for _ in range(20):
        inputs = torch.randn(2, members, 16, net.inputs, generator=draw).to(device)
        wanted = torch.randn(2, members, 16, 4, generator=draw).to(device)
        (outputs,) = once(inputs, wanted)
    working.write_back()
    return [outputs.cpu(), *(stack.values_rmk.cpu() for stack in (*net.stacks, net.heads["a"]))]


@pytest.mark.parametrize("members", [1, 5])
@pytest.mark.parametrize("optimizer", [Adam(1e-3), SGD(1e-2)], ids=["adam", "sgd"])
@pytest.mark.parametrize("shapes", [DENSE, CONVOLUTIONAL], ids=["dense", "convolutional"])
def test_training_on_cuda_is_that_on_the_cpu_within_rounding(shapes, optimizer, members):
    for there, here in zip(
        learned("cuda", shapes, optimizer, members), learned("cpu", shapes, optimizer, members), strict=True
    ):
        torch.testing.assert_close(there, here, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("members", [1, 5])
@pytest.mark.parametrize("shapes", [DENSE, CONVOLUTIONAL], ids=["dense", "convolutional"])
def test_a_graph_learns_what_single_launches_do_to_the_bit(shapes, members):
    alone = learned("cuda", shapes, Adam(1e-3), members)
    for one, other in zip(alone, learned("cuda", shapes, Adam(1e-3), members, graphed=True), strict=True):
        assert torch.equal(one, other)


def test_a_graph_is_captured_once_for_inputs_of_a_shape():
    runs, total = [], torch.zeros(2, device="cuda")

    def add(numbers):
        runs.append(numbers.shape)
        total.add_(numbers.sum(0))
        return (total * 2,)

    graphed = Graphed(add, "cuda")
    doubled = [graphed(torch.full((3, 2), float(number)))[0] for number in range(10)]
    assert [float(each[0]) for each in doubled] == [3.0 * number * (number + 1) for number in range(10)]
    assert len(runs) == EAGER_CALLS + 1
    copied = deepcopy(graphed)  # has captured nothing
    for each in (graphed, copied):
        assert float(each(torch.ones(5, 2, device="cuda"))[0][0]) == float(total[0]) * 2
    assert len(runs) == EAGER_CALLS + 3


@pytest.mark.parametrize("options", OPTIONS)
def test_a_curriculum_learned_by_graphs_is_that_of_single_launches(tmp_path, options):
    words = ["train", "lander_quick", "--device", "cuda", *SHORT, *(f"--set={key}" for key in OPTIONS[options])]
    command(*words, "--out", tmp_path / "graphs")
    command(*words, "--out", tmp_path / "launches", program=ONE_BY_ONE)
    assert_same_run(tmp_path / "graphs", tmp_path / "launches")


@pytest.mark.parametrize("options", OPTIONS)
def test_a_curriculum_on_cuda_is_the_same_every_time_and_can_be_flown_on_the_cpu(tmp_path, options):
    words = ["train", "lander_quick", "--device", "cuda", *SHORT, *(f"--set={key}" for key in OPTIONS[options])]
    for name in ("one", "two"):
        assert "on cuda" in command(*words, "--out", tmp_path / name)
    assert_same_run(tmp_path / "one", tmp_path / "two")
    for device in ("cuda", "cpu"):
        assert "hover" in command("evaluate", tmp_path / "one", "--episodes", "5", "--device", device)


@pytest.mark.parametrize("records", [4, 8, 15])  # a sub-task has ten or eleven
def test_a_training_on_cuda_that_is_killed_ends_as_it_would_have(tmp_path, records):
    words = ["train", "lander_quick", "--device", "cuda", *SHORT]
    command(*words, "--out", tmp_path / "whole")
    out = ["--out", str(tmp_path / "cut"), "--checkpoint-env-steps", "1"]
    process = subprocess.Popen([*PROGRAM, *words, *out], stdout=subprocess.DEVNULL)
    file, deadline = tmp_path / "cut" / "records.jsonl", time.monotonic() + 200
    while not (file.exists() and file.read_bytes().count(b"\n") >= records):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert "going on after" in command("resume", tmp_path / "cut")
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


def test_a_digit_study_on_cuda_is_the_same_every_time(tmp_path):
    words = ["study", "mnist_quick", "--device", "cuda", "--repeats", "3", "--set", "search.limit_generations=20"]
    found = []
    for name in ("one", "two"):
        command(*words, "--out", tmp_path / name)
        lines = (tmp_path / name / "repeats.jsonl").read_text().splitlines()
        found.append(sorted(json.dumps({**json.loads(line), "wall_s": 0}) for line in lines))
    assert found[0] == found[1]
    assert found[0]


def test_path_net_dqn_learns_on_cuda_and_is_loaded_on_the_cpu(tmp_path):
    model = PathNetDQN(
        "PathNetPolicy", "CartPole-v1", device="cuda", seed=0, learning_starts=100, search_steps=600,
        generation_steps=150, policy_kwargs={"modules": 8},
    )  # fmt: skip
    model.learn_task("balance", "CartPole-v1", total_timesteps=1_000)
    model.freeze_task()
    observations = np.stack([gymnasium.make("CartPole-v1").reset(seed=seed)[0] for seed in range(50)])
    values = model.q_net(torch.from_numpy(observations).cuda()).cpu()
    model.learn_task("again", "CartPole-v1", total_timesteps=1_000)
    model.use_task("balance")
    assert torch.equal(model.q_net(torch.from_numpy(observations).cuda()).cpu(), values)
    assert torch.equal(deepcopy(model.policy).q_net(torch.from_numpy(observations).cuda()).cpu(), values)
    model.save(tmp_path / "model.zip")
    loaded = PathNetDQN.load(tmp_path / "model.zip", device="cpu").use_task("balance")
    torch.testing.assert_close(loaded.q_net(torch.from_numpy(observations)), values, rtol=1e-4, atol=1e-4)
    assert loaded.paths == model.paths


@pytest.mark.parametrize("envs", [1, 8])
def test_path_net_dqn_learns_by_graphs_what_it_does_by_single_launches(monkeypatch, envs):
    def parameters():
        model = PathNetDQN(
            "PathNetPolicy", make_vec_env("CartPole-v1", envs), device="cuda", seed=0, learning_starts=100,
            search_steps=600, generation_steps=150, learning_rate=LinearSchedule(1e-3, 5e-4, 0.3), gradient_steps=8,
            policy_kwargs={"modules": 8, "population": 4},
        )  # fmt: skip
        model.learn(1_500)
        model.set_parameters(model.get_parameters())  # what has been captured is of other tensors now
        return [parameter.detach().clone() for parameter in model.learn(500).q_net.parameters()]

    by_graphs = parameters()
    monkeypatch.setattr("pathnet_rl.graphed.EAGER_CALLS", 10**9)
    for one, other in zip(by_graphs, parameters(), strict=True):
        assert torch.equal(one, other)
