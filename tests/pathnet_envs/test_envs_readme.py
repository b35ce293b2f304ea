"""The page about the environments: its examples run, its tables say what is registered and measured."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pathnet_envs import SUB_GOALS, catalogue
from pathnet_envs.sub_goals import LANDED_FORMULA

ROOT = Path(__file__).parents[2]
ENVS = ROOT / "envs"
README = (ENVS / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
SHORT = {"GENERATIONS": "GENERATIONS = 1", "STEPS": "STEPS = 2048"}  # instead of enough to learn something
LEARNERS = ("torch", "scipy", "stable_baselines3", "matplotlib", "pydantic")
ACTIONS = ("nothing", "left", "main", "right")


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory):
    """The interpreter of a new virtual environment with what the page says is needed, and nothing of ours."""
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    needs = re.search(r"^pip install ('gymnasium.*)$", README, re.MULTILINE)[1].replace("'", "").split()
    done = subprocess.run([*install, *needs], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return python


def run(python, code, folder):
    """Run code with the folder of the package on the path, and nothing else of ours; return what it printed."""
    environment = {"PYTHONPATH": str(ENVS), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [python, "-W", "error", "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_example_needs_gymnasium_and_numpy_alone(bare_python, tmp_path):
    probe = f"from importlib.util import find_spec\nprint([name for name in {LEARNERS} if find_spec(name)])"
    assert run(bare_python, probe, tmp_path).strip() == "[]"
    assert run(bare_python, EXAMPLES[0], tmp_path).strip() == "True"


@pytest.mark.parametrize("example", EXAMPLES[1:])
def test_the_other_examples_run(example, tmp_path):
    code = re.sub(r"^(GENERATIONS|STEPS) = .*$", lambda found: SHORT[found[1]], example, flags=re.MULTILINE)
    run(sys.executable, code, tmp_path)


def test_the_plain_loop_is_forty_lines_at_most():
    (loop,) = [example for example in EXAMPLES if "cross-entropy" in example]
    assert len(loop.splitlines()) <= 40


def table_rows(beginning):
    """Return the cells of the rows of the table whose heading begins so."""
    table = README.split(f"\n{beginning}", 1)[1].split("\n\n", 1)[0]
    lines = [line for line in table.splitlines()[2:] if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_every_sub_task_is_described_as_it_is_and_has_its_picture():
    rows = table_rows("| sub-task | |")
    assert len(rows) == len(SUB_GOALS)
    for (words, picture), row in zip(rows, catalogue(), strict=True):
        goal = SUB_GOALS[row.sub_goal]
        success = "landed" if goal.landing else f"{row.formula}; {row.hold_steps} steps"
        assert words.replace("\\|", "|").split("<br>") == [
            f"**{goal.title}**: {row.goal}",
            f"success: {success}",
            f"level 0: {row.easy_start}",
            f"level 1: {row.start}",
            f"horizon {row.horizon_steps}; mastery {row.mastery:.2f}",
        ]
        assert f'src="pictures/{row.sub_goal}.png"' in picture
    landed, _, at_rest = LANDED_FORMULA.partition("; or ")
    assert landed in README.replace("\n", " ")
    assert at_rest.removeprefix("at rest with ") in README


def test_the_pictures_are_there_and_small():
    files = {path.stem: path.stat().st_size for path in (ENVS / "pictures").glob("*.png")}
    assert files.keys() == SUB_GOALS.keys()
    assert max(files.values()) < 60_000
    assert len({path.read_bytes()[16:24] for path in (ENVS / "pictures").glob("*.png")}) == 1  # width and height


def test_a_picture_can_be_drawn_again(tmp_path):
    code = (
        "import pathlib, draw\n"
        f"draw.write(draw.draw(draw.SUB_GOALS['hover']), pathlib.Path({str(tmp_path / 'hover.png')!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ENVS / "pictures", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    shipped = (ENVS / "pictures" / "hover.png").read_bytes()
    assert (tmp_path / "hover.png").read_bytes()[16:24] == shipped[16:24]  # other font versions change the rest


def spelled(measured):
    low, high = measured.interval
    return f"{measured.rate:.2f} ({low:.2f} to {high:.2f})"


def test_the_baselines_are_those_that_are_shipped():
    rows = table_rows("| sub-task | random |")
    for cells, row in zip(rows, catalogue(), strict=True):
        measured = row.baselines
        best = spelled(measured.best_constant)
        if measured.best_constant.successes:
            best += f", {ACTIONS[measured.best_constant_action]}"
        assert cells == [
            SUB_GOALS[row.sub_goal].title,
            spelled(measured.random),
            spelled(measured.no_op),
            best,
            spelled(measured.scripted),
            spelled(measured.random_at_level_0),
        ]
