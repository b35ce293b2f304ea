"""Level: where start states come from, between the easiest (0) and the full distribution (1)."""

from collections import deque

STEP = 0.1
WINDOW_EPISODES = 20
LOWER_BELOW = 0.2


class Level:
    """Rises a step when most of the latest episodes succeed, falls a step when few do.

    Args:
        adaptive: Start at 0 and adapt; otherwise stay at 1.
        raise_from: Success rate of the latest episodes from which the level rises.
    """

    def __init__(self, adaptive: bool, raise_from: float) -> None:
        self.adaptive, self.raise_from = adaptive, raise_from
        self.value = 0.0 if adaptive else 1.0
        self._successes: deque[bool] = deque(maxlen=WINDOW_EPISODES)

    def record(self, success: bool | None) -> str | None:
        """Take one episode's success and say in words why the level moved, or None where it stays."""
        if not self.adaptive or success is None:
            return None
        self._successes.append(success)
        if len(self._successes) < WINDOW_EPISODES:
            return None
        rate = sum(self._successes) / WINDOW_EPISODES
        if rate >= self.raise_from and self.value < 1.0:
            return self._move(STEP, rate, "up")
        if rate < LOWER_BELOW and self.value > 0.0:
            return self._move(-STEP, rate, "down")
        return None

    def _move(self, step: float, rate: float, direction: str) -> str:
        self.value = round(min(max(self.value + step, 0.0), 1.0), 6)
        self._successes.clear()
        return f"level {direction} to {self.value:.1f}: {rate:.0%} of {WINDOW_EPISODES} episodes succeeded"
