"""Records for the tests of those who listen."""

from dataclasses import replace

from pathnet_rl.records import Evaluation, GenerationRecord, SubTaskRecord

EVALUATION = Evaluation(
    episodes=100,
    success_rate=0.95,
    success_interval=(0.89, 0.98),
    mean_return=213.4,
    return_interval=(200.1, 226.7),
    return_std=67.2,
    mean_episode_steps=310.5,
)


def generation(**changes):
    record = GenerationRecord(
        task="hover",
        task_index=0,
        generation=3,
        phase="search",
        env_steps=12_800,
        total_env_steps=12_800,
        budget_env_steps=60_000,
        episodes=120,
        window_episodes=100,
        success_rate=0.61,
        mean_return=-0.25,
        measured=None,
        loss=0.031,
        epsilon=0.42,
        level=0.2,
        fitness_best=0.75,
        fitness_median=0.1,
        diversity=0.93,
        failed_members=0,
        replaced=(2, 5),
        best_path=[[1, 4], [0], [7, 8, 9]],
        reused_modules=2,
        verification=None,
        why=None,
        env_steps_per_s=1500.0,
        wall_s=8.5,
    )
    return replace(record, **changes)


def sub_task(task="hover", index=0, path=((1, 4), (0,), (7, 8, 9)), reused=({}, {}, {}), newly=None, **changes):
    layers = [list(layer) for layer in path]
    record = SubTaskRecord(
        task=task,
        task_index=index,
        env="PathNet/LanderHover-v0",
        mastered=True,
        why="mastered: success_rate 0.95, 0.9 asked, over 100 held-out episodes",
        env_steps=25_600,
        total_env_steps=25_600 * (index + 1),
        generations=8,
        path=layers,
        reused=[dict(layer) for layer in reused],
        newly_frozen=[list(layer) for layer in newly] if newly is not None else layers,
        free_modules=[36, 38, 35],
        evaluation=EVALUATION,
        wall_s=17.25,
    )
    return replace(record, **changes)


def random_finished(count, modules, layers=3, active=3, seed=0):
    """Return sub-tasks with random paths whose reuse and newly frozen modules agree with one another."""
    import numpy as np

    from pathnet_rl.paths import random_paths, to_lists

    rng = np.random.default_rng(seed)
    names = ["kill_spin", "upright", "brake_fall", "hover", "go_to_x", "land_low", "land_centre", "land"]
    owners = [dict() for _ in range(layers)]
    finished = []
    for index in range(count):
        path = to_lists(random_paths(1, layers, modules, active, rng)[0])
        reused, newly = [], []
        for layer, chosen in enumerate(path):
            if index and rng.random() < 0.6:  # reuse someone's module now and then
                path[layer] = sorted({int(rng.choice(list(owners[layer]))), *chosen[1:]})
            names_here = [owners[layer][module] for module in path[layer] if module in owners[layer]]
            reused.append({name: names_here.count(name) for name in names_here})
            newly.append([module for module in path[layer] if module not in owners[layer]])
            owners[layer].update(dict.fromkeys(newly[-1], names[index]))
        finished.append(sub_task(names[index], index, path, reused, newly))
    return finished
