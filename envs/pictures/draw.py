"""Draw one picture a sub-task: where its episodes begin at three levels, and how the scripted controller ends one.

``python envs/pictures/draw.py`` writes ``<sub-goal>.png`` beside this file, the same bytes each time. It needs
Matplotlib. Lengths are in metres, and the pad's centre is at (0, 0).
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Polygon, Rectangle
from numpy.typing import NDArray
from PIL import Image

from pathnet_envs.body import LANDER_POLY, LEG_DOWN, SCALE, SPIN_RAD_S, VX_M_S, VY_M_S, X_M, Y_M
from pathnet_envs.scripted import scripted
from pathnet_envs.sub_goal import EASY_FUEL, SubGoal
from pathnet_envs.sub_goals import SUB_GOALS

FOLDER = Path(__file__).parent
SEED = 7
"""Of terrain and flight: hills on both sides, far starts, and the controller succeeds in every sub-task."""
LEVELS = {0.0: "#7FB0E3", 0.5: "#3F7FC4", 1.0: "#173F73"}  # with their colours
SKY, GROUND, INK, GOAL, PAD = "#F6F8FB", "#BFC5CE", "#20242C", "#2E9E5B", "#E0A100"
BOTTOM_M, TOP_M, STRIP_M = -4.0, 12.0, -2.6
INCHES_A_M = 0.16  # of the flight; starts are drawn at a third of it
DPI = 200
COLOURS_IN_FILE = 192
POSES = 9  # of a flight, evenly spaced in time
STARTS = 4  # drawn at each level
SPREAD_M = 5.0
"""Starts that differ by less in x at every level would hide each other, and are drawn side by side."""
HIGHEST_HILL_M = 2.0
LEG = ((0.40, -0.30), (0.80, -0.60))
"""The right leg from the hull to the foot, which is on the pad where y = 0 is observed."""

States = NDArray[np.float64]
Places = NDArray[np.float64]


@dataclass(frozen=True)
class Flight:
    """States ``(steps + 1, 8)`` in observation units, and the ground under them ``(corners, 2)``."""

    states: States
    ground: NDArray[np.float64]


def main() -> None:
    """Draw all sub-goals."""
    for sub_goal in SUB_GOALS.values():
        file = FOLDER / f"{sub_goal.name}.png"
        write(draw(sub_goal), file)
        print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")


def draw(sub_goal: SubGoal) -> Figure:
    """Return the picture of a sub-goal: a flight, and beside it the starts of three levels."""
    size = (2 * X_M * INCHES_A_M * 4 / 3, (TOP_M - BOTTOM_M) * INCHES_A_M)
    figure = Figure(figsize=size, dpi=DPI)
    FigureCanvasAgg(figure)
    flight = fly(sub_goal)
    scene = figure.add_axes((0.0, 0.0, 0.75, 1.0))
    draw_region(scene, sub_goal)
    draw_ground(scene, flight.ground)
    draw_flight(scene, sub_goal, flight.states)
    starts = [starts_of(sub_goal, level) for level in LEVELS]
    places = apart([places_of(states) for states in starts])
    for row, (level, colour) in enumerate(LEVELS.items()):
        panel = figure.add_axes((0.75, 1 - (row + 1) / 3, 0.25, 1 / 3))
        draw_ground(panel, flight.ground)
        for place, state in zip(places[row], starts[row], strict=True):
            draw_lander(panel, place, state[4], colour, alpha=0.85)
            draw_motion(panel, place, state, colour)
        panel.text(-9.4, BOTTOM_M + 0.6, conditions(sub_goal, level), fontsize=7, color=INK, va="bottom")
    return figure


def write(figure: Figure, file: Path) -> None:
    """Write a picture with a palette, a third of the size of full colour."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()
    pixels = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    pixels.quantize(COLOURS_IN_FILE, dither=Image.Dither.NONE).save(file, optimize=True)


def fly(sub_goal: SubGoal) -> Flight:
    """Let the scripted controller fly from full difficulty to success."""
    env = gymnasium.make(sub_goal.env_id, reward="sparse")
    controller = scripted(sub_goal.name)
    observation, info = env.reset(seed=SEED)
    states = [observation.tolist()]
    ended = truncated = False
    while not (ended or truncated):
        observation, _, ended, truncated, info = env.step(controller(states[-1]))
        states.append(observation.tolist())
    if not info["is_success"]:
        raise RuntimeError(f"SEED: {SEED}: the controller fails {sub_goal.name} from there; choose another")
    return Flight(np.array(states), ground_of(env))


def ground_of(env: gymnasium.Env[Any, Any]) -> NDArray[np.float64]:
    """Return the line of the ground, ``(corners, 2)``."""
    lander = env.unwrapped._lander
    corners = [lander.sky_polys[0][0], *(polygon[1] for polygon in lander.sky_polys)]
    return np.array(corners) - [X_M, lander.helipad_y]


def starts_of(sub_goal: SubGoal, level: float) -> States:
    """Return some first observations, spread along the direction in which they differ most, ``(starts, 8)``."""
    env = gymnasium.make(sub_goal.env_id, level=level)
    drawn = np.array([env.reset(seed=seed)[0] for seed in range(40)], dtype=float)
    widest = int(np.argmax(np.ptp(drawn[:, :2] * [X_M, Y_M], axis=0)))
    in_order = drawn[np.argsort(drawn[:, widest])]
    return in_order[np.linspace(0, len(in_order) - 1, STARTS).round().astype(int)]


def places_of(states: States) -> Places:
    """Return where the hull's centre is, ``(states, 2)``; y = 0 is observed where the feet are on the pad."""
    return states[:, :2] * [X_M, Y_M] + [0.0, LEG_DOWN / SCALE]


def apart(levels: list[Places]) -> list[Places]:
    """Return the places of each level, moved side by side where they would hide each other."""
    if max(np.ptp(places[:, 0]) for places in levels) >= SPREAD_M:
        return levels
    lowest_m = min(places[:, 1].min() for places in levels)
    half_m = 1.8 if lowest_m < HIGHEST_HILL_M else 6.0  # low ones over the pad
    return [np.stack([np.linspace(-half_m, half_m, STARTS), places[:, 1]], axis=1) for places in levels]


def draw_ground(axes: Axes, ground: NDArray[np.float64]) -> None:
    """Draw sky, ground and pad."""
    axes.set_xlim(-X_M, X_M)
    axes.set_ylim(BOTTOM_M, TOP_M)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_facecolor(SKY)
    for spine in axes.spines.values():
        spine.set(edgecolor="white", linewidth=2.0)
    axes.fill_between(ground[:, 0], ground[:, 1], BOTTOM_M, color=GROUND, linewidth=0, zorder=2)
    axes.plot([-2.0, 2.0], [0.0, 0.0], color=PAD, linewidth=2.5, solid_capstyle="butt", zorder=2)


def draw_region(axes: Axes, sub_goal: SubGoal) -> None:
    """Shade where the goal wants the lander, if it says so; a landing ends on the ground."""
    region = sub_goal.region
    if region is None or (region.x is None and region.y is None):
        return
    left, right = region.x or (-1.0, 1.0)
    height = (-0.1, 0.1) if sub_goal.landing else region.y or (-math.inf, math.inf)
    low, high = np.clip(np.array(height) * Y_M + LEG_DOWN / SCALE, BOTTOM_M, TOP_M)
    corner, width = (left * X_M, low), (right - left) * X_M
    axes.add_patch(Rectangle(corner, width, high - low, facecolor=GOAL, alpha=0.15, edgecolor="none", zorder=1))


def draw_flight(axes: Axes, sub_goal: SubGoal, states: States) -> None:
    """Draw the way of the hull and its attitude at even times; the same attitudes side by side below.

    Attitudes are green where the goal's formula holds, and at the success.
    """
    way = places_of(states)
    last = len(states) - 1
    every = max(1, math.ceil(last / (POSES - 1)))
    axes.plot(way[:, 0], way[:, 1], color=INK, linewidth=0.8, alpha=0.6, zorder=3)
    for place, step in enumerate([*range(0, last, every), last]):
        colour = GOAL if step == last or sub_goal.reached(states[step].tolist()) else INK
        draw_lander(axes, way[step], states[step, 4], colour, alpha=0.25 + 0.7 * step / last)
        draw_lander(axes, np.array([2.2 * place - 8.8, STRIP_M]), states[step, 4], colour, alpha=0.9)
    text = f"{sub_goal.title}, every {every} step{'s' if every > 1 else ''}"
    axes.text(-9.6, TOP_M - 0.4, text, fontsize=8, color=INK, va="top")


def conditions(sub_goal: SubGoal, level: float) -> str:
    """Say what a level is."""
    words = f"level {level:g}"
    if sub_goal.windy:
        words += f", wind {level * sub_goal.wind_power:g}"
    if sub_goal.fuel is not None:
        words += f", fuel {EASY_FUEL + level * (sub_goal.fuel - EASY_FUEL):g}"
    return words


def draw_lander(axes: Axes, place: NDArray[np.float64], angle: float, colour: str, alpha: float) -> None:
    """Draw hull and legs."""
    hull = turned(np.array(LANDER_POLY) / SCALE, angle) + place
    axes.add_patch(Polygon(hull, facecolor=colour, edgecolor="white", linewidth=0.4, alpha=alpha, zorder=4))
    for side in (-1, 1):
        leg = turned(np.array(LEG) * [side, 1], angle) + place
        axes.plot(leg[:, 0], leg[:, 1], color=colour, linewidth=1.2, alpha=alpha, zorder=4)


def draw_motion(axes: Axes, place: NDArray[np.float64], state: NDArray[np.float64], colour: str) -> None:
    """Draw an arrow along the way of the next second, and a bent one through the angle it would turn."""
    style = {"arrowstyle": "->,head_length=2,head_width=1.2", "shrinkA": 0, "shrinkB": 0, "color": colour}
    way = state[2:4] * [VX_M_S, VY_M_S]
    if np.linalg.norm(way) > 0.3:
        axes.add_patch(FancyArrowPatch(place, place + way, linewidth=0.9, zorder=5, **style))
    turn = SPIN_RAD_S * state[5]
    if abs(turn) > 0.3:
        bend = np.linspace(np.pi / 2, np.pi / 2 + turn, 20)
        arc = place + 1.6 * np.stack([np.cos(bend), np.sin(bend)], axis=1)
        axes.plot(arc[:, 0], arc[:, 1], color=colour, linewidth=0.9, zorder=5)
        axes.add_patch(FancyArrowPatch(arc[-2], arc[-1], linewidth=0.9, zorder=5, **style))


def turned(points: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """Rotate points ``(points, 2)`` by an angle (rad), counter-clockwise."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return points @ np.array([[cosine, sine], [-sine, cosine]])


if __name__ == "__main__":
    main()
