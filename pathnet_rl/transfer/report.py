"""The report of a curriculum's study: figures as PDF and PNG, and one self-contained page with tables."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader
from matplotlib.figure import Figure

from pathnet_rl.study.report import store_figures
from pathnet_rl.study.statistics import CONFIDENCE
from pathnet_rl.transfer import figures, tables
from pathnet_rl.transfer.arms import ARMS, PATHNET, TARGET_ONLY
from pathnet_rl.transfer.comparison import COSTS, Comparison, corrected
from pathnet_rl.transfer.measures import JUMPSTART_EPISODES
from pathnet_rl.transfer.modules import Capacity, Reuse, capacity_of, reuse_effects, reuse_of
from pathnet_rl.transfer.study import TransferError, TransferStudy

CURVES = (
    "The last sub-task while it is learned: mean over the last 100 training episodes (the lanes explore), against "
    "its own environment steps (weak transfer), those of the whole run (strong transfer: the curriculum counts), "
    "and the run's wall-clock. Thick: interquartile mean over repeats with stratified-bootstrap 95% intervals, "
    "from where all repeats have begun; a run that ended early, mastered, goes on at what its frozen path returned "
    "held out. Points: where each run ended, and what it returned held out. Thin: single runs, until all of "
    "their arm have begun, and to their ends where there are few arms. Dotted: thresholds, met greedily."
)
SUB_TASKS = (
    "Every sub-task: interquartile mean of the success rate over held-out episodes, and median of the environment "
    "steps to mastery (Kaplan-Meier; left out where fewer than half mastered it), with bootstrap 95% intervals; a "
    "triangle where the interval has no upper end. Ablations have a figure of their own."
)
REUSE = (
    "Modules that the path of a later sub-task (row) takes from those that an earlier one froze (column), mean "
    "over the repeats of pathnet; in brackets the mean of random paths of the same sizes, exact. The layers share "
    "their shades."
)
CAPACITY = "Modules that each sub-task newly froze, by layer, and what was left open after it; means over repeats."
ABLATIONS = (
    "Each ablation's paired difference to the unchanged curriculum with its 95% interval; blue where Holm's "
    "correction over the panel's ablations leaves p below .05."
)


def write_report(study: TransferStudy) -> Path:
    """Write ``report.html`` and ``figures`` into the study's directory, of the runs that are finished by now.

    Returns:
        The page.

    Raises:
        TransferError: If there is no finished run, or one is damaged.
    """
    repeats = study.finished()
    if not repeats:
        raise TransferError(f"{study.directory} has no finished run yet; run the study first")
    comparison = Comparison(study.curriculum, repeats)
    modules = _Modules.of(study, comparison)
    shown = store_figures(study.directory / "figures", _figures(comparison, modules))
    page = study.directory / "report.html"
    page.write_text(_page(study, comparison, modules, shown), encoding="utf-8")
    return page


class _Modules:
    """What the paths of the arm ``pathnet`` say, where they say anything."""

    def __init__(self, reuse: Reuse | None, capacity: Capacity | None, modules: int) -> None:
        self.reuse, self.capacity, self.modules = reuse, capacity, modules

    @classmethod
    def of(cls, study: TransferStudy, comparison: Comparison) -> "_Modules":
        runs = list(comparison.runs.get(PATHNET, {}).values())
        network, names = study.curriculum.network, [task.name for task in study.curriculum.tasks]
        if not runs or not any(task.path for run in runs for task in run.tasks):
            return cls(None, None, network.modules)
        reuse = reuse_of(runs, names, network.layers, network.modules) if len(names) > 1 else None
        return cls(reuse, capacity_of(runs, names, network.layers), network.modules)


def _figures(comparison: Comparison, modules: _Modules) -> list[tuple[str, Figure, str]]:
    drawn = [
        ("learning_curves", figures.learning_curves(comparison), CURVES),
        ("sub_tasks", figures.sub_tasks(comparison), SUB_TASKS),
    ]
    if modules.reuse is not None:
        drawn.append(("reuse", figures.reuse(modules.reuse), REUSE))
    if modules.capacity is not None:
        drawn.append(("capacity", figures.capacity(modules.capacity, modules.modules), CAPACITY))
    if effects := comparison.ablation_effects():
        drawn.append(("ablations", figures.ablations(effects), ABLATIONS))
    return drawn


def _page(study: TransferStudy, comparison: Comparison, modules: _Modules, shown: Sequence[dict[str, str]]) -> str:
    environment = Environment(loader=PackageLoader("pathnet_rl.transfer", "templates"), autoescape=True)
    network = study.curriculum.network
    pathnet = list(comparison.runs.get(PATHNET, {}).values())
    of_reuse = corrected(reuse_effects(pathnet, network.layers, network.modules)) if modules.reuse else []
    ablated = any(ARMS[arm].ablation for arm in comparison.arms)
    return environment.get_template("report.html.jinja").render(
        study=study,
        target=comparison.target,
        confidence=f"{CONFIDENCE:.0%}",
        jumpstart_episodes=JUMPSTART_EPISODES,
        costs=list(COSTS),
        has_target_only=TARGET_ONLY in comparison.runs,
        arms=tables.arm_rows(study, comparison),
        transfer=tables.transfer_rows(comparison),
        effects=tables.effect_rows(comparison.effects()),
        control_effects=tables.effect_rows(comparison.control_effects()),
        sub_tasks=tables.sub_task_rows(comparison),
        forgetting=tables.forgetting_rows(comparison),
        checks=tables.forgetting_checks(comparison),
        reuse=tables.reuse_rows(modules.reuse) if modules.reuse else [],
        reuse_effects=tables.effect_rows(of_reuse),
        capacity=tables.capacity_rows(modules.capacity) if modules.capacity else [],
        ablations=tables.ablation_rows(comparison) if ablated else [],
        ablation_effects=tables.effect_rows(comparison.ablation_effects()),
        figures={figure["name"]: figure for figure in shown},
        written=datetime.now(UTC).isoformat(timespec="seconds"),
    )
