"""Millions of random steps over all sub-tasks: no crash, no odd number, nothing outside the space, no leak of ours.

    python tests/benchmarks/soak.py --steps 10000000

The ids take turns, discrete and continuous, in vectors of 16 lanes at random levels and rewards. LunarLander-v3
itself loses some memory at every reset, in pybox2d's fixtures; how much is measured first, and resident memory may
grow by no more than half as much again for each episode.
"""

import argparse
import resource
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from pathnet_envs import REWARDS, SUB_GOALS

LANES, STEPS_A_TURN = 16, 400


def resident_mib() -> float:
    """Return this process's resident memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def leak_of_lunar_lander(resets: int = 3000) -> float:
    """Return the MiB that LunarLander-v3 loses at a reset."""
    env = gymnasium.make("LunarLander-v3")
    for seed in range(500):
        env.reset(seed=seed)
    before = resident_mib()
    for seed in range(resets):
        env.reset(seed=seed)
    return (resident_mib() - before) / resets


def turn(envs: Any, rng: np.random.Generator) -> int:
    """Fly a vector for a while; return the episodes that ended."""
    envs.set_attr("reward", [str(rng.choice(REWARDS)) for _ in range(LANES)])
    envs.set_attr("level", rng.random(LANES).tolist())
    low, high = envs.observation_space.low, envs.observation_space.high
    observation, _ = envs.reset(seed=int(rng.integers(2**31)))
    ended = LANES  # the reset too
    for _ in range(STEPS_A_TURN):
        if not ((observation >= low) & (observation <= high)).all():  # false for not-a-numbers
            raise RuntimeError(f"{envs.spec.id}: outside its space: {observation}")
        observation, rewards, terminated, truncated, _ = envs.step(envs.action_space.sample())
        if not np.isfinite(rewards).all():
            raise RuntimeError(f"{envs.spec.id}: reward {rewards}")
        ended += int((terminated | truncated).sum())
    return ended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng, leak = np.random.default_rng(arguments.seed), leak_of_lunar_lander()
    print(f"LunarLander-v3 loses {1024 * leak:.2f} KiB at a reset")
    ids = [env_id for goal in SUB_GOALS.values() for env_id in (goal.env_id, goal.continuous_env_id)]
    fleet = [gymnasium.make_vec(env_id, LANES, observe_hidden=number % 3 == 0) for number, env_id in enumerate(ids)]
    for number, envs in enumerate(fleet):
        envs.action_space.seed(arguments.seed + number)
        turn(envs, rng)  # whatever is made once is made now
    steps = episodes = turns = 0
    before, next_report, began = resident_mib(), 1_000_000, time.perf_counter()
    while steps < arguments.steps:
        episodes += turn(fleet[turns % len(fleet)], rng)
        steps, turns = steps + STEPS_A_TURN * LANES, turns + 1
        if steps >= next_report:
            grown, rate = resident_mib() - before, steps / (time.perf_counter() - began)
            own = f"{grown:.1f} MiB more, LunarLander's own {leak * episodes:.1f}"
            print(f"{steps:,} steps, {episodes:,} episodes, {rate:,.0f} steps/s, {own}", flush=True)
            next_report += 1_000_000
    if resident_mib() - before > 1.5 * leak * episodes + 5:
        raise RuntimeError(f"memory grew by {resident_mib() - before:.0f} MiB over {episodes:,} episodes")
    print(f"{steps:,} steps over {len(ids)} ids: no crash, nothing outside the spaces, no leak of ours")


if __name__ == "__main__":
    main()
