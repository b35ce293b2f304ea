"""The screen: one live display while training, plain lines where there is no terminal, tables at the end."""

import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import zip_longest

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pathnet_envs import CatalogueRow
from pathnet_rl.evaluation import outcome, success
from pathnet_rl.key_reference import Key
from pathnet_rl.records import Evaluation, GenerationRecord, SubTaskRecord
from pathnet_rl.settings import NetworkSettings, SubTaskSettings

REFRESHES_PER_S = 4
QUIET_S = 30  # without a terminal, at most about so long without a line
UNKNOWN = "-"


class ConsoleListener:
    """Shows where a training stands.

    Args:
        heading: What is trained, where and with what, in one line.
        console: Where to show it; standard output by default.
        known: How many records come first that are no news, since they were made before.
    """

    def __init__(self, heading: str, console: Console | None = None, *, known: int = 0) -> None:
        self._heading, self._console, self._known = heading, console or Console(), known
        self._said = time.monotonic()
        self._live: Live | None = None
        self._tasks: Sequence[SubTaskSettings] = ()
        self._latest: dict[str, GenerationRecord] = {}
        self._finished: dict[str, SubTaskRecord] = {}

    def begin(self, curriculum_name: str, tasks: Sequence[SubTaskSettings], network: NetworkSettings) -> None:
        """Open the display, or print the heading where there is no terminal."""
        self._tasks = tasks
        if self._console.is_terminal:
            self._live = Live(self._view(), console=self._console, refresh_per_second=REFRESHES_PER_S)
            self._live.start()
        else:
            self._say(self._heading)

    def generation(self, record: GenerationRecord) -> None:
        """Show a generation; without a terminal what was decided in it, and now and then where it stands."""
        self._latest[record.task] = record
        if self._live is not None:
            self._live.update(self._view())
        elif self._is_news():
            if record.why is not None:
                self._say(f"{record.task} {record.env_steps:,}: {record.why}")
            elif time.monotonic() - self._said >= QUIET_S:
                self._say(f"{_standing(record)}, {_practised(record)}")

    def sub_task(self, record: SubTaskRecord) -> None:
        """Show a finished sub-task."""
        self._finished[record.task] = record
        if self._live is not None:
            self._live.update(self._view())
        else:
            done = "done" if self._is_news() else "done before"
            figures = f"{outcome(record.evaluation, interval=False)} on other seeds"
            self._say(f"{record.task} {done}: {verdict(record)}, {figures}, {record.env_steps:,} environment steps")

    def _is_news(self) -> bool:
        """Count a record, and say whether it has just been made."""
        self._known -= 1
        return self._known < 0

    def end(self) -> None:
        """Leave the last view on the screen."""
        if self._live is not None:
            self._live.stop()

    def _say(self, line: str) -> None:
        self._said = time.monotonic()
        self._console.print(line, soft_wrap=True, highlight=False, markup=False)

    def _view(self) -> Group:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("sub-task", "state"):
            table.add_column(name, no_wrap=True)
        for name in ("env steps", "success", "return", "fitness", "reused", "level"):
            table.add_column(name, justify="right", no_wrap=True)
        for task in self._tasks:
            table.add_row(*self._row(task))
        return Group(Text(self._heading, style="bold", overflow="fold"), table, *self._now())

    def _row(self, task: SubTaskSettings) -> list[str]:
        latest, finished = self._latest.get(task.name), self._finished.get(task.name)
        if latest is None:
            begun = len(self._latest) == len(self._finished) == self._tasks.index(task)
            return [task.name, "first flights" if begun else "waiting", f"of {task.budget_env_steps:,}"]
        state = {"search": "searching", "consolidate": "consolidating"}[latest.phase]
        state = verdict(finished) if finished else state
        reused = sum(sum(layer.values()) for layer in finished.reused) if finished else latest.reused_modules
        rate = finished.evaluation.success_rate if finished else latest.success_rate
        mean_return = finished.evaluation.mean_return if finished else latest.mean_return
        return [
            task.name,
            state,
            f"{latest.env_steps:,}",
            number(rate, ".0%"),
            number(mean_return, ".4g"),
            number(latest.fitness_best, ".4g"),
            str(reused),
            number(latest.level, ".1f"),
        ]

    def _now(self) -> list[Text]:
        """Describe the sub-task that is being learned."""
        running = [record for name, record in self._latest.items() if name not in self._finished]
        if not running:
            return []
        record = running[-1]
        left = timedelta(seconds=round(self._env_steps_left(record) / max(record.env_steps_per_s, 1e-9)))
        lines = [f"{_standing(record)}, epsilon {record.epsilon:.2f}, at most {left} left for all"]
        if record.why is not None:
            lines.append(record.why)
        return [Text(line, overflow="fold") for line in lines]

    def _env_steps_left(self, record: GenerationRecord) -> int:
        later = sum(task.budget_env_steps for task in self._tasks[record.task_index + 1 :])
        return max(record.budget_env_steps - record.env_steps, 0) + later


def _standing(record: GenerationRecord) -> str:
    budget = max(record.budget_env_steps, record.env_steps)  # the last generation is a whole one
    steps = f"{record.env_steps:,} of {budget:,} environment steps"
    return f"{record.task}: {steps}, {record.env_steps_per_s:,.0f} a second"


def _practised(record: GenerationRecord) -> str:
    return f"success {number(record.success_rate, '.0%')}, return {number(record.mean_return, '.4g')} in training"


def verdict(record: SubTaskRecord) -> str:
    """Say in a word or two how a sub-task ended."""
    return "mastered" if record.mastered else "not mastered"


def number(value: float | None, form: str) -> str:
    """Format a number that may not be there."""
    return UNKNOWN if value is None else format(value, form)


def summary_table(records: Iterable[SubTaskRecord]) -> Table:
    """Return what a training found, sub-task by sub-task: held-out success, path, reuse, capacity."""
    table = Table(
        title="Sub-tasks, over 100 greedy episodes on other held-out seeds",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    for name in ("sub-task", "layer", "path"):
        table.add_column(name, no_wrap=True)
    table.add_column("reused, from whom")
    table.add_column("new", justify="right", no_wrap=True)
    for record in records:
        figures = [
            record.task if record.mastered else f"{record.task}: not mastered",
            outcome(record.evaluation, interval=False),
            f"{record.env_steps:,} steps, {record.wall_s:.0f} s",
        ]
        layers = [
            (str(number), " ".join(map(str, modules)), reuse(reused), str(len(new)))
            for number, (modules, reused, new) in enumerate(
                zip(record.path, record.reused, record.newly_frozen, strict=True), start=1
            )
        ]
        # A row a layer, so that a cell that wraps moves all of its layer.
        for figure, layer in zip_longest(figures, layers):
            table.add_row(figure or "", *(layer or ("",) * 4))
        table.add_section()
    return table


def reuse(layer: dict[str, int]) -> str:
    """Spell how many modules of a layer were reused, and from which sub-tasks.

    Example:
        >>> reuse({"hover": 2, "upright": 1})
        '3: hover 2, upright 1'
    """
    if not layer:
        return "0"
    return f"{sum(layer.values())}: " + ", ".join(f"{name} {count}" for name, count in layer.items())


def evaluation_table(rows: Iterable[tuple[str, Evaluation]]) -> Table:
    """Return the figures of held-out episodes, a row a sub-task."""
    table = Table(
        title="Greedy episodes on held-out seeds, with 95% intervals", title_justify="left", box=SIMPLE_HEAD
    )
    table.add_column("sub-task", no_wrap=True)
    for name in ("episodes", "success", "mean return", "mean steps"):
        table.add_column(name, justify="right")
    for task, evaluation in rows:
        low, high = evaluation.return_interval
        table.add_row(
            task,
            str(evaluation.episodes),
            success(evaluation),
            f"{evaluation.mean_return:.4g} ({low:.4g} to {high:.4g})",
            f"{evaluation.mean_episode_steps:.1f}",
        )
    return table


def keys_table(keys: Iterable[Key]) -> Table:
    """Return the keys of a curriculum file with what they may be, their defaults and meanings."""
    table = Table(box=SIMPLE_HEAD, padding=0)
    table.add_column("key", no_wrap=True)
    for name in ("may be", "default", "meaning"):
        table.add_column(name, overflow="fold")
    for key in keys:
        table.add_row(key.place, key.allowed, key.default, key.says)
    return table


def environments_table(rows: Iterable[CatalogueRow]) -> Table:
    """Return the sub-tasks that can be learned, and how often random actions and a controller succeed in them.

    At most 100 columns wide on any screen.
    """
    title = "Sub-tasks at full difficulty, in observation units; 50 steps are a second"
    caption = "random, scripted: success of random actions and of a controller on held-out seeds; --json says more"
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left", box=SIMPLE_HEAD)
    table.padding = 0  # the box has a space between columns; more of them would cut words on 80 columns
    table.add_column("id", no_wrap=True)
    table.add_column("sub-goal", max_width=20)
    table.add_column("start", max_width=24)
    for name in ("steps", "random", "scripted"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        measured = row.baselines
        rates = (None, None) if measured is None else (measured.random.rate, measured.scripted.rate)
        figures = (f"{row.horizon_steps}", *(number(rate, ".0%") for rate in rates))
        table.add_row(row.env_id, row.goal, row.start, *figures)
    return table
