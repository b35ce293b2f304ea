import numpy as np
import pytest
import torch

from pathnet_agents.lanes import Transitions
from pathnet_agents.replay import Replay

LANES, DISCOUNT = 2, 0.5


def make_replay(transitions=40, steps=1, seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    common = {"lanes": LANES, "inputs": 1, "discount": DISCOUNT, "device": "cpu"}
    return Replay(transitions, steps=steps, generator=generator, **common, **options)


def step_at(time, terminated=(), truncated=()):
    """Lane 0 observes its time, lane 1 a hundred more; the reward is the time, the action its last digit."""
    observation = np.array([[time], [100 + time]], dtype=np.float32)
    lanes = np.arange(LANES)
    stop = np.isin(lanes, terminated)
    action, reward = np.full(LANES, time % 10), np.full(LANES, time, dtype=np.float32)
    return Transitions(observation, action, reward, observation + 0.5, stop, stop | np.isin(lanes, truncated))


def test_the_oldest_steps_are_overwritten_first():
    replay = make_replay(transitions=6)
    for time in range(5):
        replay.add(step_at(time), reward_scale=1.0)
    assert len(replay) == 6
    assert set(replay.sample(*replay.draw(1, 500)).observation.flatten().tolist()) == {2, 3, 4, 102, 103, 104}


def test_a_sample_keeps_the_parts_of_a_transition_together_and_scales_rewards():
    replay = make_replay()
    for time in range(8):
        replay.add(step_at(time), reward_scale=10.0)
    sample = replay.sample(*replay.draw(paths=3, batch=50))
    assert sample.observation.shape == (3, 50, 1)
    time = sample.observation[..., 0] % 100
    assert torch.equal(sample.action, time.long() % 10)
    assert torch.equal(sample.reward, 10 * time)
    assert torch.equal(sample.next_observation, sample.observation + 0.5)
    assert (sample.discount == DISCOUNT).all()


def test_samples_are_uniform_over_what_is_stored():
    replay = make_replay(seed=1)
    for time in range(5):
        replay.add(step_at(time), reward_scale=1.0)
    observed = replay.sample(*replay.draw(1, 10_000)).observation.flatten().long()
    counts = torch.bincount(observed % 100 + 5 * (observed >= 100), minlength=10)
    assert len(counts) == 10
    assert (counts - 1000).abs().max() < 5 * 1000**0.5


def test_several_steps_sum_discounted_rewards_and_stop_at_an_episodes_end():
    replay = make_replay(transitions=12, steps=3)
    for time in range(7):  # wraps around: times 1 to 6 are left
        replay.add(step_at(time, terminated=[0] * (time == 3), truncated=[1] * (time == 3)), reward_scale=1.0)
    sample = replay.sample(*replay.draw(1, 2000))
    seen = {
        int(first): (float(reward), float(following), float(discount))
        for first, reward, following, discount in zip(
            sample.observation.flatten(),
            sample.reward.flatten(),
            sample.next_observation.flatten(),
            sample.discount.flatten(),
            strict=True,
        )
    }
    assert seen == {
        1: (1 + 0.5 * 2 + 0.25 * 3, 3.5, 0.0),
        2: (2 + 0.5 * 3, 3.5, 0.0),
        3: (3, 3.5, 0.0),
        4: (4 + 0.5 * 5 + 0.25 * 6, 6.5, 0.125),
        101: (1 + 0.5 * 2 + 0.25 * 3, 103.5, 0.125),
        102: (2 + 0.5 * 3, 103.5, 0.25),
        103: (3, 103.5, 0.5),
        104: (4 + 0.5 * 5 + 0.25 * 6, 106.5, 0.125),
    }


@pytest.mark.parametrize("times", [2, 4, 9])
def test_a_replay_that_is_loaded_sums_the_same_steps_and_goes_on_with_them(times):
    old, again = make_replay(transitions=10, steps=3), make_replay(transitions=10, steps=3)
    for time in range(times):
        old.add(step_at(time, truncated=[1] * (time % 4 == 1), terminated=[0] * (time == 6)), reward_scale=1.0)
    again.load_state_dict(old.state_dict(), old.stored())
    for time in range(times, times + 3):
        for replay in (old, again):
            replay.add(step_at(time, terminated=[1] * (time == times)), reward_scale=1.0)
        one, other = old.sample(*old.draw(2, 50)), again.sample(*again.draw(2, 50))
        for name in ("observation", "action", "next_observation", "reward", "discount"):
            assert torch.equal(getattr(one, name), getattr(other, name)), (time, name)


def test_too_few_steps_for_a_sample_are_refused():
    replay = make_replay(steps=3)
    replay.add(step_at(0), reward_scale=1.0)
    with pytest.raises(ValueError, match="1 steps are stored, a sample spans 3"):
        replay.sample(*replay.draw(1, 1))


@pytest.mark.parametrize("more", [0, 3])
def test_an_adopted_replay_ends_where_the_other_sub_task_did(more):
    old, new = (make_replay(transitions=12, steps=3, seed=seed) for seed in (0, 1))
    for time in range(4 + more):
        old.add(step_at(time), reward_scale=1.0)
    new.adopt(old)
    for time in range(50, 52):
        new.add(step_at(time), reward_scale=1.0)
    loaded = make_replay(transitions=12, steps=3)
    loaded.load_state_dict(new.state_dict(), new.stored())
    for replay in (new, loaded):
        sample = replay.sample(*replay.draw(1, 500))
        begun, ended = sample.observation.flatten() % 100, sample.next_observation.flatten() % 100
        assert ((begun < 50) == (ended < 50)).all()
        assert (begun < 50).any() and (sample.discount > 0).all()


def beside_its_double(observation_bi):
    return torch.cat((observation_bi, 2 * observation_bi), dim=1)


@pytest.mark.parametrize("encode", [beside_its_double, None])
def test_what_is_saved_are_observations_and_what_is_sampled_is_encoded(encode):
    options = {"encode": encode} if encode else {}
    old, again = make_replay(transitions=6, **options), make_replay(transitions=6, **options)
    for time in range(5):  # wraps around
        old.add(step_at(time), reward_scale=1.0)
    assert {tensor.shape for name, tensor in old.stored().items() if "observation" in name} == {(3, LANES, 1)}
    again.load_state_dict(old.state_dict(), old.stored())
    one, other = old.sample(*old.draw(2, 20)), again.sample(*again.draw(2, 20))
    for name in ("observation", "next_observation", "reward", "discount"):
        assert torch.equal(getattr(one, name), getattr(other, name))
    if encode:
        assert torch.equal(one.observation[..., 1], 2 * one.observation[..., 0])
        assert torch.equal(one.next_observation[..., 1], 2 * one.next_observation[..., 0])
