"""The screen of a curriculum's study: repeats done by arm, where each worker is, time passed."""

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from pathnet_rl.console import number
from pathnet_rl.study_screen import StudyScreen
from pathnet_rl.transfer.arms import ARMS
from pathnet_rl.transfer.repeats import Repeat
from pathnet_rl.transfer.study import TransferStudy
from pathnet_rl.transfer.worker import Failed, Finished, Position

PRINT_EVERY_S = 60.0  # where there is no terminal


class TransferProgress(StudyScreen):
    """Shows where a study stands; a listener of :func:`pathnet_rl.transfer.study.run_study`.

    Args:
        heading: What runs, where and with what, in one line.
        asked: The arms that were asked for; the study may need more.
        console: Where to show it; standard output by default.
    """

    def __init__(self, heading: str, asked: Sequence[str], console: Console | None = None) -> None:
        super().__init__(heading, console, print_every_s=PRINT_EVERY_S)
        self._asked = asked
        self._positions: dict[int, Position] = {}
        self._finished: list[Finished | Repeat] = []
        self._here, self._failed = 0, 0  # finished and failed since this process began
        self._started = time.monotonic()

    def begin(self, study: TransferStudy, done: Sequence[tuple[str, int]]) -> None:
        """Show what is missing."""
        self._study, self._done = study, list(done)
        self._finished += study.finished()
        for arm in study.arms:
            if arm not in self._asked:
                waiting = ", ".join(name for name in self._asked if ARMS[name].needs == arm)
                self.heading += f"\n{arm} runs too: {waiting} takes as many environment steps as its run did"
        missing = self._total - len(done)
        self._open(f"going on: {len(done)} runs are done, {missing} are missing" if done else None)

    @property
    def _total(self) -> int:
        return len(self._study.arms) * self._study.repeats

    def position(self, position: Position) -> None:
        """Note where a worker is."""
        self._positions[position.worker] = position
        self._refresh()

    def repeat(self, finished: Finished) -> None:
        """Count a finished run."""
        self._positions.pop(finished.worker, None)
        self._finished.append(finished)
        self._here += 1
        self._done.append((finished.arm, finished.index))
        if self._live is None:
            self._say(f"{self._name(finished)} done in {_time(finished.wall_s)}: {_outcome(finished)}")
        self._refresh()

    def failed(self, failed: Failed) -> None:
        """Forget where it was, and say at once that it is lost; why comes at the end."""
        self._positions.pop(failed.worker, None)
        self._failed += 1
        if self._live is None:
            self._say(f"{self._name(failed)} failed")
        self._refresh()

    def end(self) -> None:
        """Leave the last view on the screen; nobody is anywhere any more."""
        self._positions.clear()
        super().end()

    def _lines(self) -> Iterator[str]:
        yield self._passed()
        for position in self._positions.values():
            yield f"  {self._place(position)}"

    def _view(self) -> Group:
        workers = [Text(self._place(position), overflow="fold") for position in self._positions.values()]
        return Group(
            Text(self.heading, style="bold", overflow="fold"), self._table(), *workers, Text(self._passed())
        )

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("arm", no_wrap=True)
        for name in ("runs", "mastered", "return, last sub-task", "env steps", "time"):
            table.add_column(name, justify="right", no_wrap=True)
        for arm in self._study.arms:
            done = sum(name == arm for name, _ in self._done)
            finished = [each for each in self._finished if each.arm == arm]
            tasks = [task for each in finished for task in each.tasks]
            table.add_row(
                arm,
                f"{done} of {self._study.repeats}",
                f"{sum(task.mastered for task in tasks)} of {len(tasks)}" if tasks else "-",
                number(_mean([each.tasks[-1].evaluation.mean_return for each in finished]), ".4g"),
                number(_mean([float(each.tasks[-1].total_env_steps) for each in finished]), ",.0f"),
                "-" if not finished else _time(sum(each.wall_s for each in finished) / len(finished)),
            )
        return table

    def _place(self, position: Position) -> str:
        mean_return = number(position.mean_return, ".4g")
        return (
            f"{self._name(position)}: {position.task} {position.env_steps:,} of {position.budget_env_steps:,} "
            f"environment steps, {position.env_steps_per_s:,.0f} a second, return {mean_return}"
        )

    def _name(self, of: Position | Finished | Failed) -> str:
        return f"{of.arm} seed {self._study.curriculum.seed + of.index}"

    def _passed(self) -> str:
        """Describe the time passed, and about how much is left at the pace so far."""
        passed = time.monotonic() - self._started
        left = ""
        if self._here and len(self._done) < self._total:
            left = f", about {_time(passed / self._here * (self._total - len(self._done)))} left"
        lost = f", {self._failed} failed" if self._failed else ""
        return f"{len(self._done)} of {self._total} runs{lost}, {_time(passed)} passed{left}"


def _outcome(finished: Finished) -> str:
    last = finished.tasks[-1]
    mastered = sum(task.mastered for task in finished.tasks)
    return (
        f"{mastered} of {len(finished.tasks)} mastered, {last.task} returns {last.evaluation.mean_return:.4g} "
        f"after {last.total_env_steps:,} environment steps"
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _time(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
