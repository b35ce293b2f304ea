"""Flying a sub-task by keyboard; what ``pathnet-rl play`` runs."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, cast

import gymnasium
import numpy as np

from pathnet_envs.keyboard import Engine, Keyboard, Wish
from pathnet_envs.lander import LanderSubTask
from pathnet_envs.sub_goals import SUB_GOALS

NO_ENGINE = 0
Read = Callable[[], Wish]


@dataclass(frozen=True)
class Flight:
    """A finished episode.

    Attributes:
        is_success: Whether the sub-goal was reached.
        steps: How many it took; 50 are a second.
        episode_return: Sum of its rewards.
    """

    is_success: bool
    steps: int
    episode_return: float


def find_id(name: str) -> str:
    """Return the id of an environment by its sub-goal's name, or by itself.

    Example:
        >>> find_id("hover")
        'PathNet/LanderHover-v0'
        >>> find_id("LanderHovr-v0")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: 'LanderHovr-v0' is no sub-task; nearest: 'LanderHover-v0'; choose one of kill-spin, ...

    Raises:
        ValueError: If it is neither.
    """
    ids = {name: sub_goal.env_id for name, sub_goal in SUB_GOALS.items()}
    for sub_goal in SUB_GOALS.values():
        for env_id in (sub_goal.env_id, sub_goal.continuous_env_id):
            ids[env_id] = ids[env_id.removeprefix("PathNet/")] = env_id
    if name in ids:
        return ids[name]
    close = get_close_matches(name, ids, n=1)
    hint = f"nearest: {close[0]!r}; " if close else ""
    raise ValueError(f"{name!r} is no sub-task; {hint}choose one of {', '.join(SUB_GOALS)}, or an id")


def play(
    name: str,
    *,
    level: float = 1.0,
    reward: str = "shaped",
    seed: int | None = None,
    read: Read | None = None,
    pause_s: float = 1.5,
) -> Iterator[Flight]:
    """Open a window, and yield every episode that is flown to its end, until the person leaves.

    Args:
        name: A sub-goal's name, or an environment's id.
        level: Difficulty of the start in [0, 1].
        reward: What is paid: ``sparse``, ``shaped`` or ``native``.
        seed: Of the first episode; the later ones go on with its generator.
        read: Gives the present wish at every tick; None reads the keyboard.
        pause_s: How long the end of an episode stays on the screen.

    Raises:
        ValueError: If an argument is none of these.
        gymnasium.error.Error: If there is no display.
    """
    settings: dict[str, Any] = {"level": level, "reward": reward, "render_mode": "human"}
    env = cast(LanderSubTask, gymnasium.make(find_id(name), **settings).unwrapped)
    env.reset(seed=seed)  # opens the window, which may be refused, before anything is yielded
    return _fly(env, read or Keyboard(), pause_s)


def _fly(env: LanderSubTask, read: Read, pause_s: float) -> Iterator[Flight]:
    try:
        while (flight := _episode(env, read)) is not None:
            yield flight
            if _leaves(read, pause_s):
                return
            env.reset()
    finally:
        env.close()


def _episode(env: LanderSubTask, read: Read) -> Flight | None:
    """Fly to the end; None if the person leaves before."""
    steps, episode_return = 0, 0.0
    while not (wish := read()).leave:
        if wish.restart:
            env.reset()
            steps, episode_return = 0, 0.0
            continue
        _, reward, terminated, truncated, info = env.step(_action(wish, env.continuous))
        steps, episode_return = steps + 1, episode_return + reward
        if terminated or truncated:
            return Flight(info["is_success"], steps, episode_return)
    return None


def _leaves(read: Read, pause_s: float) -> bool:
    """Keep the last picture for a moment, which R cuts short; whether the person leaves."""
    end_s = time.monotonic() + pause_s
    while time.monotonic() < end_s:
        wish = read()
        if wish.leave or wish.restart:
            return wish.leave
        time.sleep(0.02)
    return False


def _action(wish: Wish, continuous: bool) -> Any:
    """Return full throttle for every engine that is wished, or the engine whose key was pressed last."""
    if not continuous:
        return int(wish.engines[-1]) if wish.engines else NO_ENGINE
    main = float(Engine.MAIN in wish.engines)
    side = float(Engine.RIGHT in wish.engines) - float(Engine.LEFT in wish.engines)
    return np.array([main, side], dtype=np.float32)
