"""Workers: processes that run repeats, each many at once, slot by slot; a finished one makes room for the next."""

import queue
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from pathnet_rl.crew import PATIENCE_S, leave_with_parent
from pathnet_rl.device import make_reproducible
from pathnet_rl.study.arms import ARMS, Course, Repeat
from pathnet_rl.study.digits import make_tasks
from pathnet_rl.study.learner import ColumnLearner, Images, PathLearner, Training
from pathnet_rl.study.records import RepeatRecord
from pathnet_rl.study.settings import StudySettings

LearnerKind: TypeAlias = type[PathLearner] | type[ColumnLearner]


@dataclass(frozen=True)
class Job:
    """A repeat to run."""

    arm: str
    index: int
    partner: RepeatRecord | None = None


def run_here(study: StudySettings, jobs: Sequence[Job], *, slots: int, device: str = "cpu") -> list[RepeatRecord]:
    """Run repeats in this process, and return them in the order in which they finish."""
    shift = Shift(study, slots, device)
    waiting, finished = list(jobs), list[RepeatRecord]()
    while waiting or shift.busy:
        while waiting and shift.has_room(waiting[0]):
            shift.start(waiting.pop(0))
        finished += shift.step()
    return finished


@dataclass
class Running:
    """A repeat in its slot, and the evaluation it waits for."""

    course: Course
    training: Training
    started: float


class Shift:
    """The repeats that one process runs at once."""

    def __init__(self, study: StudySettings, slots: int, device: str) -> None:
        self.study, self.slots, self.device = study, slots, device
        self._images = Images(make_tasks(study.digits, study.sequences, study.seed, device))
        self._learners: dict[LearnerKind, PathLearner | ColumnLearner] = {}
        self._running: dict[LearnerKind, dict[int, Running]] = {PathLearner: {}, ColumnLearner: {}}
        self.minibatches = 0

    @property
    def busy(self) -> bool:
        """Whether any repeat is running."""
        return any(self._running.values())

    def has_room(self, job: Job | None = None) -> bool:
        """Say whether a slot is free, for this job or for any."""
        kinds = self._running if job is None else (ARMS[job.arm].learner,)
        return all(len(self._running[kind]) < self.slots for kind in kinds)

    def start(self, job: Job) -> None:
        """Put a job into a free slot."""
        arm = ARMS[job.arm]
        if arm.learner not in self._learners:  # made when needed: an arm that is not run costs no memory
            self._learners[arm.learner] = arm.learner(self.study, self._images, self.slots, self.device)
        learner, running = self._learners[arm.learner], self._running[arm.learner]
        slot = next(slot for slot in range(self.slots) if slot not in running)
        repeat = Repeat(self.study, job.arm, job.index, learner, slot, job.partner)
        learner.restart(slot, repeat.sequence, job.index)
        course = arm.course(repeat)
        running[slot] = Running(course, next(course), time.perf_counter())

    def step(self) -> list[RepeatRecord]:
        """Run one evaluation of every running repeat and return those that are finished by it."""
        finished: list[RepeatRecord] = []
        for kind, running in self._running.items():
            if not running:
                continue
            slots = list(running)
            correct = self._learners[kind].train(slots, [running[slot].training for slot in slots])
            self.minibatches += len(slots) * self.study.training.minibatches
            for slot, count in zip(slots, correct, strict=True):
                record = self._send(running[slot], float(count))
                if record is not None:
                    del running[slot]
                    finished.append(record)
        return finished

    def _send(self, running: Running, correct: float) -> RepeatRecord | None:
        try:
            running.training = running.course.send(correct)
        except StopIteration as stop:
            return replace(stop.value, wall_s=round(time.perf_counter() - running.started, 3))
        return None


def work(study: StudySettings, slots: int, device: str, jobs: Any, results: Any) -> None:
    """Take jobs until the parent ends this process or is gone; what a :class:`pathnet_rl.crew.Crew` runs."""
    leave_with_parent()
    make_reproducible(device)
    shift = Shift(study, slots, device)
    while True:
        _fill(shift, jobs)
        for record in shift.step():
            results.put(record)
        if shift.minibatches:
            results.put(shift.minibatches)
            shift.minibatches = 0


def _fill(shift: Shift, jobs: Any) -> None:
    """Start jobs while there are some and every learner has room; wait a moment when there is nothing to do."""
    while shift.has_room():
        try:
            shift.start(jobs.get(timeout=0 if shift.busy else PATIENCE_S))
        except queue.Empty:
            return
