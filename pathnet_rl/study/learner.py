"""Learners: many repeats of the study trained side by side, a slot each; none can notice its neighbours.

The products of a batch are computed slot by slot, in an order that depends on the shapes alone, so a repeat's
numbers are the same to the bit in any slot and beside any others (tests/pathnet_rl/study/test_learner.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pathnet_rl.graphed import Graphed
from pathnet_rl.network import PathNet
from pathnet_rl.optimizer import SGD
from pathnet_rl.paths import Path
from pathnet_rl.rng import torch_generator
from pathnet_rl.study.columns import Columns
from pathnet_rl.study.digits import DigitTask
from pathnet_rl.study.settings import StudySettings
from pathnet_rl.working_set import WorkingSet

HEADS = "tasks"  # one head a task, side by side
TASKS = 2


@dataclass(frozen=True)
class Training:
    """One evaluation that a repeat asks for.

    Attributes:
        task: 0 or 1, the first or the second task.
        images: Which training images, ``(minibatches, batch)``.
        path: What is trained; None where the learner has no paths.
    """

    task: int
    images: NDArray[np.int64]
    path: Path | None = None


class Learner(Protocol):
    """Trains the repeats of its slots."""

    slots: int
    images: "Images"

    def restart(self, slot: int, sequence: int, index: int) -> None:
        """Put a new repeat into a slot: the tasks of this sequence, the initial weights of this index."""
        ...

    def train(self, slots: Sequence[int], trainings: Sequence[Training]) -> NDArray[np.float64]:
        """Run one evaluation in each of these slots.

        Returns:
            Images classified correctly while training, before the step they served, ``(slots,)``; not a number
            where weights have left the finite.
        """
        ...


class Images:
    """The images of all tasks in one tensor, so that slots with different tasks read one minibatch together."""

    def __init__(self, sequences: Sequence[tuple[DigitTask, DigitTask]]) -> None:
        tasks = [task for pair in sequences for task in pair]
        self.sequences = sequences
        self.pixels = torch.cat([task.train_pixels for task in tasks])
        self.classes = torch.cat([task.train_classes for task in tasks])
        lengths = [0, *(task.train_images for task in tasks)]
        self.offsets: NDArray[np.int64] = np.cumsum(lengths)[:-1].reshape(-1, TASKS)

    def batches(self, sequences: NDArray[np.int64], trainings: Sequence[Training]) -> tuple[Tensor, Tensor]:
        """Return where each slot's images lie and their classes, ``(minibatches, slots, batch)``."""
        offsets = self.offsets[sequences, [training.task for training in trainings]]
        rows = np.stack([training.images for training in trainings], axis=1) + offsets[:, None]
        places = torch.from_numpy(rows).to(self.pixels.device)
        return places, self.classes[places]

    def read(self, places: Tensor) -> Tensor:
        """Return pixels ``(..., 784)`` as float32, 0 to 255."""
        return self.pixels.index_select(0, places.flatten()).float().unflatten(0, places.shape)


def summed_loss(outputs_gbo: Tensor, classes_gb: Tensor) -> Tensor:
    """Return the cross-entropy, a mean over each slot's minibatch and a sum over slots."""
    batch = classes_gb.shape[-1]
    return functional.cross_entropy(outputs_gbo.flatten(0, -2), classes_gb.flatten(), reduction="sum") / batch


def hits(outputs: Tensor, classes: Tensor) -> Tensor:
    """Count correct answers over the last axis."""
    return (outputs.argmax(-1) == classes).sum(-1)


class PathLearner:
    """Repeats that train paths: a replica of one :class:`PathNet` each."""

    kind: ClassVar[str] = "paths"

    def __init__(self, study: StudySettings, images: Images, slots: int, device: str = "cpu") -> None:
        self.study, self.images, self.slots = study, images, slots
        placeholder = [torch.Generator() for _ in range(slots)]
        network = study.network
        self.net = PathNet(
            network.shapes(),
            modules=network.modules,
            active=network.active,
            generators=placeholder,
            device=device,
        )
        self.net.add_heads(HEADS, TASKS, study.classes, placeholder)
        self._sequence: NDArray[np.int64] = np.zeros(slots, dtype=np.int64)

    def restart(self, slot: int, sequence: int, index: int) -> None:
        """Give the slot new modules and heads; see :class:`Learner`."""
        self._sequence[slot] = sequence
        self.net.restart(torch_generator(self.study.seed, index, "modules"), replica=slot)
        self.net.restart_head(HEADS, torch_generator(self.study.seed, index, "heads"), replica=slot)

    def train(self, slots: Sequence[int], trainings: Sequence[Training]) -> NDArray[np.float64]:
        """Train the paths asked for; see :class:`Learner`."""
        of = np.array(slots)
        paths = np.stack([training.path for training in trainings if training.path is not None])[:, None]
        heads = np.array([[training.task] for training in trainings])
        working = WorkingSet(self.net, HEADS, paths, heads, SGD(self.study.training.learning_rate), of)
        places_tgb, classes_tgb = self.images.batches(self._sequence[of], trainings)
        correct = torch.zeros(len(slots), dtype=torch.int64, device=places_tgb.device)

        def learn(places_gb: Tensor, classes_gb: Tensor) -> tuple[()]:
            run = working.run(self.images.read(places_gb)[:, None])
            outputs_gbo = run.outputs.squeeze(1).requires_grad_()
            (gradient_gbo,) = torch.autograd.grad(summed_loss(outputs_gbo, classes_gb), outputs_gbo)
            working.step(run, gradient_gbo[:, None])
            correct.add_(hits(outputs_gbo, classes_gb))
            return ()

        once = Graphed(learn, places_tgb.device)
        for places_gb, classes_gb in zip(places_tgb, classes_tgb, strict=True):
            once(places_gb, classes_gb)
        working.write_back()
        working.count_evaluation()
        return np.where(working.finite_rp()[:, 0], correct.cpu().numpy(), np.nan)

    @torch.inference_mode()
    def test_accuracy(self, slot: int, task: int, path: Path) -> float:
        """Return the share of a task's test images that a path classifies correctly."""
        digits = self.images.sequences[self._sequence[slot]][task]
        working = WorkingSet(self.net, HEADS, path[None, None], np.array([[task]]), of=np.array([slot]))
        outputs = working.forward(digits.test_pixels.float()[None, None])[0, 0]
        return float(hits(outputs, digits.test_classes)) / len(digits.test_classes)


class ColumnLearner:
    """Repeats that train a Progressive Network, a column a task."""

    kind: ClassVar[str] = "columns"

    def __init__(self, study: StudySettings, images: Images, slots: int, device: str = "cpu") -> None:
        self.study, self.images, self.slots = study, images, slots
        network = study.network
        self.columns = Columns(
            network.shapes(), widen=network.active, columns=TASKS, outputs=study.classes, slots=slots, device=device
        )
        self._sequence: NDArray[np.int64] = np.zeros(slots, dtype=np.int64)

    def restart(self, slot: int, sequence: int, index: int) -> None:
        """Give the slot new columns; see :class:`Learner`."""
        self._sequence[slot] = sequence
        self.columns.restart(slot, torch_generator(self.study.seed, index, "columns"))

    def train(self, slots: Sequence[int], trainings: Sequence[Training]) -> NDArray[np.float64]:
        """Train the task's column, which is alike in all slots; those with another task take their turn after."""
        counts = np.empty(len(slots))
        for task in range(TASKS):
            chosen = [at for at, training in enumerate(trainings) if training.task == task]
            if chosen:
                of = np.array([slots[at] for at in chosen])
                counts[chosen] = self._train_column(task, of, [trainings[at] for at in chosen])
        return counts

    def _train_column(
        self, column: int, of: NDArray[np.int64], trainings: Sequence[Training]
    ) -> NDArray[np.float64]:
        values = self.columns.gather(of)
        places_tgb, classes_tgb = self.images.batches(self._sequence[of], trainings)
        correct = torch.zeros(len(of), dtype=torch.int64, device=places_tgb.device)
        own = values[column]
        for tensor in own:
            tensor.requires_grad_()
        for places_gb, classes_gb in zip(places_tgb, classes_tgb, strict=True):
            outputs_gbo = self.columns.forward(values, column, self.images.read(places_gb))
            gradients = torch.autograd.grad(summed_loss(outputs_gbo, classes_gb), own)
            SGD(self.study.training.learning_rate).step(own, list(gradients), {}, [])
            correct += hits(outputs_gbo, classes_gb)
        self.columns.write_back(column, of, own)
        finite = torch.stack([torch.isfinite(tensor).flatten(1).all(1) for tensor in own]).all(0)
        return np.where(finite.cpu().numpy(), correct.cpu().numpy(), np.nan)

    @torch.inference_mode()
    def test_accuracy(self, slot: int, task: int) -> float:
        """Return the share of a task's test images that its column classifies correctly."""
        digits = self.images.sequences[self._sequence[slot]][task]
        values = self.columns.gather(np.array([slot]))
        outputs = self.columns.forward(values, task, digits.test_pixels.float()[None])[0]
        return float(hits(outputs, digits.test_classes)) / len(digits.test_classes)
