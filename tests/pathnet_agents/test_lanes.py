import time

import gymnasium
import numpy as np
import pytest

import pathnet_envs  # noqa: F401 - registers the sub-tasks
from pathnet_agents.lane_env import Recipe
from pathnet_agents.lanes import HeldOut, Lanes
from pathnet_agents.patience import Patience, TooManyFailures
from pathnet_rl.rng import numpy_generator

HOVER = "PathNet/LanderHover-v0"
STILL = np.zeros(3, dtype=np.int64)


def test_a_crash_terminates_and_a_time_limit_does_not():
    # Falling with dead engines crashes before KillSpin's 100 steps are over; hopping on the main engine does not.
    for actions, crashes in ((lambda step: STILL, True), (lambda step: np.full(3, 2 * (step % 2)), False)):
        lanes = Lanes(Recipe("PathNet/LanderKillSpin-v0", {"reward": "native", "level": 0.0}), 3, seed=0, index=0)
        endings = []
        for step in range(100):
            transitions, episodes = lanes.step(actions(step))
            endings += [(bool(transitions.terminated[e.lane]), e.steps == 100) for e in episodes]
        lanes.close()
        assert endings == [(crashes, not crashes)] * 3


def test_an_episode_ends_on_its_own_last_observation_and_starts_anew():
    lanes = Lanes(Recipe(HOVER), 3, seed=0, index=0)
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
    lanes = Lanes(Recipe(HOVER), 3, seed=5, index=2)
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
    one, other = Lanes(Recipe(HOVER), 3, seed=0, index=0), Lanes(Recipe(HOVER), 3, **seed_or_index)
    assert not (one.observation[:, :4] == other.observation[:, :4]).any()


def test_held_out_episodes_do_not_depend_on_how_many_fly_at_once():
    def policy(observation):
        return np.where(observation[:, 3] < -0.2, 2, 0)

    seeds = list(range(9))
    narrow, wide = (
        HeldOut(Recipe(HOVER), lanes=2).run(policy, seeds),
        HeldOut(Recipe(HOVER), lanes=12).run(policy, seeds),
    )
    assert narrow == wide
    assert [episode.lane for episode in wide] == seeds


def test_success_is_unknown_where_the_environment_does_not_report_it():
    (episode,) = HeldOut(Recipe("CartPole-v1"), lanes=1).run(lambda batch: np.zeros(len(batch), dtype=int), [0])
    assert episode.success is None
    assert episode.undiscounted_return == episode.steps


def test_an_action_is_held_and_its_rewards_add_up():
    held, single = Lanes(Recipe(HOVER, action_repeat=3), 1, 0, 0), Lanes(Recipe(HOVER), 1, 0, 0)
    transitions, _ = held.step(np.array([2]))
    rewards = [float(single.step(np.array([2]))[0].reward[0]) for _ in range(3)]
    assert transitions.reward[0] == pytest.approx(sum(rewards), abs=1e-6)
    assert (held.observation == single.observation).all()
    assert held.env_steps == single.env_steps == 3


def test_a_held_action_ends_with_the_episode():
    episodes = HeldOut(Recipe(HOVER, action_repeat=7), lanes=2).run(
        lambda batch: np.zeros(len(batch), dtype=int), [0, 1]
    )
    alone = HeldOut(Recipe(HOVER), lanes=2).run(lambda batch: np.zeros(len(batch), dtype=int), [0, 1])
    assert [episode.steps for episode in episodes] == [episode.steps for episode in alone]


class Unreliable(gymnasium.Env):
    """Raises or hangs in its fifth step, once in the life of the process for each of ``plan``."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)
    plan: list[str] = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(2, dtype=np.float32), {}

    def step(self, action):
        self.steps += 1
        if self.steps == 5 and self.plan:
            if self.plan.pop() == "raise":
                raise ValueError("the physics broke")
            time.sleep(60)
        return np.full(2, 0.1 * self.steps, dtype=np.float32), 1.0, self.steps == 9, False, {}


@pytest.fixture
def unreliable():
    gymnasium.register("Unreliable-v0", Unreliable)
    yield "Unreliable-v0"
    gymnasium.registry.pop("Unreliable-v0")
    Unreliable.plan = []


@pytest.mark.parametrize(("plan", "words"), [("raise", "ValueError: the physics broke"), ("hang", "TimeoutError")])
def test_a_failing_environment_is_named_and_replaced_and_the_others_go_on(unreliable, plan, words):
    Unreliable.plan = [plan]
    lanes = Lanes(Recipe(unreliable), 3, 0, 0, patience=Patience(step_timeout_s=0.3, failures_per_hour=5))
    began = [beginning.seed for beginning in lanes._begun]
    returns = []
    for _ in range(20):
        returns += [episode.undiscounted_return for episode in lanes.step(np.ones(3, dtype=np.int64))[1]]
    (failure,) = lanes.failures
    assert failure.startswith(f"lane 0's environment failed, {words}")
    assert failure.endswith(f"(seed {began[0]}, actions 1 1 1 1 1)")
    assert sorted(returns) == [4.0] + [9.0] * 5


def test_a_held_out_episode_that_fails_is_flown_again(unreliable):
    Unreliable.plan = ["hang", "raise"]
    patience = Patience(step_timeout_s=0.3, failures_per_hour=2)
    episodes = HeldOut(Recipe(unreliable), lanes=2, patience=patience).run(lambda batch: [0, 0], [1, 2, 3])
    assert [episode.undiscounted_return for episode in episodes] == [9.0] * 3


def test_too_many_failures_are_not_borne(unreliable):
    Unreliable.plan = ["raise"] * 4
    lanes = Lanes(Recipe(unreliable), 2, 0, 0, patience=Patience(failures_per_hour=3))
    with pytest.raises(TooManyFailures, match="4 environments failed within an hour; the last: lane"):
        for _ in range(30):
            lanes.step(np.zeros(2, dtype=np.int64))
