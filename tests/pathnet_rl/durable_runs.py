"""Runs of the fake agent, in this process and as real commands, and what is compared of them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from pathnet_rl.checkpoint import newest_whole
from pathnet_rl.records import WALL_CLOCK_FIELDS

HERE = Path(__file__).parent
SCRIPT = Path(sys.executable).with_name("pathnet-rl")
CURRICULUM = """\
name: fake
network: {modules: 3}
agent: {name: fake%s}
tasks:
  - {name: one, env: CartPole-v1, advance: {measure: mean_return, threshold: 0.9}}
  - {name: two, env: CartPole-v1, advance: {measure: mean_return, threshold: 0.9}}
  - {name: three, env: CartPole-v1, advance: {measure: mean_return, threshold: 0.9}}
"""


def heed_interrupts():
    """Undo what a shell does to jobs in the background, so that the tests pass there too: ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def curriculum_file(folder, **agent):
    """Write a curriculum of the fake agent and return its file."""
    keys = "".join(f", {key}: {json.dumps(value)}" for key, value in agent.items())
    file = folder / "fake.yaml"
    file.write_text(CURRICULUM % keys, encoding="utf-8")
    return file


def install_fake_agent(folder):
    """Make the fake agent an installed package in this folder, which is to be on the path."""
    information = folder / "fake_agent-0.dist-info"
    information.mkdir(exist_ok=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-agent\nVersion: 0\n")
    (information / "entry_points.txt").write_text("[pathnet_rl.agents]\nfake = fake_agent:FakeSettings\n")


def environment(folder):
    """Return the environment in which the command knows the fake agent."""
    install_fake_agent(folder)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(HERE)]), "TERM": "dumb"}


def start(folder, *arguments, **options):
    """Start the command and return its process."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    words = [str(SCRIPT), *map(str, arguments)]
    options = {"preexec_fn": heed_interrupts, **options}
    return subprocess.Popen(words, cwd=folder, env=environment(folder), **pipes, **options)


def run(folder, *arguments, status=0, **options):
    """Run the command to its end and return what it printed and complained."""
    process = start(folder, *arguments, **options)
    printed, complained = process.communicate(timeout=300)
    assert process.returncode == status, (process.returncode, printed, complained)
    assert "Traceback" not in complained, complained
    return printed + complained


def records_of(directory):
    """Return a run's records without what the clock says."""
    lines = [json.loads(line) for line in (directory / "records.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in WALL_CLOCK_FIELDS} for line in lines]


def state_of(directory):
    """Return what a run's last checkpoint holds: tensors as bytes, and notes."""
    stored, damages = newest_whole(directory)
    assert stored is not None and not damages
    tensors = {name: tensor.numpy().tobytes() for name, tensor in stored.checkpoint.tensors.items()}
    return tensors, stored.checkpoint.notes


def scalars_of(directory):
    """Return tag -> [(step, value)] as TensorBoard reads them, but for the speed."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(directory))
    accumulator.Reload()
    return {
        tag: [(event.step, event.value) for event in accumulator.Scalars(tag)]
        for tag in accumulator.Tags()["scalars"]
        if not tag.endswith("env_steps_per_s")
    }


def assert_same_run(one, other):
    """Require that two runs are equal: records, weights, notes, TensorBoard, pictures."""
    assert records_of(one) == records_of(other)
    assert state_of(one) == state_of(other)
    assert scalars_of(one) == scalars_of(other)
    pictures = sorted((one / "paths").iterdir())
    assert [path.name for path in pictures] == sorted(path.name for path in (other / "paths").iterdir())
    for picture in pictures:
        assert picture.read_bytes() == (other / "paths" / picture.name).read_bytes()
