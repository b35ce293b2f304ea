"""Run: one directory with everything a training left behind, none of it a pickle."""

import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from typing import Any

from pathnet_rl.curriculum import Curriculum
from pathnet_rl.durable import NO_ROOM, append, create_directory
from pathnet_rl.records import Record, SubTaskRecord, from_line, to_line

CONFIG, RECORDS, PICTURES, EVENTS = "config.json", "records.jsonl", "paths", "events.out.tfevents."
PACKAGES = ("pathnet-rl", "gymnasium", "box2d", "torch", "numpy", "stable-baselines3")
LARGEST_CONFIG_BYTES = 1 << 22


class RunError(Exception):
    """A run directory that cannot be made or read; the message names it and the remedy."""


@dataclass(frozen=True)
class Run:
    """A run's directory, the curriculum it trains, and with what.

    Attributes:
        directory: Where everything is.
        curriculum: What is learned.
        device: Torch device that it was begun on.
        versions: Of the packages that it was begun with, by name.
    """

    directory: Path
    curriculum: Curriculum
    device: str
    versions: dict[str, str]

    @classmethod
    def create(
        cls,
        directory: Path,
        curriculum: Curriculum,
        *,
        device: str,
        fresh: bool = False,
        beginning: Callable[[dict[str, bytes]], Mapping[str, bytes]] = dict,
    ) -> "Run":
        """Make the directory and write down what is about to run.

        Args:
            directory: Must not exist yet.
            curriculum: The resolved curriculum.
            device: Torch device that is used.
            fresh: Take the first free name of ``NAME``, ``NAME-2``, ``NAME-3`` and so on.
            beginning: Adds to the first files, by name, what another run has learned;
                see :func:`pathnet_rl.training.find_beginning`.

        Raises:
            RunError: If the directory exists (and ``fresh`` is not set) or cannot be made.
            OSError: If there is no room.
        """
        chosen = _first_free(directory) if fresh else directory
        if chosen.exists():
            raise RunError(
                f"{chosen} exists already; go on there with --resume, give another --out, or --fresh for "
                f"{_first_free(chosen)}"
            )
        run = cls(chosen, curriculum, device, _versions())
        config = {
            "curriculum": curriculum.to_dict(),
            "device": device,
            "command": sys.argv,
            "versions": run.versions,
        }
        try:
            create_directory(chosen, beginning({CONFIG: (json.dumps(config, indent=1) + "\n").encode()}))
        except OSError as error:
            if error.errno in NO_ROOM:
                raise
            raise RunError(f"{chosen} cannot be made: {error.strerror}; give another --out") from error
        return run

    @classmethod
    def open(cls, directory: Path) -> "Run":
        """Open what :meth:`create` made.

        Raises:
            RunError: If this is no run directory.
            ConfigurationError: If its curriculum is not valid (any more).
        """
        config = directory / CONFIG
        if not config.is_file():
            inside = next(iter(sorted(directory.glob(f"*/*/{CONFIG}"))), None)
            remedy = (
                f"one of a study's runs, such as {inside.parent}" if inside else "a directory that `train` wrote"
            )
            raise RunError(f"{directory} is no run: {CONFIG} is missing; give {remedy}")
        try:
            if config.stat().st_size > LARGEST_CONFIG_BYTES:
                raise ValueError(f"larger than {LARGEST_CONFIG_BYTES} bytes")
            stored = json.loads(config.read_text(encoding="utf-8"))
            curriculum, device = stored["curriculum"], str(stored["device"])
            versions = {str(name): str(number) for name, number in stored["versions"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RunError(f"{config} is damaged: {error!r}; train again into another directory") from error
        return cls(directory, Curriculum.from_dict(curriculum, source=str(config)), device, versions)

    @classmethod
    def open_to_resume(cls, directory: Path, curriculum: Curriculum, *, device: str) -> "Run":
        """Open the run of this curriculum on this device.

        Raises:
            RunError: If the directory holds the run of another curriculum or device, or none.
            ConfigurationError: If its curriculum is not valid (any more).
        """
        run = cls.open(directory)
        differing = first_difference(run.curriculum.to_dict(), curriculum.to_dict())
        if differing is not None:
            raise RunError(
                f"{directory} cannot be resumed: its {differing}; give what it was begun with, or "
                f"pathnet-rl resume {directory}"
            )
        run._require_device(device)
        return run

    @classmethod
    def open_to_continue(cls, directory: Path, curriculum: Curriculum, *, device: str) -> "Run":
        """Open the run of a curriculum that begins as this one does: the same but for its name and later sub-tasks.

        Raises:
            RunError: If the directory holds the run of another curriculum or device, or none.
            ConfigurationError: If its curriculum is not valid (any more).
        """
        run = cls.open(directory)
        old, new = ({**each.to_dict(), "name": ""} for each in (run.curriculum, curriculum))
        old["tasks"], new["tasks"] = old["tasks"][:1], new["tasks"][:1]
        if differing := first_difference(old, new):
            raise RunError(
                f"{directory} is no beginning of this curriculum: its {differing}; what it has learned stays, and "
                "only later sub-tasks can change: train without --from"
            )
        run._require_device(device)
        return run

    def shared_with(self, curriculum: Curriculum) -> int:
        """Count the sub-tasks with which both curricula begin."""
        pairs = zip(self.curriculum.tasks, curriculum.tasks, strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    def _require_device(self, device: str) -> None:
        if self.device != device:
            raise RunError(
                f"{self.directory} was begun on {self.device}, not {device}; give --device {self.device}"
            )

    def is_finished(self, length_bytes: int) -> bool:
        """Say whether every sub-task has ended by the first so many bytes of the records.

        Raises:
            RunError: If these are no records of this run.
        """
        return len(self._mastered(length_bytes)) == len(self.curriculum.tasks)

    def stopped_at(self, length_bytes: int) -> str | None:
        """Return the sub-task that ended the run for good: not mastered where ``on_fail`` is stop.

        Raises:
            RunError: If the first so many bytes are no records of this run.
        """
        mastered = self._mastered(length_bytes)
        stops = [task.name for task in self.curriculum.tasks if task.on_fail == "stop"]
        return next((name for name in stops if not mastered.get(name, True)), None)

    def stopped_because(self, name: str) -> str:
        """Say why such a run ended, and what is left."""
        names = [task.name for task in self.curriculum.tasks]
        left = ", ".join(names[names.index(name) + 1 :])
        untrained = f"; not trained: {left}" if left else ""
        return f"stopped, as {name} was not mastered (on_fail: stop){untrained}"

    def _mastered(self, length_bytes: int) -> dict[str, bool]:
        """Return whether each finished sub-task was mastered."""
        records = self._records(length_bytes)
        return {record.task: record.mastered for record in records if isinstance(record, SubTaskRecord)}

    def records_of_first(self, tasks: int, length_bytes: int) -> int:
        """Count the records of the first so many sub-tasks, in the first so many bytes.

        Raises:
            RunError: If these are no records of this run.
        """
        return sum(record.task_index < tasks for record in self._records(length_bytes))

    def _records(self, length_bytes: int) -> list[Record]:
        path = self.directory / RECORDS
        with path.open("rb") as written:
            return _read_records(self, path, written.read(length_bytes))

    def changed_versions(self) -> list[str]:
        """Return the packages that are not those the run was begun with, in words."""
        now = _versions()
        return [f"{name} {old}, now {now.get(name)}" for name, old in self.versions.items() if now.get(name) != old]


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def _first_free(directory: Path) -> Path:
    number, candidate = 1, directory
    while candidate.exists():
        number += 1
        candidate = directory.with_name(f"{directory.name}-{number}")
    return candidate


def first_difference(old: Any, new: Any, place: str = "") -> str | None:
    """Say where two curricula differ first: ``network.modules is 40, not 20``."""
    if isinstance(old, dict) and isinstance(new, dict):
        pairs = {key: (old.get(key), new.get(key)) for key in {**old, **new}}
        found = (first_difference(a, b, f"{place}.{key}") for key, (a, b) in pairs.items())
        return next((words for words in found if words), None)
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        found = (
            first_difference(a, b, f"{place}[{index}]") for index, (a, b) in enumerate(zip(old, new, strict=True))
        )
        return next((words for words in found if words), None)
    if isinstance(old, list) and isinstance(new, list):
        return f"{place.removeprefix('.')} are {len(old)}, not {len(new)}"
    return None if old == new else f"{place.removeprefix('.')} is {old}, not {new}"


class RecordFile:
    """``records.jsonl``: every record of the run, one JSON object a line, written at once.

    Args:
        run: Whose records; its directory must be locked.
        keep_bytes: How much of the file is kept, whole lines; what follows is cut off.

    Attributes:
        earlier: The records that are kept.
        count: How many there are by now.
        length_bytes: How many bytes they fill.

    Raises:
        RunError: If what is kept are no records of this run's curriculum.
        OSError: If there is no room.
    """

    def __init__(self, run: Run, keep_bytes: int = 0) -> None:
        path = run.directory / RECORDS
        self.earlier: list[Record] = []
        if keep_bytes:
            with path.open("rb") as written:
                self.earlier = _read_records(run, path, written.read(keep_bytes))
        self._file = path.open("ab", buffering=0)
        self.count, self.length_bytes = len(self.earlier), keep_bytes
        self._file.truncate(keep_bytes)

    def append(self, record: Record) -> None:
        """Write a record."""
        line = (json.dumps(to_line(record), allow_nan=False) + "\n").encode()
        append(self._file, line)
        self.count, self.length_bytes = self.count + 1, self.length_bytes + len(line)

    def sync(self) -> None:
        """Wait until the disk has all records."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _read_records(run: Run, path: Path, content: bytes) -> list[Record]:
    records: list[Record] = []
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            record = from_line(json.loads(line))
            _require_of_curriculum(record, run.curriculum)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise RunError(
                f"{path}:{number}: is no record of this run ({error}); train anew with --fresh"
            ) from error
        records.append(record)
    return records


def _require_of_curriculum(record: Record, curriculum: Curriculum) -> None:
    """Refuse names and paths that this curriculum cannot have led to; files are named and drawn after them.

    Raises:
        ValueError: With what is wrong.
    """
    names, network = [task.name for task in curriculum.tasks], curriculum.network
    if not 0 <= record.task_index < len(names) or names[record.task_index] != record.task:
        raise ValueError(f"{record.task!r} is not sub-task {record.task_index} of the curriculum")
    finished = isinstance(record, SubTaskRecord)
    paths = (record.path, record.newly_frozen, record.reused) if finished else (record.best_path,)
    if any(len(path) not in (0, network.layers) for path in paths):  # agents without paths give none
        raise ValueError(f"its path has not {network.layers} layers")
    modules = [module for path in paths[:2] for layer in path for module in layer]
    if not all(0 <= int(module) < network.modules for module in modules):
        raise ValueError(f"its path has modules that are not from 0 to {network.modules - 1}")
