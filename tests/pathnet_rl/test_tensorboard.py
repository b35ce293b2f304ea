import pytest
from make_records import EVALUATION, generation, sub_task
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pathnet_rl.settings import NetworkSettings
from pathnet_rl.tensorboard import SCALARS, TensorBoardListener


@pytest.fixture
def events(tmp_path):
    listener = TensorBoardListener(tmp_path)
    listener.begin("lander", [], NetworkSettings(modules=10))
    listener.generation(generation(success_rate=None, mean_return=None, level=None))
    listener.generation(generation(env_steps=16_000, why="because", verification=EVALUATION))
    listener.sub_task(sub_task())
    listener.end()
    accumulator = EventAccumulator(str(tmp_path))
    accumulator.Reload()
    return accumulator


def test_scalars_stand_against_the_sub_tasks_own_steps(events):
    points = [(event.step, round(event.value, 4)) for event in events.Scalars("hover/epsilon")]
    assert points == [(12_800, 0.42), (16_000, 0.42)]
    assert {f"hover/{name}" for name in SCALARS} <= set(events.Tags()["scalars"])


def test_what_is_unknown_is_left_out(events):
    assert [event.step for event in events.Scalars("hover/success_rate")] == [16_000]
    assert [event.step for event in events.Scalars("hover/level")] == [16_000]


def test_evaluations_and_the_path_picture_stand_against_all_steps(events):
    (point,) = events.Scalars("evaluation/hover/success_rate")
    assert (point.step, round(point.value, 4)) == (25_600, 0.95)
    (picture,) = events.Images("paths/hover")
    assert picture.step == 25_600
    assert picture.width > 500
    assert [event.step for event in events.Scalars("hover/verified/mean_return")] == [16_000]


def test_decisions_are_text(events):
    assert "hover/why/text_summary" in events.Tags()["tensors"]


def test_a_resumed_run_leaves_no_gap_and_no_double_even_where_it_is_being_watched(tmp_path):
    records = [generation(env_steps=steps, loss=steps / 7) for steps in range(100, 2100, 100)]
    told = TensorBoardListener(tmp_path)
    told.begin("lander", [], NetworkSettings(modules=10))
    for record in records[:12]:  # the last two are after the checkpoint that the run is resumed from
        told.generation(record)
    told.sub_task(sub_task())
    watching = EventAccumulator(str(tmp_path))
    watching.Reload()
    assert len(watching.Scalars("hover/loss")) == 12
    resumed = TensorBoardListener(tmp_path)
    resumed.begin("lander", [], NetworkSettings(modules=10))
    for record in records:
        resumed.generation(record)
    resumed.sub_task(sub_task())
    watching.Reload()
    afresh = EventAccumulator(str(tmp_path))
    afresh.Reload()
    for events in (watching, afresh):
        assert [event.step for event in events.Scalars("hover/loss")] == list(range(100, 2100, 100))
        assert len(events.Images("paths/hover")) == 1
        assert len(events.Scalars("evaluation/hover/success_rate")) == 1
    told.end()
    resumed.end()
    assert sorted(file.stat().st_size > 0 for file in tmp_path.glob("events*")) == [False, True]
    again = TensorBoardListener(tmp_path)
    again.begin("lander", [], NetworkSettings(modules=10))
    again.end()
    assert len(list(tmp_path.glob("events*"))) == 2


def test_what_was_told_can_be_read_at_once(tmp_path):
    listener = TensorBoardListener(tmp_path)
    listener.begin("lander", [], NetworkSettings(modules=10))
    listener.generation(generation())
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert len(events.Scalars("hover/loss")) == 1
    listener.end()
