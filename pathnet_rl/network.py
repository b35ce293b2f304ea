"""PathNet: the modules of all layers as stacked tensors, with a leading axis of independent replicas.

Axes are written r (replica), m (module), k (numbers of one module: weights, then biases), p (path), i (input),
o (output). After Fernando et al. 2017 (arXiv:1701.08734): the outputs of a layer's active modules are summed,
every task has a head of its own, and what a task froze never changes again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pathnet_rl.paths import EMPTY, Path
from pathnet_rl.shapes import Dense, Shape


@dataclass
class Stack:
    """Modules of one shape, a row each: their numbers, their optimizer state, how often they were updated."""

    shape: Shape
    values_rmk: Tensor
    state_rmk: dict[str, Tensor]
    updates_rm: Tensor  # int64

    @classmethod
    def of(cls, shape: Shape, values_rmk: Tensor, state_names: Sequence[str]) -> "Stack":
        """Return a stack of these numbers with untouched optimizer state."""
        state = {name: torch.zeros_like(values_rmk) for name in state_names}
        updates = torch.zeros(values_rmk.shape[:2], dtype=torch.int64, device=values_rmk.device)
        return cls(shape, values_rmk, state, updates)

    @property
    def weight_rmio(self) -> Tensor:
        """The weights as a view ``(replicas, modules, row_inputs, units)``."""
        return self.values_rmk.unflatten(-1, (-1, self.shape.units))[..., :-1, :]

    @property
    def bias_rmo(self) -> Tensor:
        """The biases as a view ``(replicas, modules, units)``."""
        return self.values_rmk[..., -self.shape.units :]

    @property
    def version(self) -> int:
        """How often anybody has written into the numbers, through views and parameters of the same memory too."""
        return self.values_rmk._version  # noqa: SLF001 - Torch has no other name for it

    def copy_rows(self, replica: int, sources: Sequence[int], targets: Sequence[int]) -> None:
        """Overwrite rows, state included, with copies of others."""
        for tensor in (self.values_rmk, *self.state_rmk.values(), self.updates_rm):
            tensor[replica, list(targets)] = tensor[replica, list(sources)]

    def still(self, replica: int, rows: Tensor) -> None:
        """Forget the optimizer state of rows, ``(modules,)`` bool."""
        for tensor in (*self.state_rmk.values(), self.updates_rm):
            tensor[replica, rows] = 0

    def tensors(self) -> dict[str, Tensor]:
        """Return everything stored, by name."""
        return {"values": self.values_rmk, "updates": self.updates_rm, **self.state_rmk}


def glorot_rows(
    generators: Sequence[torch.Generator], rows: int, shape: Shape, device: str, gain: float = 1.0
) -> Tensor:
    """Draw Glorot-uniform weights times a gain, and zero biases: ``(replicas, rows, row_inputs * units + units)``.

    Every replica draws from its own generator on the CPU, so its numbers depend neither on the others nor on
    the device.
    """
    weights = shape.row_inputs * shape.units
    values = torch.zeros(len(generators), rows, weights + shape.units)
    bound = gain * (6 / sum(shape.fans)) ** 0.5
    for replica, generator in zip(values, generators, strict=True):
        replica[:, :weights].uniform_(-bound, bound, generator=generator)
    return values.to(device)


class PathNet:
    """The modules, heads, training counters and optimizer state of some replicas of one network.

    Args:
        shapes: One a layer (L of them): what its modules take and give.
        modules: Modules a layer (M).
        active: Most modules a path activates in a layer (N).
        generators: One a replica, the source of its initial weights.
        state_names: Optimizer state to keep for every module; see :class:`pathnet_rl.optimizer.Optimizer`.
        device: Torch device of every tensor.
        head_gain: What the heads' initial weights are multiplied by.
    """

    def __init__(
        self,
        shapes: Sequence[Shape],
        *,
        modules: int,
        active: int,
        generators: Sequence[torch.Generator],
        state_names: Sequence[str] = (),
        device: str = "cpu",
        head_gain: float = 1.0,
    ) -> None:
        self.shapes, self.head_gain = tuple(shapes), head_gain
        self.layers, self.modules, self.active = len(shapes), modules, active
        self.inputs, self.replicas = shapes[0].inputs, len(generators)
        self.state_names, self.device = tuple(state_names), device
        self.initial_rmk = [glorot_rows(generators, modules, shape, device) for shape in shapes]
        self.stacks = [
            Stack.of(shape, initial.clone(), state_names)
            for initial, shape in zip(self.initial_rmk, shapes, strict=True)
        ]
        self.heads: dict[str, Stack] = {}
        self.frozen_rlm: NDArray[np.bool_] = np.zeros((self.replicas, self.layers, modules), dtype=bool)
        self.trained_rlm: NDArray[np.int64] = np.zeros((self.replicas, self.layers, modules), dtype=np.int64)
        """Training counters: evaluations in which a module was trained while open."""

    def restart(self, generator: torch.Generator, *, replica: int) -> None:
        """Make a replica a new network: new initial weights, nothing frozen, nothing trained."""
        self.frozen_rlm[replica] = False
        for shape, initial_rmk in zip(self.shapes, self.initial_rmk, strict=True):
            initial_rmk[replica] = glorot_rows([generator], self.modules, shape, self.device)[0]
        self.reinitialise(replica=replica)

    def _head_shape(self, outputs: int) -> Dense:
        return Dense(self.shapes[-1].outputs, outputs)

    def add_heads(self, task: str, copies: int, outputs: int, generators: Sequence[torch.Generator]) -> None:
        """Give a task new heads, ``copies`` a replica (one for each member of a population)."""
        shape = self._head_shape(outputs)
        values_rmk = glorot_rows(generators, copies, shape, self.device, self.head_gain)
        self.heads[task] = Stack.of(shape, values_rmk, self.state_names)

    def restart_head(self, task: str, generator: torch.Generator, *, replica: int) -> None:
        """Draw the numbers of a replica's heads of a task anew."""
        heads = self.heads[task]
        copies = heads.values_rmk.shape[1]
        heads.values_rmk[replica] = glorot_rows([generator], copies, heads.shape, self.device, self.head_gain)[0]
        heads.still(replica, torch.ones(copies, dtype=torch.bool))

    def keep_head(self, task: str, copy: int) -> None:
        """Drop all of a task's heads but one, and its optimizer state: what remains when its search is over."""
        heads = self.heads[task]
        self.heads[task] = Stack.of(heads.shape, heads.values_rmk[:, [copy]].clone(), self.state_names)

    def freeze(self, path: Path, *, replica: int = 0) -> list[list[int]]:
        """Freeze a path's modules for good; their optimizer state is dropped, so none is left that could move.

        Returns:
            The modules newly frozen, by layer.
        """
        newly: list[list[int]] = []
        for layer, genes in enumerate(path):
            rows = genes[genes != EMPTY]
            newly.append(sorted(int(row) for row in rows if not self.frozen_rlm[replica, layer, row]))
            self.frozen_rlm[replica, layer, rows] = True
            self.stacks[layer].still(replica, torch.from_numpy(self.frozen_rlm[replica, layer]))
        return newly

    def reinitialise(self, *, replica: int = 0) -> None:
        """Return every open module to its initial weights, untrained."""
        for layer, (stack, initial_rmk) in enumerate(zip(self.stacks, self.initial_rmk, strict=True)):
            open_rows = torch.from_numpy(~self.frozen_rlm[replica, layer])
            stack.values_rmk[replica, open_rows] = initial_rmk[replica, open_rows]
            stack.still(replica, open_rows)
        self.trained_rlm[replica][~self.frozen_rlm[replica]] = 0

    def reinitialise_lost(self, *, replica: int = 0) -> int:
        """Return every open module with a number that is not finite to its initial weights; return how many."""
        lost = 0
        for layer, (stack, initial_rmk) in enumerate(zip(self.stacks, self.initial_rmk, strict=True)):
            open_rows = torch.from_numpy(~self.frozen_rlm[replica, layer]).to(self.device)
            rows = open_rows & ~stack.values_rmk[replica].isfinite().all(-1)
            stack.values_rmk[replica, rows] = initial_rmk[replica, rows]
            stack.still(replica, rows)
            lost += int(rows.sum())
        return lost

    def clone_module(self, layer: int, source: int, target: int, *, replica: int = 0) -> None:
        """Let an open module start as a copy of another; goes beyond the paper, which resets instead.

        Raises:
            ValueError: If the target is frozen.
        """
        if self.frozen_rlm[replica, layer, target]:
            raise ValueError(f"module {target} of layer {layer} is frozen and cannot be overwritten")
        self.stacks[layer].copy_rows(replica, [source], [target])
        self.stacks[layer].still(replica, torch.arange(self.modules) == target)

    def frozen_in(self, path: Path, *, replica: int = 0) -> int:
        """Count the frozen modules on a path."""
        return sum(
            int(self.frozen_rlm[replica, layer, genes[genes != EMPTY]].sum()) for layer, genes in enumerate(path)
        )

    def state_dict(self) -> dict[str, Tensor]:
        """Return every tensor by name; :meth:`load_state_dict` takes it back."""
        tensors = {
            "frozen": torch.from_numpy(self.frozen_rlm.copy()),
            "trained": torch.from_numpy(self.trained_rlm.copy()),
        }
        for layer, (stack, initial_rmk) in enumerate(zip(self.stacks, self.initial_rmk, strict=True)):
            tensors[f"layer.{layer}.initial"] = initial_rmk
            tensors.update({f"layer.{layer}.{name}": value for name, value in stack.tensors().items()})
        for task, heads in self.heads.items():
            tensors.update({f"head.{task}.{name}": value for name, value in heads.tensors().items()})
        return tensors

    def require_own_layers(self, tensors: Mapping[str, Tensor]) -> None:
        """Refuse tensors of a :meth:`state_dict`, with the values or without, whose layers are another network's.

        Raises:
            ValueError: If they are.
        """
        own, given = (
            {name: tuple(tensor.shape) for name, tensor in named.items() if _is_layer_state(name)}
            for named in (self.state_dict(), tensors)
        )
        for name in (*own, *given):
            here, there = (shapes.get(name, "not there") for shapes in (own, given))
            if here != there:
                raise ValueError(
                    f"these are parameters of another network: {name} is {there}, here {here}; both must agree in "
                    "observations, layers, units, modules and optimizer"
                )

    def load_state_dict(self, tensors: dict[str, Tensor]) -> None:
        """Take the tensors of :meth:`state_dict`; the shapes must be this network's."""
        self.frozen_rlm = tensors["frozen"].numpy().copy()
        self.trained_rlm = tensors["trained"].numpy().copy()
        for layer, stack in enumerate(self.stacks):
            self.initial_rmk[layer] = tensors[f"layer.{layer}.initial"].to(self.device)
            self.stacks[layer] = self._stack(tensors, f"layer.{layer}", stack.shape)
        heads = [name.removeprefix("head.").removesuffix(".values") for name in tensors if _is_head(name)]
        for task in heads:
            outputs = tensors[f"head.{task}.values"].shape[2] // (self.shapes[-1].outputs + 1)
            self.heads[task] = self._stack(tensors, f"head.{task}", self._head_shape(outputs))

    def _stack(self, tensors: dict[str, Tensor], name: str, shape: Shape) -> Stack:
        state = {key: tensors[f"{name}.{key}"].to(self.device) for key in self.state_names}
        values, updates = (
            tensors[f"{name}.values"].to(self.device),
            tensors[f"{name}.updates"].to(self.device),
        )
        return Stack(shape, values, state, updates)


def _is_layer_state(name: str) -> bool:
    return name.startswith("layer.") and not name.endswith(".values")


def _is_head(name: str) -> bool:
    return name.startswith("head.") and name.endswith(".values")
