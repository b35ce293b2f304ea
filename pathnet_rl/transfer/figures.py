"""The figures of a curriculum's study, each as a Matplotlib figure made from its finished runs alone."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from pathnet_rl.study.figures import GRID, INK, style_axes
from pathnet_rl.study.statistics import Effect, Estimate
from pathnet_rl.transfer.arms import ARMS
from pathnet_rl.transfer.comparison import COSTS, Comparison, mastery, measure_of, median_of, success_of
from pathnet_rl.transfer.measures import Cost, curve, interpolated
from pathnet_rl.transfer.modules import Capacity, Reuse
from pathnet_rl.transfer.repeats import Repeat
from pathnet_rl.transfer.robust import FEWEST, Values, iqm_band

# Okabe and Ito's scheme: told apart by colour-blind eyes too. The control is dark, the baseline of others grey.
COLOURS = {
    "pathnet": "#0072B2",
    "target-only": "#20242C",
    "fine-tune": "#CC79A7",
    "progressive": "#009E73",
    "de-novo": "#E69F00",
    "sb3-dqn": "#8A8F98",
}
STYLES = {"sb3-dqn": (0, (3, 1.5))}
SINGLY = 3  # arms in a figure, at most, whose single runs are drawn
PLACES = 200  # on the horizontal axis of a curve


def _main_arms(comparison: Comparison) -> list[str]:
    return [arm for arm in comparison.arms if not ARMS[arm].ablation]


def learning_curves(comparison: Comparison) -> Figure:
    """Draw the target's training mean against its own steps, all steps of the run, and wall-clock."""
    target = comparison.target
    figure = Figure(figsize=(11.0, 4.6), dpi=150, layout="constrained")
    panels = figure.subplots(1, len(COSTS), sharey=True)
    arms = _main_arms(comparison)
    what = target.measure.replace("_", " ")
    for number, (axes, (unit, cost)) in enumerate(zip(panels, COSTS.items(), strict=True)):
        style_axes(axes, "", unit, "" if number else f"{target.name}: training {what}")
        for arm in arms:
            _arm_curves(axes, comparison, arm, cost, singly=len(arms) <= SINGLY)
        for threshold in target.thresholds:
            axes.axhline(threshold, color=INK, lw=0.7, ls=":")
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        if "steps" in unit:
            axes.xaxis.set_major_formatter(FuncFormatter(_thousands))
    if target.measure == "mean_return":
        _leave_out_the_deepest(panels[0], comparison)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=8, ncols=len(labels), loc="outside upper center")
    return figure


def _arm_curves(axes: Axes, comparison: Comparison, arm: str, cost: Cost, *, singly: bool) -> None:
    """Draw the interquartile mean of runs, from where all have begun to the last end, before that single ones.

    Single ones to their ends too, if asked. A point for every run: where it ended, and what its frozen path
    returned then.
    """
    target, colour = comparison.target, COLOURS[arm]
    drawn = [(run, curve(run, target.name, target.measure, cost)) for run in comparison.runs[arm].values()]
    drawn = [(run, each) for run, each in drawn if len(each[0])]
    if not drawn:
        return
    all_have_begun = max(at[0] for _, (at, _) in drawn)
    for run, (at, values) in drawn:
        alone = slice(None) if singly else at <= all_have_begun
        axes.plot(at[alone], values[alone], color=colour, lw=0.5, alpha=0.3 if singly else 0.6)
        final = comparison.final(run)
        axes.plot(at[-1], values[-1] if final is None else final, ".", color=colour, ms=5, alpha=0.6)
    places = np.linspace(all_have_begun, max(at[-1] for _, (at, _) in drawn), PLACES)
    ended = [_with_end(comparison, run, *each) for run, each in drawn]
    value, low, high = iqm_band(np.array([interpolated(at, values, places) for at, values in ended]))
    label = f"{arm} (n={len(drawn)})"
    axes.plot(places, value, color=colour, lw=1.8, ls=STYLES.get(arm, "-"), label=label)
    if len(drawn) >= FEWEST:
        axes.fill_between(places, low, high, color=colour, alpha=0.15, lw=0)


def _with_end(comparison: Comparison, run: Repeat, at: Values, values: Values) -> tuple[Values, Values]:
    """Return a run's curve; one that was mastered goes on with what its frozen path returned, held out.

    The lanes that explore say little of it: a path taken over as it is has hardly been trained at all.
    """
    task, final = run.task(comparison.target.name), comparison.final(run)
    if task is None or not task.mastered or final is None:
        return at, values
    return np.append(at, np.nextafter(at[-1], np.inf)), np.append(values, final)


def _leave_out_the_deepest(axes: Axes, comparison: Comparison) -> None:
    """Cut the axis below nearly all values: a few disastrous generations would squeeze everything else."""
    target = comparison.target
    runs = [run for arm in _main_arms(comparison) for run in comparison.runs[arm].values()]
    values = [curve(run, target.name, target.measure, next(iter(COSTS.values())))[1] for run in runs]
    every = np.concatenate([each for each in values if len(each)] or [np.zeros(1)])
    finals = [final for run in runs if (final := comparison.final(run)) is not None]
    low, high = np.quantile(every, 0.02), max(float(every.max()), *target.thresholds, *finals)
    axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))


def _thousands(value: float, _: object) -> str:
    return f"{value / 1000:g}k" if abs(value) >= 1_000 else f"{value:g}"


def sub_tasks(comparison: Comparison) -> Figure:
    """Draw, for every sub-task and arm, the success rate of the frozen path and the steps to mastery."""
    names = [task.name for task in comparison.curriculum.tasks]
    arms = _main_arms(comparison)
    figure = Figure(figsize=(9.6, 0.55 * len(names) + 1.5), dpi=150, layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    style_axes(panels[0], "", "success rate, held-out episodes", "")
    style_axes(panels[1], "", "environment steps to mastery, median", "")
    for place, arm in enumerate(arms):
        shift = (place - (len(arms) - 1) / 2) * 0.7 / len(arms)
        for row, name in enumerate(names):
            runs = [run for run in comparison.runs[arm].values() if run.task(name) is not None]
            if not runs:
                continue
            success = success_of([task for run in runs if (task := run.task(name))])
            steps = median_of([mastery(run, name) for run in runs])
            if success is not None:
                _dot(panels[0], success, row + shift, COLOURS[arm])
            _dot(panels[1], steps, row + shift, COLOURS[arm])
        panels[0].plot([], [], "o", color=COLOURS[arm], ms=4, label=arm)
    for axes in panels:
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", color=GRID, lw=0.7)
        for row in range(len(names) - 1):
            axes.axhline(row + 0.5, color=GRID, lw=0.7)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    lowest = min(panels[0].get_xlim()[0], 0.9)
    panels[0].set_xlim(lowest, 1 + 0.03 * (1 - lowest))  # room for a dot at 1, and no rate beyond it
    panels[0].set_xticks([tick for tick in panels[0].get_xticks() if lowest <= tick < 1 + 1e-9])
    panels[1].set_xscale("log")
    panels[1].xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panels[1].xaxis.set_major_formatter(FuncFormatter(_thousands))
    panels[1].xaxis.set_minor_formatter(NullFormatter())
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=8, ncols=len(labels), loc="outside upper center")
    return figure


def _dot(axes: Axes, estimate: Estimate, row: float, colour: str) -> None:
    """Draw a value with its interval; what was never reached is left out, a triangle is an endless interval."""
    if not np.isfinite(estimate.value):
        return
    marker = ">" if np.isinf(estimate.high) else "o"
    if not np.isnan(estimate.low):
        high = estimate.value if np.isinf(estimate.high) else estimate.high
        axes.plot([estimate.low, high], [row, row], color=colour, lw=1.2)
    axes.plot(estimate.value, row, marker, color=colour, ms=6 if marker == ">" else 4)


def reuse(found: Reuse) -> Figure:
    """Draw whose modules each later sub-task uses, by layer and in all, with the chance expectation in brackets."""
    tasks = found.tasks
    titles = [f"layer {layer + 1}" for layer in range(len(found.used))] + ["all layers"]
    used = np.concatenate([found.used, found.used.sum(axis=0, keepdims=True)])[:, 1:, :-1]
    chance = np.concatenate([found.chance, found.chance.sum(axis=0, keepdims=True)])[:, 1:, :-1]
    rows = -(-len(titles) // 2)
    size = (2 * (0.66 * len(tasks) + 0.8) + 1.2, rows * (0.44 * len(tasks) + 0.9) + 0.6)
    figure = Figure(figsize=(max(size[0], 6.0), size[1]), dpi=150, layout="constrained")
    panels = figure.subplots(rows, 2, sharex=True, sharey=True, squeeze=False).ravel()
    of_a_layer, of_all = (max(float(np.nanmax(each, initial=0.0)), 1e-9) for each in (used[:-1], used[-1]))
    darkest = [of_a_layer] * (len(titles) - 1) + [of_all]
    for axes, title, values, expected, highest in zip(panels, titles, used, chance, darkest, strict=False):
        axes.imshow(values, cmap="Blues", vmin=0, vmax=highest, aspect="auto")
        style_axes(axes, title, "", "")
        axes.grid(visible=False)
        axes.set_xticks(range(len(tasks) - 1), tasks[:-1], rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(tasks) - 1), tasks[1:])
        for row, column in zip(*np.nonzero(np.isfinite(values)), strict=True):
            colour = "white" if values[row, column] > 0.6 * highest else INK
            text = f"{values[row, column]:.2f}\n({expected[row, column]:.2f})"
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)
    for axes in panels[len(titles) :]:
        axes.set_visible(False)
    figure.supxlabel("whose modules", fontsize=8, color=INK)
    figure.supylabel("path of", fontsize=8, color=INK)
    return figure


def capacity(found: Capacity, modules: int) -> Figure:
    """Draw how many modules each sub-task newly froze in each layer, and what it left of all of them."""
    layers = found.newly_frozen.shape[1]
    figure = Figure(figsize=(9.6, 3.6), dpi=150, layout="constrained")
    panels = figure.subplots(1, 2)
    style_axes(panels[0], "newly frozen", "", "modules, mean")
    style_axes(panels[1], f"left of {modules}", "", "")
    at, width = np.arange(len(found.tasks)), 0.8 / layers
    shades = [("#0072B2", "-", "o"), ("#E69F00", "--", "s"), ("#009E73", ":", "^"), ("#CC79A7", "-.", "v")]
    for layer in range(layers):
        colour, line, marker = shades[layer % len(shades)]
        shift = (layer - (layers - 1) / 2) * width
        panels[0].bar(at + shift, found.newly_frozen[:, layer], width, color=colour, label=f"layer {layer + 1}")
        panels[1].plot(at, found.left[:, layer], color=colour, lw=1.4, ls=line, marker=marker, ms=4)
    for axes in panels:
        axes.set_xticks(at, found.tasks, rotation=40, ha="right", rotation_mode="anchor")
    panels[1].set_ylim(0, modules)
    panels[1].yaxis.set_major_locator(MaxNLocator(integer=True))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=8, ncols=len(labels), loc="outside upper center")
    return figure


def ablations(effects: Sequence[Effect]) -> Figure:
    """Draw every ablation's differences to the unchanged curriculum, a panel a question."""
    questions: dict[str, list[Effect]] = {}
    for effect in effects:
        questions.setdefault(measure_of(effect), []).append(effect)
    arms = list(dict.fromkeys(_ablated(effect) for effect in effects))
    figure = Figure(figsize=(11.0, 0.3 * len(arms) + 1.4), dpi=150, layout="constrained")
    panels = figure.subplots(1, len(questions), sharey=True, squeeze=False)[0]
    for axes, (question, of_question) in zip(panels, questions.items(), strict=True):
        style_axes(axes, question, "difference to pathnet", "")
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", color=GRID, lw=0.7)
        axes.axvline(0, color=INK, lw=0.8)
        for effect in of_question:
            clear = effect.p_corrected < 0.05
            _dot(axes, effect.difference, arms.index(_ablated(effect)), COLOURS["pathnet"] if clear else "#8A8F98")
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(FuncFormatter(_thousands))
    panels[0].set_yticks(range(len(arms)), arms)
    panels[0].set_ylim(len(arms) - 0.5, -0.5)
    return figure


def _ablated(effect: Effect) -> str:
    """Return the arm of an effect whose question reads ``what: arm - pathnet``."""
    return effect.question.partition(": ")[2].rpartition(" - ")[0]
