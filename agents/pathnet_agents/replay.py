"""Replay: one ring of transitions for a sub-task, shared by the whole population."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pathnet_agents.lanes import Transitions


@dataclass(frozen=True)
class Sample:
    """Transitions over several steps, a batch of its own for each path: ``(paths, batch)``, observations apart.

    Attributes:
        observation: ``(paths, batch, inputs)``.
        action: What was done there.
        reward: Discounted sum of the rewards up to ``next_observation``.
        next_observation: Where the steps led, ``(paths, batch, inputs)``.
        discount: What the value of ``next_observation`` is worth; 0 after a terminal state.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    next_observation: Tensor
    discount: Tensor


class Replay:
    """Steps of all lanes on the learner's device, overwritten oldest first.

    Args:
        transitions: Capacity, rounded down to whole steps of all lanes.
        lanes: Environments that are stepped together.
        inputs: Numbers in an observation.
        steps: Most steps between a sample's two observations; an episode's end cuts them short.
        discount: Per environment step.
        device: Torch device.
        generator: The source of the samples; draws on the CPU, so that every device sees the same ones.
    """

    def __init__(
        self,
        transitions: int,
        *,
        lanes: int,
        inputs: int,
        steps: int,
        discount: float,
        device: str,
        generator: torch.Generator,
    ) -> None:
        self.lanes, self.rows, self.steps = lanes, max(transitions // lanes, steps), steps
        self.device, self.generator = device, generator
        self.observation = torch.empty(self.rows, lanes, inputs, device=device)
        self.next_observation = torch.empty(self.rows, lanes, inputs, device=device)
        self.action = torch.empty(self.rows, lanes, dtype=torch.int64, device=device)
        self.reward = torch.empty(self.rows, lanes, device=device)
        self.ended = torch.empty(self.rows, lanes, device=device)  # 1 on an episode's last step
        self.terminated = torch.empty(self.rows, lanes, device=device)  # 1 where nothing is left to gain
        self._ahead = torch.arange(steps, device=device)
        self._discounts = discount ** torch.arange(steps + 1, device=device)
        self._next_row, self._stored_rows = 0, 0

    def __len__(self) -> int:
        return self._stored_rows * self.lanes

    def add(self, step: Transitions, reward_scale: float) -> None:
        """Store one step of every lane."""
        row = self._next_row
        self.observation[row] = torch.from_numpy(step.observation)
        self.next_observation[row] = torch.from_numpy(step.next_observation)
        self.action[row] = torch.from_numpy(step.action)
        self.reward[row] = torch.from_numpy(step.reward * reward_scale)
        self.ended[row] = torch.from_numpy(step.ended)
        self.terminated[row] = torch.from_numpy(step.terminated)
        self._next_row = (row + 1) % self.rows
        self._stored_rows = min(self._stored_rows + 1, self.rows)

    def sample(self, paths: int, batch: int) -> Sample:
        """Draw uniformly, with replacement.

        Raises:
            ValueError: While fewer steps are stored than a sample spans.
        """
        starts = self._stored_rows - self.steps + 1
        if starts < 1:
            raise ValueError(f"{self._stored_rows} steps are stored, a sample spans {self.steps}")
        drawn = torch.randint(starts * self.lanes, (paths * batch,), generator=self.generator).to(self.device)
        oldest = self._next_row - self._stored_rows
        rows = (oldest + (drawn // self.lanes)[:, None] + self._ahead) % self.rows
        places = rows * self.lanes + (drawn % self.lanes)[:, None]  # (samples, steps), over rows and lanes
        goes_on = torch.ones_like(places, dtype=torch.float32)  # 1 up to and with an episode's last step
        goes_on[:, 1:] = (1 - self.ended.flatten()[places[:, :-1]]).cumprod(1)
        taken = goes_on.sum(1).long()
        last = places.gather(1, taken[:, None] - 1)[:, 0]
        reward = (self.reward.flatten()[places] * goes_on * self._discounts[:-1]).sum(1)
        discount = self._discounts[taken] * (1 - self.terminated.flatten()[last])
        first, shape = places[:, 0], (paths, batch)
        return Sample(
            observation=self.observation.flatten(0, 1)[first].unflatten(0, shape),
            action=self.action.flatten()[first].unflatten(0, shape),
            reward=reward.unflatten(0, shape),
            next_observation=self.next_observation.flatten(0, 1)[last].unflatten(0, shape),
            discount=discount.unflatten(0, shape),
        )
