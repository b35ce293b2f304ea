"""The lock of a directory that one process writes; the operating system drops it when that process ends."""

import fcntl
import json
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pathnet_rl.durable import NO_ROOM, named

LOCK = "lock"
LARGEST_LOCK_BYTES = 4096


class LockError(Exception):
    """A directory that must not be written to; the message says why and what to do."""


@contextmanager
def sole_writer(directory: Path) -> Generator[None]:
    """Be the only process that writes into a directory; others may read it.

    The file ``lock`` stays; without a living holder it means nothing.

    Raises:
        LockError: If another process writes there, or a symbolic link in it leads elsewhere.
        OSError: If the lock cannot be written.
    """
    _refuse_ways_out(directory)
    file = directory / LOCK
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        raise LockError(f"{file} cannot be opened: {error.strerror}; make {directory} writable") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockError(
                f"{directory} is being written by {_holder(descriptor)}; wait for it or end it"
            ) from None
        with named(file):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, _self().encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _refuse_ways_out(directory: Path) -> None:
    for folder, folders, files in os.walk(directory):
        for name in (*folders, *files):
            path = Path(folder, name)
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise LockError(f"{path} is a link or no plain file, and never written through; remove it")


def _self() -> str:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}) + "\n"


def _holder(descriptor: int) -> str:
    try:
        holder = json.loads(os.pread(descriptor, LARGEST_LOCK_BYTES, 0))
        return f"process {int(holder['pid'])} on {holder['host']!s:.64} since {holder['since']!s:.32}"
    except (ValueError, TypeError, KeyError, RecursionError):  # it is just being written
        return "another process"
