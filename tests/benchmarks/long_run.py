"""Millions of environment steps of one agent: does it leak, does it slow down?

    python tests/benchmarks/long_run.py --env-steps 5000000

CartPole, which loses no memory itself and steps fast, as one sub-task after another that are never mastered: each
is searched, consolidated and searched anew, writes its replay over several times, and freezes a path. Steps a
second are of the process's CPU time, which is wall-clock on an idle machine. Fails if memory grows by more than 2%
after the second sub-task, or the last three are more than 20% slower than the first three, by their medians.
"""

import argparse
import os
from statistics import median
from time import process_time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy, whose threads would spin and be counted

import torch
from soak import resident_mib  # its sibling: what is run is a file of this folder

from pathnet_agents.settings import PathNetDQNSettings
from pathnet_rl.settings import AdvanceSettings, NetworkSettings, SearchSettings, SubTaskSettings

SUB_TASKS = 10
GROWTH, SLOWDOWN = 0.02, 1.2


def sub_task(number: int, budget: int) -> SubTaskSettings:
    """Return a sub-task that is never mastered."""
    never = AdvanceSettings(measure="mean_return", threshold=501.0, verify_from=501.0)
    return SubTaskSettings(name=f"pole-{number}", env="CartPole-v1", advance=never, budget_env_steps=budget)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env-steps", type=int, default=5_000_000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dqn = PathNetDQNSettings(env_steps_per_update=64, replay_transitions=100_000)
    search = SearchSettings(search_env_steps=100_000, stall_env_steps=100_000)
    agent = dqn.build(NetworkSettings(modules=60), search, seed=0, device="cpu")
    print(f"{'env steps':>12} {'a second':>9} {'resident MiB':>13}")
    rates, sizes = list[float](), list[float]()
    for number in range(SUB_TASKS):
        began, steps = process_time(), agent.total_env_steps
        for _ in agent.learn_task(sub_task(number, arguments.env_steps // SUB_TASKS)):
            pass
        rates.append((agent.total_env_steps - steps) / (process_time() - began))
        sizes.append(resident_mib())
        print(f"{agent.total_env_steps:12,} {rates[-1]:9,.0f} {sizes[-1]:13.1f}", flush=True)
    growth = sizes[-1] / sizes[1] - 1
    slowdown = median(rates[:3]) / median(rates[-3:])
    print(f"memory grew by {growth:.1%} after the second; the first three over the last three {slowdown:.2f}")
    if growth > GROWTH or slowdown > SLOWDOWN:
        raise SystemExit("it leaks or slows down")


if __name__ == "__main__":
    main()
