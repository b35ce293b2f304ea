"""The two wrappers: lessons reach the environment, outcomes reach the teacher, in every kind of loop."""

import itertools

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from pathnet_envs.curriculum import Curriculum, VectorCurriculum
from pathnet_envs.lander import LanderSubTask
from pathnet_envs.scripted import scripted
from pathnet_envs.teachers import TEACHERS, FixedOrder, Lesson, Teacher
from pathnet_envs.vector import LanderVector

LESSONS = (Lesson("kill-spin", 0.0), Lesson("go-to-x", 0.0), Lesson("kill-spin", 1.0), Lesson("go-to-x", 1.0))
# Where a lesson's first observation shows that it is played: index of the number, and its range.
SHOWN = {
    LESSONS[0]: (5, 0.1, 0.26),
    LESSONS[1]: (0, 0.0, 0.21),
    LESSONS[2]: (5, 0.38, 1.0),
    LESSONS[3]: (0, 0.29, 0.71),
}


class Notebook(Teacher):
    """Gives out lessons in turn and writes down all that it is asked and told."""

    def __init__(self, lessons=LESSONS):
        super().__init__(list({lesson.sub_goal for lesson in lessons}), 0)
        self.turn = itertools.cycle(lessons)
        self.given, self.told = [], []

    def ask(self):
        self.given.append(next(self.turn))
        return self.given[-1]

    def _learn(self, lesson, outcome):
        self.told.append((lesson, outcome))
        return f"heard of {lesson.sub_goal}" if len(self.told) % 2 else None


class Stub(gymnasium.Env):
    """Ends after one step, without saying whether that was a success."""

    observation_space = action_space = gymnasium.spaces.Discrete(2)

    def __init__(self):
        self.sub_goal, self.level = "hover", 1.0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        return 0, 1.0, True, False, {}


class Countdown(VectorEnv):
    """A vector of its own: an episode lasts 1 to 4 steps by its level, pays 1 a step, and succeeds if named "won".

    Its infos have no masks, and the step that resets a lane pays 100, which belongs to no episode.
    """

    def __init__(self, num_envs, mode):
        self.num_envs, self.metadata = num_envs, {"autoreset_mode": mode}
        self.chosen = {"sub_goal": ["won"] * num_envs, "level": [0.0] * num_envs}
        self.left, self.won, self.ended = (np.zeros(num_envs, dtype=kind) for kind in (int, bool, bool))

    def get_attr(self, name):
        return tuple(self.chosen[name])

    def set_attr(self, name, values):
        assert len(values) == self.num_envs
        self.chosen[name] = list(values)

    def begin(self, lanes):
        for lane in np.flatnonzero(lanes):
            self.left[lane] = 1 + round(3 * self.chosen["level"][lane])
            self.won[lane] = self.chosen["sub_goal"][lane] == "won"
        self.ended[lanes] = False

    def reset(self, *, seed=None, options=None):
        self.begin((options or {}).pop("reset_mask", np.ones(self.num_envs, dtype=bool)))
        return self.left.copy(), {}

    def step(self, actions):
        mode, waiting = self.metadata["autoreset_mode"], self.ended.copy()
        if mode is AutoresetMode.NEXT_STEP:
            self.begin(waiting)
        self.left[~waiting] -= 1
        self.ended = (self.left <= 0) & ~waiting
        done, infos = self.ended.copy(), {"is_success": self.won & self.ended}
        if mode is AutoresetMode.SAME_STEP and done.any():
            infos = {"is_success": np.zeros(self.num_envs, dtype=bool), "final_info": infos}
            self.begin(done)
        rewards = np.where(waiting, 100.0, 1.0).astype(np.float32)
        return self.left.copy(), rewards, done, np.zeros(self.num_envs, dtype=bool), infos


def make(**settings):
    return gymnasium.make("PathNet/LanderLand-v0", **settings)


def shows(observation, lesson):
    index, low, high = SHOWN[lesson]
    return low <= abs(observation[index]) <= high


def play(env, action=0):
    """Play an episode to its end and return its first observation, every info and its return."""
    observation, info = env.reset()
    infos, total, ended = [info], 0.0, False
    while not ended:
        _, reward, terminated, truncated, info = env.step(action)
        infos.append(info)
        total += reward
        ended = terminated or truncated
    return observation, infos, total


# One environment.


def test_a_plain_loop_plays_the_lessons_and_tells_their_outcomes():
    teacher, decisions = Notebook(), []
    env = Curriculum(make(), teacher, on_decision=decisions.append)
    env.reset(seed=1)
    teacher.given.clear()
    for episode in range(8):
        observation, infos, total = play(env)
        lesson = teacher.given[-1]
        assert len(teacher.given) == len(teacher.told) == episode + 1
        assert shows(observation, lesson)
        assert env.unwrapped.goal.name == lesson.sub_goal
        assert all((info["sub_goal"], info["level"]) == (lesson.sub_goal, lesson.level) for info in infos)
        told, outcome = teacher.told[-1]
        assert told == lesson
        assert outcome.success is infos[-1]["is_success"]
        assert outcome.episode_return == pytest.approx(total)
    assert decisions == [f"heard of {lesson.sub_goal}" for lesson, _ in teacher.told[::2]]


def test_a_reset_in_the_middle_abandons_the_lesson():
    teacher = Notebook()
    env = Curriculum(make(), teacher)
    env.reset(seed=1)
    env.step(0)
    _, infos, total = play(env)
    assert teacher.given == list(LESSONS[:2])
    ((lesson, outcome),) = teacher.told
    assert lesson == LESSONS[1]
    assert outcome.episode_return == pytest.approx(total)
    assert infos[0]["sub_goal"] == "go-to-x"


def test_an_end_is_told_once_even_if_the_loop_goes_on():
    teacher = Notebook([Lesson("kill-spin", 0.0)])
    env = Curriculum(make(reward="native"), teacher)
    env.reset(seed=1)
    ends = sum(any(env.step(2 if step % 2 else 0)[2:4]) for step in range(120))
    assert ends > 1
    assert len(teacher.told) == 1


def test_a_teacher_leads_a_real_controller_to_the_next_sub_goal():
    teacher, decisions = FixedOrder(["kill-spin", "upright"], 0, window_episodes=3), []
    env = Curriculum(make(reward="sparse"), teacher, on_decision=decisions.append)
    for seed in range(6):
        observation, info = env.reset(seed=seed)
        policy, ended = scripted(info["sub_goal"]), False
        while not ended:
            observation, _, terminated, truncated, _ = env.step(policy(observation))
            ended = terminated or truncated
    assert decisions[0] == (
        "kill-spin is mastered: 3 of the last 3 episodes succeeded (threshold 0.8); next is upright"
    )
    assert info["sub_goal"] == "upright"


def test_the_seed_of_a_reset_decides_the_episode_but_not_the_lesson():
    observations = [Curriculum(make(), Notebook()).reset(seed=4)[0] for _ in range(2)]
    assert (observations[0] == observations[1]).all()
    teacher = TEACHERS["alp-gmm"](["kill-spin"], 0)
    env = Curriculum(make(), teacher)
    assert env.reset(seed=4)[1]["level"] != env.reset(seed=4)[1]["level"]


@pytest.mark.parametrize("name", ["sub_goal", "level"])
def test_an_option_that_contradicts_the_teacher_is_refused(name):
    teacher = Notebook()
    env = Curriculum(make(), teacher)
    lanes = VectorCurriculum(LanderVector(2, sub_goal="land"), teacher)
    for wrapper in (env, lanes):
        with pytest.raises(ValueError, match=f"reset options: '{name}' is the teacher's to choose"):
            wrapper.reset(options={name: 0.5})
    assert teacher.given == []
    observation, _ = env.reset(seed=0, options={"state": {"x": 0.5, "y": 1.0}})  # others reach the environment
    assert observation[0] == pytest.approx(0.5, abs=0.01)


def test_an_environment_without_the_attributes_is_refused():
    with pytest.raises(AttributeError, match="has no attribute 'sub_goal' for a teacher to set"):
        Curriculum(gymnasium.make("CartPole-v1"), Notebook())
    with pytest.raises(AttributeError, match="sub_goal"):
        VectorCurriculum(gymnasium.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync"), Notebook())


def test_an_end_without_a_word_on_success_is_refused():
    env = Curriculum(Stub(), Notebook())
    env.reset()
    with pytest.raises(ValueError, match="the episode's last info has no 'is_success'"):
        env.step(0)
    for mode in AutoresetMode:
        lanes = VectorCurriculum(SyncVectorEnv([Stub, Stub], autoreset_mode=mode), Notebook())
        lanes.reset()
        with pytest.raises(ValueError, match="lane 0's last info has no 'is_success'"):
            lanes.step([0, 0])


def test_a_step_before_the_first_reset_is_refused():
    with pytest.raises(ResetNeeded, match="call reset"):
        Curriculum(make(), Notebook()).step(0)


def test_a_vector_that_does_not_say_its_autoreset_mode_is_refused():
    with pytest.raises(ValueError, match=r"metadata\['autoreset_mode'\] of .* is None"):
        VectorCurriculum(Countdown(2, None), Notebook())


# Stable-Baselines3.


@pytest.mark.parametrize("monitored", [False, True])
def test_stable_baselines_learns_through_the_wrapper(monitored):
    teacher, decisions = TEACHERS["adaptive-level"](["kill-spin", "upright"], 0, window_episodes=4), []
    lanes = DummyVecEnv([lambda: Curriculum(make(reward="sparse"), teacher, decisions.append)] * 2)
    learner = PPO("MlpPolicy", VecMonitor(lanes) if monitored else lanes, n_steps=128, batch_size=64, seed=0)
    told = []
    tell = teacher.tell
    teacher.tell = lambda lesson, outcome: told.append(lesson) or tell(lesson, outcome)
    learner.learn(600)
    assert learner.num_timesteps >= 600
    assert len(told) >= 6
    if monitored:
        assert len(learner.ep_info_buffer) == len(told)
    assert decisions[0].startswith("kill-spin's level is raised from 0 to 0.1")
    lanes.close()


# Vectors.


def sync_lanes(count, mode):
    return SyncVectorEnv([lambda: LanderSubTask("land")] * count, autoreset_mode=mode)


def async_lanes(count, mode):
    return AsyncVectorEnv([lambda: LanderSubTask("land")] * count, autoreset_mode=mode)


def own_lanes(count, mode):
    return LanderVector(count, sub_goal="land", autoreset_mode=mode)


def counted_lanes(count, mode):
    return RecordEpisodeStatistics(sync_lanes(count, mode))


class Logbook:
    """What a loop sees of a vector with a curriculum, put together again from its outputs alone."""

    def __init__(self, lanes):
        self.lanes, self.mode = lanes, lanes.metadata["autoreset_mode"]
        self.began, self.ended = [], []  # (lesson, first observation), (lesson, success, return)
        self.waiting = np.zeros(lanes.num_envs, dtype=bool)

    def reset(self, **arguments):
        observations, infos = self.lanes.reset(**arguments)
        self.present, self.returns = [None] * self.lanes.num_envs, np.zeros(self.lanes.num_envs)
        self.begin(infos["_sub_goal"], observations, infos)

    def begin(self, mask, observations, infos):
        for lane in np.flatnonzero(mask):
            lesson = Lesson(infos["sub_goal"][lane], float(infos["level"][lane]))
            self.present[lane], self.returns[lane] = lesson, 0.0
            self.began.append((lesson, observations[lane]))

    def step(self):
        actions = np.zeros(self.lanes.num_envs, dtype=np.int64)
        observations, rewards, terminations, truncations, infos = self.lanes.step(actions)
        assert infos["_sub_goal"].all()
        assert infos["_level"].all()
        self.returns += np.where(self.waiting, 0.0, rewards)
        ended = terminations | truncations
        last = infos["final_info"] if self.mode is AutoresetMode.SAME_STEP and ended.any() else infos
        for lane in np.flatnonzero(ended):
            lesson = Lesson(last["sub_goal"][lane], float(last["level"][lane]))
            assert last["_sub_goal"][lane]
            assert lesson == self.present[lane]
            self.ended.append((lesson, bool(last["is_success"][lane]), self.returns[lane]))
        if self.mode is AutoresetMode.NEXT_STEP:
            self.begin(self.waiting, observations, infos)
            self.waiting = ended
        elif self.mode is AutoresetMode.SAME_STEP:
            self.begin(ended, observations, infos)
        elif ended.any():
            observations, infos = self.lanes.reset(options={"reset_mask": ended})
            assert (infos["_sub_goal"] == ended).all()
            self.begin(ended, observations, infos)


@pytest.mark.parametrize("mode", AutoresetMode, ids=lambda mode: mode.name)
@pytest.mark.parametrize("make_lanes", [sync_lanes, async_lanes, own_lanes, counted_lanes])
def test_lanes_play_the_lessons_and_tell_their_outcomes(make_lanes, mode):
    teacher, decisions = Notebook(), []
    lanes = VectorCurriculum(make_lanes(3, mode), teacher, on_decision=decisions.append)
    log = Logbook(lanes)
    log.reset(seed=2)
    for _ in range(350):
        log.step()
    assert len(log.ended) >= 6
    assert all(shows(observation, lesson) for lesson, observation in log.began)
    assert {lesson for lesson, _ in log.began} == set(LESSONS)
    assert [(lesson, outcome.success) for lesson, outcome in teacher.told] == [end[:2] for end in log.ended]
    assert [outcome.episode_return for _, outcome in teacher.told] == pytest.approx([end[2] for end in log.ended])
    assert len(decisions) == (len(teacher.told) + 1) // 2
    lanes.close()


@given(
    st.sampled_from(AutoresetMode),
    st.lists(
        st.builds(Lesson, st.sampled_from(["won", "lost"]), st.sampled_from([0.0, 1 / 3, 2 / 3, 1.0])), min_size=1
    ),
    st.integers(1, 5),
    st.lists(st.integers(0, 9), max_size=40),
)
def test_any_vector_tells_each_lesson_with_its_own_outcome(mode, lessons, count, plan):
    teacher = Notebook(lessons)
    log, unused = Logbook(VectorCurriculum(Countdown(count, mode), teacher)), 0

    def asked_ahead():
        return count if mode is AutoresetMode.SAME_STEP else int(log.waiting.sum())

    log.reset()
    for number in plan:
        if number == 0:  # a reset of all lanes, in the middle of some episodes
            unused += asked_ahead()
            log.waiting[:] = False
            log.reset()
        else:
            log.step()
    assert [(lesson, outcome.success, outcome.episode_return) for lesson, outcome in teacher.told] == log.ended
    for lesson, outcome in teacher.told:
        assert outcome.success == (lesson.sub_goal == "won")
        assert outcome.episode_return == 1 + round(3 * lesson.level)
    assert len(teacher.given) == len(log.began) + unused + asked_ahead()


def test_a_masked_reset_leaves_the_other_lanes_alone():
    teacher = Notebook()
    lanes = VectorCurriculum(sync_lanes(3, AutoresetMode.DISABLED), teacher)
    lanes.reset(seed=0)
    mask = np.array([False, True, False])
    options = {"reset_mask": mask}
    observations, infos = lanes.reset(options=options)
    assert options == {"reset_mask": mask}
    assert infos["_level"].tolist() == mask.tolist()
    assert infos["sub_goal"].tolist() == ["kill-spin", "go-to-x", "kill-spin"]
    assert shows(observations[1], LESSONS[3])
    assert [goal.name for goal in lanes.unwrapped.get_attr("goal")] == ["kill-spin", "go-to-x", "kill-spin"]
    assert teacher.told == []
