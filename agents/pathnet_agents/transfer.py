"""Transfer: what a sub-task takes from those before it, PathNet's own way and the controls it is held against."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pathnet_agents.population import Ancestor, copy_head, first_population
from pathnet_rl.network import PathNet
from pathnet_rl.optimizer import Optimizer
from pathnet_rl.paths import Path, Paths
from pathnet_rl.rng import numpy_generator, set_state, state_of, torch_generator
from pathnet_rl.settings import NetworkSettings, SearchSettings
from pathnet_rl.shapes import dense_layers
from pathnet_rl.working_set import Run, WorkingSet


@dataclass(frozen=True)
class Plan:
    """What the weights of a run are made from.

    Attributes:
        network: The PathNet.
        search: How populations are made.
        inputs: Numbers in an observation.
        outputs: Numbers of a head.
        seed: The run's seed.
        state_names: What the optimizer keeps.
        device: Torch device.
    """

    network: NetworkSettings
    search: SearchSettings
    inputs: int
    outputs: int
    seed: int
    state_names: tuple[str, ...]
    device: str


class Gathered(Protocol):
    """The numbers of some paths, out of their network, to be run or trained: a working set, or a column."""

    values: list[Tensor]
    paths_rpln: NDArray[np.int64]

    @property
    def paths(self) -> int:
        """How many."""
        ...

    def forward(self, inputs_rpbi: Tensor, values: list[Tensor] | None = None) -> Tensor:
        """Run every path on its own batch, ``(1, paths, batch, inputs) -> (1, paths, batch, outputs)``."""
        ...

    def run(self, inputs_rpbi: Tensor, beside_rpbi: Tensor | None = None) -> Run:
        """Run every path on its own batch, for a step to learn from; beside it on others, to learn nothing from."""
        ...

    def step(self, run: Run, gradient_rpbo: Tensor) -> object:
        """Take one optimizer step down a loss, given its gradient by the outputs of the run."""
        ...

    def copy_values(self) -> list[Tensor]:
        """Return a copy of the numbers as they are now."""
        ...

    def finite_rp(self) -> NDArray[np.bool_]:
        """Return which paths have only finite numbers, ``(1, paths)``."""
        ...

    def write_back(self) -> None:
        """Return the numbers to where they came from."""
        ...

    def restore(self) -> None:
        """Return the numbers, and make the heads they were gathered with the sub-task's own again."""
        ...

    def count_evaluation(self) -> None:
        """Add one evaluation to the training counters."""
        ...


class Transfer(Protocol):
    """Holds all weights of a run, and says which of them a new sub-task begins with."""

    plan: Plan
    begins_warm: bool
    """Whether a later sub-task begins with what an earlier one has learned."""
    keeps_paths: bool
    """Whether earlier paths stay as they were, so that any of them can be continued, or taken as it is."""

    @property
    def modules(self) -> int:
        """Modules in a layer, the range of a gene."""
        ...

    def begin(self, task: str, index: int) -> None:
        """Make ready for a sub-task."""
        ...

    def propose(self, ancestor: Ancestor | None, *, refine: bool = False) -> Paths:
        """Return a population for the sub-task that has begun, its heads made; a single path is never searched.

        Args:
            ancestor: An earlier sub-task whose winner may be continued.
            refine: Let all paths continue it.
        """
        ...

    def encode(self, observation_bi: Tensor) -> Tensor:
        """Put what never changes of what the sub-task that has begun computes from observations behind them.

        Its :class:`Gathered` run on both, ``(batch, inputs)`` and ``(batch, encoded)``.
        """
        ...

    def gather(self, task: str, paths: Paths, heads: NDArray[np.int64], optimizer: Optimizer | None) -> Gathered:
        """Take paths ``(paths, layers, active)`` with their heads ``(paths,)`` out, to run or train them."""
        ...

    def copy_head(self, task: str, source: int, target: int) -> None:
        """Overwrite one of a sub-task's heads by another."""
        ...

    def heal(self) -> None:
        """Return what is open and has numbers that are not finite to its initial weights."""
        ...

    def frozen_in(self, path: Path) -> int:
        """Count the modules on a path that an earlier sub-task froze."""
        ...

    def finish(self, task: str, path: Path, member: int) -> list[list[int]]:
        """Keep what a sub-task has found; return the modules newly frozen, by layer."""
        ...

    def free_modules(self) -> list[int]:
        """Return how many modules are still open, by layer."""
        ...

    @staticmethod
    def sizes(tensors: Mapping[str, Tensor], network: NetworkSettings) -> tuple[int, int]:
        """Return how many numbers an observation and a head have, by what :meth:`tensors` gave.

        Raises:
            ValueError: If these are no such tensors.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return where the draws of the sub-task that has begun stand, as plain data."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, after :meth:`begin`."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Return every tensor by name."""
        ...

    def load(self, tensors: dict[str, Tensor], tasks: list[str]) -> None:
        """Take the tensors of :meth:`tensors`, of a run that has begun these sub-tasks in this order."""
        ...


class FreezePaths:
    """PathNet: the path found is frozen, all other modules return to their initial weights."""

    keeps_paths = True

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.begins_warm = plan.search.warm_start == "clone"
        self.net = self._new_net(0)

    def _new_net(self, index: int) -> PathNet:
        plan, network = self.plan, self.plan.network
        return PathNet(
            dense_layers(plan.inputs, network.units, network.layers),
            modules=network.modules,
            active=network.active,
            generators=[torch_generator(plan.seed, index, "modules")],
            state_names=plan.state_names,
            device=plan.device,
        )

    @property
    def modules(self) -> int:
        """Modules in a layer."""
        return self.plan.network.modules

    def begin(self, task: str, index: int) -> None:
        """Seed the sub-task's draws; see :class:`Transfer`."""
        self.task = task
        self.rng = numpy_generator(self.plan.seed, index, "population")
        self.head_generator = torch_generator(self.plan.seed, index, "heads")

    def propose(self, ancestor: Ancestor | None, *, refine: bool = False) -> Paths:
        """Return warm members and fresh ones; see :func:`pathnet_agents.population.first_population`."""
        self.net.add_heads(self.task, self.plan.search.population, self.plan.outputs, [self.head_generator])
        return first_population(self.net, self.task, self.plan.search, ancestor, self.rng, all_warm=refine)

    def encode(self, observation_bi: Tensor) -> Tensor:
        """Return observations as they are: frozen modules and others are summed in every layer."""
        return observation_bi

    def gather(
        self, task: str, paths: Paths, heads: NDArray[np.int64], optimizer: Optimizer | None = None
    ) -> Gathered:
        """Gather the active modules once; see :class:`pathnet_rl.working_set.WorkingSet`."""
        return WorkingSet(self._net_of(task), task, paths[None], heads[None], optimizer)

    def _net_of(self, task: str) -> PathNet:
        del task
        return self.net

    def copy_head(self, task: str, source: int, target: int) -> None:
        """Overwrite a head, optimizer state included."""
        self._net_of(task).heads[task].copy_rows(0, [source], [target])

    def heal(self) -> None:
        """Reset the modules that are lost."""
        self.net.reinitialise_lost()

    def frozen_in(self, path: Path) -> int:
        """Count the frozen modules on a path."""
        return self.net.frozen_in(path)

    def finish(self, task: str, path: Path, member: int) -> list[list[int]]:
        """Keep the member's head, freeze its path, reset the rest."""
        self.net.keep_head(task, member)
        newly_frozen = self.net.freeze(path)
        self.net.reinitialise()
        return newly_frozen

    def free_modules(self) -> list[int]:
        """Count the modules that are not frozen."""
        return [int(count) for count in (~self.net.frozen_rlm[0]).sum(axis=1)]

    @staticmethod
    def sizes(tensors: Mapping[str, Tensor], network: NetworkSettings) -> tuple[int, int]:
        """Read them off a first layer and a head; see :class:`Transfer`."""
        first, head = named(tensors, r"(.+\.)?layer\.0\.initial"), named(tensors, r"(.+\.)?head\.[^.]+\.values")
        return first.shape[-1] // network.units - 1, head.shape[-1] // (network.units + 1)

    def state_dict(self) -> dict[str, Any]:
        """Return the generators of paths and of heads."""
        return {"rng": self.rng.bit_generator.state, "head_generator": state_of(self.head_generator)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set the generators."""
        self.rng.bit_generator.state = state["rng"]
        set_state(self.head_generator, state["head_generator"])

    def tensors(self) -> dict[str, Tensor]:
        """Return the network's tensors."""
        return self.net.state_dict()

    def load(self, tensors: dict[str, Tensor], tasks: list[str]) -> None:
        """Take the network's tensors."""
        self.begin(tasks[-1], len(tasks) - 1)
        self.net.load_state_dict(tensors)


class FineTune(FreezePaths):
    """A control: the first sub-task's path, never frozen, is trained on through all later ones."""

    keeps_paths = False

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.begins_warm = True
        self._path: Path | None = None

    def propose(self, ancestor: Ancestor | None, *, refine: bool = False) -> Paths:
        """Return a searched population for the first sub-task, and the one path for every later one."""
        if self._path is None or ancestor is None:
            return super().propose(None)
        self.net.add_heads(self.task, 1, self.plan.outputs, [self.head_generator])
        copy_head(self.net, ancestor.task, 0, self.task, 0)
        return self._path[None].copy()

    def finish(self, task: str, path: Path, member: int) -> list[list[int]]:
        """Keep the head and the path; freeze nothing."""
        self.net.keep_head(task, member)
        self._path = path
        return [[] for _ in path]

    def tensors(self) -> dict[str, Tensor]:
        """Return the network's tensors and the path."""
        path = {} if self._path is None else {"path": torch.from_numpy(self._path)}
        return super().tensors() | path

    def load(self, tensors: dict[str, Tensor], tasks: list[str]) -> None:
        """Take the network's tensors and the path."""
        super().load(tensors, tasks)
        self._path = tensors["path"].numpy().copy() if "path" in tensors else None


class FreshNetworks(FreezePaths):
    """A control: every sub-task is learned from scratch, in a network of its own."""

    keeps_paths = False

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.begins_warm = False
        self._nets: dict[str, PathNet] = {}

    def begin(self, task: str, index: int) -> None:
        """Make the sub-task's network."""
        super().begin(task, index)
        self.net = self._nets[task] = self._new_net(index)

    def _net_of(self, task: str) -> PathNet:
        return self._nets[task]

    def finish(self, task: str, path: Path, member: int) -> list[list[int]]:
        """Keep the head; nothing is frozen, for nobody else uses this network."""
        self.net.keep_head(task, member)
        return [[] for _ in path]

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors of all networks, each under its sub-task's name."""
        return {
            f"{task}.{name}": tensor
            for task, net in self._nets.items()
            for name, tensor in net.state_dict().items()
        }

    def load(self, tensors: dict[str, Tensor], tasks: list[str]) -> None:
        """Make every sub-task's network and take its tensors."""
        for index, task in enumerate(tasks):
            self.begin(task, index)
            self.net.load_state_dict(under(f"{task}.", tensors))


def named(tensors: Mapping[str, Tensor], pattern: str) -> Tensor:
    """Return the first tensor whose whole name is of this pattern; names of sub-tasks have no dots.

    Raises:
        ValueError: If there is none.
    """
    for name, tensor in tensors.items():
        if re.fullmatch(pattern, name):
            return tensor
    raise ValueError(f"no tensor {pattern} is there")


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin so, without that beginning."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
