"""The agent of a curriculum: it searches, consolidates and freezes a path for one sub-task after another."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import torch

from pathnet_agents.greedy import GreedyPolicy, summarise
from pathnet_agents.lanes import HeldOut
from pathnet_agents.lesson import Lesson
from pathnet_agents.population import Ancestor
from pathnet_agents.progressive import Columns
from pathnet_agents.replay import Replay
from pathnet_agents.settings import PathNetDQNSettings
from pathnet_agents.sub_task import SubTask, make_replay, patience_of, recipe_of
from pathnet_agents.transfer import FineTune, FreezePaths, FreshNetworks, Gathered, Plan, Transfer, under
from pathnet_rl.agent import Checkpoint
from pathnet_rl.optimizer import Adam
from pathnet_rl.paths import EMPTY, Path, from_lists, reused, to_lists
from pathnet_rl.records import Evaluation, Record, SubTaskRecord
from pathnet_rl.rng import episode_seeds, numpy_generator
from pathnet_rl.settings import NetworkSettings, SearchSettings, SubTaskSettings

EVALUATION_EPISODES = 100
TRANSFERS: dict[str, type[FreezePaths] | type[Columns]] = {
    "freeze": FreezePaths,
    "fine-tune": FineTune,
    "progressive": Columns,
    "none": FreshNetworks,
}
"""Kinds of transfer by their name in a curriculum."""


@dataclass(frozen=True)
class Learned:
    """A sub-task with its path; ``frozen`` is False where it is still in progress."""

    settings: SubTaskSettings
    index: int
    path: Path
    head: int
    frozen: bool
    newly_frozen: list[list[int]]


class CurriculumAgent:
    """Learns sub-tasks one after another and forgets none of them.

    All sub-tasks share one observation shape and one set of actions. Every draw comes from (seed, sub-task,
    purpose).

    Args:
        dqn: How to learn.
        network: The PathNet.
        search: How paths are searched.
        seed: The run's seed.
        device: Torch device of the network and the replay.
    """

    def __init__(
        self,
        dqn: PathNetDQNSettings,
        network: NetworkSettings,
        search: SearchSettings,
        *,
        seed: int,
        device: str,
    ) -> None:
        self.dqn, self.network, self.search = dqn, network, search
        self.seed, self.device = seed, device
        self.transfer: Transfer | None = None
        self.actions = 0
        self.finished: dict[str, Learned] = {}
        self.total_env_steps = 0
        self._lesson: Lesson | None = None
        self._replay: Replay | None = None  # of the last sub-task, where it is kept

    @property
    def learned(self) -> Mapping[str, Learned]:
        """The sub-tasks by name, in order; one in progress comes last, as its best member stands."""
        if self._lesson is None:
            return self.finished
        task, lesson = self._lesson.sub_task, self._lesson
        begun = Learned(task.settings, task.index, lesson.path, lesson.member, frozen=False, newly_frozen=[])
        return {**self.finished, task.settings.name: begun}

    def learn_task(self, settings: SubTaskSettings) -> Iterator[Record]:
        """Learn one sub-task: a record a generation, and at the end the sub-task's own.

        The path found is frozen with it, all other modules return to their initial weights. A sub-task that was
        in progress when the agent's checkpoint was made goes on.

        Raises:
            ValueError: If a sub-task of this name has been learned already, or another is in progress.
        """
        if settings.name in self.finished:
            raise ValueError(f"sub-task {settings.name!r} has been learned already; give the new one another name")
        if self._lesson is None:
            self._lesson = self._begin(settings)
            self._replay = None  # the lesson has taken it over
        lesson = self._lesson
        begun = lesson.sub_task.settings.name
        if begun != settings.name:
            raise ValueError(f"sub-task {begun!r} is in progress; learn it to its end before {settings.name!r}")
        try:
            yield from lesson
            yield self._finish(lesson)
        finally:
            lesson.sub_task.close()

    def _begin(
        self,
        settings: SubTaskSettings,
        state: tuple[Mapping[str, Any], Mapping[str, torch.Tensor]] | None = None,
    ) -> Lesson:
        """Begin a sub-task's lesson, or go on with it from a state; see :class:`pathnet_agents.lesson.Lesson`."""
        began, index = time.perf_counter(), len(self.finished)
        transfer = self._transfer_for(settings)
        if state is None:
            transfer.begin(settings.name, index)
        sub_task = SubTask(
            settings,
            self.dqn,
            self.search,
            transfer,
            actions=self.actions,
            seed=self.seed,
            index=index,
            warm=bool(self.finished) and transfer.begins_warm,
        )
        if state is None and self.dqn.transfer == "freeze":
            sub_task.why += _shortage(transfer.free_modules())
        if state is None and self._replay is not None:
            sub_task.replay.adopt(self._replay)
        ancestor = self._ancestor(sub_task) if state is None else self._named(state[0]["ancestor"])
        return Lesson(
            sub_task,
            ancestor,
            self.total_env_steps,
            numpy_generator(self.seed, index, "evolution"),
            began,
            state,
        )

    def _transfer_for(self, settings: SubTaskSettings) -> Transfer:
        """Return what holds the weights, made when the first sub-task tells the shapes."""
        if self.transfer is None:
            env = gymnasium.make(settings.env, **settings.env_kwargs)
            observations, actions = env.observation_space, env.action_space
            env.close()
            assert isinstance(observations, gymnasium.spaces.Box)
            assert isinstance(actions, gymnasium.spaces.Discrete)
            self.transfer = self._make_transfer(observations.shape[0], int(actions.n))
        return self.transfer

    def _make_transfer(self, inputs: int, actions: int) -> Transfer:
        self.actions = actions
        plan = Plan(
            self.network,
            self.search,
            inputs=inputs,
            outputs=actions + self.dqn.dueling,
            seed=self.seed,
            state_names=Adam(self.dqn.learning_rate).state_names,
            device=self.device,
        )
        return TRANSFERS[self.dqn.transfer](plan)

    def _named(self, task: str | None) -> Ancestor | None:
        return None if task is None else Ancestor(task, self.finished[task].path)

    def _ancestor(self, sub_task: SubTask) -> Ancestor | None:
        """Return the winner that a new sub-task continues: the last one, or the one that does best on it."""
        transfer = sub_task.transfer
        if not self.finished or not transfer.begins_warm:
            return None
        if self.search.warm_start_from == "last" or not transfer.keeps_paths:
            return self._named(next(reversed(self.finished)))
        measured = {name: sub_task.probe(self._gather(learned)) for name, learned in self.finished.items()}
        best = max(reversed(measured), key=lambda name: measured[name])  # the later one of equals
        measure = sub_task.settings.advance.measure
        sub_task.why.append(f"continuing {best}, which does best here: {measure} {measured[best]:.4g}")
        return self._named(best)

    def _gather(self, learned: Learned) -> Gathered:
        assert self.transfer is not None
        return self.transfer.gather(learned.settings.name, learned.path[None], np.array([learned.head]), None)

    def _finish(self, lesson: Lesson) -> SubTaskRecord:
        """Freeze what the lesson found, reset the rest, and measure what was frozen."""
        transfer, sub_task = lesson.transfer, lesson.sub_task
        settings, index = sub_task.settings, sub_task.index
        # Slots in the order that a saved path has, so that a loaded agent goes on as this one would.
        path = from_lists(to_lists(lesson.path), self.network.active)
        frozen = {name: learned.newly_frozen for name, learned in self.finished.items()}
        newly_frozen = transfer.finish(settings.name, path, lesson.member)
        self.finished[settings.name] = Learned(settings, index, path, 0, True, newly_frozen)
        self.total_env_steps += sub_task.env_steps
        self._lesson = None
        self._replay = sub_task.replay if self.dqn.replay_kept else None
        return SubTaskRecord(
            task=settings.name,
            task_index=index,
            env=settings.env,
            mastered=lesson.mastered,
            why=lesson.why,
            env_steps=sub_task.env_steps,
            total_env_steps=self.total_env_steps,
            generations=lesson.search.next_index,
            path=to_lists(path),
            reused=reused(to_lists(path), frozen),
            newly_frozen=newly_frozen,
            free_modules=transfer.free_modules(),
            evaluation=self.evaluate(settings.name, EVALUATION_EPISODES, self.seed),
            wall_s=lesson.wall_s,
        )

    def evaluate(self, task: str, episodes: int, seed: int) -> Evaluation:
        """Fly a learned sub-task greedily on held-out seeds; the same call gives the same numbers, always.

        Raises:
            KeyError: If there is no such sub-task.
        """
        learned = self.learned[task]
        policy = GreedyPolicy(self._gather(learned), self.actions, self.device)
        held_out = HeldOut(recipe_of(learned.settings, self.dqn), patience=patience_of(self.dqn))
        try:
            return summarise(held_out.run(policy, episode_seeds(seed, learned.index, "evaluation", episodes)))
        finally:
            held_out.close()

    def checkpoint(self) -> Checkpoint:
        """Return all that decides how this agent goes on; see :class:`pathnet_rl.agent.Agent`."""
        tensors = {} if self.transfer is None else {f"net.{k}": v for k, v in self.transfer.tensors().items()}
        notes: dict[str, Any] = {
            "total_env_steps": self.total_env_steps,
            "finished": [
                {
                    "settings": entry.settings.model_dump(),
                    "path": to_lists(entry.path),
                    "newly_frozen": entry.newly_frozen,
                }
                for entry in self.finished.values()
            ],
            "replay": None if self._replay is None else self._replay.state_dict(),
            "lesson": None,
        }
        if self._replay is not None:
            tensors |= {f"replay.{name}": tensor for name, tensor in self._replay.stored().items()}
        if self._lesson is not None:
            assert self.transfer is not None
            tensors |= {f"lesson.{name}": tensor for name, tensor in self._lesson.tensors().items()}
            notes["lesson"] = {
                "settings": self._lesson.sub_task.settings.model_dump(),
                "transfer": self.transfer.state_dict(),
                "state": self._lesson.state_dict(),
            }
        return Checkpoint(tensors, notes)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take what :meth:`checkpoint` returned, into a freshly built agent of the same settings."""
        tensors, notes = checkpoint.tensors, checkpoint.notes
        self.total_env_steps = notes["total_env_steps"]
        for index, entry in enumerate(notes["finished"]):
            settings = SubTaskSettings.model_validate(entry["settings"])
            path = self._path(entry["path"])
            self.finished[settings.name] = Learned(settings, index, path, 0, True, entry["newly_frozen"])
        if not self.finished and notes["lesson"] is None:
            return
        inputs, outputs = TRANSFERS[self.dqn.transfer].sizes(under("net.", tensors), self.network)
        self.transfer = self._make_transfer(inputs, outputs - self.dqn.dueling)
        lesson = notes["lesson"]
        begun = [] if lesson is None else [SubTaskSettings.model_validate(lesson["settings"])]
        self.transfer.load(under("net.", tensors), [*self.finished, *(task.name for task in begun)])
        if notes["replay"] is not None:
            self._replay = make_replay(self.dqn, self.transfer, self.seed, 0)
            self._replay.load_state_dict(notes["replay"], under("replay.", tensors))
        if lesson is not None:
            self.transfer.load_state_dict(lesson["transfer"])
            self._lesson = self._begin(begun[0], (lesson["state"], under("lesson.", tensors)))

    def _path(self, modules: list[list[int]]) -> Path:
        """Return the path of these modules, or say that this network has none such."""
        path = from_lists(modules, self.network.active)
        if len(path) != self.network.layers or path.max() >= self.network.modules or path.min() < EMPTY:
            raise ValueError(f"{modules} is no path of this network")
        return path


def _shortage(free: list[int]) -> list[str]:
    """Say which layers have no open modules, where any have none."""
    full = [str(layer) for layer, modules in enumerate(free, start=1) if not modules]
    if not full:
        return []
    if len(full) == len(free):
        return ["all modules are frozen: only a head can be learned; give more network.modules"]
    return [f"all modules of layer {' and '.join(full)} are frozen; give more network.modules"]
