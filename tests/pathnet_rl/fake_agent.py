"""A small agent whose every number comes from one generator, so that one lost or repeated draw shows."""

import time
from dataclasses import dataclass

import numpy as np
import torch
from make_records import EVALUATION, generation, sub_task
from pydantic import Field

from pathnet_rl.agent import Checkpoint
from pathnet_rl.records import Evaluation
from pathnet_rl.settings import AgentSettings, SubTaskSettings

STEPS = 100  # of a generation
PATH = [[0], [1], [2]]


class FakeSettings(AgentSettings):
    """How much there is to do and to save."""

    generations: int = Field(default=5, ge=1)
    """Of a sub-task."""
    pause_s: float = 0.0
    """That a generation takes."""
    numbers: int = 1000
    """In the agent's only tensor."""
    mastered: bool = True
    """Whether sub-tasks are."""

    def build(self, network, search, *, seed, device):
        return FakeAgent(self, seed)


@dataclass(frozen=True)
class Learned:
    settings: SubTaskSettings
    frozen: bool = True


class FakeAgent:
    """Learns nothing, bit for bit."""

    def __init__(self, settings, seed):
        self.settings, self.rng = settings, np.random.default_rng(seed)
        self.weights = torch.zeros(settings.numbers)
        self.learned = {}
        self.total_env_steps, self.generation = 0, 0

    def learn_task(self, settings):
        index = len(self.learned)
        while self.generation < self.settings.generations:
            time.sleep(self.settings.pause_s)
            self.weights += torch.from_numpy(self.rng.standard_normal(self.settings.numbers, dtype=np.float32))
            self.total_env_steps += STEPS
            self.generation += 1
            yield generation(
                task=settings.name,
                task_index=index,
                generation=self.generation - 1,
                env_steps=self.generation * STEPS,
                total_env_steps=self.total_env_steps,
                loss=float(self.weights.mean()),
                best_path=PATH,
                wall_s=time.perf_counter(),
            )
        done, self.generation = self.generation, 0
        self.learned[settings.name] = Learned(settings)
        yield sub_task(
            settings.name,
            index,
            path=PATH,
            generations=done,
            total_env_steps=self.total_env_steps,
            mastered=self.settings.mastered,
            why=str(self.rng.integers(1 << 40)),
        )

    def evaluate(self, task, episodes, seed):
        values = {**EVALUATION.__dict__, "episodes": episodes, "mean_return": float(self.weights.sum())}
        return Evaluation(**values)

    def checkpoint(self):
        notes = {
            "learned": [entry.settings.model_dump() for entry in self.learned.values()],
            "rng": self.rng.bit_generator.state,
            "total_env_steps": self.total_env_steps,
            "generation": self.generation,
        }
        return Checkpoint({"weights": self.weights}, notes)

    def restore(self, checkpoint):
        self.weights.copy_(checkpoint.tensors["weights"])
        self.rng.bit_generator.state = checkpoint.notes["rng"]
        self.total_env_steps = checkpoint.notes["total_env_steps"]
        self.generation = checkpoint.notes["generation"]
        tasks = [SubTaskSettings.model_validate(data) for data in checkpoint.notes["learned"]]
        self.learned = {task.name: Learned(task) for task in tasks}
