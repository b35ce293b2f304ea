"""Damaged curriculum files: each is read, or refused with a line for every mistake; none raises or hangs.

A sample runs always; all 10,000, some minutes: ``pytest -m slow tests/pathnet_rl/test_curriculum_fuzz.py``.
"""

import random
import re
import time

import pytest
import yaml

from pathnet_rl.configuration import ConfigurationError, shipped_curricula
from pathnet_rl.curriculum import load_curriculum

SEEDS = [
    shipped_curricula()[name].read_text(encoding="utf-8") for name in ("lander_quick", "lander", "lander_alone")
]
TOKENS = [
    "", "-1", "0", "1e9", "1e999", ".nan", ".inf", "-0.0", "9" * 30, "[", "]", "{", "}", "{a: 1}", "[[]]", "null",
    "~", "'", '"', "&a", "*a", "!!int", "!!python/name:os.system", "|", ">", "%", "---", "...", "?", ":", "#", "\t",
    "\0", "\ufeff", "\u2028", "é", "true", "on", "x: y", "name", "tasks:", "env", "- ", "\n", "\n  ", "../x",
    "CartPole-v1", "Pendulum-v1", "PathNet/LanderHovr-v0", "reward", "render_mode: human", "max_episode_steps: 0",
]  # fmt: skip
VALUES = [
    None, True, 0, -1, 1, 7, 10**6, 10**12, 10**17, 0.5, -0.5, 1e300, "", "x", "../x", "a/b", "success_rate",
    "CartPole-v1", "Acrobot-v1", "FrozenLake-v1", "PathNet/LanderLand-v0", "pathnet-dqn", [], {}, [1], {"a": 1},
    [[[]]], "x" * 10_000,
]  # fmt: skip
LINE = re.compile(r"^c\.yaml:\d+: ")
SLOWEST_S = 5


def damage_bytes(rng, text):
    """Change, drop, double or insert bytes."""
    content = bytearray(text.encode())
    for _ in range(rng.randint(1, 8)):
        place = rng.randrange(len(content) or 1)
        how = rng.randrange(4)
        if how == 0:
            content[place : place + 1] = bytes([rng.randrange(256)])
        elif how == 1:
            del content[place : place + rng.choice((1, 1, 10, 200))]
        elif how == 2:
            content[place:place] = content[place : place + rng.choice((1, 30, 300))]
        else:
            content[place:place] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 4)))
    return bytes(content)


def damage_tokens(rng, text):
    """Replace words by others of the file or by tokens that mean something to YAML."""
    words = re.split(r"( +|\n|[:,{}\[\]])", text)
    for _ in range(rng.randint(1, 4)):
        words[rng.randrange(len(words))] = rng.choice(TOKENS if rng.random() < 0.6 else words)
    return "".join(words).encode()


def damage_structure(rng, text):
    """Replace, drop, double, rename or swap values and keys of the data."""
    data = yaml.safe_load(text)
    for _ in range(rng.randint(1, 4)):
        holders = list(containers(data))
        holder = rng.choice(holders)
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            continue
        key, how = rng.choice(keys), rng.randrange(4)
        if how == 0:
            holder[key] = rng.choice(VALUES)
        elif how == 1:
            del holder[key]
        elif how == 2 and isinstance(holder, dict):
            holder[rng.choice(("name", "seed", "level", "extra", f"{key}s"))] = holder.pop(key)
        else:
            holder[key] = rng.choice(holders) if rng.random() < 0.3 else holder[rng.choice(keys)]
    try:
        return yaml.safe_dump(data, sort_keys=False).encode()
    except RecursionError:
        return b""


def containers(data, depth=0):
    """Yield every mapping and list of the data, of endless ones the outer ones."""
    if isinstance(data, dict | list) and depth < 6:
        yield data
        for value in list(data.values() if isinstance(data, dict) else data):
            yield from containers(value, depth + 1)


def check(file, content):
    """Read damaged content and return whether it was valid."""
    file.write_bytes(content)
    began = time.process_time()
    try:
        load_curriculum(file)
    except ConfigurationError as error:
        assert error.lines
        for line in str(error).split("\n"):
            assert LINE.match(line), line
        return False
    finally:
        assert time.process_time() - began < SLOWEST_S, content
    return True


@pytest.mark.filterwarnings("ignore")  # environments of others warn of what they are given
@pytest.mark.parametrize("damaged", [150, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_damaged_file_is_read_or_refused_with_a_line_for_every_mistake(tmp_path, damaged):
    valid = 0
    for seed in range(damaged):
        rng = random.Random(seed)
        how = (damage_bytes, damage_tokens, damage_structure)[seed % 3]
        content = how(rng, rng.choice(SEEDS))
        valid += check(tmp_path / "c.yaml", content)
    assert 0 < valid < damaged
