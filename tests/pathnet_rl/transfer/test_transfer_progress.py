"""What a person sees of a running study, on a terminal and in a log."""

import io

import pytest
from make_runs import small_curriculum
from rich.console import Console

from pathnet_rl.records import Evaluation, SubTaskRecord
from pathnet_rl.transfer.progress import TransferProgress
from pathnet_rl.transfer.study import TransferStudy
from pathnet_rl.transfer.worker import Finished, Position

EVALUATION = Evaluation(100, 1.0, (0.96, 1.0), 213.4, (200.0, 226.0), 60.0, 300.0)
TASK = SubTaskRecord("second", 1, "CartPole-v1", True, "mastered", 900, 1800, 3, [], [], [], [], EVALUATION, 9.0)
POSITION = Position(71, "target-only", 1, "second", 600, 1800, 1234.5, 12.3)


@pytest.mark.parametrize("terminal", [True, False])
def test_it_shows_arms_workers_and_time(tmp_path, terminal):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=120, color_system=None)
    progress = TransferProgress("carts, 2 processes", ["target-only"], console)
    progress.begin(TransferStudy(tmp_path, small_curriculum(), ("pathnet", "target-only"), 2), [("pathnet", 0)])
    progress.repeat(Finished(70, "pathnet", 1, [TASK], 65.0))
    progress.position(POSITION)
    if terminal:
        assert progress._live is not None
        console.print(progress._view())
    progress.end()
    shown = screen.getvalue()
    assert "carts, 2 processes" in shown and "2 of 2" in shown and "0 of 2" in shown and "213.4" in shown
    assert "pathnet runs too: target-only takes as many environment steps" in shown
    if terminal:
        assert "target-only seed 1: second 600 of 1,800 environment steps, 1,234 a second, return 12.3" in shown
        assert "2 of 4 runs, 0:00:00 passed" in shown
    else:
        assert "going on: 1 runs are done, 3 are missing" in shown
        assert "pathnet seed 1 done in 0:01:05: 1 of 1 mastered, second returns 213.4 after 1,800" in shown
