"""The report of a real small study, its numbers computed again from the file of records by other code."""

import json
import re
import statistics

import pytest
from make_study import make_study

from pathnet_rl.study.report import arm_rows, write_report
from pathnet_rl.study.study import REPEATS, Study, StudyError, create_or_continue, run_study

ARMS = ["search+search", "pick+search", "progressive", "fine-tune", "de-novo"]
FIGURES = ("reuse_distribution", "training_by_reuse", "reuse_by_layer", "survival", "training_curves")


class Silence:
    def __getattr__(self, name):
        return lambda *arguments: None


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    settings = make_study(arms=ARMS, repeats=4)
    opened = create_or_continue(tmp_path_factory.mktemp("studies") / "s", settings)
    run_study(opened, Silence(), processes=1, slots=8, device="cpu")
    return Study.open(opened.directory)


@pytest.fixture(scope="module")
def lines(study):
    return [json.loads(line) for line in (study.directory / REPEATS).read_text().splitlines()]


def numbers(text):
    return [float(each) for each in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", text)]


def test_the_arms_table_holds_what_the_records_say(study, lines):
    rows = {row["arm"]: row for row in arm_rows(study.settings, study.repeats())}
    assert list(rows) == ARMS
    for arm, row in rows.items():
        of_arm = [line for line in lines if line["arm"] == arm]
        assert row["repeats"] == len(of_arm) == 4
        for number, key in enumerate(("first", "second")):
            learned = [line[key] for line in of_arm if line[key] is not None]
            shown = row["tasks"][number]
            if not learned:
                assert shown is None
                continue
            for name, figure in (("evaluations", "evaluations"), ("training", "average_training")):
                expected = statistics.mean(each[figure] for each in learned)
                assert numbers(shown[name])[0] == pytest.approx(expected, rel=0.006)
            accuracy = statistics.mean(each["test_accuracy"] for each in learned)
            assert numbers(shown["accuracy"])[0] == pytest.approx(accuracy, abs=1e-4)
            half_width = 3.182 * statistics.stdev(each["test_accuracy"] for each in learned) / 2  # t of 3 degrees
            assert numbers(shown["accuracy"])[2] - accuracy == pytest.approx(half_width, abs=2e-4)
        if arm.endswith("+search"):
            total = statistics.mean(line["reuse"]["total"] for line in of_arm)
            assert numbers(row["reuse"])[0] == pytest.approx(total, rel=0.006)
            for layer, text in enumerate(row["reuse_by_layer"]):
                in_layer = statistics.mean(line["reuse"]["by_layer"][layer] for line in of_arm)
                assert numbers(text)[0] == pytest.approx(in_layer, rel=0.006, abs=1e-9)


def test_a_whole_report_is_written(study):
    page = write_report(study, single=[("search+search", 1), ("progressive", 0)])
    for name in (*FIGURES, "repeat_search_search_1", "repeat_progressive_0"):
        assert (study.directory / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (study.directory / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    text = page.read_text()
    assert text.count("data:image/png;base64,") == len(FIGURES) + 2
    assert "http://" not in text and "https://" not in text and "<script" not in text
    assert "reuse: search&#43;search - random" in text or "reuse: search+search - random" in text
    assert '"torch"' in text and "seed" in text.lower()


def test_a_repeat_that_is_not_there_is_refused_and_nothing_written(study, tmp_path):
    with pytest.raises(StudyError, match="has 4 repeats, 0 to 3 of de-novo"):
        write_report(study, single=[("de-novo", 99)])
    empty = create_or_continue(tmp_path / "empty", make_study())
    with pytest.raises(StudyError, match="no finished repeat yet"):
        write_report(empty)
    assert not (tmp_path / "empty" / "report.html").exists()


def test_one_arm_alone_makes_a_report_too(tmp_path):
    opened = create_or_continue(tmp_path / "s", make_study(arms=["de-novo"], repeats=1))
    run_study(opened, Silence(), processes=1, slots=1, device="cpu")
    assert "de-novo" in write_report(Study.open(opened.directory)).read_text()
