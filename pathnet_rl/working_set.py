"""The working set of a generation: its active modules, gathered once, trained in place, written back once.

Small modules cost call overhead, not arithmetic, so one forward and one backward pass serve every replica and
every path of a population. Axes as in :mod:`pathnet_rl.network`, and g (replica and path together), b (batch),
n (slot of a path), u (row of the working set).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pathnet_rl.network import PathNet, Stack
from pathnet_rl.optimizer import Optimizer
from pathnet_rl.passes import Layout, Trace, gradients_of, run_paths, side_by_side
from pathnet_rl.paths import EMPTY


@dataclass(frozen=True)
class Run:
    """Paths that have been run to learn from it.

    Attributes:
        inputs: ``(replicas, paths, batch, inputs)``.
        outputs: ``(replicas, paths, batch, outputs)``.
        beside: The outputs of what was run beside it, to learn nothing from; None if nothing was.
        traces: What the backward pass needs.
    """

    inputs: Tensor
    outputs: Tensor
    beside: Tensor | None = None
    traces: Sequence[Trace] = field(default=(), repr=False)


class WorkingSet:
    """Paths of a population, ready to be trained together.

    A module that several paths activate is held once: their gradients add up. An empty slot is a row of zeros:
    through a ReLU it adds nothing and receives no gradient. Where a replica has a single path, its rows are its
    slots, laid out in memory as the one matrix that a layer multiplies by, so that no step gathers anything.

    Args:
        net: Where the modules come from and return to.
        task: Whose heads the paths use.
        paths_rpln: The paths, ``(replicas, paths, layers, active)``.
        heads_rp: Which head each path uses, ``(replicas, paths)``, distinct within a replica.
        optimizer: The rule of :meth:`step`; without one the paths can only be run.
        of: Which replicas of the network the paths belong to, ``(replicas,)``; by default all, in order.
    """

    def __init__(
        self,
        net: PathNet,
        task: str,
        paths_rpln: NDArray[np.int64],
        heads_rp: NDArray[np.int64],
        optimizer: Optimizer | None = None,
        of: NDArray[np.int64] | None = None,
    ) -> None:
        self.net, self.task, self.optimizer = net, task, optimizer
        self._of = np.arange(net.replicas) if of is None else of
        self.paths_rpln = paths_rpln
        self.replicas, self.paths = paths_rpln.shape[:2]
        self._stacks = [*net.stacks, net.heads[task]]
        self._slots_gn: list[Tensor | None] = [None] * net.layers
        if self.paths == 1:
            self._rows_ru: list[NDArray[np.int64]] = [*paths_rpln[:, 0].transpose(1, 0, 2), heads_rp]
        else:
            collected = [_rows_and_slots(paths_rpln[:, :, layer]) for layer in range(net.layers)]
            self._rows_ru = [*(rows for rows, _ in collected), heads_rp]
            self._slots_gn = [torch.from_numpy(slots).to(net.device) for _, slots in collected]
        self._layout = Layout(net.shapes, self._slots_gn)
        self._trainable_ru = [self._open_rows(layer) for layer in range(net.layers)]
        self._trainable_ru.append(np.ones_like(heads_rp, dtype=bool))
        self._gather()

    def _open_rows(self, layer: int) -> NDArray[np.bool_]:
        """Return which rows hold a module that is not frozen, ``(replicas, rows)``."""
        rows = self._rows_ru[layer]
        return (rows != EMPTY) & ~np.take_along_axis(self.net.frozen_rlm[self._of, layer], rows, axis=1)

    def _gather(self) -> None:
        """Take the rows out of the network: values and state ``(r, u, row_inputs + 1, units)``, biases last."""
        device = self.net.device
        self.values: list[Tensor] = []
        state_names = self.optimizer.state_names if self.optimizer else ()
        self.state: dict[str, list[Tensor]] = {name: [] for name in state_names}
        self.updates: list[Tensor] = []
        self._still_ru: list[Tensor | None] = []
        for stack, rows, trainable in zip(self._stacks, self._rows_ru, self._trainable_ru, strict=True):
            replica = torch.from_numpy(self._of).to(device)[:, None]
            row = torch.from_numpy(np.maximum(rows, 0)).to(device)
            self.values.append(self._taken(stack, stack.values_rmk[replica, row], rows != EMPTY))
            for name, tensors in self.state.items():
                tensors.append(self._taken(stack, stack.state_rmk[name][replica, row], trainable))
            self.updates.append(stack.updates_rm[replica, row][..., None, None])
            still = ~trainable & (rows != EMPTY)
            self._still_ru.append(torch.from_numpy(still).to(device)[..., None, None] if still.any() else None)

    def _taken(self, stack: Stack, rows_ruk: Tensor, used_ru: NDArray[np.bool_]) -> Tensor:
        """Return rows as matrices, those not used zero, in the memory order that :mod:`pathnet_rl.passes` wants."""
        rows_ruio = rows_ruk.unflatten(-1, (-1, stack.shape.units))
        if not used_ru.all():
            rows_ruio[tuple(torch.from_numpy(axis) for axis in np.nonzero(~used_ru))] = 0
        return rows_ruio.transpose(1, 2).contiguous().transpose(1, 2) if self.paths == 1 else rows_ruio

    @torch.no_grad()
    def forward(self, inputs_rpbi: Tensor, values: list[Tensor] | None = None) -> Tensor:
        """Run every path on its own batch.

        Args:
            inputs_rpbi: ``(replicas, paths, batch, inputs)``.
            values: Other numbers of the same rows, such as a target network's; by default the trained ones.

        Returns:
            ``(replicas, paths, batch, outputs)``.
        """
        outputs_gbo = run_paths(self._layout, inputs_rpbi.flatten(0, 1), self.values if values is None else values)
        return outputs_gbo.unflatten(0, (self.replicas, self.paths))

    @torch.no_grad()
    def run(self, inputs_rpbi: Tensor, beside_rpbi: Tensor | None = None) -> Run:
        """Run every path on its own batch, as :meth:`forward` does, for a :meth:`step` to learn from.

        Args:
            inputs_rpbi: ``(replicas, paths, batch, inputs)``.
            beside_rpbi: Others to run at once, of which nothing is learned.
        """
        traces: list[Trace] = []
        both_rpbi = inputs_rpbi if beside_rpbi is None else torch.cat((inputs_rpbi, beside_rpbi), dim=2)
        outputs_gbo = run_paths(self._layout, both_rpbi.flatten(0, 1), self.values, traces)
        outputs_rpbo = outputs_gbo.unflatten(0, (self.replicas, self.paths))
        batch = inputs_rpbi.shape[2]
        beside_rpbo = None if beside_rpbi is None else outputs_rpbo[:, :, batch:]
        return Run(inputs_rpbi, outputs_rpbo[:, :, :batch], beside_rpbo, traces)

    def matrices(self, path: int) -> list[Tensor]:
        """Return what one path multiplies by, of a single replica: to run it alone, in fewer calls than all.

        Returns:
            For every layer ``(row_inputs + 1, active * units)``, and for the head ``(numbers + 1, outputs)``, the
            biases in the last row.
        """
        slots = [None if slots_gn is None else slots_gn[path : path + 1] for slots_gn in self._slots_gn]
        layers = [side_by_side(values, own)[0] for values, own in zip(self.values, slots, strict=False)]
        return [*layers, self.values[-1][0, path]]

    @torch.no_grad()
    def step(
        self, run: Run, gradient_rpbo: Tensor, others: Sequence[Tensor] = (), max_norm: float | None = None
    ) -> list[Tensor]:
        """Take one optimizer step down a loss (a sum over paths) in all modules that are not frozen.

        Args:
            run: What was run since the last step; it is used up.
            gradient_rpbo: The loss's gradient by the run's outputs.
            others: Parameters that its inputs were made of, such as a features extractor's; they are not moved
                here.
            max_norm: Gradients are scaled down to this norm, of all paths and the others together.

        Returns:
            The gradients of ``others``, in their order.

        Raises:
            ValueError: If the working set was made without an optimizer, or the gradient is not by these outputs.
        """
        if self.optimizer is None:
            raise ValueError("this working set has no optimizer: give it one to train its paths")
        if gradient_rpbo.shape != run.outputs.shape:
            shapes = f"{tuple(gradient_rpbo.shape)}, that of the outputs {tuple(run.outputs.shape)}"
            raise ValueError(f"the gradient's shape is {shapes}")
        gradients, below_gbi = gradients_of(
            self._layout, self.values, run.traces, gradient_rpbo.flatten(0, 1), to_inputs=bool(others)
        )
        for gradient, still_ru in zip(gradients, self._still_ru, strict=True):
            if still_ru is not None:
                gradient.masked_fill_(still_ru, 0)
        if below_gbi is not None:
            below = below_gbi.view_as(run.inputs)
            gradients += torch.autograd.grad(run.inputs, list(others), below, materialize_grads=True)
        if max_norm is not None:
            gradients = _limited(gradients, max_norm)
        for index in range(len(self.updates)):
            self.updates[index] += 1
        self.optimizer.step(self.values, gradients[: len(self.values)], self.state, self.updates)
        return gradients[len(self.values) :]

    def copy_values(self) -> list[Tensor]:
        """Return a copy of the numbers as they are now, such as for a target network."""
        return [tensor.clone() for tensor in self.values]

    def finite_rp(self) -> NDArray[np.bool_]:
        """Return which paths have only finite numbers, ``(replicas, paths)``."""
        finite = torch.isfinite(self.values[-1]).all(-1).all(-1)
        for values_ruio, slots_gn in zip(self.values, self._slots_gn, strict=False):
            rows_ru = torch.isfinite(values_ruio).all(-1).all(-1)
            slots = rows_ru if slots_gn is None else rows_ru.flatten()[slots_gn]
            finite &= slots.all(-1).view(self.replicas, self.paths)
        return finite.cpu().numpy()

    @torch.no_grad()
    def write_back(self) -> None:
        """Return what was trained to the network and count the training; frozen modules are not touched."""
        for index, (stack, rows, trainable) in enumerate(
            zip(self._stacks, self._rows_ru, self._trainable_ru, strict=True)
        ):
            taken, column = (torch.from_numpy(axis) for axis in np.nonzero(trainable))
            replica, row = torch.from_numpy(self._of)[taken], torch.from_numpy(rows[trainable])
            stack.values_rmk[replica, row] = self.values[index][taken, column].flatten(1)
            for name, tensors in self.state.items():
                stack.state_rmk[name][replica, row] = tensors[index][taken, column].flatten(1)
            if self.optimizer is not None:
                stack.updates_rm[replica, row] = self.updates[index][taken, column, 0, 0]

    def restore(self) -> None:
        """Put the numbers back, and the heads that they belong to, if others have taken their place."""
        self.net.heads[self.task] = self._stacks[-1]
        self.write_back()

    def count_evaluation(self) -> None:
        """Add one evaluation to the training counter of every open module, for each path it lies on."""
        taken, path, layer, slot = np.nonzero(self.paths_rpln != EMPTY)
        replica, module = self._of[taken], self.paths_rpln[taken, path, layer, slot]
        is_open = ~self.net.frozen_rlm[replica, layer, module]
        np.add.at(self.net.trained_rlm, (replica[is_open], layer[is_open], module[is_open]), 1)


def _limited(gradients: list[Tensor], max_norm: float) -> list[Tensor]:
    """Return the gradients, scaled down where their common norm is above this.

    A norm that is not finite scales nothing: the path it comes from is lost, the others must not be.
    """
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients]))
    scale = torch.where(norm.isfinite(), (max_norm / (norm + 1e-6)).clamp(max=1.0), 1.0)
    return [gradient * scale for gradient in gradients]


def _rows_and_slots(layer_rpn: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Collect one layer's distinct modules and where each path finds its own among them.

    Returns:
        Modules by row, ``(replicas, rows)``, the last row and all padding EMPTY; and for every path the flat
        index, over replicas and rows, of its slots, ``(replicas * paths, active)``.
    """
    replicas, paths, active = layer_rpn.shape
    distinct = [np.unique(replica[replica != EMPTY]) for replica in layer_rpn]
    width = max(len(modules) for modules in distinct) + 1
    rows = np.full((replicas, width), EMPTY, dtype=np.int64)
    slots = np.empty((replicas, paths, active), dtype=np.int64)
    for replica, modules in enumerate(distinct):
        rows[replica, : len(modules)] = modules
        found = np.searchsorted(modules, layer_rpn[replica])
        slots[replica] = np.where(layer_rpn[replica] == EMPTY, width - 1, found) + replica * width
    return rows, slots.reshape(replicas * paths, active)
