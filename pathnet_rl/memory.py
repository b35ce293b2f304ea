"""Memory: how much this machine or container has, so that what cannot fit is refused before it is tried."""

import os
from collections.abc import Iterator
from pathlib import Path

from pathnet_rl.complaints import Complaint

CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def memory_bytes() -> int:
    """Return the memory that this process may use at most: the machine's, or less in a container."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for file in CGROUP_LIMITS:
        try:
            limits.append(int(Path(file).read_text(encoding="ascii")))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return min(limits)


def in_words(size_bytes: float) -> str:
    """Spell an amount of memory or disk.

    Example:
        >>> in_words(17_600_000_000)
        '18 GB'
    """
    unit = 0
    while size_bytes >= 1000 and unit < len(UNITS) - 1:
        size_bytes, unit = size_bytes / 1000, unit + 1
    form = ",.0f" if size_bytes >= 10 or unit == 0 else ".1f"
    return f"{size_bytes:{form}} {UNITS[unit]}"


def memory_complaints(needed_bytes: int, remedy: str) -> Iterator[Complaint]:
    """Complain of a network that needs more memory than there is."""
    if needed_bytes > memory_bytes():
        needed, there = in_words(needed_bytes), in_words(memory_bytes())
        yield Complaint(("network",), f"needs about {needed} of memory, {there} are there; {remedy}")
