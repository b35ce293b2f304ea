"""Repeats: what a finished run's files say, read back for the report.

Of every record only the fields that the report needs are read, so that runs of earlier versions stay readable.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pathnet_rl.records import REPORTED_EPISODES, measure_of
from pathnet_rl.run import RECORDS
from pathnet_rl.transfer.worker import FINISHED


class RepeatError(Exception):
    """A finished run whose files cannot be read; the message names the place and the remedy."""


@dataclass(frozen=True)
class Measured:
    """Greedy held-out episodes."""

    success_rate: float | None  # None where the environment does not report it
    mean_return: float
    return_std: float
    mean_episode_steps: float
    measured: float | None = None  # mean of the info key that advancement measures, if it does

    def measure(self, name: str) -> float:
        """Return the success rate, the mean return, or the mean of the info key that was measured."""
        value = measure_of(self, name)
        assert value is not None  # a curriculum that asks for what is not reported is refused
        return value


@dataclass(frozen=True)
class Point:
    """One generation of a sub-task."""

    task: str
    env_steps: int  # of the sub-task so far
    total_env_steps: int  # of the run so far
    episodes: int  # of the sub-task so far
    success_rate: float | None  # over the latest training episodes, 100 at most
    mean_return: float | None  # over the same, unscaled
    verification: Measured | None
    wall_s: float  # of the sub-task so far
    window_episodes: int | None = None  # how many they are; records of before 2026-11-26 do not say
    measured: float | None = None

    @property
    def window(self) -> int:
        """How many episodes the means are over."""
        return min(self.episodes, REPORTED_EPISODES) if self.window_episodes is None else self.window_episodes

    def measure(self, name: str) -> float | None:
        """Return the success rate, the mean return, or the mean of the measured info key, of training."""
        return measure_of(self, name)


@dataclass(frozen=True)
class TaskResult:
    """One finished sub-task."""

    task: str
    mastered: bool
    env_steps: int
    total_env_steps: int
    path: list[list[int]]
    reused: list[dict[str, int]]  # by layer: earlier sub-task -> modules
    newly_frozen: list[list[int]]
    free_modules: list[int]
    evaluation: Measured
    wall_s: float


@dataclass(frozen=True)
class Repeat:
    """One finished run of an arm."""

    arm: str
    index: int
    points: list[Point]
    tasks: list[TaskResult]
    after: Mapping[str, Measured]
    """Evaluations of all sub-tasks on the same seeds after the last; empty where there was only one."""

    @property
    def wall_s(self) -> float:
        """Seconds that its sub-tasks took."""
        return sum(task.wall_s for task in self.tasks)

    @property
    def env_steps(self) -> int:
        """Environment steps of the whole run."""
        return self.tasks[-1].total_env_steps

    def task(self, name: str) -> TaskResult | None:
        """Return a sub-task's result, None where the run stopped before it."""
        return next((task for task in self.tasks if task.task == name), None)

    def points_of(self, name: str) -> list[Point]:
        """Return a sub-task's generations."""
        return [point for point in self.points if point.task == name]

    def wall_before(self, name: str) -> float:
        """Return the seconds that the sub-tasks before this one took."""
        names = [task.task for task in self.tasks]
        return sum(task.wall_s for task in self.tasks[: names.index(name)])


_POINT, _TASK = TypeAdapter(Point), TypeAdapter(TaskResult)
_AFTER = TypeAdapter(dict[str, Measured])


def read_repeat(directory: Path, arm: str, index: int) -> Repeat:
    """Read a finished run.

    Raises:
        RepeatError: If a file is missing or damaged.
    """
    points: list[Point] = []
    tasks: list[TaskResult] = []
    records, place = directory / RECORDS, f"{directory / FINISHED}"
    try:
        finished = json.loads((directory / FINISHED).read_text(encoding="utf-8"))
        after = _AFTER.validate_python(finished["after"])
        for number, line in enumerate(records.read_text(encoding="utf-8").splitlines(), start=1):
            place = f"{records}:{number}"
            record = json.loads(line)
            if record["kind"] == "generation":
                points.append(_POINT.validate_python(record))
            else:
                tasks.append(_TASK.validate_python(record))
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        message = f"{place}: is damaged; delete {directory} and the same `study` command trains it again"
        raise RepeatError(message) from error
    if not tasks:
        raise RepeatError(f"{records}: has no finished sub-task; delete {directory}")
    return Repeat(arm, index, points, tasks, after)
