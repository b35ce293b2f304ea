"""Steps a second of sub-tasks in vectors and alone, relative to LunarLander-v3 itself.

    python tests/benchmarks/vector_speed.py

Every variant takes its turn in every round, with the same seeds and actions; figures are medians over rounds of
ratios within a round. The share of Box2D is what is left of a step when Python's part is taken away: the time that
``b2World.Step`` alone takes, called as LunarLander calls it.
"""

import argparse
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import gymnasium
import numpy as np

import pathnet_envs
from pathnet_envs import body

LANES = 16
LAND = "PathNet/LanderLand-v0"


def alone(env_id: str, steps: int, **settings: Any) -> Callable[[int], float]:
    """Return a measurement of one environment: steps a second with a seed's actions, resets included."""
    env = gymnasium.make(env_id, **settings)

    def measure(seed: int) -> float:
        actions = np.random.default_rng(seed).integers(4, size=steps).tolist()
        env.reset(seed=seed)
        began = perf_counter()
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
        return steps / (perf_counter() - began)

    return measure


def lanes(env_id: str, steps: int, **settings: Any) -> Callable[[int], float]:
    """Return the same of a vector of lanes."""
    envs = gymnasium.make_vec(env_id, LANES, **settings)

    def measure(seed: int) -> float:
        actions = np.random.default_rng(seed).integers(4, size=(steps // LANES, LANES))
        envs.reset(seed=seed)
        began = perf_counter()
        for each in actions:
            envs.step(each)
        return steps / (perf_counter() - began)

    return measure


def reset_cost(env_id: str, resets: int, **settings: Any) -> Callable[[int], float]:
    """Return a measurement of resets: seconds for each."""
    env = gymnasium.make(env_id, **settings)

    def measure(seed: int) -> float:
        began = perf_counter()
        for each in range(resets):
            env.reset(seed=seed + each)
        return (perf_counter() - began) / resets

    return measure


def box2d_share(steps: int) -> float:
    """Return the share of a LunarLander step that Box2D's own step takes."""
    lander = body.LunarLander()
    actions = np.random.default_rng(0).integers(4, size=steps).tolist()
    spent = physics = 0.0
    lander.reset(seed=0)
    step_world = lander.world.Step
    for number, action in enumerate(actions):
        began = perf_counter()
        _, _, ended, _, _ = lander.step(action)
        spent += perf_counter() - began
        began = perf_counter()
        step_world(1.0 / 50, 6 * 30, 2 * 30)  # one more tick of the same world, not part of the flight
        physics += perf_counter() - began
        if ended:
            lander.reset(seed=number)
            step_world = lander.world.Step
    return physics / spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=16_000, help="of a variant in a round")
    arguments = parser.parse_args()
    steps = arguments.steps
    native = {"reward": "native"}
    variants = {
        "LunarLander-v3 alone": alone("LunarLander-v3", steps),
        "Land alone": alone(LAND, steps, **native),
        "LunarLander-v3, 16 lanes, sync": lanes("LunarLander-v3", steps, vectorization_mode="sync"),
        "Land, 16 lanes, sync": lanes(LAND, steps, vectorization_mode="sync", **native),
        "Land, 16 lanes, ours, 1 process": lanes(LAND, steps, **native),
        "Land, 16 lanes, ours, 2 processes": lanes(LAND, steps, processes=2, **native),
        "LunarLander-v3 reset": reset_cost("LunarLander-v3", 400),
        **{
            f"{goal.title} reset": reset_cost(goal.env_id, 400)
            for goal in (pathnet_envs.SUB_GOALS[name] for name in ("hover", "land-low", "land"))
        },
    }
    measured: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(arguments.rounds):
        for name, measure in variants.items():
            measured[name].append(measure(number))
    for name, values in measured.items():
        unit, form = ("s", ".6f") if name.endswith("reset") else ("steps/s", ",.0f")
        print(f"{name:36} {median(values):{form}} {unit} ({min(values):{form}} to {max(values):{form}})")
    for one, other in (
        ("Land alone", "LunarLander-v3 alone"),
        ("Land, 16 lanes, sync", "LunarLander-v3, 16 lanes, sync"),
        ("Land, 16 lanes, ours, 1 process", "LunarLander-v3, 16 lanes, sync"),
        ("Land, 16 lanes, ours, 2 processes", "Land, 16 lanes, ours, 1 process"),
        ("Hover reset", "LunarLander-v3 reset"),
        ("LandLow reset", "LunarLander-v3 reset"),
        ("Land reset", "LunarLander-v3 reset"),
    ):
        ratios = [a / b for a, b in zip(measured[one], measured[other], strict=True)]
        print(f"{one} / {other}: {median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")
    print(f"share of Box2D's own step in LunarLander's: {box2d_share(steps):.2f}")


if __name__ == "__main__":
    main()
