import json

import pytest

from pathnet_rl.checkpoint import checkpoints
from pathnet_rl.configuration import ConfigurationError
from pathnet_rl.curriculum import load_curriculum
from pathnet_rl.run import CONFIG, Run, RunError

CURRICULUM = load_curriculum("lander_quick")


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "run", CURRICULUM, device="cpu")


def test_what_is_created_is_opened_again(run):
    assert Run.open(run.directory) == run
    assert run.changed_versions() == []
    assert checkpoints(run.directory) == []


def test_a_studys_directory_is_no_run_but_holds_some(tmp_path):
    run = Run.create(tmp_path / "pathnet" / "seed0", CURRICULUM, device="cpu")
    with pytest.raises(RunError, match=f"is no run: .*; give one of a study's runs, such as {run.directory}"):
        Run.open(tmp_path)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("network.modules=20", "its network.modules is 40, not 20"),
        ("tasks.brake_fall.reward_scale=1", "its tasks[1].reward_scale is 10.0, not 1.0"),
        ("seed=1", "its seed is 0, not 1"),
        ("tasks=[{name: a, env: PathNet/LanderHover-v0}]", "its tasks are 3, not 1"),
    ],
)
def test_another_curriculum_is_refused_with_the_first_difference(run, override, words):
    with pytest.raises(RunError, match="cannot be resumed: ") as caught:
        Run.open_to_resume(run.directory, load_curriculum("lander_quick", [override]), device="cpu")
    assert words in str(caught.value)


def test_another_device_is_refused_and_other_versions_are_told(run):
    with pytest.raises(RunError, match="was begun on cpu, not cuda; give --device cpu"):
        Run.open_to_resume(run.directory, CURRICULUM, device="cuda")
    config = json.loads((run.directory / CONFIG).read_text())
    config["versions"]["torch"] = "0.1"
    (run.directory / CONFIG).write_text(json.dumps(config))
    (words,) = Run.open(run.directory).changed_versions()
    assert words.startswith("torch 0.1, now ")


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"curriculum": 1}', "[" * 100_000, " " * (1 << 22) + " {}"]
)
def test_a_damaged_configuration_is_refused(run, content):
    (run.directory / CONFIG).write_text(content)
    with pytest.raises((RunError, ConfigurationError), match=r"config.json"):
        Run.open(run.directory)


def test_a_configuration_that_would_not_be_valid_in_a_file_is_not_valid_here(run):
    config = json.loads((run.directory / CONFIG).read_text())
    for change in ({"name": "../x"}, {"network": {"modules": 10**12}}, {"tasks": []}):
        changed = {**config, "curriculum": {**config["curriculum"], **change}}
        (run.directory / CONFIG).write_text(json.dumps(changed))
        with pytest.raises(ConfigurationError):
            Run.open(run.directory)
