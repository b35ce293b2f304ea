"""Every example of the README, run as it stands there; long trainings get small budgets."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pathnet_rl.curriculum import load_curriculum

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(bash|python)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
SHORT = {  # a command by its beginning: how to end it soon
    "pathnet-rl train curricula/lander_quick.yaml": lambda: budgets("lander_quick", 3200),
    "pathnet-rl train curricula/lander.yaml": lambda: budgets("lander", 16),
    "pathnet-rl study curricula/lander.yaml": lambda: [*budgets("lander", 16), "--repeats=1", "--processes=1"],
    "pathnet-rl study curricula/mnist_quick.yaml": lambda: ["--repeats=2"],
}


def budgets(curriculum, env_steps):
    """Return options that give every sub-task of a shipped curriculum so many environment steps."""
    tasks = load_curriculum(ROOT / "curricula" / f"{curriculum}.yaml").tasks
    changes = {"budget_env_steps": env_steps, "advance.verify_episodes": 3}
    changed = [f"--set=tasks.{task.name}.{key}={value}" for task in tasks for key, value in changes.items()]
    return [*changed, f"--set=search.generation_env_steps={min(env_steps, 3200)}"]


def commands():
    """Return every command of the README, in order; `a && b` are two."""
    lines = [line for kind, block in BLOCKS if kind == "bash" for line in block.splitlines()]
    return [command.strip() for line in lines for command in line.split("&&")]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A folder in which the README's paths mean what they say."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "curricula").symlink_to(ROOT / "curricula")
    return folder


def run(command, folder):
    words = shlex.split(command)
    for beginning, options in SHORT.items():
        if command.startswith(beginning):
            words += options()
    words[0] = str(Path(sys.executable).with_name(words[0]))
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_commands_run_in_the_order_they_stand_there(checkout):
    ran = []
    for command in commands():
        if command.startswith("pathnet-rl"):
            # A run directory is never written to again, and the README trains lander.yaml twice.
            run(command + (" --fresh" if " train " in command else ""), checkout)
            ran.append(command.split()[1])
    assert set(ran) == {"train", "check", "resume", "evaluate", "envs", "keys", "study", "report"}


def test_the_install_and_test_commands_are_those_of_ci():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    install, test = next(command for command in commands() if "[dev]" in command), "pytest -n auto"
    assert install.removeprefix("pip install ") in script
    assert test in commands()
    assert re.search(r"^pytest -n auto$", script, re.MULTILINE)


def test_tensorboard_finds_the_scalars_and_the_pictures(checkout):
    (command,) = [command for command in commands() if command.startswith("tensorboard")]
    printed = run(f"{command} --inspect", checkout)
    assert "hover/success_rate" in printed
    assert "paths/hover" in printed


@pytest.mark.parametrize("block", [block for kind, block in BLOCKS if kind == "python"])
def test_python_examples_run_and_the_environments_without_torch(block, tmp_path):
    probe = block
    if "pathnet_agents" not in block:
        probe += "\nimport sys\nassert not {'torch', 'pathnet_rl', 'stable_baselines3'} & sys.modules.keys()"
    done = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_pictures_and_files_that_are_named_exist():
    for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README) + re.findall(r"`(curricula/[\w.]+)`", README):
        assert (ROOT / name).is_file(), name


def test_tests_that_are_named_exist():
    tests = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    (table,) = re.findall(r"^## What it promises\n(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    names = re.findall(r"`(\.{3})?([a-z_]+?)_?(?:\.{3})?`", table)
    assert len(names) > 10
    for ending, name in names:
        assert re.search(rf"def test_{'[a-z_]*' if ending else ''}{name}", tests), name
