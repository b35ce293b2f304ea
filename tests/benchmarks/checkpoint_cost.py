"""What checkpoints cost: ``python tests/benchmarks/checkpoint_cost.py [CURRICULUM] [KEY=VALUE ...]``.

Trains with the default pace and prints the time that copying and writing the agent's state took, and the room that
checkpoints took on the disk at most.
"""

import sys
import tempfile
import time
from pathlib import Path

from pathnet_rl import saving, training
from pathnet_rl.checkpoint import FOLDER
from pathnet_rl.curriculum import load_curriculum
from pathnet_rl.lock import sole_writer
from pathnet_rl.records import Record
from pathnet_rl.run import Run


class Stopwatch(saving.Saver):
    """A saver that counts its own seconds and bytes."""

    took_s, saves, most_bytes = 0.0, 0, 0

    def after(self, record: Record) -> None:
        began = time.perf_counter()
        super().after(record)
        Stopwatch.took_s += time.perf_counter() - began

    def save(self) -> None:
        super().save()
        Stopwatch.saves += 1
        room = sum(file.stat().st_size for file in (self._run / FOLDER).rglob("*") if file.is_file())
        Stopwatch.most_bytes = max(Stopwatch.most_bytes, room)


def main() -> None:
    """Train once and print."""
    name, *overrides = sys.argv[1:] or ["lander_quick"]
    curriculum = load_curriculum(name, overrides)
    training.Saver = Stopwatch
    with tempfile.TemporaryDirectory(dir=".") as folder:
        run = Run.create(Path(folder) / "run", curriculum, device="cpu")
        with sole_writer(run.directory):
            began = time.perf_counter()
            training.train(run, [], device="cpu")
            wall_s = time.perf_counter() - began
    share = Stopwatch.took_s / wall_s
    room = Stopwatch.most_bytes / 1e6
    print(f"{Stopwatch.took_s:.2f} s of {wall_s:.1f} s, {share:.2%}, {Stopwatch.saves} checkpoints, {room:.1f} MB")


if __name__ == "__main__":
    main()
