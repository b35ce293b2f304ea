import io
from dataclasses import replace

import pytest
from make_records import generation, random_finished, sub_task
from rich.console import Console

import pathnet_envs
from pathnet_rl.console import ConsoleListener, environments_table, evaluation_table, reuse, summary_table
from pathnet_rl.settings import NetworkSettings, SubTaskSettings

TASKS = [
    SubTaskSettings(name=name, env="PathNet/LanderHover-v0", budget_env_steps=60_000) for name in ("hover", "land")
]


def printed(table, width=100):
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return console.file.getvalue()


def shown(*records, terminal):
    console = Console(file=io.StringIO(), width=110, force_terminal=terminal)
    listener = ConsoleListener("lander, seed 0", console)
    listener.begin("lander", TASKS, NetworkSettings())
    for record in records:
        (listener.sub_task if hasattr(record, "mastered") else listener.generation)(record)
    listener.end()
    return console.file.getvalue()


def test_without_a_terminal_decisions_and_results_are_plain_lines():
    lines = shown(
        generation(), generation(env_steps=16_000, why="level up to 0.4: so"), sub_task(), terminal=False
    ).splitlines()
    assert lines == [
        "lander, seed 0",
        "hover 16,000: level up to 0.4: so",
        "hover done: mastered, success 95%, return 213.4 on other seeds, 25,600 environment steps",
    ]


def test_the_live_display_shows_where_the_training_stands():
    text = shown(generation(why="because"), terminal=True)
    for part in ("lander, seed 0", "searching", "61%", "0.75", "12,800 of 60,000 environment steps", "because"):
        assert part in text
    assert "waiting" in text and "first flights" not in text
    assert "1,500 a second" in text
    assert "at most 0:01:11 left" in text  # (47,200 + 60,000) steps at 1,500 a second


def test_the_live_display_shows_which_sub_task_has_begun():
    assert "first flights" in shown(terminal=True)
    lines = shown(generation(), sub_task(), terminal=True).splitlines()
    assert any("first flights" in line and "hover" not in line for line in lines)


def test_a_display_without_any_figures_yet_has_no_nonsense_in_it():
    nothing = generation(success_rate=None, mean_return=None, fitness_best=None, level=None)
    assert "None" not in shown(nothing, terminal=True)


def test_without_a_terminal_a_quiet_training_is_heard_of_now_and_then(monkeypatch):
    monkeypatch.setattr("pathnet_rl.console.QUIET_S", 0.0)
    lines = shown(generation(env_steps=62_000), terminal=False).splitlines()
    assert lines[1] == (
        "hover: 62,000 of 62,000 environment steps, 1,500 a second, success 61%, return -0.25 in training"
    )


def test_what_was_known_before_is_no_news():
    console = Console(file=io.StringIO(), width=200)
    listener = ConsoleListener("lander", console, known=2)
    listener.begin("lander", TASKS, NetworkSettings())
    listener.generation(generation(why="consolidating"))
    listener.sub_task(sub_task())
    listener.generation(generation(task="land", why="level up"))
    told = console.file.getvalue().splitlines()
    assert [line.split(":")[0] for line in told] == ["lander", "hover done before", "land 12,800"]


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_summary_names_path_success_reuse_and_capacity(width):
    finished = [*random_finished(4, 40), sub_task("land", 4, mastered=False)]
    text = printed(summary_table(finished), width)
    assert max(map(len, text.splitlines())) <= width
    for record in finished:
        assert record.task in text
        for layer in record.path:
            assert " ".join(map(str, layer)) in text
    assert "not mastered" in text
    assert "25,600" in text
    assert "95%" in text


def test_a_cell_that_wraps_moves_all_of_its_layer():
    names = ("a_first_task", "a_second_task", "a_third_task")
    record = replace(
        sub_task(),
        path=[[1, 2, 3], [4, 5, 6]],
        reused=[dict.fromkeys(names, 1), {"a_first_task": 2}],
        newly_frozen=[[], [6]],
    )
    lines = printed(summary_table([record]), 80).splitlines()
    (second,) = [line for line in lines if "4 5 6" in line]
    assert "2: a_first_task 2" in second
    assert second.rstrip().endswith("1")


def test_reuse_is_spelled_by_source():
    assert reuse({}) == "0"
    assert reuse({"hover": 2, "land": 1}) == "3: hover 2, land 1"


def test_evaluations_come_with_their_intervals():
    text = printed(evaluation_table([("hover", sub_task().evaluation)]))
    assert "95% (89% to 98%)" in text
    assert "213.4 (200.1 to 226.7)" in text


@pytest.mark.parametrize("width", [80, 120])
def test_every_environment_has_a_row(width):
    text = printed(environments_table(pathnet_envs.catalogue()), width)
    for row in pathnet_envs.catalogue():
        assert row.env_id in text
        assert str(row.horizon_steps) in text
    assert max(map(len, text.splitlines())) <= width
