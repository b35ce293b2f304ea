"""What one update of double DQN costs: by paths trained together, modules a layer, and beside its parts.

    python tests/benchmarks/update_cost.py

"By Torch's graph" is the same loss and step with the forward pass in Torch's single operations and its autograd;
"products alone" is the matrix products that an update cannot do without. 64 transitions a path, drawn before.
"A twelfth column" of the progressive control takes from its replay what the eleven earlier ones give.
"Compiled" (--compiled, which needs a C++ compiler) is the very same update given to ``torch.compile``.
"""

from turns import Clock, Measure, cpu_s, ratio, take_turns  # isort: skip - it must come before NumPy

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from statistics import median

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import huber_loss

from pathnet_agents.double_dqn import temporal_differences
from pathnet_agents.progressive import Columns
from pathnet_agents.replay import Sample
from pathnet_agents.transfer import Plan
from pathnet_rl.graphed import Graphed
from pathnet_rl.network import PathNet
from pathnet_rl.optimizer import Adam
from pathnet_rl.passes import product, side_by_side
from pathnet_rl.paths import random_paths
from pathnet_rl.rng import numpy_generator, torch_generator
from pathnet_rl.settings import NetworkSettings, SearchSettings
from pathnet_rl.shapes import dense_layers
from pathnet_rl.working_set import WorkingSet

BATCH, ACTIVE, ACTIONS, INPUTS, MAX_NORM, POPULATION = 64, 3, 4, 8, 10.0, 8


def setting(
    paths: int, modules: int, units: int, layers: int, device: str = "cpu"
) -> tuple[WorkingSet, list[Tensor], list[Sample]]:
    """Return random paths, a target network and transitions."""
    adam, generators = Adam(5e-4), [torch_generator(0, 0, "benchmark")]
    net = PathNet(
        dense_layers(INPUTS, units, layers),
        modules=modules,
        active=ACTIVE,
        generators=generators,
        state_names=adam.state_names,
        device=device,
    )
    net.add_heads("task", paths, ACTIONS, generators)
    drawn = random_paths(paths, layers, modules, ACTIVE, numpy_generator(0, 0, "benchmark"))
    working = WorkingSet(net, "task", drawn[None], np.arange(paths)[None], adam)
    return working, working.copy_values(), draw_samples(paths, generators[0], device)


def draw_samples(paths: int, generator: torch.Generator, device: str = "cpu") -> list[Sample]:
    """Return transitions to learn from."""

    def sample() -> Sample:
        observation, following = torch.randn(2, paths, BATCH, INPUTS, generator=generator)
        action = torch.randint(ACTIONS, (paths, BATCH), generator=generator)
        reward = torch.randn(paths, BATCH, generator=generator)
        parts = (observation, action, reward, following, torch.full((paths, BATCH), 0.99))
        return Sample(*(part.to(device) for part in parts))

    return [sample() for _ in range(50)]


def update(  # noqa: PLR0913 - what is updated, where, and by which clock
    updates: int,
    paths: int,
    modules: int = 40,
    *,
    units: int = 64,
    layers: int = 2,
    device: str = "cpu",
    clock: Clock = cpu_s,
    compiled: bool = False,
    graphed: bool = True,
) -> Measure:
    """Return the cost of one update of all paths, which agents give to a CUDA device as a graph."""
    working, target, samples = setting(paths, modules, units, layers, device)

    def learn(*parts: Tensor) -> tuple[Tensor]:
        sample = Sample(*parts)
        differences = temporal_differences(working, target, sample)
        losses, gradient = differences.loss(sample)
        working.step(differences.run, gradient, max_norm=MAX_NORM)
        return (losses,)

    def on_parts(sample: Sample) -> None:
        once(sample.observation, sample.action, sample.reward, sample.next_observation, sample.discount)

    once = Graphed(learn, device) if graphed else learn
    if compiled:
        once, began = torch.compile(learn, dynamic=False), time.perf_counter()
        on_parts(samples[0])
        print(f"{paths} paths, compiled in {time.perf_counter() - began:.0f} s of wall-clock", flush=True)
    return repeated(on_parts, samples, updates, clock)


def column(updates: int, *, earlier: int, encoded: bool) -> Measure:
    """Return the cost of an update of a progressive network's column, as wide as paths of three layers of 32."""
    network, adam = NetworkSettings(layers=3, active=ACTIVE, units=32), Adam(5e-4)
    columns = Columns(Plan(network, SearchSettings(), INPUTS, ACTIONS, 0, adam.state_names, "cpu"))
    for index in range(earlier + 1):
        columns.begin(f"task {index}", index)
    learner = columns.gather(f"task {earlier}", columns.propose(None), np.array([0]), adam)
    target, samples = learner.copy_values(), draw_samples(1, torch_generator(0, 0, "benchmark"))
    if encoded:
        samples = [
            replace(
                sample,
                observation=columns.encode(sample.observation[0])[None],
                next_observation=columns.encode(sample.next_observation[0])[None],
            )
            for sample in samples
        ]

    def learn(sample: Sample) -> None:
        differences = temporal_differences(learner, target, sample)
        learner.step(differences.run, differences.loss(sample)[1])

    return repeated(learn, samples, updates)


def by_graph(updates: int, paths: int, modules: int = 40) -> Measure:
    """Return the cost of the same update where Torch keeps the graph of every operation."""
    working, target, samples = setting(paths, modules, 64, 2)
    rule = working.optimizer
    assert rule is not None

    def forward(inputs_gbi: Tensor, values: list[Tensor]) -> Tensor:
        hidden_gbi = inputs_gbi
        slots = working._slots_gn  # pyright: ignore[reportPrivateUsage] - how the paths share rows
        for values_ruio, slots_gn in zip(values[:-1], slots, strict=True):
            outputs_gro = product(hidden_gbi, side_by_side(values_ruio, slots_gn)).relu()
            hidden_gbi = outputs_gro.unflatten(-1, (-1, values_ruio.shape[-1])).sum(-2)
        return product(hidden_gbi, values[-1].flatten(0, 1))

    def learn(sample: Sample) -> None:
        with torch.no_grad():
            later = forward(sample.next_observation, target)
            best = forward(sample.next_observation, working.values).argmax(-1, keepdim=True)
            wanted = sample.reward + sample.discount * later.gather(-1, best)[..., 0]
        leaves = [value.detach().requires_grad_() for value in working.values]
        value = forward(sample.observation, leaves).gather(-1, sample.action[..., None])[..., 0]
        loss = huber_loss(value, wanted, reduction="none").mean(-1).sum()
        gradients = list(torch.autograd.grad(loss, leaves))
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients]))
        scale = (MAX_NORM / (norm + 1e-6)).clamp(max=1.0)
        for counted in working.updates:
            counted.add_(1)
        rule.step(working.values, [gradient * scale for gradient in gradients], working.state, working.updates)

    return repeated(learn, samples, updates)


def products(updates: int, paths: int) -> Measure:
    """Return the cost of an update's matrix products alone: three runs forward and one backward."""
    units, layers = 64, 2
    shapes = [(INPUTS if layer == 0 else units, ACTIVE * units) for layer in range(layers)] + [(units, ACTIONS)]
    inputs = [torch.randn(paths, BATCH, given + 1) for given, _ in shapes]
    matrices = [torch.randn(paths, given + 1, wide) for given, wide in shapes]
    deltas = [torch.randn(paths, BATCH, wide) for _, wide in shapes]

    def multiply() -> None:
        for _ in range(updates):
            for layer, (rows, matrix, delta) in enumerate(zip(inputs, matrices, deltas, strict=True)):
                for _run in range(3):
                    torch.bmm(rows, matrix)
                torch.bmm(rows.mT, delta)
                if layer:
                    torch.bmm(delta, matrix.mT)

    return lambda: cpu_s(multiply, updates)


def repeated(learn: Callable[[Sample], None], samples: list[Sample], updates: int, clock: Clock = cpu_s) -> Measure:
    """Return the cost of one of many updates, each on the next sample."""
    following = cycle(samples)

    def run() -> None:
        for _ in range(updates):
            learn(next(following))

    return lambda: clock(run, updates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--updates", type=int, default=60, help="updates of a variant in a round")
    parser.add_argument("--threads", type=int, default=1, help="more than one take more CPU time than they save")
    parser.add_argument("--compiled", action="store_true", help="what torch.compile makes of it, too")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    many = arguments.updates
    variants = {
        **{f"1 path, {modules} modules": update(many, 1, modules) for modules in (10, 40, 100)},
        **{f"8 paths, {modules} modules": update(many, POPULATION, modules) for modules in (10, 40, 100)},
        "1 path, by Torch's graph": by_graph(many, 1),
        "8 paths, by Torch's graph": by_graph(many, POPULATION),
        "1 path, products alone": products(many, 1),
        "8 paths, products alone": products(many, POPULATION),
        "1 path, 3 layers of 32": update(many, 1, units=32, layers=3),
        "8 paths, 3 layers of 32": update(many, POPULATION, units=32, layers=3),
        "a first column": column(many, earlier=0, encoded=True),
        "a twelfth column": column(many, earlier=11, encoded=True),
        "a twelfth column, all computed": column(many, earlier=11, encoded=False),
    }
    compiled = {"1 path": 1, "8 paths": POPULATION} if arguments.compiled else {}
    variants |= {f"{name}, compiled": update(many, paths, compiled=True) for name, paths in compiled.items()}
    measured = take_turns(variants, arguments.rounds)
    print("one update, double DQN and Adam, 2 layers of 64 units and 40 modules unless it says otherwise")
    for name, seconds in measured.items():
        print(f"{name:32} {median(seconds) * 1e6:7.0f} us ({min(seconds) * 1e6:.0f} to {max(seconds) * 1e6:.0f})")
    for one, other in (
        ("1 path, 100 modules", "1 path, 10 modules"),
        ("8 paths, 100 modules", "8 paths, 10 modules"),
        ("8 paths, 40 modules", "1 path, 40 modules"),
        ("8 paths, products alone", "1 path, products alone"),
        ("8 paths, 3 layers of 32", "1 path, 3 layers of 32"),
        ("1 path, by Torch's graph", "1 path, 40 modules"),
        ("8 paths, by Torch's graph", "8 paths, 40 modules"),
        ("a twelfth column, all computed", "a twelfth column"),
        ("a twelfth column", "1 path, 3 layers of 32"),
        *((f"{name}, 40 modules", f"{name}, compiled") for name in compiled),
    ):
        print(f"{one} / {other}: {ratio(measured, one, other)}")


if __name__ == "__main__":
    main()
