"""Millions of random steps over all sub-tasks: no crash, no odd number, nothing outside the space, no leak.

    python tests/benchmarks/soak.py --steps 10000000

The ids take turns, discrete and continuous, in vectors of 16 lanes at random levels and rewards; resident memory is
printed every million steps and may grow by 5% after the first.
"""

import argparse
import resource
import time
from pathlib import Path

import gymnasium
import numpy as np

from pathnet_envs import REWARDS, SUB_GOALS

LANES, STEPS_A_TURN = 16, 400


def resident_mib() -> float:
    """Return this process's resident memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def turn(env_id: str, rng: np.random.Generator) -> tuple[int, int]:
    """Fly one vector for a while; return steps and ended episodes."""
    reward, level = str(rng.choice(REWARDS)), float(rng.random())
    envs = gymnasium.make_vec(env_id, LANES, reward=reward, level=level, observe_hidden=bool(rng.random() < 0.5))
    envs.action_space.seed(int(rng.integers(2**31)))
    low, high = envs.observation_space.low, envs.observation_space.high
    observation, _ = envs.reset(seed=int(rng.integers(2**31)))
    ended = 0
    for _ in range(STEPS_A_TURN):
        if not ((observation >= low) & (observation <= high)).all():  # false for not-a-numbers
            raise RuntimeError(f"{env_id}: outside its space: {observation}")
        observation, rewards, terminated, truncated, _ = envs.step(envs.action_space.sample())
        if not np.isfinite(rewards).all():
            raise RuntimeError(f"{env_id}: reward {rewards}")
        ended += int((terminated | truncated).sum())
    envs.close()
    return STEPS_A_TURN * LANES, ended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    ids = [env_id for goal in SUB_GOALS.values() for env_id in (goal.env_id, goal.continuous_env_id)]
    steps = episodes = turns = 0
    first_mib, next_report, began = 0.0, 1_000_000, time.perf_counter()
    while steps < arguments.steps:
        done, ended = turn(ids[turns % len(ids)], rng)
        steps, episodes, turns = steps + done, episodes + ended, turns + 1
        if steps >= next_report:
            mib = resident_mib()
            first_mib = first_mib or mib
            rate = steps / (time.perf_counter() - began)
            print(f"{steps:,} steps, {episodes:,} episodes, {rate:,.0f} steps/s, {mib:.0f} MiB", flush=True)
            next_report += 1_000_000
    if resident_mib() > 1.05 * first_mib > 0:
        raise RuntimeError(f"memory grew from {first_mib:.0f} to {resident_mib():.0f} MiB")
    print(f"{steps:,} steps over {len(ids)} ids: no crash, nothing outside the spaces, memory flat")


if __name__ == "__main__":
    main()
