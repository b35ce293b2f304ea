"""Every measure of transfer against numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from make_runs import curve_of, point, repeat, result

from pathnet_rl.transfer.measures import (
    Reach,
    curve,
    env_steps_of_run,
    env_steps_of_task,
    first_episodes,
    forward_transfer,
    in_common,
    mean_performance,
    normalise,
    seconds_of_run,
    time_to,
)


def test_the_first_episodes_are_summed_up_from_running_means():
    # 30 episodes of mean 10, then 30 of mean 40: the running mean over 60 is 25; the first 50 are 300 + 20 * 40.
    points = [point(100, 10.0, episodes=30), point(200, 25.0, episodes=60)]
    assert first_episodes(points, "mean_return") == pytest.approx((300 + 800) / 50)


def test_a_generation_that_ends_on_the_fiftieth_episode_is_exact():
    assert first_episodes([point(100, 7.0, episodes=50), point(200, 99.0, episodes=90)], "mean_return") == 7.0


def test_generations_without_a_finished_episode_and_short_runs_are_no_obstacle():
    points = [point(100, None, episodes=0), point(200, 4.0, episodes=10), point(300, 6.0, episodes=20)]
    assert first_episodes(points, "mean_return") == pytest.approx(6.0)
    assert first_episodes([point(100, None, episodes=0)], "mean_return") is None
    assert first_episodes([], "mean_return") is None


def test_a_generation_longer_than_the_window_stands_for_the_first_episodes():
    assert first_episodes([point(100, 5.0, episodes=150)], "mean_return") == 5.0
    # 40 episodes of mean 10 are known; the window of the next, 5 on average, fills up the other ten.
    points = [point(100, 10.0, episodes=40), point(200, 5.0, episodes=160)]
    assert first_episodes(points, "mean_return") == pytest.approx((400 + 50) / 50)


def test_time_to_a_threshold_counts_training_over_a_full_window_or_a_verification():
    run = repeat(
        [
            point(100, 300.0, episodes=20, before=1000, wall_s=1.0),  # too few episodes to be believed
            point(200, 150.0, verified=199.9, before=1000, wall_s=2.0),
            point(300, 150.0, verified=200.0, before=1000, wall_s=3.0),
            point(400, 250.0, before=1000, wall_s=4.0),
        ],
        [result("hover", total=1000, wall_s=7.0), result("land", total=1400)],
    )
    for threshold, at, total, seconds in ((200, 300, 1300, 10.0), (240, 400, 1400, 11.0)):
        reached = [
            time_to(run, "land", "mean_return", threshold, cost)
            for cost in (env_steps_of_task, env_steps_of_run, seconds_of_run)
        ]
        assert reached == [Reach(at, True), Reach(total, True), Reach(seconds, True)]
    assert time_to(run, "land", "mean_return", 251, env_steps_of_task) == Reach(400.0, False)
    assert time_to(run, "nowhere", "mean_return", 0, env_steps_of_task) == Reach(0.0, False)


def test_a_success_rate_is_looked_at_where_it_is_the_measure():
    run = repeat([point(100, -5.0, success_rate=0.95)])
    assert time_to(run, "land", "success_rate", 0.9, env_steps_of_task) == Reach(100.0, True)
    assert [each.tolist() for each in curve(run, "land", "success_rate", env_steps_of_task)] == [[100.0], [0.95]]


def test_mean_performance_is_the_area_of_steps_and_holds_the_evaluation_afterwards():
    at, values = np.array([100.0, 200.0]), np.array([0.0, 60.0])
    # 100 steps at 0, 100 at 60, 200 at the evaluation's 210.
    assert mean_performance(at, values, final=210.0, horizon=400.0) == pytest.approx((6000 + 42000) / 400)


def test_what_a_run_does_beyond_the_horizon_does_not_count():
    at, values = np.array([100.0, 300.0]), np.array([10.0, 30.0])
    assert mean_performance(at, values, final=1e9, horizon=200.0) == pytest.approx(20.0)
    assert mean_performance(at, values, final=1e9, horizon=50.0) == pytest.approx(10.0)


def test_a_mastered_run_is_not_worth_less_for_being_quick():
    quick = mean_performance(np.array([100.0]), np.array([60.0]), final=215.0, horizon=1000.0)
    slow = mean_performance(np.array([100.0, 900.0]), np.array([60.0, 120.0]), final=215.0, horizon=1000.0)
    assert quick > slow


def test_normalised_performance_is_cut_off_at_floor_and_ceiling():
    assert normalise(np.array([-400.0, -200.0, 0.0, 200.0, 300.0]), -200.0, 200.0).tolist() == [0, 0, 0.5, 1, 1]


def test_forward_transfer_is_the_share_of_the_room_above_the_baseline():
    # Means .8 and .5: .3 of the .5 that the baseline leaves.
    assert forward_transfer(np.array([0.7, 0.9]), np.array([0.4, 0.6])) == pytest.approx(0.6)
    assert forward_transfer(np.array([0.2]), np.array([0.6])) == pytest.approx(-1.0)
    assert np.isnan(forward_transfer(np.array([0.2]), np.array([1.0])))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (Reach(80, True), Reach(50, True), (80, 50)),
        (Reach(80, True), Reach(100, False), (80, 100)),
        (Reach(80, False), Reach(50, True), (80, 50)),
        (Reach(80, True), Reach(50, False), (50, 50)),
        (Reach(80, False), Reach(100, False), (80, 80)),
    ],
)
def test_a_pair_is_compared_as_far_as_both_are_known(first, second, expected):
    assert in_common(first, second) == expected


def test_a_curve_begins_with_the_first_finished_episode():
    run = repeat([point(100, None, episodes=0), *curve_of([1.0, 2.0])[1:]])
    at, values = curve(run, "land", "mean_return", env_steps_of_task)
    assert (at.tolist(), values.tolist()) == ([200.0], [2.0])


def test_a_window_that_was_begun_anew_is_not_full():
    points = curve_of([0.0, 260.0])
    fresh = [points[0], replace(points[1], window_episodes=1)]
    assert not time_to(repeat(fresh), "land", "mean_return", 250, env_steps_of_task).reached
    full = [points[0], replace(points[1], window_episodes=100)]
    assert time_to(repeat(full), "land", "mean_return", 250, env_steps_of_task).reached


def test_after_weights_were_put_back_the_window_stands_for_the_episodes_before():
    # 40 episodes of mean 10; of the next 20, 8 came after weights were put back, with a mean of 50.
    before, after = point(100, 10.0, episodes=40), replace(point(200, 50.0, episodes=60), window_episodes=8)
    assert first_episodes([before, after], "mean_return") == pytest.approx((400 + 10 * 50) / 50)


def test_performance_without_a_range_is_unknown():
    assert np.isnan(normalise(np.array([1.0, 2.0]), 3.0, 3.0)).all()
