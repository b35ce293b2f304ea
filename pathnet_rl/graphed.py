"""Graphs: what is computed again and again in the same shapes, launched by a CUDA device all at once.

An update of small modules is some hundred kernels that take a few microseconds each, and longer to launch one by
one from Python than to run (tests/benchmarks/cuda_speed.py).
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

EAGER_CALLS = 3  # libraries set themselves up in the first calls, which no capture may see


class Graphed:
    """Calls a function of tensors; on a CUDA device by replaying a graph of its kernels, from the fourth call on.

    On the CPU it is the function and nothing else. A graph is captured once, so that there the function must do the
    same at every call: draw nothing, branch on no number of a tensor, and find and change (in place) whatever
    else it works on where it lay in memory. A graph ends with the object, or with inputs of another shape or type.

    Args:
        function: Of tensors on the device, to tensors.
        device: Torch device.
    """

    def __init__(self, function: Callable[..., tuple[Tensor, ...]], device: str | torch.device) -> None:
        self._function, self._device = function, torch.device(device)
        self._forget()

    def _forget(self) -> None:
        self._inputs: list[Tensor] = []
        self._outputs: tuple[Tensor, ...] = ()
        self._graph: torch.cuda.CUDAGraph | None = None
        self._calls = 0

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave the graph behind: a copy, in memory or in a file, captures its own."""
        return Graphed, (self._function, self._device)

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return what the function gives for inputs, which may lie on the CPU."""
        if self._device.type != "cuda":
            return self._function(*inputs)
        if self._calls and _kinds(inputs) != _kinds(self._inputs):
            self._forget()
        self._calls += 1
        if self._calls <= EAGER_CALLS:
            self._inputs = [tensor.to(self._device, copy=True) for tensor in inputs]
            return self._function(*self._inputs)
        graph = self._graph or self._capture()
        for place, tensor in zip(self._inputs, inputs, strict=True):
            place.copy_(tensor, non_blocking=True)
        graph.replay()
        return tuple(tensor.clone() for tensor in self._outputs)

    def _capture(self) -> torch.cuda.CUDAGraph:
        here = self._device.index in (None, torch.cuda.current_device())
        graph = torch.cuda.CUDAGraph()
        # Torch's own stream for captures is the current device's.
        with torch.cuda.graph(graph, stream=None if here else torch.cuda.Stream(self._device)):
            self._outputs = self._function(*self._inputs)
        self._graph = graph
        return graph


def _kinds(tensors: Sequence[Tensor]) -> list[tuple[torch.Size, torch.dtype]]:
    return [(tensor.shape, tensor.dtype) for tensor in tensors]
