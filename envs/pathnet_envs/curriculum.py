"""Curriculum and VectorCurriculum: wrappers through which a teacher chooses what each episode practises."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from numpy.typing import NDArray

from pathnet_envs.teachers import Lesson, Outcome, Teacher

CHOSEN = ("sub_goal", "level")
"""The two attributes of an environment that a teacher chooses; a new value takes effect at the next reset."""

Mask = NDArray[np.bool_]


class Curriculum(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Begins each episode with a lesson of the teacher and tells it the outcome.

    A reset in the middle of an episode abandons its lesson without an outcome. The seed of a reset does not
    reach the teacher, which has its own. Several environments of one process may share one teacher; a process
    of its own, as in ``AsyncVectorEnv`` or ``SubprocVecEnv``, gets a copy that learns alone, so wrap the vector
    in :class:`VectorCurriculum` there.

    Info, at reset and at every step, besides the environment's: ``sub_goal`` (str) and ``level`` (float) of the
    episode's lesson.

    Args:
        env: An environment with the attributes ``sub_goal`` and ``level``, which reports ``is_success`` in the
            info of an episode's last step.
        teacher: Whom to ask and tell.
        on_decision: Called with a sentence whenever the teacher decided something; ``print`` will do.

    Raises:
        AttributeError: If the environment lacks one of the attributes.

    Example:
        >>> import gymnasium, pathnet_envs
        >>> from pathnet_envs.teachers import TEACHERS
        >>> teacher = TEACHERS["adaptive-level"](["hover", "land"], seed=0)
        >>> env = Curriculum(gymnasium.make("PathNet/LanderLand-v0"), teacher, on_decision=print)
        >>> observation, info = env.reset(seed=0)
        >>> info["sub_goal"], info["level"]
        ('hover', 0.0)
    """

    def __init__(
        self, env: gymnasium.Env[Any, Any], teacher: Teacher, on_decision: Callable[[str], None] | None = None
    ) -> None:
        super().__init__(env)
        for name in CHOSEN:
            if not env.has_wrapper_attr(name):
                raise AttributeError(
                    f"env: {env} has no attribute {name!r} for a teacher to set; give one that has"
                )
        self.teacher = teacher
        self.on_decision = on_decision
        self._lesson: Lesson | None = None
        self._running = False
        self._return = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Ask for a lesson and begin it.

        Raises:
            ValueError: If an option would change what the teacher chose.
        """
        _leave_to_teacher(options)
        lesson = self.teacher.ask()
        for name in CHOSEN:
            self.env.set_wrapper_attr(name, getattr(lesson, name))
        observation, info = self.env.reset(seed=seed, options=options)
        self._lesson, self._running, self._return = lesson, True, 0.0
        return observation, {**info, "sub_goal": lesson.sub_goal, "level": lesson.level}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step the environment; on the last step tell the teacher.

        Raises:
            ResetNeeded: Before the first reset.
            ValueError: If ``is_success`` is missing from the last info.
        """
        lesson = self._lesson
        if lesson is None:
            raise ResetNeeded("step() before reset(); call reset() first")
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._return += float(reward)
        if self._running and (terminated or truncated):
            self._running = False
            if "is_success" not in info:
                raise _no_success("the episode's last info")
            _report(self, lesson, Outcome(bool(info["is_success"]), self._return))
        return (
            observation,
            reward,
            terminated,
            truncated,
            {**info, "sub_goal": lesson.sub_goal, "level": lesson.level},
        )


class VectorCurriculum(VectorWrapper[Any, Any, Any, Any, Any]):
    """Begins each lane's episodes with lessons of one teacher and tells it all their outcomes.

    Works in every autoreset mode. In ``SAME_STEP`` a lane begins its next episode within the step that ends one,
    so its lesson is asked for an episode ahead: it does not know of the latest outcome. A reset abandons the
    lessons of the lanes that it resets, all or those of ``reset_mask``.

    Info, at reset and at every step, besides the environment's: ``sub_goal``, ``(num_envs,)`` str objects, and
    ``level``, ``(num_envs,)`` float64, of each lane's present lesson; in ``final_info`` those of the ended ones.

    Args:
        env: A vector environment with ``set_attr`` and ``get_attr``, whose lanes have the attributes ``sub_goal``
            and ``level`` and report ``is_success`` in the info of an episode's last step.
        teacher: Whom to ask and tell.
        on_decision: Called with a sentence whenever the teacher decided something; ``print`` will do.

    Raises:
        ValueError: If the vector's metadata do not say its autoreset mode.

    Example:
        >>> import gymnasium, pathnet_envs
        >>> from pathnet_envs.teachers import TEACHERS
        >>> teacher = TEACHERS["adaptive-level"](["hover", "land"], seed=0)
        >>> lanes = gymnasium.make_vec("PathNet/LanderLand-v0", num_envs=2, vectorization_mode="sync")
        >>> observations, infos = VectorCurriculum(lanes, teacher, on_decision=print).reset(seed=0)
        >>> infos["sub_goal"].tolist(), infos["level"].tolist()
        (['hover', 'hover'], [0.0, 0.0])
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        teacher: Teacher,
        on_decision: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(env)
        self.teacher = teacher
        self.on_decision = on_decision
        self._autoreset = _autoreset_mode(env)
        self._vector = cast("Any", env.unwrapped)  # where Gymnasium's vectors have get_attr and set_attr
        # Of each lane's present and next episode. Reading them also finds out whether the attributes are there;
        # Gymnasium's set_attr would make them, to no effect.
        self._lessons = [Lesson(*chosen) for chosen in zip(*map(self._vector.get_attr, CHOSEN), strict=True)]
        self._next = list(self._lessons)
        self._running: Mask = np.zeros(self.num_envs, dtype=bool)
        self._returns: NDArray[np.float64] = np.zeros(self.num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Ask for a lesson for each lane that is reset, and begin it.

        Raises:
            ValueError: If an option would change what the teacher chose.
        """
        _leave_to_teacher(options)
        options = dict(options or {})  # a copy, as Gymnasium's vectors take the mask out of theirs
        mask = options.get("reset_mask")
        lanes: Mask = np.ones(self.num_envs, dtype=bool) if mask is None else np.array(mask)
        self._prepare(lanes)
        observations, infos = self.env.reset(seed=cast("Any", seed), options=options or None)
        self._begin(lanes)
        if self._autoreset is AutoresetMode.SAME_STEP:
            self._prepare(lanes)
        return observations, {**infos, **self._names(lanes)}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step all lanes, tell the teacher of those that ended, and ask for their next lessons.

        Raises:
            ValueError: If ``is_success`` is missing from the last info of a lane.
        """
        observations, rewards, terminations, truncations, infos = self.env.step(actions)
        self._returns += rewards  # in float64; what a lane is paid between episodes is cleared as the next begins
        ended = np.logical_or(terminations, truncations) & self._running
        if self._autoreset is AutoresetMode.NEXT_STEP:
            self._begin(~self._running)  # this step was the reset of those that were waiting for it
        if ended.any():
            infos = self._end(ended, infos)
        return observations, rewards, terminations, truncations, {**infos, **self._names()}

    def _prepare(self, lanes: Mask) -> None:
        """Ask for the next lessons of these lanes and set them, to take effect at their next reset."""
        for lane in np.flatnonzero(lanes):
            self._next[lane] = self.teacher.ask()
        for name in CHOSEN:
            self._vector.set_attr(name, [getattr(lesson, name) for lesson in self._next])

    def _begin(self, lanes: Mask) -> None:
        """Let these lanes play the lessons that were prepared."""
        for lane in np.flatnonzero(lanes):
            self._lessons[lane] = self._next[lane]
        self._returns[lanes] = 0.0
        self._running[lanes] = True

    def _end(self, lanes: Mask, infos: dict[str, Any]) -> dict[str, Any]:
        """Tell the teacher of these lanes, prepare what comes next, and return the infos."""
        same_step = self._autoreset is AutoresetMode.SAME_STEP
        self._tell(lanes, infos.get("final_info", {}) if same_step else infos)
        self._running[lanes] = False
        if same_step:
            infos = {**infos, "final_info": {**infos["final_info"], **self._names(lanes)}}
            self._begin(lanes)
        if self._autoreset is not AutoresetMode.DISABLED:
            self._prepare(lanes)
        return infos

    def _tell(self, lanes: Mask, infos: Mapping[str, Any]) -> None:
        """Tell the teacher the outcomes of these lanes, whose last infos these are."""
        known = infos.get("_is_success", lanes) & ("is_success" in infos)
        for lane in np.flatnonzero(lanes):
            if not known[lane]:
                raise _no_success(f"lane {lane}'s last info")
            outcome = Outcome(bool(infos["is_success"][lane]), float(self._returns[lane]))
            _report(self, self._lessons[lane], outcome)

    def _names(self, lanes: Mask | None = None) -> dict[str, Any]:
        """Return the present lessons of these lanes, or of all, as a vector's infos."""
        mask: Mask = np.ones(self.num_envs, dtype=bool) if lanes is None else lanes
        return {
            "sub_goal": np.array([lesson.sub_goal for lesson in self._lessons], dtype=object),
            "_sub_goal": mask.copy(),
            "level": np.array([lesson.level for lesson in self._lessons]),
            "_level": mask.copy(),
        }


def _report(wrapper: Curriculum | VectorCurriculum, lesson: Lesson, outcome: Outcome) -> None:
    """Tell the teacher, and pass on what it decided."""
    decision = wrapper.teacher.tell(lesson, outcome)
    if decision is not None and wrapper.on_decision is not None:
        wrapper.on_decision(decision)


def _leave_to_teacher(options: Mapping[str, Any] | None) -> None:
    """Refuse reset options that would make the episode another than the lesson."""
    for name in CHOSEN:
        if options and name in options:
            raise ValueError(f"reset options: {name!r} is the teacher's to choose; leave it out")


def _no_success(place: str) -> ValueError:
    return ValueError(f"{place} has no 'is_success'; the environment has to say it on the last step")


def _autoreset_mode(env: VectorEnv[Any, Any, Any]) -> AutoresetMode:
    """Return when lanes are reset, which decides when a lesson has to be set."""
    mode = env.metadata.get("autoreset_mode")
    if not isinstance(mode, AutoresetMode):
        raise ValueError(f"env: metadata['autoreset_mode'] of {env} is {mode!r}; it has to be an AutoresetMode")
    return mode
