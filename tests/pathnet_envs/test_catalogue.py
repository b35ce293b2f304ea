"""The catalogue: every row says what the registered environment does, in words and in JSON."""

import json
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import pathnet_envs
from pathnet_envs import SUB_GOALS, CatalogueRow, catalogue
from pathnet_envs.success_rates import shipped_baselines

ROWS = catalogue()
NUMBER = r"-?\d*\.?\d+"
DRAWN = [row for row in ROWS if SUB_GOALS[row.sub_goal].start(np.random.default_rng(0), 0.0) is not None]
READ = {
    "|x|": lambda start: abs(start.x),
    "y": lambda start: start.y,
    "|vx|": lambda start: abs(start.vx),
    "vy": lambda start: start.vy,
    "speed": lambda start: np.hypot(start.vx, start.vy),
    "|angle|": lambda start: abs(start.angle),
    "|spin|": lambda start: abs(start.spin),
    "turning outward at": lambda start: abs(start.spin),
}


@pytest.mark.parametrize("row", ROWS, ids=list(SUB_GOALS))
def test_a_row_says_what_the_registered_environment_does(row):
    goal = SUB_GOALS[row.sub_goal]
    env = gymnasium.make(row.env_id)
    twin = gymnasium.make(row.continuous_env_id)
    assert env.unwrapped.sub_goal == twin.unwrapped.sub_goal == row.sub_goal
    assert (env.action_space.shape, twin.action_space.shape) == ((), (2,))
    assert row.horizon_steps == goal.horizon_steps
    assert row.hold_steps == goal.hold_steps
    assert row.goal and row.formula and row.start and row.easy_start
    assert 0.5 <= row.mastery <= 1.0
    assert row.rewards == ("sparse", "shaped", "native")
    assert ("fuel" in env.reset(seed=0)[1]) is (row.fuel is not None)
    assert (row.wind_power > 0.0) is goal.windy
    assert row.baselines == shipped_baselines()[row.sub_goal]


def ranges(words):
    """Return (quantity, ranges) for each part of a start's words, `y .25 to .55 or 1.1 to 1.4` being two ranges."""
    for part in words.split(", "):
        if part == "at rest":
            yield "speed", [(0.0, 0.0)]
            continue
        quantity = re.match(r"[|a-z ]+?(?= up to| -?[\d.])", part)[0]
        alternatives = part.removeprefix(quantity).replace("up to", "0 to").split(" or ")
        yield quantity, [tuple(map(float, re.findall(NUMBER, each))) for each in alternatives]


@pytest.mark.parametrize(("level", "attribute"), [(0.0, "easy_start"), (1.0, "start")])
@pytest.mark.parametrize("row", DRAWN, ids=[row.sub_goal for row in DRAWN])
def test_starts_fill_the_ranges_that_the_words_name(row, level, attribute):
    rng = np.random.default_rng(0)
    starts = [SUB_GOALS[row.sub_goal].start(rng, level) for _ in range(600)]
    for quantity, spans in ranges(getattr(row, attribute)):
        values = np.array([READ[quantity](start) for start in starts])
        inside = np.zeros(len(values), dtype=bool)
        for low, high in spans:
            here = (values >= low - 1e-9) & (values <= high + 1e-9)
            margin = 0.05 * (high - low) + 1e-9
            assert values[here].min() < low + margin and values[here].max() > high - margin, quantity
            inside |= here
        assert inside.all(), quantity


def test_the_words_of_wind_and_fuel_name_the_conditions():
    rows = {row.sub_goal: row for row in ROWS}
    wind, fuel = rows["land-wind"], rows["land-fuel"]
    assert f"wind {wind.wind_power:g}, turbulence {wind.turbulence_power:g}" in wind.start
    assert "no wind" in wind.easy_start
    assert f"fuel for {fuel.fuel:g} steps" in fuel.start
    env = gymnasium.make(fuel.env_id, level=0.0)
    assert f"fuel for {env.reset(seed=0)[1]['fuel']:g} steps" in fuel.easy_start


def test_rows_are_json():
    rows = [row.to_dict() for row in ROWS]
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert all(row.keys() == {field.name for field in fields(CatalogueRow)} for row in rows)


def test_a_sub_goal_that_was_not_measured_has_a_row_without_baselines(monkeypatch):
    monkeypatch.setitem(SUB_GOALS, "mine", replace(SUB_GOALS["land"], name="mine", title="Mine"))
    row = catalogue()[-1]
    assert (row.env_id, row.baselines, row.to_dict()["baselines"]) == ("PathNet/LanderMine-v0", None, None)


def test_the_command_prints_the_whole_catalogue_as_json(tmp_path):
    script = Path(sys.executable).with_name("pathnet-rl")
    done = subprocess.run([script, "envs", "--json"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [row.to_dict() for row in pathnet_envs.catalogue()]


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_the_command_shows_a_table_of_100_columns_at_most(tmp_path, columns):
    script = Path(sys.executable).with_name("pathnet-rl")
    environment = {"COLUMNS": str(columns)}
    done = subprocess.run(
        [script, "envs"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert max(len(line.rstrip()) for line in done.stdout.splitlines()) <= min(columns, 100)
    for row in ROWS:
        (line,) = [line for line in done.stdout.splitlines() if row.env_id in line]
        rates = f"{row.baselines.random.rate:.0%}", f"{row.baselines.scripted.rate:.0%}"
        assert line.split()[-3:] == [str(row.horizon_steps), *rates]
