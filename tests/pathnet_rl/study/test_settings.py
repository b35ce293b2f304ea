import pytest
from make_study import SMALL, make_study

from pathnet_rl.configuration import ConfigurationError, shipped_curricula
from pathnet_rl.curriculum import load_curriculum
from pathnet_rl.shapes import Conv, Dense
from pathnet_rl.study.settings import load_study, study_from_dict
from pathnet_rl.study.workers import Job, run_here

STUDIES = [name for name in shipped_curricula() if name.startswith("mnist")]


def complaints(*overrides):
    with pytest.raises(ConfigurationError) as caught:
        load_study("mnist_first_path", overrides)
    return caught.value.lines


def test_the_shipped_study_has_the_values_of_the_note():
    study = load_study("mnist_first_path")
    assert study.sequences == [[[3, 4], [1, 2]]]
    network = study.network
    assert (network.layers, network.modules, network.active, network.units) == (3, 10, 3, 20)
    assert (study.training.learning_rate, study.training.batch_images, study.training.minibatches) == (1e-4, 16, 50)
    assert (study.search.population, study.search.threshold, study.search.limit_generations) == (64, 0.98, 500)
    assert network.shapes() == [Dense(784, 20), Dense(20, 20), Dense(20, 20)]


def test_there_is_a_file_for_every_variant():
    names = ("first_path", "first_path_99", "noise", "conv", "quinary", "pairs", "quick")
    assert {f"mnist_{name}" for name in names} == set(STUDIES)


@pytest.mark.parametrize("name", STUDIES)
def test_every_shipped_study_runs(name):
    study = load_study(name, ["search.limit_generations=2"])
    partners = run_here(study, [Job("search+search", 0), Job("search+search", 1)], slots=2)
    others = [arm for arm in study.arms if arm not in ("search+search", "pick+search")]
    jobs = [Job("pick+search", each.index, each) for each in partners]
    jobs += [Job(arm, index) for arm in others for index in range(2)]
    records = run_here(study, jobs, slots=4)
    assert len(records) == len(jobs)
    assert all(0.2 < record.second.test_accuracy <= 1.0 for record in records)


def test_convolutional_layers_have_their_shapes():
    first, second, third = load_study("mnist_conv").network.shapes()
    assert first == Conv(channels=1, height=28, width=28, units=8)
    assert second == Conv(channels=8, height=14, width=14, units=8)
    assert third == Dense(8 * 7 * 7, 20)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("sequences=[[[3,3],[1,2]]]", "sequences[0][0][1]: 3 is in two classes; give each digit once"),
        ("sequences=[[[3,4],[1,12]]]", "sequences[0][1][1]: 12 is no digit; give one from 0 to 9"),
        ("sequences=[[[3,4]]]", "sequences[0]: has 1 tasks; give two, such as [[3, 4], [1, 2]]"),
        ("sequences=[[[3],[1,2]]]", "leaves nothing to tell apart"),
        ("network.active=11", "network.active: 11 is above network.modules=10; give that or less"),
        ("network.convolutional=[2]", "network.convolutional: [2] are not the first of 3 layers; give [1]"),
        ("search.threshold=1.5", "search.threshold: 1.5 is out of range; allowed:"),
        ("search.evolution=hillclimb", 'search.evolution: "hillclimb" is not registered'),
        ("repeats=0", "repeats: 0 is out of range; allowed: 1 or more"),
        ("arms=[search+serch]", 'arms[0]: "search+serch" is not allowed; nearest: search+search'),
        ("arms=[de-novo, de-novo]", 'arms[1]: "de-novo" is there twice'),
        ("digits=mnist", "is not allowed; known: embedded, openml"),
        ("training.minibatch=3", "training.minibatch: is no key here; nearest: minibatches"),
    ],
)
def test_bad_values_are_answered_with_place_and_remedy(override, words):
    (line,) = complaints(override)
    assert line.startswith(f"--set {override}: ") and words in line


def test_all_mistakes_are_told_at_once():
    assert len(complaints("repeats=0", "arms=[x]", "search.threshold=2", "network.modules=0")) == 4


def test_a_curriculum_is_no_study_and_a_study_no_curriculum():
    with pytest.raises(ConfigurationError, match="has no `study:`"):
        load_study("lander_quick")
    with pytest.raises(ConfigurationError, match="is a study; run it: pathnet-rl study mnist_quick"):
        load_curriculum("mnist_quick")


def test_what_is_written_out_reads_back_equal():
    study = make_study()
    assert study_from_dict(study.model_dump(), "study.json") == study
    assert "repeats" in SMALL and "repeats" not in study.design()


def test_a_network_that_fits_no_memory_is_refused_with_an_estimate():
    with pytest.raises(ConfigurationError, match=r"network: needs about [\d.,]+ TB of memory, .* are there"):
        load_study("mnist_quick", ["network.modules=4096", "network.units=4096"])
