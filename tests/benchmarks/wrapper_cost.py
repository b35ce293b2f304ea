"""Steps a second of every sub-task, relative to LunarLander-v3 itself.

    python tests/benchmarks/wrapper_cost.py

Paired: within a round, both environments play the same episodes in turn, along bit-equal trajectories of
random actions, resets included. The plain one is moved to the sub-task's start outside the measured time, so
that placing the start counts as cost. A ratio of 1 means that the sub-task costs nothing; the budget is 0.92.
"""

import argparse
from statistics import median
from time import perf_counter
from typing import Any

import gymnasium
import numpy as np

import pathnet_envs
from pathnet_envs import SUB_GOALS, SubGoal, body


def reset_plain(env: Any, sub_goal: SubGoal, seed: int) -> float:
    """Reset LunarLander-v3 and return the seconds that took, then move it to the sub-task's start."""
    began = perf_counter()
    env.reset(seed=seed)
    spent = perf_counter() - began
    start = sub_goal.start(env.unwrapped.np_random, 1.0)
    if start is not None:
        body.place(env.unwrapped, start)
    return spent


def reset_sub_task(env: Any, seed: int) -> float:
    """Reset the sub-task and return the seconds that took."""
    began = perf_counter()
    env.reset(seed=seed)
    return perf_counter() - began


def play(env: Any, actions: list[int]) -> tuple[float, int]:
    """Step until the actions or the episode end; return seconds and steps."""
    began = perf_counter()
    steps = 0
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        steps += 1
        if terminated or truncated:
            break
    return perf_counter() - began, steps


def measure_round(plain: Any, sub_task: Any, sub_goal: SubGoal, seeds: range) -> float:
    """Return the steps a second of the sub-task relative to LunarLander-v3, over one episode a seed."""
    plain_s = sub_task_s = 0.0
    for seed in seeds:
        drawn = np.random.default_rng(seed).integers(4, size=sub_goal.horizon_steps).tolist()
        sub_task_s += reset_sub_task(sub_task, seed)
        spent, steps = play(sub_task, drawn)
        sub_task_s += spent
        plain_s += reset_plain(plain, sub_goal, seed)
        spent, plain_steps = play(plain, drawn[:steps])
        plain_s += spent
        if plain_steps != steps:
            raise RuntimeError(f"seed {seed}: {steps} steps and {plain_steps}; the trajectories are not paired")
    return plain_s / sub_task_s


def wind_of(sub_goal: SubGoal) -> dict[str, Any]:
    """Return the arguments that give LunarLander-v3 the sub-goal's wind at level 1."""
    if not sub_goal.windy:
        return {}
    return {
        "enable_wind": True,
        "wind_power": sub_goal.wind_power,
        "turbulence_power": sub_goal.turbulence_power,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--episodes", type=int, default=30, help="episodes of a round")
    parser.add_argument("--reward", choices=pathnet_envs.REWARDS, default="shaped")
    arguments = parser.parse_args()
    everything: list[float] = []
    print(f"{'environment':28} {'median':>7} {'min':>7} {'max':>7}   ({arguments.rounds} rounds)")
    for sub_goal in SUB_GOALS.values():
        plain = gymnasium.make("LunarLander-v3", **wind_of(sub_goal))
        # LunarLander-v3 has no tank: one that never empties costs the same and flies alike.
        tank: dict[str, Any] = {} if sub_goal.fuel is None else {"fuel": 10_000.0}
        sub_task = gymnasium.make(sub_goal.env_id, reward=arguments.reward, **tank)
        seeds = [range(r * arguments.episodes, (r + 1) * arguments.episodes) for r in range(arguments.rounds)]
        measure_round(plain, sub_task, sub_goal, range(3))  # warm up
        ratios = [measure_round(plain, sub_task, sub_goal, of_round) for of_round in seeds]
        everything += ratios
        print(f"{sub_goal.env_id:28} {median(ratios):7.3f} {min(ratios):7.3f} {max(ratios):7.3f}", flush=True)
    print(f"{'all':28} {median(everything):7.3f} {min(everything):7.3f} {max(everything):7.3f}")


if __name__ == "__main__":
    main()
