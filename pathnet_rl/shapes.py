"""Shapes of a layer's modules: dense, or convolutional. Both are one matrix a module, applied to rows.

A convolution is the product of its kernels with the patches of its input, so that stacking, gathering, freezing
and training are the same for both. Between layers, numbers are flat, channels first: ``(g, batch, numbers)``.
"""

from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Dense:
    """Modules that see all ``inputs`` numbers at once and give ``units``."""

    inputs: int
    units: int

    @property
    def row_inputs(self) -> int:
        """Numbers that one product of a module's matrix takes."""
        return self.inputs

    @property
    def outputs(self) -> int:
        """Numbers that the layer hands on."""
        return self.units

    @property
    def fans(self) -> tuple[int, int]:
        """Fan in and fan out of Glorot's initialisation."""
        return self.inputs, self.units

    def to_rows(self, hidden_gbi: Tensor) -> Tensor:
        """Return the rows that the modules are applied to, ``(g, rows, row_inputs)``."""
        return hidden_gbi

    def from_rows(self, rows_gro: Tensor, batch: int) -> Tensor:
        """Return what the layer hands on, ``(g, batch, outputs)``."""
        del batch
        return rows_gro

    def rows_adjoint(self, gradient_gbo: Tensor, batch: int) -> Tensor:
        """Carry a gradient backward through :meth:`from_rows`."""
        del batch
        return gradient_gbo

    def inputs_adjoint(self, gradient_gri: Tensor, batch: int) -> Tensor:
        """Carry a gradient backward through :meth:`to_rows`."""
        del batch
        return gradient_gri


@dataclass(frozen=True)
class Conv:
    """Convolutional modules: ``units`` square kernels each, zero padding of half a kernel.

    Args:
        channels: Channels of the input.
        height: Its rows.
        width: Its columns.
        units: Kernels of a module, the channels of its output.
        kernel: Side of a kernel, odd.
        stride: Step between two patches.
    """

    channels: int
    height: int
    width: int
    units: int
    kernel: int = 3
    stride: int = 2

    @property
    def inputs(self) -> int:
        """Numbers that the layer takes."""
        return self.channels * self.height * self.width

    @property
    def row_inputs(self) -> int:
        """Numbers in a patch."""
        return self.channels * self.kernel**2

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the output."""
        padding = 2 * (self.kernel // 2)
        height, width = ((side + padding - self.kernel) // self.stride + 1 for side in (self.height, self.width))
        return height, width

    @property
    def outputs(self) -> int:
        """Numbers that the layer hands on."""
        return self.units * self.grid[0] * self.grid[1]

    @property
    def fans(self) -> tuple[int, int]:
        """Fan in and fan out of Glorot's initialisation."""
        return self.row_inputs, self.units * self.kernel**2

    def to_rows(self, hidden_gbi: Tensor) -> Tensor:
        """Return the patches, ``(g, batch * positions, row_inputs)``."""
        groups, batch, _ = hidden_gbi.shape
        images = hidden_gbi.reshape(groups * batch, self.channels, self.height, self.width)
        patches = functional.unfold(images, self.kernel, padding=self.kernel // 2, stride=self.stride)
        return patches.transpose(1, 2).reshape(groups, -1, self.row_inputs)

    def from_rows(self, rows_gro: Tensor, batch: int) -> Tensor:
        """Return what the layer hands on, ``(g, batch, outputs)``."""
        return rows_gro.unflatten(1, (batch, -1)).transpose(2, 3).flatten(2)

    def rows_adjoint(self, gradient_gbo: Tensor, batch: int) -> Tensor:
        """Carry a gradient backward through :meth:`from_rows`."""
        del batch
        return gradient_gbo.unflatten(2, (self.units, -1)).transpose(2, 3).flatten(1, 2)

    def inputs_adjoint(self, gradient_gri: Tensor, batch: int) -> Tensor:
        """Carry a gradient backward through :meth:`to_rows`: the patches' gradients add up where they overlap."""
        groups = gradient_gri.shape[0]
        patches = gradient_gri.reshape(groups * batch, -1, self.row_inputs).transpose(1, 2)
        size = (self.height, self.width)
        images = functional.fold(patches, size, self.kernel, padding=self.kernel // 2, stride=self.stride)
        return images.reshape(groups, batch, self.inputs)


Shape: TypeAlias = Dense | Conv


def dense_layers(inputs: int, units: int, layers: int) -> list[Shape]:
    """Return the shapes of a network whose layers are all dense.

    Example:
        >>> dense_layers(8, 32, 2)
        [Dense(inputs=8, units=32), Dense(inputs=32, units=32)]
    """
    return [Dense(inputs if layer == 0 else units, units) for layer in range(layers)]
