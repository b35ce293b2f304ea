"""The product as a person uses it: through the installed console script, on the real LunarLander."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from durable_runs import heed_interrupts

from pathnet_rl.records import WALL_CLOCK_FIELDS

SCRIPT = Path(sys.executable).with_name("pathnet-rl")
CURRICULA = Path(__file__).parents[2] / "curricula"
DISPLAYS = {"DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"}
HEADLESS = {name: value for name, value in os.environ.items() if name not in DISPLAYS}
SMALL = ["--set", "tasks.0.budget_env_steps=6400", "--set", "tasks.1.budget_env_steps=3200"]
SMALL += ["--set", "tasks.2.budget_env_steps=3200", "--device", "cpu"]


def run(*arguments, cwd, status=0):
    """Run the console script and return its standard output, or its standard error where it should fail."""
    done = subprocess.run(
        [SCRIPT, *map(str, arguments)],
        cwd=cwd,
        env=HEADLESS,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr if status else done.stdout


def records_of(directory):
    return [json.loads(line) for line in (directory / "records.jsonl").read_text().splitlines()]


def comparable(directory):
    lines = records_of(directory)
    return [{key: value for key, value in line.items() if key not in WALL_CLOCK_FIELDS} for line in lines]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small run of the quick curriculum, and what it printed."""
    home = tmp_path_factory.mktemp("home")
    printed = run("train", CURRICULA / "lander_quick.yaml", *SMALL, cwd=home)
    return home, home / "runs" / "lander_quick-seed0", printed


def test_a_run_leaves_what_the_readme_says(trained):
    _, directory, printed = trained
    names = {path.name.split(".tfevents")[0] for path in directory.iterdir()}
    assert names == {"config.json", "records.jsonl", "checkpoints", "learned", "paths", "events.out", "lock"}
    assert [{path.name for path in kept.iterdir()} for kept in (directory / "checkpoints").iterdir()] == [
        {"tensors.safetensors", "notes.json", "manifest.json"}
    ] * 2
    assert len(list((directory / "learned").iterdir())) == 3
    assert "damaged" not in run("check", directory, cwd=directory.parent)
    assert sorted(path.name for path in (directory / "paths").iterdir()) == [
        "brake_fall.png",
        "hover.png",
        "kill_spin.png",
    ]
    config = json.loads((directory / "config.json").read_text())
    assert config["device"] == "cpu"
    assert config["curriculum"]["tasks"][0]["budget_env_steps"] == 6400
    assert {"torch", "gymnasium", "pathnet-rl", "python"} <= config["versions"].keys()
    assert not [path for path in directory.rglob("*") if path.suffix in {".pkl", ".pt", ".pth", ".npy", ".npz"}]
    finished = [line for line in records_of(directory) if line["kind"] == "sub_task"]
    assert [line["task"] for line in finished] == ["kill_spin", "brake_fall", "hover"]
    for line in finished:
        assert line["task"] in printed
    assert "lander_quick-seed0" in printed


def test_the_same_seed_gives_the_same_records_and_another_seed_others(trained):
    home, directory, _ = trained
    run("train", CURRICULA / "lander_quick.yaml", *SMALL, "--out", "again", cwd=home)
    assert comparable(home / "again") == comparable(directory)
    run("train", CURRICULA / "lander_quick.yaml", *SMALL, "--out", "other", "--seed", 1, cwd=home)
    assert comparable(home / "other") != comparable(directory)


def test_evaluate_gives_the_recorded_figures_again(trained):
    home, directory, _ = trained
    printed = run("evaluate", directory, cwd=home)
    assert printed == run("evaluate", directory, "--device", "cpu", cwd=home)
    for line in records_of(directory):
        if line["kind"] == "sub_task":
            assert line["task"] in printed
            assert f"{line['evaluation']['mean_return']:.4g}" in printed
    assert "hover" not in run("evaluate", directory, "--task", "kill_spin", "--episodes", 5, cwd=home)


def test_a_run_directory_is_never_written_to_again(trained):
    home, directory, _ = trained
    before = {path: path.stat().st_mtime_ns for path in directory.rglob("*")}
    message = run("train", CURRICULA / "lander_quick.yaml", *SMALL, cwd=home, status=2)
    assert "lander_quick-seed0 exists already" in message
    assert "--fresh" in message and "--resume" in message
    assert before == {path: path.stat().st_mtime_ns for path in directory.rglob("*")}


def test_envs_lists_every_sub_task(tmp_path):
    import pathnet_envs

    printed = run("envs", cwd=tmp_path).replace("\n", "")
    assert len(pathnet_envs.catalogue()) == 12
    for row in pathnet_envs.catalogue():
        assert row.env_id.removeprefix("PathNet/") in printed


def test_a_shipped_curriculum_is_found_by_name(tmp_path):
    budgets = [f"--set=tasks.{task}.budget_env_steps=16" for task in range(3)]
    run("train", "lander_quick", *budgets, "--out", "here", cwd=tmp_path)
    assert len([line for line in records_of(tmp_path / "here") if line["kind"] == "sub_task"]) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "nowhere.yaml"], "nowhere.yaml"),
        (["train", "lander_quick", "--set", "network.modules=0"], "--set network.modules=0"),
        (["train", "lander_quick", "--set", "tasks.0.env=PathNet/LanderHovr-v0"], "PathNet/LanderHover-v0"),
        (["train", "lander_quick", "--seed", "-1"], "--seed"),
        (["train", "lander_quick", "--device", "tpu"], "--device"),
        (["train", "lander_quick", "--out", "/proc/here"], "/proc/here cannot be made"),
        (["evaluate", "nowhere"], "nowhere is no run"),
        (["evaluate", "nowhere", "--episodes", "0"], "--episodes"),
        (["fly"], "fly"),
        (["play", "hover"], "needs a display"),
    ],
)
def test_bad_input_gets_one_message_and_writes_nothing(tmp_path, arguments, message):
    assert message in run(*arguments, cwd=tmp_path, status=2)
    assert list(tmp_path.iterdir()) == []


def test_cuda_is_refused_where_there_is_none(tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    message = run("train", "lander_quick", "--device", "cuda", cwd=tmp_path, status=2)
    assert "Torch sees no CUDA device" in message
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_sub_task_is_answered_with_the_known_ones(trained):
    home, directory, _ = trained
    message = run("evaluate", directory, "--task", "fly", cwd=home, status=2)
    assert "kill_spin, brake_fall, hover" in message


def test_ctrl_c_saves_what_there_is_says_where_and_exits_130(tmp_path):
    arguments = [SCRIPT, "train", CURRICULA / "lander_quick.yaml", "--out", "cut", "--device", "cpu"]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "preexec_fn": heed_interrupts}
    process = subprocess.Popen(arguments, cwd=tmp_path, **options)
    records = tmp_path / "cut" / "records.jsonl"
    deadline = time.monotonic() + 120
    while not (records.exists() and len(records.read_text().splitlines()) >= 2):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in errors
    assert "cut" in errors
    assert "Traceback" not in errors
    printed = run("evaluate", "cut", "--episodes", 3, cwd=tmp_path)
    assert "kill_spin" in printed


def test_the_version_is_told(tmp_path):
    from importlib.metadata import version

    assert run("--version", cwd=tmp_path) == f"pathnet-rl {version('pathnet-rl')}\n"


def test_help_answers_without_torch(tmp_path):
    probe = (
        "import sys, typer.testing, pathnet_rl.cli as cli\n"
        "result = typer.testing.CliRunner().invoke(cli.app, ['--help'])\n"
        "assert result.exit_code == 0 and 'train' in result.output, result.output\n"
        "print([name for name in ('torch', 'gymnasium', 'scipy', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.strip() == "[]"


OWN = """
import gymnasium, numpy as np

class Line(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(2, dtype=np.float32), {}

    def step(self, action):
        self.steps += 1
        return np.full(2, self.steps / 9, dtype=np.float32), float(action), self.steps == 9, False, {}

gymnasium.register("My/Line-v0", Line)
"""
OWN_CURRICULUM = """
name: own
network: {layers: 2, modules: 8, active: 2, units: 8}
search: {population: 2, generation_env_steps: 90, search_env_steps: 90}
agent: {name: pathnet-dqn, lanes: 2, learning_starts: 20}
tasks:
  - {name: line, env: My/Line-v0, budget_env_steps: 180, advance: {measure: mean_return, threshold: 99}}
  - {name: again, env: My/Line-v0, budget_env_steps: 180, advance: {measure: mean_return, threshold: 99}}
"""


def test_an_environment_of_ones_own_is_trained_studied_and_flown(tmp_path):
    (tmp_path / "lines.py").write_text(OWN)
    (tmp_path / "own.yaml").write_text(OWN_CURRICULUM)

    def run(*arguments):
        return subprocess.run([SCRIPT, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)

    refused = run("train", "own.yaml")
    assert refused.returncode == 2 and "--import MODULE" in refused.stderr
    missing = run("--import", "linse", "train", "own.yaml")
    assert missing.returncode == 2 and "--import linse: No module named 'linse'" in missing.stderr
    path = run("--import", "./lines.py", "train", "own.yaml")
    assert (
        path.returncode == 2
        and '--import ./lines.py: "./lines.py" is no name of a module, but lines is' in path.stderr
    )
    trained = run("--import", "lines", "train", "own.yaml")
    assert trained.returncode == 0, trained.stderr
    assert "next: pathnet-rl --import lines evaluate runs/own-seed0 " in trained.stdout
    assert "line done: not mastered, return " in trained.stdout, "no success is reported, so none is told"
    assert run("--import", "lines", "evaluate", "runs/own-seed0", "--episodes", "2").returncode == 0
    studied = run("--import", "lines", "study", "own.yaml", "--arms", "pathnet", "--repeats", "1", "--out", "s")
    assert studied.returncode == 0, studied.stderr
    assert "next: pathnet-rl --import lines report s" in studied.stdout
    assert run("--import", "lines", "report", "s").returncode == 0
    alone = run("report", "s")
    assert alone.returncode == 2 and "--import MODULE" in alone.stderr and "damaged" not in alone.stderr
