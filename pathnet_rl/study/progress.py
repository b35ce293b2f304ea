"""The screen of a running study: repeats done by arm, speed, time left, running means."""

import time
from collections import deque
from collections.abc import Iterator
from datetime import timedelta

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from pathnet_rl.study.records import RepeatRecord
from pathnet_rl.study.settings import StudySettings
from pathnet_rl.study.study import Study
from pathnet_rl.study_screen import StudyScreen

SPEED_OVER_S = 20.0
PRINT_EVERY_S = 30.0  # where there is no terminal
UNKNOWN = "-"


class StudyProgress(StudyScreen):
    """Shows where a study stands; a listener of :func:`pathnet_rl.study.study.run_study`.

    Args:
        heading: What runs, where and with what, in one line.
        console: Where to show it; standard output by default.
    """

    def __init__(self, heading: str, console: Console | None = None) -> None:
        super().__init__(heading, console, print_every_s=PRINT_EVERY_S, printed=0.0)
        self._records: dict[str, list[RepeatRecord]] = {}
        self._missing: dict[str, int] = {}
        self._steps: deque[tuple[float, int]] = deque()

    def begin(self, study: Study, done: list[RepeatRecord], missing: dict[str, int]) -> None:
        """Show what is missing."""
        self._settings: StudySettings = study.settings
        for record in done:
            self._records.setdefault(record.arm, []).append(record)
        self._missing = dict(missing)
        self._steps.append((time.monotonic(), 0))
        unasked = [arm for arm in missing if arm not in study.settings.arms]
        if unasked:
            self.heading += f"\n{', '.join(unasked)} runs too: pick+search trains as long as its partner did"
        left = sum(missing.values())
        self._open(f"going on: {len(done)} repeats are done, {left} are missing" if done else None)

    def minibatches(self, done: int) -> None:
        """Count minibatches along a path."""
        now = time.monotonic()
        self._steps.append((now, done))
        while now - self._steps[0][0] > SPEED_OVER_S:
            self._steps.popleft()
        self._refresh()

    def repeat(self, record: RepeatRecord) -> None:
        """Count a finished repeat."""
        self._records.setdefault(record.arm, []).append(record)
        self._missing[record.arm] -= 1
        self._refresh()

    def _lines(self) -> Iterator[str]:
        done = sum(len(records) for records in self._records.values())
        yield f"{done} of {done + sum(self._missing.values())} repeats, {self._speed()}"

    def _view(self) -> Group:
        return Group(Text(self.heading, style="bold", overflow="fold"), self._table(), Text(self._speed()))

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("arm", no_wrap=True)
        for name in ("repeats", "length 1", "length 2", "reuse", "test 1", "test 2"):
            table.add_column(name, justify="right", no_wrap=True)
        for arm in dict.fromkeys([*self._settings.arms, *self._missing, *self._records]):
            records = self._records.get(arm, [])
            total = len(records) + self._missing.get(arm, 0)
            firsts = [record.first for record in records if record.first is not None]
            seconds = [record.second for record in records]
            table.add_row(
                arm,
                f"{len(records)} of {total}",
                _mean([task.generations for task in firsts], ".1f"),
                _mean([task.generations for task in seconds], ".1f"),
                _mean([record.reuse.total for record in records if record.reuse is not None], ".2f"),
                _mean([task.test_accuracy for task in firsts], ".1%"),
                _mean([task.test_accuracy for task in seconds], ".1%"),
            )
        return table

    def _speed(self) -> str:
        """Describe the speed over the last seconds and the time left at that speed."""
        span = time.monotonic() - self._steps[0][0]
        rate = sum(done for _, done in self._steps) / span if span > 1 else 0.0
        if rate == 0:
            return "starting"
        left = self._minibatches_left()
        remaining = UNKNOWN if left is None else f"about {timedelta(seconds=round(left / rate))}"
        return f"{rate:,.0f} path-minibatches/s, {remaining} left"

    def _minibatches_left(self) -> float | None:
        """Estimate from the mean length of the finished repeats, of the same arm where there are any."""
        lengths = {arm: [_evaluations(record) for record in records] for arm, records in self._records.items()}
        every = [length for arm in lengths.values() for length in arm]
        if not every:
            return None
        evaluations = 0.0
        for arm, missing in self._missing.items():
            known = lengths.get(arm) or every
            evaluations += missing * sum(known) / len(known)
        return evaluations * self._settings.training.minibatches


def _evaluations(record: RepeatRecord) -> int:
    return record.second.evaluations + (record.first.evaluations if record.first is not None else 0)


def _mean(values: list[float] | list[int], form: str) -> str:
    return format(sum(values) / len(values), form) if values else UNKNOWN
