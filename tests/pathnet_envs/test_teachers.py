"""Teachers against simulated learners: what they choose, what they say, what they refuse, and resuming."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathnet_envs.teachers import (
    TEACHERS,
    AdaptiveLevel,
    AlpGmm,
    FixedOrder,
    LearningProgress,
    Lesson,
    Outcome,
    Teacher,
    register,
)
from pathnet_envs.teachers.learning_progress import slope
from pathnet_envs.teachers.mixture import GaussianMixture, fit, fit_best
from pathnet_envs.teachers.success_window import SuccessWindow

SUB_GOALS = ("hover", "go-to-x", "land")
WON, LOST = Outcome(True, 1.0), Outcome(False, 0.0)


class Learner:
    """Succeeds more often with practice of a sub-goal, and less often at a higher level."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.skill = dict.fromkeys(SUB_GOALS, 0.0)

    def practise(self, lesson):
        skill = self.skill[lesson.sub_goal] = self.skill[lesson.sub_goal] + 0.01
        success = bool(self.rng.random() < 1.0 / (1.0 + np.exp(6.0 * lesson.level - 5.0 * skill)))
        return Outcome(success, float(success) + self.rng.normal(0.0, 0.1))


@pytest.fixture(params=TEACHERS)
def strategy(request):
    return TEACHERS[request.param]


def teach(teacher, learner, episodes, under_way=1):
    """Return lessons and decisions; so many lessons are under way at once and come back in any order."""
    lessons, decisions, started = [], [], []
    for _ in range(episodes):
        while len(started) < under_way:
            started.append(teacher.ask())
        lesson = started.pop(learner.rng.integers(len(started)))
        lessons.append(lesson)
        decisions.append(teacher.tell(lesson, learner.practise(lesson)))
    return lessons, decisions


def told(teacher, outcomes):
    """Return what the teacher says to each outcome of what it asks for."""
    return [teacher.tell(teacher.ask(), outcome) for outcome in outcomes]


# Every registered teacher.


def test_names_lead_to_strategies():
    assert set(TEACHERS) >= {"fixed-order", "adaptive-level", "learning-progress", "alp-gmm"}
    assert all(issubclass(strategy, Teacher) and strategy.name == name for name, strategy in TEACHERS.items())


def test_a_registered_strategy_is_found_by_its_name():
    try:
        own = register("own")(type("Own", (FixedOrder,), {}))
        assert TEACHERS["own"] is own
        assert own.name == "own"
    finally:
        TEACHERS.pop("own", None)


@pytest.mark.parametrize("under_way", [1, 5])
def test_lessons_are_valid_and_a_seed_decides_them(strategy, under_way):
    runs = [teach(strategy(SUB_GOALS, 3), Learner(4), 700, under_way) for _ in range(2)]
    assert runs[0] == runs[1]
    for lesson in runs[0][0]:
        assert lesson.sub_goal in SUB_GOALS
        assert type(lesson.sub_goal) is str
        assert type(lesson.level) is float
    sentences = [decision for decision in runs[0][1] if decision is not None]
    assert sentences
    assert all(any(name in sentence for name in SUB_GOALS) for sentence in sentences)


@pytest.mark.parametrize("episodes", [0, 7, 130, 480])
def test_a_resumed_teacher_goes_on_bit_for_bit(strategy, episodes):
    teacher, learner = strategy(SUB_GOALS, 5), Learner(6)
    teach(teacher, learner, episodes)
    resumed, other = strategy(SUB_GOALS, 999), Learner(0)
    teach(resumed, other, 60)  # whatever it had learned is overwritten
    resumed.load_state_dict(json.loads(json.dumps(teacher.state_dict(), allow_nan=False)))
    assert resumed.state_dict() == teacher.state_dict()
    other.rng.bit_generator.state = learner.rng.bit_generator.state
    other.skill = dict(learner.skill)
    assert teach(resumed, other, 300) == teach(teacher, learner, 300)
    assert resumed.state_dict() == teacher.state_dict()


def test_a_state_is_a_copy(strategy):
    teacher = strategy(SUB_GOALS, 5)
    state = teacher.state_dict()
    before = json.dumps(state)
    teach(teacher, Learner(6), 200)
    assert json.dumps(state) == before
    teacher.load_state_dict(state)
    teach(teacher, Learner(6), 200)
    assert json.dumps(state) == before


def test_a_state_of_other_sub_goals_or_another_strategy_is_refused(strategy):
    with pytest.raises(ValueError, match=r"saved by .* for land; this is .* for hover, go-to-x, land"):
        strategy(SUB_GOALS, 0).load_state_dict(strategy(["land"], 0).state_dict())
    state = strategy(SUB_GOALS, 0).state_dict() | {"teacher": "another"}
    with pytest.raises(ValueError, match="saved by 'another'"):
        strategy(SUB_GOALS, 0).load_state_dict(state)


def test_an_outcome_of_somebody_elses_lesson_is_refused(strategy):
    with pytest.raises(ValueError, match="'upright' is none of hover, go-to-x, land"):
        strategy(SUB_GOALS, 0).tell(Lesson("upright", 1.0), WON)


@pytest.mark.parametrize(
    ("sub_goals", "seed", "message"),
    [
        ([], 0, "sub_goals: there are none"),
        ("hover", 0, r"sub_goals: 'hover' is one name; give a list, \['hover'\]"),
        (["hover", "land", "hover"], 0, "sub_goals: 'hover' is there 2 times"),
        (["hover"], -1, "seed: -1 is refused; give a whole number of 0 or more"),
        (["hover"], 0.5, r"seed: 0\.5 is refused"),
        (["hover"], None, "seed: None is refused"),
    ],
)
def test_wrong_sub_goals_and_seeds_are_refused(strategy, sub_goals, seed, message):
    with pytest.raises(ValueError, match=message):
        strategy(sub_goals, seed)


@pytest.mark.parametrize(
    ("name", "setting", "value", "message"),
    [
        ("fixed-order", "window_episodes", 0, "0 is refused; give a whole number of 1 or more"),
        ("fixed-order", "window_episodes", 2.0, r"2\.0 is refused"),
        ("fixed-order", "threshold", 1.1, r"1\.1 is outside \[0, 1\]"),
        ("fixed-order", "level", float("nan"), r"nan is outside \[0, 1\]"),
        ("adaptive-level", "window_episodes", -3, "-3 is refused"),
        ("adaptive-level", "threshold", -0.1, r"-0\.1 is outside \[0, 1\]"),
        ("adaptive-level", "raise_above", 2, r"2 is outside \[0, 1\]"),
        ("adaptive-level", "lower_below", 0.9, r"0\.9 is outside \[0, 0\.8\]"),
        ("adaptive-level", "level_steps", 0, "0 is refused"),
        ("learning-progress", "window_episodes", 1, "1 is refused; give a whole number of 2 or more"),
        ("learning-progress", "warm_up_episodes", 51, "51 is refused; give a whole number from 2 to 50"),
        ("learning-progress", "random_share", "much", r"'much' is no number; give one in \[0, 1\]"),
        ("learning-progress", "level", 1.5, r"1\.5 is outside \[0, 1\]"),
        ("alp-gmm", "fit_every_episodes", 9, "9 is refused; give a whole number of 10 or more"),
        ("alp-gmm", "window_episodes", 49, "49 is refused; give a whole number of 50 or more"),
        ("alp-gmm", "most_components", 11, "11 is refused; give a whole number from 1 to 10"),
        ("alp-gmm", "random_share", -0.2, r"-0\.2 is outside \[0, 1\]"),
    ],
)
def test_a_setting_outside_its_range_is_named(name, setting, value, message):
    with pytest.raises(ValueError, match=f"{setting}: {message}"):
        TEACHERS[name](SUB_GOALS, 0, **{setting: value})


@pytest.mark.parametrize("level", [-0.1, 1.1, float("nan")])
def test_a_lesson_outside_the_levels_is_refused(level):
    with pytest.raises(ValueError, match=r"level: .* is outside \[0, 1\]"):
        Lesson("hover", level)


@pytest.mark.parametrize("episode_return", [float("nan"), float("inf")])
def test_a_return_that_is_not_finite_is_refused(episode_return):
    with pytest.raises(ValueError, match="episode_return: .* is not finite"):
        Outcome(True, episode_return)


# Fixed order.


def test_the_fixed_order_advances_when_its_window_says_so():
    teacher = FixedOrder(["hover", "land"], 0, window_episodes=4, threshold=0.75, level=0.5)
    assert told(teacher, [WON, LOST, LOST, WON, WON]) == [None] * 5  # 3 of 5, but 2 of the last 4
    assert teacher.ask() == Lesson("hover", 0.5)
    (decision,) = told(teacher, [WON])
    assert decision == ("hover is mastered: 3 of the last 4 episodes succeeded (threshold 0.75); next is land")
    assert told(teacher, [WON] * 3) == [None] * 3  # the window began anew
    (decision,) = told(teacher, [LOST])
    assert decision == (
        "land is mastered: 3 of the last 4 episodes succeeded (threshold 0.75);"
        " it is the last sub-goal, so its lessons go on"
    )
    assert teacher.finished
    assert told(teacher, [WON] * 20) == [None] * 20
    assert teacher.ask() == Lesson("land", 0.5)


@pytest.mark.parametrize("strategy", [FixedOrder, AdaptiveLevel])
def test_late_outcomes_of_a_sub_goal_that_was_left_do_not_count(strategy):
    teacher = strategy(["hover", "land"], 0, window_episodes=2, threshold=1.0)
    late = teacher.ask()
    while teacher.sub_goal == "hover":
        told(teacher, [WON])
    assert [teacher.tell(late, WON) for _ in range(10)] == [None] * 10
    assert teacher.sub_goal == "land"
    assert teacher.state_dict()["window"] == []


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 8))
def test_a_success_window_is_the_mean_of_its_last_outcomes(outcomes, window_episodes):
    window = SuccessWindow(window_episodes)
    for success in outcomes:
        window.add(success)
    last = outcomes[-window_episodes:]
    assert window.outcomes() == last
    assert window.rate == (sum(last) / len(last) if len(last) == window_episodes else None)


# Adaptive level.


def test_the_level_goes_up_and_down_and_the_last_step_leaves():
    teacher = AdaptiveLevel(["hover", "land"], 0, window_episodes=5, level_steps=2, threshold=0.8)
    up, down = [WON] * 5, [LOST] * 5
    assert teacher.ask() == Lesson("hover", 0.0)
    assert told(teacher, down)[-1] is None  # there is nothing below 0
    assert told(teacher, up)[-1] == (
        "hover's level is raised from 0 to 0.5: 5 of the last 5 episodes succeeded (above 0.8)"
    )
    assert told(teacher, down)[-1] == (
        "hover's level is lowered from 0.5 to 0: 0 of the last 5 episodes succeeded (below 0.2)"
    )
    assert [bool(decision) for decision in told(teacher, up * 2)] == [False, False, False, False, True] * 2
    assert teacher.ask() == Lesson("hover", 1.0)
    assert told(teacher, [WON] * 3 + [LOST]) == [None] * 4
    assert told(teacher, [WON]) == [
        "hover is mastered: 4 of the last 5 episodes succeeded (threshold 0.8); next is land"
    ]
    assert teacher.ask() == Lesson("land", 0.0)
    told(teacher, up * 3)
    assert teacher.finished
    assert told(teacher, down * 3) == [None] * 15
    assert teacher.ask() == Lesson("land", 1.0)


def test_outcomes_from_before_a_move_do_not_count():
    teacher = AdaptiveLevel(["hover"], 0, window_episodes=3)
    late = teacher.ask()
    told(teacher, [WON] * 3)
    assert [teacher.tell(late, WON) for _ in range(9)] == [None] * 9
    assert teacher.level == 0.1


@given(st.lists(st.booleans(), max_size=200), st.integers(1, 6), st.integers(1, 7))
def test_the_level_moves_by_single_steps_and_only_with_a_sentence(outcomes, window_episodes, level_steps):
    teacher = AdaptiveLevel(SUB_GOALS, 0, window_episodes=window_episodes, level_steps=level_steps)
    for success in outcomes:
        before = teacher.ask()
        decision = teacher.tell(before, WON if success else LOST)
        after = teacher.ask()
        if after != before:
            assert decision is not None
        if after.sub_goal == before.sub_goal:
            assert round(abs(after.level - before.level) * level_steps, 9) in (0, 1)
        else:
            assert (before.level, after.level) == (1.0, 0.0)


@pytest.mark.parametrize("seed", range(5))
def test_a_learner_is_led_through_all_levels_of_all_sub_goals(seed):
    teacher, learner = AdaptiveLevel(SUB_GOALS, 0), Learner(seed)
    lessons, _ = teach(teacher, learner, 3000, under_way=4)
    assert teacher.finished
    assert list(dict.fromkeys(lesson.sub_goal for lesson in lessons)) == list(SUB_GOALS)
    assert {lesson.level for lesson in lessons} == {step / 10 for step in range(11)}


# Learning progress.


def test_the_slope_of_a_line_by_hand():
    # Means 2 and 1: (-1 * -1 + 0 * 1 + 1 * 0) / (1 + 0 + 1).
    assert slope([1, 2, 3], [0.0, 2.0, 1.0]) == pytest.approx(0.5)


@given(
    st.lists(st.integers(0, 1000), min_size=2, max_size=50, unique=True),
    st.floats(-10.0, 10.0),
    st.floats(-100.0, 100.0),
)
def test_the_slope_of_points_on_a_line_is_the_lines(x, rise, height):
    assert slope(x, [rise * value + height for value in x]) == pytest.approx(rise, abs=1e-6)


def test_the_progress_is_the_absolute_slope_over_all_outcomes():
    teacher = LearningProgress(["hover", "land"], 0, window_episodes=3, warm_up_episodes=2)
    assert teacher.progress == {"hover": float("inf"), "land": float("inf")}
    for name, score in (("hover", 9.0), ("land", 1.0), ("hover", 4.0), ("hover", 2.0), ("hover", 0.0)):
        teacher.tell(Lesson(name, 1.0), Outcome(False, score))
    # The window of hover holds 4, 2 and 0, told third, fourth and fifth.
    assert teacher.progress == {"hover": pytest.approx(2.0), "land": float("inf")}


def test_a_new_favourite_is_told_of_once_it_is_twice_as_fast():
    teacher = LearningProgress(["hover", "land"], 0, window_episodes=2, warm_up_episodes=2)
    decisions = [
        teacher.tell(Lesson(name, 1.0), Outcome(False, score))
        for name, score in (("hover", 0.0), ("hover", 1.0), ("land", 0.0), ("land", 1.5), ("land", 4.5))
    ]
    assert decisions == [
        None,
        None,
        None,
        "land is practised most from now on: its return changes by 1.5 an episode",
        None,
    ]
    assert teacher.tell(Lesson("hover", 1.0), Outcome(False, 30.0)) == (
        "hover is practised most from now on: its return changes by 7.2 an episode, that of land by 3"
    )


@pytest.mark.parametrize("seed", range(5))
def test_what_is_being_learned_is_preferred_to_the_mastered_and_the_impossible(seed):
    teacher = LearningProgress(["mastered", "learned", "impossible"], seed)
    rng, chance = np.random.default_rng(seed), {"mastered": 1.0, "learned": 0.0, "impossible": 0.0}
    counts = dict.fromkeys(chance, 0)
    for _ in range(400):
        lesson = teacher.ask()
        counts[lesson.sub_goal] += 1
        if lesson.sub_goal == "learned":
            chance["learned"] = min(1.0, chance["learned"] + 1 / 400)
        success = bool(rng.random() < chance[lesson.sub_goal])
        teacher.tell(lesson, Outcome(success, float(success)))
    # Measured over 8 seeds: 284 to 360 of 400, the others at most 60 each.
    assert counts["learned"] > 200
    assert max(counts["mastered"], counts["impossible"]) < 100


def test_what_is_forgotten_is_practised_again():
    teacher = LearningProgress(["kept", "forgotten"], 0, random_share=0.0)
    for episode in range(40):
        teacher.tell(Lesson("kept", 1.0), WON)
        teacher.tell(Lesson("forgotten", 1.0), WON if episode < 20 else LOST)
    assert {teacher.ask().sub_goal for _ in range(20)} == {"forgotten"}


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=50, unique=True), st.floats(-1e6, 1e6))
def test_equal_returns_have_no_slope_at_all_so_that_sub_goals_tie(x, height):
    assert slope(x, [height] * len(x)) == 0.0


# Mixtures of Gaussians.


CENTRES = np.array([[0.2, 0.1], [0.5, 0.9], [0.9, 0.3]])
SIZES = np.array([50, 100, 150])


def clusters(rng):
    """Return points around three centres far from each other."""
    return np.repeat(CENTRES, SIZES, axis=0) + rng.normal(0.0, 0.03, (SIZES.sum(), 2))


@pytest.mark.parametrize("seed", range(10))
def test_separated_clusters_are_recovered(seed):
    rng = np.random.default_rng(seed)
    mixture = fit(clusters(rng), 3, rng)
    order = np.argsort(mixture.means[:, 0])
    assert mixture.means[order] == pytest.approx(CENTRES, abs=0.015)
    assert mixture.weights[order] == pytest.approx(SIZES / SIZES.sum(), abs=0.01)
    # The floor adds 0.01 squared to each variance of 0.03 squared.
    assert np.diagonal(mixture.covariances, axis1=1, axis2=2) == pytest.approx(0.001, rel=0.6)


def test_the_best_fit_has_as_many_gaussians_as_there_are_clusters_and_seldom_more():
    fits = [fit_best(clusters(np.random.default_rng(seed)), 5, np.random.default_rng(seed)) for seed in range(20)]
    counts = [len(mixture.weights) for mixture in fits]
    assert min(counts) == 3
    assert counts.count(3) >= 14  # Akaike's criterion is known to take one too many now and then


def test_one_gaussian_has_the_moments_of_its_points():
    points = np.array([[0.0, 0.0], [0.2, 0.4], [0.4, 0.2], [0.6, 0.8]])
    mixture = fit(points, 1, np.random.default_rng(0))
    assert mixture.means == pytest.approx(np.array([[0.3, 0.35]]))
    assert mixture.covariances[0] == pytest.approx(np.cov(points.T, bias=True) + 1e-4 * np.eye(2))


def test_likelihood_and_criterion_by_hand():
    mixture = GaussianMixture(np.array([0.5, 0.5]), np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([np.eye(2)] * 2))
    points = np.array([[0.0, 0.0], [1.0, 1.0]])
    expected = -2.0 * np.log(2.0 * np.pi) - 1.0
    assert mixture.log_likelihood(points) == pytest.approx(expected)
    assert mixture.aic(points) == pytest.approx(2 * 11 - 2 * expected)  # 2 (1 + 2 + 3) - 1 parameters


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 30))
def test_a_fit_is_a_mixture_even_of_few_and_equal_points(seed, components, kinds):
    rng = np.random.default_rng(seed)
    points = rng.random((kinds, 2))[rng.integers(kinds, size=40)]
    mixture = fit(points, components, rng)
    assert mixture.weights.sum() == pytest.approx(1.0)
    assert (mixture.weights > 0.0).all()
    assert np.isfinite(mixture.means).all()
    assert (np.linalg.eigvalsh(mixture.covariances) > 0.0).all()


# ALP-GMM.


def test_progress_is_the_distance_to_the_nearest_earlier_level():
    teacher = AlpGmm(["hover"], 0)
    for level, episode_return in ((0.1, 1.0), (0.8, 5.0), (0.3, 2.5), (0.3, 2.0), (0.9, 4.0), (0.3, 3.0)):
        teacher.tell(Lesson("hover", level), Outcome(False, episode_return))
    assert [each[2] for each in teacher.state_dict()["episodes"]["hover"]] == [0.0, 4.0, 1.5, 0.5, 1.0, 1.0]
    assert teacher.progress == {"hover": pytest.approx(8.0 / 6)}


def test_sub_goals_without_a_fit_come_first():
    teacher = AlpGmm(["hover", "land"], 0, fit_every_episodes=10, window_episodes=10)
    assert {teacher.ask().sub_goal for _ in range(30)} == {"hover", "land"}
    decisions = [teacher.tell(Lesson("hover", 0.5), LOST) for _ in range(10)]
    assert decisions[:-1] == [None] * 9
    assert decisions[-1] == "hover's levels stay uniform: no return differed in its last 10 episodes"
    assert {teacher.ask().sub_goal for _ in range(30)} == {"land"}


@pytest.mark.parametrize("unit", [1.0, 0.001, 1000.0])
@pytest.mark.parametrize("seed", range(4))
def test_levels_concentrate_where_progress_is(seed, unit):
    teacher = AlpGmm(["hover"], seed)
    skill, distances = 0.1, []
    for _ in range(900):
        lesson = teacher.ask()
        share = min(max(0.5 + 5.0 * (skill - lesson.level), 0.0), 1.0)
        skill += 0.0015 if 0.0 < share < 1.0 else 0.0  # only a level that is neither too easy nor too hard teaches
        distances.append(abs(lesson.level - skill))
        teacher.tell(lesson, Outcome(share > 0.5, unit * share))
    # Measured over 8 seeds: .75 to .79 of the lessons are that near to the moving skill; of uniform ones, .4.
    assert np.mean(np.array(distances[300:]) < 0.2) > 0.65


@pytest.mark.parametrize("seed", range(4))
def test_sub_goals_are_drawn_in_proportion_to_their_progress(seed):
    teacher = AlpGmm(["mastered", "moving", "impossible"], seed)
    rng, returns = np.random.default_rng(seed), {"mastered": 1.0, "impossible": 0.0}
    names = []
    for _ in range(600):
        lesson = teacher.ask()
        names.append(lesson.sub_goal)
        teacher.tell(lesson, Outcome(False, returns.get(lesson.sub_goal, rng.random())))
    # All but a random share of .2, of which a third is its own: .87 expected, standard error .02.
    assert np.mean([name == "moving" for name in names[150:]]) == pytest.approx(0.87, abs=0.06)
