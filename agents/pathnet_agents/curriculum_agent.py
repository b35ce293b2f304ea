"""The agent of a curriculum: it searches, consolidates and freezes a path for one sub-task after another."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath

import gymnasium
from safetensors.torch import load_file, save_file

from pathnet_agents.greedy import GreedyPolicy, summarise
from pathnet_agents.lanes import HeldOut
from pathnet_agents.lesson import Lesson
from pathnet_agents.population import Ancestor, first_population
from pathnet_agents.settings import PathNetDQNSettings
from pathnet_agents.sub_task import SubTask
from pathnet_rl.network import PathNet
from pathnet_rl.optimizer import Adam
from pathnet_rl.paths import Path, Paths, from_lists, to_lists
from pathnet_rl.records import Evaluation, Record, SubTaskRecord
from pathnet_rl.rng import episode_seeds, numpy_generator, torch_generator
from pathnet_rl.settings import NetworkSettings, SearchSettings, SubTaskSettings
from pathnet_rl.shapes import dense_layers

EVALUATION_EPISODES = 100
WEIGHTS, NOTES = "weights.safetensors", "agent.json"


@dataclass(frozen=True)
class Learned:
    """A sub-task with its path; ``frozen`` is False where a run was interrupted in its midst."""

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
        self.net: PathNet | None = None
        self.outputs = 0
        self.learned: dict[str, Learned] = {}
        self.total_env_steps = 0
        self._lesson: Lesson | None = None

    def learn_task(self, settings: SubTaskSettings) -> Iterator[Record]:
        """Learn one sub-task: a record a generation, and at the end the sub-task's own.

        The path found is frozen with it, all other modules return to their initial weights.

        Raises:
            ValueError: If a sub-task of this name has been learned already.
        """
        if settings.name in self.learned:
            raise ValueError(f"sub-task {settings.name!r} has been learned already; give the new one another name")
        index = len(self.learned)
        net = self._network_for(settings)
        head_generator = torch_generator(self.seed, index, "heads")
        rng = numpy_generator(self.seed, index, "evolution")
        ancestor = self._ancestor()

        def propose() -> Paths:
            net.add_heads(settings.name, self.search.population, self.outputs, [head_generator])
            return first_population(net, settings.name, self.search, ancestor, rng)

        warm = ancestor is not None and self.search.warm_start == "clone"
        epsilon_start = self.dqn.epsilon_warm if warm else self.dqn.epsilon_start
        sub_task = SubTask(
            settings, self.dqn, self.search, net, seed=self.seed, index=index, epsilon_start=epsilon_start
        )
        self._lesson = Lesson(net, sub_task, propose, self.total_env_steps, rng)
        try:
            yield from self._lesson
            yield self._finish(self._lesson)
        finally:
            sub_task.close()

    def _network_for(self, settings: SubTaskSettings) -> PathNet:
        """Return the network, made when the first sub-task tells the shapes."""
        env = gymnasium.make(settings.env, **settings.env_kwargs)
        observations, actions = env.observation_space, env.action_space
        env.close()
        assert isinstance(observations, gymnasium.spaces.Box)
        assert isinstance(actions, gymnasium.spaces.Discrete)
        if self.net is None:
            self.net = self._make_network(observations.shape[0], int(actions.n))
        return self.net

    def _make_network(self, inputs: int, outputs: int) -> PathNet:
        self.outputs = outputs
        return PathNet(
            dense_layers(inputs, self.network.units, self.network.layers),
            modules=self.network.modules,
            active=self.network.active,
            generators=[torch_generator(self.seed, 0, "modules")],
            state_names=Adam(self.dqn.learning_rate).state_names,
            device=self.device,
        )

    def _ancestor(self) -> Ancestor | None:
        """Return the winner that a new sub-task continues: the last one."""
        if not self.learned:
            return None
        last = list(self.learned.values())[-1]
        return Ancestor(last.settings.name, last.path)

    def _finish(self, lesson: Lesson) -> SubTaskRecord:
        """Freeze what the lesson found, reset the rest, and measure what was frozen."""
        net, settings, index = lesson.net, lesson.sub_task.settings, lesson.sub_task.index
        # Slots in the order that a saved path has, so that a loaded agent goes on as this one would.
        path = from_lists(to_lists(lesson.path), self.network.active)
        reused = self.reuse(path)
        net.keep_head(settings.name, lesson.member)
        newly_frozen = net.freeze(path)
        net.reinitialise()
        self.learned[settings.name] = Learned(settings, index, path, 0, True, newly_frozen)
        self.total_env_steps += lesson.sub_task.env_steps
        self._lesson = None
        return SubTaskRecord(
            task=settings.name,
            task_index=index,
            env=settings.env,
            mastered=lesson.mastered,
            why=lesson.why,
            env_steps=lesson.sub_task.env_steps,
            total_env_steps=self.total_env_steps,
            generations=lesson.search.next_index,
            path=to_lists(path),
            reused=reused,
            newly_frozen=newly_frozen,
            free_modules=[int(count) for count in (~net.frozen_rlm[0]).sum(axis=1)],
            evaluation=self.evaluate(settings.name, EVALUATION_EPISODES, self.seed),
            wall_s=lesson.wall_s,
        )

    def reuse(self, path: Path) -> list[dict[str, int]]:
        """Count, by layer, the modules of a path that each earlier sub-task froze."""
        owners = [
            {module: name for name, learned in self.learned.items() for module in learned.newly_frozen[layer]}
            for layer in range(self.network.layers)
        ]
        return [
            dict(Counter(owner[module] for module in modules if module in owner))
            for owner, modules in zip(owners, to_lists(path), strict=True)
        ]

    def evaluate(self, task: str, episodes: int, seed: int) -> Evaluation:
        """Fly a learned sub-task greedily on held-out seeds; the same call gives the same numbers, always.

        Raises:
            KeyError: If there is no such sub-task.
        """
        learned = self.learned[task]
        assert self.net is not None
        policy = GreedyPolicy.of(self.net, task, learned.path, learned.head)
        held_out = HeldOut(learned.settings.env, learned.settings.env_kwargs)
        try:
            return summarise(held_out.run(policy, episode_seeds(seed, learned.index, "evaluation", episodes)))
        finally:
            held_out.close()

    def save(self, directory: FilePath) -> None:
        """Write weights and paths into an existing directory: safetensors and JSON, no pickle.

        A sub-task in progress is kept as its best member stands, not frozen.
        """
        learned = list(self.learned.values())
        if self._lesson is not None:
            task = self._lesson.sub_task
            path, head = self._lesson.path, self._lesson.member
            learned.append(Learned(task.settings, task.index, path, head, frozen=False, newly_frozen=[]))
        notes = {
            "inputs": self.net.inputs if self.net else 0,
            "outputs": self.outputs,
            "total_env_steps": self.total_env_steps,
            "learned": [
                {
                    "settings": entry.settings.model_dump(),
                    "index": entry.index,
                    "path": to_lists(entry.path),
                    "head": entry.head,
                    "frozen": entry.frozen,
                    "newly_frozen": entry.newly_frozen,
                }
                for entry in learned
            ],
        }
        tensors = self.net.state_dict() if self.net else {}
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, directory / WEIGHTS)
        (directory / NOTES).write_text(json.dumps(notes, indent=1) + "\n", encoding="utf-8")

    def load(self, directory: FilePath) -> None:
        """Take what :meth:`save` wrote, into an agent of the same settings.

        Raises:
            OSError: If a file is missing.
        """
        notes = json.loads((directory / NOTES).read_text(encoding="utf-8"))
        self.total_env_steps = notes["total_env_steps"]
        if notes["inputs"]:
            self.net = self._make_network(notes["inputs"], notes["outputs"])
            self.net.load_state_dict(load_file(directory / WEIGHTS))
        for entry in notes["learned"]:
            settings = SubTaskSettings.model_validate(entry["settings"])
            path = from_lists(entry["path"], self.network.active)
            self.learned[settings.name] = Learned(
                settings, entry["index"], path, entry["head"], entry["frozen"], entry["newly_frozen"]
            )
