"""One RL sub-task: its lanes, its replay, and how a generation of paths learns from them."""

from collections import deque

import numpy as np
import torch
from numpy.typing import NDArray

from pathnet_agents.double_dqn import double_dqn_loss
from pathnet_agents.greedy import GreedyPolicy, summarise
from pathnet_agents.lanes import Episode, HeldOut, Lanes
from pathnet_agents.level import Level
from pathnet_agents.replay import Replay
from pathnet_agents.settings import PathNetDQNSettings
from pathnet_rl.network import PathNet
from pathnet_rl.optimizer import Adam
from pathnet_rl.paths import Path, Paths
from pathnet_rl.records import Evaluation
from pathnet_rl.rng import numpy_generator, torch_generator
from pathnet_rl.settings import SearchSettings, SubTaskSettings
from pathnet_rl.task import Outcome
from pathnet_rl.working_set import WorkingSet

REPORTED_EPISODES = 100  # success rate and mean return of a record are over so many


class SubTask:
    """A :class:`pathnet_rl.task.Task`: every member asked for acts in its own lanes and learns from all of them.

    Args:
        settings: The sub-task.
        dqn: How to learn.
        search: How long a generation is and how many episodes make a fitness.
        net: Whose modules learn; the sub-task's heads must be there, one a member.
        seed: The run's seed.
        index: The sub-task's index in the curriculum.
        epsilon_start: Exploration at the first step.
    """

    def __init__(
        self,
        settings: SubTaskSettings,
        dqn: PathNetDQNSettings,
        search: SearchSettings,
        net: PathNet,
        *,
        seed: int,
        index: int,
        epsilon_start: float,
    ) -> None:
        self.settings, self.dqn, self.search, self.net = settings, dqn, search, net
        self.seed, self.index, self.epsilon_start = seed, index, epsilon_start
        self.level = Level(settings.level == "adaptive", settings.level_raise_from)
        first_level = self.level.value if self.level.adaptive else None
        self.lanes = Lanes(settings.env, settings.env_kwargs, dqn.lanes, seed, index, first_level)
        self.held_out = HeldOut(settings.env, settings.env_kwargs)
        replay_rng = torch_generator(seed, index, "replay")
        self.replay = Replay(
            dqn.replay_transitions,
            lanes=dqn.lanes,
            inputs=net.inputs,
            steps=dqn.return_steps,
            discount=dqn.discount,
            device=net.device,
            generator=replay_rng,
        )
        self.optimizer = Adam(dqn.learning_rate)
        self.env_steps, self.episodes, self.verifications = 0, 0, 0
        self._explores_since = 0
        self.why: list[str] = []
        """Decisions taken since the listener last looked, in words."""
        self.recent: deque[Episode] = deque(maxlen=max(REPORTED_EPISODES, settings.advance.window_episodes))
        self._explore = numpy_generator(seed, index, "exploration")
        self.assign(search.population)

    def assign(self, members: int) -> None:
        """Spread the lanes over so many members; running episodes count for nobody's fitness."""
        self._returns = [deque[float](maxlen=self.search.fitness_episodes) for _ in range(members)]
        self._member_of_lane = np.arange(self.lanes.lanes) * members // self.lanes.lanes
        self._counts = np.zeros(self.lanes.lanes, dtype=bool)
        self._target: tuple[Paths, list[torch.Tensor]] | None = None

    @property
    def epsilon(self) -> float:
        """Probability of a random action at the next step."""
        progress = min((self.env_steps - self._explores_since) / self.dqn.epsilon_decay_env_steps, 1.0)
        return self.epsilon_start + progress * (self.dqn.epsilon_end - self.epsilon_start)

    def explore_anew(self) -> None:
        """Start the decay of epsilon over, such as for a new search."""
        self._explores_since = self.env_steps

    def train(self, members: NDArray[np.int64], paths: Paths) -> Outcome:
        """Let every member act in its lanes and learn from the shared replay, one generation long.

        Args:
            members: All of the population, ``(members,)``.
            paths: ``(members, layers, active)``.
        """
        working = WorkingSet(self.net, self.settings.name, paths[None], members[None], self.optimizer)
        target = self._target_for(working)
        losses: list[torch.Tensor] = []
        rounds = -(-self.search.generation_env_steps // self.lanes.lanes)
        updates_due = 0.0
        for _ in range(rounds):
            self._act(working)
            if len(self.replay) < self.dqn.learning_starts:
                continue
            updates_due += self.lanes.lanes / self.dqn.env_steps_per_update
            while updates_due >= 1:
                losses.append(self._update(working, target))
                updates_due -= 1
        working.write_back()
        working.count_evaluation()
        loss = float(torch.stack(losses).mean()) if losses else None
        fitness, judged = self._fitness(working.finite_rp()[0])
        return Outcome(fitness, judged, {"loss": loss})

    def _target_for(self, working: WorkingSet) -> list[torch.Tensor]:
        """Return the target network: the last generation's while the paths stay, else a copy of the online one."""
        if self._target is None or not np.array_equal(self._target[0], working.paths_rpln):
            self._target = (working.paths_rpln, working.copy_values())
        return self._target[1]

    def _act(self, working: WorkingSet) -> None:
        """Step every lane once with its member's epsilon-greedy action and store what happened."""
        observation = torch.from_numpy(self.lanes.observation).to(self.net.device)
        with torch.inference_mode():
            values = working.forward(observation.unflatten(0, (working.paths, -1))[None])
        actions = values.flatten(0, 2).argmax(-1).cpu().numpy()
        explores = self._explore.random(len(actions)) < self.epsilon
        random_actions = self._explore.integers(values.shape[-1], size=len(actions))
        transitions, episodes = self.lanes.step(np.where(explores, random_actions, actions))
        self.replay.add(transitions, self.settings.reward_scale)
        self.env_steps += self.lanes.lanes
        for episode in episodes:
            self._finish(episode)

    def _finish(self, episode: Episode) -> None:
        self.episodes += 1
        self.recent.append(episode)
        if self._counts[episode.lane]:
            self._returns[self._member_of_lane[episode.lane]].append(episode.undiscounted_return)
        self._counts[episode.lane] = True
        moved = self.level.record(episode.success)
        if moved:
            self.lanes.set_level(self.level.value)
            self.why.append(moved)

    def _update(self, working: WorkingSet, target: list[torch.Tensor]) -> torch.Tensor:
        alone = working.paths == 1
        batch = self.dqn.consolidate_batch_transitions if alone else self.dqn.batch_transitions
        losses = double_dqn_loss(working, target, self.replay.sample(working.paths, batch))
        working.step(losses.sum())
        with torch.no_grad():
            for slow, online in zip(target, working.values, strict=True):
                slow.lerp_(online, self.dqn.target_rate)
        return losses.detach().mean()

    def _fitness(self, finite: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return each member's mean return over its latest episodes, and who has completed any."""
        means = [float(np.mean(returns)) if returns else 0.0 for returns in self._returns]
        completed = np.array([len(returns) > 0 for returns in self._returns])
        return np.where(finite, means, np.nan), completed | ~finite

    def replaced(self, loser: int, winner: int) -> None:
        """Give the loser the winner's head; its running episodes belong to nobody."""
        self.net.heads[self.settings.name].copy_rows(0, [winner], [loser])
        self._returns[loser].clear()
        self._counts[self._member_of_lane == loser] = False
        self._target = None  # a head has changed

    def window(self, episodes: int) -> tuple[float | None, float | None]:
        """Return success rate and mean return of the latest training episodes, None while there are none."""
        latest = list(self.recent)[-episodes:]
        if not latest:
            return None, None
        successes = [episode.success for episode in latest if episode.success is not None]
        rate = float(np.mean(successes)) if successes else None
        return rate, float(np.mean([episode.undiscounted_return for episode in latest]))

    def measured(self, evaluation: Evaluation) -> float:
        """Return the value that the sub-task's advancement looks at."""
        by_rate = self.settings.advance.measure == "success_rate"
        return evaluation.success_rate if by_rate else evaluation.mean_return

    def promising(self) -> bool:
        """Say whether the training window is full and good enough to verify."""
        advance = self.settings.advance
        if len(self.recent) < advance.window_episodes or self.level.value < 1.0:
            return False
        rate, mean_return = self.window(advance.window_episodes)
        value = rate if advance.measure == "success_rate" else mean_return
        return value is not None and value >= advance.window_threshold

    def slow_weights(self, member: int, path: Path) -> WorkingSet:
        """Return a copy of a member's numbers, ready to be flown or written back.

        While a path learns alone these are the target network's, a running mean over the last updates. On
        LunarLander they returned more than the latest ones in 13 of 15 verifications of a run, 8 more on average.
        """
        working = WorkingSet(self.net, self.settings.name, path[None, None], np.array([[member]]))
        if self._target is not None and np.array_equal(self._target[0], working.paths_rpln):
            working.values = [tensor.clone() for tensor in self._target[1]]
        return working

    def verify(self, weights: WorkingSet) -> Evaluation:
        """Fly a member greedily on held-out seeds, new ones at every verification so that none is learned."""
        self.verifications += 1
        rng = numpy_generator(self.seed, self.index, f"verification {self.verifications}")
        seeds = rng.integers(2**31 - 1, size=self.settings.advance.verify_episodes)
        return summarise(self.held_out.run(GreedyPolicy(weights), seeds.tolist()))

    def close(self) -> None:
        """Close every environment."""
        self.lanes.close()
        self.held_out.close()
