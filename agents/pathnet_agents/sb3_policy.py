"""The policy of PathNetDQN: a Q-network that evolves, its target network, and a route a task."""

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import (
    BaseFeaturesExtractor,
    CombinedExtractor,
    FlattenExtractor,
    NatureCNN,
)
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from stable_baselines3.common.utils import get_parameters_by_name, polyak_update
from torch import Tensor, nn

from pathnet_agents.live_paths import LivePaths
from pathnet_agents.replay import Sample
from pathnet_agents.sb3_network import PathModule, PathQNetwork, Route, route_of
from pathnet_agents.sb3_optimizer import rule_for
from pathnet_agents.sb3_sizes import is_whole, widths_of
from pathnet_rl.network import PathNet
from pathnet_rl.paths import Paths
from pathnet_rl.rng import torch_generator


def extractor_for(observation_space: spaces.Space[Any], normalize_images: bool) -> type[BaseFeaturesExtractor]:
    """Choose the features extractor that Stable-Baselines3's own policies would use."""
    if isinstance(observation_space, spaces.Dict):
        return CombinedExtractor
    is_image = is_image_space(observation_space, normalized_image=not normalize_images)
    return NatureCNN if is_image else FlattenExtractor


class PathNetPolicy(PathModule):
    """Acts greedily along one route: a frozen task's, or that of the best member of the running search.

    The features extractor lies below all modules. Where it has parameters they learn with the first task and are
    frozen with it, so that later tasks cannot move what earlier ones rest on.

    Args:
        observation_space: Of one environment.
        action_space: Discrete, counted from 0.
        lr_schedule: Learning rate by remaining progress, 1 to 0.
        net_arch: Width of each layer, as in DQN: ``[64, 64]`` is two layers of modules of 64 units, whose outputs
            are summed. Instead of ``layers`` and ``units``.
        activation_fn: ``torch.nn.ReLU``; modules know no other.
        layers: Layers of modules between extractor and heads; by default 2.
        modules: Modules in a layer. An update's cost does not grow with it; the room for further tasks does, and
            memory: layers as wide as DQN's take as many times its memory, so give fewer where they are wide.
        active: Modules a path starts with in a layer, the most it can have.
        units: ReLU units in a module; by default 64.
        population: Paths that learn and compete while a task is searched, 2 or more.
        features_extractor_class: By default Flatten, NatureCNN for images and Combined for dictionaries.
        features_extractor_kwargs: Its keyword arguments.
        normalize_images: Divide images by 255.
        optimizer_class: Moves extractor and modules; what others than Adam remember of the modules is forgotten
            at every tournament and by ``load``.
        optimizer_kwargs: Its keyword arguments, the learning rate apart.
        seed: Root of every draw; by default drawn from torch's global generator, which the algorithm seeds.

    Raises:
        ValueError: If an argument is out of range, or the actions do not count from 0.
    """

    action_space: spaces.Discrete
    default_extractor: ClassVar[type[BaseFeaturesExtractor] | None] = None
    """What lies below the modules unless the caller says it; None chooses by observation space."""

    def __init__(  # noqa: PLR0913 - policy_kwargs are keywords, in the manner of Stable-Baselines3
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Discrete,
        lr_schedule: Schedule,
        net_arch: list[int] | None = None,
        activation_fn: type[nn.Module] = nn.ReLU,
        *,
        layers: int | None = None,
        modules: int = 20,
        active: int = 3,
        units: int | None = None,
        population: int = 4,
        features_extractor_class: type[BaseFeaturesExtractor] | None = None,
        features_extractor_kwargs: dict[str, Any] | None = None,
        normalize_images: bool = True,
        optimizer_class: type[torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_kwargs: dict[str, Any] | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(
            observation_space,
            action_space,
            features_extractor_class
            or self.default_extractor
            or extractor_for(observation_space, normalize_images),
            features_extractor_kwargs,
            normalize_images=normalize_images,
            optimizer_class=optimizer_class,
            optimizer_kwargs=optimizer_kwargs,
        )
        self.net_arch = widths_of(net_arch, layers, units)
        self.activation_fn, self.modules_a_layer, self.active = activation_fn, modules, active
        self.population = population
        self._check()
        self.modules_a_layer, self.active, self.population = int(modules), int(active), int(population)
        self.seed = int(torch.randint(2**31, ())) if seed is None else seed
        self.rule = rule_for(self.optimizer_class, self.optimizer_kwargs)
        self.q_net = self._make_q_net(self.rule.state_names)
        self.q_net_target = self._make_q_net(())
        self.q_net_target.set_training_mode(False)
        self.q_net_target.resemble(self.q_net)
        make_optimizer: Any = self.optimizer_class
        self.optimizer = make_optimizer(self.q_net.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)
        self.routes: dict[str, Route] = {}
        """Frozen tasks by name, in the order they were learned."""

    def _check(self) -> None:
        if self.action_space.start != 0:
            raise ValueError(f"actions must count from 0, not {self.action_space.start}: shift them by a wrapper")
        if self.activation_fn is not nn.ReLU:
            name = getattr(self.activation_fn, "__name__", repr(self.activation_fn))
            raise ValueError(
                f"policy_kwargs: activation_fn={name} is not possible: leave it out, modules are nn.ReLU"
            )
        for name, value, least, most in (
            ("modules", self.modules_a_layer, 1, None),
            ("active", self.active, 1, 64),
            ("population", self.population, 2, 1024),
        ):
            if not is_whole(value) or value < least or (most is not None and value > most):
                at_most = "" if most is None else f", at most {most:,}"
                reason = ", so that paths compete" if name == "population" else ""
                raise ValueError(
                    f"policy_kwargs: {name}={value!r} must be a whole number, {least} or more{at_most}{reason}"
                )
        if self.active > self.modules_a_layer:
            raise ValueError(
                f"policy_kwargs: active={self.active} must not exceed modules={self.modules_a_layer}: "
                f"give active={self.modules_a_layer} or fewer, or more modules"
            )

    def _make_q_net(self, state_names: tuple[str, ...]) -> PathQNetwork:
        return PathQNetwork(
            self.observation_space,
            self.action_space,
            net_arch=self.net_arch,
            modules=self.modules_a_layer,
            active=self.active,
            seed=self.seed,
            features_extractor_class=self.features_extractor_class,
            features_extractor_kwargs=self.features_extractor_kwargs,
            normalize_images=self.normalize_images,
            state_names=state_names,
        )

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {
            **super()._get_constructor_parameters(),
            "lr_schedule": self._dummy_schedule,
            "net_arch": self.net_arch,
            "modules": self.modules_a_layer,
            "active": self.active,
            "population": self.population,
            "features_extractor_class": self.features_extractor_class,
            "features_extractor_kwargs": self.features_extractor_kwargs,
            "optimizer_class": self.optimizer_class,
            "optimizer_kwargs": self.optimizer_kwargs,
            "seed": self.seed,
        }

    @property
    def net(self) -> PathNet:
        """The modules and heads that learn."""
        return self.q_net.net

    @property
    def route(self) -> Route | None:
        """Where :meth:`predict` goes."""
        return self.q_net.route

    @property
    def device(self) -> torch.device:
        """Where the networks live."""
        return self.q_net.device

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Let what learns move along when torch moves the networks, such as by ``.to(device)``."""
        self.sync()
        net, live = self.net, self.live
        super()._apply(fn, recurse)
        if self.net is not net:
            self._optimize()
            if live is not None:
                self._learn_along(live.task, live.paths, live.heads)
        return self

    def set_training_mode(self, mode: bool) -> None:
        """Switch the online extractor's dropout and batch normalisation; the target's is never in training mode."""
        self.q_net.set_training_mode(mode)
        self.training = mode

    def forget(self) -> None:
        """Let both networks gather their routes anew."""
        self.q_net.forget()
        self.q_net_target.forget()

    @torch.no_grad()
    def next_features(self, observation: PyTorchObs) -> tuple[Tensor, Tensor]:
        """Return what the online and the target network's modules see, the same once the extractor is frozen.

        Dropout and batch normalisation are in evaluation mode: what follows is judged, not learned from.
        """
        extractor, training = self.q_net.features_extractor, self.q_net.features_extractor.training
        if training:
            extractor.eval()
        online = self.q_net.features(observation)
        if training:
            extractor.train()
        return online, online if self.q_net.extractor_frozen else self.q_net_target.features(observation)

    def forward(self, obs: PyTorchObs, deterministic: bool = True) -> Tensor:
        """Return the greedy actions, ``(batch,)``."""
        return self._predict(obs, deterministic)

    def _predict(self, observation: PyTorchObs, deterministic: bool = True) -> Tensor:
        del deterministic  # exploration is the algorithm's, as in DQN
        return self.q_net.forward(observation).argmax(-1)

    def show(self, route: Route | None) -> None:
        """Choose where :meth:`predict` goes."""
        self.q_net.show(route)
        self.q_net_target.show(route)

    def add_task(self, task: str) -> None:
        """Give a task new heads, one a member."""
        generator = torch_generator(self.seed, len(self.routes), "heads")
        self.net.add_heads(task, self.population, int(self.action_space.n), [generator])

    def copy_head(self, task: str, source: int, target: int) -> None:
        """Overwrite one of a task's heads with another, in both networks."""
        self.sync()
        for net in (self.net, self.q_net_target.net):
            net.heads[task].copy_rows(0, [source], [target])

    def heal(self) -> None:
        """Return modules with numbers that are not finite to their initial weights, in both networks."""
        self.sync()
        for net in (self.net, self.q_net_target.net):
            net.reinitialise_lost()

    def has_learned(self, task: str) -> bool:
        """Say whether any member of a task has been updated."""
        self.sync()
        return bool(self.net.heads[task].updates_rm.any())

    def follow(self, task: str, paths: Paths, heads: NDArray[np.int64]) -> None:
        """Let these paths learn from now on, ``(members, layers, active)``."""
        self.sync()
        self._learn_along(task, paths, heads)

    def settle(self) -> None:
        """Let the target be equal to the network as it now is."""
        self.q_net.bind()
        self.q_net_target.resemble(self.q_net)
        self._optimize()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._optimize()

    def _optimize(self) -> None:
        """Name the present parameters to the optimizer; the modules move by the live paths' rule."""
        present = list(self.q_net.parameters())
        self.optimizer.param_groups[0]["params"] = present
        for gone in self.optimizer.state.keys() - set(present):  # some remember a parameter before its first step
            del self.optimizer.state[gone]

    def _learn_along(self, task: str, paths: Paths, heads: NDArray[np.int64]) -> None:
        """Let these paths learn."""
        live = LivePaths(self.net, self.q_net_target.net, task, paths, heads, self.rule)
        self.live = self.q_net.live = self.q_net_target.live = live

    def _rest(self) -> None:
        """Let nothing learn."""
        self.live = self.q_net.live = self.q_net_target.live = None

    def drop_task(self, task: str) -> None:
        """Forget a task that is not frozen."""
        self._rest()
        self.show(None)
        del self.net.heads[task]
        self.net.reinitialise()  # its warm members' copies
        self.settle()

    def learn(self, sample: Sample, target_next: Tensor, max_norm: float) -> Tensor:
        """Take one step down the temporal differences and return the members' losses, ``(members,)``.

        It moves the open modules, the heads, and the extractor while that is open.
        """
        assert self.live is not None
        learning_rate = self.optimizer.param_groups[0]["lr"]
        extractor = self.q_net.features_extractor
        others = [parameter for parameter in extractor.parameters() if parameter.requires_grad]
        if not others:
            return self.live.learn(sample, target_next, learning_rate, max_norm)
        differences = self.live.compare(sample, target_next)
        losses, gradient = differences.loss(sample)
        gradients = self.live.descend(differences.run, gradient, learning_rate, others, max_norm)
        for parameter, own in zip(others, gradients, strict=True):
            parameter.grad = own
        self.optimizer.step()
        return losses

    def update_target(self, share: float) -> None:
        """Let a share of the online network flow into the target network; running statistics are copied."""
        assert self.live is not None
        self.live.update_target(share)
        if not self.q_net.extractor_frozen:
            online, slow = self.q_net.features_extractor, self.q_net_target.features_extractor
            polyak_update(online.parameters(), slow.parameters(), share)
            running = ["running_"]
            polyak_update(get_parameters_by_name(online, running), get_parameters_by_name(slow, running), 1.0)

    def freeze(self, route: Route) -> Route:
        """Freeze a task's path and, with the first task, the extractor; return all other modules to their start.

        Returns:
            The frozen route, which :meth:`predict` now goes.
        """
        self.sync()
        self._rest()
        self.net.keep_head(route.task, route.head)
        newly_frozen = self.net.freeze(route.path)
        self.net.reinitialise()
        frozen = Route(route.task, route.path.copy(), 0, newly_frozen)
        self.routes[route.task] = frozen
        self.q_net.freeze_extractor(True)
        self.show(frozen)
        self.settle()
        return frozen

    def structure(self) -> dict[str, Any]:
        """Return tasks, paths, what is frozen, and what the optimizer keeps for every module."""
        network = self.net.state_dict().items()
        live = self.live
        return {
            "seed": self.seed,
            "network": {name: tensor.clone() for name, tensor in network if not name.endswith(".values")},
            "routes": [route.plain() for route in self.routes.values()],
            "q_net": self.q_net.structure(),
            "live": live
            and {
                "task": live.task,
                "paths": torch.from_numpy(live.paths.copy()),
                "heads": torch.from_numpy(live.heads.copy()),
            },
        }

    def restructure(self, structure: dict[str, Any]) -> None:
        """Have these tasks, and let these paths learn.

        Raises:
            ValueError: If they are of another network; nothing has changed then.
        """
        self.net.require_own_layers(structure["network"])
        self._rest()
        self.seed = self.q_net.seed = structure["seed"]
        self.routes = {plain["task"]: route_of(plain) for plain in structure["routes"]}
        self.q_net.restructure(structure["q_net"])
        values = {name: tensor for name, tensor in self.net.state_dict().items() if name.endswith(".values")}
        others = {name: tensor.cpu().clone() for name, tensor in structure["network"].items()}
        self.net.load_state_dict({**others, **values})
        self.settle()
        if live := structure["live"]:
            self._learn_along(live["task"], live["paths"].cpu().numpy(), live["heads"].cpu().numpy())


class MlpPathNetPolicy(PathNetPolicy):
    """Flattens every observation, as ``"MlpPolicy"`` of DQN does."""

    default_extractor = FlattenExtractor


class CnnPathNetPolicy(PathNetPolicy):
    """Takes every observation for an image, as ``"CnnPolicy"`` of DQN does."""

    default_extractor = NatureCNN
