"""Teachers: strategies that choose the sub-goal and the level of the next episode.

A teacher is asked for a :class:`Lesson` and told its :class:`Outcome`; the wrappers in
:mod:`pathnet_envs.curriculum` do both for an environment. :data:`TEACHERS` has them by name.

Example:
    >>> from pathnet_envs.teachers import TEACHERS
    >>> sorted(TEACHERS)
    ['adaptive-level', 'alp-gmm', 'fixed-order', 'learning-progress']
"""

from pathnet_envs.teachers.adaptive_level import AdaptiveLevel
from pathnet_envs.teachers.alp_gmm import AlpGmm
from pathnet_envs.teachers.fixed_order import FixedOrder
from pathnet_envs.teachers.learning_progress import LearningProgress
from pathnet_envs.teachers.lesson import Lesson, Outcome
from pathnet_envs.teachers.teacher import TEACHERS, Teacher, register

__all__ = [
    "TEACHERS",
    "AdaptiveLevel",
    "AlpGmm",
    "FixedOrder",
    "LearningProgress",
    "Lesson",
    "Outcome",
    "Teacher",
    "register",
]
