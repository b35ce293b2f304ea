"""A crew: worker processes that take jobs and hand back results; none is left behind, whoever dies."""

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from multiprocessing.context import SpawnProcess
from typing import Any

PATIENCE_S = 0.5  # between two looks whether anyone is still there


class WorkerDied(Exception):
    """A worker process that ended by itself."""


class JobsFailed(Exception):
    """Jobs that ended with an error, after all others are done; the message has a paragraph for each."""


class Crew:
    """Some worker processes and their queues; a context manager that never leaves a process behind.

    Args:
        work: What a process runs, at the top of a module: takes ``arguments``, a queue of jobs and one of results.
        arguments: Are handed to every process.
        processes: How many.
    """

    def __init__(self, work: Callable[..., None], arguments: tuple[Any, ...], *, processes: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._jobs: Any = context.Queue()
        self._results: Any = context.Queue()
        everything = (*arguments, self._jobs, self._results)
        # No daemons: those may not have processes of their own, which isolated environments are.
        self._processes: list[SpawnProcess] = [
            context.Process(target=work, args=everything) for _ in range(processes)
        ]

    def __enter__(self) -> "Crew":
        """Start the processes."""
        for process in self._processes:
            process.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes, finished or not."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()

    def give(self, job: Any) -> None:
        """Put a job into the queue."""
        self._jobs.put(job)

    def results(self) -> Iterator[Any]:
        """Yield what the workers put into the queue of results, and None while nothing happens.

        Raises:
            WorkerDied: If a process has ended.
        """
        while True:
            try:
                yield self._results.get(timeout=PATIENCE_S)
            except queue.Empty:
                for process in self._processes:
                    if not process.is_alive():
                        message = f"a worker process ended with status {process.exitcode}; what is finished is kept"
                        raise WorkerDied(message) from None
                yield None


def leave_with_parent() -> None:
    """Leave Ctrl-C to the parent, and end this process at the moment in which the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
