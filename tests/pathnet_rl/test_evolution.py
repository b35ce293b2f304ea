import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathnet_rl.evolution import EVOLUTIONS, Alone, BinaryTournament
from pathnet_rl.paths import EMPTY, random_paths

LAYERS, MODULES, ACTIVE = 3, 10, 3


def make(strategy, members=8, seed=0, **options):
    rng = np.random.default_rng(seed)
    population = random_paths(members, LAYERS, MODULES, ACTIVE, rng)
    return strategy(population, MODULES, rng, **options)


@pytest.mark.parametrize("name", EVOLUTIONS)
@pytest.mark.parametrize("train_all", [False, True])
def test_every_strategy_keeps_valid_paths_and_is_deterministic(name, train_all):
    first, second = (make(EVOLUTIONS[name], train_all=train_all) for _ in range(2))
    for generation in range(30):
        members = first.ask()
        assert (members == second.ask()).all()
        fitness = np.sin(members + generation)
        assert first.tell(members, fitness) == second.tell(members, fitness)
        assert (first.population == second.population).all()
        for path in first.population:
            for layer in path:
                genes = layer[layer != EMPTY]
                assert 1 <= len(genes) == len(set(genes))


@given(st.integers(0, 2**32 - 1), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_the_better_of_two_wins_and_only_the_loser_changes(seed, first, second):
    tournament = make(BinaryTournament, seed=seed)
    before = tournament.population.copy()
    pair = tournament.ask()
    assert pair[0] != pair[1]
    result = tournament.tell(pair, np.array([first, second]))
    assert result is not None
    if first != second:
        assert result.winner == pair[int(second > first)]
    assert {result.winner, result.loser} == set(pair.tolist())
    others = np.arange(len(before)) != result.loser
    assert (tournament.population[others] == before[others]).all()
    shift = (tournament.population[result.loser] - before[result.winner]) % MODULES
    assert (np.minimum(shift, MODULES - shift) <= 2).all()


@pytest.mark.parametrize("failed", [np.nan, np.inf, -np.inf])
def test_a_fitness_that_is_not_finite_never_wins(failed):
    for seed in range(20):
        tournament = make(BinaryTournament, seed=seed)
        pair = tournament.ask()
        result = tournament.tell(pair, np.array([failed, -1e9]))
        assert result is not None
        assert result.winner == pair[1]
        assert tournament.best == pair[1]


def test_when_both_fail_nobody_is_replaced():
    tournament = make(BinaryTournament)
    before = tournament.population.copy()
    assert tournament.tell(tournament.ask(), np.array([np.nan, np.nan])) is None
    assert (tournament.population == before).all()


@pytest.mark.parametrize("tie_replaces", [True, False])
def test_whether_a_tie_replaces_anybody_can_be_chosen(tie_replaces):
    tournament = make(BinaryTournament, tie_replaces=tie_replaces)
    pair = tournament.ask()
    assert (tournament.tell(pair, np.array([3.0, 3.0])) is not None) is tie_replaces
    assert tournament.tell(pair, np.array([3.0, 4.0])).winner == pair[1]


def test_the_young_and_the_unjudged_stay_out_of_tournaments():
    tournament = make(BinaryTournament, train_all=True, grace_generations=2)
    everyone = tournament.ask()
    fitness = np.arange(8, dtype=float)
    assert tournament.tell(everyone, fitness) is None
    assert tournament.tell(everyone, fitness) is None
    result = tournament.tell(everyone, fitness, judged=np.isin(everyone, [1, 5]))
    assert result is not None
    assert (result.loser, result.winner) == (1, 5)
    assert tournament.age[1] == 0
    assert tournament.best == 7


@pytest.mark.parametrize("grace", [0, 2])
def test_a_pair_is_trained_until_it_can_compete(grace):
    tournament, asked, outcomes = make(BinaryTournament, grace_generations=grace), [], []
    for generation in range(max(3, grace + 1)):
        asked.append(tournament.ask().tolist())
        judged = np.array([True, generation >= 2])
        outcomes.append(tournament.tell(np.array(asked[-1]), np.array([1.0, 2.0]), judged))
    assert asked == asked[:1] * len(asked)
    assert outcomes[:-1] == [None] * (len(outcomes) - 1)
    assert (outcomes[-1].loser, outcomes[-1].winner) == tuple(asked[0])
    assert any(tournament.ask().tolist() != asked[0] for _ in range(20))


def test_a_restored_tournament_goes_on_with_its_pair():
    tournament, again = make(BinaryTournament, grace_generations=5), make(BinaryTournament, seed=1)
    pair = tournament.ask()
    tournament.tell(pair, np.array([1.0, 2.0]))
    again.load_state_dict(tournament.state_dict())
    assert (again.ask() == pair).all()


def test_alone_replaces_nobody():
    alone = make(Alone, members=1)
    assert alone.ask().tolist() == [0]
    assert alone.tell(alone.ask(), np.array([1.0])) is None
    assert alone.best == 0
