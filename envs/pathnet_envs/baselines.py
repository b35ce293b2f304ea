"""Measure what every sub-task gives to policies that learn nothing.

``python -m pathnet_envs.baselines --out baselines.json`` plays 300 episodes of each policy, in about a minute of
one core. What ships with the package was made by it: :func:`pathnet_envs.success_rates.shipped_baselines`.
"""

import argparse
import json
import os
import platform
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from pathnet_envs.scripted import Policy, constant, scripted, uniform_random
from pathnet_envs.sub_goals import SUB_GOALS
from pathnet_envs.success_rates import Baselines, SuccessRate

FIRST_SEED = 1_000_000
"""Episode i has seed ``FIRST_SEED + i``. Held out: train on smaller seeds, compare on these."""
EPISODES = 300
"""A rate's 95% interval is then narrower than .12."""
ACTIONS = 4
PACKAGES = ("pathnet-rl", "gymnasium", "box2d", "numpy")

PolicyOf = Callable[[int], Policy]
"""Returns the policy for the episode of a seed."""


def measure(name: str, episodes: int = EPISODES) -> Baselines:
    """Play every baseline in one sub-task; the same seeds give the same rates.

    Args:
        name: The sub-goal.
        episodes: How many for each policy, with the same starts and terrain for all.
    """

    def rate(policy_of: PolicyOf, level: float = 1.0) -> SuccessRate:
        return success_rate(name, policy_of, level, episodes)

    constants = [rate(lambda seed, action=action: constant(action)) for action in range(ACTIONS)]
    best = max(range(ACTIONS), key=lambda action: constants[action].successes)
    return Baselines(
        random=rate(random_of),
        no_op=constants[0],
        best_constant=constants[best],
        best_constant_action=best,
        scripted=rate(lambda seed: scripted(name)),
        random_at_level_0=rate(random_of, level=0.0),
    )


def success_rate(name: str, policy_of: PolicyOf, level: float, episodes: int) -> SuccessRate:
    """Play episodes on the held-out seeds.

    Args:
        name: The sub-goal.
        policy_of: Returns the policy for the episode of a seed.
        level: Of the starts, in [0, 1].
        episodes: 1 or more.
    """
    env = gymnasium.make(SUB_GOALS[name].env_id, reward="sparse", level=level)
    seeds = range(FIRST_SEED, FIRST_SEED + episodes)
    return SuccessRate(sum(succeeds(env, policy_of(seed), seed) for seed in seeds), episodes)


def succeeds(env: gymnasium.Env[Any, Any], policy: Policy, seed: int) -> bool:
    """Play one episode to its end and say whether its last info did."""
    observation, info = env.reset(seed=seed)
    ended = truncated = False
    while not (ended or truncated):
        observation, _, ended, truncated, info = env.step(policy(observation.tolist()))
    return bool(info["is_success"])


def random_of(seed: int) -> Policy:
    """Return uniformly random actions for the episode of a seed."""
    # The environment draws its start from default_rng(seed): the same stream would tie actions to it.
    return uniform_random(np.random.default_rng([seed, 1]))


def report(episodes: int, measured: dict[str, Baselines]) -> dict[str, Any]:
    """Return the rates with all that is needed to measure them again."""
    return {
        "command": f"python -m pathnet_envs.baselines --episodes {episodes}",
        "machine": machine(),
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "seeds": [FIRST_SEED, FIRST_SEED + episodes - 1],
        "sub_goals": {name: baselines.to_dict() for name, baselines in measured.items()},
    }


def machine() -> str:
    """Return cores and processor; the rounding of another processor may change single episodes."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    return f"{os.cpu_count()} cores, {found[1] if found else platform.machine()}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # the package's folder alone works too
        return "not installed"


def main(arguments: list[str] | None = None) -> None:
    """Measure all sub-tasks and write the result as JSON."""
    parser = argparse.ArgumentParser(prog="python -m pathnet_envs.baselines", description=__doc__)
    parser.add_argument("--episodes", type=int, default=EPISODES, help="for each policy (default %(default)s)")
    parser.add_argument("--out", type=Path, help="file to write; standard output if left out")
    options = parser.parse_args(arguments)
    if options.episodes < 1:
        parser.error(f"--episodes {options.episodes}: give 1 or more")
    measured: dict[str, Baselines] = {}
    for name in SUB_GOALS:
        measured[name] = measure(name, options.episodes)
        rates = measured[name]
        print(
            f"{name}: random {rates.random.rate:.2f}, best constant {rates.best_constant.rate:.2f},"
            f" scripted {rates.scripted.rate:.2f}, random at level 0 {rates.random_at_level_0.rate:.2f}",
            file=sys.stderr,
        )
    text = json.dumps(report(options.episodes, measured), indent=2) + "\n"
    if options.out is None:
        print(text, end="")
    else:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
