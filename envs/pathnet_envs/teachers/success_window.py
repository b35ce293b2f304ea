"""SuccessWindow: how many of the latest episodes succeeded."""

from collections import deque
from collections.abc import Iterable

from pathnet_envs.checks import whole_within


class SuccessWindow:
    """The latest outcomes of one kind of lesson.

    Args:
        window_episodes: Outcomes that are remembered, and needed before there is a rate.

    Example:
        >>> window = SuccessWindow(2)
        >>> window.add(True)
        >>> print(window.rate)
        None
        >>> window.add(False)
        >>> window.rate
        0.5
        >>> print(window)
        1 of the last 2 episodes succeeded
    """

    def __init__(self, window_episodes: int) -> None:
        self._successes: deque[bool] = deque(maxlen=whole_within("window_episodes", window_episodes, 1))

    @property
    def rate(self) -> float | None:
        """Share of successes once the window is full; None before, as a few episodes say too little."""
        if len(self._successes) != self._successes.maxlen:
            return None
        return sum(self._successes) / len(self._successes)

    def add(self, success: bool) -> None:
        """Remember an outcome and forget the oldest one too many."""
        self._successes.append(success)

    def clear(self) -> None:
        """Forget all outcomes."""
        self._successes.clear()

    def outcomes(self) -> list[bool]:
        """Return the outcomes, oldest first."""
        return list(self._successes)

    def restore(self, outcomes: Iterable[bool]) -> None:
        """Remember these outcomes, oldest first, and no others."""
        self.clear()
        self._successes.extend(outcomes)

    def __str__(self) -> str:
        return f"{sum(self._successes)} of the last {len(self._successes)} episodes succeeded"
