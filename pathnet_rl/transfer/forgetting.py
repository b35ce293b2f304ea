"""Forgetting: what a sub-task's evaluation lost by all that was learned after it, on the very same episodes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pathnet_rl.study.statistics import Estimate, mean
from pathnet_rl.transfer.repeats import Repeat


@dataclass(frozen=True)
class Forgetting:
    """One sub-task of one arm.

    Attributes:
        runs: How many have learned it and something after it.
        success: Success rate when it was learned, minus that at the end of the run; None where none is reported.
        mean_return: The same of the mean return.
        changed: Runs in which anything at all is different; 0 is exactly no forgetting.
        most: The largest change of the mean return in any run, either way.
    """

    arm: str
    task: str
    runs: int
    success: Estimate | None
    mean_return: Estimate
    changed: int
    most: float


def forgetting_of(arm: str, repeats: Sequence[Repeat], tasks: Sequence[str]) -> list[Forgetting]:
    """Return what an arm's runs forgot, by sub-task; the last one has nothing after it, and is left out."""
    rows: list[Forgetting] = []
    for name in tasks[:-1]:
        pairs = [
            (task.evaluation, run.after[name])
            for run in repeats
            if (task := run.task(name)) is not None and name in run.after and run.tasks[-1] is not task
        ]
        if not pairs:
            continue
        lost = np.array([before.mean_return - after.mean_return for before, after in pairs])
        rates = [(before.success_rate, after.success_rate) for before, after in pairs]
        success = np.array([one - other for one, other in rates if one is not None and other is not None])
        changed = sum(before != after for before, after in pairs)
        most = float(np.abs(lost).max())
        lost_success = mean(success) if len(success) else None
        rows.append(Forgetting(arm, name, len(pairs), lost_success, mean(lost), changed, most))
    return rows
