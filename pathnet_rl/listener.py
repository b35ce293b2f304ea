"""Listener: hears of a run's records, and shows or stores them."""

from collections.abc import Sequence
from typing import Protocol

from pathnet_rl.records import GenerationRecord, SubTaskRecord
from pathnet_rl.settings import NetworkSettings, SubTaskSettings


class Listener(Protocol):
    """Told of everything a training does, in order; it changes nothing.

    A resumed training tells everything from the beginning.
    """

    def begin(self, curriculum_name: str, tasks: Sequence[SubTaskSettings], network: NetworkSettings) -> None:
        """Hear what is about to be learned."""
        ...

    def generation(self, record: GenerationRecord) -> None:
        """Hear of a generation."""
        ...

    def sub_task(self, record: SubTaskRecord) -> None:
        """Hear of a finished sub-task."""
        ...

    def end(self) -> None:
        """Hear that nothing more comes, however the training ended."""
        ...
