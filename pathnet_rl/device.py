"""Devices: which one Torch computes on, and how a process is set up for it."""

import os

import torch


class DeviceError(Exception):
    """A device that is not there; the message says what is."""


def choose_device(asked: str) -> str:
    """Return the Torch device for ``auto``, ``cpu`` or ``cuda``.

    Raises:
        DeviceError: If ``cuda`` is asked for and there is none; nothing falls back in silence.
    """
    available = torch.cuda.is_available()
    if asked == "auto":
        return "cuda" if available else "cpu"
    if asked == "cuda" and not available:
        raise DeviceError("--device cuda: Torch sees no CUDA device here; use --device cpu or auto")
    return asked


def make_reproducible(device: str) -> None:
    """Set this process up, for good, for results that depend on the seed alone.

    Modules are small: a second thread gains nothing on one path and under 20% on eight, and would take the core
    that another seed could use (tests/benchmarks/update_cost.py). On CUDA sums are added in whatever order threads
    come, unless Torch is asked for the algorithms that do not.
    """
    torch.set_num_threads(1)
    if device == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # Torch asks for it; read at the first product
        torch.use_deterministic_algorithms(True)
        # A fill of all new tensors is to find faults; it would only take time.
        torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
