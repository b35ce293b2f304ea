"""The baseline: Stable-Baselines3's DQN as an agent, so that its runs are made and recorded like all others.

It is verified and stopped by the same rule as PathNet-DQN, and keeps what was verified best. Its values are those
of rl-baselines3-zoo for LunarLander (``hyperparams/dqn.yml``); rewards are not scaled, as they were tuned without.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from pydantic import Field

from pathnet_rl.agent import Checkpoint
from pathnet_rl.evaluation import evaluation_of, success_in
from pathnet_rl.practice import Episode
from pathnet_rl.records import Evaluation, GenerationRecord, Record, SubTaskRecord, measure_of
from pathnet_rl.rng import episode_seeds
from pathnet_rl.settings import AgentSettings, NetworkSettings, Probability, SearchSettings, SubTaskSettings
from pathnet_rl.transfer.course import Course

if TYPE_CHECKING:
    from torch import Tensor

    from pathnet_rl.transfer.stepwise_dqn import StepwiseDQN

BASELINE = "sb3-dqn"
EVALUATION_EPISODES = 100
LANES = 20  # greedy episodes side by side


class BaselineSettings(AgentSettings):
    """DQN with rl-zoo's values for LunarLander."""

    hidden_units: list[int] = Field(default=[256, 256])
    """ReLU units of each layer."""
    learning_rate: float = Field(default=6.3e-4, gt=0.0, le=1.0)
    """Adam's step size."""
    batch_transitions: int = Field(default=128, ge=1)
    """Replay transitions per update."""
    replay_transitions: int = Field(default=50_000, ge=1)
    """Capacity of the replay."""
    learning_starts: int = Field(default=0, ge=0)
    """Environment steps before the first update."""
    discount: Probability = 0.99
    """Discount per environment step."""
    target_update_env_steps: int = Field(default=250, ge=1)
    """Environment steps between two copies into the target network."""
    env_steps_per_round: int = Field(default=4, ge=1)
    """Environment steps between two rounds of updates, of as many updates as steps."""
    exploration_share: Probability = 0.12
    """Share of the budget over which epsilon falls from 1."""
    epsilon_end: Probability = 0.1
    """Exploration after that."""

    def build(self, network: NetworkSettings, search: SearchSettings, *, seed: int, device: str) -> "BaselineAgent":
        """Make the agent; the network's settings mean nothing to it, of the search's the generation's length."""
        return BaselineAgent(self, network, search.generation_env_steps, seed=seed, device=device)


@dataclass(frozen=True)
class Learned:
    """The sub-task that was learned."""

    settings: SubTaskSettings
    index: int
    frozen: bool


class BaselineAgent:
    """A :class:`pathnet_rl.agent.Agent` around DQN that learns one sub-task.

    Args:
        settings: How to learn.
        network: The PathNet that it has none of; its records have as many empty layers.
        generation_env_steps: Environment steps between two records.
        seed: The run's seed.
        device: Torch device.
    """

    def __init__(
        self,
        settings: BaselineSettings,
        network: NetworkSettings,
        generation_env_steps: int,
        *,
        seed: int,
        device: str,
    ) -> None:
        self.settings, self.generation_env_steps = settings, generation_env_steps
        self._no_path: list[list[int]] = [[] for _ in range(network.layers)]
        self._all_modules = [network.modules] * network.layers
        self.seed, self.device = seed, device
        self.learned: dict[str, Learned] = {}
        self.model: StepwiseDQN | None = None
        self._best: tuple[float, dict[str, Tensor]] | None = None
        self._verifications = 0

    def learn_task(self, settings: SubTaskSettings) -> Iterator[Record]:
        """Learn the sub-task: a record a generation, and at the end its own.

        Raises:
            ValueError: If one has been learned already; plain DQN has no second.
        """
        if self.learned:
            raise ValueError(f"{BASELINE} learns one sub-task; {settings.name!r} is another")
        started = time.perf_counter()
        environment = gymnasium.make(settings.env, **settings.env_kwargs)
        model = self._make_model(environment)
        self.learned[settings.name] = Learned(settings, 0, frozen=False)
        course = Course(settings)
        for done in model.learn_stepwise(settings.budget_env_steps, self.generation_env_steps):
            course.hear(done, model.take_episodes())
            verification = self._verify(settings) if course.worth_verifying else None
            course.judge(verification)
            yield self._record(course, verification, time.perf_counter() - started)
            course.generation += 1
            if course.why:
                break
        environment.close()
        yield self._finish(course, started)

    def _record(self, course: Course, verification: Evaluation | None, wall_s: float) -> GenerationRecord:
        assert self.model is not None
        window = course.practice.window()
        return GenerationRecord(
            task=course.settings.name,
            task_index=0,
            generation=course.generation,
            phase="consolidate",
            env_steps=course.env_steps,
            total_env_steps=course.env_steps,
            budget_env_steps=course.settings.budget_env_steps,
            episodes=course.practice.episodes,
            window_episodes=window.episodes,
            success_rate=window.success_rate,
            mean_return=window.mean_return,
            measured=None,
            loss=None,
            epsilon=float(self.model.exploration_rate),
            level=None,
            fitness_best=window.mean_return,
            fitness_median=window.mean_return,
            diversity=0.0,
            failed_members=0,
            replaced=None,
            best_path=self._no_path,
            reused_modules=0,
            verification=verification,
            why=course.why or None,
            env_steps_per_s=course.env_steps / wall_s,
            wall_s=wall_s,
        )

    def _finish(self, course: Course, started: float) -> SubTaskRecord:
        settings = course.settings
        assert self.model is not None and self._best is not None  # the last generation was verified
        self.model.q_net.load_state_dict(self._best[1])
        self.learned[settings.name] = Learned(settings, 0, frozen=True)
        return SubTaskRecord(
            task=settings.name,
            task_index=0,
            env=settings.env,
            mastered=course.mastered,
            why=course.why,
            env_steps=course.env_steps,
            total_env_steps=course.env_steps,
            generations=course.generation,
            path=self._no_path,
            reused=[{} for _ in self._no_path],
            newly_frozen=self._no_path,
            free_modules=self._all_modules,
            evaluation=self.evaluate(settings.name, EVALUATION_EPISODES, self.seed),
            wall_s=time.perf_counter() - started,
        )

    def _make_model(self, environment: gymnasium.Env[Any, Any]) -> "StepwiseDQN":
        from pathnet_rl.transfer.stepwise_dqn import StepwiseDQN  # noqa: PLC0415 - torch only when needed

        own = self.settings
        self.model = StepwiseDQN(
            "MlpPolicy",
            environment,
            learning_rate=own.learning_rate,
            batch_size=own.batch_transitions,
            buffer_size=own.replay_transitions,
            learning_starts=own.learning_starts,
            gamma=own.discount,
            target_update_interval=own.target_update_env_steps,
            train_freq=own.env_steps_per_round,
            gradient_steps=-1,
            exploration_fraction=own.exploration_share,
            exploration_final_eps=own.epsilon_end,
            policy_kwargs={"net_arch": list(own.hidden_units)},
            seed=self.seed % 2**32,
            device=self.device,
        )
        return self.model

    def _verify(self, settings: SubTaskSettings) -> Evaluation:
        """Fly greedily on held-out seeds, new ones each time, and keep the weights if none was better."""
        assert self.model is not None
        self._verifications += 1
        purpose = f"verification {self._verifications}"
        seeds = episode_seeds(self.seed, 0, purpose, settings.advance.verify_episodes)
        evaluation = self._fly(settings, seeds)
        measured = measure_of(evaluation, settings.advance.measure)
        assert measured is not None  # a curriculum that asks for what is not reported is refused
        if self._best is None or measured > self._best[0]:
            weights = {name: tensor.clone() for name, tensor in self.model.q_net.state_dict().items()}
            self._best = (measured, weights)
        return evaluation

    def evaluate(self, task: str, episodes: int, seed: int) -> Evaluation:
        """Fly the learned sub-task greedily on held-out seeds.

        Raises:
            KeyError: If there is no such sub-task.
        """
        learned = self.learned[task]
        return self._fly(learned.settings, episode_seeds(seed, learned.index, "evaluation", episodes))

    def _fly(self, settings: SubTaskSettings, seeds: Sequence[int]) -> Evaluation:
        """Fly one greedy episode a seed, some side by side."""
        lanes = [gymnasium.make(settings.env, **settings.env_kwargs) for _ in range(min(LANES, len(seeds)))]
        flights: list[Episode] = []
        for first in range(0, len(seeds), LANES):
            flights += self._fly_side_by_side(lanes, seeds[first : first + LANES])
        for lane in lanes:
            lane.close()
        return evaluation_of(
            [flight.undiscounted_return for flight in flights],
            [flight.success for flight in flights],
            [flight.steps for flight in flights],
        )

    def _fly_side_by_side(self, lanes: Sequence[gymnasium.Env[Any, Any]], seeds: Sequence[int]) -> list[Episode]:
        assert self.model is not None
        observations = np.stack([lane.reset(seed=seed)[0] for lane, seed in zip(lanes, seeds, strict=False)])
        returns, steps, done = np.zeros(len(seeds)), [0] * len(seeds), dict[int, Episode]()
        while len(done) < len(seeds):
            actions, _ = self.model.predict(observations, deterministic=True)
            for lane in range(len(seeds)):
                if lane in done:
                    continue
                observations[lane], reward, terminated, truncated, info = lanes[lane].step(int(actions[lane]))
                returns[lane] += float(reward)
                steps[lane] += 1
                if terminated or truncated:
                    done[lane] = Episode(float(returns[lane]), steps[lane], success_in(info))
        return [done[lane] for lane in range(len(seeds))]

    def checkpoint(self) -> Checkpoint:
        """Return the weights; the replay is left out, so this is what was learned and not where to go on."""
        return Checkpoint({} if self.model is None else self.model.q_net.state_dict(), {})

    def restore(self, checkpoint: Checkpoint) -> None:
        """Say that this cannot be done: runs of the baseline are records to compare with.

        Raises:
            ValueError: Always.
        """
        raise ValueError(f"runs of {BASELINE} cannot go on; train anew")
