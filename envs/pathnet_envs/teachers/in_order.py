"""InOrder: what teachers that take one sub-goal after the other have in common."""

from collections.abc import Mapping, Sequence
from typing import Any

from pathnet_envs.checks import within
from pathnet_envs.teachers.success_window import SuccessWindow
from pathnet_envs.teachers.teacher import Teacher


class InOrder(Teacher):
    """One sub-goal after the other, each until it is mastered.

    Args:
        sub_goals: See :class:`Teacher`.
        seed: See :class:`Teacher`.
        window_episodes: Latest episodes that a success rate is taken over, 1 or more.
        threshold: Success rate from which a sub-goal counts as mastered, in [0, 1].

    Attributes:
        finished: Whether the last sub-goal is mastered too. Its lessons go on; nothing is decided any more.
    """

    def __init__(self, sub_goals: Sequence[str], seed: int, *, window_episodes: int, threshold: float) -> None:
        super().__init__(sub_goals, seed)
        self.threshold = within("threshold", threshold, 0.0, 1.0)
        self.finished = False
        self._window = SuccessWindow(window_episodes)
        self._position = 0

    @property
    def sub_goal(self) -> str:
        """The sub-goal that is practised now."""
        return self.sub_goals[self._position]

    def state_dict(self) -> dict[str, Any]:
        """Return the place in the order and the window too."""
        return super().state_dict() | {
            "position": self._position,
            "finished": self.finished,
            "window": self._window.outcomes(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on at the same place with the same window."""
        super().load_state_dict(state)
        self._position = state["position"]
        self.finished = state["finished"]
        self._window.restore(state["window"])

    def _leave_mastered(self) -> str:
        """Go to the next sub-goal, or stay at the last."""
        why = f"{self.sub_goal} is mastered: {self._window} (threshold {self.threshold:g})"
        self._window.clear()
        if self._position == len(self.sub_goals) - 1:
            self.finished = True
            return f"{why}; it is the last sub-goal, so its lessons go on"
        self._position += 1
        return f"{why}; next is {self.sub_goal}"
