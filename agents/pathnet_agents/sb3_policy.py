"""The policy of PathNetDQN: a PathNet above a features extractor of Stable-Baselines3, with a route a task."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import (
    BaseFeaturesExtractor,
    CombinedExtractor,
    FlattenExtractor,
    NatureCNN,
)
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from stable_baselines3.common.utils import polyak_update
from torch import Tensor

from pathnet_agents.live_paths import LivePaths
from pathnet_rl.network import PathNet
from pathnet_rl.optimizer import Adam
from pathnet_rl.paths import Path, Paths
from pathnet_rl.rng import torch_generator
from pathnet_rl.settings import NetworkSettings
from pathnet_rl.shapes import dense_layers
from pathnet_rl.working_set import WorkingSet


@dataclass(frozen=True)
class Route:
    """A task's path ``(layers, active)``, its head, and the modules that were frozen with it, by layer."""

    task: str
    path: Path
    head: int
    newly_frozen: list[list[int]]


def extractor_for(observation_space: spaces.Space[Any], normalize_images: bool) -> type[BaseFeaturesExtractor]:
    """Choose the features extractor that Stable-Baselines3's own policies would use."""
    if isinstance(observation_space, spaces.Dict):
        return CombinedExtractor
    is_image = is_image_space(observation_space, normalized_image=not normalize_images)
    return NatureCNN if is_image else FlattenExtractor


class PathNetPolicy(BasePolicy):
    """Acts greedily along one route: a frozen task's, or that of the best member of the running search.

    The features extractor lies below all modules. Where it has parameters they learn with the first task and are
    frozen with it, so that later tasks cannot move what earlier ones rest on.

    Args:
        observation_space: Of one environment.
        action_space: Discrete, counted from 0.
        lr_schedule: Learning rate by remaining progress, 1 to 0.
        layers: Layers of modules between extractor and heads.
        modules: Modules in a layer; the cost does not grow with it, the room for further tasks does.
        active: Most modules a path activates in a layer.
        units: ReLU units in a module.
        population: Paths that learn and compete while a task is searched, 2 or more.
        features_extractor_class: By default Flatten, NatureCNN for images and Combined for dictionaries.
        features_extractor_kwargs: Its keyword arguments.
        normalize_images: Divide images by 255.
        seed: Root of every draw; by default drawn from torch's global generator, which the algorithm seeds.

    Raises:
        ValueError: If a number is out of range or the actions do not count from 0.
    """

    action_space: spaces.Discrete

    def __init__(  # noqa: PLR0913 - policy_kwargs are keywords, in the manner of Stable-Baselines3
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Discrete,
        lr_schedule: Schedule,
        *,
        layers: int = 3,
        modules: int = 20,
        active: int = 3,
        units: int = 32,
        population: int = 4,
        features_extractor_class: type[BaseFeaturesExtractor] | None = None,
        features_extractor_kwargs: dict[str, Any] | None = None,
        normalize_images: bool = True,
        seed: int | None = None,
    ) -> None:
        super().__init__(
            observation_space,
            action_space,
            features_extractor_class or extractor_for(observation_space, normalize_images),
            features_extractor_kwargs,
            normalize_images=normalize_images,
        )
        self.network = NetworkSettings(layers=layers, modules=modules, active=active, units=units)
        self.population = population
        self._check()
        self.seed = int(torch.randint(2**31, ())) if seed is None else seed
        self.features_extractor = self.make_features_extractor()
        self.target_extractor = deepcopy(self.features_extractor).requires_grad_(False).eval()
        # A group without parameters is a valid optimizer, and keeps the learning rate of the modules too.
        parameters = list(self.features_extractor.parameters())
        self.optimizer = torch.optim.Adam([{"params": parameters}], lr=lr_schedule(1))
        self.net = self._make_network("cpu")
        self.routes: dict[str, Route] = {}
        """Frozen tasks by name, in the order they were learned."""
        self.route: Route | None = None
        """Where :meth:`predict` goes."""
        self.live: LivePaths | None = None
        """The task being learned."""
        self.extractor_frozen = False
        self._greedy: WorkingSet | None = None

    def _check(self) -> None:
        if self.action_space.start != 0:
            raise ValueError(f"actions must count from 0, not {self.action_space.start}: shift them by a wrapper")
        if self.network.active > self.network.modules:
            raise ValueError(
                f"policy_kwargs: active={self.network.active} must not exceed modules={self.network.modules}"
            )
        if self.population < 2:
            raise ValueError(
                f"policy_kwargs: population={self.population} must be 2 or more, so that paths compete"
            )

    def _make_network(self, device: str) -> PathNet:
        return PathNet(
            dense_layers(self.features_extractor.features_dim, self.network.units, self.network.layers),
            modules=self.network.modules,
            active=self.network.active,
            generators=[torch_generator(self.seed, 0, "modules")],
            state_names=Adam(0.0).state_names,
            device=device,
        )

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {
            **super()._get_constructor_parameters(),
            "lr_schedule": self._dummy_schedule,
            "features_extractor_class": self.features_extractor_class,
            "features_extractor_kwargs": self.features_extractor_kwargs,
            "population": self.population,
            "seed": self.seed,
            **self.network.model_dump(),
        }

    @property
    def device(self) -> torch.device:
        """Where the network lives."""
        return torch.device(self.net.device)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move the network along when torch moves the extractor, such as by ``.to(device)``."""
        super()._apply(fn, recurse)
        device = str(fn(torch.empty(0, device=self.net.device)).device)
        if device != self.net.device:
            state = self.get_extra_state()
            self.net = self._make_network(device)
            self.set_extra_state(state)
        return self

    def set_training_mode(self, mode: bool) -> None:
        """Switch the extractor's dropout and batch normalisation; once frozen, it stays in evaluation mode."""
        self.features_extractor.train(mode and not self.extractor_frozen)
        self.training = mode

    def features(self, observation: PyTorchObs) -> Tensor:
        """Return what the modules see, ``(batch, features)``."""
        return self.extract_features(observation, self.features_extractor)

    @torch.no_grad()
    def next_features(self, observation: PyTorchObs) -> tuple[Tensor, Tensor]:
        """Return what the online and the target network's modules see, the same once the extractor is frozen."""
        online = self.features(observation)
        if self.extractor_frozen:
            return online, online
        return online, self.extract_features(observation, self.target_extractor)

    @torch.no_grad()
    def q_values(self, observation: PyTorchObs) -> Tensor:
        """Return the action values along the route, ``(batch, actions)``.

        Raises:
            RuntimeError: If there is no route yet.
        """
        if self.route is None:
            raise RuntimeError("the policy knows no task yet: call learn() of its algorithm, or load a saved one")
        if self.sync() or self._greedy is None:
            path, head = self.route.path[None, None], np.array([[self.route.head]])
            self._greedy = WorkingSet(self.net, self.route.task, path, head)
        return self._greedy.forward(self.features(observation)[None, None])[0, 0]

    def forward(self, obs: PyTorchObs, deterministic: bool = True) -> Tensor:
        """Return the greedy actions, ``(batch,)``."""
        return self._predict(obs, deterministic)

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> Tensor:
        del deterministic  # exploration is the algorithm's, as in DQN
        return self.q_values(observation).argmax(-1)

    def show(self, route: Route | None) -> None:
        """Choose where :meth:`predict` goes."""
        self.route, self._greedy = route, None

    def add_task(self, task: str) -> None:
        """Give a task new heads, one a member."""
        generator = torch_generator(self.seed, len(self.routes), "heads")
        self.net.add_heads(task, self.population, int(self.action_space.n), [generator])

    def follow(self, task: str, paths: Paths, heads: NDArray[np.int64]) -> None:
        """Let these paths learn from now on, ``(members, layers, active)``; their target is what they are now."""
        self.sync()
        self.live = LivePaths(self.net, task, paths, heads)
        self.update_target(1.0)

    def sync(self) -> bool:
        """Return what was learned since to the network; say whether there was anything."""
        return self.live is not None and self.live.write_back()

    def drop_task(self, task: str) -> None:
        """Forget a task that is not frozen."""
        self.live = None
        self.show(None)
        del self.net.heads[task]

    def descend(self, loss: Tensor, max_norm: float) -> None:
        """Take one step down the loss, in the open modules, the heads and the extractor while it is open."""
        assert self.live is not None
        learning_rate = self.optimizer.param_groups[0]["lr"]
        others = [parameter for parameter in self.features_extractor.parameters() if parameter.requires_grad]
        gradients = self.live.descend(loss, learning_rate, others, max_norm)
        for parameter, gradient in zip(others, gradients, strict=True):
            parameter.grad = gradient
        if others:
            self.optimizer.step()

    def update_target(self, share: float) -> None:
        """Let a share of the online network flow into the target network; running statistics are copied."""
        assert self.live is not None
        self.live.update_target(share)
        if not self.extractor_frozen:
            online, slow = self.features_extractor, self.target_extractor
            polyak_update(online.parameters(), slow.parameters(), share)
            polyak_update(online.buffers(), slow.buffers(), 1.0)

    def freeze(self, route: Route) -> Route:
        """Freeze a task's path and, with the first task, the extractor; return all other modules to their start.

        Returns:
            The frozen route, which :meth:`predict` now goes.
        """
        self.sync()
        self.live = None
        self.net.keep_head(route.task, route.head)
        newly_frozen = self.net.freeze(route.path)
        self.net.reinitialise()
        self._freeze_extractor()
        frozen = Route(route.task, route.path.copy(), 0, newly_frozen)
        self.routes[route.task] = frozen
        self.show(frozen)
        return frozen

    def _freeze_extractor(self) -> None:
        self.features_extractor.requires_grad_(False).eval()
        self.target_extractor.load_state_dict(self.features_extractor.state_dict())
        self.extractor_frozen = True

    def get_extra_state(self) -> dict[str, Any]:
        """Return what is no torch parameter, as tensors and plain values; part of ``state_dict``."""
        self.sync()
        live = self.live
        return {
            "seed": self.seed,
            "extractor_frozen": self.extractor_frozen,
            "network": {name: tensor.clone() for name, tensor in self.net.state_dict().items()},
            "routes": [_plain(route) for route in self.routes.values()],
            "route": _plain(self.route) if self.route else None,
            "live": live
            and {
                "task": live.task,
                "paths": torch.from_numpy(live.paths),
                "heads": torch.from_numpy(live.heads),
                "target": [tensor.clone() for tensor in live.target],
            },
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take what :meth:`get_extra_state` returned; ``load_state_dict`` calls it."""
        self.seed = state["seed"]
        self.net.heads.clear()
        self.net.load_state_dict({name: tensor.cpu().clone() for name, tensor in state["network"].items()})
        self.routes = {plain["task"]: _route(plain) for plain in state["routes"]}
        self.show(_route(state["route"]) if state["route"] else None)
        self.live = self._live(state["live"]) if state["live"] else None
        self.extractor_frozen = state["extractor_frozen"]
        self.features_extractor.requires_grad_(not self.extractor_frozen)

    def _live(self, state: dict[str, Any]) -> LivePaths:
        live = LivePaths(self.net, state["task"], state["paths"].cpu().numpy(), state["heads"].cpu().numpy())
        live.target = [tensor.to(self.net.device, copy=True) for tensor in state["target"]]
        return live


def _plain(route: Route) -> dict[str, Any]:
    return {**asdict(route), "path": route.path.tolist()}


def _route(plain: dict[str, Any]) -> Route:
    path = np.array(plain["path"], dtype=np.int64)
    return Route(plain["task"], path, plain["head"], plain["newly_frozen"])
