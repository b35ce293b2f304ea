"""The report of a study: figures as PDF and PNG, and one self-contained page with tables and provenance."""

import base64
import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jinja2 import Environment, PackageLoader
from matplotlib.figure import Figure

from pathnet_rl.paths import overlap_distribution
from pathnet_rl.study import figures
from pathnet_rl.study.records import RepeatRecord
from pathnet_rl.study.settings import StudySettings
from pathnet_rl.study.statistics import (
    CONFIDENCE,
    Estimate,
    correlation,
    effects,
    expected_given_sizes,
    fixed_length,
    lengths,
    mean,
    reuse_counts,
)
from pathnet_rl.study.study import Study, StudyError

Draw: TypeAlias = Callable[[StudySettings, Sequence[RepeatRecord]], Figure]

OF_REUSE: dict[str, tuple[Draw, str]] = {
    "reuse_distribution": (
        figures.reuse_distribution,
        "How many modules the second path shares with the first. Bars: share of repeats with 95% intervals; grey: "
        "the exact distribution of two random paths.",
    ),
    "training_by_reuse": (
        figures.training_by_reuse,
        "Mean training counter of the second path's modules, by the number it reuses, with 95% intervals.",
    ),
    "reuse_by_layer": (
        figures.reuse_by_layer,
        "Mean number of modules shared in each layer with 95% intervals, beside that of two random paths; a line "
        "across a bar is the mean of random paths as large as that arm's.",
    ),
}
OF_ALL: dict[str, tuple[Draw, str]] = {
    "survival": (
        figures.survival,
        "Share of repeats that have not reached the threshold after so many evaluations; a bar at the end marks "
        "repeats that the limit stopped (censored, not dropped).",
    ),
    "training_curves": (
        figures.training_curves,
        "Training accuracy of every repeat (the better path of each generation, at most 60 curves an arm) and "
        "the mean over all repeats, in which one that has reached the threshold stays where it ended.",
    ),
}


def write_report(study: Study, *, single: Sequence[tuple[str, int]] = ()) -> Path:
    """Write ``report.html`` and ``figures`` into the study's directory.

    Args:
        study: A study with finished repeats.
        single: Repeats, by arm and index, that are drawn one by one besides.

    Returns:
        The page.

    Raises:
        StudyError: If there is no finished repeat, or one that is asked for is missing.
    """
    records = study.repeats()
    if not records:
        raise StudyError(f"{study.directory} has no finished repeat yet; run the study first")
    drawn = _figures(study.settings, records) + [_single(study, records, arm, index) for arm, index in single]
    shown = store_figures(study.directory / "figures", drawn)
    page = study.directory / "report.html"
    page.write_text(_page(study, records, shown), encoding="utf-8")
    return page


def store_figures(folder: Path, drawn: Sequence[tuple[str, Figure, str]]) -> list[dict[str, str]]:
    """Write figures as PDF and PNG, the same bytes for the same figure.

    Args:
        folder: Is made if need be.
        drawn: Name, figure and caption of each.

    Returns:
        What a page shows of each: ``name``, ``words``, and ``data``, the PNG in base 64.
    """
    folder.mkdir(exist_ok=True)
    shown: list[dict[str, str]] = []
    for name, figure, words in drawn:
        png = io.BytesIO()
        figure.savefig(png, format="png", metadata={"Software": None})
        (folder / f"{name}.png").write_bytes(png.getvalue())
        figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
        shown.append({"name": name, "words": words, "data": base64.b64encode(png.getvalue()).decode()})
    return shown


def _figures(settings: StudySettings, records: Sequence[RepeatRecord]) -> list[tuple[str, Figure, str]]:
    has_reuse = any(record.reuse is not None for record in records)
    chosen = {**(OF_REUSE if has_reuse else {}), **OF_ALL}
    return [(name, draw(settings, records), words) for name, (draw, words) in chosen.items()]


def _single(study: Study, records: Sequence[RepeatRecord], arm: str, index: int) -> tuple[str, Figure, str]:
    for record in records:
        if (record.arm, record.index) == (arm, index):
            words = f"Repeat {index} of {arm}: training curves of both tasks and the two paths."
            return f"repeat_{arm.replace('+', '_')}_{index}", figures.one_repeat(study.settings, record), words
    known = [record.index for record in records if record.arm == arm]
    has = f"{len(known)} repeats, {min(known)} to {max(known)}" if known else "no repeat"
    raise StudyError(f"--repeat {arm}:{index}: {study.directory} has {has} of {arm}")


def _page(study: Study, records: Sequence[RepeatRecord], shown: list[dict[str, str]]) -> str:
    environment = Environment(loader=PackageLoader("pathnet_rl.study", "templates"), autoescape=True)
    found = effects(study.settings, records)
    settings = study.settings
    network = settings.network
    random = overlap_distribution(network.layers, network.modules, network.active)
    return environment.get_template("report.html.jinja").render(
        study=study,
        settings=settings,
        confidence=f"{CONFIDENCE:.0%}",
        arms=arm_rows(settings, records),
        effects=[
            {
                "question": effect.question,
                "difference": spell(effect.difference),
                "standardised": "-" if np.isnan(effect.standardised) else f"{effect.standardised:.2f}",
                "test": effect.test,
                "p": spell_p(effect.p),
                "p_corrected": spell_p(effect.p_corrected),
                "clear": effect.p_corrected < 1 - CONFIDENCE,
                "repeats": effect.repeats,
            }
            for effect in found
        ],
        random_mean=f"{float(random @ np.arange(len(random))):.3f}",
        figures=shown,
        written=datetime.now(UTC).isoformat(timespec="seconds"),
        description=study.description,
        design=settings.design(),
    )


def arm_rows(settings: StudySettings, records: Sequence[RepeatRecord]) -> list[dict[str, Any]]:
    """Return the table of arms: lengths, accuracy, training and reuse, each with its interval."""
    rows: list[dict[str, Any]] = []
    for arm in dict.fromkeys(record.arm for record in records):
        of_arm = [record for record in records if record.arm == arm]
        reuse = [record.reuse.total for record in of_arm if record.reuse is not None]
        training = [record.second.average_training for record in of_arm if record.reuse is not None]
        rows.append(
            {
                "arm": arm,
                "repeats": len(of_arm),
                "tasks": [_task_row(of_arm, arm, task) for task in (0, 1)],
                "forgotten": _forgotten(of_arm),
                "reuse": spell(mean(np.array(reuse, dtype=np.float64))) if reuse else None,
                "reuse_by_layer": [spell(mean(layer)) for layer in reuse_counts(of_arm, arm).T.astype(np.float64)],
                "expected": _expected(settings, of_arm, arm) if reuse else None,
                "correlation": spell(correlation(np.array(training), np.array(reuse))) if reuse else None,
            }
        )
    return rows


def _expected(settings: StudySettings, records: Sequence[RepeatRecord], arm: str) -> str:
    """Return what random paths of the arm's sizes share, in total and by layer."""
    by_layer = expected_given_sizes(settings, records, arm)
    return f"{by_layer.sum():.3f}: " + "; ".join(f"{layer:.3f}" for layer in by_layer)


def _task_row(records: Sequence[RepeatRecord], arm: str, task: int) -> dict[str, str] | None:
    learned = [each for record in records if (each := record.second if task else record.first) is not None]
    if not learned:
        return None
    of_arm = lengths(records, arm, task)
    median = of_arm.median()
    return {
        "evaluations": spell(of_arm.mean()),
        "median": "given" if fixed_length(arm, task) else "not reached" if median is None else f"{median:g}",
        "generations": f"{np.mean([each.generations for each in learned]):.1f}",
        "censored": "-" if fixed_length(arm, task) else f"{int(of_arm.censored.sum())}",
        "training": spell(mean(np.array([each.average_training for each in learned]))),
        "accuracy": spell(mean(np.array([each.test_accuracy for each in learned])), ".4f"),
    }


def _forgotten(records: Sequence[RepeatRecord]) -> str | None:
    """Return the mean loss of test accuracy on the first task by learning the second."""
    lost = [
        record.first.test_accuracy - record.first_test_after
        for record in records
        if record.first is not None and record.first_test_after is not None
    ]
    return spell(mean(np.array(lost)), ".4f") if lost else None


def spell(estimate: Estimate, form: str = ".3g") -> str:
    """Write an estimate with its interval.

    Example:
        >>> spell(Estimate(1.5, 1.25, 1.75))
        '1.5 (1.25 to 1.75)'
    """
    return f"{estimate.value:{form}} ({estimate.low:{form}} to {estimate.high:{form}})"


def spell_p(p: float) -> str:
    """Write a p-value.

    Example:
        >>> spell_p(0.00001), spell_p(0.25)
        ('<0.0001', '0.25')
    """
    return "<0.0001" if p < 1e-4 else f"{p:.2g}"
