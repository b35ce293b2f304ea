"""The environments that sub-tasks name: registered, accepting their arguments, and alike in shape."""

import inspect
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import load_env_creator
from gymnasium.spaces import Box, Discrete

import pathnet_envs  # registers the LunarLander sub-tasks
from pathnet_rl.complaints import Complaint, nearest
from pathnet_rl.settings import SubTaskSettings
from pathnet_rl.strict_yaml import Location

__all__ = ["environment_complaints", "pathnet_envs"]

OF_EVERY_ENVIRONMENT = ("max_episode_steps", "disable_env_checker")  # what gymnasium.make takes itself
Shape = tuple[int, int]  # numbers in an observation, actions


def environment_complaints(tasks: Mapping[int, SubTaskSettings]) -> Iterator[Complaint]:
    """Make every sub-task's environment once and yield what is wrong with them, or between them.

    Args:
        tasks: Sub-tasks by their index in the curriculum.
    """
    shapes: dict[int, Shape] = {}
    for index, task in tasks.items():
        place = ("tasks", index)
        if task.env not in gymnasium.registry:
            message = f'"{task.env}" is not registered; {_nearest_id(task.env)}'
            yield Complaint((*place, "env"), message)
            continue
        try:
            complaints = list(_argument_complaints(task, place))
            if not complaints:
                env = gymnasium.make(task.env, **task.env_kwargs)
                complaints = list(_space_complaints(task, env, place, shapes, index))
                env.close()
        except Exception as error:  # noqa: BLE001 - environments of others raise what they like
            key = "env_kwargs" if task.env_kwargs else "env"
            complaints = [Complaint((*place, key), _one_line(task.env, error))]
        yield from complaints
    for index, shape in shapes.items():
        first = next(iter(shapes))
        if shape != shapes[first]:
            yield Complaint(
                ("tasks", index, "env"),
                f"has {shape[0]} observed numbers and {shape[1]} actions, tasks[{first}] has {shapes[first][0]} "
                f"and {shapes[first][1]}; all sub-tasks share one network and need the same",
            )


def _argument_complaints(task: SubTaskSettings, place: Location) -> Iterator[Complaint]:
    """Find arguments that the environment does not have, where it says which it has."""
    entry_point = gymnasium.spec(task.env).entry_point
    creator = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    parameters = {} if creator is None else inspect.signature(creator).parameters
    if not parameters or any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        return
    known = [*parameters, *OF_EVERY_ENVIRONMENT]
    for key in task.env_kwargs.keys() - known:
        yield Complaint((*place, "env_kwargs", key), f"is no argument of {task.env}; {nearest(key, known)}")


def _space_complaints(
    task: SubTaskSettings, env: gymnasium.Env[Any, Any], place: Location, shapes: dict[int, Shape], index: int
) -> Iterator[Complaint]:
    observations, actions = env.observation_space, env.action_space
    if isinstance(observations, Box) and len(observations.shape) == 1 and isinstance(actions, Discrete):
        shapes[index] = (observations.shape[0], int(actions.n))
        if actions.start != 0:
            message = (
                f"has actions from {actions.start} on; give one whose actions count from 0, such as by a wrapper"
            )
            yield Complaint((*place, "env"), message)
    else:
        given = f"has observations {observations} and actions {actions}"
        yield Complaint((*place, "env"), f"{given}; give one with a flat box and discrete actions")
    yield from _measure_complaints(task, env, (*place, "advance", "measure"))
    if not hasattr(env.unwrapped, "level"):
        if task.level == "adaptive":
            yield Complaint((*place, "level"), f"{task.env} has no level; give fixed")
        if task.teacher is not None:
            yield Complaint(
                (*place, "teacher"), f"{task.env} has no level that a teacher could choose; leave it out"
            )


def _measure_complaints(
    task: SubTaskSettings, env: gymnasium.Env[Any, Any], place: Location
) -> Iterator[Complaint]:
    """Look for what is measured in the info of a first step."""
    measure = task.advance.measure
    if measure == "mean_return":
        return
    env.action_space.seed(0)
    env.reset(seed=0)
    info = env.step(env.action_space.sample())[4]
    if measure == "success_rate":
        if "is_success" not in info:
            remedy = "give mean_return and a threshold"
            yield Complaint(place, f"success_rate cannot be measured: {task.env} reports no is_success; {remedy}")
    elif measure not in info:
        known = ["success_rate", "mean_return", *info]
        yield Complaint(place, f'"{measure}" is not in the info of {task.env}; {nearest(measure, known)}')
    elif not isinstance(info[measure], int | float | np.number | np.bool_):
        yield Complaint(place, f'"{measure}" in the info of {task.env} is no number; give another key')


def _nearest_id(env: str) -> str:
    """Suggest an id; ours come first, because the registry is long."""
    module, _, name = env.rpartition(":")
    if module:
        return f"give {name} alone, and the module to the command: pathnet-rl --import {module} ..."
    if env.startswith("PathNet/"):
        return nearest(env, [row.env_id for row in pathnet_envs.catalogue()])
    close = get_close_matches(env, list(gymnasium.registry), n=1)
    own = "one of your own needs pathnet-rl --import MODULE ..."
    return f"nearest: {close[0]}; {own}" if close else f"`pathnet-rl envs` lists the suite's; {own}"


def _one_line(env: str, error: Exception) -> str:
    return f"{env} fails: {type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
