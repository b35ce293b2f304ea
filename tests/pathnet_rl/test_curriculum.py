import random
import re
import subprocess
import sys
from pathlib import Path

import gymnasium
import pytest

from pathnet_rl.configuration import ConfigurationError, shipped_curricula
from pathnet_rl.curriculum import Curriculum, load_curriculum

GOOD = """\
name: small
seed: 3
network: {modules: 20}
search: {population: 4}
agent: {name: pathnet-dqn, lanes: 8}
tasks:
  - name: hover
    env: PathNet/LanderHover-v0
    env_kwargs: {reward: sparse}
    level: adaptive
    advance: {threshold: 0.8}
  - {name: land, env: PathNet/LanderLand-v0, budget_env_steps: 1000}
"""


def load(tmp_path, text, *overrides):
    file = tmp_path / "c.yaml"
    file.write_text(text, encoding="utf-8")
    return load_curriculum(file, overrides)


def complaints(tmp_path, text, *overrides):
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text, *overrides)
    return caught.value.lines


@pytest.mark.parametrize(("agent", "fits"), [("", True), (", transfer: progressive", False)])
def test_a_replay_that_fits_no_memory_is_refused_and_named(tmp_path, monkeypatch, agent, fits):
    monkeypatch.setattr("pathnet_rl.memory.memory_bytes", lambda: 2_500_000_000)
    text = GOOD.replace("lanes: 8", f"lanes: 8, replay_transitions: 8000000{agent}")
    if fits:
        assert load(tmp_path, text).agent.replay_transitions == 8_000_000
    else:
        (line,) = complaints(tmp_path, text)
        assert re.search(r"network: needs about 1\d GB of memory, 2.5 GB are there", line)
        assert line.endswith("or a smaller population, or fewer agent.replay_transitions")


def test_a_good_file_is_read_with_defaults(tmp_path):
    curriculum = load(tmp_path, GOOD)
    assert (curriculum.name, curriculum.seed, curriculum.network.modules) == ("small", 3, 20)
    assert (curriculum.agent_name, curriculum.agent.lanes) == ("pathnet-dqn", 8)
    assert curriculum.tasks[0].env_kwargs == {"reward": "sparse"}
    assert curriculum.tasks[1].advance.threshold == 0.9


@pytest.mark.parametrize("name", [name for name in shipped_curricula() if name.startswith("lander")])
def test_what_is_written_out_reads_back_equal(name):
    curriculum = load_curriculum(name)
    assert Curriculum.from_dict(curriculum.to_dict(), "config.json") == curriculum


# One change to GOOD a row: what is replaced, by what, and the complaint.
BAD = [
    ("seed: 3", "sed: 3", "c.yaml:2: sed: is no key here; nearest: seed"),
    ("seed: 3", "seed: -1", "c.yaml:2: seed: -1 is out of range; allowed: 0 or more, 9223372036854775807 or less"),
    ("seed: 3", 'seed: "3"', 'c.yaml:2: seed: "3" is a word; give a whole number'),
    ("seed: 3", "seed: true", "c.yaml:2: seed: true is true or false; give a whole number"),
    ("seed: 3", "seed: 1e5", "c.yaml:2: seed: 100000.0 is a number; give a whole number: 100000"),
    ("seed: 3", "seed:", "c.yaml:2: seed: null is empty; give a whole number"),
    ("seed: 3", "seed: 1\nseed: 2", "c.yaml:3: seed: is given twice, first in line 2; keep one"),
    ("name: small\n", "", "c.yaml:1: name: is missing; give a word"),
    (
        "name: small",
        "name: ../x",
        'c.yaml:1: name: "../x" is not allowed; give letters, digits, _ and -, at most 64',
    ),
    ("{modules: 20}", "{modules: 2}", "c.yaml:3: network.active: 3 is above network.modules=2; give that or less"),
    ("population: 4", "fewest_active: 4", "c.yaml:4: search.fewest_active: 4 is above network.active=3; give"),
    ("{modules: 20}", "{moduls: 20}", "c.yaml:3: network.moduls: is no key here; nearest: modules"),
    ("{modules: 20}", "{modules: 10000000000}", "c.yaml:3: network.modules: 10000000000 is out of range"),
    ("{modules: 20}", "20", "c.yaml:3: network: 20 is a whole number; give a mapping"),
    (
        "population: 4",
        "population: 1",
        "search.population: 1 path with warm_share=0.5 of it warm; give warm_share: 1",
    ),
    ("population: 4", "population: 5", "c.yaml:5: agent.lanes: 8 lanes cannot be spread evenly over"),
    (
        "population: 4",
        "evolution: binary",
        'c.yaml:4: search.evolution: "binary" is not registered; known: binary-',
    ),
    ("population: 4", "warm_share: 2", "c.yaml:4: search.warm_share: 2 is out of range; allowed: 0.0 or more, 1.0"),
    (
        "population: 4",
        "warm_start: copy",
        'c.yaml:4: search.warm_start: "copy" is not allowed; known: clone, reset',
    ),
    ("pathnet-dqn", "pathnet-dqm", 'c.yaml:5: agent.name: "pathnet-dqm" is not installed; nearest: pathnet-dqn'),
    ("lanes: 8", "lane: 8", "c.yaml:5: agent.lane: is no key here; nearest: lanes"),
    ("lanes: 8", "learning_rate: 0", "c.yaml:5: agent.learning_rate: 0 is out of range; allowed: more than 0.0"),
    (
        "lanes: 8",
        "epsilon_end: 0.5",
        "c.yaml:5: agent.epsilon_warm: 0.3 is below epsilon_end=0.5; give that or more",
    ),
    ("{name: pathnet-dqn, lanes: 8}", "fast", "c.yaml:5: agent: is no mapping; write {name: pathnet-dqn}"),
    ("LanderHover", "LanderHovr", '"PathNet/LanderHovr-v0" is not registered; nearest: PathNet/LanderHover-v0'),
    (
        "PathNet/LanderHover-v0",
        "os:system",
        'c.yaml:8: tasks[0].env: "os:system" is not registered; give system alone, and the module to the command: ',
    ),
    ("PathNet/LanderLand-v0", "Pendulum-v1", "give one with a flat box and discrete actions"),
    (
        "PathNet/LanderHover-v0",
        "CartPole-v1",
        "c.yaml:9: tasks[0].env_kwargs.reward: is no argument of CartPole-v1; known: disable_env_checker, max_epi",
    ),
    (
        "reward: sparse",
        "reward: spars",
        "c.yaml:9: tasks[0].env_kwargs: PathNet/LanderHover-v0 fails: ValueError: reward: 'spars'",
    ),
    (
        "reward: sparse",
        "rewrd: sparse",
        "c.yaml:9: tasks[0].env_kwargs.rewrd: is no argument of PathNet/Lander",
    ),
    ("reward: sparse", "rewrd: sparse", "-v0; nearest: reward"),
    (
        "reward: sparse",
        "colour: red",
        "c.yaml:9: tasks[0].env_kwargs.colour: is no argument of PathNet/Lander",
    ),
    (
        "PathNet/LanderHover-v0",
        "Cartpole-v1",
        "nearest: CartPole-v1; one of your own needs pathnet-rl --import MODULE ...",
    ),
    ("PathNet/LanderHover-v0", "My/Line-v0", "`pathnet-rl envs` lists the suite's; one of your own needs"),
    ("level: adaptive", "level: easy", 'c.yaml:10: tasks[0].level: "easy" is not allowed; known: adaptive, fixed'),
    (
        "threshold: 0.8",
        "threshold: 8",
        "c.yaml:11: tasks[0].advance.threshold: 8 is no rate; give a number from 0 to",
    ),
    ("0.8}", "0.8, verify_from: 0.9}", "c.yaml:11: tasks[0].advance.verify_from: 0.9 is above threshold=0.8"),
    ("name: land,", "name: hover,", 'c.yaml:12: tasks[1].name: "hover" is the name of tasks[0] too'),
    ("1000", "0", "c.yaml:12: tasks[1].budget_env_steps: 0 is out of range; allowed: 1 or more"),
    (
        "1000}",
        "1000, on_fail: retry}",
        'tasks[1].on_fail: "retry" is not allowed; known: continue, repeat_easier',
    ),
    ("1000}", "1000, on_fail: repeat_easier}", "tasks[1].on_fail: repeat_easier needs level: adaptive"),
    ("1000}", "1000, teacher: alp-gm}", 'tasks[1].teacher: "alp-gm" is not installed; nearest: alp-gmm'),
    ("level: adaptive", "level: adaptive\n    teacher: alp-gmm", "tasks[0].teacher: chooses the level itself"),
    (
        "threshold: 0.8",
        "measure: holt, threshold: 8.0",
        'tasks[0].advance.measure: "holt" is not in the info of PathNet/LanderHover-v0; nearest: hold',
    ),
    (
        "threshold: 0.8",
        "measure: mean_return",
        "c.yaml:11: tasks[0].advance.threshold: is missing: 0.9, the default of rates, says nothing of mean_return",
    ),
    ("{name: land, env:", "{env:", "c.yaml:12: tasks[1].name: is missing; give a word"),
    ("PathNet/LanderLand-v0", "CartPole-v1", "tasks[1].advance.measure: success_rate cannot be measured: CartPole"),
    ("PathNet/LanderLand-v0", "CartPole-v1", "tasks[1].env: has 4 observed numbers and 2 actions, tasks[0] has 8"),
    (GOOD, "", "c.yaml:1: is no mapping; write `name:` and `tasks:`"),
    (GOOD, "name: x\ntasks: []\n", "c.yaml:2: tasks: is empty; give at least one"),
    (GOOD, "name: x\n", "c.yaml:1: tasks: is missing; give a list"),
    (GOOD, "- 1\n", "c.yaml:1: is no mapping"),
]


@pytest.mark.parametrize(("old", "new", "complaint"), BAD)
def test_each_mistake_is_answered_with_line_key_value_and_remedy(tmp_path, old, new, complaint):
    assert old in GOOD
    lines = complaints(tmp_path, GOOD.replace(old, new, 1))
    assert any(complaint in line for line in lines), lines


def test_all_mistakes_come_at_once_in_the_order_of_their_lines(tmp_path):
    text = GOOD
    for old, new in (("seed: 3", "sed: 3"), ("20", "0"), ("lanes: 8", "lanes: 0"), ("LanderLand", "LanderLnd")):
        text = text.replace(old, new, 1)
    lines = complaints(tmp_path, text)
    assert [line.split(": ")[0] for line in lines] == ["c.yaml:2", "c.yaml:3", "c.yaml:5", "c.yaml:12"]


def test_overrides_change_values_by_number_and_by_name(tmp_path):
    curriculum = load(tmp_path, GOOD, "tasks.0.budget_env_steps=7", "tasks.land.reward_scale=2", "network.units=5")
    assert curriculum.tasks[0].budget_env_steps == 7
    assert curriculum.tasks[1].reward_scale == 2
    assert curriculum.network.units == 5
    assert curriculum.network.modules == 20


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("network.modules=0", "--set network.modules=0: network.modules: 0 is out of range"),
        ("agent.lanez=3", "--set agent.lanez=3: agent.lanez: is no key here; nearest: lanes"),
        (
            "tasks.hovr.env=x",
            "--set tasks.hovr.env=x: tasks: has no hovr; give a number from 0 to 1 or a name, nearest: hover",
        ),
        ("tasks.9.env=x", "--set tasks.9.env=x: tasks: has no 9; give a number from 0 to 1 or a name"),
        ("seed.x=1", "--set seed.x=1: seed: has no x; it is a single value"),
        ("seed", "--set seed: is no key=value"),
        ("seed=[1", "--set seed=[1: is not YAML"),
        ("network={modules: -1}", "--set network={modules: -1}: network.modules: -1 is out of range"),
    ],
)
def test_mistakes_in_overrides_name_the_override(tmp_path, override, complaint):
    assert complaints(tmp_path, GOOD, override)[0].startswith(complaint)


def test_a_missing_file_is_answered_with_the_shipped_names():
    with pytest.raises(ConfigurationError, match=r"nowhere: no such file; shipped curricula are .*lander_quick"):
        load_curriculum("nowhere")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "c.yaml").write_bytes(b"name: \xff")
    with pytest.raises(ConfigurationError, match="byte 6 is not UTF-8"):
        load_curriculum(tmp_path / "c.yaml")


def test_any_damage_is_read_or_refused_and_never_raises_otherwise(tmp_path):
    rng = random.Random(0)
    tokens = GOOD.split(" ")
    for _ in range(150):
        damaged = list(tokens)
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(damaged))
            damaged[place] = rng.choice(["", "-1", "[", "{a: 1}", "null", "1e9", "x: y", "'", *tokens])
        try:
            load(tmp_path, " ".join(damaged))
        except ConfigurationError as error:
            assert error.lines


def test_validation_does_not_import_torch():
    probe = (
        "import sys; from pathnet_rl.curriculum import load_curriculum; load_curriculum('lander_quick');"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=Path.home()
    )
    assert done.stdout.strip() == "False"


def test_an_override_inside_what_an_environment_refuses_is_named():
    with pytest.raises(ConfigurationError) as error:
        load_curriculum("lander_quick", ["tasks.hover.env_kwargs.fuel_price=2"])
    assert str(error.value).startswith("--set tasks.hover.env_kwargs.fuel_price=2: tasks[2].env_kwargs: ")


def test_actions_that_do_not_count_from_0_are_refused():
    class Shifted(type(gymnasium.make("CartPole-v1").unwrapped)):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.action_space = gymnasium.spaces.Discrete(2, start=1)

    gymnasium.register("Shifted-v0", Shifted)
    task = {"name": "a", "env": "Shifted-v0", "advance": {"measure": "mean_return", "threshold": 1.0}}
    with pytest.raises(ConfigurationError, match="has actions from 1 on; give one whose actions count from 0"):
        Curriculum.from_dict({"name": "shifted", "tasks": [task]}, "test")
    gymnasium.registry.pop("Shifted-v0")
