"""The figures of the transfer study in curricula/README.md, made again from the records published beside it."""

import re
import tarfile
from pathlib import Path
from statistics import median

import pytest

from pathnet_rl.transfer.arms import ARMS
from pathnet_rl.transfer.comparison import COSTS, Comparison
from pathnet_rl.transfer.report import write_report
from pathnet_rl.transfer.robust import iqm
from pathnet_rl.transfer.study import TransferStudy
from pathnet_rl.transfer.tables import spell, spell_reaches

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "curricula" / "README.md").read_text(encoding="utf-8")
RECORDS = ROOT / "docs" / "transfer_records.tar.xz"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The published study, as the README has it unpacked."""
    folder = tmp_path_factory.mktemp("runs")
    with tarfile.open(RECORDS) as archive:
        archive.extractall(folder, filter="data")
    return TransferStudy.open(folder / "transfer")


@pytest.fixture(scope="module")
def comparison(study):
    return Comparison(study.curriculum, study.finished())


def rows_of(heading):
    """Return the cells of the first table below a heading of the page, by the name in its first column."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^#)", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]
    return {first: others for first, *others in cells}


def spread(values, form):
    """Return the median and, in brackets, the range."""
    return f"{median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def test_the_table_of_arms_is_what_the_records_give(comparison):
    rows = rows_of("The controls")
    arms = {arm: runs for arm, runs in comparison.runs.items() if not ARMS[arm].ablation}
    assert rows.keys() >= arms.keys()
    for arm, runs in arms.items():
        seeds, final, first, *times, mastered, kept = rows[arm]
        assert int(seeds) == len(runs), arm
        assert final == spell(iqm(list(comparison.values(arm, comparison.final).values())), ".0f"), arm
        assert first == spell(iqm(list(comparison.values(arm, comparison.jumpstart).values())), ".0f"), arm
        for cell, cost in zip(times, list(COSTS.values())[:2], strict=True):
            assert cell == spell_reaches([comparison.reach(run, 250.0, cost) for run in runs.values()]), arm
        if arm != "target-only":
            tasks = [task.mastered for run in runs.values() for task in run.tasks]
            assert mastered == f"{sum(tasks)} of {len(tasks)}", arm
            assert kept == spell(
                iqm(list(comparison.values(arm, comparison.success_in_the_end).values())), ".2f"
            ), arm


def test_the_differences_in_the_text_are_what_the_records_give(comparison):
    compared = (*comparison.effects(), *comparison.control_effects(), *comparison.ablation_effects())
    effects = {effect.question: effect for effect in compared}
    for question, words, form in (
        ("final evaluation: pathnet - target-only", "37 more in the end (17 to 57", ".0f"),
        ("first 50 episodes: pathnet - target-only", "390 higher (321 to 459)", ".0f"),
        ("final evaluation: pathnet - fine-tune", "final return is -2 (-18 to 14)", ".0f"),
        ("success of all sub-tasks in the end: pathnet - fine-tune", "a difference of .57 (.50 to .64", ".2f"),
        (
            "success of all sub-tasks, each when learned: pathnet - fine-tune",
            "a difference of .08 (.00 to .15",
            ".2f",
        ),
        ("final evaluation: pathnet - de-novo", "Land ends 46 lower than with it (23 to 69", ".0f"),
        ("success of all sub-tasks in the end: pathnet - de-novo", "twelve .08 lower (.05 to .10", ".2f"),
        ("first 50 episodes: pathnet - progressive", "Land begins 380 lower (303 to 457", ".0f"),
        (
            "success of all sub-tasks in the end: pathnet - progressive",
            "all twelve is .05 lower (.01 to .08",
            ".2f",
        ),
        (
            "final evaluation of the target: no-warm-start - pathnet",
            "return at Land's end is -39 (-68 to -9",
            ".0f",
        ),
        (
            "environment steps of the run: no-warm-start - pathnet",
            "whole run in steps is 877,878 (733,709 to 1,022,047",
            ",.0f",
        ),
        ("mean success of all sub-tasks: no-warm-start - pathnet", "all twelve it is -.10 (-.11 to -.08", ".2f"),
        (
            "mean success of all sub-tasks: no-search - pathnet",
            "success of all twelve changes by -.07 (-.17 to .02",
            ".2f",
        ),
        (
            "environment steps of the run: no-search - pathnet",
            "steps of the run by 100,318 (-237,763 to 438,400",
            ",.0f",
        ),
        ("final evaluation of the target: no-search - pathnet", "ends alike, 6 higher (-5 to 16", ".0f"),
        (
            "mean success of all sub-tasks: all-warm - pathnet",
            "success of all twelve changes by -.11 (-.26 to .04",
            ".2f",
        ),
        (
            "environment steps of the run: all-warm - pathnet",
            "steps of the run by 262,683 (-216,464 to 741,829",
            ",.0f",
        ),
        ("final evaluation of the target: all-warm - pathnet", "return at Land's end by -34 (-98 to 30", ".0f"),
        (
            "mean success of all sub-tasks: population-2 - pathnet",
            "success of all twelve changes by -.02 (-.04 to .00",
            ".2f",
        ),
        (
            "environment steps of the run: population-2 - pathnet",
            "the run takes 72,612 more steps (-29,985 to 175,209",
            ",.0f",
        ),
        ("final evaluation of the target: population-2 - pathnet", "a difference of -0 (-10 to 10", ".0f"),
        ("final evaluation: pathnet - progressive", "Land ends 17 lower than with `pathnet` (4 to 30", ".0f"),
    ):
        spelled = spell(effects[question].difference, form).replace("0.", ".").rstrip(")")
        assert spelled.split(" ")[0] in words and spelled.partition(" ")[2] in words, question
        assert words in " ".join(PAGE.split()), words


def test_the_table_of_sub_tasks_is_what_the_records_give(comparison):
    rows = rows_of("Every sub-task, ten seeds")
    runs = list(comparison.runs["pathnet"].values())
    for name in [task.name for task in comparison.curriculum.tasks]:
        results = [run.task(name) for run in runs]
        mastered, steps, success = rows[name][:3]
        assert mastered == f"{sum(result.mastered for result in results)} of {len(runs)}", name
        assert steps == spread([result.env_steps for result in results], ",.0f"), name
        assert success == spread([result.evaluation.success_rate for result in results], ".2f"), name
    assert rows["all"][1] == spread([run.env_steps for run in runs], ",.0f")


def test_nothing_was_forgotten_and_the_report_can_be_written_again(study):
    page = write_report(study).read_text(encoding="utf-8")
    assert "no-warm-start: exactly 0 in all 110 evaluations" in page
    assert "no-search: exactly 0 in all 110 evaluations" in page
    assert "all-warm: exactly 0 in all 110 evaluations" in page
    assert "population-2: exactly 0 in all 110 evaluations" in page
    assert "pathnet: exactly 0 in all 110 evaluations" in page
    assert "progressive: exactly 0 in all 110 evaluations" in page
    assert "success of all sub-tasks in the end: pathnet - fine-tune" in page
