"""The path picture: layers by modules, who froze what, and the path of one sub-task drawn through it."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch
from numpy.typing import NDArray

from pathnet_rl.durable import write_file
from pathnet_rl.evaluation import outcome
from pathnet_rl.records import GenerationRecord, SubTaskRecord
from pathnet_rl.settings import NetworkSettings, SubTaskSettings

# Paul Tol's muted and bright schemes: told apart by colour-blind eyes too.
COLOURS = (
    "#332288", "#88CCEE", "#44AA99", "#117733", "#DDCC77", "#CC6677",
    "#AA4499", "#882255", "#4477AA", "#EE7733", "#BBCC33", "#999933",
)  # fmt: skip
OPEN, LINE, INK = "#ECEEF1", "#20242C", "#20242C"
DOT, DOTTED = 3.6, "#8A8F98"  # size of what marks a reused module, and the colour of any such in the legend
SIDE = 0.78  # of a module's square, where modules stand one unit apart
ROW = 3.0  # between two layers


def draw_path(layers: int, modules: int, finished: Sequence[SubTaskRecord]) -> Figure:
    """Draw the path of the last of these sub-tasks.

    Args:
        layers: Layers of the network.
        modules: Modules a layer.
        finished: The sub-tasks so far, in order; their ``newly_frozen`` say who froze what.

    Raises:
        ValueError: Without any sub-task.
    """
    if not finished:
        raise ValueError("there is no finished sub-task to draw; give at least one")
    figure = Figure(figsize=(max(7.0, 1.6 + 0.25 * modules), 1.9 + 0.85 * layers), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shown = finished[-1]
    _draw_modules(axes, layers, modules, finished)
    _draw_lines(axes, layers, modules, shown)
    _draw_ends(axes, layers, modules, shown)
    _finish(axes, layers, modules, finished)
    return figure


def write_path_picture(file: Path, layers: int, modules: int, finished: Sequence[SubTaskRecord]) -> None:
    """Write :func:`draw_path` as a PNG, the same bytes for the same records."""
    content = BytesIO()
    draw_path(layers, modules, finished).savefig(content, format="png", metadata={"Software": None})
    write_file(file, content.getvalue())


def rgb_pixels(figure: Figure) -> NDArray[np.uint8]:
    """Return a figure of :func:`draw_path` as pixels, ``(height, width, 3)``."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


class PictureFiles:
    """A listener that writes each sub-task's picture as ``<sub-task>.png`` into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._finished: list[SubTaskRecord] = []
        self._network = NetworkSettings()

    def begin(self, curriculum_name: str, tasks: Sequence[SubTaskSettings], network: NetworkSettings) -> None:
        """Remember the network's size and make the folder."""
        self._network = network
        self._folder.mkdir(exist_ok=True)

    def generation(self, record: GenerationRecord) -> None:
        """Nothing to draw before a sub-task is finished."""

    def sub_task(self, record: SubTaskRecord) -> None:
        """Write the picture."""
        self._finished.append(record)
        file = self._folder / f"{record.task}.png"
        write_path_picture(file, self._network.layers, self._network.modules, self._finished)

    def end(self) -> None:
        """Nothing is open."""


def colour_of(index: int) -> str:
    """Return the colour of the sub-task with this index."""
    return COLOURS[index % len(COLOURS)]


def _height(layer: int) -> float:
    """Return where a layer stands: the first at the bottom, the heads on top."""
    return ROW * layer


def _draw_modules(axes: Axes, layers: int, modules: int, finished: Sequence[SubTaskRecord]) -> None:
    owners = [
        {module: record.task_index for record in finished for module in record.newly_frozen[layer]}
        for layer in range(layers)
    ]
    for layer, owner in enumerate(owners):
        on_path = set(finished[-1].path[layer])
        for module in range(modules):
            colour = colour_of(owner[module]) if module in owner else OPEN
            active = module in on_path
            corner = (module - SIDE / 2, _height(layer) - SIDE / 2)
            edge, width = (INK, 1.6) if active else ("white", 0.4)
            axes.add_patch(
                FancyBboxPatch(
                    corner, SIDE, SIDE, boxstyle="round,pad=0,rounding_size=0.16",
                    facecolor=colour, edgecolor=edge, linewidth=width, zorder=3 if active else 2,
                )
            )  # fmt: skip
            if active and owner.get(module) != finished[-1].task_index:
                axes.plot(module, _height(layer), "o", color="white", markersize=DOT, zorder=4)


def _draw_lines(axes: Axes, layers: int, modules: int, record: SubTaskRecord) -> None:
    middle = (modules - 1) / 2
    columns = [[middle], *record.path, [middle]]
    for step, (lower, upper) in enumerate(zip(columns, columns[1:], strict=False)):
        for start in lower:
            for stop in upper:
                bottom = _height(step - 1) + SIDE / 2
                top = _height(step) - SIDE / 2
                axes.plot([start, stop], [bottom, top], color=LINE, linewidth=1.0, alpha=0.7, zorder=1)


def _draw_ends(axes: Axes, layers: int, modules: int, record: SubTaskRecord) -> None:
    middle = (modules - 1) / 2
    for height, words in ((_height(-1), "observation"), (_height(layers), f"head: {record.task}")):
        axes.text(
            middle, height, words, ha="center", va="center", fontsize=9, color=INK, zorder=5,
            bbox={"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": INK, "linewidth": 1.0},
        )  # fmt: skip


def _finish(axes: Axes, layers: int, modules: int, finished: Sequence[SubTaskRecord]) -> None:
    shown = finished[-1]
    verdict = "mastered" if shown.mastered else "not mastered"
    axes.set_title(
        f"{shown.task}: {verdict}, {outcome(shown.evaluation)}, {shown.env_steps:,} environment steps",
        fontsize=10, color=INK, loc="left",
    )  # fmt: skip
    axes.set_xlim(-1.0, modules)
    axes.set_ylim(_height(-1) - 0.9, _height(layers) + 0.9)
    axes.set_yticks([_height(layer) for layer in range(layers)], [f"layer {layer + 1}" for layer in range(layers)])
    axes.set_xticks(range(0, modules, 5 if modules > 12 else 1))
    axes.set_xlabel("module", fontsize=8, color=INK)
    axes.tick_params(length=0, labelsize=8, labelcolor=INK)
    for spine in axes.spines.values():
        spine.set_visible(False)
    keys: dict[str, Any] = {  # two marks over each other are a tuple, which stubs do not know
        f"frozen by {record.task}": Patch(facecolor=colour_of(record.task_index))
        for record in finished
        if any(record.newly_frozen)
    }
    keys["open"] = Patch(facecolor=OPEN)
    keys["reused here"] = (
        Line2D([], [], color="none", marker="s", markersize=9, markerfacecolor=DOTTED, markeredgecolor=INK),
        Line2D([], [], color="none", marker="o", markersize=DOT, markerfacecolor="white", markeredgecolor="white"),
    )
    figure = axes.get_figure()
    assert figure is not None
    figure.legend(keys.values(), keys.keys(), loc="outside lower center", ncols=5, fontsize=8, frameon=False)
