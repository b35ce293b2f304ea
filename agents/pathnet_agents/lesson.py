"""The course of one sub-task: search a path, let the best learn on alone, verify it, go back when it stalls."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pathnet_agents.sub_task import REPORTED_EPISODES, SubTask
from pathnet_rl.evolution import EVOLUTIONS, Alone, Evolution
from pathnet_rl.network import PathNet, Stack
from pathnet_rl.paths import Path, Paths, diversity, to_lists
from pathnet_rl.records import Evaluation, GenerationRecord
from pathnet_rl.search import Generation, PathSearch
from pathnet_rl.working_set import WorkingSet

GAIN = 0.02  # a window must beat its best by this share of its size to count as progress


@dataclass(frozen=True)
class Verified:
    """The weights that a verification has flown, so that they can be taken back."""

    measured: float
    path: Path
    member: int
    heads: Stack
    weights: WorkingSet


class Lesson:
    """Trains one sub-task and yields a record a generation, until mastered or out of budget.

    Args:
        net: Whose modules learn.
        sub_task: What is learned.
        propose: Makes a population and its heads, ``(members, layers, active)``; called for every search.
        env_steps_before: Environment steps of the run before this sub-task.
        rng: The source of the evolution's draws.
    """

    def __init__(
        self,
        net: PathNet,
        sub_task: SubTask,
        propose: Callable[[], Paths],
        env_steps_before: int,
        rng: np.random.Generator,
    ) -> None:
        self.net, self.sub_task, self.rng, self._propose = net, sub_task, rng, propose
        self.env_steps_before = env_steps_before
        self.phase: Literal["search", "consolidate"] = "search"
        population = propose()
        self.path: Path = population[0]
        self.member = 0
        self.mastered = False
        self.why = ""
        self.search = PathSearch(self._evolution(population))
        self._phase_started, self._verify_from, self._last_gain = 0, 0, 0
        self._best_progress = -np.inf
        self._best_verified: Verified | None = None
        self._wall_started = time.perf_counter()

    def _evolution(self, population: Paths) -> Evolution:
        search = self.sub_task.search
        strategy = EVOLUTIONS[search.evolution]
        return strategy(
            population,
            self.net.modules,
            self.rng,
            train_all=True,
            grace_generations=search.grace_generations,
        )

    @property
    def wall_s(self) -> float:
        """Seconds since the lesson began."""
        return time.perf_counter() - self._wall_started

    def __iter__(self) -> Iterator[GenerationRecord]:
        """Run generations; ``mastered``, ``why``, ``path`` and ``member`` tell how it ended."""
        while not self.why:
            started, steps = time.perf_counter(), self.sub_task.env_steps
            generation, phase = self.search.step(self.sub_task), self.phase
            self.path, self.member = generation.best_path, generation.best
            env_steps_per_s = (self.sub_task.env_steps - steps) / (time.perf_counter() - started)
            stalled = phase == "consolidate" and self._stalled()
            verification = self._verify() if stalled or self._spent or self._worth_verifying() else None
            self._decide(stalled)
            yield self._record(generation, phase, verification, env_steps_per_s)

    @property
    def _spent(self) -> bool:
        return self.sub_task.env_steps >= self.sub_task.settings.budget_env_steps

    def _worth_verifying(self) -> bool:
        """Say whether training looks good enough and the last verification is long ago."""
        return self.sub_task.promising() and self.sub_task.env_steps >= self._verify_from

    def _verify(self) -> Evaluation:
        """Fly the best member greedily on held-out seeds, and keep it if none was better."""
        task, advance = self.sub_task, self.sub_task.settings.advance
        weights = task.slow_weights(self.member, self.path)
        evaluation = task.verify(weights)
        measured = task.measured(evaluation)
        self._verify_from = task.env_steps + advance.verify_pause_env_steps
        if self._best_verified is None or measured > self._best_verified.measured:
            heads = self.net.heads[task.settings.name]
            self._best_verified = Verified(measured, self.path, self.member, heads, weights)
        self.mastered = measured >= advance.threshold
        verdict = "mastered" if self.mastered else "not yet"
        task.why.append(
            f"{verdict}: {advance.measure} {measured:.4g}, {advance.threshold:g} asked, "
            f"over {evaluation.episodes} held-out episodes"
        )
        return evaluation

    def _decide(self, stalled: bool) -> None:
        task = self.sub_task
        if self.mastered:
            self._take_best()
            self.why = task.why[-1]
        elif self._spent:
            self._spend_budget()
        elif self.phase == "search" and task.env_steps - self._phase_started >= task.search.search_env_steps:
            self._consolidate()
        elif stalled:
            self._search_again()

    def _spend_budget(self) -> None:
        """End without mastery, with the best that a verification has seen."""
        measured, settings = self._take_best(), self.sub_task.settings
        self.why = (
            f"budget of {settings.budget_env_steps} environment steps spent; "
            f"kept the weights verified best, {settings.advance.measure} {measured:.4g}"
        )
        self.sub_task.why.append(self.why)

    def _take_best(self) -> float:
        """Put back the weights that were verified best; mastered ones are, as they alone reach the threshold."""
        best = self._best_verified
        assert best is not None  # mastery and a spent budget are verified
        self.path, self.member = best.path, best.member
        self.net.heads[self.sub_task.settings.name] = best.heads
        best.weights.write_back()
        return best.measured

    def _consolidate(self) -> None:
        """Let the best member learn on alone, in all lanes."""
        self.net.heads[self.sub_task.settings.name].copy_rows(0, [self.member], [0])
        self._enter("consolidate", Alone(self.path[None], self.net.modules, self.rng), members=1)
        self.sub_task.why.append(f"consolidating the best path after {self.sub_task.env_steps} environment steps")

    def _search_again(self) -> None:
        """Search anew among fresh proposals; the replay stays, and so does what was verified best."""
        population = self._propose()
        self._enter("search", self._evolution(population), members=len(population))
        self._best_progress = -np.inf
        self.sub_task.explore_anew()
        self.sub_task.why.append(
            f"searching again: no gain for {self.sub_task.search.stall_env_steps} environment steps"
        )

    def _enter(self, phase: Literal["search", "consolidate"], evolution: Evolution, members: int) -> None:
        self.phase, self.path, self.member = phase, evolution.population[0], 0
        self.sub_task.assign(members)
        self.search = PathSearch(evolution, first_index=self.search.next_index)
        self._phase_started = self._last_gain = self.sub_task.env_steps

    def _stalled(self) -> bool:
        """Say whether neither the level nor the training window has gained for too long."""
        task = self.sub_task
        advance = task.settings.advance
        rate, mean_return = task.window(advance.window_episodes)
        value = rate if advance.measure == "success_rate" else mean_return
        # A level is worth more than any rate at the level before, so levels come first.
        progress = (value if value is not None else -np.inf) + 2 * task.level.value
        if progress > self._best_progress + GAIN * abs(advance.threshold):
            self._best_progress, self._last_gain = progress, task.env_steps
        return task.env_steps - self._last_gain >= task.search.stall_env_steps

    def _record(
        self,
        generation: Generation,
        phase: Literal["search", "consolidate"],
        verification: Evaluation | None,
        env_steps_per_s: float,
    ) -> GenerationRecord:
        task, finite = self.sub_task, generation.fitness[np.isfinite(generation.fitness)]
        success_rate, mean_return = task.window(REPORTED_EPISODES)
        why, task.why = "; ".join(task.why), []
        replaced = generation.replacement
        return GenerationRecord(
            task=task.settings.name,
            task_index=task.index,
            generation=generation.index,
            phase=phase,
            env_steps=task.env_steps,
            total_env_steps=self.env_steps_before + task.env_steps,
            budget_env_steps=task.settings.budget_env_steps,
            episodes=task.episodes,
            success_rate=success_rate,
            mean_return=mean_return,
            loss=generation.outcome.metrics["loss"],
            epsilon=task.epsilon,
            level=task.level.value if task.level.adaptive else None,
            fitness_best=float(finite.max()) if finite.size else None,
            fitness_median=float(np.median(finite)) if finite.size else None,
            diversity=diversity(generation.paths, self.net.modules),
            failed_members=generation.failed,
            replaced=(replaced.loser, replaced.winner) if replaced else None,
            best_path=to_lists(generation.best_path),
            reused_modules=self.net.frozen_in(generation.best_path),
            verification=verification,
            why=why or None,
            env_steps_per_s=env_steps_per_s,
            wall_s=self.wall_s,
        )
