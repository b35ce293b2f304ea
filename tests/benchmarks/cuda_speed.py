"""From what size on a CUDA device is faster than one thread of the CPU: updates, and the digit study.

    python tests/benchmarks/cuda_speed.py

All take turns in one program, in wall-clock; medians over rounds. "Launched one by one" is without graphs.
Run it on a machine that does nothing else.
"""

from turns import Measure, ratio, take_turns, wall_s  # isort: skip - it must come before NumPy

import argparse
from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from path_minibatches import make_shift
from update_cost import update

from pathnet_rl.device import make_reproducible

ONE_BY_ONE = "cuda, launched one by one"
DEVICES = ("cpu", "cuda", ONE_BY_ONE)
UPDATES = [(1, 64), (8, 64), (64, 64), (256, 64), (1, 512), (8, 512), (64, 512)]
SLOTS = (16, 64, 256)


def as_commands_do(device: str, run: Callable[[], object], times: int) -> float:
    """Return the seconds of one of the steps that a run makes."""
    torch.use_deterministic_algorithms(device == "cuda")
    return wall_s(run, times)


def learning(variant: str, updates: int, paths: int, units: int) -> Measure:
    """Return the cost of one update of double DQN, two layers, along all paths."""
    updates = max(3, min(updates, updates * 8 * 64**2 // (paths * units**2)))  # fewer of the larger
    device = variant.split(",", maxsplit=1)[0]
    return update(
        updates,
        paths,
        units=units,
        device=device,
        clock=partial(as_commands_do, device),
        graphed=variant != ONE_BY_ONE,
    )


def digits(device: str, slots: int) -> Measure:
    """Return the cost of one minibatch along one path of the digit study, in one process."""
    shift = make_shift(slots=slots, device=device)
    return lambda: as_commands_do(device, shift.step, slots * shift.study.training.minibatches)


def main() -> None:
    """Print medians and how many times as fast CUDA is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=60, help="updates of a small variant in a round")
    arguments = parser.parse_args()
    make_reproducible("cuda")
    variants: dict[str, Measure] = {
        f"update, {paths} paths, {units} units on {device}": learning(device, arguments.updates, paths, units)
        for paths, units in UPDATES
        for device in DEVICES
    }
    variants |= {
        f"digits, {slots} slots, a path-minibatch on {device}": digits(device, slots)
        for slots in SLOTS
        for device in ("cpu", "cuda")
    }
    measured = take_turns(variants, arguments.rounds)
    print(f"{torch.cuda.get_device_name()}, Torch {torch.__version__}; microseconds, medians of {arguments.rounds}")
    for name, seconds in measured.items():
        on_cpu = f"{name.rpartition(' on ')[0]} on cpu"
        print(f"{name:60} {median(seconds) * 1e6:9,.1f}: {ratio(measured, on_cpu, name)} times as fast as the CPU")
    eight, one = (f"update, {paths} paths, 64 units on cuda" for paths in (8, 1))
    print(f"8 paths / 1 path: {ratio(measured, eight, one)}")


if __name__ == "__main__":
    main()
