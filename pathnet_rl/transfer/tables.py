"""The tables of a curriculum's report: rows of words, made from its finished runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pathnet_rl.study.report import spell_p
from pathnet_rl.study.statistics import CONFIDENCE, Effect, Estimate
from pathnet_rl.transfer.arms import ARMS, PATHNET, TARGET_ONLY
from pathnet_rl.transfer.comparison import (
    COSTS,
    Comparison,
    mastery,
    median_of,
    success_of,
)
from pathnet_rl.transfer.forgetting import Forgetting, forgetting_of
from pathnet_rl.transfer.measures import Reach
from pathnet_rl.transfer.modules import Capacity, Reuse
from pathnet_rl.transfer.repeats import Repeat
from pathnet_rl.transfer.robust import iqm, stratified_iqm
from pathnet_rl.transfer.study import TransferStudy

Row = dict[str, Any]
NOTHING = "-"


def spell(estimate: Estimate | None, form: str | None = None) -> str:
    """Write an estimate with its interval, if it has one; what is never reached is infinite.

    Args:
        estimate: What to write.
        form: How; by default four digits, and whole thousands in full.

    Example:
        >>> spell(Estimate(72000.0, 64000.0, float("inf")), ",.0f")
        '72,000 (64,000 to never)'
    """
    if estimate is None or np.isnan(estimate.value):
        return NOTHING
    value, low, high = (
        "never" if np.isinf(each) else format(each, form or (",.0f" if abs(each) >= 1000 else ".4g"))
        for each in (estimate.value, estimate.low, estimate.high)
    )
    return value if np.isnan(estimate.low) else f"{value} ({low} to {high})"


def _spell_middle(values: Mapping[int, float], form: str | None = None) -> str:
    """Write the interquartile mean of some runs' values, given by index."""
    return spell(iqm(list(values.values())), form) if values else NOTHING


def spell_reaches(reaches: Sequence[Reach], form: str = ",.0f") -> str:
    """Write how many of some runs reached something, and the median of when.

    Example:
        >>> spell_reaches([Reach(10.0, True)])
        '1 of 1; 10'
    """
    if not reaches:
        return NOTHING
    reached = sum(reach.reached for reach in reaches)
    counted = f"{reached} of {len(reaches)}"
    return f"{counted}; {spell(median_of(reaches), form)}" if reached else counted


def arm_rows(study: TransferStudy, comparison: Comparison) -> list[Row]:
    """Return what every arm of the study is, and how many of its runs there are."""
    return [
        {
            "arm": name,
            "says": ARMS[name].says,
            "changes": ", ".join(f"{key}: {value}" for key, value in ARMS[name].overrides.items()) or NOTHING,
            "done": len(comparison.runs.get(name, {})),
            "asked": study.repeats,
            "missing": [
                str(study.curriculum.seed + index)
                for index in range(study.repeats)
                if index not in comparison.runs.get(name, {})
            ],
        }
        for name in study.arms
    ]


def transfer_rows(comparison: Comparison) -> list[Row]:
    """Return what each arm comes to on the target; ablations have a table of their own."""
    rows: list[Row] = []
    for arm, runs in comparison.runs.items():
        if ARMS[arm].ablation:
            continue
        row: Row = {"arm": arm, "runs": len(runs)}
        for name in ("jumpstart", "final", "mean_performance"):
            row[name] = _spell_middle(comparison.values(arm, getattr(comparison, name)))
        row["in_the_end"] = _spell_middle(comparison.values(arm, comparison.success_in_the_end), ".3f")
        row["forward_transfer"] = NOTHING if arm == TARGET_ONLY else spell(comparison.forward_transfer(arm), ".3f")
        row["times"] = [
            [
                spell_reaches([comparison.reach(run, threshold, cost) for run in runs.values()])
                for cost in COSTS.values()
            ]
            for threshold in comparison.target.thresholds
        ]
        rows.append(row)
    return rows


def sub_task_rows(comparison: Comparison) -> list[Row]:
    """Return what each arm comes to on every sub-task, and on all of them together."""
    names, rows = [task.name for task in comparison.curriculum.tasks], list[Row]()
    for arm, by_index in comparison.runs.items():
        runs = list(by_index.values())
        rows += [row for name in names if (row := _sub_task_row(arm, name, runs)) is not None]
        if len(names) > 1 and all(len(run.tasks) == len(names) for run in runs):
            rows.append(_all_tasks_row(arm, runs))
    return rows


def _sub_task_row(arm: str, name: str, runs: Sequence[Repeat]) -> Row | None:
    learned = [(run, task) for run in runs if (task := run.task(name)) is not None]
    if not learned:
        return None
    return {
        "arm": arm,
        "task": name,
        "success": spell(success_of([task for _, task in learned]), ".3f"),
        "mean_return": spell(iqm([task.evaluation.mean_return for _, task in learned])),
        "mastery": spell_reaches([mastery(run, name) for run, _ in learned]),
        "seconds": spell(iqm([task.wall_s for _, task in learned]), ".0f"),
    }


def _all_tasks_row(arm: str, runs: Sequence[Repeat]) -> Row:
    rates = [[task.evaluation.success_rate for task in run.tasks] for run in runs]
    reported = all(rate is not None for row in rates for rate in row)
    mastered = [task.mastered for run in runs for task in run.tasks]
    steps = spell(iqm([float(run.env_steps) for run in runs]), ",.0f")
    return {
        "arm": arm,
        "task": "all",
        "success": spell(stratified_iqm(np.array(rates, dtype=np.float64)), ".3f") if reported else NOTHING,
        "mean_return": NOTHING,
        "mastery": f"{sum(mastered)} of {len(mastered)}; {steps} in all",
        "seconds": spell(iqm([run.wall_s for run in runs]), ".0f"),
    }


def forgetting_rows(comparison: Comparison) -> list[Row]:
    """Return what was forgotten, by arm and sub-task."""
    return [
        {
            "arm": each.arm,
            "task": each.task,
            "runs": each.runs,
            "success": spell(each.success, ".4f"),
            "mean_return": spell(each.mean_return),
            "changed": each.changed,
            "most": f"{each.most:.4g}",
        }
        for each in _forgetting(comparison)
    ]


def forgetting_checks(comparison: Comparison) -> list[Row]:
    """Say of each arm that must not forget anything whether it did: exactly 0, or how much."""
    checks: list[Row] = []
    for arm in comparison.arms:
        found = [each for each in _forgetting(comparison) if each.arm == arm]
        if ARMS[arm].may_forget or not found:
            continue
        changed, evaluations = sum(each.changed for each in found), sum(each.runs for each in found)
        most = max(each.most for each in found)
        words = (
            f"exactly 0 in all {evaluations} evaluations"
            if changed == 0
            else f"NOT 0 in {changed} of {evaluations} evaluations; the mean return changed by up to {most:.4g}"
        )
        checks.append({"arm": arm, "words": words, "passed": changed == 0})
    return checks


def _forgetting(comparison: Comparison) -> list[Forgetting]:
    names = [task.name for task in comparison.curriculum.tasks]
    return [
        each for arm, runs in comparison.runs.items() for each in forgetting_of(arm, list(runs.values()), names)
    ]


def effect_rows(effects: Sequence[Effect]) -> list[Row]:
    """Return comparisons, each with its interval and p-values."""
    return [
        {
            "question": effect.question,
            "difference": _spell_difference(effect),
            "standardised": NOTHING if np.isnan(effect.standardised) else f"{effect.standardised:.2f}",
            "test": effect.test,
            "p": spell_p(effect.p),
            "p_corrected": NOTHING if np.isnan(effect.p_corrected) else spell_p(effect.p_corrected),
            "clear": effect.p_corrected < 1 - CONFIDENCE,
            "pairs": effect.repeats,
        }
        for effect in effects
    ]


def _spell_difference(effect: Effect) -> str:
    """Write an effect's difference; of times that are all cut off at once it is not 0 but unknown."""
    is_unknown = effect.test == "sign" and effect.difference == Estimate(0.0, 0.0, 0.0)
    return "unknown: no pair says who was first" if is_unknown else spell(effect.difference)


def reuse_rows(found: Reuse) -> list[Row]:
    """Return, for each later sub-task and each earlier one, the modules used by layer beside chance."""
    return [
        {
            "task": task,
            "other": other,
            "layers": [f"{used:.2f} ({chance:.2f})" for used, chance in _by_layer(found, row, column)],
            "total": f"{np.sum(found.used[:, row, column]):.2f} ({np.sum(found.chance[:, row, column]):.2f})",
        }
        for row, task in enumerate(found.tasks)
        for column, other in enumerate(found.tasks[:row])
        if np.isfinite(found.used[:, row, column]).all()
    ]


def _by_layer(found: Reuse, row: int, column: int) -> list[tuple[float, float]]:
    return list(zip(found.used[:, row, column], found.chance[:, row, column], strict=True))


def capacity_rows(found: Capacity) -> list[Row]:
    """Return the modules that each sub-task newly froze and left, by layer."""
    return [
        {
            "task": task,
            "newly": [f"{value:.2f}" for value in newly],
            "left": [f"{value:.2f}" for value in left],
        }
        for task, newly, left in zip(found.tasks, found.newly_frozen, found.left, strict=True)
        if np.isfinite(newly).all()
    ]


def ablation_rows(comparison: Comparison) -> list[Row]:
    """Return what each ablation comes to, the unchanged curriculum first."""
    arms = [arm for arm in comparison.arms if ARMS[arm].ablation]
    return [_ablation_row(comparison, arm) for arm in [PATHNET, *arms] if arm in comparison.runs]


def _ablation_row(comparison: Comparison, arm: str) -> Row:
    runs = list(comparison.runs[arm].values())
    return {
        "arm": arm,
        "says": ARMS[arm].says,
        "runs": len(runs),
        "final": _spell_middle(comparison.values(arm, comparison.final)),
        "mastery": spell_reaches([comparison.mastery(run) for run in runs]),
        "env_steps": spell(iqm([float(run.env_steps) for run in runs]), ",.0f"),
        "success": _spell_middle(comparison.values(arm, comparison.mean_success), ".3f"),
    }
