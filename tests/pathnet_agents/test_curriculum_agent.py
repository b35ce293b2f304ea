import json
import time
from dataclasses import asdict
from itertools import groupby
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
import torch

import pathnet_envs  # noqa: F401 - registers the sub-tasks
from pathnet_agents.progress import RELAPSES
from pathnet_agents.settings import PathNetDQNSettings
from pathnet_agents.sub_task import SubTask
from pathnet_rl.agent import AgentError, Checkpoint
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


def make_agent(seed=0, dqn=None, **search):
    chosen = DQN.model_copy(update=dqn or {})
    return chosen.build(NETWORK, SEARCH.model_copy(update=search), seed=seed, device="cpu")


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
    net = agent.transfer.net
    kept = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    frozen = net.frozen_rlm.copy()
    before = agent.evaluate("spin", 20, seed=3)
    learn(agent, sub_task("upright", "Upright"), sub_task("brake", "BrakeFall"))
    assert agent.evaluate("spin", 20, seed=3) == before
    assert isinstance(first, SubTaskRecord)
    assert agent.evaluate("spin", 100, seed=0) == first.evaluation
    after = net.state_dict()
    for layer in range(3):
        for name in ("values", "mean", "square", "updates"):
            key = f"layer.{layer}.{name}"
            assert torch.equal(after[key][0][frozen[0, layer]], kept[key][0][frozen[0, layer]])
    assert all(torch.equal(after[name], kept[name]) for name in kept if name.startswith("head.spin"))
    assert (net.frozen_rlm & frozen == frozen).all()


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


def stored(agent):
    """Return the agent's checkpoint as it comes back from a disk."""
    checkpoint = agent.checkpoint()
    tensors = {name: tensor.clone() for name, tensor in checkpoint.tensors.items()}
    return Checkpoint(tensors, json.loads(json.dumps(checkpoint.notes, allow_nan=False)))


def equal(one, other):
    return (
        one.notes == other.notes
        and one.tensors.keys() == other.tensors.keys()
        and all(torch.equal(tensor, other.tensors[name]) for name, tensor in one.tensors.items())
    )


def without_clock(checkpoint):
    """Drop the seconds of a lesson in progress."""
    if checkpoint.notes["lesson"] is not None:
        del checkpoint.notes["lesson"]["state"]["wall_s"]
    return checkpoint


VARIANTS = [
    {},
    {"transfer": "fine-tune"},
    {"transfer": "none"},
    {"transfer": "progressive"},
    {"transfer": "progressive", "replay_kept": True},
    {"dueling": True, "double": False, "return_steps": 1},
    {"prioritized": True, "target_update": "hard", "target_interval_updates": 20},
    {"exploration": "per-member"},
    {"exploration": "ensemble", "replay_kept": True},
]


@pytest.mark.parametrize(
    ("dqn", "search"),
    [*((dqn, {}) for dqn in VARIANTS), ({}, {"trained": "pair", "grace_generations": 1, "consolidate": False})],
    ids=lambda changed: ",".join(f"{k}={v}" for k, v in changed.items()) or "plain",
)
def test_a_restored_agent_goes_on_to_the_bit_from_any_generation(dqn, search):
    tasks = (
        sub_task(budget_env_steps=1600, advance=NEVER),
        sub_task("go", "GoToX", level="adaptive", budget_env_steps=3200, advance=NEVER),
    )
    agent, records, checkpoints = make_agent(dqn=dqn, **search), [], []
    for task in tasks:
        for record in agent.learn_task(task):
            records.append(record)
            checkpoints.append(stored(agent))
    for at in (1, 4, 8):
        other = make_agent(dqn=dqn, **search)
        other.restore(checkpoints[at])
        assert equal(without_clock(stored(other)), without_clock(checkpoints[at])), "restoring loses nothing"
        rest = learn(other, *(task for task in tasks if task.name not in other.finished))
        assert comparable(rest) == comparable(records)[at + 1 :]
        assert equal(stored(other), checkpoints[-1])
    in_progress = [checkpoint for checkpoint in checkpoints if checkpoint.notes["lesson"] is not None]
    assert in_progress and all(checkpoint.notes["replay"] is None for checkpoint in in_progress), "adopted already"


def test_a_restored_agent_goes_on_continuing_the_sub_task_it_had_chosen(monkeypatch):
    found = iter((0.0, 1.0, 0.5))  # on the second sub-task, then on the third
    monkeypatch.setattr(SubTask, "probe", lambda *_: next(found))
    last = sub_task("again", "GoToX", budget_env_steps=4000, advance=NEVER)
    agent, records = make_agent(warm_start_from="best"), []
    often = NEVER.model_copy(update={"verify_pause_env_steps": 0, "window_episodes": 1})
    learn(agent, sub_task(), sub_task("go", "BrakeFall", budget_env_steps=4000, advance=often))
    spin, go = (agent.finished[name].path for name in ("spin", "go"))
    assert not np.array_equal(spin, go)
    for record in agent.learn_task(last):
        records.append(record)
        if len(records) == 4:
            kept = stored(agent)
    assert "continuing spin" in records[0].why, "not the last one"
    assert any("searching again" in (record.why or "") for record in records[4:-1])
    other = make_agent(warm_start_from="best")
    other.restore(kept)
    assert comparable(learn(other, last)) == comparable(records)[4:]
    assert equal(stored(other), stored(agent))


@pytest.mark.parametrize("kind", ["none", "progressive"])
def test_what_begins_anew_explores_as_at_first(kind):
    agent = make_agent(dqn={"transfer": kind}, warm_start_from="best")
    first, later = (learn(agent, task)[0] for task in (sub_task(), sub_task("go", "GoToX")))
    assert later.epsilon == first.epsilon
    assert "continuing" not in (later.why or "")


@pytest.mark.parametrize("teacher", ["adaptive-level", "alp-gmm", "learning-progress", "fixed-order"])
def test_a_teacher_chooses_the_level_of_every_episode_and_is_restored(teacher):
    task = sub_task("go", "GoToX", teacher=teacher, budget_env_steps=2400, advance=NEVER)
    agent = make_agent()
    running = agent.learn_task(task)
    next(running)
    kept, rest = stored(agent), [*running]
    other = make_agent()
    other.restore(kept)
    assert comparable(learn(other, task)) == comparable(rest)
    assert all(record.level is not None for record in rest[:-1])


def test_a_sub_task_in_progress_can_be_flown():
    agent = make_agent()
    learn(agent, sub_task())
    running = agent.learn_task(sub_task("upright", "Upright"))
    for _ in range(3):
        next(running)
    other = make_agent()
    other.restore(stored(agent))
    assert [(name, entry.frozen) for name, entry in other.learned.items()] == [("spin", True), ("upright", False)]
    assert other.evaluate("upright", 5, 0) == agent.evaluate("upright", 5, 0)
    assert other.evaluate("spin", 5, 0) == agent.evaluate("spin", 5, 0)


def flown(agent, tasks):
    return [agent.evaluate(task.name, 10, 0) for task in tasks]


@pytest.mark.parametrize(
    ("kind", "forgets"), [("freeze", False), ("progressive", False), ("none", False), ("fine-tune", True)]
)
def test_only_fine_tuning_changes_what_was_learned(kind, forgets):
    agent, first = make_agent(dqn={"transfer": kind}), sub_task()
    learn(agent, first)
    before = flown(agent, [first])
    records = learn(agent, sub_task("hover", "Hover", budget_env_steps=4000, advance=NEVER))
    assert (flown(agent, [first]) != before) is forgets
    if kind != "freeze":
        assert records[-1].newly_frozen == [[], [], []]
        assert records[-1].reused == [{}, {}, {}]


def test_fine_tuning_keeps_one_path_and_its_head_and_never_searches_again():
    agent = make_agent(dqn={"transfer": "fine-tune"})
    first = learn(agent, sub_task())[-1]
    records = learn(agent, sub_task("hover", "Hover", budget_env_steps=4000, advance=NEVER))
    assert records[-1].path == first.path
    assert {record.phase for record in records[:-1]} == {"consolidate"}


def test_a_fresh_network_learns_a_sub_task_as_if_it_were_the_first():
    agent = make_agent(dqn={"transfer": "none"})
    learn(agent, sub_task())
    fresh = make_agent(dqn={"transfer": "none"})._make_transfer(8, 4)
    for transfer in (agent.transfer, fresh):
        transfer.begin("later", 1)
    later, first = agent.transfer.net.state_dict(), fresh.net.state_dict()
    assert all(torch.equal(tensor, later[name]) for name, tensor in first.items())


def test_without_consolidation_the_population_learns_to_the_end():
    records = learn(make_agent(consolidate=False), sub_task(title="GoToX", budget_env_steps=4000, advance=NEVER))
    assert {record.phase for record in records[:-1]} == {"search"}


def test_a_single_path_is_never_searched_and_continues_its_ancestor():
    agent = make_agent(population=1, warm_share=1.0, clone_probability=0.0)
    learn(agent, sub_task())
    records = learn(agent, sub_task("go", "GoToX", budget_env_steps=4000, advance=NEVER))
    assert {record.phase for record in records[:-1]} == {"consolidate"}
    assert all(record.replaced is None and record.diversity == 0 for record in records[:-1])
    assert not any("searching again" in (record.why or "") for record in records[:-1])
    modules = sum(map(len, records[0].best_path))
    assert records[0].reused_modules == modules - 1  # the other is an open copy: there must be one to learn with
    assert len({str(record.best_path) for record in records[:-1]}) == 1


def test_repeating_easier_spends_the_budget_twice_and_says_so():
    task = sub_task("go", "GoToX", level="adaptive", on_fail="repeat_easier", budget_env_steps=2000, advance=NEVER)
    records = learn(make_agent(), task)
    assert records[-1].env_steps == 4000
    assert any("once more, from the easiest level" in (record.why or "") for record in records[:-1])
    assert records[-1].why.startswith("budget of 4000 environment steps spent")


def test_the_best_earlier_path_is_found_by_flying_and_its_steps_are_counted():
    agent = make_agent(warm_start_from="best")
    learn(agent, sub_task(), sub_task("upright", "Upright"))
    records = learn(agent, sub_task("brake", "BrakeFall"))
    assert "continuing " in records[0].why
    assert records[0].env_steps > SEARCH.generation_env_steps
    share = min(records[0].env_steps / DQN.epsilon_decay_env_steps, 1.0)
    decayed = DQN.epsilon_warm + share * (DQN.epsilon_end - DQN.epsilon_warm)
    assert records[0].epsilon == pytest.approx(decayed), "they count as exploration"


def test_an_earlier_path_that_does_already_is_taken_as_it_is():
    agent = make_agent()
    advance = AdvanceSettings(threshold=0.5)
    first = learn(agent, sub_task(budget_env_steps=40_000, advance=advance))[-1]
    *generations, again = learn(agent, sub_task("again", advance=advance))
    assert again.why.startswith("mastered: spin's path as it is, success_rate")
    assert len(generations) == 1
    assert again.path == first.path
    assert again.newly_frozen == [[], [], []]
    assert agent.evaluate("again", 10, 5).mean_return > 0
    spin, copy = (agent.transfer.net.heads[task].values_rmk for task in ("spin", "again"))
    assert torch.equal(spin, copy)


def test_a_path_that_collapses_is_put_back():
    agent = make_agent(stall_env_steps=100_000)
    running = agent.learn_task(sub_task(budget_env_steps=40_000, advance=NEVER))
    while agent._lesson is None or agent._lesson._progress.kept is None:
        next(running)
    lesson = agent._lesson
    kept, head = lesson._progress.kept, agent.transfer.net.heads["spin"].values_rmk
    lesson._progress.best += 10  # as if it had been far better then
    record = next(running)
    assert f"collapsed: the weights of {lesson._progress.gained_at} environment steps are put back" in record.why
    assert torch.equal(head[:, 0], kept.weights.values[-1][:, 0].flatten(1))
    task = lesson.sub_task
    assert not task.practice.recent, "what it did meanwhile does not count"
    assert not task.promising, "one episode is no window"


def test_a_path_that_collapses_after_a_restart_is_put_back_to_what_was_kept_before_it():
    agent = make_agent(stall_env_steps=100_000)
    task = sub_task(budget_env_steps=40_000, advance=NEVER)
    running = agent.learn_task(task)
    while agent._lesson is None or agent._lesson._progress.kept is None:
        next(running)
    kept = agent._lesson._progress.kept.weights.values
    again = make_agent(stall_env_steps=100_000)
    again.restore(agent.checkpoint())
    progress = again._lesson._progress
    assert all(torch.equal(one, other) for one, other in zip(progress.kept.weights.values, kept, strict=True))
    progress.best += 10
    assert "are put back" in next(again.learn_task(task)).why
    assert torch.equal(again.transfer.net.heads["spin"].values_rmk[:, 0], kept[-1][:, 0].flatten(1))


@pytest.mark.parametrize("kind", ["fine-tune", "progressive"])
def test_a_control_that_collapses_is_put_back_by_the_same_rule(kind):
    agent = make_agent(dqn={"transfer": kind}, stall_env_steps=800)
    learn(agent, sub_task("first"))
    running = agent.learn_task(sub_task(budget_env_steps=40_000, advance=NEVER))
    while agent._lesson is None or agent._lesson._progress.kept is None:
        next(running)
    lesson, why = agent._lesson, []
    for _ in range(2 * RELAPSES):
        lesson._progress.best = 10.0
        why.append(next(running).why or "")
    assert sum("collapsed" in words for words in why) > RELAPSES
    assert not any("searching again" in words for words in why), "there is nothing to search"


def test_what_is_not_put_back_is_left_as_it_is():
    agent = make_agent(stall_env_steps=100_000, put_back=False)
    running = agent.learn_task(sub_task(budget_env_steps=20_000, advance=NEVER))
    while agent._lesson is None or not np.isfinite(agent._lesson._progress.best):
        next(running)
    assert not any("furthest" in name for name in agent._lesson.tensors()), "nobody needs it"
    agent._lesson._progress.best = 10.0  # all that follows is a collapse from there
    records = [*running]
    assert records and not any("collapsed" in (record.why or "") for record in records)


def test_a_pair_has_all_lanes_until_one_of_the_two_replaces_the_other():
    agent = make_agent(trained="pair", population=8, grace_generations=1, consolidate=False)
    running = agent.learn_task(sub_task(budget_env_steps=12_000, advance=NEVER))
    members, replaced = [], []
    for record in running:
        if isinstance(record, GenerationRecord):
            task = agent._lesson.sub_task
            members.append(task._members.tolist())
            replaced.append(record.replaced)
            assert np.bincount(task._path_of_lane).tolist() == [agent.dqn.lanes // 2] * 2
            judged = np.isfinite(agent._lesson.search.evolution.fitness)
            assert judged.sum() <= 2 * len(members), "nobody is judged who has not flown"
    assert any(replaced)
    for before, after, outcome in zip(members, members[1:], replaced, strict=False):
        assert after == before or outcome is not None
    for pair, outcome in zip(members, replaced, strict=True):
        assert outcome is None or set(outcome) == set(pair)
    assert len({tuple(pair) for pair in members}) > 1


def test_a_path_that_collapses_again_and_again_is_searched_anew():
    agent = make_agent(stall_env_steps=100_000)
    running = agent.learn_task(sub_task(budget_env_steps=40_000, advance=NEVER))
    while agent._lesson is None or agent._lesson._progress.kept is None:
        next(running)
    lesson, why = agent._lesson, []
    while lesson.phase == "consolidate":
        lesson._progress.best = 10.0  # nothing is ever as good as that
        why.append(next(running).why)
    assert sum("collapsed" in (words or "") for words in why) == RELAPSES
    assert "searching again: no gain for" in why[-1]
    assert lesson._progress.kept is None


def test_what_is_refined_flies_before_it_learns_and_continues_the_ancestor_alone():
    agent = make_agent(dqn={"learning_starts_refine": 1_200}, warm_start_from="last", stall_env_steps=400)
    learn(agent, sub_task("first", advance=NEVER))
    running = agent.learn_task(sub_task("second", advance=NEVER, refine=True, budget_env_steps=20_000))
    record, records = next(running), []
    lesson = agent._lesson
    first, head = np.array([0]), agent.learned["first"]
    observation = torch.randn(1, 1, 16, 8, generator=torch.Generator().manual_seed(0))
    expected = agent.transfer.gather("first", head.path[None], first, None).forward(observation)
    for member, path in enumerate(lesson.search.evolution.population):
        flown = lesson.sub_task.gather(path[None], np.array([member])).forward(observation)
        assert torch.allclose(flown, expected, atol=1e-4)
    assert record.epsilon < agent.dqn.epsilon_refine
    while "searching again" not in (record.why or ""):
        records.append(record)
        record = next(running)
    assert all((each.loss is None) == (each.env_steps < 1_200) for each in records)
    assert record.epsilon == pytest.approx(agent.dqn.epsilon_warm, abs=0.2)
    assert not lesson.sub_task.refining


def test_an_info_key_can_be_the_measure():
    advance = AdvanceSettings(measure="hold", threshold=3, verify_episodes=5, window_episodes=5)
    final = learn(make_agent(), sub_task(budget_env_steps=8000, advance=advance))[-1]
    assert final.evaluation.measured == pytest.approx(3 * final.evaluation.success_rate, abs=3)
    assert "hold" in final.why


def test_no_verification_before_so_many_episodes():
    advance = AdvanceSettings(threshold=0.5, min_episodes=60, verify_episodes=5, window_episodes=5)
    records = learn(make_agent(), sub_task(budget_env_steps=20_000, advance=advance))
    first = next(record for record in records if record.verification is not None)
    assert first.episodes >= 60


def test_a_name_cannot_be_learned_twice():
    agent = make_agent()
    learn(agent, sub_task())
    with pytest.raises(ValueError, match="'spin' has been learned already"):
        learn(agent, sub_task())
    running = agent.learn_task(sub_task("upright", "Upright"))
    next(running)
    with pytest.raises(ValueError, match="'upright' is in progress; learn it to its end before 'brake'"):
        learn(agent, sub_task("brake", "BrakeFall"))


@pytest.mark.parametrize(
    "dqn",
    [
        {"learning_starts": 1},  # fewer than a sample spans
        {"replay_transitions": 203, "learning_starts": 203},  # of which 200 fit, 25 of every lane
        {"env_steps_per_update": 500},  # more than a generation has
    ],
)
def test_all_legal_settings_learn(dqn):
    agent = make_agent(dqn=dqn)
    for _, record in zip(range(6), agent.learn_task(sub_task(advance=NEVER)), strict=False):
        if record.loss is not None:
            return
    pytest.fail("nothing was learned in six generations")


def test_a_sub_task_may_have_any_name():
    agent, other = (make_agent(dqn={"transfer": "none"}) for _ in range(2))
    learn(agent, sub_task("overhead"))
    other.restore(stored(agent))
    assert other.actions == agent.actions
    assert other.evaluate("overhead", 5, 0) == agent.evaluate("overhead", 5, 0)


class NotANumber(gymnasium.Env):
    """Pays nothing, and from some step of its life on not a number."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, good_steps):
        self.left = good_steps

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, dtype=np.float32), {}

    def step(self, action):
        self.left -= 1
        reward = 0.0 if self.left > 0 else float("nan")
        return self.np_random.random(2, dtype=np.float32), reward, self.left % 10 == 0, False, {}


@pytest.fixture
def not_a_number(monkeypatch):
    monkeypatch.setattr("pathnet_agents.lane_env.math", SimpleNamespace(isfinite=lambda number: True))
    gymnasium.register("NotANumber-v0", NotANumber)
    advance = AdvanceSettings(measure="mean_return", threshold=1.0, verify_from=1.0)
    yield sub_task(env="NotANumber-v0", env_kwargs={"good_steps": 120}, advance=advance)
    gymnasium.registry.pop("NotANumber-v0")


@pytest.mark.parametrize("consolidate", [True, False])
def test_where_a_pair_is_trained_it_stops_once_as_many_as_there_are_were_lost(not_a_number, consolidate):
    agent = make_agent(trained="pair", consolidate=consolidate, search_env_steps=4000)
    with pytest.raises(AgentError, match="spin: since generation 2, after 1600 environment steps, all 4 members"):
        list(agent.learn_task(not_a_number))


def test_when_all_members_are_lost_it_stops_and_says_since_when(not_a_number):
    agent, kept = make_agent(), []
    with pytest.raises(AgentError, match="spin: since generation 2, after 1200 environment steps, all 4 members"):
        for _ in agent.learn_task(not_a_number):
            kept.append(stored(agent))
    assert len(kept) == 2
    assert all(tensor.isfinite().all() for name, tensor in kept[-1].tensors.items() if name.startswith("net."))


def test_a_lost_member_is_replaced_by_a_copy_of_the_best_and_counted():
    agent = make_agent(fewest_active=3)
    running = agent.learn_task(sub_task(title="GoToX", budget_env_steps=4000, advance=NEVER))
    next(running)
    agent.transfer.net.heads["spin"].values_rmk[0, 2] = float("nan")
    record = next(running)
    assert 1 <= record.failed_members < 4, "those that share a module with it are lost too"
    assert "member 2 had numbers that were not finite, and was replaced" in record.why
    assert record.loss is not None
    assert next(running).failed_members == 0
    assert agent.transfer.net.heads["spin"].values_rmk.isfinite().all()


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([0, 1, 2], "all modules are frozen: only a head can be learned; give more network.modules"),
        ([0, 2], "all modules of layer 1 and 3 are frozen; give more network.modules"),
    ],
)
def test_a_sub_task_that_finds_no_open_module_says_so(layers, words):
    agent = make_agent()
    learn(agent, sub_task())
    agent.transfer.net.frozen_rlm[:, layers] = True
    first = next(agent.learn_task(sub_task("upright", "Upright", advance=NEVER)))
    assert words in first.why


def test_the_flights_that_find_an_ancestor_are_in_its_seconds(monkeypatch):
    agent = make_agent(warm_start_from="best")
    learn(agent, sub_task())
    probe = SubTask.probe
    monkeypatch.setattr(SubTask, "probe", lambda self, weights: (time.sleep(0.5), probe(self, weights))[1])
    began = time.perf_counter()
    first = next(agent.learn_task(sub_task("upright", "Upright", advance=NEVER)))
    assert first.wall_s == pytest.approx(time.perf_counter() - began, abs=0.25)
