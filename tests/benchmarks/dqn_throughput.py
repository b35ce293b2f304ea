"""How fast PathNetDQN and CurriculumAgent learn, beside Stable-Baselines3's DQN, and what an update costs.

    python tests/benchmarks/dqn_throughput.py
    python tests/benchmarks/dqn_throughput.py --rounds 9 --only lone

Paired: all variants of a table take turns in every round, on one thread. Figures are per second of the process's
CPU time, which is wall-clock on an idle machine and does not count what others take of a busy one; medians over
rounds, and ratios within a round. Every learner updates once in 4 environment steps, along each of its paths, on 64
transitions a path; ``updates/s`` counts one for every path.
"""

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy, whose threads would spin and be counted

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from time import process_time
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
from pathnet_agents.double_dqn import double_dqn_loss
from pathnet_agents.replay import Sample
from pathnet_agents.settings import PathNetDQNSettings
from pathnet_agents.sub_task import SubTask
from pathnet_agents.transfer import FreezePaths, Plan
from pathnet_rl.network import PathNet
from pathnet_rl.optimizer import Adam
from pathnet_rl.paths import random_paths
from pathnet_rl.rng import numpy_generator, torch_generator
from pathnet_rl.settings import NetworkSettings, SearchSettings, SubTaskSettings
from pathnet_rl.shapes import dense_layers
from pathnet_rl.working_set import WorkingSet

CARTPOLE, LAND = "CartPole-v1", pathnet_envs.SUB_GOALS["land"].env_id
LANES, BATCH, STEPS_PER_UPDATE, POPULATION = 16, 64, 4, 8
LEARNER = {
    "learning_rate": 5e-4,
    "learning_starts": 100,
    "batch_size": BATCH,
    "target_update_interval": 256,
    "buffer_size": 50_000,
    "exploration_final_eps": 0.05,
    "device": "cpu",
    "seed": 0,
}
Measure = Callable[[], float]
"""Runs a variant for a while and returns its CPU seconds for one step, or one update."""


def cpu_s(run: Callable[[], Any], times: int) -> float:
    """Return the CPU seconds of one of the steps that a run makes."""
    began = process_time()
    run()
    return (process_time() - began) / times


def learner(model: OffPolicyAlgorithm, steps: int) -> Measure:
    """Return the cost of an environment step of a learner that is past its warm-up."""
    model.learn(steps)  # past the first tournament too: a lone path is one by then
    return lambda: cpu_s(lambda: model.learn(steps, reset_num_timesteps=False), steps)


def rate(lanes: int) -> dict[str, Any]:
    """Return DQN's arguments for an update in STEPS_PER_UPDATE steps."""
    if lanes <= STEPS_PER_UPDATE:
        return {"train_freq": STEPS_PER_UPDATE // lanes, "gradient_steps": 1}
    return {"train_freq": 1, "gradient_steps": lanes // STEPS_PER_UPDATE}


def dqn(env: VecEnv, steps: int) -> Measure:
    """Return the cost of a step of Stable-Baselines3's DQN."""
    return learner(
        DQN("MlpPolicy", env, policy_kwargs={"net_arch": [64, 64]}, **LEARNER, **rate(env.num_envs)), steps
    )


def pathnet(env: VecEnv, steps: int, *, paths: int, active: int = 3) -> Measure:
    """Return the cost of a step of PathNetDQN: one path, whose search is over, or a population that goes on."""
    search = steps // 2 if paths == 1 else 10_000_000
    kwargs = {"net_arch": [64, 64], "population": max(paths, 2), "active": active}
    model = PathNetDQN(
        "MlpPolicy",
        env,
        policy_kwargs=kwargs,
        search_steps=search,
        generation_steps=steps // 2,
        **LEARNER,
        **rate(env.num_envs),
    )
    measure = learner(model, steps)
    live = model.policy.live
    assert live is not None and live.members == paths
    return measure


def curriculum(steps: int, *, paths: int) -> Measure:
    """Return the cost of a step of CurriculumAgent's own loop on LANES lanes: acting, replay and updates."""
    dqn = PathNetDQNSettings(
        lanes=LANES,
        batch_transitions=BATCH,
        consolidate_batch_transitions=BATCH,
        env_steps_per_update=STEPS_PER_UPDATE,
        learning_starts=LANES,
        return_steps=1,
        replay_transitions=50_000,
    )
    network = NetworkSettings(layers=2, modules=20, active=3, units=64)
    search = SearchSettings(population=POPULATION, generation_env_steps=steps)
    transfer = FreezePaths(Plan(network, search, 8, 4, 0, Adam(0.0).state_names, "cpu"))
    transfer.begin("land", 0)
    settings = SubTaskSettings.model_validate({"name": "land", "env": LAND})
    task = SubTask(settings, dqn, search, transfer, actions=4, seed=0, index=0, warm=False)
    task.assign(paths)
    drawn = transfer.propose(None)[:paths]
    members = np.arange(paths)
    return lambda: cpu_s(lambda: task.train(members, drawn), steps)


def bare(env_id: str, steps: int) -> Measure:
    """Return the cost of a step of the environment alone, with random actions and resets."""
    env, rng = gymnasium.make(env_id), np.random.default_rng(0)
    env.reset(seed=0)
    count = int(env.action_space.n)  # pyright: ignore[reportAttributeAccessIssue] - Discrete

    def run() -> None:
        for action in rng.integers(count, size=steps).tolist():
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()

    return lambda: cpu_s(run, steps)


def vector(env: VecEnv, steps: int) -> Measure:
    """Return the cost of a step, a lane each, of environments in Stable-Baselines3's vector."""
    env.reset()

    def run() -> None:
        for _ in range(steps // env.num_envs):
            env.step(np.zeros(env.num_envs, dtype=np.int64))

    return lambda: cpu_s(run, steps)


def update(paths: int, modules: int, *, units: int, layers: int, updates: int) -> Measure:
    """Return the cost of one update of all paths, on random transitions, the drawing of them apart."""
    adam, generators = Adam(5e-4), [torch_generator(0, 0, "benchmark")]
    net = PathNet(
        dense_layers(8, units, layers),
        modules=modules,
        active=3,
        generators=generators,
        state_names=adam.state_names,
    )
    net.add_heads("task", paths, 4, generators)
    drawn = random_paths(paths, layers, modules, 3, numpy_generator(0, 0, "benchmark"))
    working = WorkingSet(net, "task", drawn[None], np.arange(paths)[None], adam)
    target = working.copy_values()
    observation, following = torch.randn(2, paths, BATCH, 8, generator=generators[0])
    action = torch.randint(4, (paths, BATCH), generator=generators[0])
    reward = torch.randn(paths, BATCH, generator=generators[0])
    sample = Sample(observation, action, reward, following, torch.full((paths, BATCH), 0.99))

    def run() -> None:
        for _ in range(updates):
            working.step(double_dqn_loss(working, target, sample).sum(), max_norm=10.0)

    return lambda: cpu_s(run, updates)


def products(paths: int, *, units: int, layers: int, updates: int) -> Measure:
    """Return the cost of an update's matrix products alone: three runs forward and one backward."""
    shapes = [(8 if layer == 0 else units, 3 * units) for layer in range(layers)] + [(units, 4)]
    inputs = [torch.randn(paths, BATCH, given + 1) for given, _ in shapes]
    matrices = [torch.randn(paths, given + 1, wide) for given, wide in shapes]
    deltas = [torch.randn(paths, BATCH, wide) for _, wide in shapes]

    def run() -> None:
        with torch.inference_mode():
            for _ in range(updates):
                for layer, (rows, matrix, delta) in enumerate(zip(inputs, matrices, deltas, strict=True)):
                    for _ in range(3):
                        torch.bmm(rows, matrix)
                    torch.bmm(rows.mT, delta)
                    if layer:
                        torch.bmm(delta, matrix.mT)

    return lambda: cpu_s(run, updates)


def lone(steps: int) -> dict[str, dict[str, tuple[Measure, int]]]:
    """Return the variants with one environment, by environment, each with the paths it updates."""
    return {
        f"one environment, {env_id}": {
            "DQN": (dqn(make_vec_env(env_id), steps), 1),
            "PathNetDQN, 1 path": (pathnet(make_vec_env(env_id), steps, paths=1), 1),
            "PathNetDQN, 1 path of DQN's size": (pathnet(make_vec_env(env_id), steps, paths=1, active=1), 1),
            "PathNetDQN, 8 paths": (pathnet(make_vec_env(env_id), steps, paths=POPULATION), POPULATION),
            "the environment alone": (bare(env_id, steps), 0),
            "the environment in DQN's vector": (vector(make_vec_env(env_id), steps), 0),
        }
        for env_id in (LAND, CARTPOLE)
    }


def many(steps: int) -> dict[str, dict[str, tuple[Measure, int]]]:
    """Return the variants with LANES environments."""

    def envs() -> VecEnv:
        return make_vec_env(LAND, LANES, vec_env_cls=DummyVecEnv)

    return {
        f"{LANES} environments, {LAND}": {
            "DQN": (dqn(envs(), steps), 1),
            "PathNetDQN, 1 path": (pathnet(envs(), steps, paths=1), 1),
            "PathNetDQN, 8 paths": (pathnet(envs(), steps, paths=POPULATION), POPULATION),
            "CurriculumAgent, 1 path": (curriculum(steps, paths=1), 1),
            "CurriculumAgent, 8 paths": (curriculum(steps, paths=POPULATION), POPULATION),
            "the environments alone": (bare(LAND, steps), 0),
            "the environments in DQN's vector": (vector(envs(), steps), 0),
        }
    }


def costs(updates: int) -> dict[str, Measure]:
    """Return the variants of one update."""
    wide, narrow = {"units": 64, "layers": 2, "updates": updates}, {"units": 32, "layers": 3, "updates": updates}
    return {
        **{f"1 path, {modules} modules": update(1, modules, **wide) for modules in (10, 40, 100)},
        **{f"8 paths, {modules} modules": update(POPULATION, modules, **wide) for modules in (10, 40, 100)},
        "1 path, products alone": products(1, **wide),
        "8 paths, products alone": products(POPULATION, **wide),
        "1 path, 3 layers of 32, 40 modules": update(1, 40, **narrow),
        "8 paths, 3 layers of 32, 40 modules": update(POPULATION, 40, **narrow),
    }


def take_turns(variants: Mapping[str, Measure], rounds: int) -> dict[str, list[float]]:
    """Measure every variant once a round, after one that does not count."""
    measured: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds + 1):
        for name, measure in variants.items():
            seconds = measure()
            if number:
                measured[name].append(seconds)
    return measured


def ratio(measured: Mapping[str, Sequence[float]], one: str, other: str) -> str:
    """Return how many times as long one variant takes as another, by rounds."""
    ratios = [a / b for a, b in zip(measured[one], measured[other], strict=True)]
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def show_learners(title: str, variants: Mapping[str, tuple[Measure, int]], rounds: int) -> None:
    """Print steps and updates a second, and both relative to DQN's."""
    measured = take_turns({name: measure for name, (measure, _) in variants.items()}, rounds)
    print(f"\n{title:34} us/step  steps/s updates/s   steps/s over DQN's     updates/s over DQN's")
    for name, seconds in measured.items():
        paths, step_s = variants[name][1], median(seconds)
        line = f"{name:34} {step_s * 1e6:7.1f} {1 / step_s:8,.0f}"
        if paths:
            line += f" {paths / STEPS_PER_UPDATE / step_s:9,.0f}"
        faster = ratio(measured, "DQN", name)
        times_paths = median(a / b for a, b in zip(measured["DQN"], seconds, strict=True)) * paths
        print(f"{line:62} {faster:22} {times_paths:.2f}" if paths else f"{line:62} {faster}", flush=True)


def show_costs(updates: int, rounds: int) -> None:
    """Print what an update costs, and how that grows with modules and paths."""
    measured = take_turns(costs(updates), rounds)
    print("\none update, double DQN and Adam, 2 layers of 64 units")
    for name, seconds in measured.items():
        print(f"{name:36} {median(seconds) * 1e6:7.0f} us ({min(seconds) * 1e6:.0f} to {max(seconds) * 1e6:.0f})")
    for one, other in (
        ("1 path, 100 modules", "1 path, 10 modules"),
        ("8 paths, 100 modules", "8 paths, 10 modules"),
        ("8 paths, 100 modules", "8 paths, 40 modules"),
        ("8 paths, 40 modules", "1 path, 40 modules"),
        ("8 paths, products alone", "1 path, products alone"),
        ("8 paths, 3 layers of 32, 40 modules", "1 path, 3 layers of 32, 40 modules"),
    ):
        print(f"{one} / {other}: {ratio(measured, one, other)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=1_600, help="environment steps of a variant in a round")
    parser.add_argument("--updates", type=int, default=60, help="updates of a variant in a round")
    parser.add_argument("--only", choices=["lone", "many", "costs"], help="one of the tables")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name, tables in (("lone", lone), ("many", many)):
        if arguments.only in (None, name):
            for title, variants in tables(arguments.steps).items():
                show_learners(title, variants, arguments.rounds)
    if arguments.only in (None, "costs"):
        show_costs(arguments.updates, arguments.rounds)


if __name__ == "__main__":
    main()
