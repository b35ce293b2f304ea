"""Replay: one ring of transitions for a sub-task, shared by the whole population."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pathnet_agents.lanes import Transitions
from pathnet_rl.rng import set_state, state_of

PRIORITY, IMPORTANCE = 0.6, 0.4  # alpha and beta of Schaul et al. 2016, table 3; beta is not annealed
SMALLEST_DIFFERENCE = 1e-3
SUMMED_TOGETHER = 1 << 18  # rewards, when a replay is loaded


@dataclass(frozen=True)
class Sample:
    """Transitions over several steps, a batch of its own for each path: ``(paths, batch)``, observations apart.

    Attributes:
        observation: ``(paths, batch, inputs)``.
        action: What was done there.
        reward: Discounted sum of the rewards up to ``next_observation``.
        next_observation: Where the steps led, ``(paths, batch, inputs)``.
        discount: What the value of ``next_observation`` is worth; 0 after a terminal state.
        weight: What each counts in the loss; None where all count alike.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    next_observation: Tensor
    discount: Tensor
    weight: Tensor | None = None


class Drawn(NamedTuple):
    """Where the transitions of a sample lie in the replay.

    Attributes:
        places: Of their first steps, over rows and lanes, ``(paths, batch)``; on the CPU unless prioritized.
        weight: What each counts in the loss, ``(paths, batch)``; None where all count alike.
    """

    places: Tensor
    weight: Tensor | None


def _alone(observation_bi: Tensor) -> Tensor:
    return observation_bi


class Replay:
    """Steps of all lanes on the learner's device, overwritten oldest first.

    The return of the steps from one on is summed once, when the last of them is stored: a sample only looks it up.

    Args:
        transitions: Capacity, rounded down to whole steps of all lanes.
        lanes: Environments that are stepped together.
        inputs: Numbers in an observation.
        steps: Most steps between a sample's two observations; an episode's end cuts them short.
        discount: Per environment step.
        device: Torch device.
        generator: The source of the samples; draws on the CPU, so that every device sees the same ones.
        encode: What is stored for observations, ``(batch, inputs) -> (batch, encoded)``: they come first, behind
            them may be what costs much to compute and never changes. By default they are stored alone.
        prioritized: Draw in proportion to ``(|temporal difference| + 0.001) ** PRIORITY`` (Schaul et al. 2016,
            arXiv:1511.05952, proportional variant), instead of uniformly.
    """

    def __init__(  # noqa: PLR0913 - what is stored, where, and how it is drawn
        self,
        transitions: int,
        *,
        lanes: int,
        inputs: int,
        steps: int,
        discount: float,
        device: str,
        generator: torch.Generator,
        encode: Callable[[Tensor], Tensor] = _alone,
        prioritized: bool = False,
    ) -> None:
        self.lanes, self.rows, self.steps = lanes, max(transitions // lanes, steps), steps
        self.device, self.generator, self._inputs, self._encode = device, generator, inputs, encode
        encoded = encode(torch.zeros(lanes, inputs, device=device)).shape[-1]
        self.observation = torch.empty(self.rows, lanes, encoded, device=device)
        self.next_observation = torch.empty(self.rows, lanes, encoded, device=device)
        self.action = torch.empty(self.rows, lanes, dtype=torch.int64, device=device)
        self.reward = torch.empty(self.rows, lanes, device=device)
        self.ended = torch.empty(self.rows, lanes, device=device)  # 1 on an episode's last step
        self.terminated = torch.empty(self.rows, lanes, device=device)  # 1 where nothing is left to gain
        self._return = torch.zeros(self.rows, lanes, device=device)  # of the steps from it on, discounted
        self._discount = torch.zeros(self.rows, lanes, device=device)  # what follows these steps is worth
        self._last = torch.zeros(self.rows, lanes, dtype=torch.int64, device=device)  # where the last one lies
        self._lanes, self._ahead = torch.arange(lanes, device=device), torch.arange(steps, device=device)
        self._discounts = discount ** torch.arange(steps + 1, device=device)
        self.priority = torch.zeros(self.rows, lanes, device=device) if prioritized else None
        self._largest_priority = 1.0
        self._next_row, self._stored_rows = 0, 0

    def __len__(self) -> int:
        return self._stored_rows * self.lanes

    def add(self, step: Transitions, reward_scale: float) -> None:
        """Store one step of every lane."""
        row = self._next_row
        self._store(row, torch.from_numpy(step.observation), torch.from_numpy(step.next_observation))
        self.action[row] = torch.from_numpy(step.action)
        self.reward[row] = torch.from_numpy(step.reward * reward_scale)
        self.ended[row] = torch.from_numpy(step.ended)
        self.terminated[row] = torch.from_numpy(step.terminated)
        if self.priority is not None:  # what has never been replayed comes first
            self.priority[row] = self._largest_priority
        self._next_row = (row + 1) % self.rows
        self._stored_rows = min(self._stored_rows + 1, self.rows)
        if self._stored_rows >= self.steps:
            self._sum_from((row - self._ahead[-1:]) % self.rows)

    def _sum_from(self, first: Tensor) -> None:
        """Sum the returns from these rows on, whose steps are all stored; an episode's end cuts them short."""
        rows = (first[:, None] + self._ahead) % self.rows
        goes_on = torch.ones(*rows.shape, self.lanes, device=self.device)  # 1 up to and with an episode's last step
        goes_on[:, 1:] = (1 - self.ended[rows[:, :-1]]).cumprod(1)
        taken = goes_on.sum(1).long()
        last = rows.gather(1, taken - 1)
        self._return[first] = (self.reward[rows] * goes_on * self._discounts[:-1, None]).sum(1)
        self._discount[first] = self._discounts[taken] * (1 - self.terminated[last, self._lanes])
        self._last[first] = last * self.lanes + self._lanes

    def _store(self, row: int, observation: Tensor, next_observation: Tensor) -> None:
        """Encode a row; rows that were saved are encoded in batches of the same size, which round alike."""
        both = torch.cat((observation, next_observation)).to(self.device)
        self.observation[row], self.next_observation[row] = self._encode(both).chunk(2)

    def draw(self, paths: int, batch: int) -> Drawn:
        """Draw transitions with replacement.

        Raises:
            ValueError: While fewer steps are stored than a sample spans.
        """
        starts = self._stored_rows - self.steps + 1
        if starts < 1:
            raise ValueError(f"{self._stored_rows} steps are stored, a sample spans {self.steps}")
        drawn, weight = self._draw(starts, paths * batch)
        places = (drawn + self._oldest * self.lanes) % (self.rows * self.lanes)
        shape = (paths, batch)
        return Drawn(places.view(shape), None if weight is None else weight.view(shape))

    @property
    def _oldest(self) -> int:
        """The row that was stored first of those that are left."""
        return (self._next_row - self._stored_rows) % self.rows

    def sample(self, places_pb: Tensor, weight: Tensor | None = None) -> Sample:
        """Return the transitions that :meth:`draw` has drawn."""
        shape, first = places_pb.shape, places_pb.flatten()
        last = self._last.view(-1)[first]
        return Sample(
            observation=self.observation.flatten(0, 1).index_select(0, first).view(*shape, -1),
            action=self.action.view(-1)[first].view(shape),
            reward=self._return.view(-1)[first].view(shape),
            next_observation=self.next_observation.flatten(0, 1).index_select(0, last).view(*shape, -1),
            discount=self._discount.view(-1)[first].view(shape),
            weight=weight,
        )

    def _draw(self, starts: int, samples: int) -> tuple[Tensor, Tensor | None]:
        """Draw transitions, counted from the oldest over rows and lanes, and say what each is to count."""
        if self.priority is None:
            return torch.randint(starts * self.lanes, (samples,), generator=self.generator), None
        rows = (self._oldest + torch.arange(starts, device=self.device)) % self.rows
        upto = self.priority[rows].flatten().double().cumsum(0)
        at = torch.rand(samples, generator=self.generator, dtype=torch.float64).to(self.device) * upto[-1]
        drawn = torch.searchsorted(upto, at, right=True).clamp_(max=len(upto) - 1)
        probability = self.priority[rows].flatten()[drawn] / upto[-1]
        weight = (len(upto) * probability).pow(-IMPORTANCE).float()
        return drawn, weight / weight.max()

    def learn_priorities(self, drawn: Drawn, differences: Tensor) -> None:
        """Take the temporal differences of what was drawn, ``(paths, batch)``; of what was drawn twice, one."""
        if self.priority is None:
            return
        finite = torch.nan_to_num(differences.abs(), nan=0.0, posinf=0.0, neginf=0.0)
        priority = (finite + SMALLEST_DIFFERENCE) ** PRIORITY
        self.priority.view(-1)[drawn.places.flatten()] = priority.flatten()
        self._largest_priority = max(self._largest_priority, float(priority.max()))

    def adopt(self, other: "Replay") -> None:
        """Begin with the latest transitions of another sub-task's replay of the same lanes and capacity."""
        self._next_row, self._stored_rows = other._next_row, other._stored_rows
        self._largest_priority = other._largest_priority
        self._take(other.stored())
        if self._stored_rows:  # what comes next is of another sub-task, and no continuation of its episodes
            self.ended[self._next_row - 1] = 1

    def stored(self) -> dict[str, Tensor]:
        """Return what is filled by name, ``(stored rows, lanes, ...)``; observations as they were."""
        filled = slice(self._stored_rows)
        observations = {
            "observation": self.observation[filled, :, : self._inputs].contiguous(),
            "next_observation": self.next_observation[filled, :, : self._inputs].contiguous(),
        }
        return observations | {name: tensor[filled] for name, tensor in self._beside().items()}

    def _beside(self) -> dict[str, Tensor]:
        """Return all that is not an observation, whole."""
        names = ["action", "reward", "ended", "terminated", *(["priority"] if self.priority is not None else [])]
        return {name: getattr(self, name) for name in names}

    def _take(self, stored: Mapping[str, Tensor]) -> None:
        """Fill the first rows, which are the ones stored, with what :meth:`stored` gave."""
        for name, tensor in self._beside().items():
            tensor[: len(stored[name])] = stored[name].to(self.device)
        for row, pair in enumerate(zip(stored["observation"], stored["next_observation"], strict=True)):
            self._store(row, *pair)
        starts = torch.arange(max(self._stored_rows - self.steps + 1, 0), device=self.device)
        for some in starts.split(max(SUMMED_TOGETHER // (self.steps * self.lanes), 1)):
            self._sum_from((self._oldest + some) % self.rows)

    def state_dict(self) -> dict[str, Any]:
        """Return where the ring stands, as plain data; the steps are in :meth:`stored`."""
        return {
            "next_row": self._next_row,
            "stored_rows": self._stored_rows,
            "largest_priority": self._largest_priority,
            "generator": state_of(self.generator),
        }

    def load_state_dict(self, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Go on from a state and the tensors that belong to it."""
        self._next_row, self._stored_rows = state["next_row"], state["stored_rows"]
        self._take(tensors)
        self._largest_priority = state["largest_priority"]
        set_state(self.generator, state["generator"])
