"""The working set of a generation: its active modules, gathered once, trained in place, written back once.

Small modules cost call overhead, not arithmetic, so one forward and one backward pass serve every replica and
every path of a population. Axes as in :mod:`pathnet_rl.network`, and g (replica and path together), b (batch),
n (slot of a path), u (row of the working set).
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pathnet_rl.network import PathNet
from pathnet_rl.optimizer import Optimizer
from pathnet_rl.paths import EMPTY


class WorkingSet:
    """Paths of a population, ready to be trained together.

    A module that several paths activate is held once: their gradients add up. Each layer ends with a row of
    zeros that stands for an empty slot: through a ReLU it adds nothing and receives no gradient.

    Args:
        net: Where the modules come from and return to.
        task: Whose heads the paths use.
        paths_rpln: The paths, ``(replicas, paths, layers, active)``.
        heads_rp: Which head each path uses, ``(replicas, paths)``, distinct within a replica.
        optimizer: The rule of :meth:`step`; without one the paths can only be run.
    """

    def __init__(
        self,
        net: PathNet,
        task: str,
        paths_rpln: NDArray[np.int64],
        heads_rp: NDArray[np.int64],
        optimizer: Optimizer | None = None,
    ) -> None:
        self.net, self.task, self.optimizer = net, task, optimizer
        self.paths_rpln = paths_rpln
        self.replicas, self.paths = paths_rpln.shape[:2]
        rows, slots = zip(*(_rows_and_slots(paths_rpln[:, :, layer]) for layer in range(net.layers)), strict=True)
        self._rows_ru: list[NDArray[np.int64]] = [*rows, heads_rp]
        self._slots_gn = [torch.from_numpy(slot).to(net.device) for slot in slots]
        self._stacks = [*net.stacks, net.heads[task]]
        self._trainable_ru = [self._open_rows(layer) for layer in range(net.layers)]
        self._trainable_ru.append(np.ones_like(heads_rp, dtype=bool))
        self._gather()

    def _open_rows(self, layer: int) -> NDArray[np.bool_]:
        """Return which rows hold a module that is not frozen, ``(replicas, rows)``."""
        rows = self._rows_ru[layer]
        return (rows != EMPTY) & ~np.take_along_axis(self.net.frozen_rlm[:, layer], rows, axis=1)

    def _gather(self) -> None:
        device = self.net.device
        self.values: list[Tensor] = []
        state_names = self.optimizer.state_names if self.optimizer else ()
        self.state: dict[str, list[Tensor]] = {name: [] for name in state_names}
        self.updates: list[Tensor] = []
        for stack, rows, trainable in zip(self._stacks, self._rows_ru, self._trainable_ru, strict=True):
            replica = torch.arange(self.replicas, device=device)[:, None]
            row = torch.from_numpy(np.maximum(rows, 0)).to(device)
            used = torch.from_numpy(rows != EMPTY).to(device)[..., None]
            self.values.append((stack.values_rmk[replica, row] * used).requires_grad_())
            for name, tensors in self.state.items():
                moving = torch.from_numpy(trainable).to(device)[..., None]
                tensors.append(stack.state_rmk[name][replica, row] * moving)
            self.updates.append(stack.updates_rm[replica, row][..., None])
        self.masks = [
            None if trainable.all() else torch.from_numpy(trainable).to(device)[..., None].to(torch.float32)
            for trainable in self._trainable_ru
        ]

    def forward(self, inputs_rpbi: Tensor, values: list[Tensor] | None = None) -> Tensor:
        """Run every path on its own batch.

        Args:
            inputs_rpbi: ``(replicas, paths, batch, inputs)``.
            values: Other numbers of the same rows, such as a target network's; by default the trained ones.

        Returns:
            ``(replicas, paths, batch, outputs)``.
        """
        values = self.values if values is None else values
        hidden_gbi = inputs_rpbi.flatten(0, 1)
        for values_ruk, slots_gn, stack in zip(values, self._slots_gn, self._stacks, strict=False):
            hidden_gbi = _layer(hidden_gbi, values_ruk, slots_gn, stack.inputs, stack.outputs)
        heads_gk, heads = values[-1].flatten(0, 1), self._stacks[-1]
        weight_gio = heads_gk[:, : heads.inputs * heads.outputs].unflatten(1, (heads.inputs, heads.outputs))
        bias_g1o = heads_gk[:, heads.inputs * heads.outputs :].unsqueeze(1)
        return torch.baddbmm(bias_g1o, hidden_gbi, weight_gio).unflatten(0, (self.replicas, self.paths))

    def step(self, loss: Tensor) -> None:
        """Take one optimizer step down the loss (a sum over paths) in all modules that are not frozen.

        Raises:
            ValueError: If the working set was made without an optimizer.
        """
        if self.optimizer is None:
            raise ValueError("this working set has no optimizer: give it one to train its paths")
        gradients = list(torch.autograd.grad(loss, self.values))
        for index, mask in enumerate(self.masks):
            if mask is not None:
                gradients[index] *= mask
        for index in range(len(self.updates)):
            self.updates[index] += 1
        with torch.no_grad():
            self.optimizer.step(self.values, gradients, self.state, self.updates)

    def copy_values(self) -> list[Tensor]:
        """Return a copy of the numbers as they are now, such as for a target network."""
        return [tensor.detach().clone() for tensor in self.values]

    def finite_rp(self) -> NDArray[np.bool_]:
        """Return which paths have only finite numbers, ``(replicas, paths)``."""
        finite = torch.isfinite(self.values[-1]).all(-1)
        for values_ruk, slots_gn in zip(self.values, self._slots_gn, strict=False):
            rows = torch.isfinite(values_ruk).all(-1).flatten()
            finite &= rows[slots_gn].all(-1).unflatten(0, (self.replicas, self.paths))
        return finite.cpu().numpy()

    @torch.no_grad()
    def write_back(self) -> None:
        """Return what was trained to the network and count the training; frozen modules are not touched."""
        for index, (stack, rows, trainable) in enumerate(
            zip(self._stacks, self._rows_ru, self._trainable_ru, strict=True)
        ):
            replica, column = (torch.from_numpy(axis) for axis in np.nonzero(trainable))
            row = torch.from_numpy(rows[trainable])
            stack.values_rmk[replica, row] = self.values[index].detach()[replica, column]
            for name, tensors in self.state.items():
                stack.state_rmk[name][replica, row] = tensors[index][replica, column]
            stack.updates_rm[replica, row] = self.updates[index][replica, column, 0]

    def count_evaluation(self) -> None:
        """Add one evaluation to the training counter of every open module, for each path it lies on."""
        replica, path, layer, slot = np.nonzero(self.paths_rpln != EMPTY)
        module = self.paths_rpln[replica, path, layer, slot]
        is_open = ~self.net.frozen_rlm[replica, layer, module]
        np.add.at(self.net.trained_rlm, (replica[is_open], layer[is_open], module[is_open]), 1)


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


def _layer(hidden_gbi: Tensor, values_ruk: Tensor, slots_gn: Tensor, inputs: int, outputs: int) -> Tensor:
    """Sum the ReLU outputs of each path's active modules: ``(g, b, inputs) -> (g, b, outputs)``."""
    groups, active = slots_gn.shape
    chosen_gnk = values_ruk.flatten(0, 1).index_select(0, slots_gn.flatten()).view(groups, active, -1)
    weight_gnio = chosen_gnk[..., : inputs * outputs].unflatten(-1, (inputs, outputs))
    weight_gi_no = weight_gnio.transpose(1, 2).reshape(groups, inputs, active * outputs)
    bias_g1_no = chosen_gnk[..., inputs * outputs :].reshape(groups, 1, active * outputs)
    return torch.baddbmm(bias_g1_no, hidden_gbi, weight_gi_no).relu().unflatten(-1, (active, outputs)).sum(-2)
