"""Signals wherever they come."""

import os
import signal
import time

import pytest

from pathnet_rl.interruption import Interrupted, interruptible


class Destroyed:
    """Is sent a signal while it is destroyed, where Python discards what is raised."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        os.kill(os.getpid(), self.number)
        for _ in range(1000):
            pass


@pytest.fixture
def heeded():
    """Let SIGINT be heeded, which a shell makes what it starts in the background ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_is_answered_in_a_destructor_is_not_lost(number):
    with pytest.raises(Interrupted) as raised, interruptible():  # noqa: PT012 - what comes meanwhile
        destroyed = Destroyed(number)
        del destroyed
        time.sleep(5)
    assert raised.value.status == 128 + number


def test_what_else_is_discarded_goes_to_the_hook_of_before(monkeypatch):
    class Broken:
        def __del__(self):
            raise ValueError("in a destructor")

    seen = []
    monkeypatch.setattr("sys.unraisablehook", seen.append)
    with interruptible():
        Broken()
    assert [str(each.exc_value) for each in seen] == ["in a destructor"]
