"""How fast PathNetDQN and CurriculumAgent learn, beside Stable-Baselines3's DQN.

    python tests/benchmarks/dqn_throughput.py
    python tests/benchmarks/dqn_throughput.py --rounds 9 --only lone

Paired: all variants of a table take turns in every round, on one thread. Figures are per second of the process's
CPU time, or with ``--device cuda`` of wall-clock; medians over rounds, and ratios within a round. Every learner
updates once in 4 environment steps, along each of its paths, on 64 transitions a path; ``replayed/s`` counts them
for every path. With 16 environments some replay as many in a quarter of the updates: 256 at once, after a step of
all lanes.
"""

from turns import Clock, Measure, clock_for, ratio, take_turns  # isort: skip - it must come before NumPy

import argparse
from collections.abc import Mapping
from statistics import median
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

import pathnet_envs
from pathnet_agents import PathNetDQN
from pathnet_agents.settings import PathNetDQNSettings
from pathnet_agents.sub_task import SubTask
from pathnet_agents.transfer import FreezePaths, Plan
from pathnet_rl.device import make_reproducible
from pathnet_rl.optimizer import Adam
from pathnet_rl.settings import NetworkSettings, SearchSettings, SubTaskSettings

CARTPOLE, LAND = "CartPole-v1", pathnet_envs.SUB_GOALS["land"].env_id
LANES, BATCH, STEPS_PER_UPDATE, POPULATION = 16, 64, 4, 8
LEARNER = {
    "learning_rate": 5e-4,
    "learning_starts": 100,
    "target_update_interval": 256,
    "buffer_size": 50_000,
    "exploration_final_eps": 0.05,
    "seed": 0,
}


def vec(env_id: str, lanes: int = 1) -> VecEnv:
    """Return environments that draw nothing; ``make_vec_env`` by itself has every flame of the lander simulated."""
    return make_vec_env(env_id, lanes, env_kwargs={"render_mode": None}, vec_env_cls=DummyVecEnv)


def learner(model: OffPolicyAlgorithm, steps: int, clock: Clock) -> Measure:
    """Return the cost of an environment step of a learner that is past its warm-up."""
    model.learn(steps)  # past the first tournament too: a lone path is one by then
    return lambda: clock(lambda: model.learn(steps, reset_num_timesteps=False), steps)


def rate(lanes: int, batch: int = BATCH) -> dict[str, Any]:
    """Return DQN's arguments for BATCH transitions in STEPS_PER_UPDATE steps, ``batch`` of them an update."""
    steps = STEPS_PER_UPDATE * batch // BATCH
    if lanes <= steps:
        return {"train_freq": steps // lanes, "gradient_steps": 1, "batch_size": batch}
    return {"train_freq": 1, "gradient_steps": lanes // steps, "batch_size": batch}


def dqn(env: VecEnv, steps: int, device: str, batch: int = BATCH, clock: Clock | None = None) -> Measure:
    """Return the cost of a step of Stable-Baselines3's DQN, as its users run it: not asked for equal results."""
    kwargs = {"net_arch": [64, 64]}
    model = DQN("MlpPolicy", env, policy_kwargs=kwargs, device=device, **LEARNER, **rate(env.num_envs, batch))
    measure = learner(model, steps, clock or clock_for(device))

    def plainly() -> float:
        asked = torch.are_deterministic_algorithms_enabled()
        torch.use_deterministic_algorithms(False)
        seconds = measure()
        torch.use_deterministic_algorithms(asked)
        return seconds

    return plainly


def dqn_elsewhere(env: VecEnv, steps: int, device: str) -> dict[str, tuple[Measure, int]]:
    """Return DQN on the CPU, beside learners on another device: its networks may well be faster there."""
    return {} if device == "cpu" else {"DQN on the CPU": (dqn(env, steps, "cpu", clock=clock_for(device)), 1)}


def pathnet(env: VecEnv, steps: int, device: str, *, paths: int, active: int = 3) -> Measure:
    """Return the cost of a step of PathNetDQN: one path, whose search is over, or a population that goes on."""
    search = steps // 2 if paths == 1 else 10_000_000
    kwargs = {"net_arch": [64, 64], "population": max(paths, 2), "active": active}
    model = PathNetDQN(
        "MlpPolicy",
        env,
        policy_kwargs=kwargs,
        search_steps=search,
        generation_steps=steps // 2,
        device=device,
        **LEARNER,
        **rate(env.num_envs),
    )
    measure = learner(model, steps, clock_for(device))
    while members_of(model) > paths:  # a search goes on until an episode has ended
        model.learn(steps, reset_num_timesteps=False)
    assert members_of(model) == paths
    return measure


def members_of(model: PathNetDQN) -> int:
    """Return how many paths learn."""
    assert model.policy.live is not None
    return model.policy.live.members


def curriculum(steps: int, device: str, *, paths: int, batch: int = BATCH) -> Measure:
    """Return the cost of a step of CurriculumAgent's own loop on LANES lanes: acting, replay and updates."""
    dqn = PathNetDQNSettings(
        lanes=LANES,
        batch_transitions=batch,
        consolidate_batch_transitions=batch,
        env_steps_per_update=STEPS_PER_UPDATE * batch // BATCH,
        learning_starts=LANES,
        return_steps=1,
        replay_transitions=50_000,
    )
    network = NetworkSettings(layers=2, modules=20, active=3, units=64)
    search = SearchSettings(population=POPULATION, generation_env_steps=steps)
    transfer = FreezePaths(Plan(network, search, 8, 4, 0, Adam(0.0).state_names, device))
    transfer.begin("land", 0)
    settings = SubTaskSettings.model_validate({"name": "land", "env": LAND})
    task = SubTask(settings, dqn, search, transfer, actions=4, seed=0, index=0, warm=False)
    task.assign(paths)
    drawn = transfer.propose(None)[:paths]
    members = np.arange(paths)
    clock = clock_for(device)
    return lambda: clock(lambda: task.train(members, drawn), steps)


def bare(env_id: str, steps: int, device: str) -> Measure:
    """Return the cost of a step of the environment alone, with random actions and resets."""
    env, rng = gymnasium.make(env_id), np.random.default_rng(0)
    env.reset(seed=0)
    count = int(env.action_space.n)  # pyright: ignore[reportAttributeAccessIssue] - Discrete

    def run() -> None:
        for action in rng.integers(count, size=steps).tolist():
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()

    clock = clock_for(device)
    return lambda: clock(run, steps)


def vector(env: VecEnv, steps: int, device: str) -> Measure:
    """Return the cost of a step, a lane each, of environments in Stable-Baselines3's vector."""
    env.reset()

    def run() -> None:
        for _ in range(steps // env.num_envs):
            env.step(np.zeros(env.num_envs, dtype=np.int64))

    clock = clock_for(device)
    return lambda: clock(run, steps)


def lone(steps: int, device: str) -> dict[str, dict[str, tuple[Measure, int]]]:
    """Return the variants with one environment, by environment, each with the paths it updates."""
    return {
        f"one environment, {env_id}": {
            "DQN": (dqn(vec(env_id), steps, device), 1),
            **dqn_elsewhere(vec(env_id), steps, device),
            "PathNetDQN, 1 path": (pathnet(vec(env_id), steps, device, paths=1), 1),
            "PathNetDQN, 1 path of DQN's size": (pathnet(vec(env_id), steps, device, paths=1, active=1), 1),
            "PathNetDQN, 8 paths": (pathnet(vec(env_id), steps, device, paths=POPULATION), POPULATION),
            "the environment alone": (bare(env_id, steps, device), 0),
            "the environment in DQN's vector": (vector(vec(env_id), steps, device), 0),
        }
        for env_id in (LAND, CARTPOLE)
    }


def many(steps: int, device: str) -> dict[str, dict[str, tuple[Measure, int]]]:
    """Return the variants with LANES environments."""

    large, many_paths = BATCH * LANES // STEPS_PER_UPDATE, POPULATION

    def envs() -> VecEnv:
        return vec(LAND, LANES)

    return {
        f"{LANES} environments, {LAND}": {
            "DQN": (dqn(envs(), steps, device), 1),
            **dqn_elsewhere(envs(), steps, device),
            "PathNetDQN, 1 path": (pathnet(envs(), steps, device, paths=1), 1),
            "PathNetDQN, 8 paths": (pathnet(envs(), steps, device, paths=many_paths), many_paths),
            "CurriculumAgent, 1 path": (curriculum(steps, device, paths=1), 1),
            "CurriculumAgent, 8 paths": (curriculum(steps, device, paths=many_paths), many_paths),
            "DQN, batches of 256": (dqn(envs(), steps, device, large), 1),
            "CurriculumAgent, 1 path, 256": (curriculum(steps, device, paths=1, batch=large), 1),
            "CurriculumAgent, 8 paths, 256": (curriculum(steps, device, paths=many_paths, batch=large), many_paths),
            "the environments alone": (bare(LAND, steps, device), 0),
            "the environments in DQN's vector": (vector(envs(), steps, device), 0),
        }
    }


def show_learners(title: str, variants: Mapping[str, tuple[Measure, int]], rounds: int) -> None:
    """Print steps and replayed transitions a second, and both relative to DQN's."""
    measured = take_turns({name: measure for name, (measure, _) in variants.items()}, rounds)
    print(f"\n{title:34} us/step  steps/s replayed/s  steps/s over DQN's     replayed/s over DQN's")
    for name, seconds in measured.items():
        paths, step_s = variants[name][1], median(seconds)
        line = f"{name:34} {step_s * 1e6:7.1f} {1 / step_s:8,.0f}"
        if paths:
            line += f" {paths * BATCH / STEPS_PER_UPDATE / step_s:10,.0f}"
        faster = ratio(measured, "DQN", name)
        times_paths = median(a / b for a, b in zip(measured["DQN"], seconds, strict=True)) * paths
        print(f"{line:62} {faster:22} {times_paths:.2f}" if paths else f"{line:62} {faster}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=1_600, help="environment steps of a variant in a round")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--only", choices=["lone", "many"], help="one of the tables")
    arguments = parser.parse_args()
    make_reproducible(arguments.device)
    for name, tables in (("lone", lone), ("many", many)):
        if arguments.only in (None, name):
            for title, variants in tables(arguments.steps, arguments.device).items():
                show_learners(title, variants, arguments.rounds)


if __name__ == "__main__":
    main()
