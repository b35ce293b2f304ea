"""TensorBoard: a listener that writes scalars and path pictures, each sub-task against its own steps."""

from collections.abc import Sequence
from pathlib import Path

from torch.utils.tensorboard.writer import SummaryWriter

from pathnet_rl.picture import draw_path, rgb_pixels
from pathnet_rl.records import Evaluation, GenerationRecord, SubTaskRecord
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


class TensorBoardListener:
    """Writes events into the run's directory.

    Scalars ``<sub-task>/...`` are against that sub-task's environment steps, ``evaluation/<sub-task>/...`` and
    the picture ``paths/<sub-task>`` against those of the whole run.
    """

    def __init__(self, directory: Path) -> None:
        self._writer = SummaryWriter(str(directory))
        self._finished: list[SubTaskRecord] = []
        self._network = NetworkSettings()

    def begin(self, curriculum_name: str, tasks: Sequence[SubTaskSettings], network: NetworkSettings) -> None:
        """Remember the network's size."""
        self._network = network

    def generation(self, record: GenerationRecord) -> None:
        """Write a generation's scalars, its verification, and its decision as text."""
        for name in SCALARS:
            value = getattr(record, name)
            if value is not None:
                self._writer.add_scalar(f"{record.task}/{name}", value, record.env_steps)
        if record.verification is not None:
            self._evaluation(f"{record.task}/verified", record.verification, record.env_steps)
        if record.why is not None:
            self._writer.add_text(f"{record.task}/why", record.why, record.env_steps)

    def sub_task(self, record: SubTaskRecord) -> None:
        """Write a sub-task's evaluation and its path picture."""
        self._finished.append(record)
        self._evaluation(f"evaluation/{record.task}", record.evaluation, record.total_env_steps)
        figure = draw_path(self._network.layers, self._network.modules, self._finished)
        pixels = rgb_pixels(figure)
        self._writer.add_image(f"paths/{record.task}", pixels, record.total_env_steps, dataformats="HWC")
        self._writer.flush()

    def end(self) -> None:
        """Write out what is left and close the file."""
        self._writer.close()

    def _evaluation(self, name: str, evaluation: Evaluation, step: int) -> None:
        self._writer.add_scalar(f"{name}/success_rate", evaluation.success_rate, step)
        self._writer.add_scalar(f"{name}/mean_return", evaluation.mean_return, step)
