"""Modules that whoever runs a command names, so that they register environments of their own.

A curriculum cannot name any: it may come from a stranger, and an import runs code.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

VARIABLE = "PATHNET_RL_IMPORT"
"""Names the modules, joined by commas, for the processes that a command starts."""


def named() -> list[str]:
    """Return the modules that were named to this process or to the one that started it."""
    return [name for name in os.environ.get(VARIABLE, "").split(",") if name]


def import_named(modules: Sequence[str] = ()) -> None:
    """Import these modules and those that the environment variable names, the current directory's among them.

    Raises:
        ImportError: If there is no such module, it imports one that is missing, or this is no module's name.
    """
    chosen = list(dict.fromkeys([*named(), *modules]))
    if not chosen:
        return
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    for name in chosen:
        if not all(part.isidentifier() for part in name.split(".")):
            meant = Path(name).stem
            raise ImportError(f'"{name}" is no name of a module' + (f", but {meant} is" if meant else ""))
        importlib.import_module(name)
    os.environ[VARIABLE] = ",".join(chosen)
