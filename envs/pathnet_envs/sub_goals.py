"""The sub-goals of the curriculum: what is to be achieved, how far away it is, and where an episode begins.

States are LunarLander's observations as plain floats: x (10 m a unit), y (6.667 m), vx (5 m/s), vy (7.5 m/s),
angle (rad), spin (angular velocity, 2.5 rad/s), left and right leg's contact (0 or 1). Costs are clipped to
[0, 1]; a shaped reward's potential is 1 - cost, which is never negative, or else crashing would pay.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np

from pathnet_envs import starts
from pathnet_envs.body_state import BodyState

State = Sequence[float]

PAD_HALF_WIDTH = 0.2
"""The flat pad in observed x, either side of its centre."""
LANDING_RANGE = 4.0
"""Sum of distance, speed and tilt at which a landing's cost is 1."""


@dataclass(frozen=True)
class SubGoal:
    """One sub-goal.

    Attributes:
        name: Its name, the ``sub_goal`` argument of the environment.
        title: The part of the environment's id that names it.
        goal: What is to be achieved, in words.
        formula: The same in observation units.
        start_words: Where an episode begins at full difficulty, in words.
        horizon_steps: Steps after which an episode is truncated; 50 steps are a second.
        hold_steps: Consecutive steps for which the goal has to be reached.
        reached: Whether a state fulfils the goal.
        cost: How far a state is from the goal, in [0, 1].
        start: Draws the start of an episode from a generator and a level in [0, 1]; None leaves
            LunarLander's own.
        mastery: Success rate over 100 greedy episodes from which the sub-task counts as mastered.
        landing: Whether coming to rest on the pad is success at once; LunarLander ends the episode there.
    """

    name: str
    title: str
    goal: str
    formula: str
    start_words: str
    horizon_steps: int
    hold_steps: int
    reached: Callable[[State], bool]
    cost: Callable[[State], float]
    start: Callable[[np.random.Generator, float], BodyState | None]
    mastery: float = 0.9
    landing: bool = False

    @property
    def env_id(self) -> str:
        """The id under which the environment is registered."""
        return f"PathNet/Lander{self.title}-v0"


SUB_GOALS: dict[str, SubGoal] = {}
"""Every sub-goal by its name, in the order of the curriculum."""


def register(sub_goal: SubGoal) -> None:
    """Append a sub-goal to the curriculum."""
    SUB_GOALS[sub_goal.name] = sub_goal


def _spin_is_killed(state: State) -> bool:
    return -0.1 < state[5] < 0.1


def _spin_cost(state: State) -> float:
    cost = abs(state[5])
    return cost if cost < 1.0 else 1.0


def _is_upright(state: State) -> bool:
    return -0.15 < state[4] < 0.15 and -0.15 < state[5] < 0.15


def _upright_cost(state: State) -> float:
    cost = abs(state[4]) / 0.8 + 0.5 * abs(state[5])
    return cost if cost < 1.0 else 1.0


def _fall_is_braked(state: State) -> bool:
    _, y, _, vy, angle, spin, left, right = state
    return -0.1 < vy < 0.1 and -0.2 < angle < 0.2 and -0.3 < spin < 0.3 and y > 0.05 and not left and not right


def _fall_cost(state: State) -> float:
    cost = abs(state[3]) / 0.8 + 0.5 * abs(state[4])
    return cost if cost < 1.0 else 1.0


def _is_hovering(state: State) -> bool:
    return -0.3 < state[0] < 0.3 and 0.5 < state[1] < 1.0 and -0.4 < state[4] < 0.4


def _hover_cost(state: State) -> float:
    x, y, _, vy, angle, *_ = state
    cost = abs(x) + abs(y - 0.75) + 0.5 * abs(vy) + 0.5 * abs(angle)
    return cost if cost < 1.0 else 1.0


def _is_over_pad(state: State) -> bool:
    x, _, vx, _, angle, _, left, right = state
    return -0.15 < x < 0.15 and -0.15 < vx < 0.15 and -0.25 < angle < 0.25 and not left and not right


def _over_pad_cost(state: State) -> float:
    cost = abs(state[0]) / 0.7 + 0.5 * abs(state[2]) + 0.5 * abs(state[4])
    return cost if cost < 1.0 else 1.0


def _is_landed(state: State) -> bool:
    x, _, vx, vy, angle, spin, left, right = state
    # One leg is enough: asking for both rejects many good landings.
    return (
        (left > 0 or right > 0)
        and -PAD_HALF_WIDTH <= x <= PAD_HALF_WIDTH
        and hypot(vx, vy) < 0.03
        and -0.25 < angle < 0.25
        and -0.05 < spin < 0.05
    )


def _landing_cost(state: State) -> float:
    """Return the terms of LunarLander's own shaping, moved to 0 at rest at the centre, and scaled."""
    x, y, vx, vy, angle, _, left, right = state
    cost = (hypot(x, y) + hypot(vx, vy) + abs(angle) + 0.1 * (2.0 - left - right)) / LANDING_RANGE
    return cost if cost < 1.0 else 1.0


LANDED_FORMULA = "a leg touches, |x|<=.2, speed<.03, |angle|<.25, |spin|<.05; or at rest with |x|<=.2"

register(
    SubGoal(
        name="kill-spin",
        title="KillSpin",
        goal="stop turning",
        formula="|spin|<.1",
        start_words="y 1 to 1.3, |spin| .4 to 1",
        horizon_steps=100,
        hold_steps=3,
        reached=_spin_is_killed,
        cost=_spin_cost,
        start=starts.kill_spin,
    )
)
register(
    SubGoal(
        name="upright",
        title="Upright",
        goal="stand upright in the air and stop turning",
        formula="|angle|<.15, |spin|<.15",
        start_words="y 1 to 1.3, |angle| .3 to .7, turning outward at 0 to .3",
        horizon_steps=150,
        hold_steps=5,
        reached=_is_upright,
        cost=_upright_cost,
        start=starts.upright,
    )
)
register(
    SubGoal(
        name="brake-fall",
        title="BrakeFall",
        goal="stop falling, upright and in the air",
        formula="|vy|<.1, |angle|<.2, |spin|<.3, y>.05, no leg touches",
        start_words="y 1 to 1.4, vy -.7 to -.3, |angle| .05 to .3",
        horizon_steps=150,
        hold_steps=3,
        reached=_fall_is_braked,
        cost=_fall_cost,
        start=starts.brake_fall,
    )
)
register(
    SubGoal(
        name="hover",
        title="Hover",
        goal="stay above the pad for a second and a half",
        formula="|x|<.3, |y-.75|<.25, |angle|<.4",
        start_words="|x| up to .1, y .6 to .9, speed up to .2",
        horizon_steps=200,
        hold_steps=75,
        reached=_is_hovering,
        cost=_hover_cost,
        start=starts.hover,
    )
)
register(
    SubGoal(
        name="go-to-x",
        title="GoToX",
        goal="fly above the pad and stop drifting",
        formula="|x|<.15, |vx|<.15, |angle|<.25, no leg touches",
        start_words="|x| .3 to .7, y .8 to 1.2, at rest",
        horizon_steps=400,
        hold_steps=10,
        reached=_is_over_pad,
        cost=_over_pad_cost,
        start=starts.go_to_x,
    )
)
register(
    SubGoal(
        name="land-low",
        title="LandLow",
        goal="land from just above the pad",
        formula=LANDED_FORMULA,
        start_words="|x| up to .1, y .05 to .25, speed up to .05",
        horizon_steps=300,
        hold_steps=10,
        reached=_is_landed,
        cost=_landing_cost,
        start=starts.land_low,
        landing=True,
    )
)
register(
    SubGoal(
        name="land-centre",
        title="LandCentre",
        goal="land from above the pad",
        formula=LANDED_FORMULA,
        start_words="|x| up to .2, y .5 to 1, speed up to .3",
        horizon_steps=500,
        hold_steps=10,
        reached=_is_landed,
        cost=_landing_cost,
        start=starts.land_centre,
        landing=True,
    )
)
register(
    SubGoal(
        name="land",
        title="Land",
        goal="land on the pad from LunarLander's own start",
        formula=LANDED_FORMULA,
        start_words="LunarLander-v3's own, at every level",
        horizon_steps=1000,
        hold_steps=10,
        reached=_is_landed,
        cost=_landing_cost,
        start=starts.native,
        mastery=0.8,
        landing=True,
    )
)
