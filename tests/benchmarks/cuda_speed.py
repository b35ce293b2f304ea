"""From what size on a CUDA device is faster than one thread of the CPU: updates, and the digit study.

    python tests/benchmarks/cuda_speed.py

Both take turns in one program, in wall-clock; medians over rounds. Run it on a machine that does nothing else.
"""

from turns import Measure, take_turns  # isort: skip - it must come before NumPy

import argparse
import time
from collections.abc import Callable
from itertools import cycle
from statistics import median

import torch
from path_minibatches import make_shift
from update_cost import MAX_NORM, setting

from pathnet_agents.double_dqn import temporal_differences
from pathnet_rl.device import make_reproducible

DEVICES = ("cpu", "cuda")
UPDATES = [(1, 64), (8, 64), (64, 64), (256, 64), (1, 512), (8, 512), (64, 512)]
SLOTS = (16, 64, 256)


def wall_s(run: Callable[[], object], device: str, times: int) -> float:
    """Return the seconds of one of the steps that a run makes, until the device has done them."""
    torch.use_deterministic_algorithms(device == "cuda")  # as the commands do
    began = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / times


def update(device: str, paths: int, units: int, updates: int) -> Measure:
    """Return the cost of one update of double DQN, two layers, along all paths."""
    working, target, samples = setting(paths, 40, units, 2, device)
    following = cycle(samples)
    updates = max(3, min(updates, updates * 8 * 64**2 // (paths * units**2)))  # fewer of the larger

    def run() -> None:
        for _ in range(updates):
            sample = next(following)
            differences = temporal_differences(working, target, sample)
            working.step(differences.run, differences.loss(sample)[1], max_norm=MAX_NORM)

    return lambda: wall_s(run, device, updates)


def digits(device: str, slots: int) -> Measure:
    """Return the cost of one minibatch along one path of the digit study, in one process."""
    shift = make_shift(slots=slots, device=device)
    return lambda: wall_s(shift.step, device, slots * shift.study.training.minibatches)


def main() -> None:
    """Print medians and how many times as fast CUDA is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=60, help="updates of a small variant in a round")
    arguments = parser.parse_args()
    make_reproducible("cuda")
    variants = {
        **{
            (f"update, {paths} paths, {units} units", device): update(device, paths, units, arguments.updates)
            for paths, units in UPDATES
            for device in DEVICES
        },
        **{
            (f"digits, {slots} slots, a path-minibatch", device): digits(device, slots)
            for slots in SLOTS
            for device in DEVICES
        },
    }
    names = {" on ".join(name): name for name in variants}
    measured = take_turns({key: variants[name] for key, name in names.items()}, arguments.rounds)
    print(f"{torch.cuda.get_device_name()}, Torch {torch.__version__}; microseconds, medians of {arguments.rounds}")
    for name in dict.fromkeys(name for name, _ in variants):
        cpu, cuda = (measured[f"{name} on {device}"] for device in DEVICES)
        ratio = median(a / b for a, b in zip(cpu, cuda, strict=True))
        took = ", ".join(f"{device} {median(measured[f'{name} on {device}']) * 1e6:9,.1f}" for device in DEVICES)
        print(f"{name:36} {took}: {ratio:.2f} times as fast")


if __name__ == "__main__":
    main()
