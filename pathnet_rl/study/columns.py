"""Progressive Networks, a column a task, for many repeats side by side (Rusu et al. 2016, arXiv:1606.04671).

A layer of a later column takes what the layer below it gives in its own column and, by lateral connections, in
all earlier ones, whose weights no longer change.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pathnet_rl.network import glorot_rows
from pathnet_rl.passes import product
from pathnet_rl.shapes import Conv, Dense, Shape


class Columns:
    """The columns of some repeats.

    Args:
        shapes: The layers of a PathNet's modules.
        widen: A column's layer has so many times a module's units: as many as the largest path activates.
        columns: How many.
        outputs: Numbers in a head.
        slots: Repeats side by side.
        device: Torch device of every tensor.
    """

    def __init__(
        self,
        shapes: Sequence[Shape],
        *,
        widen: int,
        columns: int,
        outputs: int,
        slots: int,
        device: str = "cpu",
    ) -> None:
        self.device = device
        self.shapes = [_column(shapes, widen, number, outputs) for number in range(columns)]
        placeholder = [torch.Generator() for _ in range(slots)]
        # [column][layer], each (slots, row_inputs + 1, units); the head is the last layer
        self.values = [[self._drawn(shape, placeholder) for shape in column] for column in self.shapes]

    def _drawn(self, shape: Shape, generators: Sequence[torch.Generator]) -> Tensor:
        rows = glorot_rows(generators, 1, shape, self.device)[:, 0]
        return rows.unflatten(-1, (-1, shape.units))

    def restart(self, slot: int, generator: torch.Generator) -> None:
        """Draw all columns of a slot anew."""
        for column, shapes in zip(self.values, self.shapes, strict=True):
            for tensor, shape in zip(column, shapes, strict=True):
                tensor[slot] = self._drawn(shape, [generator])[0]

    def gather(self, of: NDArray[np.int64]) -> list[list[Tensor]]:
        """Return copies of the columns of these slots."""
        rows = torch.from_numpy(of).to(self.device)
        return [[tensor[rows] for tensor in column] for column in self.values]

    def write_back(self, number: int, of: NDArray[np.int64], values: Sequence[Tensor]) -> None:
        """Return a trained column to its slots."""
        rows = torch.from_numpy(of).to(self.device)
        for tensor, trained in zip(self.values[number], values, strict=True):
            tensor[rows] = trained.detach()

    def forward(self, values: list[list[Tensor]], number: int, inputs_gbi: Tensor) -> Tensor:
        """Run a column on its own inputs, through all columns before it.

        Args:
            values: What :meth:`gather` returned.
            number: Which column's head answers.
            inputs_gbi: ``(slots, batch, inputs)``.

        Returns:
            ``(slots, batch, outputs)``.
        """
        hidden = [inputs_gbi] * (number + 1)
        for layer in range(len(self.shapes[0]) - 1):
            hidden = [
                self._layer(values[column][layer], self.shapes[column][layer], hidden[: column + 1], layer)
                for column in range(number + 1)
            ]
        return product(torch.cat(hidden, dim=-1), values[number][-1])

    def _layer(self, matrix_gio: Tensor, shape: Shape, below: Sequence[Tensor], layer: int) -> Tensor:
        inputs_gbi = below[0] if layer == 0 else torch.cat(list(below), dim=-1)
        return shape.from_rows(product(shape.to_rows(inputs_gbi), matrix_gio).relu(), inputs_gbi.shape[1])


def _column(shapes: Sequence[Shape], widen: int, number: int, outputs: int) -> list[Shape]:
    """Return a column's layers and head: wider than modules, from the second layer on fed by all columns so far."""
    column: list[Shape] = []
    for layer, shape in enumerate(shapes):
        # Hidden numbers come from (number + 1) columns, each `widen` times as wide as a path.
        fed = 1 if layer == 0 else (number + 1) * widen
        if isinstance(shape, Conv):
            column.append(replace(shape, channels=shape.channels * fed, units=shape.units * widen))
        else:
            column.append(Dense(shape.inputs * fed, shape.units * widen))
    return [*column, Dense((number + 1) * column[-1].outputs, outputs)]
