"""Patience: how long a step may take, and how many failures of environments are borne."""

import signal
import threading
import time
from collections import deque
from types import FrameType, TracebackType

from pathnet_rl.agent import AgentError

HOUR_S = 3600.0


class TooManyFailures(AgentError):
    """Environments failed more often than is borne; the message has the last failure."""


class Patience:
    """Entered around a step or a reset of lanes: raises ``TimeoutError`` in an environment that is at it too late.

    It is done by a timer's signal, which Python answers in its main thread alone, and only between two of its own
    instructions: elsewhere, and within compiled code that never returns, nothing is interrupted, unless the
    environment is a :class:`pathnet_agents.isolated_env.IsolatedEnv`, which only waits for an answer.

    Args:
        step_timeout_s: Seconds; 0 for no limit.
        failures_per_hour: Failures within an hour that are borne.
    """

    def __init__(self, step_timeout_s: float = 60.0, failures_per_hour: int = 10) -> None:
        self.step_timeout_s, self.failures_per_hour = step_timeout_s, failures_per_hour
        self._times: deque[float] = deque()
        self._armed = False

    def count(self, failure: str) -> None:
        """Count a failure that has just been.

        Raises:
            TooManyFailures: If there are more than are borne.
        """
        now = time.monotonic()
        self._times.append(now)
        while now - self._times[0] > HOUR_S:
            self._times.popleft()
        if len(self._times) > self.failures_per_hour:
            raise TooManyFailures(f"{len(self._times)} environments failed within an hour; the last: {failure}")

    def __enter__(self) -> None:
        self._armed = self.step_timeout_s > 0 and threading.current_thread() is threading.main_thread()
        if self._armed:
            self._before = signal.signal(signal.SIGALRM, self._late)
            signal.setitimer(signal.ITIMER_REAL, self.step_timeout_s, self.step_timeout_s)  # for the next one, too

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._armed:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)

    def _late(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        raise TimeoutError(f"no answer within {self.step_timeout_s:g} s")
