"""Durable files: whole or not there at all, still there after a power failure, and errors that name the file."""

import errno
import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})
"""What a write fails with where the disk is full, a quota is used up, or the disk is broken."""


def write_file(file: Path, content: bytes) -> None:
    """Replace a file in one step; a symbolic link of its name is replaced too, and not followed.

    Raises:
        OSError: If there is no room; what the file held before is untouched then.
    """
    stage = file.with_name(f".{file.name}.partial")
    try:
        stage.unlink(missing_ok=True)
        _write(stage, content)
        stage.replace(file)
    except BaseException:
        stage.unlink(missing_ok=True)
        raise
    sync_directory(file.parent)


def create_directory(directory: Path, files: Mapping[str, bytes]) -> None:
    """Make a directory that holds these files, by their path in it, in one step: with all of them, or not at all.

    Raises:
        OSError: If it exists and is not empty, cannot be made, or there is no room; nothing is left behind then.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    stage = directory.with_name(f".{directory.name}.partial")
    try:
        remove_directory(stage)  # left by a process that was killed
        stage.mkdir()
        for name, content in files.items():
            (stage / name).parent.mkdir(parents=True, exist_ok=True)
            _write(stage / name, content)
        for folder in {(stage / name).parent for name in files} | {stage}:
            sync_directory(folder)
        stage.rename(directory)
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise
    sync_directory(directory.parent)


def remove_directory(directory: Path) -> None:
    """Remove a directory that need not be there."""
    if directory.exists():
        shutil.rmtree(directory)


def append(file: FileIO, content: bytes) -> None:
    """Append to an unbuffered file; after an error the file may end in a part of it.

    Raises:
        OSError: If there is no room.
    """
    with named(Path(str(file.name))):
        rest = memoryview(content)
        while rest:
            rest = rest[file.write(rest) or 0 :]


def _write(file: Path, content: bytes) -> None:
    with named(file), file.open("xb", buffering=0) as opened:
        append(opened, content)
        os.fsync(opened.fileno())


def sync_directory(directory: Path) -> None:
    """Wait until the disk knows the names in a directory."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def named(file: Path) -> Generator[None]:
    """Let an error of a write say which file it was; Python's own says so only when a file is opened."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(file)
        raise
