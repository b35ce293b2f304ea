"""What stands where ``stable_baselines3.DQN`` has its Q-network: a PathNet above a features extractor."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, FlattenExtractor
from stable_baselines3.common.type_aliases import PyTorchObs
from torch import Tensor, nn

from pathnet_agents.live_paths import LivePaths
from pathnet_rl.network import PathNet, Stack
from pathnet_rl.paths import Path
from pathnet_rl.rng import torch_generator
from pathnet_rl.shapes import Dense
from pathnet_rl.working_set import WorkingSet

STRUCTURE = "pathnet"
"""Under this key the metadata of a ``state_dict`` says what the tensors belong to: tasks, paths, heads."""

HEAD_GAIN = 0.44
"""Heads begin about as small as DQN's last layer, for values that begin large hide sparse rewards for long.

Of bit flipping with HER .78 of the episodes then succeeded (80 seeds, standard error .03; DQN .81, .04), .64 with 1
(120 seeds). CartPole returned 140 after 16,000 steps (14 seeds, standard error 8; DQN 139, 17), 161 (10) with 1.
"""

STACKS = ("layer_", "head_")
"""How the names of a Q-network's own parameters begin."""


@dataclass(frozen=True)
class Route:
    """A task's path ``(layers, active)``, its head, and the modules that were frozen with it, by layer."""

    task: str
    path: Path
    head: int
    newly_frozen: list[list[int]]

    def plain(self) -> dict[str, Any]:
        """Return it as plain values; :func:`route_of` takes them back."""
        return {**asdict(self), "path": self.path.tolist()}


def route_of(plain: dict[str, Any]) -> Route:
    """Return the route that :meth:`Route.plain` described."""
    path = np.array(plain["path"], dtype=np.int64)
    return Route(plain["task"], path, plain["head"], plain["newly_frozen"])


class PathModule(BasePolicy):
    """A torch module whose ``state_dict`` holds numbers only, and in its metadata the structure they fill.

    Numbers that are learned live in a working set until somebody reads the module. Without metadata the numbers
    are taken for the structure that is there.
    """

    live: LivePaths | None
    """The task being learned."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.live = None
        self.register_state_dict_pre_hook(_sync)
        self.register_state_dict_post_hook(_describe)
        self.register_load_state_dict_pre_hook(_restructure)
        self.register_load_state_dict_post_hook(_reread)

    def sync(self) -> None:
        """Take back what was learned since."""
        if self.live is not None and self.live.write_back():
            self.forget()

    def forget(self) -> None:
        """Drop what was made of numbers that have changed."""

    def structure(self) -> dict[str, Any]:
        """Return what is no number of the network, as tensors and plain values."""
        raise NotImplementedError

    def restructure(self, structure: dict[str, Any]) -> None:
        """Become what :meth:`structure` described, with any numbers."""
        raise NotImplementedError

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """Name the parameters as they are now."""
        self.sync()
        return super().named_parameters(prefix, recurse, remove_duplicate)

    def load_from_vector(self, vector: np.ndarray) -> None:
        """Take all parameters from one vector, in their order."""
        named = dict(self.named_parameters())
        parts = torch.as_tensor(vector, dtype=torch.float).split([value.numel() for value in named.values()])
        numbers = zip(named.items(), parts, strict=True)
        self.load_state_dict({name: part.view_as(value) for (name, value), part in numbers}, strict=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        copy = type(self)(**self._get_constructor_parameters())
        memo[id(self)] = copy
        copy.load_state_dict(self.state_dict())
        return copy.to(self.device)


def _sync(module: nn.Module, prefix: str, keep_vars: bool) -> None:
    assert isinstance(module, PathModule)
    module.sync()


def _describe(module: nn.Module, state: dict[str, Any], prefix: str, metadata: dict[str, Any]) -> None:
    assert isinstance(module, PathModule)
    metadata[STRUCTURE] = module.structure()


def _restructure(module: nn.Module, state: dict[str, Any], prefix: str, metadata: dict[str, Any], *_: Any) -> None:
    assert isinstance(module, PathModule)
    module.sync()
    if STRUCTURE in metadata:
        module.restructure(metadata[STRUCTURE])


def _reread(module: nn.Module, _: Any) -> None:
    assert isinstance(module, PathModule)
    module.forget()
    if module.live is not None:
        module.live.gather()


class PathQNetwork(PathModule):
    """Values actions along one route; all its modules and heads are parameters, a stack ``(1, modules, numbers)``.

    Args:
        observation_space: Of one environment.
        action_space: Discrete, counted from 0.
        net_arch: Units of a module, by layer.
        modules: Modules in a layer.
        active: Most modules a path activates in a layer.
        seed: Of the modules' initial weights.
        features_extractor_class: What lies below the modules.
        features_extractor_kwargs: Its keyword arguments.
        normalize_images: Divide images by 255.
        state_names: What the optimizer keeps for every module.
    """

    action_space: spaces.Discrete

    def __init__(  # noqa: PLR0913 - keywords, in the manner of Stable-Baselines3
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Discrete,
        *,
        net_arch: list[int],
        modules: int,
        active: int,
        seed: int,
        features_extractor_class: type[BaseFeaturesExtractor],
        features_extractor_kwargs: dict[str, Any] | None = None,
        normalize_images: bool = True,
        state_names: tuple[str, ...] = (),
    ) -> None:
        super().__init__(
            observation_space,
            action_space,
            features_extractor_class,
            features_extractor_kwargs,
            normalize_images=normalize_images,
        )
        self.net_arch, self.modules_a_layer, self.active, self.seed = net_arch, modules, active, seed
        self.state_names = state_names
        self.features_extractor = self.make_features_extractor()
        is_flat = isinstance(observation_space, spaces.Box) and len(observation_space.shape) == 1
        self._sees_all = is_flat and type(self.features_extractor) is FlattenExtractor
        self.net = self._make_net("cpu")
        self.route: Route | None = None
        """Where :meth:`predict` goes."""
        self.extractor_frozen = False
        self._greedy: WorkingSet | None = None
        self._seen: list[int] = []
        self.bind()

    def extra_repr(self) -> str:
        """Say what ``print`` shows beside the features extractor: modules are no submodules of Torch."""
        sizes = f"net_arch={self.net_arch}, modules={self.modules_a_layer}, active={self.active}"
        return f"{sizes}, heads={list(self.net.heads)}"

    def _make_net(self, device: str) -> PathNet:
        inputs = [self.features_extractor.features_dim, *self.net_arch]
        return PathNet(
            [Dense(given, units) for given, units in zip(inputs, self.net_arch, strict=False)],
            modules=self.modules_a_layer,
            active=self.active,
            generators=[torch_generator(self.seed, 0, "modules")],
            state_names=self.state_names,
            device=device,
            head_gain=HEAD_GAIN,
        )

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {
            **super()._get_constructor_parameters(),
            "net_arch": self.net_arch,
            "modules": self.modules_a_layer,
            "active": self.active,
            "seed": self.seed,
            "features_extractor_class": self.features_extractor_class,
            "features_extractor_kwargs": self.features_extractor_kwargs,
            "state_names": self.state_names,
        }

    def _own_stacks(self) -> dict[str, Stack]:
        """Return the stacks of the network by their parameters' names."""
        layers = {f"layer_{index}": stack for index, stack in enumerate(self.net.stacks)}
        return {**layers, **{f"head_{index}": head for index, head in enumerate(self.net.heads.values())}}

    def bind(self) -> None:
        """Make the stacks of the network this module's parameters: the same memory under a name."""
        stacks = self._own_stacks()
        for name in [name for name in self._parameters if name.startswith(STACKS)]:
            del self._parameters[name]
        for name, stack in stacks.items():
            self.register_parameter(name, nn.Parameter(stack.values_rmk))
        self.forget()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.bind()  # a pickle holds the stacks and their parameters apart

    def __getattr__(self, name: str) -> Any:
        if name.startswith(STACKS):
            self.sync()
        return super().__getattr__(name)

    def forget(self) -> None:
        """Gather the route's modules anew when they are asked for."""
        self._greedy = None

    def structure(self) -> dict[str, Any]:
        """Return the heads and the route."""
        return {
            "heads": {task: head.values_rmk.shape[1] for task, head in self.net.heads.items()},
            "route": self.route.plain() if self.route else None,
            "extractor_frozen": self.extractor_frozen,
        }

    def restructure(self, structure: dict[str, Any]) -> None:
        """Have these heads and this route."""
        present = self.structure()["heads"]
        if structure["heads"] != present:
            if self.live is not None:
                raise ValueError(
                    f"these are numbers of the tasks {list(structure['heads'])}, not of {list(present)}: let the "
                    "whole policy load them, or set_parameters of the algorithm"
                )
            self.net.heads.clear()
            for task, copies in structure["heads"].items():
                self.net.add_heads(task, copies, int(self.action_space.n), [torch.Generator()])
            self.bind()
        self.show(route_of(structure["route"]) if structure["route"] else None)
        self.freeze_extractor(structure["extractor_frozen"])

    def resemble(self, other: "PathQNetwork") -> None:
        """Take structure and numbers of another network, and what it has frozen."""
        self.restructure(other.structure())
        with torch.no_grad():
            for own, given in zip(self.parameters(), other.parameters(), strict=True):
                own.copy_(given)
            for own, given in zip(self.buffers(), other.buffers(), strict=True):
                own.copy_(given)
        self.net.frozen_rlm = other.net.frozen_rlm.copy()
        self.forget()

    def show(self, route: Route | None) -> None:
        """Choose where :meth:`predict` goes."""
        self.route = route
        self.forget()

    def freeze_extractor(self, frozen: bool) -> None:
        """Let the extractor learn no more, and stay in evaluation mode; or take that back."""
        self.extractor_frozen = frozen
        self.features_extractor.requires_grad_(not frozen).train(self.training and not frozen)

    @property
    def device(self) -> torch.device:
        """Where the network lives."""
        return torch.device(self.net.device)

    @property
    def features_dim(self) -> int:
        """Numbers that the modules see."""
        return self.features_extractor.features_dim

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move the network along when torch moves its parameters, such as by ``.to(device)``."""
        self.sync()
        super()._apply(fn, recurse)
        device = str(fn(torch.empty(0, device=self.net.device)).device)
        if device != self.net.device:
            state = {name: tensor.cpu().clone() for name, tensor in self.net.state_dict().items()}
            self.net = self._make_net(device)
            self.net.load_state_dict(state)
            self.bind()
        return self

    def set_training_mode(self, mode: bool) -> None:
        """Switch the extractor's dropout and batch normalisation; once frozen, it stays in evaluation mode."""
        self.features_extractor.train(mode and not self.extractor_frozen)
        self.training = mode

    def features(self, observation: PyTorchObs) -> Tensor:
        """Return what the modules see, ``(batch, features)``."""
        if self._sees_all:  # nothing to flatten; the calls that find that out cost as much as a layer
            assert isinstance(observation, Tensor)
            return observation.float()
        return self.extract_features(observation, self.features_extractor)

    @torch.no_grad()
    def forward(self, obs: PyTorchObs) -> Tensor:
        """Return the action values along the route, ``(batch, actions)``, without a gradient.

        Raises:
            RuntimeError: If there is no route yet.
        """
        if self.route is None:
            raise RuntimeError("the policy knows no task yet: call learn() of its algorithm, or load a saved one")
        self.sync()
        versions = [stack.version for stack in self._own_stacks().values()]
        if self._greedy is None or versions != self._seen:
            self._seen = versions
            path, head = self.route.path[None, None], np.array([[self.route.head]])
            self._greedy = WorkingSet(self.net, self.route.task, path, head)
        return self._greedy.forward(self.features(obs)[None, None])[0, 0]

    def _predict(self, observation: PyTorchObs, deterministic: bool = True) -> Tensor:
        del deterministic  # exploration is the algorithm's, as in DQN
        return self.forward(observation).argmax(-1)
