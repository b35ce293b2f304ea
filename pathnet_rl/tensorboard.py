"""TensorBoard: a listener that writes scalars and path pictures, each sub-task against its own steps."""

import os
from collections.abc import Sequence
from io import FileIO
from itertools import count
from pathlib import Path
from socket import gethostname
from time import time

from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # pyright: ignore[reportAttributeAccessIssue]
from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard import summary

from pathnet_rl.durable import append
from pathnet_rl.picture import draw_path, rgb_pixels
from pathnet_rl.records import Evaluation, GenerationRecord, SubTaskRecord
from pathnet_rl.run import EVENTS
from pathnet_rl.settings import NetworkSettings, SubTaskSettings

SCALARS = (
    "success_rate",
    "mean_return",
    "loss",
    "epsilon",
    "level",
    "fitness_best",
    "fitness_median",
    "diversity",
    "reused_modules",
    "failed_members",
    "env_steps_per_s",
)
"""Fields of a generation's record that are drawn, as ``<sub-task>/<field>``."""
_NUMBERS = count()  # so that names differ within a second


class TensorBoardListener:
    """Writes events into the run's directory.

    Scalars ``<sub-task>/...`` are against that sub-task's environment steps, ``evaluation/<sub-task>/...`` and
    the picture ``paths/<sub-task>`` against those of the whole run. All of it follows from the records, which a
    resumed run tells again from the first: the events of before are dropped, so no step is missing or double.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._events: EventFile | None = None
        self._finished: list[SubTaskRecord] = []
        self._network = NetworkSettings()

    def begin(self, curriculum_name: str, tasks: Sequence[SubTaskSettings], network: NetworkSettings) -> None:
        """Remember the network's size, and drop the events of before an interruption."""
        self._network = network
        before = sorted(self._directory.glob(f"{EVENTS}*"))
        self._events = EventFile(self._directory, purge=bool(before))
        for file in before:
            # A TensorBoard that has a file open stays at it for good if it vanishes, and goes on if it ends.
            if file.stat().st_size:
                os.truncate(file, 0)
            else:
                file.unlink()

    def generation(self, record: GenerationRecord) -> None:
        """Write a generation's scalars, its verification, and its decision as text."""
        for name in SCALARS:
            value = getattr(record, name)
            if value is not None:
                self._add(summary.scalar(f"{record.task}/{name}", value), record.env_steps)
        if record.verification is not None:
            self._evaluation(f"{record.task}/verified", record.verification, record.env_steps)
        if record.why is not None:
            self._add(summary.text(f"{record.task}/why", record.why), record.env_steps)

    def sub_task(self, record: SubTaskRecord) -> None:
        """Write a sub-task's evaluation and its path picture."""
        self._finished.append(record)
        self._evaluation(f"evaluation/{record.task}", record.evaluation, record.total_env_steps)
        pixels = rgb_pixels(draw_path(self._network.layers, self._network.modules, self._finished))
        self._add(summary.image(f"paths/{record.task}", pixels, dataformats="HWC"), record.total_env_steps)

    def end(self) -> None:
        """Close the file."""
        if self._events is not None:
            self._events.close()

    def _evaluation(self, name: str, evaluation: Evaluation, step: int) -> None:
        if evaluation.success_rate is not None:
            self._add(summary.scalar(f"{name}/success_rate", evaluation.success_rate), step)
        self._add(summary.scalar(f"{name}/mean_return", evaluation.mean_return), step)

    def _add(self, value: Summary, step: int) -> None:
        assert self._events is not None  # begin comes first
        self._events.add(Event(wall_time=time(), step=step, summary=value))


class EventFile:
    """A file that TensorBoard reads. Unlike its own writer's it is written by the thread that asks.

    A full disk is then an error where it happens, and what was asked for is in the file when the call returns.

    Args:
        directory: Where the file is made.
        purge: Let a TensorBoard that is watching forget what earlier files said.
    """

    def __init__(self, directory: Path, *, purge: bool) -> None:
        name = f"{EVENTS}{int(time()):010d}.{gethostname()}.{os.getpid()}.{next(_NUMBERS)}"
        self._file: FileIO = (directory / name).open("xb", buffering=0)
        self._writer = RecordWriter(self)
        self.add(Event(wall_time=time(), file_version="brain.Event:2"))
        if purge:
            self.add(Event(wall_time=time(), step=0, session_log=SessionLog(status=SessionLog.START)))

    def add(self, event: Event) -> None:
        """Write an event.

        Raises:
            OSError: If there is no room.
        """
        self._writer.write(event.SerializeToString())

    def write(self, content: bytes) -> None:
        """Append bytes; what the record writer calls."""
        append(self._file, content)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
