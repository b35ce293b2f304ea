"""How far is a collapse: in thresholds, or by how much episodes differ where the threshold is small beside that."""

from types import SimpleNamespace

import numpy as np
import pytest

from pathnet_agents.progress import Progress
from pathnet_rl.practice import Episode, Practice
from pathnet_rl.settings import AdvanceSettings, SearchSettings


def watched(**advance):
    """Return a progress, and a function that flies a window of episodes whose returns differ from a mean by 100."""
    settings = AdvanceSettings(window_episodes=10, **advance)
    task = SimpleNamespace(
        practice=Practice(settings),
        settings=SimpleNamespace(advance=settings, level="fixed"),
        level=SimpleNamespace(value=None),
        search=SearchSettings(),
        env_steps=0,
        why=[],
        slow_weights=lambda member, path: SimpleNamespace(values=[]),
        set_level=lambda level: None,
        put_back=lambda weights: None,
    )
    progress = Progress(task)

    def fly(mean):
        for index in range(10):
            task.practice.add(Episode(mean + (100 if index % 2 else -100), 9, success=mean > 0))
        progress.follow(np.array([[0]]))
        return bool(task.why) and task.why.pop().startswith("collapsed")

    return fly


@pytest.mark.parametrize("threshold", [0.0, 1e-3, 10.0, -10.0])
def test_beside_a_small_threshold_a_collapse_is_measured_by_how_episodes_differ(threshold):
    fly = watched(measure="mean_return", threshold=threshold)
    assert [fly(mean) for mean in (0.0, -50.0, -70.0)] == [False, False, True]


def test_beside_a_large_threshold_a_collapse_is_measured_by_it():
    fly = watched(measure="mean_return", threshold=200.0)
    assert [fly(mean) for mean in (0.0, -110.0, -130.0)] == [False, False, True]
