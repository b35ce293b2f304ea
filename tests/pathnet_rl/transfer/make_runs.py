"""Runs as a study leaves them, made by hand, and a curriculum that trains in seconds."""

from pathnet_rl.curriculum import Curriculum
from pathnet_rl.transfer.repeats import Measured, Point, Repeat, TaskResult


def measured(mean_return, success_rate=0.0):
    return Measured(success_rate=success_rate, mean_return=mean_return, return_std=1.0, mean_episode_steps=9.0)


def point(
    env_steps, mean_return, *, task="land", before=0, episodes=100, verified=None, success_rate=0.0, wall_s=1.0
):
    return Point(
        task=task,
        env_steps=env_steps,
        total_env_steps=before + env_steps,
        episodes=episodes,
        success_rate=success_rate,
        mean_return=mean_return,
        verification=None if verified is None else measured(verified),
        wall_s=wall_s,
    )


def result(
    task="land", *, env_steps=300, total=300, mastered=True, final=210.0, success_rate=1.0, wall_s=10.0, **paths
):
    return TaskResult(
        task=task,
        mastered=mastered,
        env_steps=env_steps,
        total_env_steps=total,
        path=paths.get("path", [[0, 1]]),
        reused=paths.get("reused", [{}]),
        newly_frozen=paths.get("newly_frozen", [[0, 1]]),
        free_modules=paths.get("free_modules", [8]),
        evaluation=measured(final, success_rate),
        wall_s=wall_s,
    )


def repeat(points=(), tasks=(), *, arm="pathnet", index=0, after=None):
    return Repeat(arm, index, list(points), list(tasks) or [result()], after or {})


def curve_of(values, *, step=100, **changes):
    """Return one generation a value, every ``step`` environment steps."""
    return [point(step * (place + 1), value, **changes) for place, value in enumerate(values)]


def small_curriculum(**sections):
    """Return two sub-tasks of CartPole, learned in a second or two; a section's keys are added to it."""
    cart = {
        "env": "CartPole-v1",
        "budget_env_steps": 900,
        "advance": {"measure": "mean_return", "threshold": 400, "verify_episodes": 5},
    }
    data = {
        "name": "carts",
        "network": {"layers": 2, "modules": 8, "active": 2, "units": 8},
        "search": {"population": 2, "generation_env_steps": 300, "search_env_steps": 300},
        "agent": {"name": "pathnet-dqn", "lanes": 4, "learning_starts": 50},
        "tasks": [{"name": "first", **cart}, {"name": "second", **cart}],
    }
    for name, changes in sections.items():
        data[name] = {**data[name], **changes} if isinstance(changes, dict) else changes
    return Curriculum.from_dict(data, "test")
