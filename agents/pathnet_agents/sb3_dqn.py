"""PathNetDQN: double DQN along evolving paths, where ``stable_baselines3.DQN`` stood.

    from pathnet_agents import PathNetDQN

    model = PathNetDQN("PathNetPolicy", "CartPole-v1", seed=0).learn(50_000)

    model.learn_task("hover", hover_env, 200_000)
    model.freeze_task()
    model.learn_task("land", landing_env, 400_000)  # starts from what hovering found, and cannot change it
    model.use_task("hover")

Whatever Stable-Baselines3 draws (replay samples, actions of the warm-up, an extractor's weights) comes from the
global generators that it seeds; the rest from streams of their own, named by seed, task and purpose.
"""

from collections import Counter
from itertools import count
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import maybe_make_env
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, Schedule
from stable_baselines3.common.utils import LinearSchedule, obs_as_tensor
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer
from torch import Tensor

from pathnet_agents.population import Ancestor, first_population
from pathnet_agents.replay import Sample
from pathnet_agents.sb3_policy import PathNetPolicy, Route
from pathnet_agents.task_search import TaskSearch
from pathnet_rl.paths import diversity, to_lists
from pathnet_rl.rng import numpy_generator
from pathnet_rl.settings import SearchSettings


class PathNetDQN(OffPolicyAlgorithm):
    """Learns tasks one after another along paths of one network and forgets none of them.

    :meth:`learn` searches a path for the current task: all members of a population learn in every update from
    one replay, now and then a tournament replaces a member by a mutated copy of another, and after
    ``search_steps`` the best one learns on alone. :meth:`freeze_task` ends a task. All tasks share the
    observation space, the actions and the number of environments.

    Arguments not named here are those of ``stable_baselines3.DQN``, in the same order.

    Args:
        policy: ``"PathNetPolicy"`` for every observation space; DQN's names are understood as well.
        env: Environment with discrete actions, or its id; several must be a multiple of the population.
        learning_rate: Adam's step size, or a schedule of it.
        batch_size: Replay transitions per update and member.
        target_update_interval: Environment steps between two updates of the target network by ``tau``.
        max_grad_norm: Bound of the gradient's norm, of all members together.
        policy_kwargs: Arguments of :class:`~pathnet_agents.sb3_policy.PathNetPolicy`: layers, modules, active,
            units, population, and the features extractor.
        search_steps: Environment steps of searching in a task, before the best member learns on alone.
        generation_steps: Environment steps between two tournaments; a member's fitness is the mean of its
            latest 8 returns, so give its episodes time.
        warm_start: How later tasks begin: ``"clone"`` starts half of the population as copies of the last
            task's path that can still learn; ``"reset"`` starts all from random paths, as in the paper.

    Raises:
        ValueError: If the environments cannot be spread evenly over the population, or an argument is out of
            range.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "PathNetPolicy": PathNetPolicy,
        "MultiInputPathNetPolicy": PathNetPolicy,
        "MlpPolicy": PathNetPolicy,
        "CnnPolicy": PathNetPolicy,
        "MultiInputPolicy": PathNetPolicy,
    }
    policy: PathNetPolicy
    exploration_schedule: Schedule

    def __init__(  # noqa: PLR0913, PLR0917 - the signature of the class whose place it takes
        self,
        policy: str | type[PathNetPolicy],
        env: GymEnv | str,
        learning_rate: float | Schedule = 5e-4,
        buffer_size: int = 100_000,
        learning_starts: int = 1_000,
        batch_size: int = 64,
        tau: float = 1.0,
        gamma: float = 0.99,
        train_freq: int | tuple[int, str] = 4,
        gradient_steps: int = 1,
        replay_buffer_class: type[ReplayBuffer] | None = None,
        replay_buffer_kwargs: dict[str, Any] | None = None,
        optimize_memory_usage: bool = False,
        n_steps: int = 1,
        target_update_interval: int = 1_000,
        exploration_fraction: float = 0.1,
        exploration_initial_eps: float = 1.0,
        exploration_final_eps: float = 0.05,
        max_grad_norm: float = 10.0,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
        *,
        search_steps: int = 25_600,
        generation_steps: int = 3_200,
        warm_start: Literal["clone", "reset"] = "clone",
    ) -> None:
        super().__init__(
            policy,
            env,
            learning_rate,
            buffer_size,
            learning_starts,
            batch_size,
            tau,
            gamma,
            train_freq,
            gradient_steps,
            replay_buffer_class=replay_buffer_class,
            replay_buffer_kwargs=replay_buffer_kwargs,
            optimize_memory_usage=optimize_memory_usage,
            n_steps=n_steps,
            policy_kwargs=policy_kwargs,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device=device,
            seed=seed,
            sde_support=False,
            supported_action_spaces=(spaces.Discrete,),
            support_multi_env=True,
        )
        self.exploration_initial_eps = exploration_initial_eps
        self.exploration_final_eps = exploration_final_eps
        self.exploration_fraction = exploration_fraction
        self.target_update_interval = target_update_interval
        self.max_grad_norm = max_grad_norm
        self.search_steps, self.generation_steps = search_steps, generation_steps
        self.warm_start: Literal["clone", "reset"] = warm_start
        self.exploration_rate = 0.0
        self._vector_steps = 0
        self._warming_up = False
        self._explore: np.random.Generator | None = None
        self._search: TaskSearch | None = None
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        super()._setup_model()
        self._check()
        self.exploration_schedule = LinearSchedule(
            self.exploration_initial_eps, self.exploration_final_eps, self.exploration_fraction
        )
        if self._explore is None:
            self._explore = numpy_generator(self.policy.seed, 0, "exploration")
        search = self._search
        if search is not None and len(search.member_of_lane) != self.n_envs:  # loaded for another number of them
            search.spread(self.n_envs)

    def _check(self) -> None:
        members = self.policy.population
        if self.n_envs > 1 and self.n_envs % members:
            raise ValueError(
                f"n_envs={self.n_envs} cannot be spread evenly over population={members}: give 1 or a multiple of "
                f"{members} environments, or policy_kwargs=dict(population={self.n_envs})"
            )
        for name in ("search_steps", "generation_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be 1 or more environment steps")
        if self.warm_start not in ("clone", "reset"):
            raise ValueError(f'warm_start={self.warm_start!r} must be "clone" or "reset"')

    @property
    def paths(self) -> dict[str, list[list[int]]]:
        """The modules of every task's path, by layer; the current task with its best path so far."""
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
        owners: list[dict[int, str]] = [{} for _ in layers]
        for route in self.policy.routes.values():
            if route.task == name:
                break
            for owner, modules in zip(owners, route.newly_frozen, strict=True):
                owner.update(dict.fromkeys(modules, route.task))
        return [
            dict(Counter(owner[module] for module in modules if module in owner))
            for owner, modules in zip(owners, layers, strict=True)
        ]

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
        return self

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
        """
        self._refuse_task(name)
        if env is not None:
            self.set_env(maybe_make_env(env, self.verbose))
        self._enter(name)
        return self.learn(total_timesteps, callback, log_interval, tb_log_name or name, progress_bar=progress_bar)

    def _refuse_task(self, name: str) -> None:
        """Say why a task cannot be learned now, before anything changes."""
        if name in self.policy.routes:
            raise ValueError(f"task {name!r} is frozen; give the new one another name, or use_task({name!r})")
        search = self._search
        if search is not None and search.task != name and search.env_steps:
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
        policy, index = self.policy, len(self.policy.routes)
        settings = SearchSettings(
            population=policy.population,
            generation_env_steps=self.generation_steps,
            search_env_steps=self.search_steps,
            warm_start=self.warm_start,
        )
        rng = numpy_generator(policy.seed, index, "evolution")
        last = next(reversed(policy.routes.values()), None)
        ancestor = Ancestor(last.task, last.path) if last else None
        policy.add_task(name)
        population = first_population(policy.net, name, settings, ancestor, rng)
        self._search = TaskSearch(
            name, population, modules=policy.network.modules, rng=rng, settings=settings, lanes=self.n_envs
        )
        self._follow(self._search)
        return self._search

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
        self.policy.show(self._current_route())

    def freeze_task(self, *, keep_replay: bool = False) -> list[list[int]]:
        """End the current task: freeze its best path for good, return all other modules to their initial weights.

        Args:
            keep_replay: Keep the transitions, such as for a next task with the same rewards.

        Returns:
            The modules newly frozen, by layer.

        Raises:
            ValueError: If there is no current task, or nothing was learned for it.
        """
        if self._search is None or not self._search.env_steps:
            begun = f"task {self._search.task!r} has not been updated yet" if self._search else "no task is begun"
            needed = f"learn for more than learning_starts={self.learning_starts} steps"
            raise ValueError(f"there is nothing to freeze: {begun}; {needed}")
        frozen = self.policy.freeze(self._current_route())
        self._search = None
        if not keep_replay:
            self._clear_replay()
        elif isinstance(self.replay_buffer, HerReplayBuffer):
            self.replay_buffer.truncate_last_trajectory()
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

    def _setup_learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        reset_num_timesteps: bool = True,
        tb_log_name: str = "run",
        progress_bar: bool = False,
    ) -> tuple[int, BaseCallback]:
        search = self._current()
        search.interrupt()
        self.policy.show(self._current_route())
        return super()._setup_learn(total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar)

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 4,
        tb_log_name: str = "PathNetDQN",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Learn the current task; the arguments are those of ``stable_baselines3.DQN.learn``."""
        return super().learn(
            total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, progress_bar
        )

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        """Let every environment's member act, epsilon-greedily; at first all of them at random."""
        self._warming_up = self.num_timesteps < learning_starts
        if self._warming_up:
            return super()._sample_action(learning_starts, action_noise, n_envs)
        assert self._last_obs is not None
        assert self.policy.live is not None
        assert self._explore is not None
        with torch.no_grad():
            features = self.policy.features(obs_as_tensor(self._last_obs, self.device))
        values = self.policy.live.values(features).cpu().numpy()
        greedy = values[self._current().member_of_lane, np.arange(n_envs)].argmax(-1)
        explores = self._explore.random(n_envs) < self.exploration_rate
        actions = np.where(explores, self._explore.integers(values.shape[-1], size=n_envs), greedy)
        return actions, actions

    def _store_transition(  # noqa: PLR0913 - the signature of the base class
        self,
        replay_buffer: ReplayBuffer,
        buffer_action: np.ndarray,
        new_obs: np.ndarray | dict[str, np.ndarray],
        reward: np.ndarray,
        dones: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        super()._store_transition(replay_buffer, buffer_action, new_obs, reward, dones, infos)
        if not self._warming_up:
            normalised = self._vec_normalize_env
            self._current().step(normalised.get_original_reward() if normalised else reward, dones)

    def _on_step(self) -> None:
        """Update the target network, the exploration rate and, when it is time, the population."""
        self._vector_steps += 1
        if self._vector_steps % max(self.target_update_interval // self.n_envs, 1) == 0:
            self.policy.update_target(self.tau)
        self.exploration_rate = self.exploration_schedule(self._current_progress_remaining)
        self.logger.record("rollout/exploration_rate", self.exploration_rate)
        if self._current().due:
            self._end_generation()

    def _end_generation(self) -> None:
        """Judge the members; a loser takes the winner's head, and a finished search leaves the best alone."""
        search, live = self._current(), self.policy.live
        assert live is not None
        self.policy.sync()
        live.working.count_evaluation()
        replaced = search.judge(live.working.finite_rp()[0]).replacement
        if replaced is not None:
            self.policy.net.heads[search.task].copy_rows(0, [replaced.winner], [replaced.loser])
        if search.over:
            search.consolidate()
        elif replaced is None:
            self.policy.show(self._current_route())
            return
        self._follow(search)

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Let every member learn from batches of its own, ``gradient_steps`` times."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        losses = [self._update(batch_size) for _ in range(gradient_steps)]
        self._n_updates += gradient_steps
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/loss", float(torch.stack(losses).mean()))

    def _update(self, batch_size: int) -> Tensor:
        """Take one step and return the members' mean loss."""
        live = self.policy.live
        assert live is not None
        losses = live.losses(*self._sample(live.members, batch_size))
        self.policy.descend(losses.sum(), self.max_grad_norm)
        return losses.detach().mean()

    def _sample(self, members: int, batch_size: int) -> tuple[Sample, Tensor]:
        """Draw a batch for each member, as features, and the target network's features of what followed."""
        assert self.replay_buffer is not None
        drawn = self.replay_buffer.sample(members * batch_size, env=self._vec_normalize_env)
        features = self.policy.features(drawn.observations)
        following, target_following = self.policy.next_features(drawn.next_observations)
        shape = (members, batch_size)
        discount = self.gamma if drawn.discounts is None else drawn.discounts
        sample = Sample(
            observation=features.unflatten(0, shape),
            action=drawn.actions.long().view(shape),
            reward=drawn.rewards.view(shape),
            next_observation=following.unflatten(0, shape),
            discount=((1 - drawn.dones) * discount).view(shape),
        )
        return sample, target_following.unflatten(0, shape)

    def dump_logs(self) -> None:
        """Write the log, with what the latest tournament showed."""
        search = self._search
        if search is not None and search.latest is not None:
            finite = search.latest.fitness[np.isfinite(search.latest.fitness)]
            if finite.size:
                self.logger.record("train/fitness_best", float(finite.max()))
            self.logger.record("train/diversity", diversity(search.population, self.policy.network.modules))
            self.logger.record("train/reused_modules", self.policy.net.frozen_in(search.best_path))
        super().dump_logs()

    def predict(
        self,
        observation: np.ndarray | dict[str, np.ndarray],
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
        """Act along the route of the task in use, or of the best member; not ``deterministic`` explores like DQN.

        Args:
            observation: One, or a batch of them.
            state: Returned as it is; there is no recurrence.
            episode_start: Not used.
            deterministic: Always the action of highest value.

        Returns:
            Actions, and ``state``.
        """
        if self.policy.route is None:
            self._current()
        assert self._explore is not None
        if not deterministic and self._explore.random() < self.exploration_rate:
            return self._random_actions(observation), state
        return self.policy.predict(observation, state, episode_start, deterministic)

    def _random_actions(self, observation: np.ndarray | dict[str, np.ndarray]) -> np.ndarray:
        """Draw an action for every observation of a batch, or for the only one."""
        assert self._explore is not None
        actions = int(self.policy.action_space.n)
        if not self.policy.is_vectorized_observation(observation):
            return np.array(self._explore.integers(actions))
        first = next(iter(observation.values())) if isinstance(observation, dict) else observation
        return self._explore.integers(actions, size=len(first))

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        return ["policy", "policy.optimizer"], []
