"""Saving: keeps an agent's state after its latest record, and writes it down when it is time."""

import time
from dataclasses import dataclass
from pathlib import Path

from pathnet_rl.agent import Agent
from pathnet_rl.checkpoint import Snapshot, write_checkpoint
from pathnet_rl.records import GenerationRecord, Record, SubTaskRecord
from pathnet_rl.run import RECORDS, RecordFile

LARGEST_SHARE = 0.005  # of the run's time, for copying and for writing each; both together stay under 1%
ALLOWANCE_S = 0.5  # beyond it, so that one slow copy early in a run does not leave the next records uncopied


@dataclass(frozen=True)
class Pace:
    """How often a checkpoint is written: whichever comes first; at the end of a sub-task always.

    Attributes:
        minutes: Since the last one; longer where writing takes more than its share of the time.
        env_steps: Since the last one, exactly; None for no such limit.
        keeps_learned: Keep those at the ends of sub-tasks for good, so that other runs can begin with them.
    """

    minutes: float = 1.0
    env_steps: int | None = None
    keeps_learned: bool = False


class Saver:
    """Knows the agent as it stood after a record, whatever it is doing now.

    Args:
        run: The run's directory.
        agent: Whose state is kept.
        records: What was recorded so far.
        pace: How often a checkpoint is written.
    """

    def __init__(self, run: Path, agent: Agent, records: RecordFile, pace: Pace) -> None:
        self._run, self._agent, self._records, self._pace = run, agent, records, pace
        self._snapshot: Snapshot | None = None
        self._copied = _Spending()
        self._written = _Spending()
        self._written_env_steps = records.earlier[-1].total_env_steps if records.earlier else 0

    def after(self, record: Record) -> None:
        """Copy the agent's state after a record, and write it down if it is time.

        Raises:
            OSError: If there is no room.
        """
        due = self._is_due(record)
        if due or self._copied.is_affordable():
            with self._copied:
                self._snapshot = Snapshot.of(
                    self._agent.checkpoint(),
                    records=self._records.count,
                    env_steps=record.total_env_steps,
                    lengths_bytes={RECORDS: self._records.length_bytes},
                    learned=self._pace.keeps_learned and isinstance(record, SubTaskRecord),
                )
        if due:
            self.save()
            self._written_env_steps = record.total_env_steps

    def save(self) -> None:
        """Write down the latest copy, if there is one.

        Raises:
            OSError: If there is no room; the checkpoints before are whole.
        """
        if self._snapshot is not None:
            with self._written:
                self._records.sync()
                write_checkpoint(self._run, self._snapshot)

    def _is_due(self, record: Record) -> bool:
        if not isinstance(record, GenerationRecord):
            return True
        steps = record.total_env_steps - self._written_env_steps
        if self._pace.env_steps is not None and steps >= self._pace.env_steps:
            return True
        return self._written.ago_s >= 60 * self._pace.minutes and self._written.is_affordable()


class _Spending:
    """The time that something has taken so far, and how long ago it ended; a context manager around doing it."""

    def __init__(self) -> None:
        self._first = self._ended = time.perf_counter()
        self._spent_s = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._ended = time.perf_counter()
        self._spent_s += self._ended - self._began

    @property
    def ago_s(self) -> float:
        return time.perf_counter() - self._ended

    def is_affordable(self) -> bool:
        """Say whether all so far took no more than its share of the time."""
        return self._spent_s <= LARGEST_SHARE * (time.perf_counter() - self._first) + ALLOWANCE_S
