"""Fixed order with mastery.

Source: Bengio et al. 2009, "Curriculum Learning", https://doi.org/10.1145/1553374.1553380; with a mastery threshold
it is the hand-crafted curriculum that Matiisen et al. 2017 (arXiv:1707.00183) compare their teachers with.
"""

from collections.abc import Sequence

from pathnet_envs.checks import within
from pathnet_envs.teachers.in_order import InOrder
from pathnet_envs.teachers.lesson import Lesson, Outcome
from pathnet_envs.teachers.teacher import register


@register("fixed-order")
class FixedOrder(InOrder):
    """The sub-goals in their order at one level, each until its success rate reaches a threshold.

    Different from the sources: whole tasks follow each other, where Bengio et al. reweight the examples of one;
    mastery is a success rate over training episodes, where Matiisen et al. evaluate the learner on its own. A
    threshold that no exploring learner reaches holds the curriculum up for ever; the default leaves room for
    failures by exploration.

    Args:
        sub_goals: The order; see :class:`Teacher`.
        seed: See :class:`Teacher`; nothing is drawn.
        window_episodes: Latest episodes that the success rate is taken over, 1 or more.
        threshold: Success rate from which a sub-goal counts as mastered, in [0, 1].
        level: The level of every lesson, in [0, 1].
    """

    def __init__(
        self,
        sub_goals: Sequence[str],
        seed: int,
        *,
        window_episodes: int = 50,
        threshold: float = 0.8,
        level: float = 1.0,
    ) -> None:
        super().__init__(sub_goals, seed, window_episodes=window_episodes, threshold=threshold)
        self.level = within("level", level, 0.0, 1.0)

    def ask(self) -> Lesson:
        """Return a lesson of the present sub-goal."""
        return Lesson(self.sub_goal, self.level)

    def _learn(self, lesson: Lesson, outcome: Outcome) -> str | None:
        """Count an outcome of the present sub-goal; one that was left has nothing more to say."""
        if self.finished or lesson != self.ask():
            return None
        self._window.add(outcome.success)
        rate = self._window.rate
        return self._leave_mastered() if rate is not None and rate >= self.threshold else None
