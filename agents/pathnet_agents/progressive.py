"""Progressive Networks: a column a sub-task, fed by all earlier ones, which no longer change.

A control for PathNet (Rusu et al. 2016, arXiv:1606.04671). Different from the paper: lateral connections are one
matrix with the column's own, without an adapter's extra layer, as in the paper's simplest form (its equation 1).
A column without them has as many numbers as the largest path.
"""

from collections.abc import Mapping, Sequence
from itertools import count, takewhile
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pathnet_agents.population import Ancestor
from pathnet_agents.transfer import Plan, named
from pathnet_rl.network import glorot_rows
from pathnet_rl.optimizer import Optimizer
from pathnet_rl.passes import product
from pathnet_rl.paths import EMPTY, Path, Paths
from pathnet_rl.rng import torch_generator
from pathnet_rl.settings import NetworkSettings
from pathnet_rl.shapes import Dense
from pathnet_rl.working_set import Run


class Below:
    """All columns before one. They no longer change: what they give is a function of the observation alone.

    Args:
        columns: Their values, each a list of layers and a head, ``(1, 1, row_inputs + 1, units)``.
        inputs: Numbers in an observation.
        layers: Of a column, without the head.
    """

    def __init__(self, columns: Sequence[Sequence[Tensor]], inputs: int, layers: int) -> None:
        self._matrices = [[column[layer][0].detach() for column in columns] for layer in range(layers)]
        self._sizes = [inputs, *(sum(matrix.shape[-1] for matrix in matrices) for matrices in self._matrices)]

    def encode(self, observation_gbi: Tensor) -> Tensor:
        """Put what the columns give behind observations, ``(g, batch, inputs + layers * earlier * width)``.

        With a dozen columns that is most of the arithmetic, so it is stored with an observation that is replayed
        many times.
        """
        encoded = [observation_gbi]
        for matrices in self._matrices:
            # A column takes those before it and itself: the first so many of what the layer below gives.
            columns = [product(encoded[-1][..., : m.shape[1] - 1], m).relu_() for m in matrices]
            encoded.append(torch.cat(columns, dim=-1) if columns else observation_gbi[..., :0])
        return torch.cat(encoded, dim=-1)

    def split(self, inputs_gbi: Tensor) -> tuple[Tensor, ...]:
        """Return observations, encoded or not, and what the columns give in each layer."""
        encoded = inputs_gbi if inputs_gbi.shape[-1] == sum(self._sizes) else self.encode(inputs_gbi)
        return encoded.split(self._sizes, dim=-1)


class Column:
    """One column and its head as live tensors, which are trained in place.

    Args:
        below: All earlier columns.
        values: The column's own, ``(1, 1, row_inputs + 1, units)`` a layer, the head last; from the second layer
            on the first rows are those of the earlier columns.
        state: The optimizer's numbers, of the same shapes.
        updates: Updates so far, ``(1, 1, 1, 1)`` a layer.
        placeholder: An empty path, ``(1, 1, layers, active)``.
        optimizer: The rule of :meth:`step`, which trains the column itself; without one this is a copy.
    """

    paths = 1

    def __init__(
        self,
        below: Below,
        values: list[Tensor],
        state: dict[str, list[Tensor]],
        updates: list[Tensor],
        placeholder: NDArray[np.int64],
        optimizer: Optimizer | None = None,
    ) -> None:
        self._below, self._home, self.state, self.updates = below, values, state, updates
        self.paths_rpln, self.optimizer = placeholder, optimizer
        self.values = values if optimizer else [tensor.detach().clone() for tensor in values]

    def forward(self, inputs_rpbi: Tensor, values: list[Tensor] | None = None) -> Tensor:
        """Run the column on observations, ``(1, 1, batch, inputs)``, encoded or not; see :meth:`Below.encode`."""
        first_ruio, *others = self.values if values is None else values
        observation_gbi, *below = self._below.split(inputs_rpbi[0])
        outputs_gbo = product(observation_gbi, first_ruio[0])
        for matrix_ruio, below_gbi in zip(others, below, strict=True):
            # Two products instead of one of both side by side: what is below is neither copied nor differentiated.
            earlier = below_gbi.shape[-1]
            of_below_gio, own_gio = matrix_ruio[0].split((earlier, matrix_ruio.shape[2] - earlier), dim=1)
            outputs_gbo = torch.baddbmm(product(outputs_gbo.relu(), own_gio), below_gbi, of_below_gio)
        return outputs_gbo[None]

    def run(self, inputs_rpbi: Tensor, beside_rpbi: Tensor | None = None) -> Run:
        """Run the column to learn from it: what it gives has Torch's graph, but for what is run beside."""
        with torch.no_grad():
            beside_rpbo = None if beside_rpbi is None else self.forward(beside_rpbi)
        return Run(inputs_rpbi, self.forward(inputs_rpbi), beside_rpbo)

    def step(self, run: Run, gradient_rpbo: Tensor) -> None:
        """Take one optimizer step down a loss, in this column alone."""
        assert self.optimizer is not None
        gradients = list(torch.autograd.grad(run.outputs, self.values, gradient_rpbo))
        for layer in range(len(self.updates)):
            self.updates[layer] += 1
        with torch.no_grad():
            self.optimizer.step(self.values, gradients, self.state, self.updates)

    def copy_values(self) -> list[Tensor]:
        """Return a copy of the numbers as they are now."""
        return [tensor.detach().clone() for tensor in self.values]

    def finite_rp(self) -> NDArray[np.bool_]:
        """Return whether all numbers are finite, ``(1, 1)``."""
        return np.array([[all(bool(torch.isfinite(tensor).all()) for tensor in self.values)]])

    @torch.no_grad()
    def write_back(self) -> None:
        """Return the numbers, if they are copies, to the column they were taken from."""
        for home, tensor in zip(self._home, self.values, strict=True):
            home.copy_(tensor)

    def restore(self) -> None:
        """Return the numbers."""
        self.write_back()

    def count_evaluation(self) -> None:
        """Count nothing: there are no modules."""


def _width(plan: Plan) -> int:
    """Return how wide a column must be to have, alone, as many numbers as the largest path."""
    network = plan.network
    inputs, outputs, between = plan.inputs + 1, plan.outputs, network.layers - 1
    path = network.active * network.units * (inputs + between * (network.units + 1)) + (network.units + 1) * outputs
    return next(w for w in count(1) if w * (inputs + between * (w + 1)) + (w + 1) * outputs >= path)


class Columns:
    """A :class:`pathnet_agents.transfer.Transfer`: a column a sub-task, see :func:`_width`."""

    begins_warm = keeps_paths = False

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.columns: dict[str, list[Tensor]] = {}
        self._state: dict[str, list[Tensor]] = {}
        self._updates: list[Tensor] = []

    @property
    def modules(self) -> int:
        """There are none to choose from."""
        return 0

    def begin(self, task: str, index: int) -> None:
        """Draw the sub-task's column; one that was begun in its place and failed makes room."""
        for failed in list(self.columns)[index:]:
            del self.columns[failed]
        plan, network = self.plan, self.plan.network
        self._earlier = self._below(task)
        generator = torch_generator(plan.seed, index, "column")
        width, columns = _width(plan), len(self.columns) + 1
        shapes = [Dense(plan.inputs if layer == 0 else columns * width, width) for layer in range(network.layers)]
        shapes.append(Dense(columns * width, plan.outputs))
        self.columns[task] = [
            glorot_rows([generator], 1, shape, plan.device).unflatten(-1, (-1, shape.units)).requires_grad_()
            for shape in shapes
        ]
        self._state = {
            name: [torch.zeros_like(tensor) for tensor in self.columns[task]] for name in plan.state_names
        }
        self._updates = [torch.zeros(1, 1, 1, 1, dtype=torch.int64, device=plan.device) for _ in shapes]

    def propose(self, ancestor: Ancestor | None, *, refine: bool = False) -> Paths:
        """Return one empty path: a column is not searched."""
        del ancestor, refine
        return np.full((1, self.plan.network.layers, self.plan.network.active), EMPTY, dtype=np.int64)

    def gather(
        self, task: str, paths: Paths, heads: NDArray[np.int64], optimizer: Optimizer | None = None
    ) -> Column:
        """Return a sub-task's column; with an optimizer the live one, else one whose numbers may be replaced."""
        del heads
        return Column(self._below(task), self.columns[task], self._state, self._updates, paths[None], optimizer)

    def _below(self, task: str) -> Below:
        earlier = takewhile(lambda name: name != task, self.columns)
        return Below([self.columns[name] for name in earlier], self.plan.inputs, self.plan.network.layers)

    def encode(self, observation_bi: Tensor) -> Tensor:
        """Add what all columns but the last give; see :meth:`Below.encode`."""
        return self._earlier.encode(observation_bi[None])[0]

    def copy_head(self, task: str, source: int, target: int) -> None:
        """Do nothing: there is one head."""
        del task, source, target

    def heal(self) -> None:
        """Do nothing: a column that is lost is the only one that learns."""

    def frozen_in(self, path: Path) -> int:
        """Return 0: there are no modules."""
        del path
        return 0

    def finish(self, task: str, path: Path, member: int) -> list[list[int]]:
        """Let the column alone from now on."""
        del task, member
        return [[] for _ in path]

    def free_modules(self) -> list[int]:
        """Return zeros: a progressive network grows instead."""
        return [0] * self.plan.network.layers

    @staticmethod
    def sizes(tensors: Mapping[str, Tensor], network: NetworkSettings) -> tuple[int, int]:
        """Read them off the first layer and the head of a column; see :class:`pathnet_agents.transfer.Transfer`."""
        first = named(tensors, r"column\.[^.]+\.0").shape[-2] - 1
        return first, named(tensors, rf"column\.[^.]+\.{network.layers}").shape[-1]

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: a column draws once, when it begins."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take nothing."""
        del state

    def tensors(self) -> dict[str, Tensor]:
        """Return every column, and the optimizer's numbers of the last one."""
        columns = {
            f"column.{task}.{layer}": tensor.detach()
            for task, column in self.columns.items()
            for layer, tensor in enumerate(column)
        }
        state = {
            f"state.{name}.{layer}": tensor
            for name, tensors in self._state.items()
            for layer, tensor in enumerate(tensors)
        }
        return columns | state | {f"updates.{layer}": count for layer, count in enumerate(self._updates)}

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor], tasks: list[str]) -> None:
        """Make the columns anew and take their numbers."""
        for index, task in enumerate(tasks):
            self.begin(task, index)
            for layer, tensor in enumerate(self.columns[task]):
                tensor.copy_(tensors[f"column.{task}.{layer}"])
        for name, state in self._state.items():
            for layer, tensor in enumerate(state):
                tensor.copy_(tensors[f"state.{name}.{layer}"])
        for layer, updates in enumerate(self._updates):
            updates.copy_(tensors[f"updates.{layer}"])
