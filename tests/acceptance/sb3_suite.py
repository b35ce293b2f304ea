"""Stable-Baselines3's own tests of DQN, run against PathNetDQN under DQN's name, as they stand.

    python tests/acceptance/sb3_suite.py            # PathNetDQN
    python tests/acceptance/sb3_suite.py --control  # DQN itself

The tests come with the source distribution of the installed version, which is fetched from the package index. What
follows the options goes to pytest. A command and no test: it needs the network, and a minute.
"""

import argparse
import inspect
import re
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import stable_baselines3

from pathnet_agents import PathNetDQN

USES_DQN = re.compile(r"\bDQN\b|MODELS?_LIST")
LEFT_OUT = ("test_utils.py",)  # imports Atari's emulator


class OnlyDQN:
    """Keeps the tests that are given the class under test, or name it where they are given none."""

    def __init__(self, tested: type) -> None:
        self.tested = tested

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        kept = [item for item in items if isinstance(item, pytest.Function) and self._concerns(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept

    def _concerns(self, item: pytest.Function) -> bool:
        given = list(item.callspec.params.values()) if hasattr(item, "callspec") else []
        if self._among(given):
            return True
        others = any(isinstance(value, type) and hasattr(value, "learn") for value in given)
        return not others and bool(USES_DQN.search(inspect.getsource(item.function)))

    def _among(self, value: Any) -> bool:
        if isinstance(value, dict):
            value = list(value.values())
        return value is self.tested or (isinstance(value, list | tuple | set) and any(map(self._among, value)))


def fetch(folder: str) -> Path:
    """Return the tests of the installed version, unpacked."""
    installed = version("stable-baselines3")
    name, asked = f"stable_baselines3-{installed}", f"stable-baselines3=={installed}"
    options = ["--no-deps", "--no-binary", ":all:", "--dest", folder]
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", *options, asked], check=True)
    with tarfile.open(Path(folder, f"{name}.tar.gz")) as archive:
        archive.extractall(folder, filter="data")
    return Path(folder, name, "tests")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--control", action="store_true", help="test DQN itself")
    arguments, others = parser.parse_known_args()
    tested: type = stable_baselines3.DQN if arguments.control else PathNetDQN
    stable_baselines3.DQN = tested  # before the tests import it
    with TemporaryDirectory() as folder:
        tests = fetch(folder)
        ignored = [f"--ignore={tests / name}" for name in LEFT_OUT]
        settings = ["-c", str(tests.parent / "pyproject.toml"), "-p", "no:cacheprovider", "--rootdir", folder]
        return pytest.main([str(tests), *settings, *ignored, *others], plugins=[OnlyDQN(tested)])


if __name__ == "__main__":
    sys.exit(main())
