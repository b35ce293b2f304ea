from dataclasses import asdict
from itertools import groupby

import pytest
import torch

import pathnet_envs  # noqa: F401 - registers the sub-tasks
from pathnet_agents.settings import PathNetDQNSettings
from pathnet_rl.records import WALL_CLOCK_FIELDS, GenerationRecord, SubTaskRecord
from pathnet_rl.settings import AdvanceSettings, NetworkSettings, SearchSettings, SubTaskSettings

NETWORK = NetworkSettings(modules=20, units=8)
SEARCH = SearchSettings(
    population=4, generation_env_steps=400, search_env_steps=1200, grace_generations=0, stall_env_steps=800
)
DQN = PathNetDQNSettings(
    lanes=8,
    batch_transitions=16,
    consolidate_batch_transitions=16,
    learning_starts=200,
    epsilon_decay_env_steps=800,
)
NEVER = AdvanceSettings(threshold=1.0, verify_episodes=5, window_episodes=5, verify_from=0.0)


def sub_task(name="spin", title="KillSpin", **changes):
    settings = {
        "name": name,
        "env": f"PathNet/Lander{title}-v0",
        "reward_scale": 10.0,
        "budget_env_steps": 2000,
    }
    return SubTaskSettings.model_validate({**settings, **changes})


def make_agent(seed=0, **search):
    return DQN.build(NETWORK, SEARCH.model_copy(update=search), seed=seed, device="cpu")


def learn(agent, *tasks):
    return [record for task in tasks for record in agent.learn_task(task)]


def comparable(records):
    return [
        {key: value for key, value in asdict(record).items() if key not in WALL_CLOCK_FIELDS} for record in records
    ]


def test_the_same_seed_gives_the_same_records_and_another_seed_others():
    tasks = (sub_task(), sub_task("upright", "Upright", level="adaptive"))
    first, again, other = (comparable(learn(make_agent(seed), *tasks)) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_a_learned_sub_task_is_never_changed_by_later_ones():
    agent = make_agent()
    first = learn(agent, sub_task())[-1]
    kept = {name: tensor.clone() for name, tensor in agent.net.state_dict().items()}
    frozen = agent.net.frozen_rlm.copy()
    before = agent.evaluate("spin", 20, seed=3)
    learn(agent, sub_task("upright", "Upright"), sub_task("brake", "BrakeFall"))
    assert agent.evaluate("spin", 20, seed=3) == before
    assert isinstance(first, SubTaskRecord)
    assert agent.evaluate("spin", 100, seed=0) == first.evaluation
    after = agent.net.state_dict()
    for layer in range(3):
        for name in ("values", "mean", "square", "updates"):
            key = f"layer.{layer}.{name}"
            assert torch.equal(after[key][0][frozen[0, layer]], kept[key][0][frozen[0, layer]])
    assert all(torch.equal(after[name], kept[name]) for name in kept if name.startswith("head.spin"))
    assert (agent.net.frozen_rlm & frozen == frozen).all()


def test_an_easy_sub_task_is_mastered_and_says_why():
    records = learn(make_agent(), sub_task(budget_env_steps=40_000, advance=AdvanceSettings(threshold=0.6)))
    final = records[-1]
    assert isinstance(final, SubTaskRecord)
    assert final.mastered
    assert final.why.startswith("mastered: success_rate")
    assert final.env_steps < 40_000
    assert final.evaluation.success_rate > 0.5


def test_a_spent_budget_is_told_and_phases_follow_one_another():
    records = learn(make_agent(), sub_task(title="GoToX", budget_env_steps=4000, advance=NEVER))
    generations = [record for record in records if isinstance(record, GenerationRecord)]
    final = records[-1]
    assert isinstance(final, SubTaskRecord)
    assert not final.mastered
    assert final.why.startswith("budget of 4000 environment steps spent")
    phases = [phase for phase, _ in groupby(record.phase for record in generations)]
    assert phases == ["search", "consolidate", "search", "consolidate"]
    assert [record.phase for record in generations[:4]] == ["search"] * 3 + ["consolidate"]
    assert generations[-1].env_steps == 4000
    whys = " | ".join(record.why or "" for record in generations)
    assert "consolidating the best path after 1200 environment steps" in whys
    assert "searching again: no gain for 800" in whys


def test_reuse_names_the_sub_task_that_froze_a_module():
    agent = make_agent()
    records = learn(agent, sub_task(), sub_task("upright", "Upright"), sub_task("brake", "BrakeFall"))
    finals = [record for record in records if isinstance(record, SubTaskRecord)]
    owners = [{}, {}, {}]
    for final in finals:
        for layer, modules in enumerate(final.path):
            expected = {}
            for module in modules:
                if module in owners[layer]:
                    expected[owners[layer][module]] = expected.get(owners[layer][module], 0) + 1
            assert final.reused[layer] == expected
            assert final.newly_frozen[layer] == [module for module in modules if module not in owners[layer]]
            owners[layer].update(dict.fromkeys(final.newly_frozen[layer], final.task))
    assert sum(sum(layer.values()) for final in finals[1:] for layer in final.reused) > 0


def test_a_saved_agent_evaluates_to_the_bit_and_goes_on_learning(tmp_path):
    agent = make_agent()
    learn(agent, sub_task())
    agent.save(tmp_path)
    other = make_agent()
    other.load(tmp_path)
    assert other.evaluate("spin", 10, 0) == agent.evaluate("spin", 10, 0)
    second = sub_task("upright", "Upright")
    assert comparable(learn(other, second)) == comparable(learn(agent, second))


def test_an_interrupted_sub_task_is_saved_as_it_stands_and_not_frozen(tmp_path):
    agent = make_agent()
    learn(agent, sub_task())
    running = agent.learn_task(sub_task("upright", "Upright"))
    for _ in range(3):
        next(running)
    agent.save(tmp_path)
    running.close()
    other = make_agent()
    other.load(tmp_path)
    assert [(name, entry.frozen) for name, entry in other.learned.items()] == [
        ("spin", True),
        ("upright", False),
    ]
    assert other.evaluate("upright", 5, 0).episodes == 5


def test_a_name_cannot_be_learned_twice():
    agent = make_agent()
    learn(agent, sub_task())
    with pytest.raises(ValueError, match="'spin' has been learned already"):
        learn(agent, sub_task())
