"""Passes: many paths run forward, and their gradients backward, in one product a layer.

The backward pass is written out, for small modules cost the overhead of calls, not arithmetic: an update by Torch's
graph takes longer (tests/benchmarks/update_cost.py). Axes as in :mod:`pathnet_rl.working_set`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pathnet_rl.shapes import Shape


@dataclass(frozen=True)
class Layout:
    """How the rows of a working set make paths.

    Attributes:
        shapes: The layers' shapes, heads apart.
        slots_gn: For every layer the flat index, over replicas and rows, of each path's slots; None where the
            rows lie in memory as the one matrix a layer multiplies by.
    """

    shapes: Sequence[Shape]
    slots_gn: Sequence[Tensor | None]


@dataclass(frozen=True)
class Trace:
    """What the backward pass needs of one layer: its inputs with a one appended, its matrix, what its ReLUs gave.

    The head has no ReLUs.
    """

    rows_gri: Tensor
    matrix_gio: Tensor
    relu_gro: Tensor | None


def run_paths(
    layout: Layout, inputs_gbi: Tensor, values: Sequence[Tensor], traces: list[Trace] | None = None
) -> Tensor:
    """Run every path on its own batch.

    Args:
        layout: Which rows make which path.
        inputs_gbi: ``(g, batch, inputs)``.
        values: The rows of every layer and of the heads, ``(replicas, rows, row_inputs + 1, units)``.
        traces: Takes what :func:`gradients_of` needs, one a layer, the head's last.

    Returns:
        ``(g, batch, outputs)``.
    """
    hidden_gbi, batch = inputs_gbi, inputs_gbi.shape[1]
    for shape, values_ruio, slots_gn in zip(layout.shapes, values, layout.slots_gn, strict=False):
        rows_gri, matrix_gio = with_ones(shape.to_rows(hidden_gbi)), side_by_side(values_ruio, slots_gn)
        outputs_gro = torch.bmm(rows_gri, matrix_gio).relu_()
        if traces is not None:
            traces.append(Trace(rows_gri, matrix_gio, outputs_gro))
        # The active modules of a layer are summed.
        hidden_gbi = shape.from_rows(_by_slot(outputs_gro, shape).sum(-2), batch)
    rows_gri, matrix_gio = with_ones(hidden_gbi), values[-1].flatten(0, 1)
    if traces is not None:
        traces.append(Trace(rows_gri, matrix_gio, None))
    return torch.bmm(rows_gri, matrix_gio)


def gradients_of(
    layout: Layout, values: Sequence[Tensor], traces: Sequence[Trace], gradient_gbo: Tensor, *, to_inputs: bool
) -> tuple[list[Tensor], Tensor | None]:
    """Carry a gradient back through a run; it uses the traces up.

    Args:
        layout: Of the run.
        values: Of the run.
        traces: What it left.
        gradient_gbo: By the outputs of the first ``batch`` inputs, ``(g, batch, outputs)``; the others count for
            nothing.
        to_inputs: Go on to the inputs.

    Returns:
        The gradients by the values, of their shapes; and by the inputs, ``(g, batch, inputs)``, or None.
    """
    head, batch = traces[-1], gradient_gbo.shape[1]
    gradients = [torch.bmm(head.rows_gri[:, :batch].mT, gradient_gbo).view_as(values[-1])]
    hidden_gbi = torch.bmm(gradient_gbo, head.matrix_gio[:, :-1].mT)
    layers = list(zip(layout.shapes, traces, values, layout.slots_gn, strict=False))
    for number, (shape, trace, values_ruio, slots_gn) in reversed(list(enumerate(layers))):
        # Every active module of a layer receives the gradient of their sum, where its ReLU is open.
        assert trace.relu_gro is not None
        delta_grnu = shape.rows_adjoint(hidden_gbi, batch)[:, :, None]
        rows = delta_grnu.shape[1]
        open_grnu = _by_slot(trace.relu_gro[:, :rows].sign_(), shape)  # 1 where it is open, else 0
        delta_gro = (open_grnu * delta_grnu).flatten(2)
        gradients.append(_to_rows(torch.bmm(trace.rows_gri[:, :rows].mT, delta_gro), values_ruio, slots_gn))
        if number > 0 or to_inputs:
            hidden_gbi = shape.inputs_adjoint(torch.bmm(delta_gro, trace.matrix_gio[:, :-1].mT), batch)
    return gradients[::-1], hidden_gbi if to_inputs else None


def _by_slot(rows_gro: Tensor, shape: Shape) -> Tensor:
    """Tell the slots of a layer's outputs apart, ``(g, r, active, units)``: a view."""
    return rows_gro.view(*rows_gro.shape[:2], -1, shape.units)


def side_by_side(values_ruio: Tensor, slots_gn: Tensor | None) -> Tensor:
    """Put the matrices of each path's slots side by side, ``(g, row_inputs + 1, active * units)``."""
    if slots_gn is None:  # a view: the rows lie in this order already
        return values_ruio.transpose(1, 2).flatten(2)
    chosen_gnio = values_ruio.flatten(0, 1).index_select(0, slots_gn.flatten()).unflatten(0, slots_gn.shape)
    return chosen_gnio.transpose(1, 2).flatten(2)


def _to_rows(gradient_gio: Tensor, values_ruio: Tensor, slots_gn: Tensor | None) -> Tensor:
    """Bring the gradient of the matrices back to the rows; a row on several paths receives the sum."""
    units = values_ruio.shape[-1]
    by_slot_gnio = gradient_gio.unflatten(-1, (-1, units)).transpose(1, 2)
    if slots_gn is None:
        return by_slot_gnio
    summed = torch.zeros(values_ruio.shape, dtype=gradient_gio.dtype, device=gradient_gio.device)
    summed.view(-1, *values_ruio.shape[2:]).index_add_(0, slots_gn.flatten(), by_slot_gnio.flatten(0, 1))
    return summed


def with_ones(rows_gri: Tensor) -> Tensor:
    """Append a one to every row, for the bias: ``(g, r, i) -> (g, r, i + 1)``."""
    return functional.pad(rows_gri, (0, 1), value=1.0)


def product(rows_gri: Tensor, matrix_gio: Tensor) -> Tensor:
    """Multiply rows by matrices whose last row is the bias: ``(g, r, i) x (g, i + 1, o) -> (g, r, o)``."""
    return torch.bmm(with_ones(rows_gri), matrix_gio)
