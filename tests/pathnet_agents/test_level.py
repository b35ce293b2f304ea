from pathnet_agents.level import WINDOW_EPISODES, Level


def record(level, successes):
    return [why for success in successes if (why := level.record(success))]


def test_it_rises_when_most_episodes_succeed_and_says_why():
    level = Level(adaptive=True)
    assert level.value == 0
    assert record(level, [True] * (WINDOW_EPISODES - 1)) == []
    assert record(level, [True]) == [f"level up to 0.2: 100% of {WINDOW_EPISODES} episodes succeeded"]
    assert record(level, [True] * (WINDOW_EPISODES - 1)) == [], "episodes of the level before do not count"


def test_it_falls_when_few_episodes_succeed_but_never_below_zero():
    level = Level(adaptive=True)
    record(level, [True] * WINDOW_EPISODES)
    assert record(level, [False] * WINDOW_EPISODES) == [
        f"level down to 0.0: 0% of {WINDOW_EPISODES} episodes succeeded"
    ]
    assert record(level, [False] * 200) == []
    assert level.value == 0


def test_it_stops_at_full_difficulty():
    level = Level(adaptive=True)
    record(level, [True] * (20 * WINDOW_EPISODES))
    assert level.value == 1.0


def test_a_middling_rate_moves_nothing():
    level = Level(adaptive=True)
    assert record(level, [True, False] * 100) == []


def test_a_fixed_level_is_full_and_stays():
    level = Level(adaptive=False)
    assert record(level, [False] * 200) == []
    assert level.value == 1.0
