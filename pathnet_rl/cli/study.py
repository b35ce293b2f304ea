"""``study``: many repeats of an experiment."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pathnet_rl.cli.app import (
    FAILED,
    Device,
    DeviceOption,
    SetOption,
    answers_signals,
    overrides_of,
    refuse,
    to_type,
)


@answers_signals
def study(
    configuration: Annotated[
        str, typer.Argument(help="A YAML file, or a shipped name: a digit study or a curriculum.")
    ],
    repeats: Annotated[
        int | None, typer.Option(help="Repeats of every arm, instead of the file's; 10 of a curriculum.")
    ] = None,
    arms: Annotated[
        str | None,
        typer.Option(help="Arms, joined by commas; for a curriculum, ablations means all that change it."),
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

    overrides = overrides_of(set_, seed)
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
        named = DEFAULT_ARMS if arms is None else arms
        chosen_arms = choose_arms(named)
    except (ConfigurationError, ArmError) as error:
        refuse(error)
    idle = [arm.name for arm in chosen_arms if arm.name not in named and not arm.changes(curriculum)]
    chosen_arms = [arm for arm in chosen_arms if arm.name not in idle]
    from pathnet_rl.device import DeviceError, choose_device
    from pathnet_rl.transfer.progress import TransferProgress
    from pathnet_rl.transfer.study import TransferError, create_or_continue, run_study

    directory = out or Path("runs") / f"{curriculum.name}-study-seed{curriculum.seed}"
    try:
        chosen = choose_device(device)
        opened = create_or_continue(directory, curriculum, chosen_arms, wanted)
    except (DeviceError, TransferError, ArmError) as error:
        refuse(error)
    if idle:
        typer.echo(f"left out, for it would change nothing of {curriculum.name}: {', '.join(idle)}")
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
    typer.echo(f"next: {to_type(f'report {directory}')}")
