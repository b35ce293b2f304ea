"""One sub-task of LunarLander-v3 as a Gymnasium environment."""

import difflib
import math
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded
from numpy.typing import NDArray

from pathnet_envs import body
from pathnet_envs.body import LunarLander
from pathnet_envs.rewards import REWARDS, Reward
from pathnet_envs.sub_goals import PAD_HALF_WIDTH, SUB_GOALS, SubGoal

Observation = NDArray[np.float32]


class LanderSubTask(gymnasium.Env[Observation, int]):
    """A sub-goal of landing: LunarLander-v3's physics and spaces, own start, reward and end.

    Observation: ``Box``, ``(8,)`` float32: x (10 m a unit), y (6.667 m), vx (5 m/s), vy (7.5 m/s), angle
    (rad), angular velocity (2.5 rad/s), contact of the left and of the right leg.

    Action: ``Discrete(4)``: nothing, left engine, main engine, right engine. Any other raises
    ``gymnasium.error.InvalidAction``.

    Start: drawn around the sub-goal (see :mod:`pathnet_envs.starts`) on LunarLander's random terrain, clear
    of it. ``level`` moves it from the easiest (0) to full difficulty (1), from the next reset on. ``land``
    always begins with LunarLander's own start. The seed decides terrain, start and engine noise: the same
    seed and actions give the same trajectory, bit for bit.

    Success: the sub-goal's formula is true for its ``hold_steps`` consecutive steps; when landing, coming to
    rest on the pad counts at once. Never on the step of a crash.

    Reward and end:
        - ``sparse``: 1 on success, else 0. Ends on success, on a crash, at abs(x) >= 1, and at rest anywhere.
        - ``shaped``: sparse plus ``shaping * (discount * potential' - potential)``, where the potential
          is 1 - cost of a state, in [0, 1], and 0 after the end. The same ends. With the same discount in the
          learner's return it does not change which policies are best (Ng et al. 1999).
        - ``native``: LunarLander's own reward and ends. ``is_success`` stays once reached, until a crash.

    The time limit truncates; it belongs to the registered id, not to this class, and is no end to the
    potential.

    Info, at reset and at every step: ``is_success`` (bool), ``hold`` (consecutive steps with the formula
    true), ``native_return`` (sum of LunarLander's own rewards in this episode).

    Args:
        sub_goal: A name in :data:`pathnet_envs.sub_goals.SUB_GOALS`.
        reward: What is paid: ``sparse``, ``shaped`` or ``native``.
        level: Difficulty of the start in [0, 1]; also an attribute, and ``reset(options={"level": 0.3})``
            sets it. Vectors: Gymnasium's ``set_attr("level", 0.3)``; Stable-Baselines3's ``set_attr`` ends at
            the outermost wrapper, so use its ``env_method("set_wrapper_attr", "level", 0.3)``.
        shaping: Weight of the potential in the shaped reward, 0 or more.
        discount: Discount of the potential in [0, 1]; give the learner's.
        render_mode: ``human``, ``rgb_array`` or None, as in LunarLander.

    Raises:
        ValueError: For an argument or an option that is none of these.

    Version history:
        - v0: Initial version, on LunarLander-v3.
    """

    metadata: ClassVar[dict[str, Any]] = dict(LunarLander.metadata)  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(
        self,
        sub_goal: str,
        reward: Reward = "shaped",
        level: float = 1.0,
        shaping: float = 0.5,
        discount: float = 0.99,
        render_mode: str | None = None,
    ) -> None:
        self.sub_goal = _sub_goal(sub_goal)
        # Looked up once: step() needs them each time, and its speed is that of all training.
        self._reached, self._cost = self.sub_goal.reached, self.sub_goal.cost
        self._hold_steps = self.sub_goal.hold_steps
        if reward not in REWARDS:
            raise ValueError(f"reward: {reward!r} is none of {', '.join(REWARDS)}; choose one of them")
        self.reward: Reward = reward
        self.level = level
        self.shaping = _within("shaping", shaping, 0.0, float("inf"))
        self.discount = _within("discount", discount, 0.0, 1.0)
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(f"render_mode: {render_mode!r}; choose 'human', 'rgb_array' or None")
        self.render_mode = render_mode
        # Composed, not inherited: LunarLander's reset calls its own step, which must not be this class's.
        self._lander = LunarLander(render_mode=render_mode)
        self.observation_space = self._lander.observation_space
        self.action_space = self._lander.action_space
        self._begin_episode([0.0] * 8)

    @property
    def level(self) -> float:
        """Difficulty of the start in [0, 1]; a new one takes effect at the next reset."""
        return self._level

    @level.setter
    def level(self, level: float) -> None:
        self._level = _within("level", level, 0.0, 1.0)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: Seeds terrain, start and engine noise; None goes on with the present generator.
            options: ``{"level": ...}`` sets the level for this and later episodes.

        Returns:
            The first observation, ``(8,)`` float32, and info.

        Raises:
            ValueError: If an option is unknown or the level is outside [0, 1].
        """
        self._take_options(options or {})
        super().reset(seed=seed)
        # One generator for both, so that with LunarLander's own start every draw equals LunarLander-v3's.
        self._lander.np_random = self.np_random
        observation, _ = self._lander.reset()
        start = self.sub_goal.start(self.np_random, self._level)
        if start is not None:
            observation = body.place(self._lander, start)
        self._begin_episode(observation.tolist())
        return observation, self._info()

    def step(self, action: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Advance by one tick of 20 ms.

        Args:
            action: 0 to 3.

        Returns:
            Observation ``(8,)`` float32, reward, terminated, truncated (always False), info.

        Raises:
            InvalidAction: If the action is not one of the four.
            ResetNeeded: Before the first reset.
        """
        try:
            observation, native_reward, ended, _, _ = self._lander.step(action)
        except AssertionError as error:
            raise self._refusal(action, error) from error
        native_reward = float(native_reward)
        self._native_return += native_reward
        state = observation.tolist()
        self._hold = self._hold + 1 if self._reached(state) else 0
        if ended or self._hold >= self._hold_steps:
            self._judge(state, ended)
        if self.reward == "native":
            return observation, native_reward, ended, False, self._info()
        terminated = ended or self._success
        reward = 1.0 if self._success else 0.0
        if self.reward == "shaped":
            potential = 0.0 if terminated else 1.0 - self._cost(state)
            reward += self.shaping * (self.discount * potential - self._potential)
            self._potential = potential
        return observation, reward, terminated, False, self._info()

    def render(self) -> Any:
        """Return or show the present frame, as LunarLander does."""
        if self.render_mode is None:
            gymnasium.logger.warn("render() shows nothing; make the environment with render_mode='rgb_array'")
            return None
        return self._lander.render()

    def close(self) -> None:
        """Close the window, if there is one."""
        self._lander.close()

    def _begin_episode(self, state: list[float]) -> None:
        self._hold = 0
        self._success = False
        self._native_return = 0.0
        self._potential = 1.0 - self._cost(state)

    def _judge(self, state: list[float], ended: bool) -> None:
        """Decide on success once the hold is full or LunarLander ended the episode."""
        if ended and not body.is_asleep(self._lander):  # crashed or out of bounds
            self._hold = 0
            self._success = False
        elif self._hold >= self._hold_steps:
            self._success = True
        elif self.sub_goal.landing and abs(state[0]) <= PAD_HALF_WIDTH:  # at rest
            self._success = True

    def _info(self) -> dict[str, Any]:
        return {"is_success": self._success, "hold": self._hold, "native_return": self._native_return}

    def _take_options(self, options: dict[str, Any]) -> None:
        for name, value in options.items():
            if name != "level":
                raise ValueError(f"reset options: {name!r} is unknown; the only option is 'level'")
            self.level = value

    def _refusal(self, action: Any, error: AssertionError) -> Exception:
        """Explain why LunarLander refused to step; asked only then, so that a valid action costs nothing."""
        if not body.is_ready(self._lander):
            return ResetNeeded("step() before reset(); call reset() first")
        if self.action_space.contains(action):  # Box2D asserts too
            return error
        return InvalidAction(
            f"action: {action!r} ({type(action).__name__}) is invalid; give an integer from 0 to 3"
        )


def _sub_goal(name: str) -> SubGoal:
    """Return a sub-goal by its name."""
    if name in SUB_GOALS:
        return SUB_GOALS[name]
    nearest = difflib.get_close_matches(str(name), SUB_GOALS, n=1)
    hint = f"nearest: {nearest[0]!r}; " if nearest else ""
    raise ValueError(f"sub_goal: {name!r} is unknown; {hint}choose one of {', '.join(SUB_GOALS)}")


def _within(name: str, value: float, low: float, high: float) -> float:
    """Return the value as a float, or say that it is outside its range (as NaN is)."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not (low <= number <= high and math.isfinite(number)):
        raise ValueError(f"{name}: {value!r} is outside [{low:g}, {high:g}]; give a number inside")
    return number
