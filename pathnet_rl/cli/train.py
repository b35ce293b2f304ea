"""``train`` and ``resume``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pathnet_rl.cli.app import (
    FAILED,
    Device,
    DeviceOption,
    SeedOption,
    SetOption,
    answers_signals,
    overrides_of,
    refuse,
    to_type,
)

if TYPE_CHECKING:
    from pathnet_rl.listener import Listener
    from pathnet_rl.run import Run
    from pathnet_rl.saving import Pace


EveryMinutesOption = Annotated[
    float, typer.Option("--checkpoint-minutes", min=0.0, max=1e6, help="Write a checkpoint after so many minutes,")
]
EveryStepsOption = Annotated[
    int | None,
    typer.Option("--checkpoint-env-steps", min=1, help="or after so many environment steps if that comes first."),
]


@answers_signals
def train(
    curriculum: Annotated[str, typer.Argument(help="A YAML file, or the name of a shipped curriculum.")],
    seed: SeedOption = None,
    device: DeviceOption = Device.auto,
    out: Annotated[Path | None, typer.Option(help="Run directory; default runs/NAME-seedN.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="If it exists, take the next free name.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="If it exists, go on where it was interrupted.")] = False,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Begin with what this run has learned of the sub-tasks that both curricula begin with."
        ),
    ] = None,
    every_minutes: EveryMinutesOption = 1.0,
    every_env_steps: EveryStepsOption = None,
    set_: SetOption = None,
) -> None:
    """Train a curriculum, sub-task after sub-task."""
    from pathnet_rl.configuration import ConfigurationError
    from pathnet_rl.curriculum import load_curriculum

    if fresh and resume:
        refuse("--fresh and --resume exclude each other; give the directory to go on in as --out")
    overrides = overrides_of(set_, seed)
    try:
        loaded = load_curriculum(curriculum, overrides)
    except ConfigurationError as error:
        refuse(error)
    from pathnet_rl.checkpoint import CheckpointError
    from pathnet_rl.device import DeviceError, choose_device
    from pathnet_rl.run import Run, RunError
    from pathnet_rl.saving import Pace
    from pathnet_rl.training import find_beginning

    directory = out or Path("runs") / f"{loaded.name}-seed{loaded.seed}"
    try:
        chosen = choose_device(device)
        going_on = resume and directory.exists()
        # What it is comes before where it lies.
        earlier = None if from_ is None or going_on else Run.open_to_continue(from_, loaded, device=chosen)
        if from_ is not None and _lies_in(directory, from_, fresh=fresh):
            refuse(f"{directory} is where to begin from, and only read; give another name, or --out")
        words: tuple[str, ...] = ()
        if going_on:
            run = Run.open_to_resume(directory, loaded, device=chosen)
            words = () if from_ is None else (f"going on in {directory}; --from {from_} is not used",)
        elif earlier is not None:
            beginning = find_beginning(earlier, loaded)
            run = Run.create(directory, loaded, device=chosen, fresh=fresh, beginning=beginning.files)
            going_on, words = True, beginning.words
        else:
            run = Run.create(directory, loaded, device=chosen, fresh=fresh)
    except (CheckpointError, ConfigurationError, DeviceError, RunError) as error:
        refuse(error)
    _train(run, Pace(every_minutes, every_env_steps, keeps_learned=True), resume=going_on, words=words)


def _lies_in(directory: Path, earlier: Path, *, fresh: bool) -> bool:
    """Say whether a new run would lie in an earlier one, or be it, where no other name is taken."""
    here, there = directory.resolve(), earlier.resolve()
    return here.is_relative_to(there) and not (fresh and here == there)


@answers_signals
def resume(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    every_minutes: EveryMinutesOption = 1.0,
    every_env_steps: EveryStepsOption = None,
) -> None:
    """Go on with an interrupted training; it ends as it would have without the interruption."""
    from pathnet_rl.configuration import ConfigurationError
    from pathnet_rl.device import DeviceError, choose_device
    from pathnet_rl.run import Run, RunError
    from pathnet_rl.saving import Pace

    try:
        opened = Run.open(run)
        choose_device(opened.device)
    except (ConfigurationError, DeviceError, RunError) as error:
        refuse(error)
    _train(opened, Pace(every_minutes, every_env_steps, keeps_learned=True), resume=True)


def _train(run: "Run", pace: "Pace", *, resume: bool, words: tuple[str, ...] = ()) -> None:
    from rich.console import Console as Screen

    from pathnet_rl.agent import AgentError
    from pathnet_rl.checkpoint import CheckpointError, checkpoints
    from pathnet_rl.console import summary_table
    from pathnet_rl.interruption import Interrupted
    from pathnet_rl.lock import LockError, sole_writer
    from pathnet_rl.run import RunError
    from pathnet_rl.training import find_start
    from pathnet_rl.training import train as train_run

    screen = Screen()
    try:
        with sole_writer(run.directory):
            start = find_start(run) if resume else None
            for line in (*words, *(start.words if start else ())):
                typer.echo(line)
            known = start.stored.manifest.records if start and start.stored else 0
            finished = train_run(run, _listeners(run, known), device=run.device, start=start, pace=pace)
    except (CheckpointError, LockError, RunError) as error:
        refuse(error)
    except AgentError as error:
        typer.echo(f"stopped: {error}\nwhat was learned before is in {run.directory}", err=True)
        raise typer.Exit(FAILED) from None
    except Interrupted as error:
        saved = "saved" if checkpoints(run.directory) else "nothing was learned yet"
        typer.echo(f"interrupted; {saved}; go on with: {to_type(f'resume {run.directory}')}", err=True)
        raise typer.Exit(error.status) from None
    screen.print(summary_table(finished))
    if len(finished) < len(run.curriculum.tasks):  # it ended for good
        why = run.stopped_because(finished[-1].task)
        screen.print(f"{why}; to go on, change it and train --from this run", soft_wrap=True)
    screen.print(f"run {run.directory}", soft_wrap=True)
    screen.print(
        f"next: {to_type(f'evaluate {run.directory}')}   tensorboard --logdir {run.directory.parent}",
        soft_wrap=True,
    )


def _listeners(run: "Run", known: int) -> "list[Listener]":
    from pathnet_rl.console import ConsoleListener
    from pathnet_rl.picture import PictureFiles
    from pathnet_rl.run import PICTURES
    from pathnet_rl.tensorboard import TensorBoardListener

    heading = f"{run.curriculum.name}, seed {run.curriculum.seed}, on {run.device}, into {run.directory}"
    pictures = PictureFiles(run.directory / PICTURES)
    return [TensorBoardListener(run.directory), pictures, ConsoleListener(heading, known=known)]
