"""The course of one sub-task: search a path, let the best learn on alone, verify it, go back when it stalls."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from pathnet_agents.population import Ancestor
from pathnet_agents.sub_task import REPORTED_EPISODES, SubTask
from pathnet_agents.transfer import Gathered
from pathnet_rl.agent import AgentError
from pathnet_rl.evolution import EVOLUTIONS, Alone, Evolution
from pathnet_rl.paths import Path, Paths, diversity, to_lists
from pathnet_rl.records import Evaluation, GenerationRecord
from pathnet_rl.search import Generation, PathSearch

GAIN = 0.02  # thresholds by which a window must beat its best to count as progress
RELAPSES = 3  # collapses from the same weights that send the sub-task back to searching
COLLAPSE = 0.6  # thresholds below its best at which a path is lost: three tenths of the levels, or of a rate most
Phase = Literal["search", "consolidate"]


@dataclass(frozen=True)
class Verified:
    """The weights that a verification has flown, so that they can be taken back."""

    measured: float
    path: Path
    member: int
    weights: Gathered


@dataclass(frozen=True)
class Snapshot:
    """The weights of a consolidated path where its training had come furthest, and the level it was at."""

    level: float
    weights: Gathered


class Lesson:
    """Trains one sub-task and yields a record a generation, until mastered or out of budget.

    Args:
        sub_task: What is learned.
        ancestor: An earlier sub-task that every search continues, if there is one. Where its frozen path can be
            taken as it is, it is verified first: it may do without any learning.
        env_steps_before: Environment steps of the run before this sub-task.
        rng: The source of the evolution's draws.
        state: What :meth:`state_dict` and :meth:`tensors` of an earlier lesson of this sub-task gave, to go on
            from it; None to begin.
    """

    def __init__(
        self,
        sub_task: SubTask,
        ancestor: Ancestor | None,
        env_steps_before: int,
        rng: np.random.Generator,
        state: tuple[Mapping[str, Any], Mapping[str, torch.Tensor]] | None = None,
    ) -> None:
        self.sub_task, self.transfer, self.rng = sub_task, sub_task.transfer, rng
        self.ancestor, self.env_steps_before = ancestor, env_steps_before
        self.mastered = False
        self.why = ""
        self.budget_env_steps = sub_task.settings.budget_env_steps
        self._verify_from = 0
        self._best_progress = -np.inf
        self._best_verified: Verified | None = None
        self._snapshot: Snapshot | None = None
        self._collapses = 0  # since the snapshot was taken
        self._wall_before, self._wall_started = 0.0, time.perf_counter()
        if state is None:
            self._begin(first_index=0)
        else:
            self._load(*state)

    def _begin(self, first_index: int) -> None:
        """Search among new paths; where there is a single one it only learns, and is never searched again."""
        population = self.transfer.propose(self.ancestor, refine=self.sub_task.refining)
        self.searches = len(population) > 1
        self._enter("search" if self.searches else "consolidate", self._evolution(population), first_index)

    def _evolution(self, population: Paths) -> Evolution:
        search = self.sub_task.search
        strategy = Alone if len(population) == 1 else EVOLUTIONS[search.evolution]
        return strategy(
            population,
            self.transfer.modules,
            self.rng,
            train_all=True,
            grace_generations=search.grace_generations,
        )

    def _enter(self, phase: Phase, evolution: Evolution, first_index: int) -> None:
        self.phase: Phase = phase
        self.path: Path = evolution.population[0]
        self.member = 0
        self.sub_task.assign(len(evolution.population))
        self.search = PathSearch(evolution, first_index)
        self._phase_started = self._last_gain = self.sub_task.env_steps

    @property
    def wall_s(self) -> float:
        """Seconds since the lesson began."""
        return self._wall_before + time.perf_counter() - self._wall_started

    def __iter__(self) -> Iterator[GenerationRecord]:
        """Run generations; ``mastered``, ``why``, ``path`` and ``member`` tell how it ended."""
        while not self.why:
            started, steps, task = time.perf_counter(), self.sub_task.env_steps, self.sub_task
            generation, phase = self.search.step(self.sub_task), self.phase
            self._replace_failed(generation)
            self.path, self.member = generation.best_path, generation.best
            env_steps_per_s = (self.sub_task.env_steps - steps) / (time.perf_counter() - started)
            stalled = phase == "consolidate" and self._stalled() and self.searches
            verification = None
            if generation.index == 0 and self.ancestor is not None and self.transfer.keeps_paths:
                verification = self._verify_ancestor(self.ancestor)
            elif stalled or self._spent or self._worth_verifying():
                verification = self._verify(task.slow_weights(self.member, self.path), self.path, self.member)
            self._decide(stalled)
            yield self._record(generation, phase, verification, env_steps_per_s)

    def _replace_failed(self, generation: Generation) -> None:
        """Put copies of the best in the place of members with numbers that are not finite.

        Raises:
            AgentError: If there is nobody else.
        """
        if generation.failed == 0:
            return
        task = self.sub_task
        if generation.failed == len(generation.paths):
            raise AgentError(
                f"{task.settings.name}: since generation {generation.index}, after {task.env_steps} environment "
                f"steps, all {generation.failed} members have weights, losses or returns that are not finite; look "
                "for such rewards or observations, or lower agent.learning_rate or reward_scale"
            )
        self.transfer.heal()
        for replacement in self.search.evolution.replace_failed():
            task.replaced(replacement.loser, replacement.winner)
            task.why.append(f"member {replacement.loser} had numbers that were not finite, and was replaced")

    @property
    def _spent(self) -> bool:
        return self.sub_task.env_steps >= self.budget_env_steps

    def _worth_verifying(self) -> bool:
        """Say whether training looks good enough and the last verification is long ago."""
        return self.sub_task.promising() and self.sub_task.env_steps >= self._verify_from

    def _verify_ancestor(self, ancestor: Ancestor) -> Evaluation:
        """Fly an earlier sub-task's path with its head as they are: what transfers without learning is free."""
        first = np.array([0])
        weights = self.sub_task.gather(ancestor.path[None], first)
        head = self.transfer.gather(ancestor.task, ancestor.path[None], first, None).values[-1]
        weights.values[-1] = head.detach().clone()
        return self._verify(weights, ancestor.path, 0, f"{ancestor.task}'s path as it is, ")

    def _verify(self, weights: Gathered, path: Path, member: int, whose: str = "") -> Evaluation:
        """Fly weights greedily on held-out seeds, and keep them if none were better."""
        task, advance = self.sub_task, self.sub_task.settings.advance
        evaluation = task.verify(weights)
        measured = task.measured(evaluation)
        self._verify_from = task.env_steps + advance.verify_pause_env_steps
        if self._best_verified is None or measured > self._best_verified.measured:
            self._best_verified = Verified(measured, path, member, weights)
        self.mastered = measured >= advance.threshold
        verdict = "mastered" if self.mastered else "not yet"
        task.why.append(
            f"{verdict}: {whose}{advance.measure} {measured:.4g}, {advance.threshold:g} asked, "
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
        elif self._search_is_over():
            self._consolidate()
        elif stalled:
            self._search_again()

    def _search_is_over(self) -> bool:
        search, task = self.sub_task.search, self.sub_task
        return (
            self.phase == "search"
            and search.consolidate
            and task.env_steps - self._phase_started >= search.search_env_steps
        )

    def _spend_budget(self) -> None:
        """End without mastery, with the best that a verification has seen; or go on from easier starts."""
        settings = self.sub_task.settings
        if settings.on_fail == "repeat_easier" and self.budget_env_steps == settings.budget_env_steps:
            self.budget_env_steps *= 2
            self.sub_task.set_level(0.0)
            self._last_gain, self._best_progress = self.sub_task.env_steps, -np.inf
            self.sub_task.why.append(
                f"budget of {settings.budget_env_steps} environment steps spent; once more, from the easiest level"
            )
            return
        measured = self._take_best()
        self.why = (
            f"budget of {self.budget_env_steps} environment steps spent; "
            f"kept the weights verified best, {settings.advance.measure} {measured:.4g}"
        )
        self.sub_task.why.append(self.why)

    def _take_best(self) -> float:
        """Put back the weights that were verified best; mastered ones are, as they alone reach the threshold."""
        best = self._best_verified
        assert best is not None  # mastery and a spent budget are verified
        self.path, self.member = best.path, best.member
        best.weights.restore()
        return best.measured

    def _consolidate(self) -> None:
        """Let the best member learn on alone, in all lanes."""
        self.transfer.copy_head(self.sub_task.settings.name, self.member, 0)
        self._enter("consolidate", self._evolution(self.path[None]), self.search.next_index)
        self.sub_task.why.append(f"consolidating the best path after {self.sub_task.env_steps} environment steps")

    def _search_again(self) -> None:
        """Search anew among fresh proposals; the replay stays, and so does what was verified best."""
        steps = self.sub_task.env_steps - self._last_gain
        self.sub_task.explore_anew()
        self._begin(self.search.next_index)
        self._best_progress, self._snapshot, self._collapses = -np.inf, None, 0
        self.sub_task.why.append(f"searching again: no gain for {steps} environment steps")

    def _stalled(self) -> bool:
        """Say whether a consolidated path has gained nothing for too long; one that has collapsed is put back."""
        task = self.sub_task
        progress = self._progress()
        if progress is not None:
            if progress > self._best_progress + GAIN:
                self._best_progress, self._last_gain, self._collapses = progress, task.env_steps, 0
                self._snapshot = Snapshot(task.level.value or 0.0, task.slow_weights(0, self.path))
            elif self._snapshot is not None and progress < self._best_progress - COLLAPSE:
                self._collapses += 1
                task.set_level(self._snapshot.level)
                task.put_back(self._snapshot.weights)
                task.why.append(f"collapsed: the weights of {self._last_gain} environment steps are put back")
        return self._collapses >= RELAPSES or task.env_steps - self._last_gain >= task.search.stall_env_steps

    def _progress(self) -> float | None:
        """Return how far training has come, in thresholds; None until its window is full."""
        task, advance = self.sub_task, self.sub_task.settings.advance
        value = task.window_measure()
        if value is None or len(task.recent) < advance.window_episodes:
            return None
        # A level is worth more than any rate at the level before, so levels come first.
        level = 2 * task.level.value if task.settings.level == "adaptive" and task.level.value else 0.0
        return value / max(abs(advance.threshold), 1e-9) + level

    def _record(
        self,
        generation: Generation,
        phase: Phase,
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
            budget_env_steps=self.budget_env_steps,
            episodes=task.episodes,
            window_episodes=min(len(task.recent), REPORTED_EPISODES),
            success_rate=success_rate,
            mean_return=mean_return,
            measured=task.window_info(REPORTED_EPISODES),
            loss=generation.outcome.metrics["loss"],
            epsilon=task.epsilon,
            level=task.level.value,
            fitness_best=float(finite.max()) if finite.size else None,
            fitness_median=float(np.median(finite)) if finite.size else None,
            diversity=diversity(generation.paths, self.transfer.modules),
            failed_members=generation.failed,
            replaced=(replaced.loser, replaced.winner) if replaced else None,
            best_path=to_lists(generation.best_path),
            reused_modules=self.transfer.frozen_in(generation.best_path),
            verification=verification,
            why=why or None,
            env_steps_per_s=env_steps_per_s,
            wall_s=self.wall_s,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return where the lesson stands between two generations, as plain data; :meth:`tensors` belongs to it."""
        best = self._best_verified
        return {
            "mastered": self.mastered,
            "why": self.why,
            "searches": self.searches,
            "ancestor": None if self.ancestor is None else self.ancestor.task,
            "phase": self.phase,
            "path": self.path.tolist(),
            "member": self.member,
            "evolution": self.search.evolution.state_dict(),
            "next_generation": self.search.next_index,
            "budget_env_steps": self.budget_env_steps,
            "phase_started": self._phase_started,
            "verify_from": self._verify_from,
            "last_gain": self._last_gain,
            "collapses": self._collapses,
            "best_progress": self._best_progress if np.isfinite(self._best_progress) else None,
            "best_verified": None if best is None else [best.measured, best.path.tolist(), best.member],
            "rng": self.rng.bit_generator.state,
            "snapshot_level": None if self._snapshot is None else self._snapshot.level,
            "wall_s": self.wall_s,
            "sub_task": self.sub_task.state_dict(),
        }

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the tensors of the sub-task, and the weights that were verified best."""
        best = [] if self._best_verified is None else self._best_verified.weights.values
        snapshot = [] if self._snapshot is None else self._snapshot.weights.values
        return (
            self.sub_task.tensors()
            | {f"best.{layer}": tensor.detach() for layer, tensor in enumerate(best)}
            | {f"snapshot.{layer}": tensor.detach() for layer, tensor in enumerate(snapshot)}
        )

    def _load(self, state: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> None:
        self.mastered, self.why, self.searches = state["mastered"], state["why"], state["searches"]
        evolution = self._evolution(np.array(state["evolution"]["population"], dtype=np.int64))
        evolution.load_state_dict(state["evolution"])
        self._enter(state["phase"], evolution, state["next_generation"])
        self.path, self.member = np.array(state["path"], dtype=np.int64), state["member"]
        self.budget_env_steps, self._verify_from = state["budget_env_steps"], state["verify_from"]
        self._phase_started, self._last_gain = state["phase_started"], state["last_gain"]
        self._collapses = state["collapses"]
        self._best_progress = -np.inf if state["best_progress"] is None else state["best_progress"]
        self.rng.bit_generator.state = state["rng"]
        self._wall_before, self._wall_started = state["wall_s"], time.perf_counter()
        self.sub_task.load_state_dict(state["sub_task"], tensors)
        if state["best_verified"] is not None:
            measured, path, member = state["best_verified"]
            path = np.array(path, dtype=np.int64)
            self._best_verified = Verified(measured, path, member, self._kept("best", path, member, tensors))
        if state["snapshot_level"] is not None:
            kept = self._kept("snapshot", evolution.population[0], 0, tensors)
            self._snapshot = Snapshot(state["snapshot_level"], kept)

    def _kept(self, name: str, path: Path, member: int, tensors: Mapping[str, torch.Tensor]) -> Gathered:
        """Return weights that :meth:`tensors` gave under this name."""
        weights = self.sub_task.gather(path[None], np.array([member]))
        weights.values = [tensors[f"{name}.{layer}"].clone() for layer in range(len(weights.values))]
        return weights
