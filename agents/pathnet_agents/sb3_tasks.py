"""Learning task after task with one Stable-Baselines3 algorithm: what begins, ends and is gone back to."""

import io
import pathlib
import warnings
from collections.abc import Iterable
from itertools import count, takewhile
from typing import Any, Literal, Self

import numpy as np
import torch
from stable_baselines3.common.base_class import maybe_make_env
from stable_baselines3.common.buffers import NStepReplayBuffer
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, TensorDict
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer

from pathnet_agents.population import Ancestor, first_population
from pathnet_agents.sb3_network import Route
from pathnet_agents.sb3_policy import PathNetPolicy
from pathnet_agents.task_search import TaskSearch
from pathnet_rl.paths import Paths, reused, to_lists
from pathnet_rl.rng import numpy_generator
from pathnet_rl.settings import SearchSettings

SEARCH_SHARE = 0.1
"""Part of a task's steps that is spent on searching unless ``search_steps`` says how many.

As long as exploration by default: while members act in turn, each learns mostly from what others did, which is
slower. Of 1,500 steps that flip 10 bits with hindsight, all of them searching left 0.11 of success (mean of 3
seeds), a tenth 0.75, and DQN 0.80 (means of 70, with standard errors of 0.03).
"""
GENERATIONS = 8
"""Generations in a search unless ``generation_steps`` says how long they are; a search ends with a whole one."""
GRACE = 3
"""Tournaments that a member sits out, where a search has so many generations; in proportion where it has fewer."""


class TaskByTask(OffPolicyAlgorithm):
    """The tasks of an algorithm whose policy is a :class:`~pathnet_agents.sb3_policy.PathNetPolicy`.

    A subclass sets ``search_steps``, ``generation_steps`` and ``warm_start``, and learns the current task.
    """

    policy: PathNetPolicy
    search_steps: int | None
    generation_steps: int | None
    warm_start: Literal["clone", "reset"]
    normalised = False
    """Whether it was learned under ``VecNormalize``."""
    _search: TaskSearch | None = None
    _used: str | None = None  # the task that use_task named, until something is learned
    _frozen_under: int | None = None  # the VecNormalize, by id, of the task frozen last; not known of a loaded one
    _learning = False  # while learn() goes on

    @property
    def paths(self) -> dict[str, list[list[int]]]:
        """The modules of every task's path, by layer; the current task with its best path so far."""
        self._agree()
        paths = {name: to_lists(route.path) for name, route in self.policy.routes.items()}
        if self._search is not None:
            paths[self._search.task] = to_lists(self._search.best_path)
        return paths

    def reused(self, name: str) -> list[dict[str, int]]:
        """Count, by layer, the modules of a task's path that each earlier task froze.

        Raises:
            KeyError: If there is no such task.
        """
        layers = self.paths[self._known(name)]
        earlier = takewhile(lambda route: route.task != name, self.policy.routes.values())
        return reused(layers, {route.task: route.newly_frozen for route in earlier})

    def _known(self, name: str) -> str:
        if name not in self.paths:
            raise KeyError(f"no task {name!r}; there are: {', '.join(self.paths) or 'none yet'}")
        return name

    def use_task(self, name: str) -> Self:
        """Let :meth:`predict` act for this task until another is used or learned.

        :meth:`learn` goes on with the newest task whichever is used: what is frozen is not learned again.

        A frozen task acts to the bit as it did when it was frozen.

        Raises:
            KeyError: If there is no such task.
        """
        frozen = self.policy.routes.get(self._known(name))
        self.policy.show(frozen or self._current_route())
        self._used = name
        return self

    def _announce(self, search: TaskSearch, *, goes_on: bool) -> None:
        """Warn of what somebody who learns a task now, and may go on counting steps, may not expect."""
        if self._used not in (None, search.task):
            warnings.warn(
                f"learn() goes on with task {search.task!r}; {self._used!r}, which use_task() named, is "
                "predict()'s alone",
                stacklevel=5,
            )
        self._used = None
        if goes_on and self.policy.routes and not search.env_steps and self.num_timesteps > self.learning_starts:
            warnings.warn(
                f"task {search.task!r} begins at {self.num_timesteps} time steps, explored as at the end and "
                "without random steps first: leave reset_num_timesteps=False out, or call learn_task()",
                stacklevel=5,
            )
        normalised = self._vec_normalize_env
        self.normalised |= normalised is not None
        the_same = self._frozen_under in (None, id(normalised))
        if self.policy.routes and normalised is not None and normalised.training and the_same:
            warnings.warn(
                "VecNormalize goes on to change what observations are turned into, so frozen tasks will act on "
                "other numbers than they learned from: set its training=False once a task is frozen, or give every "
                "task its own",
                stacklevel=5,
            )

    def learn_task(  # noqa: PLR0913 - learn, and what is to be learned
        self,
        name: str,
        env: GymEnv | str | None,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 4,
        tb_log_name: str | None = None,
        progress_bar: bool = False,
    ) -> Self:
        """Learn a task by name; the same name again learns on while it is not frozen.

        Args:
            name: The task.
            env: Its environment or id, of the same spaces; None keeps the present one.
            total_timesteps: Environment steps, as in :meth:`learn`.
            callback: As in :meth:`learn`.
            log_interval: Episodes between two logs.
            tb_log_name: Name of the TensorBoard run, by default the task's.
            progress_bar: Show one.

        Raises:
            ValueError: If the task is frozen, or another one has been begun and is not.
            TypeError: If its name is no string.
        """
        if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance] - saved files hold strings
            raise TypeError(f"name={name!r} must be a string, such as {str(name)!r}")
        self._refuse_task(name)
        if env is not None:
            self.set_env(maybe_make_env(env, self.verbose))
        self._require_env()
        self._enter(name)
        self._used = None
        return self.learn(total_timesteps, callback, log_interval, tb_log_name or name, progress_bar=progress_bar)

    def _require_env(self) -> None:
        """Refuse to learn without an environment, before anything changes, as Stable-Baselines3 does later."""
        assert self.env is not None, "there is no environment to learn in: give load() an env, or call set_env()"

    def _refuse_task(self, name: str) -> None:
        """Say why a task cannot be learned now, before anything changes."""
        self._agree()
        if name in self.policy.routes:
            raise ValueError(f"task {name!r} is frozen; give the new one another name, or use_task({name!r})")
        search = self._search
        if search is not None and search.task != name and self.policy.has_learned(search.task):
            raise ValueError(f"task {search.task!r} is not frozen: call freeze_task() before learning {name!r}")

    def _enter(self, name: str) -> None:
        """Make a task the current one."""
        search = self._search
        if search is not None and search.task != name:  # begun, but never updated
            self.policy.drop_task(search.task)
            self._search = None
            self._clear_replay()
        if self._search is None:
            self._begin(name)

    def _begin(self, name: str) -> TaskSearch:
        """Make the first population of a task."""
        policy = self.policy
        if policy.net.frozen_rlm.all():
            warnings.warn(
                f"all {policy.modules_a_layer} modules of every layer are frozen: task {name!r} can only learn a "
                "head on what is there; start with more, such as policy_kwargs=dict(modules="
                f"{2 * policy.modules_a_layer})",
                stacklevel=2,
            )
        last = next(reversed(policy.routes.values()), None)
        ancestor = Ancestor(last.task, last.path) if last else None
        policy.add_task(name)
        rng, settings = self._rng("evolution"), self._search_settings()
        population = first_population(policy.net, name, settings, ancestor, rng)
        policy.settle()
        self._search = self._search_from(name, population, rng)
        self._follow(self._search)
        return self._search

    def _rng(self, purpose: str) -> np.random.Generator:
        return numpy_generator(self.policy.seed, len(self.policy.routes), purpose)

    def _search_settings(self, total_timesteps: int = 1) -> SearchSettings:
        """Return how a task is searched that is learned for so many steps."""
        search_steps = self.search_steps or _bounded(SEARCH_SHARE * total_timesteps)
        generation_steps = min(self.generation_steps or _bounded(search_steps / GENERATIONS), search_steps)
        generations = -(-search_steps // generation_steps)
        return SearchSettings(
            population=self.policy.population,
            fewest_active=self.policy.active,
            generation_env_steps=generation_steps,
            search_env_steps=search_steps,
            grace_generations=min(GRACE * generations // GENERATIONS, GRACE),
            warm_start=self.warm_start,
        )

    def _search_from(self, name: str, population: Paths, rng: np.random.Generator) -> TaskSearch:
        return TaskSearch(
            name,
            population,
            modules=self.policy.modules_a_layer,
            rng=rng,
            settings=self._search_settings(),
            lanes=self.n_envs,
        )

    def _current(self) -> TaskSearch:
        """Return the current task's search, begun under a name of its own where none was given."""
        if self._search is None:
            names = (f"task-{number}" for number in count(1))
            return self._begin(next(name for name in names if name not in self.policy.routes))
        return self._search

    def _current_route(self) -> Route:
        search = self._current()
        return Route(search.task, search.best_path.copy(), int(search.heads[search.best]), [])

    def _follow(self, search: TaskSearch) -> None:
        """Let the population, as it is now, act and learn."""
        self.policy.follow(search.task, search.population, search.heads)
        self._show_best()

    def _show_best(self) -> None:
        """Let :meth:`predict` act by the best member, where nobody has asked for another task."""
        if self._used in (None, self._current().task):
            self.policy.show(self._current_route())

    def freeze_task(self, *, keep_replay: bool = False) -> list[list[int]]:
        """End the current task: freeze its best path for good, return all other modules to their initial weights.

        Args:
            keep_replay: Keep the transitions, such as for a next task with the same rewards.

        Returns:
            The modules newly frozen, by layer.

        Raises:
            ValueError: If there is no current task, or nothing was learned for it.
            RuntimeError: If it is being learned at this moment, and a callback calls.
        """
        if self._learning:
            raise RuntimeError(
                "freeze_task() while learn() goes on: let the callback return False to end learn(), then freeze"
            )
        self._agree()
        if self._search is None or not self.policy.has_learned(self._search.task):
            last = next(reversed(self.policy.routes), None)
            begun = f"task {self._search.task!r} has not been updated yet" if self._search else "no task is begun"
            begun += f" since {last!r} was frozen" if last and not self._search else ""
            needed = f"learn for more than learning_starts={self.learning_starts} steps"
            raise ValueError(f"there is nothing to freeze: {begun}; {needed}")
        frozen = self.policy.freeze(self._current_route())
        self._search, self._used, self._frozen_under = None, None, id(self._vec_normalize_env)
        if not keep_replay:
            self._clear_replay()
        elif isinstance(self.replay_buffer, HerReplayBuffer):
            self.replay_buffer.truncate_last_trajectory()
        elif isinstance(self.replay_buffer, NStepReplayBuffer):  # no return may go on into the next task
            last = self.replay_buffer.pos - 1
            self.replay_buffer.timeouts[last] = 1 - self.replay_buffer.dones[last]
        return frozen.newly_frozen

    def _clear_replay(self) -> None:
        """Make the replay anew: HER's ``reset`` would keep the marks of its episodes."""
        make_buffer: Any = self.replay_buffer_class
        kwargs = dict(self.replay_buffer_kwargs)
        if isinstance(self.replay_buffer, HerReplayBuffer):
            kwargs["env"] = self.env
        self.replay_buffer = None  # the memory of the old one first
        self.replay_buffer = make_buffer(
            self.buffer_size,
            self.observation_space,
            self.action_space,
            device=self.device,
            n_envs=self.n_envs,
            optimize_memory_usage=self.optimize_memory_usage,
            **kwargs,
        )

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        """Go on in another environment of the same spaces; HER takes its rewards from there."""
        super().set_env(env, force_reset)
        if isinstance(self.replay_buffer, HerReplayBuffer):
            self.replay_buffer.env = self.env

    def set_parameters(
        self,
        load_path_or_dict: str | TensorDict,
        exact_match: bool = True,
        device: torch.device | str = "auto",
    ) -> None:
        """Take parameters, and the tasks they belong to; see ``stable_baselines3.DQN.set_parameters``."""
        super().set_parameters(load_path_or_dict, exact_match, device)
        self._agree()

    def save(
        self,
        path: str | pathlib.Path | io.BufferedIOBase,
        exclude: Iterable[str] | None = None,
        include: Iterable[str] | None = None,
    ) -> None:
        """Save everything but the replay; see ``stable_baselines3.DQN.save``."""
        self._agree()
        super().save(path, exclude, include)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_frozen_under", "_learning"]

    def _agree(self) -> None:
        """Search among the paths that the policy has, where somebody has loaded others into it."""
        live, search = self.policy.live, self._search
        if live is None:
            self._search = None
        elif search is None or search.task != live.task or not np.array_equal(search.population, live.paths):
            self._search = self._search_from(live.task, live.paths, self._rng("evolution of loaded paths"))
            if live.members == 1:
                self._search.consolidate()
            self._search.heads = live.heads
            route = self.policy.route
            if route is not None and route.task == live.task:  # the loaded route is that of the best
                self._search.search.evolution.age[live.heads == route.head] += 1


def _bounded(steps: float) -> int:
    """Return a number of steps that a search may have, however long one wants to learn."""
    return min(max(round(steps), 1), 10_000_000)
