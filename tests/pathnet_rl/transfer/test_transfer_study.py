"""Real small studies: trained, interrupted, gone on with, read back and reported; bad input is refused."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import yaml
from make_runs import small_curriculum
from typer.testing import CliRunner

from pathnet_rl.cli import app
from pathnet_rl.crew import JobsFailed
from pathnet_rl.lock import sole_writer
from pathnet_rl.run import Run
from pathnet_rl.transfer.arms import choose_arms
from pathnet_rl.transfer.report import write_report
from pathnet_rl.transfer.study import (
    DESCRIPTION,
    Backlog,
    TransferError,
    TransferStudy,
    create_or_continue,
    run_study,
)
from pathnet_rl.transfer.worker import FINISHED

PROGRAM = os.path.join(os.path.dirname(sys.executable), "pathnet-rl")
ARMS = "pathnet,target-only"
CLOCKS = ("wall_s", "env_steps_per_s")


class Silence:
    """A listener that counts what it hears."""

    def __init__(self):
        self.heard = []

    def begin(self, study, done):
        self.done = list(done)

    def repeat(self, finished):
        self.heard.append((finished.arm, finished.index))

    def __getattr__(self, name):
        return lambda *arguments: None


@pytest.fixture(scope="module")
def curriculum_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("curricula") / "carts.yaml"
    file.write_text(yaml.safe_dump(small_curriculum().to_dict()))
    return file


def command(file, out, *options):
    return [
        PROGRAM,
        "study",
        str(file),
        "--arms",
        ARMS,
        "--repeats",
        "2",
        "--processes",
        "2",
        "--out",
        str(out),
        *options,
    ]


@pytest.fixture(scope="module")
def whole(curriculum_file, tmp_path_factory):
    """A study that was not interrupted."""
    out = tmp_path_factory.mktemp("studies") / "whole"
    subprocess.run(command(curriculum_file, out), check=True, stdout=subprocess.DEVNULL)
    return TransferStudy.open(out)


def records(directory):
    lines = [json.loads(line) for line in (directory / "records.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in CLOCKS} for line in lines]


def all_records(study):
    return {(arm, index): records(study.run_directory(arm, index)) for arm in study.arms for index in range(2)}


def test_every_arm_and_repeat_is_an_ordinary_run_with_its_own_seed(whole):
    for arm in ("pathnet", "target-only"):
        for index in range(2):
            run = json.loads((whole.directory / arm / f"seed{index}" / "config.json").read_text())["curriculum"]
            assert run["seed"] == index
    assert records(whole.run_directory("pathnet", 0)) != records(whole.run_directory("pathnet", 1))


def test_target_only_gets_the_steps_that_its_partner_took(whole):
    runs = {(run.arm, run.index): run for run in whole.finished()}
    for index in range(2):
        alone = json.loads((whole.run_directory("target-only", index) / "config.json").read_text())
        (task,) = alone["curriculum"]["tasks"]
        assert task["name"] == "second" and task["budget_env_steps"] == runs["pathnet", index].env_steps


def test_what_was_learned_is_evaluated_again_and_nothing_was_forgotten(whole):
    for run in whole.finished():
        if run.arm == "pathnet":
            assert set(run.after) == {"first", "second"}
            assert all(run.after[task.task] == task.evaluation for task in run.tasks)


def test_a_second_run_has_nothing_to_do_and_more_repeats_go_on(whole):
    listener = Silence()
    run_study(whole, listener, processes=1, device="cpu")
    assert listener.heard == [] and len(listener.done) == 4
    more = create_or_continue(whole.directory, whole.curriculum, choose_arms(["pathnet"]), 3)
    assert [*Backlog(more).missing] == [("pathnet", 2)] and TransferStudy.open(whole.directory).repeats == 3
    assert len(more.description["commands"]) == 2


def test_a_killed_study_goes_on_and_comes_to_the_same(curriculum_file, whole, tmp_path):
    out = tmp_path / "broken"
    process = subprocess.Popen(command(curriculum_file, out), stdout=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and not list(out.glob(f"*/*/{FINISHED}")):
        time.sleep(0.02)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGKILL)  # the workers are left to notice by themselves
    process.wait()
    finished = {file: file.read_bytes() for file in out.glob(f"*/*/{FINISHED}")}
    assert finished and len(finished) < 4
    time.sleep(1)
    subprocess.run(command(curriculum_file, out), check=True, stdout=subprocess.DEVNULL)
    assert all(file.read_bytes() == content for file, content in finished.items()), "a finished run was repeated"
    assert all_records(TransferStudy.open(out)) == all_records(whole)


def bytes_recorded(out):
    """Return how much a study's runs have written of their records."""
    return sum(file.stat().st_size for file in out.glob("*/*/records.jsonl"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_kills_at_random_moments_lose_and_repeat_nothing(curriculum_file, whole, tmp_path, seed):
    rng, out, kills = random.Random(seed), tmp_path / "broken", 0
    for least, most in ((0.0, 0.5), (0.5, 0.9)):
        process = subprocess.Popen(command(curriculum_file, out), stdout=subprocess.DEVNULL, start_new_session=True)
        bytes_until = rng.uniform(least, most) * bytes_recorded(whole.directory)
        while process.poll() is None and bytes_recorded(out) <= bytes_until:
            time.sleep(0.01)
        if process.poll() is None:
            kills += 1
            # Alone, so that its workers are left to notice by themselves; or all of them in one moment.
            (rng.choice([os.kill, os.killpg]))(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(1)
    subprocess.run(command(curriculum_file, out), check=True, stdout=subprocess.DEVNULL)
    assert kills
    assert all_records(TransferStudy.open(out)) == all_records(whole)


def test_the_report_has_every_part_and_says_what_is_missing(whole):
    page = write_report(TransferStudy.open(whole.directory)).read_text()
    for part in ("Transfer to second", "All sub-tasks", "Forgetting", "Reuse of modules", "Capacity", "Provenance"):
        assert f"<h2>{part}" in page
    assert "pathnet: exactly 0 in all 2 evaluations" in page
    assert "study" in page and "carts.yaml" in page
    for name in ("learning_curves", "sub_tasks", "reuse", "capacity"):
        for ending in ("png", "pdf"):
            assert (whole.directory / "figures" / f"{name}.{ending}").stat().st_size > 1000


def test_another_curriculum_is_refused_and_another_writer_too(whole, tmp_path):
    arms = choose_arms(["pathnet"])
    with pytest.raises(TransferError, match="another study: its network.units is 8, not 9"):
        create_or_continue(whole.directory, small_curriculum(network={"units": 9}), arms, 2)
    with sole_writer(whole.directory), pytest.raises(TransferError, match="is being written by process"):
        run_study(whole, Silence(), processes=1, device="cpu")
    with pytest.raises(TransferError, match="is no study of a curriculum"):
        create_or_continue(tmp_path, small_curriculum(), arms, 2)
    (tmp_path / DESCRIPTION).write_text("{}")
    with pytest.raises(TransferError, match="is damaged"):
        TransferStudy.open(tmp_path)


def test_an_arm_of_another_version_is_refused_by_name(tmp_path):
    study = create_or_continue(tmp_path / "s", small_curriculum(), choose_arms(["pathnet"]), 1)
    file = study.directory / DESCRIPTION
    file.write_text(file.read_text().replace('"arms": {', '"arms": {"one-stop": {},'))
    with pytest.raises(
        TransferError, match=r'transfer.json: "one-stop" is no arm of this version; nearest: one-step'
    ):
        TransferStudy.open(study.directory)


def test_ablations_that_change_nothing_are_left_out_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr("pathnet_rl.transfer.study.run_study", lambda *arguments, **options: None)
    file, out = tmp_path / "carts.yaml", tmp_path / "s"
    wide = small_curriculum(
        network={"modules": 80}, search={"warm_start_from": "last"}, agent={"lanes": 16, "dueling": True}
    )
    file.write_text(yaml.safe_dump(wide.to_dict()))
    arguments = ["study", str(file), "--arms", "pathnet,ablations", "--out", str(out)]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    first = result.stdout.splitlines()[0]
    assert first.startswith("left out, for it would change nothing of carts: ")
    left_out = first.partition(": ")[2].split(", ")
    assert {"dueling", "last-ancestor", "population-2"} <= set(left_out)
    assert not set(left_out) & set(TransferStudy.open(out).arms) and "one-step" in TransferStudy.open(out).arms


def test_an_empty_study_and_a_damaged_run_are_told(whole, tmp_path):
    study = create_or_continue(tmp_path / "s", small_curriculum(), choose_arms(["pathnet"]), 1)
    with pytest.raises(TransferError, match="has no finished run yet"):
        write_report(study)
    run = study.run_directory("pathnet", 0)
    run.mkdir(parents=True)
    (run / FINISHED).write_text((whole.run_directory("pathnet", 0) / FINISHED).read_text())
    (run / "records.jsonl").write_text('{"kind": "generation"}\n')
    with pytest.raises(TransferError, match=r"records.jsonl:1: is damaged; delete .*seed0"):
        write_report(study)


def test_one_repeat_and_an_unfinished_arm_are_enough_for_a_report(whole, tmp_path):
    study = create_or_continue(
        tmp_path / "s", small_curriculum(), choose_arms(["pathnet", "one-step", "target-only"]), 1
    )
    run = study.run_directory("pathnet", 0)
    run.parent.mkdir()
    os.symlink(whole.run_directory("pathnet", 0), run)
    page = write_report(study).read_text()
    assert "0 of 1" in page and "target-only has none yet" in page


def refusal(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 2 and result.stdout == ""
    return result.stderr


def test_bad_input_is_refused_before_anything_is_written(curriculum_file, tmp_path):
    out = tmp_path / "out"
    neither = tmp_path / "neither.yaml"
    neither.write_text("name: it\n")
    assert "neither a digit study (it has no `study:`) nor a curriculum" in refusal("study", neither, "--out", out)
    assert "is no arm of a curriculum" in refusal("study", curriculum_file, "--arms", "pathnt", "--out", out)
    assert "arm population-16" in refusal("study", curriculum_file, "--arms", "ablations", "--out", out)
    assert "--repeats 0" in refusal("study", curriculum_file, "--repeats", "0", "--out", out)
    assert "neither transfer.json nor study.json" in refusal("report", tmp_path)
    assert not out.exists()


def test_a_run_that_fails_keeps_none_of_the_others(tmp_path):
    study = create_or_continue(tmp_path / "s", small_curriculum(), choose_arms(["pathnet", "one-step"]), 1)
    broken = study.run_directory("one-step", 0)
    Run.create(broken, small_curriculum(network={"units": 9}), device="cpu")
    listener = Silence()
    with pytest.raises(JobsFailed, match=r"one-step seed 0 failed: .*cannot be resumed: its .*units is 9, not 8"):
        run_study(study, listener, processes=1, device="cpu")
    assert listener.heard == [("pathnet", 0)]
    assert broken.is_dir(), "what is there is somebody's"


def test_a_study_may_isolate_its_environments(tmp_path):
    curriculum = small_curriculum(agent={"isolate": True})
    study, listener = create_or_continue(tmp_path / "s", curriculum, choose_arms(["pathnet"]), 1), Silence()
    run_study(study, listener, processes=1, device="cpu")
    assert listener.heard == [("pathnet", 0)]
