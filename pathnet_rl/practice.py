"""Practice: a sub-task's training episodes, means over the latest of them, and when these are worth verifying."""

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pathnet_rl.records import REPORTED_EPISODES
from pathnet_rl.settings import AdvanceSettings


@dataclass(frozen=True)
class Episode:
    """One finished episode.

    Attributes:
        undiscounted_return: Unscaled.
        steps: Environment steps.
        success: None where the environment does not report ``is_success``.
        measured: The number of the info that advancement measures, at the last step, if it does.
        lane: Where it was flown; of a held-out one the position of its seed.
    """

    undiscounted_return: float
    steps: int
    success: bool | None
    measured: float | None = None
    lane: int = 0


@dataclass(frozen=True)
class Window:
    """Means over some episodes, each None where there is nothing to average."""

    episodes: int
    success_rate: float | None
    mean_return: float | None  # of the returns that are finite
    measured: float | None


class Practice:
    """Keeps the latest training episodes of a sub-task.

    Args:
        advance: What is measured, over how many of them, and from where on a verification is worth its time.
    """

    def __init__(self, advance: AdvanceSettings) -> None:
        self.advance = advance
        self.episodes = 0
        """All that were finished."""
        self.recent: deque[Episode] = deque(maxlen=max(REPORTED_EPISODES, advance.window_episodes))

    def add(self, episode: Episode) -> None:
        """Take notice of a finished episode."""
        self.episodes += 1
        self.recent.append(episode)

    def values(self, measure: str, episodes: int) -> list[float]:
        """Return what advancement may measure of each of the latest episodes that reports it, if it is finite."""
        latest = list(self.recent)[-episodes:]
        if measure == "success_rate":
            return [float(episode.success) for episode in latest if episode.success is not None]
        if measure == "mean_return":
            return [each.undiscounted_return for each in latest if np.isfinite(each.undiscounted_return)]
        return [each.measured for each in latest if each.measured is not None and np.isfinite(each.measured)]

    def window(self, episodes: int = REPORTED_EPISODES) -> Window:
        """Return the means over the latest episodes, or over fewer where there are no more."""
        return Window(
            episodes=min(len(self.recent), episodes),
            success_rate=_mean(self.values("success_rate", episodes)),
            mean_return=_mean(self.values("mean_return", episodes)),
            measured=_mean(self.values("measured", episodes)),
        )

    @property
    def measure(self) -> float | None:
        """The mean of what advancement measures over its window; None until that is full."""
        if len(self.recent) < self.advance.window_episodes:
            return None
        return _mean(self.values(self.advance.measure, self.advance.window_episodes))

    @property
    def spread(self) -> float:
        """The standard deviation of what advancement measures over its window."""
        return float(np.std(self.values(self.advance.measure, self.advance.window_episodes)))

    @property
    def promising(self) -> bool:
        """Whether the window is full and good enough to verify, and enough episodes were flown."""
        value = self.measure
        enough = self.episodes >= self.advance.min_episodes
        return enough and value is not None and value >= self.advance.window_threshold

    def state_dict(self) -> dict[str, Any]:
        """Return all that changes as plain data."""
        return {"episodes": self.episodes, "recent": [asdict(episode) for episode in self.recent]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.episodes = state["episodes"]
        self.recent.extend(Episode(**episode) for episode in state["recent"])


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
