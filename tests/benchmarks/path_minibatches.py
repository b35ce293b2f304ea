"""Path-minibatches per second of the digit study, beside a plain implementation and the matrix products alone.

    python tests/benchmarks/path_minibatches.py

Everything runs in turns within one program; figures are medians over rounds. Plain: modules are `nn.Linear`, one
path after another, autograd and `torch.optim.SGD`, as public implementations do it, with the number of threads
that suits it best. Products: the same `bmm` calls as one process of the study makes, forward and backward, on
ready tensors. Two processes: what `pathnet-rl study` runs on two cores.
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial, reduce
from multiprocessing.connection import Connection

import torch
from torch import Tensor, nn

from pathnet_rl.paths import EMPTY, Path, random_paths
from pathnet_rl.rng import numpy_generator
from pathnet_rl.study.digits import DigitTask, make_tasks
from pathnet_rl.study.settings import StudySettings, load_study
from pathnet_rl.study.workers import Job, Shift

ROUNDS, SLOTS, EVALUATIONS = 5, 16, 4
MODULES = (10, 25, 50, 100)


class PlainPathNet(nn.Module):
    """The usual implementation: a list of modules a layer, a path runs them one by one."""

    def __init__(self, study: StudySettings) -> None:
        super().__init__()
        network = study.network
        widths = [784] + [network.units] * (network.layers - 1)
        self.layers = [[nn.Linear(width, network.units) for _ in range(network.modules)] for width in widths]
        self.head = nn.Linear(network.units, study.classes)

    def forward(self, images: Tensor, path: Path) -> Tensor:
        hidden = images
        for layer, genes in zip(self.layers, path, strict=True):
            hidden = reduce(torch.add, (torch.relu(layer[module](hidden)) for module in genes if module != EMPTY))
        return self.head(hidden)

    def parameters_of(self, path: Path) -> Iterator[nn.Parameter]:
        for layer, genes in zip(self.layers, path, strict=True):
            for module in genes:
                if module != EMPTY:
                    yield from layer[module].parameters()
        yield from self.head.parameters()


def plain_rate(study: StudySettings, task: DigitTask, threads: int) -> float:
    """Train random paths one after another; return minibatches a second."""
    torch.set_num_threads(threads)
    rng = numpy_generator(0, 0, "benchmark")
    network, training = study.network, study.training
    net = PlainPathNet(study)
    paths = random_paths(EVALUATIONS, network.layers, network.modules, network.active, rng)
    pixels, classes = task.train_pixels.float(), task.train_classes
    started = time.perf_counter()
    for path in paths:
        optimizer = torch.optim.SGD(net.parameters_of(path), lr=training.learning_rate)
        for rows in rng.integers(task.train_images, size=(training.minibatches, training.batch_images)):
            chosen = torch.from_numpy(rows)
            loss = nn.functional.cross_entropy(net(pixels[chosen], path), classes[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    rate = len(paths) * training.minibatches / (time.perf_counter() - started)
    torch.set_num_threads(1)
    return rate


def make_shift(modules: int = 10, slots: int = SLOTS, device: str = "cpu") -> Shift:
    """Return a process's repeats, warmed up, with nothing that could finish."""
    study = load_study("mnist_first_path", [f"network.modules={modules}", "search.threshold=1.0"])
    shift = Shift(study, slots, device)
    for index in range(slots):
        shift.start(Job("search+search", index))
    shift.step()
    return shift


def shift_rate(shift: Shift) -> float:
    """Run some evaluations of every slot; return minibatches a second."""
    before, started = shift.minibatches, time.perf_counter()
    for _ in range(EVALUATIONS):
        shift.step()
    return (shift.minibatches - before) / (time.perf_counter() - started)


def product_rate(study: StudySettings) -> float:
    """Make the products of one step of all slots, again and again; return path-minibatches a second."""
    batch, width = study.training.batch_images, study.network.active * study.network.units
    sizes = [(785, width), (study.network.units + 1, width), (study.network.units + 1, width)]
    sizes.append((study.network.units + 1, study.classes))
    layers = [
        (torch.randn(SLOTS, batch, i), torch.randn(SLOTS, i, o), torch.randn(SLOTS, batch, o)) for i, o in sizes
    ]
    steps = EVALUATIONS * study.training.minibatches
    started = time.perf_counter()
    for _ in range(steps):
        for at, (inputs, matrix, gradient) in enumerate(layers):
            torch.bmm(inputs, matrix)
            torch.bmm(inputs.transpose(1, 2), gradient)
            if at:  # the images need no gradient
                torch.bmm(gradient, matrix.transpose(1, 2))
    return steps * SLOTS / (time.perf_counter() - started)


def _serve(connection: Connection) -> None:
    torch.set_num_threads(1)
    shift = make_shift()
    while connection.recv():
        connection.send(shift_rate(shift))


def two_process_rate(connections: Sequence[Connection]) -> float:
    """Let both processes run at the same time; return their rates together."""
    for connection in connections:
        connection.send(True)
    return sum(connection.recv() for connection in connections)


def main() -> None:
    """Measure in turns and print medians with their range, and ratios within rounds."""
    torch.set_num_threads(1)
    study = load_study("mnist_first_path")
    ((task, _),) = make_tasks(study.digits, study.sequences, study.seed)
    shifts = {modules: make_shift(modules) for modules in MODULES}
    context = multiprocessing.get_context("spawn")
    connections: list[Connection] = []
    for _ in range(2):
        here, there = context.Pipe()
        context.Process(target=_serve, args=(there,), daemon=True).start()
        connections.append(here)
    two_process_rate(connections)  # wait until both are ready
    rows: dict[str, Callable[[], float]] = {
        "plain, 1 thread": lambda: plain_rate(study, task, 1),
        "plain, 2 threads": lambda: plain_rate(study, task, 2),
    }
    rows["products alone, 1 process"] = lambda: product_rate(study)
    for modules, shift in shifts.items():
        rows[f"study, 1 process, M={modules}"] = partial(shift_rate, shift)
    rows["study, 2 processes, M=10"] = lambda: two_process_rate(connections)
    rates: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(ROUNDS):
        for name, measure in rows.items():
            rates[name].append(measure())
    print("path-minibatches/s, median (min to max)")
    for name, values in rates.items():
        print(f"{name:28} {statistics.median(values):8,.0f} ({min(values):,.0f} to {max(values):,.0f})")
    plain = max(("plain, 1 thread", "plain, 2 threads"), key=lambda name: statistics.median(rates[name]))
    one = "study, 1 process, M=10"
    print("ratios within rounds, median")
    for name, over in (
        ("study, 2 processes, M=10", plain),
        (one, plain),
        (one, "products alone, 1 process"),
        *((f"study, 1 process, M={modules}", one) for modules in MODULES[1:]),
    ):
        ratio = statistics.median(a / b for a, b in zip(rates[name], rates[over], strict=True))
        print(f"{name} / {over}: {ratio:.2f}")
    for connection in connections:
        connection.send(False)


if __name__ == "__main__":
    main()
