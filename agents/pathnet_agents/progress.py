"""Progress: how far a path that learns on alone has come, whether it stalls, and its way back from a collapse."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pathnet_agents.sub_task import SubTask
from pathnet_agents.transfer import Gathered
from pathnet_rl.paths import Path

GAIN = 0.02  # units by which a window must beat its best to count as progress
RELAPSES = 3  # collapses from the same weights after which they are given up
COLLAPSE = 0.6  # units below its best at which a path is lost: three tenths of the levels, or of a rate most


@dataclass(frozen=True)
class Kept:
    """Weights of a path that can be taken back.

    Attributes:
        path: What is run along them.
        member: Whose head it is.
        weights: The numbers.
    """

    path: Path
    member: int
    weights: Gathered

    def state_dict(self) -> dict[str, Any]:
        """Return all but the weights as plain data; :meth:`tensors` has these."""
        return {"path": self.path.tolist(), "member": self.member}

    def tensors(self, name: str) -> dict[str, torch.Tensor]:
        """Return the weights, their names beginning with this one."""
        return {f"{name}.{layer}": tensor.detach() for layer, tensor in enumerate(self.weights.values)}

    @classmethod
    def load(
        cls, sub_task: SubTask, name: str, state: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]
    ) -> "Kept":
        """Make it again from what :meth:`state_dict` and :meth:`tensors` gave."""
        path = np.array(state["path"], dtype=np.int64)
        weights = sub_task.gather(path[None], np.array([state["member"]]))
        weights.values = [
            tensors[f"{name}.{layer}"].to(value.device, copy=True) for layer, value in enumerate(weights.values)
        ]
        return cls(path, state["member"], weights)


class Progress:
    """Watches a sub-task's training and keeps the weights with which it had come furthest.

    It counts in units of the threshold; where the episodes of its first full window differ by more, in units of
    their standard deviation, for a threshold near 0 does not tell how far apart two policies are.

    Args:
        sub_task: What is trained.
    """

    def __init__(self, sub_task: SubTask) -> None:
        self.sub_task = sub_task
        self.begin()

    def begin(self) -> None:
        """Forget what was, collapses too: another path learns from here, or this one from easier starts."""
        self.best, self.gained_at = -np.inf, self.sub_task.env_steps
        self.kept: Kept | None = None
        self._level, self._collapses = 0.0, 0  # at which these weights were kept, and since then
        self._unit: float | None = None

    @property
    def env_steps_without_gain(self) -> int:
        """Environment steps since the last gain."""
        return self.sub_task.env_steps - self.gained_at

    def follow(self, path: Path) -> bool:
        """Keep this path's weights if it has gained, put it back if it has collapsed; say whether it stalls."""
        task, reached = self.sub_task, self._reached()
        if reached is not None:
            if reached > self.best + GAIN:
                self.best, self.gained_at, self._collapses = reached, task.env_steps, 0
                if task.search.put_back:
                    self.kept, self._level = Kept(path, 0, task.slow_weights(0, path)), task.level.value or 0.0
            elif self.kept is not None and reached < self.best - COLLAPSE:
                self._collapses += 1
                task.set_level(self._level)
                task.put_back(self.kept.weights)
                task.why.append(f"collapsed: the weights of {self.gained_at} environment steps are put back")
        return self._collapses >= RELAPSES or self.env_steps_without_gain >= task.search.stall_env_steps

    def _reached(self) -> float | None:
        """Return how far training has come, in units; None until its window is full."""
        task, advance = self.sub_task, self.sub_task.settings.advance
        value = task.practice.measure
        if value is None:
            return None
        # A level is worth more than any rate at the level before, so levels come first.
        level = 2 * task.level.value if task.settings.level == "adaptive" and task.level.value else 0.0
        if self._unit is None:
            self._unit = max(abs(advance.threshold), task.practice.spread, 1e-9)
        return value / self._unit + level

    def state_dict(self) -> dict[str, Any]:
        """Return all that changes as plain data; :meth:`tensors` belongs to it."""
        return {
            "best": self.best if np.isfinite(self.best) else None,
            "gained_at": self.gained_at,
            "level": self._level,
            "collapses": self._collapses,
            "unit": self._unit,
            "kept": None if self.kept is None else self.kept.state_dict(),
        }

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the weights that are kept."""
        return {} if self.kept is None else self.kept.tensors("furthest")

    def load_state_dict(self, state: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> None:
        """Go on from what :meth:`state_dict` and :meth:`tensors` gave."""
        self.best = -np.inf if state["best"] is None else state["best"]
        self.gained_at, self._level, self._collapses = state["gained_at"], state["level"], state["collapses"]
        self._unit = state["unit"]
        kept = state["kept"]
        self.kept = None if kept is None else Kept.load(self.sub_task, "furthest", kept, tensors)
