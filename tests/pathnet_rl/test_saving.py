import pytest
from fake_agent import FakeAgent, FakeSettings

from pathnet_rl import saving
from pathnet_rl.checkpoint import checkpoints, read_manifest
from pathnet_rl.saving import LARGEST_SHARE, Pace, Saver
from pathnet_rl.settings import SubTaskSettings

TASK = SubTaskSettings(name="one", env="CartPole-v1")


class Records:
    """As many as were learned."""

    earlier = ()
    count = 0
    length_bytes = 0

    def sync(self):
        pass


class Clock:
    """Stands still but for what a test lets pass."""

    now_s = 0.0

    def perf_counter(self):
        return self.now_s


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(saving, "time", clock)
    return clock


def learn(tmp_path, pace, generations, after=lambda: None, agent=None):
    """Let a saver hear of some generations and return what it has written, by records."""
    agent = agent or FakeAgent(FakeSettings(generations=generations), 0)
    records = Records()
    saver = Saver(tmp_path, agent, records, pace)
    written = []
    for record in agent.learn_task(TASK):
        records.count += 1
        saver.after(record)
        written += [int(path.name) for path in checkpoints(tmp_path) if int(path.name) not in written]
        after()
    return saver, sorted(written)


def test_steps_are_kept_exactly(tmp_path):
    _, written = learn(tmp_path, Pace(minutes=1e6, env_steps=300), 8)
    assert written == [3, 6, 9]  # a generation is 100 steps; the last is the end of the sub-task


def test_minutes_are_kept(tmp_path, clock):
    def pass_s():
        clock.now_s += 25

    _, written = learn(tmp_path, Pace(minutes=1), 8, pass_s)
    assert written == [4, 7, 9]


def test_what_takes_long_is_done_less_often(tmp_path, clock, monkeypatch):
    def write(run, snapshot):
        clock.now_s += 10
        real(run, snapshot)

    def pass_s():
        clock.now_s += 400

    real = saving.write_checkpoint
    monkeypatch.setattr(saving, "write_checkpoint", write)
    _, written = learn(tmp_path, Pace(minutes=1), 14, pass_s)
    assert 10 / LARGEST_SHARE == 2000
    assert written == [2, 7, 12, 15]


def test_copies_that_take_long_are_made_less_often_and_the_last_one_is_saved(tmp_path, clock):
    class Slow(FakeAgent):
        def checkpoint(self):
            clock.now_s += 1
            return super().checkpoint()

    def pass_s():
        clock.now_s += 60

    running = Slow(FakeSettings(generations=9), 0)
    records, saver = Records(), None
    saver = Saver(tmp_path, running, records, Pace(minutes=1e6))
    for record in running.learn_task(TASK):
        records.count += 1
        if records.count == 8:
            break
        saver.after(record)
        pass_s()
    saver.save()
    assert [read_manifest(path).records for path in checkpoints(tmp_path)] == [5]  # after 1 and 5: 200 s apart


def test_nothing_learned_is_nothing_saved(tmp_path):
    Saver(tmp_path, FakeAgent(FakeSettings(), 0), Records(), Pace()).save()
    assert checkpoints(tmp_path) == []
