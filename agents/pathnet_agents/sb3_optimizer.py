"""How the open modules of PathNetDQN move: the engine's Adam, or any other optimizer of Torch."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pathnet_rl.optimizer import Adam


@dataclass
class TorchOptimizer:
    """An optimizer of Torch as a rule for rows of modules, none of which moves without a gradient.

    What it remembers lasts as long as the tensors it is given: until a tournament replaces a path, or a load.
    """

    kind: type[torch.optim.Optimizer]
    arguments: dict[str, Any]
    learning_rate: float = 0.0
    running: torch.optim.Optimizer | None = None

    @property
    def state_names(self) -> tuple[str, ...]:
        """Nothing is kept for single modules."""
        return ()

    @torch.no_grad()
    def step(
        self,
        values: list[Tensor],
        gradients: list[Tensor],
        state: dict[str, list[Tensor]],
        updates: list[Tensor],
    ) -> None:
        """Move every row once; see :class:`pathnet_rl.optimizer.Optimizer`."""
        del state, updates
        make: Any = self.kind
        running = self.running or make(values, lr=self.learning_rate, **self.arguments)
        for group in running.param_groups:
            group["lr"] = self.learning_rate
        before = [value.detach().clone() for value in values]
        for value, gradient in zip(values, gradients, strict=True):
            value.grad = gradient
        running.step()
        self.running = running
        for value, old, gradient in zip(values, before, gradients, strict=True):
            value.grad = None
            # Momentum and weight decay would move frozen rows as well.
            still = ~gradient.flatten(2).any(-1)
            value[still] = old[still]


Rule = Adam | TorchOptimizer
"""How modules move; every rule is a dataclass with a ``learning_rate``."""


def rule_for(kind: type[torch.optim.Optimizer], arguments: dict[str, Any]) -> Rule:
    """Return the rule of Torch's optimizer ``kind``: Adam's keeps the state of every module, others' do not.

    Raises:
        ValueError: If it is none, or evaluates the loss by itself, which no update here lets it do.
    """
    if not (isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"policy_kwargs: optimizer_class={kind!r} must be a class, such as torch.optim.Adam")
    if issubclass(kind, torch.optim.LBFGS):
        raise ValueError(
            f"policy_kwargs: optimizer_class={kind.__name__} evaluates the loss by itself; give one that takes "
            "gradients as they are, such as torch.optim.Adam"
        )
    if kind is torch.optim.Adam and arguments.keys() <= {"betas", "eps"}:
        mean_decay, square_decay = arguments.get("betas", (0.9, 0.999))
        return Adam(0.0, mean_decay, square_decay, arguments.get("eps", 1e-8))
    return TorchOptimizer(kind, arguments)
