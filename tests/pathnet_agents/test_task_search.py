import numpy as np
import pytest

from pathnet_agents.task_search import TaskSearch
from pathnet_rl.agent import AgentError
from pathnet_rl.paths import random_paths
from pathnet_rl.settings import SearchSettings

SETTINGS = SearchSettings(
    population=4, generation_env_steps=8, search_env_steps=24, grace_generations=0, fitness_episodes=2
)
FINITE = np.ones(4, dtype=bool)


def make_search(lanes=4, seed=0):
    rng = np.random.default_rng(seed)
    population = random_paths(4, 2, 6, 2, rng)
    return TaskSearch("a", population, modules=6, rng=rng, settings=SETTINGS, lanes=lanes)


def play(search, episodes):
    """Play episodes of two steps in every lane, each step paying the number of the lane's member."""
    for step in range(2 * episodes):
        rewards = search.member_of_lane.astype(np.float32)
        search.step(rewards, np.full(len(rewards), step % 2 == 1))


@pytest.mark.parametrize(("lanes", "expected"), [(4, [0, 1, 2, 3]), (8, [0, 0, 1, 1, 2, 2, 3, 3])])
def test_lanes_are_spread_evenly(lanes, expected):
    assert make_search(lanes).member_of_lane.tolist() == expected


def test_fitness_is_the_mean_return_of_the_latest_whole_episodes():
    search = make_search()
    play(search, 2)  # the first episode may have begun before
    assert search.due
    generation = search.judge(FINITE)
    replaced = generation.replacement
    assert replaced.winner > replaced.loser
    expected = [0.0, 2.0, 4.0, 6.0]
    expected[replaced.loser] = np.nan
    assert np.array_equal(generation.fitness, expected, equal_nan=True)
    assert search.best == 3
    assert not search.due


def test_equal_returns_replace_nobody_and_leave_the_longest_trained_alone():
    search = make_search()
    search.search.evolution.age[2] = 9
    for _ in range(3):
        for step in range(4):
            search.step(np.ones(4, dtype=np.float32), np.full(4, step % 2 == 1))
        assert search.judge(FINITE).replacement is None
    assert search.best == 2
    path = search.population[2].copy()
    search.consolidate()
    assert search.heads.tolist() == [2]
    assert np.array_equal(search.best_path, path)


def test_of_members_that_are_equal_in_all_the_first_is_the_best():
    search = make_search()
    assert search.best == 0, "those that start warm come first"
    for step in range(8):
        search.step(np.ones(4, dtype=np.float32), np.full(4, step % 2 == 1))
    search.judge(FINITE)
    assert search.best == 0


@pytest.mark.parametrize("ends", [0, 48, 1_000])
def test_a_search_waits_for_an_episode_ten_times_as_long(ends):
    search, steps = make_search(), 0
    while not search.over:
        steps += 4
        search.step(np.ones(4, dtype=np.float32), np.full(4, steps >= ends))
    assert steps == max(24, min(ends + 4, 240))


def test_a_single_lane_is_given_to_the_members_in_turn():
    search = make_search(lanes=1)
    actors = []
    for _ in range(6):
        actors.append(int(search.member_of_lane[0]))
        play(search, 1)
    assert actors == [0, 1, 2, 3, 0, 1]


def test_lanes_that_cannot_be_spread_evenly_are_given_to_the_members_in_turn():
    search = make_search(lanes=6)
    assert search.member_of_lane.tolist() == [0, 1, 2, 3, 0, 1]
    search.step(np.zeros(6), np.array([False, True, False, False, False, True]))
    assert search.member_of_lane.tolist() == [0, 2, 2, 3, 0, 3]
    play(search, 1)
    assert search.member_of_lane.tolist() == [0, 1, 2, 3, 0, 1]


def test_a_plan_says_when_a_generation_and_the_search_are_over():
    search = make_search()
    search.plan(SETTINGS.model_copy(update={"generation_env_steps": 16, "search_env_steps": 16}))
    play(search, 1)
    assert not search.due
    play(search, 1)
    assert search.due
    assert search.over


def test_episodes_begun_before_an_interruption_count_for_nobody():
    search = make_search()
    play(search, 1)
    search.step(np.full(4, 100.0), np.zeros(4, dtype=bool))
    search.interrupt()
    search.step(np.ones(4), np.ones(4, dtype=bool))
    generation = search.judge(FINITE)
    assert np.isnan(generation.fitness).all()
    assert generation.replacement is None


def test_a_replaced_member_starts_without_returns():
    search = make_search()
    play(search, 2)
    loser = search.judge(FINITE).replacement.loser
    search.step(np.full(4, 100.0), np.ones(4, dtype=bool))
    assert len(search._returns[loser]) == 0
    search.step(np.full(4, 7.0), np.ones(4, dtype=bool))
    assert list(search._returns[loser]) == [7.0]


def test_a_member_with_numbers_that_are_not_finite_cannot_be_the_best():
    search = make_search()
    play(search, 2)
    generation = search.judge(np.array([True, True, True, False]))
    assert generation.failed == 1
    assert search.best == 2


def test_after_the_search_the_best_is_alone_in_all_lanes():
    search = make_search(lanes=8)
    play(search, 2)
    search.judge(FINITE)
    assert search.over
    path, head = search.best_path.copy(), search.best
    search.consolidate()
    assert not search.searching
    assert not search.over
    assert (search.best_path == path).all()
    assert search.heads.tolist() == [head]
    assert search.member_of_lane.tolist() == [0] * 8
    play(search, 2)
    assert search.judge(np.ones(1, dtype=bool)).replacement is None


def test_members_that_failed_are_replaced_and_start_without_returns():
    search = make_search()
    play(search, 2)
    search._returns[0].append(np.inf)
    generation = search.judge(np.array([True, True, True, False]))
    replaced = {each.loser for each in search.replace_failed()}
    replaced |= set() if generation.replacement is None else {generation.replacement.loser}
    assert generation.failed == 2 and {0, 3} <= replaced
    assert all(len(search._returns[member]) == 0 for member in replaced)


def test_a_search_whose_members_have_all_failed_ends():
    search = make_search()
    play(search, 2)
    search.judge(~FINITE)
    with pytest.raises(AgentError, match="task 'a': after 16 environment steps all members .* lower learning_rate"):
        search.replace_failed()
