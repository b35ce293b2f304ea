import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from make_study import make_record, make_study

from pathnet_rl.study.records import RepeatFile, to_line
from pathnet_rl.study.study import REPEATS, Backlog, Study, StudyError, create_or_continue, run_study

COMMAND = [
    os.path.join(os.path.dirname(sys.executable), "pathnet-rl"), "study", "mnist_quick", "--repeats", "3",
    "--arms", "search+search,pick+search,progressive", "--processes", "2", "--slots", "2",
    "--set", "search.limit_generations=12", "--out",
]  # fmt: skip


class Silence:
    """A listener that counts what it hears."""

    def __init__(self):
        self.heard = []

    def begin(self, study, done, missing):
        self.done, self.missing = done, missing

    def minibatches(self, done):
        pass

    def repeat(self, record):
        self.heard.append((record.arm, record.index))

    def idle(self):
        pass

    def end(self):
        self.ended = True


def lines_without_time(directory):
    lines = [json.loads(line) for line in (directory / REPEATS).read_text().splitlines()]
    assert len({(line["arm"], line["index"]) for line in lines}) == len(lines), "a repeat was repeated"
    return {(line["arm"], line["index"]): {**line, "wall_s": 0} for line in lines}


def holds_lines(file, lines):
    return file.exists() and file.read_bytes().count(b"\n") >= lines


def run_killed(directory, when):
    """Start the command and kill all of its processes as soon as ``when()`` holds; return whether it was killed."""
    process = subprocess.Popen([*COMMAND, str(directory)], stdout=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None:
        if when():
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True
        time.sleep(0.02)
    return False


def test_kills_between_and_inside_repeats_lose_and_repeat_nothing(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run([*COMMAND, str(whole)], check=True, stdout=subprocess.DEVNULL)
    repeats = broken / REPEATS
    kills = 0
    for finished in (1, 4, 6):
        kills += run_killed(
            broken, lambda at=finished: repeats.exists() and repeats.read_bytes().count(b"\n") >= at
        )
    assert kills >= 1
    with repeats.open("ab") as file:
        file.write(b'{"arm":"search+search","ind')  # what a kill inside a write leaves
    subprocess.run([*COMMAND, str(broken), "--resume"], check=True, stdout=subprocess.DEVNULL)
    assert lines_without_time(broken) == lines_without_time(whole)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_kills_at_random_moments_lose_and_repeat_nothing(tmp_path, seed):
    rng, whole, broken, kills = random.Random(seed), tmp_path / "whole", tmp_path / "broken", 0
    began = time.monotonic()
    subprocess.run([*COMMAND, str(whole)], check=True, stdout=subprocess.DEVNULL)
    whole_s = time.monotonic() - began
    for _ in range(2):
        until = time.monotonic() + rng.uniform(0.2, 0.8) * whole_s
        kills += run_killed(broken, lambda until=until: time.monotonic() > until)
    subprocess.run([*COMMAND, str(broken)], check=True, stdout=subprocess.DEVNULL)
    assert kills
    assert lines_without_time(broken) == lines_without_time(whole)


def test_processes_and_slots_change_nothing_and_a_second_run_has_nothing_to_do(tmp_path):
    study = make_study(arms=["pick+search"], repeats=2)
    opened = create_or_continue(tmp_path / "a", study)
    listener = Silence()
    run_study(opened, listener, processes=1, slots=3, device="cpu")
    assert sorted(listener.heard) == [(arm, i) for arm in ("pick+search", "search+search") for i in range(2)]
    assert listener.missing == {"pick+search": 2, "search+search": 2}
    run_study(create_or_continue(tmp_path / "b", study), Silence(), processes=2, slots=1, device="cpu")
    assert lines_without_time(tmp_path / "a") == lines_without_time(tmp_path / "b")
    again = Silence()
    run_study(create_or_continue(tmp_path / "a", study), again, processes=1, slots=1, device="cpu")
    assert again.heard == [] and len(again.done) == 4 and again.ended


def test_more_repeats_and_arms_go_on_but_another_configuration_is_refused(tmp_path):
    create_or_continue(tmp_path / "a", make_study())
    create_or_continue(tmp_path / "a", make_study(repeats=9, arms=["de-novo"]))
    with pytest.raises(StudyError, match="another configuration: its seed is 0, not 1"):
        create_or_continue(tmp_path / "a", make_study(seed=1))
    before = sorted((tmp_path / "a").iterdir())
    with pytest.raises(StudyError, match="another configuration: its search is"):
        create_or_continue(tmp_path / "a", make_study(search={"threshold": 0.5}))
    assert sorted((tmp_path / "a").iterdir()) == before


def test_what_is_no_study_is_refused(tmp_path):
    with pytest.raises(StudyError, match="is no study"):
        create_or_continue(tmp_path, make_study())
    with pytest.raises(StudyError, match="is no study"):
        Study.open(tmp_path / "nowhere")
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(StudyError, match="is damaged"):
        Study.open(tmp_path)


def test_a_damaged_line_is_named_and_an_unfinished_one_cut_off(tmp_path):
    file = tmp_path / REPEATS
    repeats = RepeatFile(file)
    repeats.append(make_record())
    repeats.append(make_record(index=1))
    repeats.close()
    good = file.read_bytes()
    file.write_bytes(good + b'{"arm": "se')
    reopened = RepeatFile(file)
    reopened.close()
    assert [record.index for record in reopened.records] == [0, 1] and file.read_bytes() == good
    assert to_line(reopened.records[0]) == to_line(make_record())
    file.write_bytes(good.replace(b"evaluations", b"evasions", 1))
    with pytest.raises(ValueError, match=r"repeats.jsonl:1: is damaged"):
        RepeatFile(file)


def test_a_pick_waits_for_its_partner():
    study = make_study(arms=["search+search", "pick+search"], repeats=2)
    partner = make_record(index=0)
    backlog = Backlog.of(study, [partner])
    assert [(job.arm, job.index) for job in backlog.ready] == [("search+search", 1), ("pick+search", 0)]
    assert backlog.ready[1].partner == partner
    released = list(backlog.released_by(make_record(index=1)))
    assert [(job.arm, job.index) for job in released] == [("pick+search", 1)]
    assert list(backlog.released_by(make_record(index=1))) == []
