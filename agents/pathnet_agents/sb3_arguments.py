"""What PathNetDQN refuses: one error a mistake, with the argument, its value and a remedy."""

import inspect
import io
import pathlib
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any
from zipfile import BadZipFile, ZipFile

from gymnasium import spaces
from stable_baselines3.common.save_util import open_path

from pathnet_agents.sb3_policy import PathNetPolicy


class UnsupportedActionsError(ValueError, AssertionError):
    """Actions that are not discrete; an ``AssertionError`` too, which Stable-Baselines3 raises for them."""


def check_actions(action_space: spaces.Space[Any] | None) -> None:
    """Refuse actions that have no value each.

    Raises:
        UnsupportedActionsError: If there are such.
    """
    if not isinstance(action_space, spaces.Discrete):
        raise UnsupportedActionsError(
            f"env: PathNetDQN only supports Discrete as action spaces, but {action_space} was provided: give an "
            "environment with discrete actions, or discretise these by a wrapper"
        )


def check_policy_name(policy: Any, known: Iterable[str]) -> None:
    """Refuse the name of a policy there is not.

    Raises:
        ValueError: If it is one.
    """
    if isinstance(policy, str) and policy not in known:
        raise ValueError(
            f"policy={policy!r} is not known; give one of {', '.join(known)}. There is no recurrent one: let the "
            "environment stack frames"
        )


def check_policy(policy: Any, policy_kwargs: dict[str, Any]) -> None:
    """Refuse a policy without paths, and options it does not know.

    Raises:
        ValueError: If there is one of them.
    """
    if not (isinstance(policy, type) and issubclass(policy, PathNetPolicy)):
        name = getattr(policy, "__name__", repr(policy))
        raise ValueError(
            f'policy={name} has no paths: give "PathNetPolicy" or a subclass of it; a file of another algorithm is '
            "loaded by that algorithm"
        )
    parameters = inspect.signature(policy).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = [parameter.name for parameter in list(parameters)[3:]]
    for name, value in policy_kwargs.items():
        if name not in known:
            nearest = get_close_matches(name, known, 1)
            hint = f"nearest: {nearest[0]}" if nearest else f"known: {', '.join(known)}"
            raise ValueError(f"policy_kwargs: {name}={value!r} is not an option of the policy; {hint}")


def check_file(path: str | pathlib.Path | io.BufferedIOBase) -> None:
    """Refuse a file that is cut short, or was not written by ``save``.

    Raises:
        ValueError: If it is one.
    """
    file = open_path(path, "r", suffix="zip")
    try:
        with ZipFile(file) as archive:  # pyright: ignore[reportArgumentType] - open_path's type is too wide
            lacking = {"data", "policy.pth", "policy.optimizer.pth"} - {*archive.namelist()}
        wrong = f"it lacks {', '.join(sorted(lacking))}" if lacking else ""
    except BadZipFile:
        wrong = "it wasn't a zip-file, or it is cut short"
    finally:
        if file is not path:
            file.close()
    if wrong:
        raise ValueError(f"{path} is no whole file of PathNetDQN: {wrong}; write it anew by save()")
