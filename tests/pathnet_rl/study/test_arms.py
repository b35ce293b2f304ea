import pytest
from make_study import make_study

from pathnet_rl.study.arms import ARMS, FIRST, Repeat, search_search
from pathnet_rl.study.digits import make_tasks
from pathnet_rl.study.learner import Images, PathLearner
from pathnet_rl.study.workers import Job, run_here


@pytest.fixture(scope="module")
def records():
    """Search+search and its partners, three of each."""
    study = make_study()
    partners = run_here(study, [Job("search+search", index) for index in range(3)], slots=3)
    picks = run_here(study, [Job("pick+search", each.index, each) for each in partners], slots=3)
    return {record.index: record for record in partners}, {record.index: record for record in picks}


def test_pick_trains_as_long_as_its_partners_first_path_on_average(records):
    searched, picked = records
    for index, record in picked.items():
        assert record.first.evaluations == max(1, round(searched[index].first.average_training))
        assert record.first.average_training == record.first.evaluations


def test_a_search_stops_at_the_threshold_or_the_limit_and_says_which(records):
    study = make_study()
    for record in (*records[0].values(), *records[1].values()):
        learned = record.second
        best = max(max(generation) for generation in learned.curve) / study.training.images
        reached = max(learned.curve[-1]) / study.training.images
        assert all(max(generation) / study.training.images < 0.9 for generation in learned.curve[:-1])
        assert learned.solved == (reached >= study.search.threshold)
        assert learned.solved or learned.generations == study.search.limit_generations
        assert learned.evaluations == 2 * learned.generations
        assert learned.fitness <= best


def test_reuse_is_the_overlap_of_the_two_paths(records):
    for record in (*records[0].values(), *records[1].values()):
        shared = [len(set(a) & set(b)) for a, b in zip(record.first.path, record.second.path, strict=True)]
        assert record.reuse.by_layer == shared and record.reuse.total == sum(shared)


def test_frozen_paths_and_columns_forget_nothing_and_a_fine_tuned_path_is_not_frozen(records):
    for record in (*records[0].values(), *records[1].values()):
        assert record.first_test_after == record.first.test_accuracy
    study = make_study()
    for record in run_here(study, [Job("progressive", 0)], slots=1):
        assert record.first_test_after == record.first.test_accuracy
    tuned = run_here(study, [Job("fine-tune", index) for index in range(4)], slots=4)
    assert any(record.first_test_after != record.first.test_accuracy for record in tuned)
    assert all(record.first.path == record.second.path for record in tuned)


def test_the_task_switch_freezes_the_path_and_resets_the_rest():
    study = make_study()
    learner = PathLearner(study, Images(make_tasks(study.digits, study.sequences, study.seed)), slots=1)
    learner.restart(0, 0, 0)
    repeat = Repeat(study, "search+search", 0, learner, 0)
    course, answers = search_search(repeat), iter(range(10**6))
    training = next(course)
    while training.task == FIRST:  # never solved: the limit of generations ends it
        learner.train([0], [training])
        training = course.send(float(next(answers) % 50))
    frozen = learner.net.frozen_rlm[0]
    assert frozen.any()
    for layer, (stack, initial) in enumerate(zip(learner.net.stacks, learner.net.initial_rmk, strict=True)):
        same = (stack.values_rmk[0] == initial[0]).all(dim=1).numpy()
        assert same[~frozen[layer]].all()
    assert learner.net.trained_rlm[0][~frozen].sum() == 0
    assert learner.net.trained_rlm[0][frozen].sum() > 0


def test_failures_never_win():
    study = make_study(training={"learning_rate": 1.0, "minibatches": 10})
    (record,) = run_here(study, [Job("de-novo", 0)], slots=1)
    assert any(count is None for generation in record.second.curve for count in generation)
    assert not record.second.solved


def test_every_arm_of_the_settings_is_there():
    assert set(make_study().arms) == set(ARMS)
