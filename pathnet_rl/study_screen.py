"""The screen of a running study: a live view, or a line now and then where there is no terminal."""

import time
from collections.abc import Iterator

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

REFRESHES_PER_S = 4


class StudyScreen:
    """Shows what a subclass puts into its view, table and lines.

    Args:
        heading: What runs, where and with what, in one line.
        console: Where to show it; standard output by default.
        print_every_s: Seconds between two looks at the lines where there is no terminal.
        printed: When the lines were last told, by the monotonic clock; by default now.
    """

    def __init__(
        self, heading: str, console: Console | None, *, print_every_s: float, printed: float | None = None
    ) -> None:
        self.heading, self._console, self._print_every_s = heading, console or Console(), print_every_s
        self._live: Live | None = None
        self._printed = time.monotonic() if printed is None else printed

    def _view(self) -> Group:
        """Return all that a terminal shows."""
        raise NotImplementedError

    def _table(self) -> Table:
        """Return what stays when the study is over."""
        raise NotImplementedError

    def _lines(self) -> Iterator[str]:
        """Yield what is told now and then where there is no terminal."""
        raise NotImplementedError

    def _open(self, going_on: str | None) -> None:
        """Open the display, or print the heading and how a study that was begun goes on."""
        if self._console.is_terminal:
            self._live = Live(self._view(), console=self._console, refresh_per_second=REFRESHES_PER_S)
            self._live.start()
            return
        self._say(self.heading)
        if going_on is not None:
            self._say(going_on)

    def idle(self) -> None:
        """Show that time passes."""
        self._refresh()

    def end(self) -> None:
        """Leave the last view on the screen."""
        if self._live is not None:
            self._live.update(self._view())
            self._live.stop()
        else:
            self._console.print(self._table())

    def _refresh(self) -> None:
        if self._live is not None:
            self._live.update(self._view())
        elif time.monotonic() - self._printed > self._print_every_s:
            self._printed = time.monotonic()
            for line in self._lines():
                self._say(line)

    def _say(self, line: str) -> None:
        self._console.print(line, soft_wrap=True, highlight=False, markup=False)
