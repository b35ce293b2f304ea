"""From what size on a CUDA device is faster than one thread of the CPU: updates, and the digit study.

    python tests/benchmarks/cuda_speed.py

Both take turns in one program, in wall-clock; medians over rounds. Run it on a machine that does nothing else.
"""

from turns import Measure, take_turns  # isort: skip - it must come before NumPy

import argparse
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from path_minibatches import make_shift
from update_cost import update

from pathnet_rl.device import make_reproducible

DEVICES = ("cpu", "cuda")
UPDATES = [(1, 64), (8, 64), (64, 64), (256, 64), (1, 512), (8, 512), (64, 512)]
SLOTS = (16, 64, 256)


def wall_s(device: str, run: Callable[[], object], times: int) -> float:
    """Return the seconds of one of the steps that a run makes, until the device has done them."""
    torch.use_deterministic_algorithms(device == "cuda")  # as the commands do
    began = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / times


def learning(device: str, updates: int, paths: int, units: int) -> Measure:
    """Return the cost of one update of double DQN, two layers, along all paths."""
    updates = max(3, min(updates, updates * 8 * 64**2 // (paths * units**2)))  # fewer of the larger
    return update(updates, paths, units=units, device=device, clock=partial(wall_s, device))


def digits(device: str, slots: int) -> Measure:
    """Return the cost of one minibatch along one path of the digit study, in one process."""
    shift = make_shift(slots=slots, device=device)
    return lambda: wall_s(device, shift.step, slots * shift.study.training.minibatches)


def main() -> None:
    """Print medians and how many times as fast CUDA is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=60, help="updates of a small variant in a round")
    arguments = parser.parse_args()
    make_reproducible("cuda")
    makers: dict[str, Callable[[str], Measure]] = {
        f"update, {paths} paths, {units} units": partial(
            learning, updates=arguments.updates, paths=paths, units=units
        )
        for paths, units in UPDATES
    }
    makers |= {f"digits, {slots} slots, a path-minibatch": partial(digits, slots=slots) for slots in SLOTS}
    variants = {f"{name} on {device}": make(device) for name, make in makers.items() for device in DEVICES}
    measured = take_turns(variants, arguments.rounds)
    print(f"{torch.cuda.get_device_name()}, Torch {torch.__version__}; microseconds, medians of {arguments.rounds}")
    for name in makers:
        cpu, cuda = (measured[f"{name} on {device}"] for device in DEVICES)
        ratio = median(a / b for a, b in zip(cpu, cuda, strict=True))
        took = f"cpu {median(cpu) * 1e6:9,.1f}, cuda {median(cuda) * 1e6:9,.1f}"
        print(f"{name:36} {took}: {ratio:.2f} times as fast")


if __name__ == "__main__":
    main()
