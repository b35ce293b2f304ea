"""``check`` and ``evaluate``: is a run whole, and what does it do?"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pathnet_rl.cli.app import FAILED, Device, DeviceOption, SeedOption, refuse, to_type

if TYPE_CHECKING:
    from pathnet_rl.saved_model import SavedModel


def check(run: Annotated[Path, typer.Argument(help="A run directory.")]) -> None:
    """Compare every file of a run with its checksum; say what is lost and where a training can go on."""
    from pathnet_rl.checking import check_run
    from pathnet_rl.configuration import ConfigurationError
    from pathnet_rl.run import Run, RunError

    try:
        verdict = check_run(Run.open(run).directory)
    except (ConfigurationError, RunError) as error:
        refuse(error)
    typer.echo("\n".join(verdict.lines))
    if not verdict.whole:
        raise typer.Exit(FAILED)


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run directory, or a .zip that PathNetDQN saved.")],
    task: Annotated[str | None, typer.Option(help="One sub-task; default all that were learned.")] = None,
    episodes: Annotated[int, typer.Option(min=1, max=1_000_000, help="Greedy held-out episodes.")] = 100,
    seed: SeedOption = None,
    device: DeviceOption = Device.cpu,
    env: Annotated[
        str | None, typer.Option(help="Gymnasium id to fly a .zip in, all its tasks or --task; a run has its own.")
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Load a .zip, and run what code it may hold.")] = False,
) -> None:
    """Replay the path and head of learned sub-tasks, greedily, on held-out seeds."""
    from rich.console import Console as Screen

    from pathnet_rl.checkpoint import CheckpointError
    from pathnet_rl.configuration import ConfigurationError
    from pathnet_rl.console import evaluation_table
    from pathnet_rl.device import DeviceError, choose_device
    from pathnet_rl.run import Run, RunError
    from pathnet_rl.training import load_agent

    if run.suffix == ".zip":
        saved = _saved_model(run, env, device, trust=trust)
        names = _chosen_tasks(run, task, saved.model.paths)
        if saved.normalised:
            typer.echo(
                f"{run} was learned under VecNormalize, whose statistics are not in it: it sees raw observations",
                err=True,
            )
        typer.echo(f"{', '.join(names)} flown in {env}")
        Screen().print(evaluation_table((name, saved.evaluate(name, episodes, seed or 0)) for name in names))
        return
    if env is not None or trust:
        refuse(f"{run}: --env and --trust are for a .zip; leave them out")
    try:
        opened = Run.open(run)
        agent, damages = load_agent(opened, choose_device(device))
    except (CheckpointError, ConfigurationError, RunError, DeviceError) as error:
        refuse(error)
    for damage in damages:
        typer.echo(f"{damage}; the one before is used", err=True)
    names = _chosen_tasks(run, task, agent.learned)
    chosen_seed = opened.curriculum.seed if seed is None else seed
    Screen().print(evaluation_table((name, agent.evaluate(name, episodes, chosen_seed)) for name in names))
    for name in names:
        if not agent.learned[name].frozen:
            typer.echo(f"{name} was interrupted: this is its best path so far, not frozen")


def _chosen_tasks(place: Path, task: str | None, learned: Iterable[str]) -> list[str]:
    """Return the one that was asked for, by default all."""
    known = list(learned)
    if not known:
        refuse(f"{place} has learned no sub-task yet; go on with: {to_type(f'resume {place}')}")
    if task is not None and task not in known:
        refuse(f"--task {task}: {place} has learned {', '.join(known)}")
    return [task] if task else known


def _saved_model(path: Path, env: str | None, device: Device, *, trust: bool) -> "SavedModel":
    from pathnet_rl.device import DeviceError, choose_device
    from pathnet_rl.saved_model import ModelError, SavedModel

    if env is None:
        refuse(f"{path}: which environment is it for? give --env, such as --env CartPole-v1")
    try:
        return SavedModel(path, env, trusted=trust, device=choose_device(device))
    except (DeviceError, ModelError) as error:
        refuse(error)
