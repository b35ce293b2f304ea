"""Interruption: Ctrl-C and SIGTERM end a program in order; a second one ends it at once."""

import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

SHOW_CURSOR = "\x1b[?25h"  # a live display hides it
AGAIN_S = 0.01  # until a signal that was answered in a destructor is sent once more


class Interrupted(KeyboardInterrupt):
    """Raised in the midst of whatever runs; ``status`` is the exit status that shells know."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number, self.status = number, 128 + number


@contextmanager
def interruptible() -> Generator[None]:
    """Raise :class:`Interrupted` at the first SIGINT or SIGTERM, and leave at once at the second.

    A signal that is ignored, as SIGINT in a shell's background, stays ignored. What is raised in a destructor, of
    which Box2D has many, Python discards; the signal is then sent once more.
    """
    came = False

    def answer(number: int, frame: Any) -> None:
        nonlocal came
        if came:
            _leave(128 + number)
        came = True
        raise Interrupted(number)

    def discarded(what: "sys.UnraisableHookArgs") -> None:
        nonlocal came
        if isinstance(what.exc_value, Interrupted):
            came = False
            threading.Timer(AGAIN_S, os.kill, (os.getpid(), what.exc_value.number)).start()
        else:
            hook(what)

    numbers = [each for each in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(each) is not signal.SIG_IGN]
    hook, sys.unraisablehook = sys.unraisablehook, discarded
    before = {number: signal.signal(number, answer) for number in numbers}
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(status: int) -> None:
    if sys.stdout.isatty():
        os.write(sys.stdout.fileno(), f"{SHOW_CURSOR}\n".encode())
    os._exit(status)
