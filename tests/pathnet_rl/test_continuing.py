"""Runs that begin with what another one has learned: ``train OTHER --from RUN``."""

import json
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from durable_runs import CURRICULUM, assert_same_run, install_fake_agent, records_of, run, start, state_of

from pathnet_rl.checking import check_run
from pathnet_rl.checkpoint import checkpoints
from pathnet_rl.curriculum import load_curriculum
from pathnet_rl.run import Run
from pathnet_rl.training import find_beginning, find_start

FOUR = "  - {name: four, env: CartPole-v1, advance: {measure: mean_return, threshold: 0.9}}\n"
ONE = "{name: one, env: CartPole-v1, advance: {measure: mean_return, threshold: 0.9}}"
EVERY = "--checkpoint-env-steps=1"


def longer(folder, text=CURRICULUM % "" + FOUR):
    """Write a curriculum that has another name, and one sub-task more at its end."""
    file = folder / "longer.yaml"
    file.write_text(text.replace("name: fake\n", "name: longer\n"), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A folder with a run of three sub-tasks, and one of four that was trained from the start."""
    folder = tmp_path_factory.mktemp("continued")
    (folder / "fake.yaml").write_text(CURRICULUM % "", encoding="utf-8")
    run(folder, "train", "fake.yaml", "--out", "short")
    run(folder, "train", longer(folder), "--out", "whole")
    install_fake_agent(folder)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


def records_of_whole_lines(directory):
    return [line for line in (directory / "records.jsonl").read_bytes().splitlines(True) if line.endswith(b"\n")]


def files_of(directory):
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_what_is_added_is_learned_as_if_it_had_been_there_from_the_start(shared, tmp_path):
    before = files_of(shared / "short")
    said = run(tmp_path, "train", longer(tmp_path), "--from", shared / "short", "--out", "more")
    assert f"beginning with what {shared / 'short'} has learned" in said
    assert "going on after 1,500 environment steps" in said
    lines = [line.partition(",")[0] for line in said.splitlines()]
    assert [line for line in lines if " done" in line] == [
        *(f"{name} done before: mastered" for name in ("one", "two", "three")),
        "four done: mastered",
    ]
    assert_same_run(tmp_path / "more", shared / "whole")
    assert files_of(shared / "short") == before
    assert json.loads((tmp_path / "more" / "config.json").read_text())["curriculum"]["name"] == "longer"
    assert "nothing is left to train" in run(tmp_path, "check", "more")


def test_a_run_that_was_interrupted_is_continued_where_it_stands(shared, tmp_path):
    slow = CURRICULUM % ", pause_s: 0.05"
    (tmp_path / "fake.yaml").write_text(slow, encoding="utf-8")
    process = start(tmp_path, "train", "fake.yaml", "--out", "cut", EVERY)
    while not list((tmp_path / "cut").glob("checkpoints/00000000[789]")):  # of the second sub-task
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(records_of_whole_lines(tmp_path / "cut")) < 12
    run(tmp_path, "train", longer(tmp_path, slow + FOUR), "--from", "cut", "--out", "more")
    assert_same_run(tmp_path / "more", shared / "whole")


def test_after_a_kill_it_is_resumed_like_any_other(shared, tmp_path):
    words = ["train", longer(tmp_path), "--from", shared / "short", "--out", "more", "--resume"]
    process = start(tmp_path, *words, EVERY)
    records = tmp_path / "more" / "records.jsonl"
    while not (records.exists() and records.read_bytes().count(b"\n") >= 18):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    run(tmp_path, *words)
    assert_same_run(tmp_path / "more", shared / "whole")


def test_it_begins_in_one_step_or_not_at_all(shared, tmp_path, monkeypatch):
    curriculum = load_curriculum(longer(tmp_path))
    found = find_beginning(Run.open(shared / "short"), curriculum)
    rename = Path.rename
    monkeypatch.setattr(Path, "rename", lambda *_: pytest.fail("killed here"))
    with pytest.raises(pytest.fail.Exception):
        Run.create(tmp_path / "more", curriculum, device="cpu", beginning=found.files)
    assert not (tmp_path / "more").exists()
    monkeypatch.setattr(Path, "rename", rename)
    made = Run.create(tmp_path / "more", curriculum, device="cpu", beginning=found.files)
    assert "going on after 1,500 environment steps" in find_start(made).words[0]


def test_where_the_run_exists_it_is_gone_on_with_and_that_is_said(shared, tmp_path):
    words = ["train", longer(tmp_path), "--from", shared / "short", "--out", "more", "--resume"]
    run(tmp_path, *words)
    assert f"--from {shared / 'short'} is not used" in run(tmp_path, *words)
    words[words.index("--from") + 1] = "deleted"
    assert "--from deleted is not used" in run(tmp_path, *words)


def test_a_damaged_checkpoint_is_told_and_the_one_before_is_used(shared, tmp_path):
    shutil.copytree(shared / "short", tmp_path / "short")
    newest = sorted((tmp_path / "short" / "checkpoints").iterdir())[-1] / "notes.json"
    newest.write_bytes(newest.read_bytes()[:-1])
    said = run(tmp_path, "train", longer(tmp_path), "--from", "short", "--out", "more")
    assert "notes.json is cut off after" in said and "; the one before is used" in said
    assert_same_run(tmp_path / "more", shared / "whole")


def test_the_first_checkpoint_is_the_other_runs_last(shared, tmp_path):
    run(tmp_path, "train", longer(tmp_path), "--from", shared / "short", "--out", "more")
    first, _ = sorted((tmp_path / "more" / "checkpoints").iterdir())[-2:]
    assert first.name == "000000018"  # of the three sub-tasks
    for name in ("tensors.safetensors", "notes.json"):
        assert (first / name).read_bytes() == (shared / "short" / "checkpoints" / first.name / name).read_bytes()
    assert len(records_of(tmp_path / "more")) == len(records_of(shared / "short")) + 6
    assert state_of(shared / "short")[0] != state_of(tmp_path / "more")[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--seed=1"], "is no beginning of this curriculum: its seed is 0, not 1; what it has learned stays"),
        (["--set=network.modules=4"], "its network.modules is 3, not 4"),
        (["--set=tasks.one.budget_env_steps=7"], "its tasks[0].budget_env_steps is 100000, not 7"),
        ([f"--set=tasks=[{ONE}]"], "short has all these sub-tasks: add or change one, or pathnet-rl resume "),
    ],
)
def test_another_beginning_is_refused_and_nothing_is_made(shared, tmp_path, options, words):
    said = run(tmp_path, "train", longer(tmp_path), "--from", shared / "short", "--out", "x", *options, status=2)
    assert words in " ".join(said.split())
    assert not (tmp_path / "x").exists()


def test_what_ended_for_good_or_has_all_sub_tasks_is_refused(shared, tmp_path):
    text = (CURRICULUM % ", mastered: false").replace("threshold: 0.9}}", "threshold: 0.9}, on_fail: stop}", 1)
    (tmp_path / "fake.yaml").write_text(text, encoding="utf-8")
    said = run(tmp_path, "train", "fake.yaml", "--out", "stopped")
    assert "stopped, as one was not mastered (on_fail: stop); not trained: two, three; to go on, change it" in said
    said = run(tmp_path, "train", longer(tmp_path, text + FOUR), "--from", "stopped", "--out", "x", status=2)
    assert "stopped cannot be continued: one was not mastered (on_fail: stop), so nothing comes after it" in said
    said = run(tmp_path, "train", shared / "fake.yaml", "--from", shared / "short", "--out", "x", status=2)
    assert "short has all these sub-tasks: add or change one, or pathnet-rl resume " in said
    assert not (tmp_path / "x").exists()


def changed(folder, text=CURRICULUM % "", task="two"):
    """Write a curriculum that has another name, and another budget for one of its sub-tasks."""
    file = folder / "changed.yaml"
    text = text.replace("name: fake\n", "name: changed\n").replace(f"{task}, ", f"{task}, budget_env_steps: 7, ")
    file.write_text(text, encoding="utf-8")
    return file


def test_a_sub_task_that_was_changed_is_learned_anew_from_what_was_before_it(shared, tmp_path):
    before = files_of(shared / "short")
    said = run(tmp_path, "train", changed(tmp_path), "--from", shared / "short", "--out", "more")
    assert f"beginning with what {shared / 'short'} had learned before two" in said
    assert "going on after 500 environment steps" in said
    assert files_of(shared / "short") == before
    run(tmp_path, "train", changed(tmp_path), "--out", "whole")
    assert_same_run(tmp_path / "more", tmp_path / "whole")
    assert check_run(tmp_path / "more").whole


def test_what_a_run_began_with_is_kept_and_what_it_has_learned_since(shared, tmp_path):
    run(tmp_path, "train", changed(tmp_path), "--from", shared / "short", "--out", "more")
    said = run(tmp_path, "train", shared / "fake.yaml", "--from", "more", "--out", "back")
    assert "more had learned before two" in said
    assert_same_run(tmp_path / "back", shared / "short")
    both = changed(tmp_path, changed(tmp_path).read_text(), task="three")
    assert "more had learned before three" in run(tmp_path, "train", both, "--from", "more", "--out", "both")


def test_all_that_was_kept_is_taken_along(shared, tmp_path):
    run(tmp_path, "train", longer(tmp_path), "--from", shared / "short", "--out", "more")
    kept = sorted(path.name for path in (tmp_path / "more" / "learned").iterdir())
    assert kept == ["000000006", "000000012", "000000018", "000000024"]
    assert check_run(tmp_path / "more").whole
    said = run(tmp_path, "train", changed(tmp_path), "--from", "more", "--out", "less")
    assert "more had learned before two" in said
    run(tmp_path, "train", changed(tmp_path), "--out", "whole")
    assert_same_run(tmp_path / "less", tmp_path / "whole")
    (damaged := tmp_path / "more" / "learned" / "000000006" / "notes.json").write_bytes(b"{}")
    said = run(tmp_path, "train", changed(tmp_path), "--from", "more", "--out", "x", status=2)
    assert f"{damaged.parent}: notes.json " in said.replace("more/", f"{tmp_path}/more/", 1)
    assert "more cannot be continued: no checkpoint from before two is whole" in said


def test_a_sub_task_that_ended_the_run_can_be_tried_again(shared, tmp_path):
    text = (CURRICULUM % ", mastered: false").replace("two, env", "two, on_fail: stop, env")
    (tmp_path / "fake.yaml").write_text(text, encoding="utf-8")
    run(tmp_path, "train", "fake.yaml", "--out", "stopped")
    assert [line["task"] for line in records_of(tmp_path / "stopped")] == ["one"] * 6 + ["two"] * 6
    why = "stopped, as two was not mastered (on_fail: stop); not trained: three"
    assert f"{why}: nothing is left to train" in run(tmp_path, "check", "stopped")
    assert f"{why}: nothing is left to train" in run(tmp_path, "resume", "stopped")
    said = run(tmp_path, "train", "fake.yaml", "--from", "stopped", "--out", "more", status=2)
    assert "two was not mastered (on_fail: stop), so nothing comes after it; to try it again give it" in said
    said = run(tmp_path, "train", changed(tmp_path, text), "--from", "stopped", "--out", "more")
    assert "stopped had learned before two" in said
    run(tmp_path, "train", changed(tmp_path, text), "--out", "whole")
    assert_same_run(tmp_path / "more", tmp_path / "whole")


def test_what_was_learned_is_kept_after_every_sub_task_and_whatever_kills_the_run(shared, tmp_path):
    kept = ["000000006", "000000012", "000000018"]
    assert sorted(path.name for path in (shared / "short" / "learned").iterdir()) == kept
    words = ["train", shared / "fake.yaml", "--out", "cut", "--resume"]
    for records in range(3, 18, 3):
        process = start(tmp_path, *words, EVERY)
        while process.poll() is None and len(records_so_far(tmp_path / "cut")) < records:
            time.sleep(0.001)
        process.kill()
        process.communicate()
    run(tmp_path, *words)
    assert sorted(path.name for path in (tmp_path / "cut" / "learned").iterdir()) == kept
    assert check_run(tmp_path / "cut").whole


def records_so_far(directory):
    return records_of_whole_lines(directory) if (directory / "records.jsonl").exists() else []


def test_the_end_of_a_sub_task_stands_in_for_damaged_checkpoints(shared, tmp_path):
    shutil.copytree(shared / "short", tmp_path / "cut")
    for directory in checkpoints(tmp_path / "cut"):
        (directory / "notes.json").write_bytes(b"{}")
    said = run(tmp_path, "resume", "cut")
    assert said.count("; the one before is used") == 1 and "nothing is left to train" in said
    assert_same_run(tmp_path / "cut", shared / "short")


def test_a_run_that_kept_nothing_from_before_the_change_is_refused(shared, tmp_path):
    shutil.copytree(shared / "short", tmp_path / "bare")  # as a study keeps its runs
    shutil.rmtree(tmp_path / "bare" / "learned")
    said = run(tmp_path, "train", changed(tmp_path), "--from", "bare", "--out", "x", status=2)
    assert "bare cannot be continued: it kept nothing from before two" in said
    assert not (tmp_path / "x").exists()


def test_the_run_itself_is_no_place_for_what_continues_it(shared, tmp_path):
    before = files_of(shared / "short")
    for out in ("short", "short/inside"):
        for more in ([], ["--resume"]):
            words = ["train", longer(tmp_path), "--from", shared / "short", "--out", shared / out, *more]
            assert "is where to begin from, and only read; give" in run(tmp_path, *words, status=2)
    words = ["train", longer(tmp_path), "--from", shared / "short", "--out", shared / "short", "--fresh"]
    assert "short-2" in run(tmp_path, *words)
    assert files_of(shared / "short") == before


def test_what_has_learned_nothing_or_is_damaged_is_refused(shared, tmp_path):
    for folder in ("nowhere", "."):
        said = run(tmp_path, "train", longer(tmp_path), "--from", folder, "--out", "x", status=2)
        assert f"{folder} is no run: config.json is missing" in said
    (tmp_path / "begun").mkdir()
    config = (shared / "short" / "config.json").read_bytes()
    (tmp_path / "begun" / "config.json").write_bytes(config)
    said = run(tmp_path, "train", longer(tmp_path), "--from", "begun", "--out", "x", status=2)
    assert "begun cannot be continued: it has learned nothing yet" in said
    (tmp_path / "begun" / "checkpoints" / "000000003").mkdir(parents=True)
    said = run(tmp_path, "train", longer(tmp_path), "--from", "begun", "--out", "x", status=2)
    assert "begun cannot be continued: no checkpoint is whole" in said
    assert not (tmp_path / "x").exists()
