"""The figures of a study, each as a Matplotlib figure made from its records alone."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from pathnet_rl.paths import layer_overlap_distribution, overlap_distribution
from pathnet_rl.study.records import LearnedTask, RepeatRecord
from pathnet_rl.study.settings import StudySettings
from pathnet_rl.study.statistics import (
    arms_with_reuse,
    expected_given_sizes,
    fixed_length,
    lengths,
    mean,
    reuse_counts,
    wilson_errors,
)

# Okabe and Ito's scheme: told apart by colour-blind eyes too.
COLOURS = {
    "search+search": "#0072B2",
    "pick+search": "#D55E00",
    "progressive": "#009E73",
    "fine-tune": "#CC79A7",
    "de-novo": "#E69F00",
    "random": "#8A8F98",
}
INK, GRID, OPEN = "#20242C", "#E3E6EA", "#ECEEF1"
ERROR_BARS = {"lw": 0.9, "ecolor": INK}
FIRST, SECOND, BOTH = "#56B4E9", "#E69F00", "#009E73"  # whose path a module is on
FEWEST = 3  # repeats behind a mean that is drawn
FAINT = 60  # single curves drawn behind a mean


def reuse_distribution(study: StudySettings, records: Sequence[RepeatRecord]) -> Figure:
    """Draw how often so many modules are reused, per arm, beside the exact distribution of random paths."""
    network, arms = study.network, arms_with_reuse(records)
    random = overlap_distribution(network.layers, network.modules, network.active)
    highest = max([int(reuse_counts(records, arm).sum(1).max()) for arm in arms] + [int((random > 1e-3).sum()) - 1])
    figure, axes = _figure("Modules reused by the second path", "modules in both paths", "share of repeats")
    bars = [*arms, "random"]
    width = 0.8 / len(bars)
    for place, name in enumerate(bars):
        if name == "random":
            shares, errors, label = random[: highest + 1], None, "random paths, exact"
        else:
            totals = reuse_counts(records, name).sum(1)
            shares = np.bincount(totals, minlength=highest + 1) / len(totals)
            errors = wilson_errors(np.bincount(totals, minlength=highest + 1), len(totals))
            label = f"{name} (n={len(totals)}, mean {totals.mean():.2f})"
        at = np.arange(highest + 1) + (place - (len(bars) - 1) / 2) * width
        axes.bar(at, shares, width, yerr=errors, color=COLOURS[name], label=label, error_kw=ERROR_BARS)
    axes.set_xticks(range(highest + 1))
    axes.legend(frameon=False, fontsize=8)
    return figure


def training_by_reuse(study: StudySettings, records: Sequence[RepeatRecord]) -> Figure:
    """Draw the second path's average training against the number of modules it reuses, per arm, with intervals."""
    del study
    figure, axes = _figure(
        "Average training of the second path", "modules in both paths", "mean training counter of its modules"
    )
    arms, most = arms_with_reuse(records), 0
    for place, arm in enumerate(arms):
        of_arm = [record for record in records if record.arm == arm and record.reuse is not None]
        amounts = np.array([record.reuse.total for record in of_arm if record.reuse is not None])
        training = np.array([record.second.average_training for record in of_arm])
        shown = [amount for amount in np.unique(amounts) if (amounts == amount).sum() >= FEWEST]
        most = max([most, *shown])
        estimates = [mean(training[amounts == amount]) for amount in shown]
        errors = [
            [each.value - each.low for each in estimates],
            [each.high - each.value for each in estimates],
        ]
        at = np.array(shown) + (place - (len(arms) - 1) / 2) * 0.12
        values = [each.value for each in estimates]
        axes.errorbar(at, values, yerr=errors, color=COLOURS[arm], marker="o", ms=4, lw=1.2, capsize=2, label=arm)
        for x, low, amount in zip(at, (each.low for each in estimates), shown, strict=True):
            axes.annotate(
                f"{(amounts == amount).sum()}", (x, low), (0, -4), textcoords="offset points",
                ha="center", va="top", fontsize=6, color=COLOURS[arm],
            )  # fmt: skip
    axes.set_xticks(range(int(most) + 1))
    axes.margins(y=0.12)
    axes.legend(
        frameon=False, fontsize=8, title=f"95% intervals; counts of repeats, {FEWEST} or more", title_fontsize=7
    )
    return figure


def reuse_by_layer(study: StudySettings, records: Sequence[RepeatRecord]) -> Figure:
    """Draw the mean reuse in every layer, per arm, beside that of random paths."""
    network, arms = study.network, arms_with_reuse(records)
    expected = float(layer_overlap_distribution(network.modules, network.active) @ np.arange(network.active + 1))
    figure, axes = _figure("Reuse by layer", "", "modules in both paths, mean")
    width = 0.8 / (len(arms) + 1)
    layers = np.arange(network.layers)
    for place, arm in enumerate(arms):
        estimates = [mean(column.astype(np.float64)) for column in reuse_counts(records, arm).T]
        at = layers + (place - len(arms) / 2) * width
        errors = [[e.value - e.low for e in estimates], [e.high - e.value for e in estimates]]
        values = [estimate.value for estimate in estimates]
        axes.bar(at, values, width, yerr=errors, color=COLOURS[arm], label=arm, error_kw=ERROR_BARS)
        of_sizes = expected_given_sizes(study, records, arm)
        axes.hlines(of_sizes, at - width / 2, at + width / 2, color=INK, lw=1.6, ls=(0, (2, 1)))
    at = layers + (len(arms) / 2) * width
    axes.bar(at, expected, width, color=COLOURS["random"], label="random paths, exact")
    axes.plot([], [], color=INK, lw=1.6, ls=(0, (2, 1)), label="random, of its sizes")
    kinds = ["convolutional" if layer + 1 in network.convolutional else "dense" for layer in layers]
    axes.set_xticks(layers, [f"layer {layer + 1}, {kind}" for layer, kind in zip(layers, kinds, strict=True)])
    axes.margins(y=0.2)
    axes.legend(frameon=False, fontsize=7, ncols=len(arms) + 2, loc="upper center")
    return figure


def survival(study: StudySettings, records: Sequence[RepeatRecord]) -> Figure:
    """Draw, per arm and task, the share of repeats that have not reached the threshold yet (Kaplan-Meier)."""
    figure = Figure(figsize=(9.0, 3.8), dpi=150, layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for task, axes in enumerate(panels):
        style_axes(
            axes, f"Task {task + 1}", "evaluations (two a generation)", "" if task else "not yet at the threshold"
        )
        for arm in dict.fromkeys(record.arm for record in records):
            of_arm = lengths(records, arm, task)
            if len(of_arm.evaluations) == 0 or fixed_length(arm, task):
                continue
            at, share = _survival_steps(of_arm.evaluations, of_arm.censored)
            axes.step(at, share, where="post", color=COLOURS[arm], lw=1.4, label=arm)
            if of_arm.censored.any():
                axes.plot(at[-1], share[-1], marker="|", ms=10, color=COLOURS[arm])
        _log_x(axes)
        axes.set_ylim(0, 1.02)
    panels[1].legend(frameon=False, fontsize=8)
    figure.suptitle(f"Evaluations until {study.search.threshold:.0%} training accuracy", fontsize=11, color=INK)
    return figure


def _survival_steps(
    evaluations: NDArray[np.int64], censored: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where the share changes; censored repeats all end at the limit, so none leaves before."""
    at = np.unique(evaluations)
    share = [1 - float(((evaluations <= step) & ~censored).mean()) for step in at]
    return np.concatenate([[1.0], at]), np.concatenate([[1.0], share])


def training_curves(study: StudySettings, records: Sequence[RepeatRecord]) -> Figure:
    """Draw all repeats' training curves over each other, per arm and task, with their mean."""
    arms = list(dict.fromkeys(record.arm for record in records))
    figure = Figure(figsize=(9.0, 1.9 * len(arms) + 0.6), dpi=150, layout="constrained")
    panels = figure.subplots(len(arms), 2, sharey=True, squeeze=False)
    for row, arm in zip(panels, arms, strict=True):
        of_arm = [record for record in records if record.arm == arm]
        for task, axes in enumerate(row):
            learned = [each for record in of_arm if (each := record.second if task else record.first) is not None]
            style_axes(axes, f"{arm}, task {task + 1}", "", "" if task else "training accuracy")
            if not learned:
                axes.text(0.5, 0.5, "not learned", transform=axes.transAxes, ha="center", color=INK, fontsize=8)
                continue
            _overlay(axes, study, learned, COLOURS[arm])
    for axes in panels[-1]:
        axes.set_xlabel("evaluations", fontsize=8, color=INK)
    return figure


def _overlay(axes: Axes, study: StudySettings, learned: Sequence[LearnedTask], colour: str) -> None:
    curves = [best_of_generation(study, each) for each in learned]
    step = len(learned[0].curve[0])
    for curve in curves[:FAINT]:
        axes.plot(step * np.arange(1, len(curve) + 1), curve, color=colour, lw=0.5, alpha=0.18)
    longest = max(map(len, curves))
    # A repeat that has reached the threshold stays where it ended: the mean is over all, at every step.
    filled = np.array([np.pad(curve, (0, longest - len(curve)), mode="edge") for curve in curves])
    axes.plot(step * np.arange(1, longest + 1), np.nanmean(filled, axis=0), color=INK, lw=1.3, label="mean")
    axes.axhline(study.search.threshold, color=INK, lw=0.7, ls=":")
    _log_x(axes)


def best_of_generation(study: StudySettings, learned: LearnedTask) -> NDArray[np.float64]:
    """Return the training accuracy of the better path of every generation, ``(generations,)``."""
    counts = np.array(learned.curve, dtype=np.float64)
    return np.max(counts, axis=1, initial=0.0, where=np.isfinite(counts)) / study.training.images


def one_repeat(study: StudySettings, record: RepeatRecord) -> Figure:
    """Draw a repeat: the training curves of both tasks, and its two paths through the network."""
    figure = Figure(figsize=(9.0, 5.2), dpi=150, layout="constrained")
    grid = figure.add_gridspec(2, 2)
    for task, learned in enumerate((record.first, record.second)):
        axes = figure.add_subplot(grid[0, task])
        style_axes(axes, f"task {task + 1}", "evaluations", "" if task else "training accuracy")
        if learned is None:
            axes.text(0.5, 0.5, "not learned", transform=axes.transAxes, ha="center", color=INK, fontsize=8)
            continue
        curve = best_of_generation(study, learned)
        step = len(learned.curve[0])
        axes.plot(step * np.arange(1, len(curve) + 1), curve, color=COLOURS[record.arm], lw=1.2)
        axes.axhline(study.search.threshold, color=INK, lw=0.7, ls=":")
        end = "reached" if learned.solved else "stopped at the limit"
        axes.set_title(
            f"task {task + 1}: {end} after {learned.evaluations} evaluations, test {learned.test_accuracy:.1%}",
            fontsize=9, color=INK, loc="left",
        )  # fmt: skip
    _draw_paths(figure.add_subplot(grid[1, :]), study, record)
    figure.suptitle(f"{record.arm}, repeat {record.index}", fontsize=11, color=INK)
    return figure


def _draw_paths(axes: Axes, study: StudySettings, record: RepeatRecord) -> None:
    """Draw layers by modules: who is on the first path, who on the second, who on both."""
    network = study.network
    nothing: list[list[int]] = [[] for _ in range(network.layers)]
    first = nothing if record.first is None or record.first.path is None else record.first.path
    second = record.second.path or nothing
    for layer in range(network.layers):
        for module in range(network.modules):
            colour = {
                (False, False): OPEN,
                (True, False): FIRST,
                (False, True): SECOND,
                (True, True): BOTH,
            }[module in first[layer], module in second[layer]]
            axes.scatter(module, layer, s=130, marker="s", color=colour, zorder=2)
    for path, shift, colour in ((first, -0.06, FIRST), (second, 0.06, SECOND)):
        for layer in range(network.layers - 1):
            for start in path[layer]:
                for stop in path[layer + 1]:
                    axes.plot([start + shift, stop + shift], [layer, layer + 1], color=colour, lw=1.0, zorder=1)
    axes.set_yticks(range(network.layers), [f"layer {layer + 1}" for layer in range(network.layers)], fontsize=8)
    axes.set_xlim(-0.8, network.modules - 0.2)
    axes.set_ylim(-0.6, network.layers - 0.4)
    axes.tick_params(length=0, labelsize=8, colors=INK)
    for name, colour in (
        ("first path", "#56B4E9"),
        ("second path", "#E69F00"),
        ("both", "#009E73"),
        ("open", OPEN),
    ):
        axes.scatter([], [], s=60, marker="s", color=colour, label=name)
    axes.legend(frameon=False, fontsize=8, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.08))
    for spine in axes.spines.values():
        spine.set_visible(False)


def _figure(title: str, x_label: str, y_label: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 3.8), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    style_axes(axes, title, x_label, y_label)
    return figure, axes


def style_axes(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    """Give axes the look of all figures: a title on the left, labels, a quiet grid, no box."""
    axes.set_title(title, fontsize=10, color=INK, loc="left")
    axes.set_xlabel(x_label, fontsize=8, color=INK)
    axes.set_ylabel(y_label, fontsize=8, color=INK)
    axes.tick_params(labelsize=8, colors=INK)
    axes.grid(axis="y", color=GRID, lw=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _log_x(axes: Axes) -> None:
    """Make the axis of evaluations logarithmic, with plain numbers."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
