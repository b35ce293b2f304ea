"""Level: how hard the next episode starts, between the easiest (0) and the full distribution (1)."""

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import entry_points
from typing import Any, Protocol

from pathnet_rl.rng import seed_sequence
from pathnet_rl.settings import SubTaskSettings
from pathnet_rl.teacher import ENTRY_POINTS, Outcome, Teacher

STEP, SMALLEST_STEP = 0.1, 0.0125
WINDOW_EPISODES = 20
LOWER_BELOW = 0.2


class Level(Protocol):
    """Chooses the level of every episode, and hears how it went."""

    @property
    def value(self) -> float | None:
        """The present level, None where there is nothing to choose."""
        ...

    @property
    def hardest(self) -> bool:
        """Whether practice is at full difficulty, so that its success says something about mastery."""
        ...

    def ask(self, lane: int) -> float | None:
        """Return the level of a lane's next episode, None for an environment that is left alone."""
        ...

    def record(self, lane: int, success: bool | None, episode_return: float) -> str | None:
        """Take the episode that a lane has finished; say in words what was decided, or None where nothing was."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return all that changes as plain data."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        ...


def level_of(settings: SubTaskSettings, seed: int, index: int) -> Level:
    """Return what chooses the levels of a sub-task: its teacher, its own adaptive level, or nothing."""
    if settings.teacher is not None:
        return TaughtLevel(settings.teacher, settings.name, seed, index)
    return AdaptiveLevel(settings.level_raise_from) if settings.level == "adaptive" else FullLevel()


class FullLevel:
    """Nothing to choose: the environment starts as it does by itself."""

    value: float | None = None
    hardest = True

    def ask(self, lane: int) -> float | None:
        """Leave the environment alone."""
        del lane

    def record(self, lane: int, success: bool | None, episode_return: float) -> str | None:
        """Decide nothing."""
        del lane, success, episode_return

    def state_dict(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take nothing."""
        del state


class AdaptiveLevel:
    """Rises when most of the latest episodes succeed, falls when few do.

    A fall is always a whole step and halves the next rise; a rise lets the next one grow again by half. Where a
    little more is far too much, as with the last of the fuel, the way up is so taken in small steps. An episode
    that began at another level than the present one is not counted.

    Args:
        raise_from: Success rate of the latest episodes from which the level rises.
    """

    def __init__(self, raise_from: float) -> None:
        self.raise_from = raise_from
        self.value: float | None = 0.0
        self._level, self._rise = 0.0, STEP
        self._begun: dict[int, float] = {}  # the level that each lane's episode began at
        self._successes: deque[bool] = deque(maxlen=WINDOW_EPISODES)

    @property
    def hardest(self) -> bool:
        """Whether the level has come to 1."""
        return self._level >= 1.0

    def ask(self, lane: int) -> float | None:
        """Return the present level."""
        self._begun[lane] = self._level
        return self._level

    def record(self, lane: int, success: bool | None, episode_return: float) -> str | None:
        """Count one episode of the present level and move when a window of them says so."""
        del episode_return
        if success is None or self._begun[lane] != self._level:
            return None
        self._successes.append(success)
        if len(self._successes) < WINDOW_EPISODES:
            return None
        rate = sum(self._successes) / WINDOW_EPISODES
        if rate >= self.raise_from and self._level < 1.0:
            self._set(self._level + self._rise)
            self._rise = min(1.5 * self._rise, STEP)
            return self._told("up", rate)
        if rate < LOWER_BELOW and self._level > 0.0:
            self._set(self._level - STEP)
            self._rise = max(0.5 * self._rise, SMALLEST_STEP)
            return self._told("down", rate)
        return None

    def _told(self, direction: str, rate: float) -> str:
        self._successes.clear()
        return f"level {direction} to {self._level:.2g}: {rate:.0%} of {WINDOW_EPISODES} episodes succeeded"

    def restart(self, level: float = 0.0) -> None:
        """Go to a level, by default the easiest, and count from there."""
        self._set(level)
        self._rise = STEP
        self._successes.clear()

    def _set(self, level: float) -> None:
        self.value = self._level = round(min(max(level, 0.0), 1.0), 6)

    def state_dict(self) -> dict[str, Any]:
        """Return the level, the window and what each lane began at."""
        begun = [[lane, level] for lane, level in self._begun.items()]
        return {"level": self._level, "rise": self._rise, "successes": list(self._successes), "begun": begun}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on at the same level."""
        self._set(state["level"])
        self._rise = state["rise"]
        self._begun = dict(state["begun"])
        self._successes = deque(state["successes"], maxlen=WINDOW_EPISODES)


class TaughtLevel:
    """A teacher of the entry-point group ``pathnet_rl.teachers`` chooses the level of every single episode.

    Args:
        teacher: Its name there.
        task: The sub-task's name, the only sub-goal that the teacher is told of.
        seed: The run's seed.
        index: The sub-task's index.
    """

    hardest = True  # a teacher may go on mixing levels for ever; verification is always at full difficulty

    def __init__(self, teacher: str, task: str, seed: int, index: int) -> None:
        self._strategy = {point.name: point for point in entry_points(group=ENTRY_POINTS)}[teacher].load()
        self._task = task
        words = seed_sequence(seed, index, "teacher").generate_state(1)
        self.teacher: Teacher = self._strategy([task], int(words[0]))
        self._lessons: dict[int, Any] = {}  # what each lane practises now
        self._latest: deque[float] = deque(maxlen=WINDOW_EPISODES)

    @property
    def value(self) -> float | None:
        """The mean of the levels asked for of late."""
        return sum(self._latest) / len(self._latest) if self._latest else 0.0

    def ask(self, lane: int) -> float | None:
        """Return the level of the teacher's next lesson."""
        lesson = self.teacher.ask()
        self._lessons[lane] = lesson
        self._latest.append(lesson.level)
        return lesson.level

    def record(self, lane: int, success: bool | None, episode_return: float) -> str | None:
        """Tell the teacher how the lesson went."""
        return self.teacher.tell(self._lessons[lane], Outcome(bool(success), episode_return))

    def state_dict(self) -> dict[str, Any]:
        """Return the teacher's state and the lessons under way."""
        lessons = [[lane, asdict(lesson)] for lane, lesson in self._lessons.items()]
        return {"teacher": self.teacher.state_dict(), "latest": list(self._latest), "lessons": lessons}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the teacher go on."""
        self.teacher.load_state_dict(state["teacher"])
        self._latest = deque(state["latest"], maxlen=WINDOW_EPISODES)
        lesson = type(self._strategy([self._task], 0).ask())
        self._lessons = {lane: lesson(**fields) for lane, fields in state["lessons"]}
