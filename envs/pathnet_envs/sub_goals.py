"""The sub-goals of the curriculum, from stopping a spin to landing with little fuel.

States are LunarLander's observations as plain floats: x (10 m a unit), y (6.667 m), vx (5 m/s), vy (7.5 m/s),
angle (rad), spin (angular velocity, 2.5 rad/s), left and right leg's contact (0 or 1). Costs are clipped to
[0, 1]; a shaped reward's potential is 1 - cost, which is never negative, or else crashing would pay.
"""

from dataclasses import replace
from math import hypot, inf

from pathnet_envs import starts
from pathnet_envs.region import Region
from pathnet_envs.sub_goal import EASY_FUEL, State, SubGoal

PAD_HALF_WIDTH = 0.2
"""The flat pad in observed x, either side of its centre."""
LANDING_RANGE = 4.0
"""Sum of distance, speed and tilt at which a landing's cost is 1."""


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


def _is_at_altitude(state: State) -> bool:
    return 0.7 < state[1] < 0.9 and -0.15 < state[3] < 0.15 and -0.3 < state[4] < 0.3


def _altitude_cost(state: State) -> float:
    cost = abs(state[1] - 0.8) / 0.6 + 0.5 * abs(state[3]) + 0.5 * abs(state[4])
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
NATIVE_START = "LunarLander's own"

FLIGHTS = (
    SubGoal(
        name="kill-spin",
        title="KillSpin",
        goal="stop turning",
        formula="|spin|<.1",
        start_words="y 1 to 1.3, |spin| .4 to 1",
        easy_start_words="y 1 to 1.3, |spin| .1 to .25",
        horizon_steps=100,
        hold_steps=3,
        reached=_spin_is_killed,
        cost=_spin_cost,
        start=starts.kill_spin,
        region=Region(spin=(-0.1, 0.1)),
    ),
    SubGoal(
        name="upright",
        title="Upright",
        goal="stand upright in the air and stop turning",
        formula="|angle|<.15, |spin|<.15",
        start_words="y 1 to 1.3, |angle| .3 to .7, turning outward at 0 to .3",
        easy_start_words="y 1 to 1.3, |angle| .1 to .25, turning outward at 0 to .05",
        horizon_steps=150,
        hold_steps=5,
        reached=_is_upright,
        cost=_upright_cost,
        start=starts.upright,
        region=Region(angle=(-0.15, 0.15), spin=(-0.15, 0.15)),
    ),
    SubGoal(
        name="brake-fall",
        title="BrakeFall",
        goal="stop falling, upright and in the air",
        formula="|vy|<.1, |angle|<.2, |spin|<.3, y>.05, no leg touches",
        start_words="y 1 to 1.4, vy -.7 to -.3, |angle| .05 to .3",
        easy_start_words="y 1 to 1.4, vy -.13 to -.03, |angle| up to .05",
        horizon_steps=150,
        hold_steps=3,
        reached=_fall_is_braked,
        cost=_fall_cost,
        start=starts.brake_fall,
        region=Region(y=(0.05, inf), vy=(-0.1, 0.1), angle=(-0.2, 0.2), spin=(-0.3, 0.3)),
    ),
    SubGoal(
        name="hover",
        title="Hover",
        goal="stay above the pad for a second and a half",
        formula="|x|<.3, |y-.75|<.25, |angle|<.4",
        start_words="|x| up to .1, y .6 to .9, speed up to .2",
        easy_start_words="|x| up to .1, y .52 to .56, vy .6 to .65",
        horizon_steps=200,
        hold_steps=75,
        reached=_is_hovering,
        cost=_hover_cost,
        start=starts.hover,
        region=Region(x=(-0.3, 0.3), y=(0.5, 1.0), angle=(-0.4, 0.4)),
    ),
    SubGoal(
        name="go-to-altitude",
        title="GoToAltitude",
        goal="fly to a height and stay there for a moment",
        formula="|y-.8|<.1, |vy|<.15, |angle|<.3",
        start_words="|x| up to .1, y .25 to .55 or 1.1 to 1.4, at rest",
        easy_start_words="|x| up to .1, y .65 to .77, vy .07 to .3",
        horizon_steps=300,
        hold_steps=10,
        reached=_is_at_altitude,
        cost=_altitude_cost,
        start=starts.go_to_altitude,
        region=Region(y=(0.7, 0.9), vy=(-0.15, 0.15), angle=(-0.3, 0.3)),
    ),
    SubGoal(
        name="go-to-x",
        title="GoToX",
        goal="fly above the pad and stop drifting",
        formula="|x|<.15, |vx|<.15, |angle|<.25, no leg touches",
        start_words="|x| .3 to .7, y .8 to 1.2, at rest",
        easy_start_words="|x| up to .2, y .8 to 1.2, at rest",
        horizon_steps=400,
        hold_steps=10,
        reached=_is_over_pad,
        cost=_over_pad_cost,
        start=starts.go_to_x,
        region=Region(x=(-0.15, 0.15), vx=(-0.15, 0.15), angle=(-0.25, 0.25)),
    ),
)

LAND = SubGoal(
    name="land",
    title="Land",
    goal="land on the pad from the top of the screen",
    formula=LANDED_FORMULA,
    start_words=NATIVE_START,
    easy_start_words=NATIVE_START,
    horizon_steps=1000,
    hold_steps=10,
    reached=_is_landed,
    cost=_landing_cost,
    start=starts.native,
    region=Region(x=(-PAD_HALF_WIDTH, PAD_HALF_WIDTH), angle=(-0.25, 0.25), spin=(-0.05, 0.05)),
    mastery=0.8,
    landing=True,
)

LANDINGS = (
    replace(
        LAND,
        name="land-low",
        title="LandLow",
        goal="land from just above the pad",
        start_words="|x| up to .1, y .05 to .25, speed up to .05",
        easy_start_words="|x| up to .05, y .03 to .09, at rest",
        horizon_steps=300,
        start=starts.land_low,
        mastery=0.9,
    ),
    replace(
        LAND,
        name="land-centre",
        title="LandCentre",
        goal="land from above the pad",
        start_words="|x| up to .2, y .5 to 1, speed up to .3",
        easy_start_words="|x| up to .05, y .08 to .18, at rest",
        horizon_steps=500,
        start=starts.land_centre,
        mastery=0.9,
    ),
    replace(
        LAND,
        name="land-anywhere",
        title="LandAnywhere",
        goal="land on the pad from anywhere in the air, drifting and tilted",
        start_words="|x| up to .7, y .7 to 1.4, |vx| up to .5, |angle| up to .3",
        easy_start_words="|x| up to .05, y .08 to .18, at rest",
        horizon_steps=800,
        start=starts.land_anywhere,
        mastery=0.85,
    ),
    replace(
        LAND,
        name="land-wind",
        title="LandWind",
        goal="land on the pad in gusts of wind",
        start_words=f"{NATIVE_START}; wind 10, turbulence 1",
        easy_start_words=f"{NATIVE_START}; no wind",
        mastery=0.6,
        wind_power=10.0,
        turbulence_power=1.0,
    ),
    replace(
        LAND,
        name="land-fuel",
        title="LandFuel",
        goal="land on the pad before the tank is empty",
        start_words=f"{NATIVE_START}; fuel for 100 steps of the main engine",
        easy_start_words=f"{NATIVE_START}; fuel for {EASY_FUEL:g} steps of the main engine",
        mastery=0.6,
        fuel=100.0,
    ),
    LAND,
)

SUB_GOALS = {sub_goal.name: sub_goal for sub_goal in (*FLIGHTS, *LANDINGS)}
"""Every sub-goal by its name, in the order of the curriculum."""
