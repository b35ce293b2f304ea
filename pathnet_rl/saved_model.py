"""Saved models of Stable-Baselines3: loading one runs what code it holds, so a person must vouch for it."""

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

import gymnasium
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from pathnet_rl.evaluation import evaluation_of, success_in
from pathnet_rl.records import Evaluation

ENTRY_POINTS = "pathnet_rl.models"
ALGORITHM = "PathNetDQN"  # the one that Stable-Baselines3's files are read as; they do not name theirs


class ModelError(Exception):
    """A model that cannot be loaded or flown; the message says why."""


class TaskModel(Protocol):
    """A model of Stable-Baselines3 that has learned one task after another."""

    normalised: bool

    @property
    def paths(self) -> dict[str, list[list[int]]]:
        """The path of every task."""
        ...

    def use_task(self, name: str) -> Any:
        """Act for this task from now on; returns itself, a policy of Stable-Baselines3."""
        ...


class SavedModel:
    """A model and the environment to fly it in.

    Args:
        path: The file.
        env: Gymnasium id.
        trusted: Whether somebody vouches for the file.
        device: Torch device.

    Raises:
        ModelError: If it is not vouched for, or is no such model, or one of another environment.
    """

    def __init__(self, path: Path, env: str, *, trusted: bool, device: str) -> None:
        if not path.is_file():
            raise ModelError(f"{path}: there is no such file")
        if not trusted:
            raise ModelError(
                f"{path}: a file of Stable-Baselines3 can hold code, which loading it runs; give --trust if you "
                "know where it comes from"
            )
        try:
            self._env = DummyVecEnv([lambda: Monitor(gymnasium.make(env))])
            algorithm = next(iter(entry_points(group=ENTRY_POINTS, name=ALGORITHM))).load()
            self.model: TaskModel = algorithm.load(path, env=self._env, device=device)
        except Exception as error:  # pickles and environments of others raise what they like
            why = " ".join(str(error).split())[:600] or type(error).__name__
            raise ModelError(f"{path} cannot be loaded to be flown in {env}: {why}") from error

    @property
    def normalised(self) -> bool:
        """Whether it was learned under ``VecNormalize``, whose statistics are in a file of their own."""
        return self.model.normalised

    def evaluate(self, task: str, episodes: int, seed: int) -> Evaluation:
        """Fly a task's path greedily; episodes follow from the first one's seed."""
        successes: list[bool | None] = []

        def note(local: dict[str, Any], _: dict[str, Any]) -> None:
            if local["done"]:
                successes.append(success_in(local["info"]))

        self._env.seed(seed)
        model = self.model.use_task(task)
        returns, steps = evaluate_policy(model, self._env, episodes, callback=note, return_episode_rewards=True)
        assert isinstance(returns, list) and isinstance(steps, list)
        return evaluation_of(returns, successes, steps)
