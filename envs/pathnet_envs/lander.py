"""One sub-task of LunarLander-v3 as a Gymnasium environment."""

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, cast

import gymnasium
import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.spaces import Box
from numpy.typing import NDArray

from pathnet_envs import body
from pathnet_envs.body import LunarLander
from pathnet_envs.checks import one_of, within
from pathnet_envs.display import has_display
from pathnet_envs.fuel import Tank
from pathnet_envs.reset_options import NOTHING_ASKED, read_options
from pathnet_envs.rewards import REWARDS, Reward, potential_term
from pathnet_envs.sub_goals import PAD_HALF_WIDTH, SUB_GOALS

if TYPE_CHECKING:
    from pathnet_envs.window import Window

Observation = NDArray[np.float32]

STRONGEST_WIND, STRONGEST_TURBULENCE = 20.0, 2.0  # LunarLander warns of more
LARGEST_TANK = 10_000.0


class LanderSubTask(gymnasium.Env[Observation, Any]):
    """A sub-goal of landing: LunarLander-v3's physics and spaces, own start, reward and end.

    Observation: ``Box``, ``(8,)`` float32: x (10 m a unit), y (6.667 m), vx (5 m/s), vy (7.5 m/s), angle
    (rad), angular velocity (2.5 rad/s), contact of the left and of the right leg; clipped to the space, which
    LunarLander itself may leave. ``observe_hidden`` appends the share of the hold that is done and the share of
    the fuel that is left, ``(10,)``.

    Action: ``Discrete(4)``: nothing, left engine, main engine, right engine. With ``continuous``, ``Box(-1, 1,
    (2,))`` float32: the main engine's throttle (off below 0, then half to full), the side engines' (left below
    -0.5, right above 0.5). Any other raises ``gymnasium.error.InvalidAction`` and changes nothing.

    Start: drawn around the sub-goal (see :mod:`pathnet_envs.starts`) on LunarLander's random terrain, clear
    of it. ``level`` moves it from the easiest (0) to full difficulty (1), from the next reset on.
    ``land``, ``land-wind`` and ``land-fuel`` always begin with LunarLander's own start; level is the strength
    of the wind, or how much of the tank is missing. The seed decides terrain, start, wind and engine noise: the
    same seed and actions give the same trajectory, bit for bit.

    Success: the sub-goal's formula is true for its ``hold_steps`` consecutive steps; when landing, coming to
    rest on the pad counts at once. Never on the step of a crash.

    Reward and end:
        - ``sparse``: 1 on success, else 0. Ends on success, on a crash, at abs(x) >= 1, and at rest anywhere.
        - ``shaped``: sparse plus ``shaping * (discount * potential' - potential)``, where the potential
          is 1 - cost of a state, in [0, 1], and 0 after the end. The same ends. With the same discount in the
          learner's return it does not change which policies are best (Ng et al. 1999).
        - ``native``: LunarLander's own reward and ends. ``is_success`` stays once reached, until a crash.

    The sub-goal's horizon truncates; that is no end to the potential.

    Info, at reset and at every step: ``is_success`` (bool), ``hold`` (consecutive steps with the formula
    true), ``native_return`` (sum of LunarLander's own rewards in this episode), and ``fuel`` (steps of the main
    engine left) where there is a tank.

    Args:
        sub_goal: A name in :data:`pathnet_envs.sub_goals.SUB_GOALS`. Also an attribute: another takes effect at
            the next reset, so that one environment can serve a whole curriculum.
        reward: What is paid: ``sparse``, ``shaped`` or ``native``.
        level: Difficulty of the start in [0, 1]; also an attribute, and ``reset(options={"level": 0.3})``
            sets it. Vectors: Gymnasium's ``set_attr("level", 0.3)``; Stable-Baselines3's ``set_attr`` ends at
            the outermost wrapper, so use its ``env_method("set_wrapper_attr", "level", 0.3)``.
        shaping: Weight of the potential in the shaped reward, 0 or more.
        discount: Discount of the potential in [0, 1]; give the learner's.
        continuous: Whether actions are throttles.
        observe_hidden: Whether hold and fuel, which decide about success, are observed.
        wind_power: Instead of the sub-goal's own at level 1, from 0 to 20; only where it has wind.
        turbulence_power: The same for turbulence, from 0 to 2.
        fuel: Instead of the sub-goal's own at level 1, steps of the main engine; only where it has a tank.
        fuel_price: Taken off the reward, of whatever kind, for every step of the main engine that is burnt; only
            where there is a tank. What is burnt early decides about the landing, and nothing observed tells it.
        render_mode: ``human``, ``rgb_array`` or None; LunarLander's picture with :mod:`pathnet_envs.overlay`.

    Raises:
        ValueError: For an argument or an option that is none of these.
        gymnasium.error.Error: For ``human`` where there is no display.

    Version history:
        - v0: Initial version, on LunarLander-v3.
    """

    metadata: ClassVar[dict[str, Any]] = dict(LunarLander.metadata)  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(  # noqa: PLR0913 - an environment's arguments are its public settings
        self,
        sub_goal: str,
        reward: Reward = "shaped",
        level: float = 1.0,
        *,
        shaping: float = 0.5,
        discount: float = 0.99,
        continuous: bool = False,
        observe_hidden: bool = False,
        wind_power: float | None = None,
        turbulence_power: float | None = None,
        fuel: float | None = None,
        fuel_price: float = 0.0,
        render_mode: str | None = None,
    ) -> None:
        self.sub_goal = sub_goal
        self.reward = cast(Reward, one_of("reward", reward, REWARDS))
        self.level = level
        self.shaping = within("shaping", shaping, 0.0, float("inf"))
        self.discount = within("discount", discount, 0.0, 1.0)
        self.continuous, self.observe_hidden = bool(continuous), bool(observe_hidden)
        self._take_conditions(wind_power, turbulence_power, fuel)
        self.fuel_price = within("fuel_price", fuel_price, 0.0, float("inf"))
        if fuel_price:
            self._require("fuel_price", fuel_price, SUB_GOALS[sub_goal].fuel is not None)
        if render_mode is not None:
            one_of("render_mode", render_mode, self.metadata["render_modes"])
        self.render_mode = render_mode
        self._window = _window() if render_mode == "human" else None
        if not has_display():  # where Gymnasium's checker, which tries every mode, would fail at a window
            self.metadata = {**self.metadata, "render_modes": ["rgb_array"]}  # pyright: ignore
        # Composed, not inherited: LunarLander's reset calls its own step, which must not be this class's.
        picture_mode = None if render_mode is None else "rgb_array"
        self._lander = LunarLander(render_mode=picture_mode, continuous=self.continuous)
        self.action_space = self._lander.action_space
        self._native_space = cast("Box[np.float32]", self._lander.observation_space)
        self.observation_space = _with_hidden(self._native_space) if observe_hidden else self._native_space
        _, self._highest_y, _, self._fastest_vy, self._widest_angle, self._fastest_spin, *_ = (
            self._native_space.high.tolist()
        )
        self._begin_episode([0.0] * 8)

    @property
    def sub_goal(self) -> str:
        """What is to be achieved; another name takes effect at the next reset."""
        return self._sub_goal

    @sub_goal.setter
    def sub_goal(self, name: str) -> None:
        self._sub_goal = one_of("sub_goal", name, SUB_GOALS)

    @property
    def level(self) -> float:
        """Difficulty of the start in [0, 1]; a new one takes effect at the next reset."""
        return self._level

    @level.setter
    def level(self, level: float) -> None:
        self._level = within("level", level, 0.0, 1.0)

    def _take_conditions(
        self, wind_power: float | None, turbulence_power: float | None, fuel: float | None
    ) -> None:
        goal, self._conditions = SUB_GOALS[self.sub_goal], {}
        for name, value, present, limit in (
            ("wind_power", wind_power, goal.windy, STRONGEST_WIND),
            ("turbulence_power", turbulence_power, goal.windy, STRONGEST_TURBULENCE),
            ("fuel", fuel, goal.fuel is not None, LARGEST_TANK),
        ):
            if value is not None:
                self._require(name, value, present)
                self._conditions[name] = within(name, value, 0.0, limit)

    def _require(self, name: str, value: float, present: bool) -> None:
        if not present:
            remedy = "leave it out, or choose another sub_goal"
            raise ValueError(f"{name}: {value!r}: {self.sub_goal} has none; {remedy}")

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: Seeds terrain, start, wind and engine noise; None goes on with the present generator.
            options: ``{"level": ...}`` sets the level for this and later episodes; ``{"state": {...}}`` starts
                this episode in a state of motion, see :func:`pathnet_envs.reset_options.read_state`.

        Returns:
            The first observation and info.

        Raises:
            ValueError: If an option is unknown or outside its range, or the state lies in the ground.
        """
        asked = read_options(options) if options else NOTHING_ASKED
        if asked.level is not None:
            self._level = asked.level
        super().reset(seed=seed)
        # One generator for both, so that with LunarLander's own start every draw equals LunarLander-v3's.
        self._lander.np_random = self.np_random
        goal = SUB_GOALS[self._sub_goal]
        wind, turbulence = (
            self._conditions.get(name, getattr(goal, name)) for name in ("wind_power", "turbulence_power")
        )
        body.blow(self._lander, self._level * wind, self._level * turbulence)
        observation, _ = self._lander.reset()
        start = asked.state
        if start is None:
            start = goal.start(self.np_random, self._level)
        else:
            self._refuse_ground(start)
        if start is not None:
            observation = body.place(self._lander, start)
        self._begin_episode(observation.tolist())
        if self._window is not None:
            self._window.show(self._picture())
        return self._shown(observation), self._info()

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Advance by one tick of 20 ms.

        Args:
            action: 0 to 3, or two throttles.

        Returns:
            Observation, reward, terminated, truncated, info.

        Raises:
            InvalidAction: If the action is not in the space.
            ResetNeeded: Before the first reset.
        """
        observation, reward, terminated, truncated = self.advance(action)
        if self._window is not None:
            self._window.show(self._picture())
        return observation, reward, terminated, truncated, self._info()

    def advance(self, action: Any) -> tuple[Observation, float, bool, bool]:
        """Do what :meth:`step` does, but for the info, which a vector of lanes reads from the attributes."""
        if self._checks_actions:
            action = self._admitted(action)
        try:
            observation, native_reward, ended, _, _ = self._lander.step(action)
        except AssertionError as error:
            self._refuse(action, error)
        state = observation.tolist()
        self.native_return += float(native_reward)
        self._steps += 1
        self.hold = self.hold + 1 if self._reached(state) else 0
        if ended or self.hold >= self._hold_steps:
            self._judge(state, ended)
        truncated = self._steps >= self._horizon_steps
        if self.reward == "native":
            reward, terminated = float(native_reward), bool(ended)
        else:
            reward, terminated = 1.0 if self.is_success else 0.0, ended or self.is_success
        if self.reward == "shaped":
            potential = 0.0 if terminated else 1.0 - self._cost(state)
            reward += self.shaping * potential_term(self._potential, potential, self.discount)
            self._potential = potential
        if self.tank is not None:
            reward -= self.fuel_price * self.tank.burnt
        return self._shown(observation, state), reward, terminated, truncated

    def render(self) -> Any:
        """Return the present picture, ``(400, 600, 3)`` uint8, if the mode is ``rgb_array``.

        With ``human``, reset and step have shown it already, and None is returned.

        Raises:
            ResetNeeded: Before the first reset.
        """
        if self.render_mode is None:
            gymnasium.logger.warn("render() shows nothing; make the environment with render_mode='rgb_array'")
            return None
        if not body.is_ready(self._lander):
            raise ResetNeeded("render() before reset(); call reset() first")
        return self._picture() if self._window is None else None

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()
        self._lander.close()

    def _picture(self) -> Any:
        """Return LunarLander's picture with the overlay."""
        from pathnet_envs import overlay  # noqa: PLC0415 - it loads pygame, which only a picture needs

        scene = overlay.Scene(
            goal=self.goal,
            level=self._level,
            hold=self.hold,
            is_success=self.is_success,
            fuel=None if self.tank is None else self.tank.share,
            motion=body.motion(self._lander),
        )
        return overlay.draw(cast(Any, self._lander.render()), scene)

    def __getstate__(self) -> NoReturn:
        """Refuse to be pickled or deep-copied: neither restores the state of Box2D."""
        raise TypeError("a live environment cannot be pickled; pickle env.spec, and make the environment from it")

    def _begin_episode(self, state: list[float]) -> None:
        """Start counting anew, for the sub-goal that is set now."""
        self.goal = SUB_GOALS[self._sub_goal]
        # Looked up once: step() needs them each time, and its speed is that of all training.
        self._reached, self._cost = self.goal.reached, self.goal.cost
        self._hold_steps, self._horizon_steps = self.goal.hold_steps, self.goal.horizon_steps
        self.tank = Tank.of(self.goal, self._level, self._conditions.get("fuel"))
        self._checks_actions = self.continuous or self.tank is not None
        self._steps = 0
        self.hold = 0
        self.is_success = False
        self.native_return = 0.0
        self._potential = 1.0 - self._cost(state)

    def _judge(self, state: list[float], ended: bool) -> None:
        """Decide on success once the hold is full or LunarLander ended the episode."""
        if ended and not body.is_asleep(self._lander):  # crashed or out of bounds
            self.hold = 0
            self.is_success = False
        elif self.hold >= self._hold_steps:
            self.is_success = True
        elif self.goal.landing and abs(state[0]) <= PAD_HALF_WIDTH:  # at rest
            self.is_success = True

    def _shown(self, observation: Observation, state: list[float] | None = None) -> Observation:
        """Return what is observed: inside the space, with the hidden state where it is asked for."""
        _, y, _, vy, angle, spin, _, _ = state or observation.tolist()
        if (
            not -self._highest_y <= y <= self._highest_y
            or not -self._fastest_vy <= vy <= self._fastest_vy
            or not -self._widest_angle <= angle <= self._widest_angle
            or not -self._fastest_spin <= spin <= self._fastest_spin
        ):
            observation = np.clip(observation, self._native_space.low, self._native_space.high)
        if not self.observe_hidden:
            return observation
        hidden = (min(self.hold / self._hold_steps, 1.0), self.tank.share if self.tank else 1.0)
        return np.concatenate([observation, np.array(hidden, dtype=np.float32)])

    def _info(self) -> dict[str, Any]:
        info = {"is_success": self.is_success, "hold": self.hold, "native_return": self.native_return}
        if self.tank is not None:
            info["fuel"] = self.tank.left
        return info

    def _admitted(self, action: Any) -> Any:
        """Check an action that LunarLander would not, and what the tank allows of it."""
        if not body.is_ready(self._lander):
            self._refuse(action)
        if self.continuous:
            action = np.asarray(action)
            # Comparisons are false for not-a-numbers; Box.contains would cost three times as much.
            if action.shape != (2,) or not (-1.0 <= action[0] <= 1.0 and -1.0 <= action[1] <= 1.0):
                self._refuse(action)
        elif not (isinstance(action, (int, np.integer)) and 0 <= action <= 3 or self.action_space.contains(action)):
            self._refuse(action)  # the space is asked last: it takes longer than the engines
        return action if self.tank is None else self.tank.burn(action, self.continuous)

    def _refuse(self, action: Any, error: AssertionError | None = None) -> NoReturn:
        """Explain why an action was refused; asked only then, so that a valid one costs nothing."""
        if not body.is_ready(self._lander):
            raise ResetNeeded("step() before reset(); call reset() first") from error
        if error is not None and self.action_space.contains(action):  # Box2D asserts too
            raise error
        remedy = "give two numbers from -1 to 1" if self.continuous else "give an integer from 0 to 3"
        raise InvalidAction(f"action: {action!r} ({type(action).__name__}) is invalid; {remedy}") from error

    def _refuse_ground(self, state: body.BodyState) -> None:
        lowest = body.lowest_free_y(self._lander, state)
        if state.y < lowest:
            raise ValueError(
                f"reset options: state: y={state.y:g} at x={state.x:g} is inside the ground of this terrain; "
                f"give {lowest:.3f} or more (y_m {lowest * body.Y_M:.2f})"
            )


def _window() -> "Window":
    from pathnet_envs.window import Window  # noqa: PLC0415 - it loads pygame too

    return Window("pathnet_envs", LunarLander.metadata["render_fps"])


def _with_hidden(space: "Box[np.float32]") -> "Box[np.float32]":
    """Return the space with the shares of hold and fuel appended."""
    zeros, ones = np.zeros(2, dtype=np.float32), np.ones(2, dtype=np.float32)
    return Box(np.concatenate([space.low, zeros]), np.concatenate([space.high, ones]))
