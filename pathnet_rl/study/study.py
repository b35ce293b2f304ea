"""Study: one directory, the repeats it still lacks, and the crew that runs them."""

import json
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from pathnet_rl.configuration import ConfigurationError
from pathnet_rl.crew import Crew
from pathnet_rl.durable import NO_ROOM, create_directory
from pathnet_rl.lock import LockError, sole_writer
from pathnet_rl.study.arms import ARMS
from pathnet_rl.study.digits import load_digits, split
from pathnet_rl.study.records import RepeatFile, RepeatRecord, read_repeats
from pathnet_rl.study.settings import StudySettings, study_from_dict
from pathnet_rl.study.workers import Job, work

DESCRIPTION, REPEATS = "study.json", "repeats.jsonl"
PACKAGES = ("pathnet-rl", "torch", "numpy", "scipy", "mlxtend")


class StudyError(Exception):
    """A study's directory that cannot be used; the message names it and the remedy."""


@dataclass(frozen=True)
class Study:
    """A study's directory and what it asks."""

    directory: Path
    settings: StudySettings
    description: dict[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def open(cls, directory: Path) -> "Study":
        """Open what :func:`create_or_continue` made.

        Raises:
            StudyError: If this is no study's directory.
        """
        file = directory / DESCRIPTION
        if not file.is_file():
            raise StudyError(f"{directory} is no study: {DESCRIPTION} is missing; give what `study --out` wrote")
        try:
            description = json.loads(file.read_text(encoding="utf-8"))
            return cls(directory, study_from_dict(description["study"], str(file)), description)
        except (ValueError, KeyError, TypeError, ConfigurationError) as error:
            raise StudyError(f"{file} is damaged: {error!r}; run the study into another directory") from error

    def repeats(self) -> list[RepeatRecord]:
        """Return the finished repeats, by arm and index, whatever the order in which they finished.

        Raises:
            StudyError: If a line is damaged.
        """
        try:
            records, _ = read_repeats(self.directory / REPEATS)
        except ValueError as error:
            raise StudyError(str(error)) from error
        return sorted(records, key=lambda record: (list(ARMS).index(record.arm), record.index))


def create_or_continue(directory: Path, settings: StudySettings) -> Study:
    """Make a study's directory, or find the one that the same configuration has made before.

    How many repeats and which arms may change from one time to the next; nothing else may.

    Raises:
        StudyError: If the directory holds something else, or cannot be made.
        DigitsError: If the digits cannot be had.
    """
    if directory.exists():
        study = Study.open(directory)
        _refuse_another_design(study, settings)
        return Study(directory, settings, study.description)
    digits = load_digits(settings.digits)  # before anything is written
    train, test = split(digits, settings.digits.test_share, settings.seed)
    description = {
        "study": settings.model_dump(),
        "command": sys.argv,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "split": {"train": train.tolist(), "test": test.tolist()},
    }
    try:
        create_directory(directory, {DESCRIPTION: (json.dumps(description) + "\n").encode()})
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        raise StudyError(f"{directory} cannot be made: {error.strerror}; give another --out") from error
    return Study(directory, settings, description)


def _refuse_another_design(study: Study, settings: StudySettings) -> None:
    old, new = study.settings.design(), settings.design()
    differing = sorted(key for key in old if old[key] != new[key])
    if differing:
        key = differing[0]
        raise StudyError(
            f"{study.directory} holds a study of another configuration: its {key} is {old[key]}, not {new[key]}; "
            "give another --out"
        )


class StudyListener(Protocol):
    """Hears how a study goes on."""

    def begin(self, study: Study, done: list[RepeatRecord], missing: dict[str, int]) -> None:
        """Hear what is there already, and how many repeats of each arm are missing."""
        ...

    def minibatches(self, done: int) -> None:
        """Hear of so many more minibatches along a path."""
        ...

    def repeat(self, record: RepeatRecord) -> None:
        """Hear of a finished repeat."""
        ...

    def idle(self) -> None:
        """Hear that time has passed."""
        ...

    def end(self) -> None:
        """Hear that nothing more comes."""
        ...


@dataclass
class Backlog:
    """The repeats that are missing: those that can start, and those that wait for a partner."""

    ready: list[Job]
    waiting: dict[tuple[str, int], list[Job]]

    @classmethod
    def of(cls, settings: StudySettings, done: list[RepeatRecord]) -> "Backlog":
        """Return what is missing, arms in the order of the study; a partner that nobody asked for is added."""
        known = {(record.arm, record.index): record for record in done}
        backlog, asked = cls([], {}), set(known)
        for arm in settings.arms:
            for index in range(settings.repeats):
                backlog._ask(arm, index, known, asked)
        return backlog

    def _ask(
        self, arm: str, index: int, known: dict[tuple[str, int], RepeatRecord], asked: set[tuple[str, int]]
    ) -> None:
        if (arm, index) in asked:
            return
        asked.add((arm, index))
        needs = ARMS[arm].needs
        if needs is None:
            self.ready.append(Job(arm, index))
        elif (needs, index) in known:
            self.ready.append(Job(arm, index, known[needs, index]))
        else:
            self.waiting.setdefault((needs, index), []).append(Job(arm, index))
            self._ask(needs, index, known, asked)

    def missing(self) -> dict[str, int]:
        """Count the missing repeats by arm."""
        jobs = [*self.ready, *(job for waiting in self.waiting.values() for job in waiting)]
        return {arm: count for arm in ARMS if (count := sum(job.arm == arm for job in jobs))}

    def released_by(self, record: RepeatRecord) -> Iterator[Job]:
        """Yield the jobs that this record lets start."""
        for job in self.waiting.pop((record.arm, record.index), []):
            yield Job(job.arm, job.index, record)


def run_study(study: Study, listener: StudyListener, *, processes: int, slots: int, device: str) -> None:
    """Run the repeats that are missing; each is on the disk before the listener hears of it.

    Raises:
        StudyError: If the file of repeats is damaged, or another process runs this study.
        WorkerDied: If a worker process ends by itself.
    """
    try:
        with sole_writer(study.directory):
            _run_missing(study, listener, processes, slots, device)
    except LockError as error:
        raise StudyError(str(error)) from error


def _run_missing(study: Study, listener: StudyListener, processes: int, slots: int, device: str) -> None:
    try:
        file = RepeatFile(study.directory / REPEATS)
    except ValueError as error:
        raise StudyError(str(error)) from error
    backlog = Backlog.of(study.settings, file.records)
    missing = backlog.missing()
    open_repeats = sum(missing.values())
    listener.begin(study, list(file.records), missing)
    try:
        if open_repeats:
            with Crew(work, (study.settings, slots, device), processes=processes) as crew:
                for job in backlog.ready:
                    crew.give(job)
                for result in crew.results():
                    if isinstance(result, RepeatRecord):
                        file.append(result)
                        listener.repeat(result)
                        for job in backlog.released_by(result):
                            crew.give(job)
                        open_repeats -= 1
                    elif result is None:
                        listener.idle()
                    else:
                        listener.minibatches(result)
                    if open_repeats == 0:
                        break
    finally:
        file.close()
        listener.end()
