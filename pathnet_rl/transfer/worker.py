"""Worker: trains one run of an arm after another, tells where it is, and measures at the end what was forgotten."""

import json
import os
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pathnet_rl.agent import AgentError
from pathnet_rl.checkpoint import CheckpointError
from pathnet_rl.configuration import ConfigurationError
from pathnet_rl.crew import leave_with_parent
from pathnet_rl.curriculum import Curriculum
from pathnet_rl.device import make_reproducible
from pathnet_rl.durable import NO_ROOM, remove_directory, write_file
from pathnet_rl.imports import import_named
from pathnet_rl.listener import Listener
from pathnet_rl.lock import sole_writer
from pathnet_rl.picture import PictureFiles
from pathnet_rl.records import Evaluation, GenerationRecord, SubTaskRecord
from pathnet_rl.run import PICTURES, Run, RunError
from pathnet_rl.settings import NetworkSettings, SubTaskSettings
from pathnet_rl.tensorboard import TensorBoardListener
from pathnet_rl.training import find_start, load_agent, train
from pathnet_rl.transfer.arms import ARMS, curriculum_of

FINISHED = "repeat.json"
"""Is written into a run's directory when all of it is done."""


@dataclass(frozen=True)
class Job:
    """A run to train.

    Attributes:
        arm: Name of its arm.
        index: Which repeat.
        directory: Where to; a run that was begun there before goes on.
        budget_env_steps: For an arm that learns the last sub-task alone.
    """

    arm: str
    index: int
    directory: Path
    budget_env_steps: int | None = None


@dataclass(frozen=True)
class Position:
    """Where a worker is."""

    worker: int  # process id
    arm: str
    index: int
    task: str
    env_steps: int  # of this sub-task
    budget_env_steps: int
    env_steps_per_s: float
    mean_return: float | None


@dataclass(frozen=True)
class Finished:
    """A run that is done."""

    worker: int  # process id
    arm: str
    index: int
    tasks: list[SubTaskRecord]
    wall_s: float


@dataclass(frozen=True)
class Failed:
    """A run that ended with an error; what its checkpoints hold is kept."""

    worker: int  # process id
    arm: str
    index: int
    why: str


def open_run(directory: Path, curriculum: Curriculum, device: str, *, resumable: bool = True) -> tuple[Run, bool]:
    """Return the run to go on with, and whether an interruption left it there.

    Args:
        directory: The run's.
        curriculum: As its arm changes it.
        device: Torch device.
        resumable: False for a baseline, which writes no checkpoint to go on from: what is there is removed.

    Raises:
        RunError: If what is there is no run of this curriculum on this device.
    """
    if directory.exists():
        if resumable:
            return Run.open_to_resume(directory, curriculum, device=device), True
        remove_directory(directory)
    return Run.create(directory, curriculum, device=device), False


def run_job(
    job: Job, curriculum: Curriculum, device: str, listeners: Sequence[Listener] = ()
) -> list[SubTaskRecord]:
    """Train a run, evaluate again all that it has learned, and write down that it is finished.

    Args:
        job: What to train.
        curriculum: The study's.
        device: Torch device.
        listeners: Hear of it besides the run's own files.
    """
    started = time.perf_counter()
    changed = curriculum_of(
        ARMS[job.arm], curriculum, seed=curriculum.seed + job.index, budget_env_steps=job.budget_env_steps
    )
    run, begun = open_run(job.directory, changed, device, resumable=ARMS[job.arm].agent is None)
    files: list[Listener] = [TensorBoardListener(run.directory), PictureFiles(run.directory / PICTURES)]
    with sole_writer(run.directory):
        start = find_start(run) if begun else None
        tasks = train(run, [*files, *listeners], device=device, start=start)
        after = evaluate_again(run, tasks, device)
        _write_finished(job, after, time.perf_counter() - started)
    return tasks


def evaluate_again(run: Run, tasks: Sequence[SubTaskRecord], device: str) -> dict[str, Evaluation]:
    """Fly what a finished run has learned on the seeds of its records, from the files it has left.

    A single sub-task has none after it that could make it forgotten, and is left out.
    """
    if len(tasks) < 2:
        return {}
    agent, _ = load_agent(run, device)
    return {task.task: agent.evaluate(task.task, task.evaluation.episodes, run.curriculum.seed) for task in tasks}


def _write_finished(job: Job, after: dict[str, Evaluation], wall_s: float) -> None:
    content = {
        "arm": job.arm,
        "index": job.index,
        "after": {task: asdict(evaluation) for task, evaluation in after.items()},
        "wall_s": wall_s,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_file(job.directory / FINISHED, (json.dumps(content, allow_nan=False, indent=1) + "\n").encode())


class _Teller:
    """A listener that tells the parent where this process is."""

    def __init__(self, job: Job, results: Any) -> None:
        self._job, self._results = job, results

    def begin(self, curriculum_name: str, tasks: Sequence[SubTaskSettings], network: NetworkSettings) -> None:
        """Nothing is known yet."""

    def generation(self, record: GenerationRecord) -> None:
        """Tell of a generation."""
        position = Position(
            worker=os.getpid(),
            arm=self._job.arm,
            index=self._job.index,
            task=record.task,
            env_steps=record.env_steps,
            budget_env_steps=record.budget_env_steps,
            env_steps_per_s=record.env_steps_per_s,
            mean_return=record.mean_return,
        )
        self._results.put(position)

    def sub_task(self, record: SubTaskRecord) -> None:
        """The next generation tells."""

    def end(self) -> None:
        """The finished run is told by itself."""


def work(curriculum_data: dict[str, Any], device: str, jobs: Any, results: Any) -> None:
    """Take jobs until the parent ends this process or is gone; what a :class:`pathnet_rl.crew.Crew` runs."""
    leave_with_parent()
    import_named()
    make_reproducible(device)
    curriculum = Curriculum.from_dict(curriculum_data, source="the study's curriculum")
    while True:
        job: Job = jobs.get()
        started = time.perf_counter()
        try:
            tasks = run_job(job, curriculum, device, [_Teller(job, results)])
        except Exception as error:
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                raise  # the others would fail as well
            expected = isinstance(error, AgentError | CheckpointError | RunError | ConfigurationError)
            why = str(error) if expected else traceback.format_exc().strip()
            results.put(Failed(os.getpid(), job.arm, job.index, why))
        else:
            results.put(Finished(os.getpid(), job.arm, job.index, tasks, time.perf_counter() - started))
