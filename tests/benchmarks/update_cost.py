"""What one update costs: by paths trained together, batch, modules a layer and threads.

    python tests/benchmarks/update_cost.py

Every figure is the median over rounds in which all variants take turns.
"""

from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np
import torch

from pathnet_agents.double_dqn import double_dqn_loss
from pathnet_agents.replay import Sample
from pathnet_rl.network import PathNet
from pathnet_rl.optimizer import Adam
from pathnet_rl.paths import random_paths
from pathnet_rl.rng import numpy_generator, torch_generator
from pathnet_rl.shapes import dense_layers
from pathnet_rl.working_set import WorkingSet

ROUNDS, UPDATES = 9, 40
# (paths, batch, modules, threads)
VARIANTS = [(1, 128, 40, 1), (1, 128, 40, 2), (8, 64, 10, 1), (8, 64, 40, 1), (8, 64, 100, 1), (8, 64, 40, 2)]


def make_update(paths: int, batch: int, modules: int) -> Callable[[], object]:
    """Return a function that makes one update, on random transitions."""
    adam = Adam(5e-4)
    generators = [torch_generator(0, 0, "benchmark")]
    net = PathNet(
        dense_layers(8, 32, 3),
        modules=modules,
        active=3,
        generators=generators,
        state_names=adam.state_names,
    )
    net.add_heads("task", paths, 4, generators)
    drawn = random_paths(paths, 3, modules, 3, numpy_generator(0, 0, "benchmark"))
    working = WorkingSet(net, "task", drawn[None], np.arange(paths)[None], adam)
    target = working.copy_values()
    observation, following = torch.randn(2, paths, batch, 8, generator=generators[0])
    action = torch.randint(4, (paths, batch), generator=generators[0])
    reward = torch.randn(paths, batch, generator=generators[0])
    sample = Sample(observation, action, reward, following, torch.full((paths, batch), 0.99))
    return lambda: working.step(double_dqn_loss(working, target, sample).sum())


def main() -> None:
    """Print one line a variant."""
    updates = {variant: make_update(*variant[:3]) for variant in VARIANTS}
    times: dict[tuple[int, int, int, int], list[float]] = {variant: [] for variant in VARIANTS}
    for _ in range(ROUNDS):
        for variant, update in updates.items():
            torch.set_num_threads(variant[3])
            update()
            started = perf_counter()
            for _ in range(UPDATES):
                update()
            times[variant].append((perf_counter() - started) / UPDATES * 1e3)
    print("paths batch modules threads  ms/update (min to max)")
    for variant, measured in times.items():
        paths, batch, modules, threads = variant
        print(
            f"{paths:5} {batch:5} {modules:7} {threads:7}  {median(measured):.2f} "
            f"({min(measured):.2f} to {max(measured):.2f})"
        )


if __name__ == "__main__":
    main()
