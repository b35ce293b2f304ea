import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import pathnet_envs  # noqa: F401 - registers the sub-tasks
from pathnet_agents.isolated_env import IsolatedEnv
from pathnet_agents.lane_env import Recipe
from pathnet_agents.lanes import HeldOut, Lanes
from pathnet_agents.patience import Patience, TooManyFailures
from pathnet_rl.agent import AgentError
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
    """Raises or hangs in its fifth step, or at a reset, once in the life of the process for each of ``plan``."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)
    plan: list[str] = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        if self.plan and self.plan[-1] == "raise at a reset":
            self.plan.pop()
            raise ValueError("no start was found")
        return np.zeros(2, dtype=np.float32), {}

    def step(self, action):
        self.steps += 1
        if self.steps == 5 and self.plan and "reset" not in self.plan[-1]:
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


def test_an_environment_that_fails_at_a_reset_is_replaced(unreliable):
    lanes = Lanes(Recipe(unreliable), 2, 0, 0)
    Unreliable.plan = ["raise at a reset"]
    for _ in range(9):
        lanes.step(np.zeros(2, dtype=np.int64))
    (failure,) = lanes.failures
    began = lanes._begun[0].seed
    assert failure == (
        f"lane 0's environment failed, ValueError: no start was found, at its reset (seed {began}, actions none)"
    )
    assert not lanes.step(np.zeros(2, dtype=np.int64))[1]
    Unreliable.plan = ["raise at a reset"] * 2
    with pytest.raises(AgentError, match="no environment can be reset with seed 7: ValueError: no start"):
        lanes.envs.envs[0].reset(seed=7)


class Fatal(Unreliable):
    """In its fifth step, once for each file: kills its process, or hangs where no Python signal is answered."""

    def __init__(self, folder, level=0.0):
        self.folder, self.level = Path(folder), level

    def step(self, action):
        self.steps += 1
        for how in self.folder.iterdir() if self.steps == 5 else ():
            how.unlink()
            if how.name == "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            signal.sigwait({signal.SIGUSR1})
        return np.full(2, self.level, dtype=np.float32), 1.0, self.steps == 9, False, {}


@pytest.fixture
def fatal(tmp_path):
    gymnasium.register("Fatal-v0", Fatal)
    yield Recipe("Fatal-v0", {"folder": str(tmp_path)}, isolated=True)
    gymnasium.registry.pop("Fatal-v0")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("dies", "EnvironmentDied: its process ended, by signal SIGKILL"),
        ("hangs", "TimeoutError: no answer within"),
    ],
)
def test_an_isolated_environment_may_die_or_hang_in_compiled_code(fatal, tmp_path, how, words):
    patience = Patience(step_timeout_s=1.0, failures_per_hour=5)
    lanes = Lanes(fatal, 2, 0, 0, next_level=lambda lane: 0.5, patience=patience)
    (tmp_path / how).touch()
    began, episodes = lanes._begun[0].seed, []
    for _ in range(13):
        transitions, finished = lanes.step(np.ones(2, dtype=np.int64))
        episodes += finished
    (failure,) = lanes.failures
    assert failure.startswith(f"lane 0's environment failed, {words}")
    assert failure.endswith(f"(seed {began}, level 0.5, actions 1 1 1 1 1)")
    assert [episode.undiscounted_return for episode in episodes] == [4.0, 9.0]
    assert (transitions.next_observation == 0.5).all(), "the fresh environment is at the same level"
    children = multiprocessing.active_children()
    lanes.close()
    assert not set(multiprocessing.active_children()) & {child for child in children if "Fatal" in child.name}


def test_isolated_lanes_fly_as_others_do():
    kwargs = {"reward": "shaped"}
    lanes = [Lanes(Recipe(HOVER, kwargs, 2, isolated=isolated), 3, 0, 0) for isolated in (False, True)]
    rng = numpy_generator(0, 0, "actions")
    for _ in range(150):
        actions = rng.integers(4, size=3)
        one, other = (each.step(actions) for each in lanes)
        assert all((a == b).all() for a, b in zip(vars(one[0]).values(), vars(other[0]).values(), strict=True))
        assert one[1] == other[1]
    for each in lanes:
        each.close()


ORPHAN = """
import os, re, signal, gymnasium, pathnet_envs
from pathnet_agents.isolated_env import IsolatedEnv

class Hanging(gymnasium.Env):
    observation_space = action_space = gymnasium.spaces.Discrete(2)
    def step(self, action):
        re.match("(a+)+$", "a" * 99 + "b")  # one call of compiled code, for longer than there is time

gymnasium.register("Hanging-v0", Hanging, disable_env_checker=True, order_enforce=False)
env = {env}
print(env._process.pid, flush=True)
{then}
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("env", "then"),
    [
        (f"IsolatedEnv({HOVER!r}, {{}})", ""),
        ("IsolatedEnv('Hanging-v0', {}, silent_s=3.0)", "env._connection.send(('step', (0,), {}))"),
    ],
    ids=["waiting", "hanging"],
)
def test_an_isolated_environment_ends_with_its_parent(env, then):
    script = ORPHAN.format(env=env, then=then)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
    until = time.monotonic() + 20
    while time.monotonic() < until and Path(f"/proc/{child}").exists():
        time.sleep(0.1)
    assert not Path(f"/proc/{child}").exists()


def test_what_an_isolated_environment_raises_is_raised_here():
    with pytest.raises(gymnasium.error.NameNotFound):
        IsolatedEnv("Nothing-v0", {})


def test_environments_that_hang_one_after_another_are_all_replaced(unreliable):
    Unreliable.plan = ["hang", "hang"]
    lanes = Lanes(Recipe(unreliable), 3, 0, 0, patience=Patience(step_timeout_s=0.3, failures_per_hour=5))
    for _ in range(5):
        lanes.step(np.zeros(3, dtype=np.int64))
    assert [failure.split(",")[0] for failure in lanes.failures] == [
        f"lane {lane}'s environment failed" for lane in (0, 1)
    ]


def test_an_environment_that_always_hangs_at_a_reset_is_named(unreliable, monkeypatch):
    def hang(self, *, seed=None, options=None):
        time.sleep(60)

    monkeypatch.setattr(Unreliable, "reset", hang)
    patience = Patience(step_timeout_s=0.3)
    with pytest.raises(AgentError, match="no environment can be reset with seed 1: TimeoutError"):
        HeldOut(Recipe(unreliable), lanes=1, patience=patience).run(lambda batch: [0], [1])


class Nonsense(gymnasium.Env):
    """Gives what no network can use in its fifth step, or at a reset, once for each of ``plan``."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)
    plan: list[tuple[np.ndarray, float]] = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.seen = 0, np.zeros(2, dtype=np.float32)
        return self.seen, {}

    def step(self, action):
        self.steps += 1
        observation, reward = self.plan.pop() if self.steps == 5 and self.plan else (np.ones(2, np.float32), 1.0)
        if observation.shape == (2,):  # one array for all its life
            self.seen[:] = observation
            observation = self.seen
        return observation, reward, self.steps == 9, False, {}


@pytest.mark.filterwarnings("ignore:.*share an object")
@pytest.mark.filterwarnings("ignore:.*(NaN|inf)")
@pytest.mark.parametrize(
    ("observation", "reward", "words"),
    [
        ([0.0, 0.0], np.nan, "ValueError: its reward is nan"),
        ([0.0, 0.0], -np.inf, "ValueError: its reward is -inf"),
        ([0.0, np.nan], 1.0, "ValueError: its observation is [ 0. nan]"),
        ([-np.inf, np.inf], 1.0, "ValueError: its observation is [-inf inf]"),
        ([0.0] * 3, 1.0, "ValueError: its observation has the shape (3,), its space (2,)"),
    ],
)
def test_an_environment_that_gives_nonsense_is_named_and_replaced(observation, reward, words):
    gymnasium.register("Nonsense-v0", Nonsense)
    Nonsense.plan = [(np.array(observation, dtype=np.float32), reward)]
    lanes = Lanes(Recipe("Nonsense-v0"), 2, 0, 0)
    returns = []
    for _ in range(18):
        transitions, episodes = lanes.step(np.zeros(2, dtype=np.int64))
        returns += [episode.undiscounted_return for episode in episodes]
        assert np.isfinite(transitions.next_observation).all() and np.isfinite(transitions.reward).all()
    gymnasium.registry.pop("Nonsense-v0")
    (failure,) = lanes.failures
    assert failure.startswith(f"lane 0's environment failed, {words} (seed")
    assert sorted(returns) == [4.0] + [9.0] * 3


class Spacious(Unreliable):
    """Observes what is finite, but too much to be summed up, and gives it as a list."""

    def step(self, action):
        _, *others = super().step(action)
        return [3e38, 3e38], *others


@pytest.mark.filterwarnings("ignore:.*The obs returned by")
def test_observations_may_be_large_and_lists():
    gymnasium.register("Spacious-v0", Spacious)
    lanes = Lanes(Recipe("Spacious-v0"), 2, 0, 0)
    transitions, _ = lanes.step(np.zeros(2, dtype=np.int64))
    gymnasium.registry.pop("Spacious-v0")
    assert lanes.failures == [] and (transitions.next_observation == np.float32(3e38)).all()
