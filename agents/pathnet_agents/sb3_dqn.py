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

import io
import pathlib
import warnings
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, Schedule
from stable_baselines3.common.utils import LinearSchedule, obs_as_tensor
from torch import Tensor

from pathnet_agents.replay import Sample
from pathnet_agents.sb3_arguments import check_actions, check_file, check_policy, check_policy_name
from pathnet_agents.sb3_network import PathQNetwork
from pathnet_agents.sb3_policy import CnnPathNetPolicy, MlpPathNetPolicy, PathNetPolicy
from pathnet_agents.sb3_sizes import is_whole
from pathnet_agents.sb3_tasks import TaskByTask
from pathnet_rl.paths import diversity
from pathnet_rl.rng import numpy_generator


class PathNetDQN(TaskByTask):
    """Learns tasks one after another along paths of one network and forgets none of them.

    :meth:`learn` searches a path for the current task: all members of a population learn in every update from
    one replay, now and then a tournament replaces a member by a mutated copy of another, and after
    ``search_steps`` the best one learns on alone. :meth:`freeze_task` ends a task. All tasks share the
    observation space, the actions and the number of environments.

    It learns by double DQN. While it learns, every environment draws for itself whether to explore, where DQN draws
    once for all of them.

    Arguments not named here are those of ``stable_baselines3.DQN``, in the same order. Five defaults are others,
    for tasks of some 50,000 steps on small observations: learning_rate 5e-4 (DQN: 1e-4), buffer_size
    100,000 (1,000,000), learning_starts 1,000 (100), batch_size 64 (32), target_update_interval 250 (10,000).

    Modules learn by a step of their own, not by Torch's graph: what ``q_net`` returns has no gradient. Equal seeds
    give equal agents on the CPU; on CUDA only after ``torch.use_deterministic_algorithms(True)``.

    Args:
        policy: ``"PathNetPolicy"``, which chooses what lies below the modules by the observation space; or DQN's
            ``"MlpPolicy"``, ``"CnnPolicy"``, ``"MultiInputPolicy"``.
        env: Environment with discrete actions, or its id. Several that are a multiple of the population are
            spread over it; otherwise the members act in turn, an episode each.
        learning_rate: Adam's step size, or a schedule of it.
        batch_size: Replay transitions per update and member.
        target_update_interval: Environment steps between two updates of the target network by ``tau``.
        max_grad_norm: Bound of the gradient's norm, of all members together.
        policy_kwargs: Arguments of :class:`~pathnet_agents.sb3_policy.PathNetPolicy`: net_arch (or layers and
            units), modules, active, population, the features extractor and the optimizer.
        search_steps: Environment steps of searching in a task, before the best member learns on alone; by default
            a tenth of those that :meth:`learn` is first called with for it. It goes on until a path has finished an
            episode, at most ten times as long.
        generation_steps: Environment steps between two tournaments, by default an eighth of the search and at most
            all of it; a member's fitness is the mean of its latest 8 returns, so give its episodes time. New
            members sit out three tournaments, fewer where a search has fewer than eight.
        warm_start: How later tasks begin: ``"clone"`` starts half of the population as copies of the last
            task's path that can still learn; ``"reset"`` starts all from random paths, as in the paper.

    Raises:
        ValueError: If an argument is out of range, the policy has no paths or the actions are not discrete.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "PathNetPolicy": PathNetPolicy,
        "MultiInputPathNetPolicy": PathNetPolicy,
        "MlpPolicy": MlpPathNetPolicy,
        "CnnPolicy": CnnPathNetPolicy,
        "MultiInputPolicy": PathNetPolicy,
    }
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
        target_update_interval: int = 250,
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
        search_steps: int | None = None,
        generation_steps: int | None = None,
        warm_start: Literal["clone", "reset"] = "clone",
    ) -> None:
        check_policy_name(policy, self.policy_aliases)
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
            support_multi_env=True,
        )
        check_policy(self.policy_class, self.policy_kwargs)
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
        self._search = None
        if _init_setup_model:
            self._setup_model()
            self._current()

    def _setup_model(self) -> None:
        self._check()
        explore = self._explore
        super()._setup_model()
        self.exploration_schedule = LinearSchedule(
            self.exploration_initial_eps, self.exploration_final_eps, self.exploration_fraction
        )
        # A loaded agent explores on where it was, whatever seed it was made with.
        self._explore = explore or numpy_generator(self.policy.seed, 0, "exploration")
        search = self._search
        if search is not None and len(search.member_of_lane) != self.n_envs:  # loaded for another number of them
            search.spread(self.n_envs)

    def _check(self) -> None:
        check_actions(self.action_space)
        for name, most in (("search_steps", 1_000_000_000), ("generation_steps", 10_000_000)):
            steps = getattr(self, name)
            if steps is None:
                continue
            if not is_whole(steps) or not 1 <= steps <= most:
                raise ValueError(f"{name}={steps} must be 1 or more environment steps, at most {most:,}")
            setattr(self, name, int(steps))
        if not is_whole(self.batch_size) or self.batch_size < 1:
            raise ValueError(f"batch_size={self.batch_size} must be a whole number, 1 or more")
        if self.warm_start not in ("clone", "reset"):
            raise ValueError(f'warm_start={self.warm_start!r} must be "clone" or "reset"')
        if self.n_envs > max(self.target_update_interval, 1):
            warnings.warn(
                "The number of environments used is greater than the target network's interval: with n_envs="
                f"{self.n_envs} it is updated every {self.n_envs} steps, not target_update_interval="
                f"{self.target_update_interval}",
                stacklevel=3,
            )

    @property
    def q_net(self) -> PathQNetwork:
        """The network that learns, along the route :meth:`predict` goes."""
        return self.policy.q_net

    @property
    def q_net_target(self) -> PathQNetwork:
        """The network that follows it."""
        return self.policy.q_net_target

    @classmethod
    def load(cls, path: str | pathlib.Path | io.BufferedIOBase, *args: Any, **kwargs: Any) -> Self:
        """Return the agent that was saved; see ``stable_baselines3.DQN.load``.

        Raises:
            ValueError: If the file is cut short, or of another algorithm.
        """
        check_file(path)
        model = super().load(path, *args, **kwargs)
        model.set_random_seed(kwargs.get("seed"))
        return model

    def set_random_seed(self, seed: int | None = None) -> None:
        """Seed what Stable-Baselines3 draws from, and exploration; None leaves them alone."""
        super().set_random_seed(seed)
        if seed is not None:
            self._explore = numpy_generator(seed, 0, "exploration")

    def _setup_learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        reset_num_timesteps: bool = True,
        tb_log_name: str = "run",
        progress_bar: bool = False,
    ) -> tuple[int, BaseCallback]:
        self._require_env()
        self._agree()
        search = self._current()
        self._announce(search, goes_on=not reset_num_timesteps)
        if not search.env_steps:
            search.plan(self._search_settings(total_timesteps))
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
        self._learning = True
        try:
            return super().learn(
                total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, progress_bar
            )
        finally:
            self._learning = False

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
        explores = self._explore.random(n_envs) < self.exploration_rate
        actions = self._explore.integers(int(self.policy.action_space.n), size=n_envs)
        if not explores.all():
            with torch.no_grad():
                features = self.policy.q_net.features(obs_as_tensor(self._last_obs, self.device))
                values = self.policy.live.values_by_lane(features, self._current().member_of_lane)
            actions = np.where(explores, actions, values.cpu().numpy().argmax(-1))
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
        generation = search.judge(live.working.finite_rp()[0])
        replaced = [] if generation.replacement is None else [generation.replacement]
        if generation.failed:
            replaced += search.replace_failed()
            self.policy.heal()
            failed = ", ".join(map(str, np.flatnonzero(np.isnan(generation.outcome.fitness))))
            words = f"weights or returns of members that were not finite: {failed}; others took their places"
            warnings.warn(f"task {search.task!r}: {words}", RuntimeWarning, stacklevel=2)
        for each in replaced:
            self.policy.copy_head(search.task, each.winner, each.loser)
        if search.over:
            search.consolidate()
        elif not replaced:
            self._show_best()
            return
        self._follow(search)

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Let every member learn from batches of its own, ``gradient_steps`` times."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        if gradient_steps < 1:
            return
        losses = [self._update(batch_size) for _ in range(gradient_steps)]
        self._n_updates += gradient_steps
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/loss", float(torch.stack(losses).mean()))

    def _update(self, batch_size: int) -> Tensor:
        """Take one step and return the members' mean loss."""
        live = self.policy.live
        assert live is not None
        sample, target_next = self._sample(live.members, batch_size)
        return self.policy.learn(sample, target_next, self.max_grad_norm).mean()

    def _sample(self, members: int, batch_size: int) -> tuple[Sample, Tensor]:
        """Draw a batch for each member, as features, and the target network's features of what followed."""
        assert self.replay_buffer is not None
        drawn = self.replay_buffer.sample(members * batch_size, env=self._vec_normalize_env)
        features = self.policy.q_net.features(drawn.observations)
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
            self.logger.record("train/diversity", diversity(search.population, self.policy.modules_a_layer))
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
