"""The wheel works by itself: built, unpacked elsewhere, run from another directory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The folder into which the wheel was installed, alone."""
    built, target = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("target")
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", built, ROOT], check=True, capture_output=True)
    (wheel,) = built.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", target, wheel], check=True, capture_output=True)
    return target


def run(unpacked, folder, *command):
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_packages_come_from_the_wheel_and_no_generic_name_is_taken(unpacked, tmp_path):
    probe = (
        "import pathnet_rl, pathnet_envs, pathnet_agents as a; print(pathnet_rl.__file__, pathnet_envs.__file__, a)"
    )
    assert run(unpacked, tmp_path, "-c", probe).count(str(unpacked)) == 3
    names = {path.name for path in unpacked.iterdir() if not path.name.endswith(".dist-info")}
    assert names == {"pathnet_rl", "pathnet_envs", "pathnet_agents", "bin"}
    assert all((unpacked / name / "py.typed").is_file() for name in names - {"bin"})


def test_a_shipped_curriculum_is_found_by_name_and_trains(unpacked, tmp_path):
    budgets = [f"--set=tasks.{task}.budget_env_steps=16" for task in range(3)]
    script = unpacked / "bin" / "pathnet-rl"
    printed = run(unpacked, tmp_path, script, "train", "lander_quick", *budgets)
    assert "hover done" in printed
    assert list((tmp_path / "runs" / "lander_quick-seed0").glob("checkpoints/*/tensors.safetensors"))
