"""The study of a curriculum: one directory, a run for every arm and repeat in it, and the crew that trains them."""

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from pathnet_rl.complaints import nearest
from pathnet_rl.configuration import ConfigurationError
from pathnet_rl.crew import Crew, JobsFailed
from pathnet_rl.curriculum import Curriculum
from pathnet_rl.durable import NO_ROOM, write_file
from pathnet_rl.lock import LockError, sole_writer
from pathnet_rl.run import PACKAGES, first_difference
from pathnet_rl.transfer.arms import ARMS, Arm, curriculum_of
from pathnet_rl.transfer.repeats import Repeat, RepeatError, read_repeat
from pathnet_rl.transfer.worker import FINISHED, Failed, Finished, Job, Position, work

DESCRIPTION = "transfer.json"


class TransferError(Exception):
    """A study's directory that cannot be used; the message names it and the remedy."""


@dataclass(frozen=True)
class TransferStudy:
    """A study's directory, its curriculum, and which runs it shall have.

    Attributes:
        description: All that its file says: commands, machine, versions.
    """

    directory: Path
    curriculum: Curriculum
    arms: tuple[str, ...]
    repeats: int
    description: dict[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def open(cls, directory: Path) -> "TransferStudy":
        """Open what :func:`create_or_continue` made.

        Raises:
            TransferError: If this is no study of a curriculum.
        """
        file = directory / DESCRIPTION
        if not file.is_file():
            raise TransferError(
                f"{directory} is no study of a curriculum: {DESCRIPTION} is missing; give what `study --out` wrote"
            )
        try:
            description = json.loads(file.read_text(encoding="utf-8"))
            curriculum = Curriculum.from_dict(description["curriculum"], str(file))
            arms, repeats = tuple(description["arms"]), int(description["repeats"])
        except ConfigurationError as error:  # such as an environment of one's own that was not imported
            raise TransferError(f"{error}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise TransferError(f"{file} is damaged: {error}; run the study into another directory") from error
        for arm in arms:
            if arm not in ARMS:
                raise TransferError(
                    f'{file}: "{arm}" is no arm of this version; {nearest(arm, list(ARMS))}; take it out of "arms" '
                    "there, or use the version that wrote it"
                )
        return cls(directory, curriculum, arms, repeats, description)

    def run_directory(self, arm: str, index: int) -> Path:
        """Return where a repeat's run is."""
        return self.directory / arm / f"seed{self.curriculum.seed + index}"

    def is_finished(self, arm: str, index: int) -> bool:
        """Say whether a repeat is done."""
        return (self.run_directory(arm, index) / FINISHED).is_file()

    def finished(self) -> list[Repeat]:
        """Return the finished repeats of all arms, in the order of the arms and by index.

        Raises:
            TransferError: If the file of one is damaged.
        """
        try:
            return [
                read_repeat(self.run_directory(arm, index), arm, index)
                for arm in self.arms
                for index in range(self.repeats)
                if self.is_finished(arm, index)
            ]
        except RepeatError as error:
            raise TransferError(str(error)) from error


def create_or_continue(directory: Path, curriculum: Curriculum, arms: Sequence[Arm], repeats: int) -> TransferStudy:
    """Make a study's directory, or find the one that the same curriculum has made before.

    Arms and repeats may be added from one time to the next; what an arm or the curriculum is may not change.

    Raises:
        TransferError: If the directory holds something else, or cannot be made.
        ArmError: If an arm does not fit the curriculum; nothing is written.
        OSError: If there is no room.
    """
    for arm in arms:
        curriculum_of(arm, curriculum, seed=curriculum.seed + repeats - 1)
    now = {"command": sys.argv, "date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": _machine()}
    described = {arm.name: dict(arm.overrides) for arm in _with_needed(arms)}
    description: dict[str, Any] = {"curriculum": curriculum.to_dict(), "repeats": repeats, "arms": described}
    if directory.exists():
        known = TransferStudy.open(directory)
        _refuse_another(known, description)
        description["repeats"] = max(known.repeats, repeats)
        description["arms"] = {**known.description["arms"], **described}
        description["commands"] = [*known.description["commands"], now]
    else:
        description["commands"] = [now]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with sole_writer(directory):
            write_file(directory / DESCRIPTION, (json.dumps(description, indent=1) + "\n").encode())
    except LockError as error:
        raise TransferError(str(error)) from error
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        raise TransferError(f"{directory} cannot be made: {error.strerror}; give another --out") from error
    return TransferStudy(directory, curriculum, tuple(described), repeats, description)


def _with_needed(arms: Sequence[Arm]) -> list[Arm]:
    """Return the arms and, before the first that needs it, the arm that others need."""
    needed = [ARMS[arm.needs] for arm in arms if arm.needs is not None]
    return list({arm.name: arm for arm in [*(each for each in needed if each not in arms), *arms]}.values())


def _refuse_another(known: TransferStudy, asked: dict[str, Any]) -> None:
    # Both with every default of today written out: a setting that is new since then is no difference.
    old, new = known.curriculum.to_dict(), asked["curriculum"]
    arms = {name: changes for name, changes in known.description["arms"].items() if name in asked["arms"]}
    same = {name: asked["arms"][name] for name in arms}
    differing = first_difference(old, new) or first_difference(arms, same, "arms")
    if differing is not None:
        raise TransferError(f"{known.directory} holds another study: its {differing}; give another --out")


def _machine() -> dict[str, Any]:
    """Describe this machine, for the report."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor() or "unknown",
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


class TransferListener(Protocol):
    """Hears how a study goes on."""

    def begin(self, study: TransferStudy, done: Sequence[tuple[str, int]]) -> None:
        """Hear which repeats there are already, by arm and index."""
        ...

    def position(self, position: Position) -> None:
        """Hear where a worker is."""
        ...

    def repeat(self, finished: Finished) -> None:
        """Hear of a finished repeat."""
        ...

    def failed(self, failed: Failed) -> None:
        """Hear of a repeat that ended with an error."""
        ...

    def idle(self) -> None:
        """Hear that time has passed."""
        ...

    def end(self) -> None:
        """Hear that nothing more comes."""
        ...


class Backlog:
    """The repeats that a study lacks: first repeats of all arms first, so that there are pairs early."""

    def __init__(self, study: TransferStudy) -> None:
        self._study = study
        repeats = [(arm, index) for index in range(study.repeats) for arm in study.arms]
        self.done = [repeat for repeat in repeats if study.is_finished(*repeat)]
        self.missing = [repeat for repeat in repeats if repeat not in self.done]
        self._finished = set(self.done)

    def take(self) -> Job | None:
        """Take the next repeat that can start, None where all that are left wait for another."""
        for place, (arm, index) in enumerate(self.missing):
            needs = ARMS[arm].needs
            if needs is None or (needs, index) in self._finished:
                del self.missing[place]
                directory = self._study.run_directory(arm, index)
                return Job(arm, index, directory, None if needs is None else self._steps_of(needs, index))
        return None

    def _steps_of(self, arm: str, index: int) -> int:
        """Return the environment steps that a finished repeat took in all."""
        return read_repeat(self._study.run_directory(arm, index), arm, index).env_steps

    def finish(self, arm: str, index: int) -> None:
        """Let those start that wait for this repeat."""
        self._finished.add((arm, index))


def run_study(study: TransferStudy, listener: TransferListener, *, processes: int, device: str) -> None:
    """Train the repeats that are missing, one a process; each is on the disk before the listener hears of it.

    A run that fails keeps none of the others from being trained, but for those that need it.

    Raises:
        JobsFailed: If some did.
        TransferError: If another process is running this study, or a finished run is damaged.
        WorkerDied: If a worker process ends by itself.
    """
    try:
        with sole_writer(study.directory):
            backlog = Backlog(study)
            listener.begin(study, backlog.done)
            try:
                if backlog.missing:
                    _run(study, backlog, listener, min(processes, len(backlog.missing)), device)
            finally:
                listener.end()
    except (LockError, RepeatError) as error:
        raise TransferError(str(error)) from error


def _run(study: TransferStudy, backlog: Backlog, listener: TransferListener, processes: int, device: str) -> None:
    running, failed = 0, list[Failed]()
    with Crew(work, (study.curriculum.to_dict(), device), processes=processes) as crew:

        def fill() -> int:
            """Give jobs while a process is free; return how many run."""
            busy = running
            while busy < processes and (job := backlog.take()) is not None:
                crew.give(job)
                busy += 1
            return busy

        running = fill()
        for told in crew.results():
            if isinstance(told, Finished | Failed):
                if isinstance(told, Finished):
                    backlog.finish(told.arm, told.index)
                    listener.repeat(told)
                else:
                    failed.append(told)
                    listener.failed(told)
                running -= 1
                running = fill()
            elif isinstance(told, Position):
                listener.position(told)
            else:
                listener.idle()
            if running == 0:
                break
    if failed:
        words = [f"{each.arm} seed {study.curriculum.seed + each.index} failed: {each.why}" for each in failed]
        waiting = f"; {len(backlog.missing)} more need one of them" if backlog.missing else ""
        remedy = "the same command tries them again from their last checkpoints"
        raise JobsFailed("\n".join([*words, f"{len(failed)} of the study's runs failed{waiting}: {remedy}"]))
