"""Checking a run: every file against its checksum, and from where a training can go on."""

from dataclasses import dataclass
from pathlib import Path

from pathnet_rl.checkpoint import (
    Stored,
    all_checkpoints,
    damaged_run_files,
    run_files,
    whole_ones,
)
from pathnet_rl.run import CONFIG, RECORDS, Run

REMEDIES = {CONFIG: "no way to go on", RECORDS: "no way to go on from there"}
DERIVED = "resuming writes it anew"


@dataclass(frozen=True)
class Verdict:
    """What a check found: a line a file, and one that says where to go on."""

    lines: list[str]
    whole: bool


def check_run(run: Path) -> Verdict:
    """Read every file of a run; what is being written meanwhile counts as far as the last checkpoint knows it."""
    stored, damages = whole_ones(all_checkpoints(run))
    damaged = [f"damaged  {directory.relative_to(run)}: {words}" for directory, words in damages.items()]
    known = stored[-1].manifest.run_files if stored else {}
    files = damaged_run_files(run, stored[-1].manifest) if stored else {}
    damaged += [f"damaged  {name}: {words}; {REMEDIES.get(name, DERIVED)}" for name, words in files.items()]
    lines = [f"whole    {name}" for name in known if name not in files]
    lines += [f"newer    {name}: no checkpoint knows it yet" for name in run_files(run) if name not in known]
    for each in stored:
        place = each.directory.relative_to(run)
        lines.append(f"whole    {place}, after {each.manifest.env_steps:,} environment steps")
    return Verdict([*lines, *damaged, _way_on(run, stored)], not damaged)


def _way_on(run: Path, stored: list[Stored]) -> str:
    for each in reversed(stored):
        if not {CONFIG, RECORDS} & damaged_run_files(run, each.manifest).keys():
            opened, length_bytes = Run.open(run), each.manifest.run_files[RECORDS].bytes
            if name := opened.stopped_at(length_bytes):
                return f"{opened.stopped_because(name)}: nothing is left to train; pathnet-rl evaluate {run}"
            if opened.is_finished(length_bytes):
                return f"finished: nothing is left to train; pathnet-rl evaluate {run}"
            return f"go on from {each.directory.relative_to(run)}: pathnet-rl resume {run}"
    if stored:
        place = stored[-1].directory.relative_to(run)
        return f"there is nothing to go on from, but what {place} has learned is whole: pathnet-rl evaluate {run}"
    if all_checkpoints(run):
        return "there is nothing to go on from; train anew"
    return f"there is no checkpoint; pathnet-rl resume {run} starts from the beginning"
