"""One RL sub-task: its lanes, its replay, and how a generation of paths learns from them."""

from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pathnet_agents.double_dqn import action_values, follow, temporal_differences
from pathnet_agents.exploration import Exploration
from pathnet_agents.greedy import GreedyPolicy, summarise
from pathnet_agents.lane_env import Recipe
from pathnet_agents.lanes import HeldOut, Lanes
from pathnet_agents.level import AdaptiveLevel, level_of
from pathnet_agents.patience import Patience
from pathnet_agents.replay import Replay
from pathnet_agents.settings import PathNetDQNSettings
from pathnet_agents.transfer import Gathered, Transfer, under
from pathnet_rl.graphed import Graphed
from pathnet_rl.optimizer import Adam
from pathnet_rl.paths import Path, Paths
from pathnet_rl.practice import Episode, Practice
from pathnet_rl.records import Evaluation, measure_of
from pathnet_rl.rng import episode_seeds, numpy_generator, torch_generator
from pathnet_rl.settings import SearchSettings, SubTaskSettings
from pathnet_rl.task import Outcome

PROBE_EPISODES = 5
COUNTERS = ("verifications", "updates", "updates_due", "probe_env_steps", "explores_since")


class SubTask:
    """A :class:`pathnet_rl.task.Task`: every member asked for acts in its own lanes and learns from all of them.

    Args:
        settings: The sub-task.
        dqn: How to learn.
        search: How long a generation is and how many episodes make a fitness.
        transfer: Whose weights learn.
        actions: How many there are.
        seed: The run's seed.
        index: The sub-task's index in the curriculum.
        warm: Whether it begins with what an earlier sub-task has learned.
    """

    def __init__(
        self,
        settings: SubTaskSettings,
        dqn: PathNetDQNSettings,
        search: SearchSettings,
        transfer: Transfer,
        *,
        actions: int,
        seed: int,
        index: int,
        warm: bool,
    ) -> None:
        self.settings, self.dqn, self.search, self.transfer = settings, dqn, search, transfer
        self.actions, self.seed, self.index, self.warm = actions, seed, index, warm
        self.refining = warm and settings.refine
        self.why: list[str] = []
        """Decisions taken since the listener last looked, in words."""
        self.level = level_of(settings, seed, index)
        recipe = recipe_of(settings, dqn)
        patience = patience_of(dqn)
        self.lanes = Lanes(recipe, dqn.lanes, seed, index, next_level=self.level.ask, patience=patience)
        self.held_out = HeldOut(recipe, patience=patience)
        self.replay = make_replay(dqn, transfer, seed, index, settings.discount)
        self.optimizer = Adam(dqn.learning_rate, square_decay=dqn.square_decay)
        self.exploration = Exploration(dqn.exploration, numpy_generator(seed, index, "exploration"))
        self.verifications, self.updates = 0, 0
        self.updates_due = 0.0
        self.probe_env_steps, self.explores_since = 0, 0
        self.practice = Practice(settings.advance)
        self.assign(1)

    def assign(self, members: int) -> None:
        """Begin with so many members, which have flown no episode yet."""
        self._returns = [deque[float](maxlen=self.search.fitness_episodes) for _ in range(members)]
        self._spread(np.arange(members))

    def _spread(self, members: NDArray[np.int64]) -> None:
        """Spread the lanes over these members; running episodes count for nobody's fitness."""
        self._members = members
        self._path_of_lane = np.arange(self.lanes.lanes) * len(members) // self.lanes.lanes
        self._counts = np.zeros(self.lanes.lanes, dtype=bool)
        self._target: tuple[Paths, list[torch.Tensor]] | None = None
        for member in members:
            self._returns[member].clear()

    @property
    def env_steps(self) -> int:
        """Environment steps practised so far."""
        return self.lanes.env_steps + self.probe_env_steps

    @property
    def epsilon(self) -> float:
        """Probability of a random action at the next step."""
        dqn = self.dqn
        progress = min((self.env_steps - self.explores_since) / dqn.epsilon_decay_env_steps, 1.0)
        start = dqn.epsilon_refine if self.refining else dqn.epsilon_warm if self.warm else dqn.epsilon_start
        return start + progress * (dqn.epsilon_end - start)

    @property
    def learning_starts(self) -> int:
        """Transitions in the replay before the first update: no fewer than a sample spans, at most a full one."""
        asked = self.dqn.learning_starts_refine if self.refining else self.dqn.learning_starts
        least, most = (rows * self.replay.lanes for rows in (self.replay.steps, self.replay.rows))
        return min(max(asked, least), most)

    def explore_anew(self) -> None:
        """Start the decay of epsilon over for a new search, which refines no more."""
        self.explores_since, self.refining = self.env_steps, False

    def gather(self, paths: Paths, members: NDArray[np.int64], optimizer: Adam | None = None) -> Gathered:
        """Take these paths with these members' heads out, to run or train them."""
        return self.transfer.gather(self.settings.name, paths, members, optimizer)

    def train(self, members: NDArray[np.int64], paths: Paths) -> Outcome:
        """Let every member act in its lanes and learn from the shared replay, one generation long.

        Args:
            members: Of the population, ``(members,)``: the same ones again, or others that take over all lanes.
            paths: ``(members, layers, active)``.
        """
        if not np.array_equal(members, self._members):
            self._spread(members)
        working = self.gather(paths, members, self.optimizer)
        target, device = self._target_for(working), self.transfer.plan.device
        values = Graphed(partial(self._values, working), device)
        learn = Graphed(partial(self._learn, working, target), device)
        losses: list[torch.Tensor] = []
        steps_per_round = self.lanes.lanes * self.dqn.action_repeat
        rounds = -(-self.search.generation_env_steps // steps_per_round)
        for _ in range(rounds):
            self._act(working.paths, values)
            if len(self.replay) < self.learning_starts:
                continue
            self.updates_due += steps_per_round / self.dqn.env_steps_per_update
            while self.updates_due >= 1:
                losses.append(self._update(working, target, learn))
                self.updates_due -= 1
        working.write_back()
        working.count_evaluation()
        loss = _finite_mean(torch.stack(losses)) if losses else None
        fitness, judged = self._fitness(working.finite_rp()[0])
        return Outcome(fitness, judged, {"loss": loss})

    def _target_for(self, working: Gathered) -> list[torch.Tensor]:
        """Return the target network: the last generation's while the paths stay, else a copy of the online one."""
        if self._target is None or not np.array_equal(self._target[0], working.paths_rpln):
            self._target = (working.paths_rpln, working.copy_values())
        return self._target[1]

    def _act(self, paths: int, values: Graphed) -> None:
        """Step every lane once with its member's action and store what happened."""
        observation = torch.from_numpy(self.lanes.observation)
        everyone = self.dqn.exploration == "ensemble" and paths > 1
        seen_pbi = observation.expand(paths, -1, -1) if everyone else observation.unflatten(0, (paths, -1))
        with torch.inference_mode():
            (values_pba,) = values(seen_pbi)
            expected = values_pba.cpu().numpy()
        disagreement = None
        if everyone:
            expected, disagreement = expected[self._path_of_lane, np.arange(self.lanes.lanes)], expected.std(axis=0)
        actions = self.exploration.choose(
            expected.reshape(-1, self.actions), self.epsilon, self._path_of_lane, disagreement
        )
        transitions, episodes = self.lanes.step(actions)
        self.replay.add(transitions, self.settings.reward_scale)
        self.why += self.lanes.failures
        self.lanes.failures.clear()
        for episode in episodes:
            self._finish(episode)

    def _values(self, working: Gathered, observation_pbi: torch.Tensor) -> tuple[torch.Tensor]:
        """Return what every path expects of each action, ``(paths, batch, actions)``."""
        return (action_values(working.forward(observation_pbi[None])[0], self.actions),)

    def _finish(self, episode: Episode) -> None:
        self.practice.add(episode)
        if self._counts[episode.lane]:
            member = self._members[self._path_of_lane[episode.lane]]
            self._returns[member].append(episode.undiscounted_return)
        self._counts[episode.lane] = True
        moved = self.level.record(episode.lane, episode.success, episode.undiscounted_return)
        if moved:
            self.why.append(moved)

    def _update(self, working: Gathered, target: list[torch.Tensor], learn: Graphed) -> torch.Tensor:
        """Let every path learn from a sample of its own; return their losses, ``(paths,)``."""
        alone = working.paths == 1
        batch = self.dqn.consolidate_batch_transitions if alone else self.dqn.batch_transitions
        drawn = self.replay.draw(working.paths, batch)
        losses, differences = learn(*(tensor for tensor in drawn if tensor is not None))
        self.replay.learn_priorities(drawn, differences)
        self.updates += 1
        if self.dqn.target_update == "hard" and self.updates % self.dqn.target_interval_updates == 0:
            follow(target, working.values, 1.0)
        return losses

    def _learn(
        self,
        working: Gathered,
        target: list[torch.Tensor],
        places: torch.Tensor,
        weight: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Take one step; return the losses, ``(paths,)``, and temporal differences, ``(paths, batch)``."""
        sample = self.replay.sample(places, weight)
        differences = temporal_differences(working, target, sample, self.actions, double=self.dqn.double)
        losses, gradient = differences.loss(sample)
        working.step(differences.run, gradient)
        if self.dqn.target_update == "soft":
            follow(target, working.values, self.dqn.target_rate)
        return losses, differences.target - differences.value

    def _fitness(self, finite: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the mean return over the latest episodes of each member that flies, and who has completed any."""
        flown = [self._returns[member] for member in self._members]
        means = [float(np.mean(returns)) if returns else 0.0 for returns in flown]
        completed = np.array([len(returns) > 0 for returns in flown])
        return np.where(finite, means, np.nan), completed | ~finite

    def replaced(self, loser: int, winner: int) -> None:
        """Give the loser the winner's head; its running episodes belong to nobody."""
        self.transfer.copy_head(self.settings.name, winner, loser)
        self._returns[loser].clear()
        self._counts[self._members[self._path_of_lane] == loser] = False
        self._target = None  # a head has changed

    def measured(self, evaluation: Evaluation) -> float:
        """Return the value that the sub-task's advancement looks at."""
        value = measure_of(evaluation, self.settings.advance.measure)
        assert value is not None  # a curriculum that asks for what is not reported is refused
        return value

    @property
    def promising(self) -> bool:
        """Whether training is at full difficulty and looks good enough to verify."""
        return self.level.hardest and self.practice.promising

    def slow_weights(self, member: int, path: Path) -> Gathered:
        """Return a copy of a member's numbers, ready to be flown or put back.

        While a path learns alone these are the target network's, a running mean over the last updates. On
        LunarLander they returned more than the latest ones in 13 of 15 verifications of a run, 8 more on average.
        """
        weights = self.gather(path[None], np.array([member]))
        if self._target is not None and np.array_equal(self._target[0], weights.paths_rpln):
            weights.values = [tensor.clone() for tensor in self._target[1]]
        return weights

    def verify(self, weights: Gathered) -> Evaluation:
        """Fly a member greedily on held-out seeds, new ones at every verification so that none is learned."""
        self.verifications += 1
        purpose = f"verification {self.verifications}"
        return summarise(self._fly(weights, purpose, self.settings.advance.verify_episodes))

    def probe(self, weights: Gathered) -> float:
        """Return what a policy of another sub-task measures here in a few episodes, which count as practice."""
        episodes = self._fly(weights, "probe", PROBE_EPISODES)
        self.probe_env_steps += sum(episode.steps for episode in episodes)
        return self.measured(summarise(episodes))

    def _fly(self, weights: Gathered, purpose: str, episodes: int) -> list[Episode]:
        """Fly greedily on seeds for this purpose alone."""
        policy = GreedyPolicy(weights, self.actions, self.transfer.plan.device)
        return self.held_out.run(policy, episode_seeds(self.seed, self.index, purpose, episodes))

    def set_level(self, level: float) -> None:
        """Go to a level, where it is this sub-task's own."""
        if isinstance(self.level, AdaptiveLevel):
            self.level.restart(level)

    def put_back(self, weights: Gathered) -> None:
        """Go on learning from earlier weights; the episodes since then say nothing about them."""
        weights.restore()
        self._target = None
        self.practice.recent.clear()
        self._counts[:] = False

    def state_dict(self) -> dict[str, Any]:
        """Return all that changes, as plain data; the tensors that belong to it are in :meth:`tensors`."""
        return {
            "level": self.level.state_dict(),
            "lanes": self.lanes.state_dict(),
            "replay": self.replay.state_dict(),
            "exploration": self.exploration.rng.bit_generator.state,
            "refining": self.refining,
            "counters": {name: getattr(self, name) for name in COUNTERS},
            "practice": self.practice.state_dict(),
            "members": self._members.tolist(),
            "returns": [list(returns) for returns in self._returns],
            "counts": self._counts.tolist(),
            "target_paths": None if self._target is None else self._target[0].tolist(),
        }

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the stored steps and the target network, by name."""
        replay = {f"replay.{name}": tensor for name, tensor in self.replay.stored().items()}
        target = [] if self._target is None else self._target[1]
        return replay | {f"target.{layer}": tensor for layer, tensor in enumerate(target)}

    def load_state_dict(self, state: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> None:
        """Go on from a state and the tensors that belong to it."""
        self.level.load_state_dict(state["level"])
        self.lanes.load_state_dict(state["lanes"])
        self.replay.load_state_dict(state["replay"], under("replay.", tensors))
        self.exploration.rng.bit_generator.state = state["exploration"]
        self.refining = state["refining"]
        for name in COUNTERS:
            setattr(self, name, state["counters"][name])
        self.practice.load_state_dict(state["practice"])
        self.assign(len(state["returns"]))
        self._spread(np.array(state["members"], dtype=np.int64))
        for returns, saved in zip(self._returns, state["returns"], strict=True):
            returns.extend(saved)
        self._counts = np.array(state["counts"], dtype=bool)
        if state["target_paths"] is not None:
            target = under("target.", tensors)
            paths = np.array(state["target_paths"], dtype=np.int64)
            self._target = (
                paths,
                [target[str(layer)].to(self.transfer.plan.device) for layer in range(len(target))],
            )

    def close(self) -> None:
        """Close every environment."""
        self.lanes.close()
        self.held_out.close()


def _finite_mean(values: torch.Tensor) -> float | None:
    """Return the mean of those that are finite, None where there are none."""
    finite = values[values.isfinite()]
    return float(finite.mean()) if len(finite) else None


def recipe_of(settings: SubTaskSettings, dqn: PathNetDQNSettings) -> Recipe:
    """Return how a sub-task's environments are made."""
    return Recipe(
        settings.env,
        settings.env_kwargs,
        dqn.action_repeat,
        settings.advance.info_key,
        isolated=dqn.isolate,
        silent_s=2 * dqn.step_timeout_s,
    )


def patience_of(dqn: PathNetDQNSettings) -> Patience:
    """Return how much is borne from a sub-task's environments."""
    return Patience(dqn.step_timeout_s, dqn.failures_per_hour)


def make_replay(
    dqn: PathNetDQNSettings, transfer: Transfer, seed: int, index: int, discount: float | None = None
) -> Replay:
    """Return the empty replay of a sub-task, with its own discount per environment step or the agent's."""
    return Replay(
        dqn.replay_transitions,
        lanes=dqn.lanes,
        inputs=transfer.plan.inputs,
        steps=dqn.return_steps,
        discount=(dqn.discount if discount is None else discount) ** dqn.action_repeat,
        device=transfer.plan.device,
        generator=torch_generator(seed, index, "replay"),
        encode=transfer.encode,
        prioritized=dqn.prioritized,
    )
