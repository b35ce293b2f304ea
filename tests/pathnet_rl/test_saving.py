import pytest
from fake_agent import FakeAgent, FakeSettings

from pathnet_rl import saving
from pathnet_rl.checkpoint import checkpoints, read_manifest
from pathnet_rl.saving import ALLOWANCE_S, LARGEST_SHARE, Pace, Saver
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
    assert (10 - ALLOWANCE_S) / LARGEST_SHARE == 1900
    assert written == [2, 6, 11, 15]


def copied_after(tmp_path, clock, copies_s, pass_s):
    """Return how many of 7 records the state covers that is saved when the next one is cut short."""

    class Slow(FakeAgent):
        def checkpoint(self):
            clock.now_s += copies_s.pop(0)
            return super().checkpoint()

    agent, records = Slow(FakeSettings(generations=9), 0), Records()
    saver = Saver(tmp_path, agent, records, Pace(minutes=1e6))
    for record in agent.learn_task(TASK):
        records.count += 1
        if records.count == 8:
            break
        saver.after(record)
        clock.now_s += pass_s
    saver.save()
    return [read_manifest(path).records for path in checkpoints(tmp_path)]


def test_copies_that_take_long_are_made_less_often_and_the_last_one_is_saved(tmp_path, clock):
    assert copied_after(tmp_path, clock, [1.0] * 3, pass_s=60) == [6]  # after 1, 3 and 6: from 0, 100 and 300 s on


def test_one_slow_copy_leaves_no_later_record_uncopied(tmp_path, clock):
    copies_s = [0.0001] * 7
    copies_s[5] = 0.05  # at a tenth of a second a record, as much as 100 records may cost
    assert copied_after(tmp_path, clock, copies_s, pass_s=0.1) == [7]


def test_nothing_learned_is_nothing_saved(tmp_path):
    Saver(tmp_path, FakeAgent(FakeSettings(), 0), Records(), Pace()).save()
    assert checkpoints(tmp_path) == []
