"""The baseline learns as Stable-Baselines3's own DQN does, and its records are like all others."""

import gymnasium
import pytest
import torch
from stable_baselines3 import DQN

from pathnet_rl.records import GenerationRecord, SubTaskRecord
from pathnet_rl.settings import AdvanceSettings, NetworkSettings, SearchSettings, SubTaskSettings
from pathnet_rl.transfer.baseline import BaselineSettings
from pathnet_rl.transfer.stepwise_dqn import StepwiseDQN

OPTIONS = {
    "learning_starts": 0,
    "train_freq": 4,
    "gradient_steps": -1,
    "seed": 3,
    "policy_kwargs": {"net_arch": [8]},
}
ADVANCE = AdvanceSettings(measure="mean_return", threshold=1e6, verify_episodes=3)
CART = SubTaskSettings(name="cart", env="CartPole-v1", budget_env_steps=500, advance=ADVANCE)


def learn(task, seed=0):
    search = SearchSettings(generation_env_steps=200)
    agent = BaselineSettings(hidden_units=[8]).build(NetworkSettings(layers=2), search, seed=seed, device="cpu")
    return agent, list(agent.learn_task(task))


def test_stopping_now_and_then_changes_nothing():
    stepwise = StepwiseDQN("MlpPolicy", gymnasium.make("CartPole-v1"), **OPTIONS)
    assert list(stepwise.learn_stepwise(400, 150)) == [152, 304, 400]
    plain = DQN("MlpPolicy", gymnasium.make("CartPole-v1"), **OPTIONS).learn(400)
    for own, its in zip(stepwise.q_net.parameters(), plain.q_net.parameters(), strict=True):
        assert torch.equal(own, its)
    episodes = stepwise.take_episodes()
    assert sum(each.steps for each in episodes) <= 400 and stepwise.take_episodes() == []


def test_records_tell_of_training_and_the_last_of_a_held_out_evaluation():
    agent, records = learn(CART)
    *generations, last = records
    assert [record.env_steps for record in generations] == [200, 400, 500]
    assert all(isinstance(record, GenerationRecord) for record in generations)
    assert generations[-1].verification is not None and generations[0].mean_return > 0
    assert isinstance(last, SubTaskRecord) and last.env_steps == 500 and not last.mastered
    assert last.path == [[], []] and agent.evaluate("cart", 100, 0) == last.evaluation
    assert learn(CART)[1][-1].evaluation == last.evaluation, "equal seeds, equal runs"
    assert learn(CART, seed=1)[1][-1].evaluation != last.evaluation


def test_it_stops_when_it_has_mastered_the_sub_task():
    easy = AdvanceSettings(measure="mean_return", threshold=1.0, verify_episodes=3, window_episodes=5)
    _, records = learn(CART.model_copy(update={"advance": easy}))
    assert records[-1].mastered and records[-1].env_steps == 200


def test_a_second_sub_task_and_going_on_are_refused():
    agent, _ = learn(CART)
    with pytest.raises(ValueError, match="learns one sub-task"):
        next(agent.learn_task(CART.model_copy(update={"name": "other"})))
    with pytest.raises(ValueError, match="train anew"):
        agent.restore(agent.checkpoint())
