"""Every promise about damage, each tested by doing the damage to real runs.

The normal run takes a sample in under a minute. All of it, some ten minutes: ``pytest -m slow tests/acceptance``
and ``pytest -m slow tests/pathnet_rl/test_curriculum_fuzz.py``.

Most runs here are those of a small agent whose every number comes from one generator, so that one lost or repeated
draw shows; the last tests train the real one.
"""

import gzip
import json
import os
import pickle
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from durable_runs import (
    SCRIPT,
    assert_same_run,
    curriculum_file,
    environment,
    heed_interrupts,
    install_fake_agent,
    records_of,
    run,
    scalars_of,
    start,
)
from safetensors.torch import save

from pathnet_rl.checking import check_run
from pathnet_rl.checkpoint import (
    FOLDER,
    MANIFEST,
    NOTES,
    TENSORS,
    CheckpointError,
    Manifest,
    checkpoints,
    file_sum,
    newest_whole,
    read_checkpoint,
    read_manifest,
)
from pathnet_rl.curriculum import load_curriculum
from pathnet_rl.lock import LockError, sole_writer
from pathnet_rl.run import Run
from pathnet_rl.saving import Pace
from pathnet_rl.training import CheckpointError as NothingToGoOnFrom
from pathnet_rl.training import find_start, load_agent, train

ROOT = Path(__file__).parents[2]
SECONDS_TO_LEAVE = 5
REFUSED_WITHIN_S = 1  # of a core
PLACES = 200  # sampled in a checkpoint


def sample(normal, slow):
    """Return parameters of which the normal run takes the first few."""
    return [*range(normal), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(normal, slow))]


@pytest.fixture(scope="module")
def fake(tmp_path_factory):
    """A folder that holds the fake agent, known to this process too, and its curriculum."""
    folder = tmp_path_factory.mktemp("fake")
    install_fake_agent(folder)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def whole(fake):
    """A run that nothing has happened to."""
    return make_run(fake, "whole")


def make_run(folder, name, **agent):
    """Train the fake agent in this process, with checkpoints after every generation."""
    made = Run.create(folder / name, load_curriculum(curriculum_file(folder, **agent)), device="cpu")
    train(made, _listeners(made), device="cpu", pace=Pace(env_steps=1))
    return made.directory


def _listeners(made):
    from pathnet_rl.picture import PictureFiles
    from pathnet_rl.tensorboard import TensorBoardListener

    return [TensorBoardListener(made.directory), PictureFiles(made.directory / "paths")]


def go_on(directory):
    """Resume a run in this process and return what was said."""
    opened = Run.open(directory)
    with sole_writer(directory):
        begun = find_start(opened)
        train(opened, _listeners(opened), device="cpu", start=begun)
    return "\n".join(begun.words)


def wait_for_records(process, file, count):
    deadline = time.monotonic() + 100
    while not (file.exists() and file.read_bytes().count(b"\n") >= count):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)


# Interrupted in any way, a run that goes on ends as if nothing had happened.


@pytest.mark.parametrize("seed", sample(1, 20))
def test_sigkill_at_random_moments(fake, whole, tmp_path, seed):
    rng, curriculum = random.Random(seed), curriculum_file(tmp_path, pause_s=0.05)
    kills = 0
    for _ in range(2):
        process = start(tmp_path, "train", curriculum, "--out", "cut", "--resume", "--checkpoint-env-steps", "1")
        before = len(records_of_what_is_there(tmp_path / "cut"))
        deadline = time.monotonic() + rng.uniform(0, 2)
        while process.poll() is None:
            begun = len(records_of_what_is_there(tmp_path / "cut")) != before
            if begun and time.monotonic() > deadline:
                process.kill()
                kills += 1
            time.sleep(rng.uniform(0, 0.02))
        process.communicate()
    go_on(tmp_path / "cut")
    assert kills
    assert_same_run(tmp_path / "cut", whole)


def records_of_what_is_there(directory):
    file = directory / "records.jsonl"
    return file.read_bytes().splitlines() if file.exists() else []


def test_sigkill_before_and_while_the_run_begins(fake, whole, tmp_path):
    curriculum = curriculum_file(tmp_path)
    made = Run.create(tmp_path / "cut", load_curriculum(curriculum), device="cpu")
    (made.directory / "records.jsonl").write_bytes(b'{"kind": "gener')
    (made.directory / "checkpoints").mkdir()
    (made.directory / "checkpoints" / ".000000001.partial").mkdir()
    assert "starting from the beginning" in go_on(made.directory)
    assert_same_run(made.directory, whole)


class Cut(KeyboardInterrupt):
    """An interruption at a place that a test chooses."""


class Scissors:
    """A listener that interrupts after so many records."""

    def __init__(self, count):
        self.left = count

    def begin(self, *_):
        pass

    def generation(self, _):
        if self.left == 0:
            raise Cut
        self.left -= 1

    sub_task = generation

    def end(self):
        pass


def cut_after(directory, curriculum, count):
    """Train in this process until so many records are written and the next one is torn."""
    made = Run.create(directory, curriculum, device="cpu")
    with pytest.raises(Cut):
        train(made, [*_listeners(made), Scissors(count)], device="cpu", pace=Pace(env_steps=1))
    with (directory / "records.jsonl").open("ab") as file:
        file.write(b'{"kind": "generation", "task": "o')


@pytest.mark.parametrize("count", [5, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 18) if n != 5)])
def test_a_cut_after_every_record_with_a_torn_line_behind_it(fake, whole, tmp_path, count):
    cut_after(tmp_path / "cut", load_curriculum(curriculum_file(tmp_path)), count)
    go_on(tmp_path / "cut")
    assert_same_run(tmp_path / "cut", whole)


def told_at_leaving(process, number, status):
    """Send a signal; require that the command leaves in time with this status, and return what it says."""
    began = time.monotonic()
    process.send_signal(number)
    _, complained = process.communicate(timeout=60)
    assert time.monotonic() - began < SECONDS_TO_LEAVE
    assert process.returncode == status
    return complained


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_leaves_in_time_with_its_status_and_says_how_to_go_on(fake, whole, tmp_path, number, status):
    curriculum = curriculum_file(tmp_path, pause_s=0.4)
    process = start(tmp_path, "train", curriculum, "--out", "cut")
    wait_for_records(process, tmp_path / "cut" / "records.jsonl", 8)
    time.sleep(0.1)  # the agent is copied after the record is written; the next one is a pause away
    assert told_at_leaving(process, number, status) == "interrupted; saved; go on with: pathnet-rl resume cut\n"
    assert read_manifest(checkpoints(tmp_path / "cut")[-1]).records == len(records_of(tmp_path / "cut"))
    go_on(tmp_path / "cut")
    assert_same_run(tmp_path / "cut", whole)


def workers_of(process):
    """Return the processes that a study has begun, as folders of /proc."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [
        folder for pid in children if b"spawn_main" in ((folder := Path("/proc") / pid) / "cmdline").read_bytes()
    ]


@pytest.mark.parametrize("configuration", ["lander_quick", "mnist_quick"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_study_with_its_status_and_all_its_workers(tmp_path, configuration, number, status):
    process = start(tmp_path, "study", configuration, "--out", "cut", "--processes", "2")
    while len(workers := workers_of(process)) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(1)
    assert (
        told_at_leaving(process, number, status)
        == "interrupted; finished repeats are in cut, the same command goes on\n"
    )
    assert not [worker for worker in workers if worker.exists()]


def test_a_second_ctrl_c_leaves_at_once_and_loses_nothing_older_than_the_last_checkpoint(fake, whole, tmp_path):
    # Saving never ends here: the first signal is still being answered when the second comes.
    slow = "import sys, time, pathnet_rl.saving as s; s.Saver.save = lambda self: time.sleep(60)\n"
    slow += "from pathnet_rl.cli import main; sys.argv = ['pathnet-rl', *sys.argv[1:]]; main()"
    curriculum = curriculum_file(tmp_path, pause_s=0.2, generations=8)
    shutil.copytree(whole, tmp_path / "cut")
    for directory in checkpoints(tmp_path / "cut"):
        shutil.rmtree(directory)
    reference = make_run(tmp_path, "reference", generations=8)
    cut = tmp_path / "other"
    words = [sys.executable, "-c", slow, "train", str(curriculum), "--out", "other"]
    options = {"stderr": subprocess.PIPE, "preexec_fn": heed_interrupts}
    process = subprocess.Popen(words, cwd=tmp_path, env=environment(tmp_path), **options)
    wait_for_records(process, cut / "records.jsonl", 3)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert time.monotonic() - began < 1
    assert process.returncode == 130
    go_on(cut)
    assert_same_run(cut, reference)


# A full disk.


def limit_files(limit_bytes):
    """Return what lets a process write no file larger than this."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))


LIMITS = [3_000, *(pytest.param(n, marks=pytest.mark.slow) for n in (0, *range(500, 40_000, 3_500)))]
SIZES = [120, *(pytest.param(n, marks=pytest.mark.slow) for n in range(4, 280, 24))]
LARGE = {"numbers": 10_000}


@pytest.fixture(scope="module")
def large(fake):
    """A run of larger checkpoints that nothing has happened to."""
    return make_run(fake, "large", **LARGE)


@pytest.mark.parametrize("limit_bytes", LIMITS)
def test_a_write_that_fails_is_one_message_and_status_1(large, tmp_path, limit_bytes):
    curriculum = curriculum_file(tmp_path, **LARGE)
    options = ("--out", "cut", "--checkpoint-env-steps", "100", "--resume")
    printed = run(tmp_path, "train", curriculum, *options, status=1, preexec_fn=limit_files(limit_bytes))
    assert printed.count("cannot be written: File too large; make room, then go on") == 1
    assert not list(tmp_path.rglob("*.partial"))
    if (tmp_path / "cut").exists():
        go_on(tmp_path / "cut")
        assert_same_run(tmp_path / "cut", large)


@pytest.mark.parametrize("size_kib", SIZES)
def test_a_full_file_system_leaves_the_last_checkpoint_whole(large, tmp_path, size_kib):
    curriculum = curriculum_file(tmp_path, **LARGE)
    (tmp_path / "small").mkdir()
    train_there = f"{SCRIPT} train {curriculum} --out small/cut --checkpoint-env-steps 1"
    script = (
        f"mount -t tmpfs -o size={size_kib}k none small && {{ {train_there}; echo status $?; cp -r small/. kept; }}"
    )
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "status" not in done.stdout:
        pytest.skip(f"no file system can be mounted here: {done.stderr}")
    assert "status 1" in done.stdout
    assert done.stderr.count("cannot be written: No space left on device; make room, then go on") == 1
    assert "Traceback" not in done.stderr
    kept = tmp_path / "kept" / "cut"
    if kept.exists():
        assert all(read_checkpoint(directory) for directory in checkpoints(kept))
        go_on(kept)
        assert_same_run(kept, large)


# One writer, many readers.


def test_a_second_writer_is_refused_and_readers_are_not(fake, whole, tmp_path):
    curriculum = curriculum_file(tmp_path, pause_s=0.6)
    process = start(tmp_path, "train", curriculum, "--out", "cut", "--checkpoint-env-steps", "1")
    cut = tmp_path / "cut"
    wait_for_records(process, cut / "records.jsonl", 2)
    with pytest.raises(LockError, match=f"cut is being written by process {process.pid} on "):
        go_on(cut)
    agent, damages = load_agent(Run.open(cut), "cpu")
    assert agent.evaluate("one", 1, 0).episodes == 1 and not damages
    assert check_run(cut).whole
    assert scalars_of(cut)["one/loss"]
    assert process.poll() is None, "the run ended before it was looked at"
    message = run(tmp_path, "resume", "cut", status=2)
    assert f"cut is being written by process {process.pid} on " in message
    process.kill()
    process.communicate()
    assert json.loads((cut / "lock").read_text())["pid"] == process.pid  # stale, and no obstacle
    with sole_writer(cut):
        assert json.loads((cut / "lock").read_text())["pid"] == os.getpid()


# Damaged checkpoints.


@pytest.fixture(scope="module")
def damaged(fake, whole, tmp_path_factory):
    """A copy of the run to damage."""
    copy = tmp_path_factory.mktemp("damaged") / "run"
    shutil.copytree(whole, copy)
    return copy


def places(directory):
    """Sample places of a checkpoint, all files alike."""
    rng, files = random.Random(0), [TENSORS, NOTES, MANIFEST]
    return [(name, rng.randrange((directory / name).stat().st_size)) for name in rng.choices(files, k=PLACES)]


@pytest.mark.parametrize("how", ["flipped", "cut off"])
def test_every_flipped_byte_and_every_truncation_is_named_and_the_one_before_is_used(damaged, how):
    before, last = checkpoints(damaged)
    rng = random.Random(1)
    for name, place in places(last):
        file = last / name
        good = file.read_bytes()
        changed = bytearray(good)
        changed[place] ^= rng.randrange(1, 256)
        file.write_bytes(good[:place] if how == "cut off" else bytes(changed))
        with pytest.raises(CheckpointError, match=f"^{re.escape(name)} "):
            read_checkpoint(last)
        stored, damages = newest_whole(damaged, needed=("config.json", "records.jsonl"))
        assert stored.directory == before
        assert len(damages) == 1 and damages[0].startswith(f"{last}: {name} ")
        file.write_bytes(good)
    read_checkpoint(last)


def test_every_bit_of_a_manifest_matters(damaged):
    file = checkpoints(damaged)[-1] / MANIFEST
    good = file.read_bytes()
    for place in range(len(good)):
        file.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(CheckpointError):
            read_checkpoint(file.parent)
    file.write_bytes(good)


def test_the_command_says_what_is_damaged_goes_on_before_it_and_ends_alike(fake, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "cut")
    last = checkpoints(tmp_path / "cut")[-1]
    content = bytearray((last / TENSORS).read_bytes())
    content[-1] ^= 1
    (last / TENSORS).write_bytes(content)
    (tmp_path / "cut" / "paths" / "one.png").write_bytes(b"no picture")
    words = run(tmp_path, "check", "cut", status=1)
    assert f"damaged  checkpoints/{last.name}: {TENSORS} does not match its checksum" in words
    assert "damaged  paths/one.png: is cut off" in words
    assert re.search(r"^whole    records.jsonl$", words, re.MULTILINE)
    assert "go on from checkpoints/000000017: pathnet-rl resume cut" in words
    words = go_on(tmp_path / "cut")
    assert f"{last}: {TENSORS} does not match its checksum; the one before is used" in words
    assert_same_run(tmp_path / "cut", whole)
    assert check_run(tmp_path / "cut").whole


def test_a_finished_run_says_so(whole):
    assert check_run(whole).lines[-1] == f"finished: nothing is left to train; pathnet-rl evaluate {whole}"
    assert "nothing is left to train" in find_start(Run.open(whole)).words[-1]


@pytest.mark.parametrize("name", ["records.jsonl", "config.json"])
def test_a_damaged_file_that_a_run_needs_is_named_and_nothing_is_overwritten(fake, whole, tmp_path, name):
    shutil.copytree(whole, tmp_path / "cut")
    file = tmp_path / "cut" / name
    content = file.read_bytes()
    at = content.index(b'"wall_s": ' if name == "records.jsonl" else b"numpy") + 10
    file.write_bytes(content[:at] + (b"7" if content[at : at + 1] != b"7" else b"8") + content[at + 1 :])
    with pytest.raises(NothingToGoOnFrom, match=f"{name} does not match its checksum"):
        go_on(tmp_path / "cut")
    assert len(checkpoints(tmp_path / "cut")) == 2
    assert len(records_of(tmp_path / "cut")) == 18


def test_only_the_last_two_checkpoints_take_room(whole):
    assert len(list((whole / FOLDER).iterdir())) == 2


# Malice: refused in under a second, no code run, nothing written elsewhere.


class Explosive:
    """Would make a file if it were unpickled."""

    def __reduce__(self):
        return os.mkdir, (str(Path(os.environ["PYTEST_BOMB"])),)


def reseal(directory, **content):
    """Put files into a checkpoint and give it valid checksums, as whoever made it could."""
    manifest = read_manifest(directory)
    for name, data in content.items():
        (directory / {"tensors": TENSORS, "notes": NOTES}[name]).write_bytes(data)
    files = {name: file_sum(directory / name) for name in (TENSORS, NOTES)}
    (directory / MANIFEST).write_bytes(manifest.model_copy(update={"files": files}).seal())


HEADER = b'{"weights":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}'


def safetensors_file(numbers, size_bytes):
    header = HEADER % (numbers, size_bytes)
    return len(header).to_bytes(8, "little") + header


MALICE = {
    "a pickle": lambda: {"tensors": pickle.dumps(Explosive())},
    "a torch file": lambda: {"tensors": b"PK\x03\x04" + bytes(1000)},
    "an endless header": lambda: {"tensors": (2**63).to_bytes(8, "little") + b"{}"},
    "an endless tensor": lambda: {"tensors": safetensors_file(10**18, 4 * 10**18)},
    "NaN": lambda: {"notes": b'{"total_env_steps": NaN}'},
    "deep nesting": lambda: {"notes": b"[" * 900_000},
    "a list": lambda: {"notes": b"[]"},
    "a word of many digits": lambda: {"notes": b'{"total_env_steps": ' + b"9" * 900_000 + b"}"},
    "other tensors": lambda: {"tensors": save({"weights": torch.zeros(1, 2, 3)})},
    "no tensors": lambda: {"tensors": save({})},
    "other notes": lambda: {"notes": b'{"learned": [{"name": "../../x"}]}'},
}


@pytest.mark.parametrize("malice", MALICE)
def test_a_malicious_checkpoint_is_refused(fake, whole, tmp_path, monkeypatch, malice):
    monkeypatch.setenv("PYTEST_BOMB", str(tmp_path / "bomb"))
    shutil.copytree(whole, tmp_path / "cut")
    for directory in checkpoints(tmp_path / "cut"):
        reseal(directory, **MALICE[malice]())
    began = time.process_time()
    with pytest.raises(NothingToGoOnFrom):
        go_on(tmp_path / "cut")
    assert time.process_time() - began < REFUSED_WITHIN_S
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut", "fake.yaml"][:1]


def test_names_in_records_never_make_a_path(fake, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "deep" / "cut")
    cut = tmp_path / "deep" / "cut"
    (cut / "records.jsonl").write_text((cut / "records.jsonl").read_text().replace('"one"', '"../../x"'))
    for directory in checkpoints(cut):
        manifest = read_manifest(directory)
        sums = {**manifest.run_files, "records.jsonl": file_sum(cut / "records.jsonl")}
        (directory / MANIFEST).write_bytes(manifest.model_copy(update={"run_files": sums}).seal())
    with pytest.raises(Exception, match="'../../x' is not sub-task 0 of the curriculum"):
        go_on(cut)
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]


def test_a_manifest_cannot_name_files_elsewhere(fake, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "cut")
    (tmp_path / "secret").write_bytes(b"x")
    last = checkpoints(tmp_path / "cut")[-1]
    manifest = read_manifest(last)
    for names in ({**manifest.files, "../../../secret": file_sum(tmp_path / "secret")}, {}):
        (last / MANIFEST).write_bytes(manifest.model_copy(update={"files": names}).seal())
        with pytest.raises(CheckpointError, match="names other files"):
            read_checkpoint(last)
    assert isinstance(manifest, Manifest)


@pytest.mark.parametrize(
    "name", ["records.jsonl", "paths", "checkpoints", "lock", "events.out.tfevents.1", "paths/x.png"]
)
def test_links_out_of_a_run_are_never_written_through(fake, whole, tmp_path, name):
    shutil.copytree(whole, tmp_path / "cut")
    link, elsewhere = tmp_path / "cut" / name, tmp_path / "elsewhere"
    if link.is_dir():
        shutil.move(link, elsewhere)
    else:
        link.unlink(missing_ok=True)
        elsewhere.write_bytes(b"precious")
    link.symlink_to(elsewhere)
    before = {path: path.read_bytes() for path in [elsewhere, *elsewhere.rglob("*")] if path.is_file()}
    with pytest.raises(LockError, match=f"{re.escape(str(link))} is a link or no plain file"):
        go_on(tmp_path / "cut")
    assert before == {path: path.read_bytes() for path in [elsewhere, *elsewhere.rglob("*")] if path.is_file()}


GOOD = "name: x\ntasks: [{name: a, env: CartPole-v1, advance: {measure: mean_return, threshold: 0.9}}]\n"
BAD_CURRICULA = {
    "a name that is a path": GOOD.replace("name: x", "name: ../x"),
    "a name with an end of line": GOOD.replace("name: x", 'name: "x\\n"'),
    "a task that is a path": GOOD.replace("name: a", "name: a/../../b"),
    "a tag": GOOD + "seed: !!python/object/apply:os.mkdir [bomb]\n",
    "billion laughs": "a: &a [x, x]\n" + "".join(f"b{i}: &b{i} [*a, *a, *a]\n" for i in range(30)) + GOOD,
    "deep nesting": GOOD + "seed: " + "[" * 100_000,
    "deep mappings": GOOD + "seed: " + "{a: " * 100_000,
    "a gigantic number": GOOD + "network: {modules: 1000000000000}\n",
    "gigantic digits": GOOD + "seed: " + "9" * 500_000,
    "a gigantic network": GOOD + "network: {modules: 4096, units: 4096, layers: 16}\n",
    "an import": GOOD.replace("CartPole-v1", "os:system"),
    "a large file": GOOD + "#" * (1 << 20),
    "zeros": "\0" * 1000,
    "a zip file": "PK\x03\x04" + "a" * 1000,
}


@pytest.mark.parametrize("malice", BAD_CURRICULA)
def test_a_malicious_curriculum_is_refused(tmp_path, monkeypatch, malice):
    from pathnet_rl.configuration import ConfigurationError

    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(BAD_CURRICULA[malice], encoding="utf-8")
    began = time.process_time()
    with pytest.raises(ConfigurationError, match=r"^c\.yaml:\d+: "):
        load_curriculum(tmp_path / "c.yaml")
    assert time.process_time() - began < REFUSED_WITHIN_S
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]


def test_a_zip_bomb_of_digits_is_refused(tmp_path):
    from pathnet_rl.study.digits import DigitsError, load_digits
    from pathnet_rl.study.settings import DigitsSettings

    member = gzip.compress(bytes(1 << 24))
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        (tmp_path / f"{name}.gz").write_bytes(member * 4096)  # 64 GiB, unpacked
    with pytest.raises(DigitsError, match="holds more than 268435456 bytes"):
        load_digits(DigitsSettings(idx=str(tmp_path)))


# The real agent, on the real LunarLander.

SMALL = [f"tasks.{task}.budget_env_steps={steps}" for task, steps in enumerate((2400, 1200, 1200))]
SMALL += [f"tasks.{task}.advance.verify_episodes=10" for task in range(3)]
SMALL += ["search.generation_env_steps=400", "search.search_env_steps=800"]
QUICK = ROOT / "curricula" / "lander_quick.yaml"
REAL_RECORDS = 15


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A small run of the quick curriculum that nothing has happened to."""
    directory = tmp_path_factory.mktemp("real") / "whole"
    made = Run.create(directory, load_curriculum(QUICK, SMALL), device="cpu")
    train(made, _listeners(made), device="cpu")
    assert len(records_of(directory)) == REAL_RECORDS
    return directory


@pytest.mark.parametrize("seed", sample(1, 12))
def test_the_real_agent_goes_on_bit_for_bit_after_sigkill(real, tmp_path, seed):
    options = [f"--set={change}" for change in SMALL]
    options += ["--device=cpu", "--out=cut", "--resume", "--checkpoint-env-steps=1"]
    at = random.Random(seed).uniform(1, REAL_RECORDS)
    process = start(tmp_path, "train", QUICK, *options)
    wait_for_records(process, tmp_path / "cut" / "records.jsonl", int(at))
    time.sleep((at % 1) / 2)
    process.kill()
    process.communicate()
    go_on(tmp_path / "cut")
    assert_same_run(tmp_path / "cut", real)


def test_the_real_agent_learns_a_sub_task_that_is_added_as_if_it_had_been_there_from_the_start(real, tmp_path):
    two = yaml.safe_load(QUICK.read_text(encoding="utf-8"))
    del two["tasks"][2:]
    (tmp_path / "two.yaml").write_text(yaml.safe_dump(two), encoding="utf-8")
    options = ["--device=cpu", *(f"--set={change}" for change in SMALL)]
    first = [option for option in options if not option.startswith("--set=tasks.2")]
    run(tmp_path, "train", "two.yaml", "--out=two", *first)
    run(tmp_path, "train", QUICK, "--out=three", "--from=two", *options)
    assert_same_run(tmp_path / "three", real)


@pytest.mark.parametrize("count", [pytest.param(n, marks=pytest.mark.slow) for n in range(1, REAL_RECORDS)])
def test_the_real_agent_goes_on_bit_for_bit_after_every_record(real, tmp_path, count):
    cut_after(tmp_path / "cut", load_curriculum(QUICK, SMALL), count)
    go_on(tmp_path / "cut")
    assert_same_run(tmp_path / "cut", real)


# The digit study, whose every finished repeat is on the disk; tests/pathnet_rl/study/test_study.py kills it.


STUDY = ["--repeats=1", "--arms=de-novo", "--processes=1", "--out=study", "--set=search.limit_generations=3"]


@pytest.mark.parametrize("safe_path", [{}, {"PYTHONSAFEPATH": ""}])
def test_workers_run_no_code_of_the_current_directory(tmp_path, safe_path):
    for name in ("re", "pickle", "random", "torch"):
        (tmp_path / f"{name}.py").write_text("open('planted', 'w').close()\nraise SystemExit(1)\n")
    study = [SCRIPT, "study", "mnist_quick", *STUDY]
    subprocess.run(study, cwd=tmp_path, capture_output=True, check=True, env=os.environ | safe_path)
    assert not (tmp_path / "planted").exists()


def test_a_second_writer_of_a_study_is_refused(tmp_path):
    from make_study import make_study

    from pathnet_rl.study.study import StudyError, create_or_continue, run_study

    study = create_or_continue(tmp_path / "study", make_study())
    with sole_writer(study.directory), pytest.raises(StudyError, match="study is being written by process"):
        run_study(study, None, processes=1, slots=1, device="cpu")


@pytest.mark.slow
def test_a_full_disk_ends_a_study_with_one_message_and_it_goes_on(tmp_path):
    run(tmp_path, "study", "mnist_quick", *STUDY)
    repeats = tmp_path / "study" / "repeats.jsonl"
    whole = repeats.read_bytes()
    repeats.write_bytes(whole[:50])
    printed = run(tmp_path, "study", "mnist_quick", *STUDY, status=1, preexec_fn=limit_files(99))
    assert printed.count("make room, then go on") == 1
    assert "Traceback" not in printed
    run(tmp_path, "study", "mnist_quick", *STUDY)
    one, other = (json.loads(line) for line in (whole, repeats.read_bytes()))
    assert {**one, "wall_s": 0} == {**other, "wall_s": 0}
