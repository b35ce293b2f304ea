"""The command line: ``pathnet-rl train | evaluate | envs | play | study | report``; each imports what it needs."""

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from pathnet_rl.listener import Listener
    from pathnet_rl.run import Run

INTERRUPTED = 130  # what shells report after SIGINT
REFUSED = 2  # bad input: nothing was written
CONTEXT = {"help_option_names": ["-h", "--help"]}

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


DeviceOption = Annotated[Device, typer.Option(help="auto uses a CUDA device where there is one.")]
SeedOption = Annotated[int | None, typer.Option(min=0, max=2**63 - 1, help="Instead of the curriculum's seed.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a key of the file, such as seed=1 or network.modules=20"
    ),
]


def main() -> None:
    """Run the command line."""
    app()


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
) -> None:
    """Train PathNet agents on curricula of sub-tasks, and see what they reuse."""


def refuse(message: object) -> NoReturn:
    """Say what is wrong and leave with exit status 2."""
    typer.echo(f"{message}", err=True)
    raise typer.Exit(REFUSED)


@app.command()
def train(
    curriculum: Annotated[str, typer.Argument(help="A YAML file, or the name of a shipped curriculum.")],
    seed: SeedOption = None,
    device: DeviceOption = Device.auto,
    out: Annotated[Path | None, typer.Option(help="Run directory; default runs/NAME-seedN.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="If it exists, take the next free name.")] = False,
    set_: SetOption = None,
) -> None:
    """Train a curriculum, sub-task after sub-task."""
    from pathnet_rl.configuration import ConfigurationError
    from pathnet_rl.curriculum import load_curriculum

    overrides = list(set_ or []) + ([f"seed={seed}"] if seed is not None else [])
    try:
        loaded = load_curriculum(curriculum, overrides)
    except ConfigurationError as error:
        refuse(error)
    from pathnet_rl.run import Run, RunError
    from pathnet_rl.training import DeviceError, choose_device

    directory = out or Path("runs") / f"{loaded.name}-seed{loaded.seed}"
    try:
        chosen = choose_device(device)
        run = Run.create(directory, loaded, device=chosen, fresh=fresh)
    except (DeviceError, RunError) as error:
        refuse(error)
    _train(run, chosen)


def _train(run: "Run", device: str) -> None:
    from rich.console import Console as Screen

    from pathnet_rl.console import summary_table
    from pathnet_rl.run import RECORDS
    from pathnet_rl.training import train as train_run

    screen = Screen()
    try:
        finished = train_run(run, _listeners(run, device), device=device)
    except KeyboardInterrupt:
        begun = (run.directory / RECORDS).exists() and (run.directory / RECORDS).stat().st_size > 0
        learned = "what was learned so far is in" if begun else "before anything was learned; nothing to keep in"
        typer.echo(f"interrupted; {learned} {run.directory}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    screen.print(summary_table(finished))
    screen.print(f"run {run.directory}", soft_wrap=True)
    screen.print(
        f"next: pathnet-rl evaluate {run.directory}   tensorboard --logdir {run.directory.parent}",
        soft_wrap=True,
    )


def _listeners(run: "Run", device: str) -> "list[Listener]":
    from pathnet_rl.console import ConsoleListener
    from pathnet_rl.picture import PictureFiles
    from pathnet_rl.run import PICTURES, RecordFile
    from pathnet_rl.tensorboard import TensorBoardListener

    heading = f"{run.curriculum.name}, seed {run.curriculum.seed}, on {device}, into {run.directory}"
    pictures = PictureFiles(run.directory / PICTURES)
    return [RecordFile(run.directory), TensorBoardListener(run.directory), pictures, ConsoleListener(heading)]


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    task: Annotated[str | None, typer.Option(help="One sub-task; default all that were learned.")] = None,
    episodes: Annotated[int, typer.Option(min=1, max=1_000_000, help="Greedy held-out episodes.")] = 100,
    seed: SeedOption = None,
    device: DeviceOption = Device.cpu,
) -> None:
    """Replay the path and head of learned sub-tasks, greedily, on held-out seeds."""
    from rich.console import Console as Screen

    from pathnet_rl.configuration import ConfigurationError
    from pathnet_rl.console import evaluation_table
    from pathnet_rl.run import Run, RunError
    from pathnet_rl.training import DeviceError, choose_device, load_agent

    try:
        opened = Run.open(run)
        agent = load_agent(opened, choose_device(device))
    except (ConfigurationError, RunError, DeviceError) as error:
        refuse(error)
    if task is not None and task not in agent.learned:
        refuse(f"--task {task}: {run} has learned {', '.join(agent.learned) or 'no sub-task yet'}")
    chosen_seed = opened.curriculum.seed if seed is None else seed
    names = [task] if task else list(agent.learned)
    rows = [(name, agent.evaluate(name, episodes, chosen_seed)) for name in names]
    Screen().print(evaluation_table(rows))
    for name in names:
        if not agent.learned[name].frozen:
            typer.echo(f"{name} was interrupted: this is its best path so far, not frozen")


@app.command()
def study(
    configuration: Annotated[str, typer.Argument(help="A YAML file, or the name of a shipped study.")],
    repeats: Annotated[int | None, typer.Option(help="Repeats of every arm, instead of the file's.")] = None,
    arms: Annotated[str | None, typer.Option(help="Arms, joined by commas, instead of the file's.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**63 - 1, help="Instead of the study's seed.")] = None,
    device: DeviceOption = Device.auto,
    out: Annotated[Path | None, typer.Option(help="Study directory; default runs/NAME-seedN.")] = None,
    processes: Annotated[int | None, typer.Option(min=1, max=1024, help="Default: one a core.")] = None,
    slots: Annotated[int, typer.Option(min=1, max=4096, help="Repeats trained at once by each process.")] = 16,
    set_: SetOption = None,
) -> None:
    """Run many repeats of an experiment; give the same command again to go on after an interruption."""
    from pathnet_rl.configuration import ConfigurationError
    from pathnet_rl.study.settings import load_study

    overrides = list(set_ or [])
    overrides += [f"repeats={repeats}"] if repeats is not None else []
    overrides += [f"arms=[{arms}]"] if arms is not None else []
    overrides += [f"seed={seed}"] if seed is not None else []
    try:
        settings = load_study(configuration, overrides)
    except ConfigurationError as error:
        refuse(error)
    from pathnet_rl.study.digits import DigitsError
    from pathnet_rl.study.progress import StudyProgress
    from pathnet_rl.study.study import StudyError, create_or_continue, run_study
    from pathnet_rl.study.workers import WorkerDied
    from pathnet_rl.training import DeviceError, choose_device

    directory = out or Path("runs") / f"{settings.name}-seed{settings.seed}"
    try:
        chosen = choose_device(device)
        opened = create_or_continue(directory, settings)
    except (DeviceError, StudyError, DigitsError) as error:
        refuse(error)
    workers = processes or (1 if chosen == "cuda" else len(os.sched_getaffinity(0)))
    crew = "1 process" if workers == 1 else f"{workers} processes"
    heading = f"{settings.name}, seed {settings.seed}, {crew} of {slots} slots on {chosen}, into {directory}"
    try:
        run_study(opened, StudyProgress(heading), processes=workers, slots=slots, device=chosen)
    except StudyError as error:
        refuse(error)
    except WorkerDied as error:
        typer.echo(f"{error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo(f"interrupted; finished repeats are in {directory}, the same command goes on", err=True)
        raise typer.Exit(INTERRUPTED) from None
    typer.echo(f"next: pathnet-rl report {directory}")


@app.command()
def report(
    study: Annotated[Path, typer.Argument(help="A study directory.")],
    repeat: Annotated[
        list[str] | None,
        typer.Option(metavar="ARM:INDEX", help="Draw this repeat by itself too; can be repeated."),
    ] = None,
) -> None:
    """Write a study's figures (PDF and PNG) and its report.html."""
    from pathnet_rl.study.report import write_report
    from pathnet_rl.study.study import Study, StudyError

    single: list[tuple[str, int]] = []
    for text in repeat or []:
        arm, colon, index = text.partition(":")
        if not colon or not index.isdecimal():
            refuse(f"--repeat {text}: is no ARM:INDEX; write search+search:3, say")
        single.append((arm, int(index)))
    try:
        page = write_report(Study.open(study), single=single)
    except StudyError as error:
        refuse(error)
    typer.echo(f"wrote {page} and {page.parent / 'figures'}")


@app.command()
def envs(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all that is known of them, for a program.")
    ] = False,
) -> None:
    """List the LunarLander sub-tasks."""
    import pathnet_envs

    if as_json:
        import json

        typer.echo(json.dumps([row.to_dict() for row in pathnet_envs.catalogue()], indent=2))
        return
    from rich.console import Console as Screen

    from pathnet_rl.console import environments_table

    Screen().print(environments_table(pathnet_envs.catalogue()))


@app.command()
def play(
    env: Annotated[str, typer.Argument(metavar="ID", help="An environment's id, or its sub-goal's name: hover.")],
    level: Annotated[float, typer.Option(help="Difficulty, from 0 to 1.")] = 1.0,
    seed: Annotated[int | None, typer.Option(min=0, max=2**63 - 1, help="Of the first episode.")] = None,
    reward: Annotated[str, typer.Option(help="What is paid: sparse, shaped or native.")] = "shaped",
) -> None:
    """Fly a sub-task by keyboard: the arrow keys fire the engines, R restarts, Escape leaves."""
    from gymnasium.error import Error

    from pathnet_envs.play import play as fly

    try:
        flights = fly(env, level=level, reward=reward, seed=seed)
    except (ValueError, Error) as error:
        refuse(error)
    try:
        for number, flight in enumerate(flights, start=1):
            outcome = "success" if flight.is_success else "no success"
            typer.echo(f"episode {number}: {outcome}, {flight.steps} steps, return {flight.episode_return:.3f}")
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
