import gymnasium
import numpy as np
import pytest

import pathnet_envs  # noqa: F401 - registers the sub-tasks
from pathnet_agents.lanes import HeldOut, Lanes
from pathnet_rl.rng import numpy_generator

HOVER = "PathNet/LanderHover-v0"
STILL = np.zeros(3, dtype=np.int64)


def test_a_crash_terminates_and_a_time_limit_does_not():
    # Falling with dead engines crashes before KillSpin's 100 steps are over; hopping on the main engine does not.
    for actions, crashes in ((lambda step: STILL, True), (lambda step: np.full(3, 2 * (step % 2)), False)):
        lanes = Lanes("PathNet/LanderKillSpin-v0", {"reward": "native", "level": 0.0}, 3, seed=0, index=0)
        endings = []
        for step in range(100):
            transitions, episodes = lanes.step(actions(step))
            endings += [(bool(transitions.terminated[e.lane]), e.steps == 100) for e in episodes]
        lanes.close()
        assert endings == [(crashes, not crashes)] * 3


def test_an_episode_ends_on_its_own_last_observation_and_starts_anew():
    lanes = Lanes(HOVER, {}, 3, seed=0, index=0)
    for _ in range(300):
        transitions, episodes = lanes.step(STILL)
        running = np.ones(3, dtype=bool)
        running[[episode.lane for episode in episodes]] = False
        assert (lanes.observation[running] == transitions.next_observation[running]).all()
        for episode in episodes:
            assert lanes.observation[episode.lane][1] > 0.5  # Hover starts high
            assert transitions.next_observation[episode.lane][1] < 0.5
    lanes.close()


def test_a_lanes_episode_can_be_replayed_from_its_seed_alone():
    lanes = Lanes(HOVER, {}, 3, seed=5, index=2)
    seed = int(numpy_generator(5, 2, "episodes of lane 1").integers(2**31 - 1))
    env = gymnasium.make(HOVER)
    observation, _ = env.reset(seed=seed)
    assert (lanes.observation[1] == observation).all()
    observation, *_ = env.step(0)
    lanes.step(STILL)
    assert (lanes.observation[1] == observation).all()
    lanes.close()


@pytest.mark.parametrize("seed_or_index", [{"seed": 1, "index": 0}, {"seed": 0, "index": 1}])
def test_another_seed_or_sub_task_starts_elsewhere(seed_or_index):
    one, other = Lanes(HOVER, {}, 3, seed=0, index=0), Lanes(HOVER, {}, 3, **seed_or_index)
    assert not (one.observation[:, :4] == other.observation[:, :4]).any()


def test_held_out_episodes_do_not_depend_on_how_many_fly_at_once():
    def policy(observation):
        return np.where(observation[:, 3] < -0.2, 2, 0)

    seeds = list(range(9))
    narrow, wide = (
        HeldOut(HOVER, {}, lanes=2).run(policy, seeds),
        HeldOut(HOVER, {}, lanes=12).run(policy, seeds),
    )
    assert narrow == wide
    assert [episode.lane for episode in wide] == seeds


def test_success_is_unknown_where_the_environment_does_not_report_it():
    (episode,) = HeldOut("CartPole-v1", {}, lanes=1).run(lambda batch: np.zeros(len(batch), dtype=int), [0])
    assert episode.success is None
    assert episode.undiscounted_return == episode.steps
