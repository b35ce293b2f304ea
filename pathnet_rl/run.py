"""Run: one directory with everything a training left behind, none of it a pickle."""

import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

from pathnet_rl.curriculum import Curriculum
from pathnet_rl.records import GenerationRecord, SubTaskRecord, to_line
from pathnet_rl.settings import NetworkSettings, SubTaskSettings

CONFIG, RECORDS, PICTURES = "config.json", "records.jsonl", "paths"
PACKAGES = ("pathnet-rl", "gymnasium", "box2d", "torch", "numpy", "stable-baselines3")


class RunError(Exception):
    """A run directory that cannot be made or read; the message names it and the remedy."""


@dataclass(frozen=True)
class Run:
    """A run's directory and the curriculum it trains."""

    directory: Path
    curriculum: Curriculum

    @classmethod
    def create(cls, directory: Path, curriculum: Curriculum, *, device: str, fresh: bool = False) -> "Run":
        """Make the directory and write down what is about to run.

        Args:
            directory: Must not exist yet.
            curriculum: The resolved curriculum.
            device: Torch device that is used.
            fresh: Take the first free name of ``NAME``, ``NAME-2``, ``NAME-3`` and so on.

        Raises:
            RunError: If the directory exists (and ``fresh`` is not set) or cannot be made.
        """
        chosen = _first_free(directory) if fresh else directory
        if chosen.exists():
            raise RunError(f"{chosen} exists already; give another --out, or --fresh for {_first_free(chosen)}")
        try:
            (chosen / PICTURES).mkdir(parents=True)
        except OSError as error:
            raise RunError(f"{chosen} cannot be made: {error.strerror}; give another --out") from error
        config = {
            "curriculum": curriculum.to_dict(),
            "device": device,
            "command": sys.argv,
            "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        }
        (chosen / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        return cls(chosen, curriculum)

    @classmethod
    def open(cls, directory: Path) -> "Run":
        """Open what :meth:`create` made.

        Raises:
            RunError: If this is no run directory.
        """
        config = directory / CONFIG
        if not config.is_file():
            raise RunError(f"{directory} is no run: {CONFIG} is missing; give a directory that `train` wrote")
        try:
            stored = json.loads(config.read_text(encoding="utf-8"))["curriculum"]
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f"{config} is damaged: {error!r}; train again into another directory") from error
        return cls(directory, Curriculum.from_dict(stored, source=str(config)))


def _first_free(directory: Path) -> Path:
    number, candidate = 1, directory
    while candidate.exists():
        number += 1
        candidate = directory.with_name(f"{directory.name}-{number}")
    return candidate


class RecordFile:
    """A listener that appends every record to ``records.jsonl``, one JSON object a line, at once."""

    def __init__(self, directory: Path) -> None:
        self._file: TextIO = (directory / RECORDS).open("x", encoding="utf-8")

    def begin(self, curriculum_name: str, tasks: Sequence[SubTaskSettings], network: NetworkSettings) -> None:
        """Nothing to write before the first record."""

    def generation(self, record: GenerationRecord) -> None:
        """Append a generation."""
        self._write(to_line(record))

    def sub_task(self, record: SubTaskRecord) -> None:
        """Append a finished sub-task."""
        self._write(to_line(record))

    def end(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, allow_nan=False) + "\n")
        self._file.flush()
