"""Paired timing: variants take turns, on one thread, in CPU seconds of this process.

CPU time is wall-clock on an idle machine and does not count what others take of a busy one. Import this first: it
tells OpenBLAS not to spin.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy, whose threads would spin and be counted

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from time import perf_counter, process_time
from typing import Any

import torch

Measure = Callable[[], float]
"""Runs a variant for a while and returns its CPU seconds for one step, or one update."""

Clock = Callable[[Callable[[], Any], int], float]
"""Runs something and returns the seconds of one of the steps that it makes, such as :func:`cpu_s`."""


def cpu_s(run: Callable[[], Any], times: int) -> float:
    """Return the CPU seconds of one of the steps that a run makes."""
    began = process_time()
    run()
    return (process_time() - began) / times


def wall_s(run: Callable[[], Any], times: int) -> float:
    """Return the wall-clock seconds of one of the steps that a run makes, until a CUDA device has done them."""
    began = perf_counter()
    run()
    torch.cuda.synchronize()
    return (perf_counter() - began) / times


def clock_for(device: str) -> Clock:
    """Return what times a device: beside CUDA the CPU waits, and its seconds say little."""
    return wall_s if device == "cuda" else cpu_s


def take_turns(variants: Mapping[str, Measure], rounds: int) -> dict[str, list[float]]:
    """Measure every variant once a round, after one that does not count."""
    measured: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds + 1):
        for name, measure in variants.items():
            seconds = measure()
            if number:
                measured[name].append(seconds)
    return measured


def ratio(measured: Mapping[str, Sequence[float]], one: str, other: str) -> str:
    """Return how many times as long one variant takes as another, by rounds."""
    ratios = [a / b for a, b in zip(measured[one], measured[other], strict=True)]
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
