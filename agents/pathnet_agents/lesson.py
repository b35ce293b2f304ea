"""The course of one sub-task: search a path, let the best learn on alone, verify it, go back when it stalls."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
import torch

from pathnet_agents.population import Ancestor
from pathnet_agents.progress import Kept, Progress
from pathnet_agents.sub_task import SubTask
from pathnet_agents.transfer import Gathered
from pathnet_rl.agent import AgentError
from pathnet_rl.evolution import EVOLUTIONS, Alone, Evolution
from pathnet_rl.paths import Path, Paths, diversity, to_lists
from pathnet_rl.records import Evaluation, GenerationRecord
from pathnet_rl.search import Generation, PathSearch

Phase = Literal["search", "consolidate"]


class Lesson:
    """Trains one sub-task and yields a record a generation, until mastered or out of budget.

    Args:
        sub_task: What is learned.
        ancestor: An earlier sub-task that every search continues, if there is one. Where its frozen path can be
            taken as it is, it is verified after the first generation: it may do without any learning.
        env_steps_before: Environment steps of the run before this sub-task.
        rng: The source of the evolution's draws.
        began: When the sub-task began, by ``time.perf_counter``: before the flights that find the ancestor.
        state: What :meth:`state_dict` and :meth:`tensors` of an earlier lesson of this sub-task gave, to go on
            from it; None to begin.
    """

    def __init__(
        self,
        sub_task: SubTask,
        ancestor: Ancestor | None,
        env_steps_before: int,
        rng: np.random.Generator,
        began: float,
        state: tuple[Mapping[str, Any], Mapping[str, torch.Tensor]] | None = None,
    ) -> None:
        self.sub_task, self.transfer, self.rng = sub_task, sub_task.transfer, rng
        self.ancestor, self.env_steps_before = ancestor, env_steps_before
        self.mastered = False
        self.why = ""
        self.budget_env_steps = sub_task.settings.budget_env_steps
        self._verify_from = 0
        self._failed_generations = 0  # in a row, in which all that were trained failed
        self._best_verified: Kept | None = None
        self._best_measured = -np.inf  # of these weights
        self._progress = Progress(sub_task)
        self._wall_before, self._wall_started = 0.0, began
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
            train_all=search.trained == "all",
            grace_generations=search.grace_generations,
        )

    def _enter(self, phase: Phase, evolution: Evolution, first_index: int) -> None:
        self.phase: Phase = phase
        self.path: Path = evolution.population[0]
        self.member = 0
        self.sub_task.assign(len(evolution.population))
        self.search = PathSearch(evolution, first_index)
        self._phase_started = self.sub_task.env_steps
        self._progress.begin()

    @property
    def wall_s(self) -> float:
        """Seconds since the sub-task began."""
        return self._wall_before + time.perf_counter() - self._wall_started

    def __iter__(self) -> Iterator[GenerationRecord]:
        """Run generations; ``mastered``, ``why``, ``path`` and ``member`` tell how it ended."""
        while not self.why:
            started, steps, task = time.perf_counter(), self.sub_task.env_steps, self.sub_task
            generation, phase = self.search.step(self.sub_task), self.phase
            self._replace_failed(generation)
            self.path, self.member = generation.best_path, generation.best
            env_steps_per_s = (self.sub_task.env_steps - steps) / (time.perf_counter() - started)
            stalled = phase == "consolidate" and self._progress.follow(self.path) and self.searches
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
            AgentError: If there is nobody else, or so many members have failed one after another, where only some
                are trained at a time.
        """
        all_failed = generation.failed == len(generation.outcome.fitness)
        self._failed_generations = self._failed_generations + 1 if all_failed else 0
        if generation.failed == 0:
            return
        task = self.sub_task
        if self._failed_generations * generation.failed >= len(generation.paths):
            since = generation.index + 1 - self._failed_generations
            raise AgentError(
                f"{task.settings.name}: since generation {since}, after {task.env_steps} environment "
                f"steps, all {len(generation.paths)} members have weights, losses or returns that are not finite; "
                "look for such rewards or observations, or lower agent.learning_rate or reward_scale"
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
        return self.sub_task.promising and self.sub_task.env_steps >= self._verify_from

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
        if self._best_verified is None or measured > self._best_measured:
            self._best_verified, self._best_measured = Kept(path, member, weights), measured
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
            self._progress.begin()
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
        return self._best_measured

    def _consolidate(self) -> None:
        """Let the best member learn on alone, in all lanes."""
        self.transfer.copy_head(self.sub_task.settings.name, self.member, 0)
        self._enter("consolidate", self._evolution(self.path[None]), self.search.next_index)
        self.sub_task.why.append(f"consolidating the best path after {self.sub_task.env_steps} environment steps")

    def _search_again(self) -> None:
        """Search anew, over open modules as they are now; the replay stays, and so does what was verified best."""
        steps = self._progress.env_steps_without_gain
        self.sub_task.explore_anew()
        self._begin(self.search.next_index)
        self.sub_task.why.append(f"searching again: no gain for {steps} environment steps")

    def _record(
        self,
        generation: Generation,
        phase: Phase,
        verification: Evaluation | None,
        env_steps_per_s: float,
    ) -> GenerationRecord:
        task, finite = self.sub_task, generation.fitness[np.isfinite(generation.fitness)]
        window = task.practice.window()
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
            episodes=task.practice.episodes,
            window_episodes=window.episodes,
            success_rate=window.success_rate,
            mean_return=window.mean_return,
            measured=window.measured,
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
            "failed_generations": self._failed_generations,
            "progress": self._progress.state_dict(),
            "best_verified": None if best is None else [self._best_measured, best.state_dict()],
            "rng": self.rng.bit_generator.state,
            "wall_s": self.wall_s,
            "sub_task": self.sub_task.state_dict(),
        }

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the tensors of the sub-task, and the weights that were verified best or had come furthest."""
        verified = {} if self._best_verified is None else self._best_verified.tensors("best")
        return self.sub_task.tensors() | self._progress.tensors() | verified

    def _load(self, state: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> None:
        self.mastered, self.why, self.searches = state["mastered"], state["why"], state["searches"]
        evolution = self._evolution(np.array(state["evolution"]["population"], dtype=np.int64))
        evolution.load_state_dict(state["evolution"])
        self._enter(state["phase"], evolution, state["next_generation"])
        self.path, self.member = np.array(state["path"], dtype=np.int64), state["member"]
        self.budget_env_steps, self._verify_from = state["budget_env_steps"], state["verify_from"]
        self._phase_started, self._failed_generations = state["phase_started"], state["failed_generations"]
        self.rng.bit_generator.state = state["rng"]
        self._wall_before, self._wall_started = state["wall_s"], time.perf_counter()
        self.sub_task.load_state_dict(state["sub_task"], tensors)
        self._progress.load_state_dict(state["progress"], tensors)
        if state["best_verified"] is not None:
            self._best_measured, kept = state["best_verified"]
            self._best_verified = Kept.load(self.sub_task, "best", kept, tensors)
