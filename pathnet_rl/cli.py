"""The command line: ``pathnet-rl COMMAND``; each command imports what it needs."""

import os
import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, ParamSpec

import typer

if TYPE_CHECKING:
    from pathnet_rl.listener import Listener
    from pathnet_rl.run import Run
    from pathnet_rl.saved_model import SavedModel
    from pathnet_rl.saving import Pace

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
    typer.Option(
        help="auto: a CUDA device where there is one. Networks as small as the shipped ones learn faster on cpu."
    ),
]
SeedOption = Annotated[int | None, typer.Option(min=0, max=2**63 - 1, help="Instead of the curriculum's seed.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a key of the file, such as seed=1 or network.modules=20"
    ),
]


EveryMinutesOption = Annotated[
    float, typer.Option("--checkpoint-minutes", min=0.0, max=1e6, help="Write a checkpoint after so many minutes,")
]
EveryStepsOption = Annotated[
    int | None,
    typer.Option("--checkpoint-env-steps", min=1, help="or after so many environment steps if that comes first."),
]


def main() -> None:
    """Run the command line; a full disk ends any command with one message."""
    from pathnet_rl.durable import NO_ROOM

    # Python looks for a worker process's first modules in the current directory: a stranger's `re.py` would run.
    os.environ.setdefault("PYTHONSAFEPATH", "1")
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


def _answers_signals(command: Callable[Parameters, None]) -> Callable[Parameters, None]:
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


@app.command()
@_answers_signals
def train(
    curriculum: Annotated[str, typer.Argument(help="A YAML file, or the name of a shipped curriculum.")],
    seed: SeedOption = None,
    device: DeviceOption = Device.auto,
    out: Annotated[Path | None, typer.Option(help="Run directory; default runs/NAME-seedN.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="If it exists, take the next free name.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="If it exists, go on where it was interrupted.")] = False,
    every_minutes: EveryMinutesOption = 1.0,
    every_env_steps: EveryStepsOption = None,
    set_: SetOption = None,
) -> None:
    """Train a curriculum, sub-task after sub-task."""
    from pathnet_rl.configuration import ConfigurationError
    from pathnet_rl.curriculum import load_curriculum

    if fresh and resume:
        refuse("--fresh and --resume exclude each other; give the directory to go on in as --out")
    overrides = list(set_ or []) + ([f"seed={seed}"] if seed is not None else [])
    try:
        loaded = load_curriculum(curriculum, overrides)
    except ConfigurationError as error:
        refuse(error)
    from pathnet_rl.device import DeviceError, choose_device
    from pathnet_rl.run import Run, RunError
    from pathnet_rl.saving import Pace

    directory = out or Path("runs") / f"{loaded.name}-seed{loaded.seed}"
    try:
        chosen = choose_device(device)
        going_on = resume and directory.exists()
        if going_on:
            run = Run.open_to_resume(directory, loaded, device=chosen)
        else:
            run = Run.create(directory, loaded, device=chosen, fresh=fresh)
    except (ConfigurationError, DeviceError, RunError) as error:
        refuse(error)
    _train(run, Pace(every_minutes, every_env_steps), resume=going_on)


@app.command()
@_answers_signals
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
    _train(opened, Pace(every_minutes, every_env_steps), resume=True)


def _train(run: "Run", pace: "Pace", *, resume: bool) -> None:
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
            for words in start.words if start else ():
                typer.echo(words)
            finished = train_run(run, _listeners(run, run.device), device=run.device, start=start, pace=pace)
    except (CheckpointError, LockError, RunError) as error:
        refuse(error)
    except AgentError as error:
        typer.echo(f"stopped: {error}\nwhat was learned before is in {run.directory}", err=True)
        raise typer.Exit(FAILED) from None
    except Interrupted as error:
        saved = "saved" if checkpoints(run.directory) else "nothing was learned yet"
        typer.echo(f"interrupted; {saved}; go on with: pathnet-rl resume {run.directory}", err=True)
        raise typer.Exit(error.status) from None
    screen.print(summary_table(finished))
    screen.print(f"run {run.directory}", soft_wrap=True)
    screen.print(
        f"next: pathnet-rl evaluate {run.directory}   tensorboard --logdir {run.directory.parent}",
        soft_wrap=True,
    )


def _listeners(run: "Run", device: str) -> "list[Listener]":
    from pathnet_rl.console import ConsoleListener
    from pathnet_rl.picture import PictureFiles
    from pathnet_rl.run import PICTURES
    from pathnet_rl.tensorboard import TensorBoardListener

    heading = f"{run.curriculum.name}, seed {run.curriculum.seed}, on {device}, into {run.directory}"
    pictures = PictureFiles(run.directory / PICTURES)
    return [TensorBoardListener(run.directory), pictures, ConsoleListener(heading)]


@app.command()
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


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="A run directory, or a .zip that PathNetDQN saved.")],
    task: Annotated[str | None, typer.Option(help="One sub-task; default all that were learned.")] = None,
    episodes: Annotated[int, typer.Option(min=1, max=1_000_000, help="Greedy held-out episodes.")] = 100,
    seed: SeedOption = None,
    device: DeviceOption = Device.cpu,
    env: Annotated[str | None, typer.Option(help="Gymnasium id to fly a .zip in; a run has its own.")] = None,
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
    if task is not None and task not in known:
        refuse(f"--task {task}: {place} has learned {', '.join(known) or 'no sub-task yet'}")
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


@app.command()
@_answers_signals
def study(
    configuration: Annotated[
        str, typer.Argument(help="A YAML file, or a shipped name: a digit study or a curriculum.")
    ],
    repeats: Annotated[
        int | None, typer.Option(help="Repeats of every arm, instead of the file's; 10 of a curriculum.")
    ] = None,
    arms: Annotated[
        str | None, typer.Option(help="Arms, joined by commas; for a curriculum, ablations means all of those.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**63 - 1, help="Instead of the file's seed.")] = None,
    device: DeviceOption = Device.auto,
    out: Annotated[Path | None, typer.Option(help="Study directory; default runs/NAME-seedN.")] = None,
    processes: Annotated[int | None, typer.Option(min=1, max=1024, help="Default: one a core.")] = None,
    slots: Annotated[
        int, typer.Option(min=1, max=4096, help="Repeats of a digit study trained at once by each process.")
    ] = 16,
    set_: SetOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="A study that is there goes on with or without this.")
    ] = False,
) -> None:
    """Run many repeats of an experiment; give the same command again to go on after an interruption."""
    del resume
    from pathnet_rl.configuration import ConfigurationError, read_configuration

    overrides = list(set_ or []) + ([f"seed={seed}"] if seed is not None else [])
    try:
        keys = read_configuration(configuration).mapping().keys()
    except ConfigurationError as error:
        refuse(error)
    if "study" in keys:
        overrides += [f"repeats={repeats}"] if repeats is not None else []
        overrides += [f"arms=[{arms}]"] if arms is not None else []
        _study_digits(configuration, overrides, device, out, processes=processes, slots=slots)
    elif "tasks" in keys:
        names = None if arms is None else [name.strip() for name in arms.split(",") if name.strip()]
        _study_curriculum(configuration, overrides, names, device, out, repeats=repeats, processes=processes)
    else:
        refuse(f"{configuration}: is neither a digit study (it has no `study:`) nor a curriculum (no `tasks:`)")


def _study_digits(
    configuration: str, overrides: list[str], device: Device, out: Path | None, *, processes: int | None, slots: int
) -> None:
    from pathnet_rl.configuration import ConfigurationError
    from pathnet_rl.study.settings import load_study

    try:
        settings = load_study(configuration, overrides)
    except ConfigurationError as error:
        refuse(error)
    from pathnet_rl.device import DeviceError, choose_device
    from pathnet_rl.study.digits import DigitsError
    from pathnet_rl.study.progress import StudyProgress
    from pathnet_rl.study.study import StudyError, create_or_continue, run_study

    directory = out or Path("runs") / f"{settings.name}-seed{settings.seed}"
    try:
        chosen = choose_device(device)
        opened = create_or_continue(directory, settings)
    except (DeviceError, StudyError, DigitsError) as error:
        refuse(error)
    workers, crew = _workers(processes, chosen)
    heading = f"{settings.name}, seed {settings.seed}, {crew} of {slots} slots on {chosen}, into {directory}"
    with _running(directory, StudyError):
        run_study(opened, StudyProgress(heading), processes=workers, slots=slots, device=chosen)


def _study_curriculum(
    configuration: str,
    overrides: list[str],
    arms: list[str] | None,
    device: Device,
    out: Path | None,
    *,
    repeats: int | None,
    processes: int | None,
) -> None:
    from pathnet_rl.configuration import ConfigurationError
    from pathnet_rl.curriculum import load_curriculum
    from pathnet_rl.transfer.arms import DEFAULT_ARMS, ArmError, choose_arms

    wanted = 10 if repeats is None else repeats
    if wanted < 1:
        refuse(f"--repeats {wanted}: is below 1; give 1 or more")
    try:
        curriculum = load_curriculum(configuration, overrides)
        chosen_arms = choose_arms(DEFAULT_ARMS if arms is None else arms)
    except (ConfigurationError, ArmError) as error:
        refuse(error)
    from pathnet_rl.device import DeviceError, choose_device
    from pathnet_rl.transfer.progress import TransferProgress
    from pathnet_rl.transfer.study import TransferError, create_or_continue, run_study

    directory = out or Path("runs") / f"{curriculum.name}-study-seed{curriculum.seed}"
    try:
        chosen = choose_device(device)
        opened = create_or_continue(directory, curriculum, chosen_arms, wanted)
    except (DeviceError, TransferError, ArmError) as error:
        refuse(error)
    workers, crew = _workers(processes, chosen)
    heading = f"{curriculum.name}, seeds from {curriculum.seed}, {crew} on {chosen}, into {directory}"
    progress = TransferProgress(heading, [arm.name for arm in chosen_arms])
    with _running(directory, TransferError):
        run_study(opened, progress, processes=workers, device=chosen)


def _workers(processes: int | None, device: str) -> tuple[int, str]:
    """Return how many processes to start, one a core by default, and say so in words."""
    workers = processes or (1 if device == "cuda" else len(os.sched_getaffinity(0)))
    return workers, "1 process" if workers == 1 else f"{workers} processes"


@contextmanager
def _running(directory: Path, refusal: type[Exception]) -> Generator[None, None, None]:
    """Answer for what may end a study early, and say what comes next where nothing does."""
    from pathnet_rl.crew import JobsFailed, WorkerDied
    from pathnet_rl.interruption import Interrupted

    try:
        yield
    except refusal as error:
        refuse(error)
    except (WorkerDied, JobsFailed) as error:
        typer.echo(f"{error}", err=True)
        raise typer.Exit(FAILED) from None
    except Interrupted as error:
        typer.echo(f"interrupted; finished repeats are in {directory}, the same command goes on", err=True)
        raise typer.Exit(error.status) from None
    typer.echo(f"next: pathnet-rl report {directory}")


@app.command()
def report(
    study: Annotated[Path, typer.Argument(help="A study directory.")],
    repeat: Annotated[
        list[str] | None,
        typer.Option(metavar="ARM:INDEX", help="Draw this repeat of a digit study by itself too; can be repeated."),
    ] = None,
) -> None:
    """Write a study's figures (PDF and PNG) and its report.html."""
    if (study / "transfer.json").is_file():
        _report_curriculum(study, repeat)
    elif (study / "study.json").is_file():
        _report_digits(study, repeat or [])
    else:
        refuse(f"{study} is no study: neither transfer.json nor study.json is there; give what `study --out` wrote")


def _report_curriculum(directory: Path, repeat: list[str] | None) -> None:
    from pathnet_rl.transfer.report import write_report
    from pathnet_rl.transfer.study import TransferError, TransferStudy

    if repeat:
        refuse(f"--repeat {repeat[0]}: {directory} is a study of a curriculum; its runs have pictures of their own")
    try:
        page = write_report(TransferStudy.open(directory))
    except TransferError as error:
        refuse(error)
    typer.echo(f"wrote {page} and {page.parent / 'figures'}")


def _report_digits(directory: Path, repeats: list[str]) -> None:
    from pathnet_rl.study.report import write_report
    from pathnet_rl.study.study import Study, StudyError

    single: list[tuple[str, int]] = []
    for text in repeats:
        arm, colon, index = text.partition(":")
        if not colon or not index.isdecimal():
            refuse(f"--repeat {text}: is no ARM:INDEX; write search+search:3, say")
        single.append((arm, int(index)))
    try:
        page = write_report(Study.open(directory), single=single)
    except StudyError as error:
        refuse(error)
    typer.echo(f"wrote {page} and {page.parent / 'figures'}")


@app.command()
def keys(
    word: Annotated[str | None, typer.Argument(help="Only keys whose name or meaning has this word.")] = None,
) -> None:
    """List every key that a curriculum file may have: what it may be, its default, what it means."""
    from rich.console import Console as Screen

    from pathnet_rl.console import keys_table
    from pathnet_rl.key_reference import keys as all_keys

    chosen = [key for key in all_keys() if word is None or word.lower() in f"{key.place} {key.says}".lower()]
    if not chosen:
        refuse(f"{word}: is in no key; `pathnet-rl keys` lists them all")
    screen = Screen()
    if not screen.is_terminal:
        screen.width = max(screen.width, 250)  # a line a key, for grep
    screen.print(keys_table(chosen))


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
