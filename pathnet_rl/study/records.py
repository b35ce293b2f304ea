"""Records of the digit study: one durable JSON line a finished repeat."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path as FilePath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pathnet_rl.durable import append


@dataclass(frozen=True)
class LearnedTask:
    """What a repeat came to on one task.

    Attributes:
        path: Active modules by layer; None where the arm has no paths.
        fitness: Training accuracy of its last evaluation, from 0 to 1.
        solved: Whether the threshold was reached; if not, the limit ended it and its length is censored.
        evaluations: Evaluations until then; a generation of a search takes two.
        average_training: Mean training counter of the path's modules.
        test_accuracy: Share of test images classified correctly.
        curve: Images classified correctly in every evaluation; a search's come in pairs, a generation each.
    """

    path: list[list[int]] | None
    fitness: float | None
    solved: bool
    evaluations: int
    average_training: float
    test_accuracy: float
    curve: list[list[float | None]]

    @property
    def generations(self) -> int:
        """Generations of a search; evaluations of what trains alone."""
        return len(self.curve)


@dataclass(frozen=True)
class Reuse:
    """Modules in both paths."""

    total: int
    by_layer: list[int]


@dataclass(frozen=True)
class RepeatRecord:
    """One finished repeat; it depends on the study's seed, the arm and the index alone, but for ``wall_s``.

    Attributes:
        arm: Which arm.
        index: Which repeat of it.
        sequence: Which pair of tasks.
        first: The first task; None for an arm without one.
        second: The second task.
        reuse: Modules in both paths; None where there are no two paths.
        first_test_after: The first task's test accuracy after the second was learned.
        wall_s: Seconds from its start to its end, beside others.
    """

    arm: str
    index: int
    sequence: int
    first: LearnedTask | None
    second: LearnedTask
    reuse: Reuse | None
    first_test_after: float | None
    wall_s: float = 0.0


_ADAPTER = TypeAdapter(RepeatRecord)


class RepeatFile:
    """``repeats.jsonl``: appended to, and safe on the disk after every line.

    Args:
        file: Need not exist yet. A last line that an interruption left unfinished is cut off.

    Raises:
        ValueError: If an earlier line is damaged; the message names it.
    """

    def __init__(self, file: FilePath) -> None:
        self.records, whole = read_repeats(file)
        self._file = file.open("ab", buffering=0)
        self._file.truncate(whole)

    def append(self, record: RepeatRecord) -> None:
        """Write a repeat down and wait until the disk has it."""
        line = json.dumps(to_line(record), allow_nan=False, separators=(",", ":"))
        append(self._file, f"{line}\n".encode())
        os.fsync(self._file.fileno())
        self.records.append(record)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def to_line(record: RepeatRecord) -> dict[str, Any]:
    """Return plain data, whole counts as integers."""
    data = asdict(record)
    for task in (data["first"], data["second"]):
        if task is not None:
            task["curve"] = [[None if count is None else int(count) for count in each] for each in task["curve"]]
    return data


def read_repeats(file: FilePath) -> tuple[list[RepeatRecord], int]:
    """Return the finished repeats and how many bytes of the file they fill.

    Raises:
        ValueError: If a line that was finished is damaged.
    """
    content = file.read_bytes() if file.exists() else b""
    whole = content.rfind(b"\n") + 1
    records: list[RepeatRecord] = []
    for number, line in enumerate(content[:whole].splitlines(), start=1):
        try:
            records.append(_ADAPTER.validate_json(line))
        except ValidationError as error:
            raise ValueError(f"{file}:{number}: is damaged; delete the line and the repeat runs again") from error
    return records, whole
