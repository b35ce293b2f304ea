import numpy as np
import torch

from pathnet_agents.lanes import Transitions
from pathnet_agents.replay import Replay


def step_of(numbers, terminated=False):
    column = np.array(numbers, dtype=np.float32)
    observation = np.stack([column, column], axis=1)
    ended = np.full(len(column), terminated)
    return Transitions(observation, column.astype(np.int64), column, observation + 0.5, ended)


def test_the_oldest_transitions_are_overwritten_first():
    replay = Replay(6, 2, "cpu", torch.Generator())
    for first in (0, 4, 8):
        replay.add(step_of(range(first, first + 4)), reward_scale=1.0)
    assert len(replay) == 6
    assert sorted(replay.action.tolist()) == [6, 7, 8, 9, 10, 11]


def test_a_sample_keeps_the_parts_of_a_transition_together_and_scales_rewards():
    replay = Replay(8, 2, "cpu", torch.Generator().manual_seed(0))
    replay.add(step_of(range(4)), reward_scale=10.0)
    observation, action, reward, next_observation, continues = replay.sample(paths=3, batch=5)
    assert observation.shape == (3, 5, 2)
    assert torch.equal(observation[..., 0], action.float())
    assert torch.equal(reward, 10 * action.float())
    assert torch.equal(next_observation, observation + 0.5)
    assert (continues == 1).all()


def test_samples_are_uniform_over_what_is_stored():
    replay = Replay(100, 2, "cpu", torch.Generator().manual_seed(1))
    replay.add(step_of(range(10)), reward_scale=1.0)
    counts = torch.bincount(replay.sample(1, 10_000)[1].flatten(), minlength=10)
    assert len(counts) == 10
    assert (counts - 1000).abs().max() < 5 * 1000**0.5
