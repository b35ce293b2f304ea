"""Adaptive level: harder while it goes well, easier while it does not.

Source: Akkaya et al. 2019 (arXiv:1910.07113), section 5, automatic domain randomization.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pathnet_envs.checks import whole_within, within
from pathnet_envs.teachers.in_order import InOrder
from pathnet_envs.teachers.lesson import Lesson, Outcome
from pathnet_envs.teachers.teacher import register


@register("adaptive-level")
class AdaptiveLevel(InOrder):
    """The sub-goals in their order, each from level 0 up to level 1, a step up or down at a time.

    Different from the paper: there is one parameter, the level, and every lesson is at its present value, where
    the paper widens a range and draws from it; the window slides over single episodes instead of being emptied
    once full; at the hardest level a threshold ends the sub-goal and the next begins at level 0.

    Args:
        sub_goals: The order; see :class:`Teacher`.
        seed: See :class:`Teacher`; nothing is drawn.
        window_episodes: Latest episodes at one level that a success rate is taken over, 1 or more. Each move
            costs at least so many.
        threshold: Success rate at level 1 from which a sub-goal counts as mastered, in [0, 1].
        raise_above: Success rate above which the level is raised, in [0, 1].
        lower_below: Success rate below which the level is lowered, in [0, raise_above].
        level_steps: Equal steps from level 0 to level 1, 1 or more. More of them are gentler and take longer.
    """

    def __init__(
        self,
        sub_goals: Sequence[str],
        seed: int,
        *,
        window_episodes: int = 20,
        threshold: float = 0.8,
        raise_above: float = 0.8,
        lower_below: float = 0.2,
        level_steps: int = 10,
    ) -> None:
        super().__init__(sub_goals, seed, window_episodes=window_episodes, threshold=threshold)
        self.raise_above = within("raise_above", raise_above, 0.0, 1.0)
        self.lower_below = within("lower_below", lower_below, 0.0, self.raise_above)
        self.level_steps = whole_within("level_steps", level_steps, 1)
        self._step = 0  # whole, so that a level that is come back to is the same float

    @property
    def level(self) -> float:
        """The level that is practised now."""
        return self._step / self.level_steps

    def ask(self) -> Lesson:
        """Return a lesson of the present sub-goal at the present level."""
        return Lesson(self.sub_goal, self.level)

    def state_dict(self) -> dict[str, Any]:
        """Return the level too, in steps."""
        return super().state_dict() | {"step": self._step}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on at the same level."""
        super().load_state_dict(state)
        self._step = state["step"]

    def _learn(self, lesson: Lesson, outcome: Outcome) -> str | None:
        """Count an outcome of the present lesson; one from before a move says nothing about the present level."""
        if self.finished or lesson != self.ask():
            return None
        self._window.add(outcome.success)
        rate = self._window.rate
        return None if rate is None else self._judge(rate)

    def _judge(self, rate: float) -> str | None:
        """Decide by the success rate at the present level."""
        hardest = self._step == self.level_steps
        if hardest and rate >= self.threshold:
            sentence = self._leave_mastered()
            self._step = self.level_steps if self.finished else 0
            return sentence
        if not hardest and rate > self.raise_above:
            return self._move(1, f"above {self.raise_above:g}")
        if self._step > 0 and rate < self.lower_below:
            return self._move(-1, f"below {self.lower_below:g}")
        return None

    def _move(self, steps: int, bound: str) -> str:
        """Move the level and begin a new window."""
        before, why = self.level, f"{self._window} ({bound})"
        self._step += steps
        self._window.clear()
        word = "raised" if steps > 0 else "lowered"
        return f"{self.sub_goal}'s level is {word} from {before:g} to {self.level:g}: {why}"
