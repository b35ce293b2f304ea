"""Checkpoints of a run: written whole, under checksums; read only where every byte is right.

The last two are kept in ``RUN/checkpoints``, and in ``RUN/learned`` those at the ends of sub-tasks, if asked for.
``RUN/checkpoints/000000012`` is the run as it stood after 12 records: the agent's ``tensors.safetensors`` and
``notes.json``, and ``manifest.json`` with length and SHA-256 of these, of every other file of the run at that
moment (of which ``records.jsonl`` grows afterwards), and of itself. Nothing is pickled, and no path that is
written to comes from a file.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from pathnet_rl.agent import Checkpoint
from pathnet_rl.durable import create_directory, remove_directory, sync_directory
from pathnet_rl.lock import LOCK
from pathnet_rl.memory import in_words, memory_bytes
from pathnet_rl.run import EVENTS, RECORDS

FOLDER, LEARNED = "checkpoints", "learned"
TENSORS, NOTES, MANIFEST = "tensors.safetensors", "notes.json", "manifest.json"
KEPT = 2
NUMBER = re.compile(r"[0-9]{9}")
LARGEST_MANIFEST_BYTES = 1 << 20
CHUNK_BYTES = 1 << 20


class CheckpointError(Exception):
    """A checkpoint that is damaged, or none that is whole; the message says what is wrong with which file."""


class Sum(BaseModel):
    """Length and SHA-256 of a file, or of its beginning."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    bytes: int = Field(ge=0)
    sha256: str


class Manifest(BaseModel):
    """What a checkpoint consists of, and where the run stood."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[1] = 1
    records: int
    """Lines of ``records.jsonl`` at that moment."""
    env_steps: int
    """Environment steps of the run."""
    files: dict[str, Sum]
    """The checkpoint's own files, but for the manifest."""
    run_files: dict[str, Sum]
    """Every other file of the run at that moment, by its path in the run's directory."""

    def seal(self) -> bytes:
        """Return the manifest as a line of JSON that ends with a checksum of the rest."""
        data = self.model_dump()
        digest = hashlib.sha256(_json(data)).hexdigest()
        return _json({**data, "sha256": digest}) + b"\n"


@dataclass(frozen=True)
class Snapshot:
    """An agent's state, copied, so that the agent may go on.

    Attributes:
        records: Lines of ``records.jsonl`` at that moment.
        env_steps: Environment steps of the run.
        lengths_bytes: Of the run's files that have grown since, by path.
        tensors: The agent's.
        notes: The agent's, as JSON.
        learned: A sub-task has ended, and this is to be kept for good.
    """

    records: int
    env_steps: int
    lengths_bytes: dict[str, int]
    tensors: dict[str, Tensor]
    notes: bytes
    learned: bool = False

    @classmethod
    def of(
        cls,
        checkpoint: Checkpoint,
        *,
        records: int,
        env_steps: int,
        lengths_bytes: dict[str, int],
        learned: bool = False,
    ) -> "Snapshot":
        """Copy a checkpoint.

        Raises:
            ValueError: If its notes are no strict JSON.
        """
        tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in checkpoint.tensors.items()}
        return cls(records, env_steps, lengths_bytes, tensors, _json(checkpoint.notes), learned)


@dataclass(frozen=True)
class Stored:
    """A checkpoint that was read and is whole."""

    directory: Path
    manifest: Manifest
    checkpoint: Checkpoint


def write_checkpoint(run: Path, snapshot: Snapshot) -> None:
    """Write a snapshot down and remove all but the last two checkpoints; one that is there already stays.

    Raises:
        OSError: If there is no room; the checkpoints before are untouched then.
    """
    directory = run / FOLDER / f"{snapshot.records:09d}"
    if directory.exists():
        return
    sums = {name: file_sum(run / name, snapshot.lengths_bytes.get(name)) for name in run_files(run)}
    files = _files_of(snapshot, sums)
    if snapshot.learned:  # first, so that whatever goes on from the checkpoint has it
        create_directory(run / LEARNED / directory.name, files)
    create_directory(directory, files)
    sync_directory(run)
    for old in checkpoints(run)[:-KEPT]:
        remove_directory(old)


def files_to_begin_with(
    stored: Stored, learned: Sequence[Stored], run_files: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Return the files of a new run that begins with another one's checkpoint, by their path.

    Args:
        stored: Of the other run.
        learned: What that one has kept for good, and this one is to keep.
        run_files: All that the new run has, ``records.jsonl`` up to the checkpoint among it.
    """
    files = dict(run_files)
    for folder, each in ((FOLDER, stored), *((LEARNED, each) for each in learned)):
        records = run_files[RECORDS][: each.manifest.run_files[RECORDS].bytes]
        sums = {name: _sum_of(content) for name, content in {**run_files, RECORDS: records}.items()}
        count, env_steps = each.manifest.records, each.manifest.env_steps
        snapshot = Snapshot.of(each.checkpoint, records=count, env_steps=env_steps, lengths_bytes={})
        files |= {f"{folder}/{count:09d}/{name}": content for name, content in _files_of(snapshot, sums).items()}
    return files


def _files_of(snapshot: Snapshot, run_files: dict[str, Sum]) -> dict[str, bytes]:
    files = {TENSORS: save(snapshot.tensors), NOTES: snapshot.notes}
    manifest = Manifest(
        records=snapshot.records,
        env_steps=snapshot.env_steps,
        files={name: _sum_of(content) for name, content in files.items()},
        run_files=run_files,
    )
    return {**files, MANIFEST: manifest.seal()}


def checkpoints(run: Path, folder: str = FOLDER) -> list[Path]:
    """Return the directories of a run's last checkpoints, or of what it had learned, oldest first, whole or not."""
    if not (run / folder).is_dir():
        return []
    found = (run / folder).iterdir()
    return sorted(path for path in found if NUMBER.fullmatch(path.name) and not path.is_symlink())


def all_checkpoints(run: Path) -> list[Path]:
    """Return the directories of all that is kept of a run, oldest first, whole or not."""
    return sorted([*checkpoints(run, LEARNED), *checkpoints(run)], key=lambda path: path.name)


def whole_ones(directories: Sequence[Path]) -> tuple[list[Stored], dict[Path, str]]:
    """Return those of some checkpoints that are whole, and what is wrong with each of the others."""
    stored: list[Stored] = []
    damages: dict[Path, str] = {}
    for directory in directories:
        try:
            stored.append(read_checkpoint(directory))
        except FileNotFoundError:  # its writer has made newer ones since
            continue
        except CheckpointError as error:
            damages[directory] = str(error)
    return stored, damages


def newest_whole(
    run: Path, needed: Sequence[str] = (), at_most_records: int | None = None
) -> tuple[Stored | None, list[str]]:
    """Read the newest checkpoint that is whole.

    Args:
        run: The run's directory; another process may be writing it.
        needed: Files of the run that must be what they were at the checkpoint, as far as it knows them.
        at_most_records: Pass over those that were written after more records.

    Returns:
        The checkpoint, if there is one, and a line for each newer one that is damaged.
    """
    damages: list[str] = []
    for directory in reversed(all_checkpoints(run)):
        if at_most_records is not None and int(directory.name) > at_most_records:
            continue
        try:
            stored = read_checkpoint(directory)
        except FileNotFoundError:  # its writer has made newer ones since
            return newest_whole(run, needed, at_most_records)
        except CheckpointError as error:
            damages.append(f"{directory}: {error}")
            continue
        damaged = damaged_run_files(run, stored.manifest) if needed else {}
        damaged |= {name: f"is not in {MANIFEST}" for name in needed if name not in stored.manifest.run_files}
        broken = [f"{run / name} {damaged[name]}" for name in needed if name in damaged]
        if not broken:
            return stored, damages
        damages += [f"{directory} is whole, but {words}" for words in broken]
    return None, damages


def read_checkpoint(directory: Path) -> Stored:
    """Read a checkpoint and check every byte of it.

    Raises:
        CheckpointError: If anything is missing, changed or cut off; the message names the file.
        FileNotFoundError: If there is no such directory (any more).
    """
    manifest = read_manifest(directory)
    if set(manifest.files) != {TENSORS, NOTES}:
        raise CheckpointError(f"{MANIFEST} names other files than {TENSORS} and {NOTES}")
    content = {name: _content(directory, name, expected) for name, expected in manifest.files.items()}
    try:
        tensors = load(content[TENSORS])
    except (SafetensorError, ValueError, KeyError, OverflowError) as error:
        raise CheckpointError(f"{TENSORS} is no safetensors file: {error}") from error
    try:
        notes = parse_json(content[NOTES])
    except ValueError as error:
        raise CheckpointError(f"{NOTES} is no strict JSON: {error}") from error
    if not isinstance(notes, dict):
        raise CheckpointError(f"{NOTES} holds no mapping")
    return Stored(directory, manifest, Checkpoint(tensors, notes))


def read_manifest(directory: Path) -> Manifest:
    """Read a checkpoint's manifest and check its own checksum.

    Raises:
        CheckpointError: If it is missing or damaged.
        FileNotFoundError: If there is no such directory (any more).
    """
    content = _read(directory, MANIFEST, LARGEST_MANIFEST_BYTES)
    try:
        data = parse_json(content)
        del data["sha256"]
        manifest = Manifest.model_validate(data)
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{MANIFEST} does not match its checksum") from error
    if manifest.seal() != content:
        raise CheckpointError(f"{MANIFEST} does not match its checksum")
    return manifest


def damaged_run_files(run: Path, manifest: Manifest) -> dict[str, str]:
    """Return what is wrong with the run's other files, by their path; they may have grown since."""
    present = set(run_files(run))
    damages: dict[str, str] = {}
    for name, expected in manifest.run_files.items():
        if name.startswith(EVENTS) and (name not in present or not (run / name).stat().st_size):
            continue  # a resumed run has written its events anew
        if name not in present:
            damages[name] = "is lost"
            continue
        found = file_sum(run / name, expected.bytes)
        if found.bytes < expected.bytes:
            damages[name] = f"is cut off after {found.bytes:,} of {expected.bytes:,} bytes"
        elif found != expected:
            damages[name] = "does not match its checksum"
    return damages


def run_files(run: Path) -> list[str]:
    """Return the paths of a run's files that a manifest watches: no checkpoint, lock, half-written file or link."""
    return sorted(_walk(run, ""))


def _walk(run: Path, prefix: str) -> Iterator[str]:
    for entry in os.scandir(run / prefix):
        name = f"{prefix}{entry.name}"
        if entry.name.startswith(".") or name in (FOLDER, LEARNED, LOCK) or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from _walk(run, f"{name}/")
        elif entry.is_file():
            yield name


def file_sum(file: Path, at_most_bytes: int | None = None) -> Sum:
    """Return length and checksum of a file, or of so many bytes at its beginning."""
    digest, length = hashlib.sha256(), 0
    with file.open("rb") as opened:
        while at_most_bytes is None or length < at_most_bytes:
            wanted = CHUNK_BYTES if at_most_bytes is None else min(CHUNK_BYTES, at_most_bytes - length)
            chunk = opened.read(wanted)
            if not chunk:
                break
            digest.update(chunk)
            length += len(chunk)
    return Sum(bytes=length, sha256=digest.hexdigest())


def parse_json(content: bytes) -> Any:
    """Read strict JSON.

    Raises:
        ValueError: If it is none, holds NaN or an infinity, or is nested too deeply.
    """
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not finite")


def _json(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, allow_nan=False, separators=(",", ":")).encode()


def _sum_of(content: bytes) -> Sum:
    return Sum(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def _content(directory: Path, name: str, expected: Sum) -> bytes:
    if expected.bytes > memory_bytes() // 2:
        raise CheckpointError(f"{name} holds {in_words(expected.bytes)}, more than half of this machine's memory")
    content = _read(directory, name, expected.bytes)
    if len(content) < expected.bytes:
        raise CheckpointError(f"{name} is cut off after {len(content):,} of {expected.bytes:,} bytes")
    if _sum_of(content) != expected:
        raise CheckpointError(f"{name} does not match its checksum")
    return content


def _read(directory: Path, name: str, largest_bytes: int) -> bytes:
    """Return a file's bytes; of one that is larger than it should be, one byte too many."""
    try:
        descriptor = os.open(directory / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if not directory.exists():
            raise FileNotFoundError(f"{directory} is gone") from error
        raise CheckpointError(f"{name} cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as opened:
        try:
            return opened.read(largest_bytes + 1)
        except OSError as error:  # a broken disk, or a directory of that name
            raise CheckpointError(f"{name} cannot be read: {error.strerror}") from error
