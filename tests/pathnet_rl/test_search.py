import numpy as np

from pathnet_rl.evolution import BinaryTournament
from pathnet_rl.paths import membership, random_paths
from pathnet_rl.search import PathSearch
from pathnet_rl.task import Outcome


class FindModuleZero:
    """Fitness is the share of layers whose module 0 is active; ``broken`` members have none."""

    def __init__(self, broken=()):
        self.broken, self.heirs = broken, []

    def train(self, members, paths):
        fitness = membership(paths, 10)[:, :, 0].mean(axis=1)
        fitness[np.isin(members, self.broken)] = np.nan
        return Outcome(fitness, np.ones(len(members), dtype=bool))

    def replaced(self, loser, winner):
        self.heirs.append((loser, winner))


def generations_of(task, count, seed=0):
    rng = np.random.default_rng(seed)
    population = random_paths(16, 3, 10, 3, rng)
    search = PathSearch(BinaryTournament(population, 10, rng))
    return [search.step(task) for _ in range(count)]


def test_selection_finds_what_chance_alone_would_not():
    task = FindModuleZero()
    generations = generations_of(task, 600)
    assert generations[-1].fitness[generations[-1].best] == 1.0
    assert np.nanmean(generations[-1].fitness) > np.nanmean(generations[20].fitness) + 0.3


def test_the_task_hears_of_every_replacement_and_generations_are_numbered():
    task = FindModuleZero()
    generations = generations_of(task, 10)
    assert [generation.index for generation in generations] == list(range(10))
    assert task.heirs == [(g.replacement.loser, g.replacement.winner) for g in generations]


class NobodyIsJudged(FindModuleZero):
    def train(self, members, paths):
        return Outcome(np.zeros(len(members)), np.zeros(len(members), dtype=bool))


def test_while_nobody_is_judged_one_that_was_trained_is_best():
    rng = np.random.default_rng(0)
    search = PathSearch(BinaryTournament(random_paths(16, 3, 10, 3, rng), 10, rng))
    generation = search.step(NobodyIsJudged())
    assert generation.best in np.flatnonzero(search.evolution.age)


def test_failures_are_counted_and_never_best():
    task = FindModuleZero(broken=range(8))
    generations = generations_of(task, 40)
    assert sum(generation.failed for generation in generations) > 0
    assert all(np.isfinite(g.fitness[g.best]) for g in generations if np.isfinite(g.fitness).any())
