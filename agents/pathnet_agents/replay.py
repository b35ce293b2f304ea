"""Replay: one ring of transitions for a sub-task, shared by the whole population."""

import torch
from torch import Tensor

from pathnet_agents.lanes import Transitions


class Replay:
    """Transitions on the learner's device, overwritten oldest first.

    Args:
        transitions: Capacity.
        inputs: Numbers in an observation.
        device: Torch device.
        generator: The source of the samples; draws on the CPU, so that every device sees the same ones.
    """

    def __init__(self, transitions: int, inputs: int, device: str, generator: torch.Generator) -> None:
        self.capacity, self.device, self.generator = transitions, device, generator
        self.observation = torch.empty(transitions, inputs, device=device)
        self.next_observation = torch.empty(transitions, inputs, device=device)
        self.action = torch.empty(transitions, dtype=torch.int64, device=device)
        self.reward = torch.empty(transitions, device=device)
        self.continues = torch.empty(transitions, device=device)  # 0 after a terminal state, else 1
        self._next, self._stored = 0, 0

    def __len__(self) -> int:
        return self._stored

    def add(self, step: Transitions, reward_scale: float) -> None:
        """Store one step of every lane."""
        lanes = len(step.action)
        rows = torch.arange(self._next, self._next + lanes) % self.capacity
        rows = rows.to(self.device)
        self.observation[rows] = torch.from_numpy(step.observation).to(self.device)
        self.next_observation[rows] = torch.from_numpy(step.next_observation).to(self.device)
        self.action[rows] = torch.from_numpy(step.action).to(self.device)
        self.reward[rows] = torch.from_numpy(step.reward * reward_scale).to(self.device)
        self.continues[rows] = torch.from_numpy(~step.terminated).to(self.device, torch.float32)
        self._next = (self._next + lanes) % self.capacity
        self._stored = min(self._stored + lanes, self.capacity)

    def sample(self, paths: int, batch: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Draw uniformly, with replacement, a batch of its own for each path.

        Returns:
            observation ``(paths, batch, inputs)``, action ``(paths, batch)``, reward, next observation, and
            continues (0 after a terminal state), each ``(paths, batch)`` but for the observations.
        """
        rows = torch.randint(self._stored, (paths * batch,), generator=self.generator).to(self.device)
        shape = (paths, batch)
        return (
            self.observation[rows].unflatten(0, shape),
            self.action[rows].unflatten(0, shape),
            self.reward[rows].unflatten(0, shape),
            self.next_observation[rows].unflatten(0, shape),
            self.continues[rows].unflatten(0, shape),
        )
