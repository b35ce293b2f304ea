from pathnet_agents.level import WINDOW_EPISODES, AdaptiveLevel, FullLevel, level_of
from pathnet_rl.settings import SubTaskSettings


def record(level, successes):
    whys = []
    for success in successes:
        level.ask(0)
        whys.append(level.record(0, success, 0.0))
    return [why for why in whys if why]


def test_it_rises_when_most_episodes_succeed_and_says_why():
    level = AdaptiveLevel(raise_from=0.8)
    assert level.value == 0
    assert record(level, [True] * (WINDOW_EPISODES - 1)) == []
    assert record(level, [True]) == [f"level up to 0.1: 100% of {WINDOW_EPISODES} episodes succeeded"]
    assert record(level, [True] * (WINDOW_EPISODES - 1)) == [], "episodes of the level before do not count"


def test_an_episode_that_began_at_another_level_does_not_count():
    level = AdaptiveLevel(raise_from=0.8)
    level.ask(1)
    record(level, [True] * WINDOW_EPISODES)
    assert level.value == 0.1
    for _ in range(3 * WINDOW_EPISODES):
        assert level.record(1, True, 0.0) is None


def test_after_a_fall_the_rises_are_smaller_and_grow_again():
    level = AdaptiveLevel(raise_from=0.8)
    values = []
    for success in (True, True, False, True, True, True, False):
        record(level, [success] * WINDOW_EPISODES)
        values.append(level.value)
    assert values == [0.1, 0.2, 0.1, 0.15, 0.225, 0.325, 0.225]


def test_it_rises_from_the_rate_that_the_sub_task_gives():
    level = AdaptiveLevel(raise_from=0.5)
    assert record(level, [True, False] * (WINDOW_EPISODES // 2)) != []


def test_it_falls_when_few_episodes_succeed_but_never_below_zero():
    level = AdaptiveLevel(raise_from=0.8)
    record(level, [True] * WINDOW_EPISODES)
    assert record(level, [False] * WINDOW_EPISODES) == [
        f"level down to 0: 0% of {WINDOW_EPISODES} episodes succeeded"
    ]
    assert record(level, [False] * 200) == []
    assert level.value == 0


def test_it_stops_at_full_difficulty_and_can_be_sent_back():
    level = AdaptiveLevel(raise_from=0.8)
    record(level, [True] * (20 * WINDOW_EPISODES))
    assert level.value == 1.0
    assert level.hardest
    level.restart()
    assert level.value == 0.0
    assert not level.hardest


def test_a_middling_rate_moves_nothing():
    assert record(AdaptiveLevel(raise_from=0.8), [True, False] * 100) == []


def test_a_fixed_level_leaves_the_environment_alone():
    level = level_of(SubTaskSettings(name="a", env="CartPole-v1"), seed=0, index=0)
    assert isinstance(level, FullLevel)
    assert level.ask(0) is None
    assert record(level, [False] * 200) == []
    assert level.hardest
