"""What all commands share: the program itself, its common options, refusals and how signals are answered."""

import os
import sys
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Annotated, NoReturn, ParamSpec

import typer

INTERRUPTED = 130  # what shells report after SIGINT
FAILED = 1
REFUSED = 2  # bad input: nothing was written
CONTEXT = {"help_option_names": ["-h", "--help"]}

Parameters = ParamSpec("Parameters")

app = typer.Typer(
    name="pathnet-rl",
    help="Train PathNet agents on curricula of sub-tasks, and see what they reuse.",
    no_args_is_help=True,
    add_completion=False,
    context_settings=CONTEXT,
    pretty_exceptions_enable=False,
)


class Device(StrEnum):
    """Where to train."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


DeviceOption = Annotated[
    Device,
    typer.Option(help="auto: a CUDA device where there is one."),
]
SeedOption = Annotated[int | None, typer.Option(min=0, max=2**63 - 1, help="Instead of the curriculum's seed.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a key of the file, such as seed=1 or network.modules=20"
    ),
]


def main() -> None:
    """Run the command line; a full disk ends any command with one message."""
    from pathnet_rl.durable import NO_ROOM

    # Python looks for a worker process's first modules in the current directory: a stranger's `re.py` would run.
    os.environ["PYTHONSAFEPATH"] = os.environ.get("PYTHONSAFEPATH") or "1"  # an empty word means no
    try:
        app()
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        what = error.filename or "a file"
        typer.echo(f"{what} cannot be written: {error.strerror}; make room, then go on", err=True)
        sys.exit(FAILED)


def _tell_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"pathnet-rl {version('pathnet-rl')}")
        raise typer.Exit


@app.callback()
def _options(  # pyright: ignore[reportUnusedFunction] - Typer calls it
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say which version this is.")
    ] = False,
    import_: Annotated[
        list[str] | None,
        typer.Option("--import", metavar="MODULE", help="Import it first: it registers environments of your own."),
    ] = None,
) -> None:
    """Train PathNet agents on curricula of sub-tasks, and see what they reuse."""
    from pathnet_rl.imports import import_named

    try:
        import_named(import_ or ())
    except ImportError as error:
        refuse(f"--import {' '.join(import_ or ())}: {error}; give a module of this directory or an installed one")


def refuse(message: object) -> NoReturn:
    """Say what is wrong and leave with exit status 2."""
    typer.echo(f"{message}", err=True)
    raise typer.Exit(REFUSED)


def to_type(words: str) -> str:
    """Return a command to type next, with the modules that were imported for this one."""
    from pathnet_rl.imports import named

    return " ".join(["pathnet-rl", *(f"--import {module}" for module in named()), words])


def overrides_of(set_: list[str] | None, seed: int | None) -> list[str]:
    """Return what ``--set`` and ``--seed`` change of a file, as ``KEY=VALUE``."""
    return list(set_ or []) + ([f"seed={seed}"] if seed is not None else [])


def answers_signals(command: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Let a command be ended by Ctrl-C and SIGTERM from its first moment."""

    @wraps(command)
    def answering(*arguments: Parameters.args, **options: Parameters.kwargs) -> None:
        from pathnet_rl.interruption import Interrupted, interruptible

        with interruptible():
            try:
                command(*arguments, **options)
            except Interrupted as error:
                typer.echo("interrupted before anything was begun", err=True)
                raise typer.Exit(error.status) from None

    return answering
