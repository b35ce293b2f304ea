"""Comparison: the arms of a study side by side on its target, the last sub-task, and in pairs of equal seeds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import gymnasium
import numpy as np

from pathnet_rl.curriculum import Curriculum
from pathnet_rl.study.statistics import Effect, Estimate, holm, in_pairs
from pathnet_rl.transfer.arms import ARMS, PATHNET, TARGET_ONLY
from pathnet_rl.transfer.measures import (
    Cost,
    Reach,
    curve,
    env_steps_of_run,
    env_steps_of_task,
    first_episodes,
    forward_transfer,
    in_common,
    mean_performance,
    normalise,
    seconds_of_run,
    time_to,
)
from pathnet_rl.transfer.repeats import Measured, Repeat, TaskResult
from pathnet_rl.transfer.robust import Values, bootstrap, iqm, median_time

SOLVED = {"PathNet/LanderLand-v0": 200.0}  # native LunarLander-v3, whose registration says it is solved at 200
COSTS: dict[str, Cost] = {
    "environment steps of the target": env_steps_of_task,
    "environment steps of the run": env_steps_of_run,
    "seconds of the run": seconds_of_run,
}
Runs = Mapping[int, Repeat]  # by index


@dataclass(frozen=True)
class Target:
    """The last sub-task and what counts as good in it.

    Attributes:
        measure: ``success_rate``, ``mean_return`` or a key of the info.
        thresholds: Its own, and the one at which its environment counts as solved.
        horizon: Its budget in the curriculum, environment steps; mean performance is up to there.
        floor: Normalised performance is 0 here: what training gives at first to runs that learn it alone.
    """

    name: str
    measure: str
    thresholds: tuple[float, ...]
    horizon: float
    floor: float

    @property
    def ceiling(self) -> float:
        """Normalised performance is 1 here."""
        return 1.0 if self.measure == "success_rate" else self.thresholds[0]


def target_of(curriculum: Curriculum, alone: Sequence[Repeat]) -> Target:
    """Describe a curriculum's last sub-task.

    Args:
        curriculum: The study's.
        alone: The runs that learn it alone.
    """
    task, thresholds = curriculum.tasks[-1], [curriculum.tasks[-1].advance.threshold]
    measure = task.advance.measure
    solved = SOLVED.get(task.env, gymnasium.spec(task.env).reward_threshold)
    if measure == "mean_return" and solved is not None and solved not in thresholds:
        thresholds.append(float(solved))
    firsts = [values[0] for run in alone if len(values := curve(run, task.name, measure, env_steps_of_task)[1])]
    floor = 0.0 if measure == "success_rate" or not firsts else float(np.mean(firsts))
    return Target(task.name, measure, tuple(thresholds), float(task.budget_env_steps), floor)


class Comparison:
    """The finished runs of a study.

    Args:
        curriculum: The study's.
        repeats: Finished runs of any arms.
    """

    def __init__(self, curriculum: Curriculum, repeats: Sequence[Repeat]) -> None:
        self.curriculum = curriculum
        self.runs: dict[str, dict[int, Repeat]] = {}
        for repeat in repeats:
            self.runs.setdefault(repeat.arm, {})[repeat.index] = repeat
        self.target = target_of(curriculum, list(self.runs.get(TARGET_ONLY, {}).values()))

    @property
    def arms(self) -> list[str]:
        """The arms that have a finished run."""
        return list(self.runs)

    def jumpstart(self, run: Repeat) -> float | None:
        """Return the mean of the measure over the first 50 training episodes of the target."""
        return first_episodes(run.points_of(self.target.name), self.target.measure)

    def final(self, run: Repeat) -> float | None:
        """Return the held-out evaluation of the target's frozen path; None where the target was not learned."""
        task = run.task(self.target.name)
        return None if task is None else task.evaluation.measure(self.target.measure)

    def mean_performance(self, run: Repeat) -> float | None:
        """Return the mean of the target's training curve up to the horizon, in the measure's own unit."""
        return self._mean_performance(run, None)

    def normalised_performance(self, run: Repeat) -> float | None:
        """Return the same of performance from 0 to 1, the AUC of forward transfer."""
        return self._mean_performance(run, self._normalise)

    def _normalise(self, values: Values) -> Values:
        return normalise(values, self.target.floor, self.target.ceiling)

    def _mean_performance(self, run: Repeat, scale: Callable[[Values], Values] | None) -> float | None:
        at, values = curve(run, self.target.name, self.target.measure, env_steps_of_task)
        final = self.final(run)
        if final is None or not len(at):
            return None
        return mean_performance(at, values, final=final, horizon=self.target.horizon, scale=scale)

    def reach(self, run: Repeat, threshold: float, cost: Cost) -> Reach:
        """Return when the run reached a threshold of the target."""
        return time_to(run, self.target.name, self.target.measure, threshold, cost)

    def values(self, arm: str, measure: Callable[[Repeat], float | None]) -> dict[int, float]:
        """Return a measure of an arm's runs, by index, where there is one."""
        measured = {index: measure(run) for index, run in self.runs.get(arm, {}).items()}
        return {index: value for index, value in measured.items() if value is not None}

    def forward_transfer(self, arm: str) -> Estimate | None:
        """Return the arm's forward transfer, with runs of equal seeds drawn together; None without pairs."""
        first, second = (self.values(name, self.normalised_performance) for name in (arm, TARGET_ONLY))
        common = sorted(first.keys() & second.keys())
        if not common:
            return None
        areas, baseline = (np.array([values[index] for index in common]) for values in (first, second))
        return bootstrap(lambda drawn: forward_transfer(areas[drawn], baseline[drawn]), len(common))

    def paired(
        self, question: str, arm: str, other: str, measure: Callable[[Repeat], float | None]
    ) -> list[Effect]:
        """Compare a measure of two arms over the indexes that both have; nothing for fewer than two."""
        first, second = self.values(arm, measure), self.values(other, measure)
        common = sorted(first.keys() & second.keys())
        if len(common) < 2:
            return []
        arrays = (np.array([values[index] for index in common]) for values in (first, second))
        return [in_pairs(f"{question}: {arm} - {other}", *arrays)]

    def paired_times(self, question: str, arm: str, other: str, reach: Callable[[Repeat], Reach]) -> list[Effect]:
        """Compare times of two arms, each pair up to where both of its runs are known; nothing below two pairs.

        A difference that is cut off says who was first, but not by how much: with such ones only signs are tested.
        """
        common = sorted(self.runs.get(arm, {}).keys() & self.runs.get(other, {}).keys())
        reaches = [(reach(self.runs[arm][index]), reach(self.runs[other][index])) for index in common]
        pairs = [in_common(*both) for both in reaches]
        known = [pair for pair in pairs if max(pair) > 0]  # where a run never began, nothing is
        if len(known) < 2:
            return []
        first, second = (np.array([pair[side] for pair in known]) for side in (0, 1))
        uncut = all(each.reached for both in reaches for each in both)
        return [in_pairs(f"{question}: {arm} - {other}", first, second, test="Wilcoxon" if uncut else "sign")]

    def effects(self) -> list[Effect]:
        """Return every comparison with the runs that learn the target alone, each measure corrected over arms."""
        found: list[Effect] = []
        for arm in self.arms:
            if arm != TARGET_ONLY and not ARMS[arm].ablation:
                found += self._on_the_target(arm, TARGET_ONLY)
        return corrected_by_measure(found)

    def control_effects(self) -> list[Effect]:
        """Return what sets pathnet apart from controls that learn all of it, each measure corrected over these."""
        found: list[Effect] = []
        for arm in self.arms:
            if arm == PATHNET or ARMS[arm].ablation or ARMS[arm].target_alone:
                continue
            found += self._on_the_target(PATHNET, arm)
            found += self.paired("success of all sub-tasks, each when learned", PATHNET, arm, self.mean_success)
            found += self.paired("success of all sub-tasks in the end", PATHNET, arm, self.success_in_the_end)
            found += self.paired("environment steps of the run", PATHNET, arm, lambda run: float(run.env_steps))
        return corrected_by_measure(found)

    def _on_the_target(self, arm: str, other: str) -> list[Effect]:
        """Compare two arms on the target by every measure."""
        found = self.paired("first 50 episodes", arm, other, self.jumpstart)
        found += self.paired("final evaluation", arm, other, self.final)
        found += self.paired("area between the curves / horizon", arm, other, self.mean_performance)
        for threshold in self.target.thresholds:
            for unit, cost in COSTS.items():
                if ARMS[arm].target_alone and cost is env_steps_of_run:
                    continue  # nothing was learned before, so this is the line above
                question = f"{unit} to {threshold:g}"
                found += self.paired_times(
                    question, arm, other, lambda run, at=threshold, by=cost: self.reach(run, at, by)
                )
        return found

    def ablation_effects(self) -> list[Effect]:
        """Return every ablation's comparison with the unchanged curriculum, each measure corrected over arms."""
        found: list[Effect] = []
        for arm in self.arms:
            if ARMS[arm].ablation:
                found += self.paired("final evaluation of the target", arm, PATHNET, self.final)
                found += self.paired_times("steps to mastery of the target", arm, PATHNET, self.mastery)
                found += self.paired("environment steps of the run", arm, PATHNET, lambda run: float(run.env_steps))
                found += self.paired("mean success of all sub-tasks", arm, PATHNET, self.mean_success)
        return corrected_by_measure(found)

    def mean_success(self, run: Repeat) -> float | None:
        """Return the mean success rate of all sub-tasks, each as it was frozen; None where none is reported.

        One that was not learned, since the run stopped before, counts as 0.
        """
        return self._mean_of(task.evaluation for task in run.tasks)

    def success_in_the_end(self, run: Repeat) -> float | None:
        """Return the same of all sub-tasks as they were after the last one that was learned.

        None of a run that learns the target alone.

        Continual World's average performance (Wołczyk et al. 2021, arXiv:2105.10919).
        """
        if ARMS[run.arm].target_alone:
            return None
        # A single one is as it was.
        return self._mean_of(run.after.values() or [task.evaluation for task in run.tasks])

    def _mean_of(self, evaluations: Iterable[Measured]) -> float | None:
        learned = list(evaluations)
        rates = reported(learned)
        lacking = len(self.curriculum.tasks) - len(learned)
        return float(np.sum(rates)) / (len(rates) + lacking) if rates else None

    def mastery(self, run: Repeat) -> Reach:
        """Return when the target was mastered, in its environment steps."""
        return mastery(run, self.target.name)


def mastery(run: Repeat, task: str) -> Reach:
    """Return when a sub-task was mastered, in its environment steps; censored where its budget was spent."""
    result = run.task(task)
    return Reach(0.0, False) if result is None else Reach(float(result.env_steps), result.mastered)


def success_of(results: Sequence[TaskResult]) -> Estimate | None:
    """Return the interquartile mean of some runs' success rates of a sub-task; None where none is reported."""
    rates = reported(result.evaluation for result in results)
    return iqm(rates) if rates else None


def reported(evaluations: Iterable[Measured]) -> list[float]:
    """Return the success rates of those evaluations whose environments report them."""
    return [rate for each in evaluations if (rate := each.success_rate) is not None]


def median_of(reaches: Sequence[Reach]) -> Estimate:
    """Return the Kaplan-Meier median of times with its interval."""
    return median_time(np.array([reach.at for reach in reaches]), np.array([reach.reached for reach in reaches]))


def corrected_by_measure(effects: Sequence[Effect]) -> list[Effect]:
    """Return the effects with Holm's correction over the arms, for every measure by itself, measures together.

    Over all rows at once no p of ten pairs, at least 2/1024 by Wilcoxon's test, could ever be small enough.
    """
    by_measure: dict[str, list[Effect]] = {}
    for effect in effects:
        by_measure.setdefault(measure_of(effect), []).append(effect)
    return [effect for of_measure in by_measure.values() for effect in corrected(of_measure)]


def measure_of(effect: Effect) -> str:
    """Return what an effect measures, of a question that reads ``measure: arm - other``."""
    return effect.question.partition(": ")[0]


def corrected(effects: Sequence[Effect]) -> list[Effect]:
    """Return the effects with Holm's correction over all of them."""
    if not effects:
        return []
    p = holm(np.array([effect.p for effect in effects]))
    return [replace(effect, p_corrected=float(each)) for effect, each in zip(effects, p, strict=True)]
