"""Optimizers over stacked modules: state has a row a module, so that what is frozen has none that moves."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Optimizer(Protocol):
    """A rule that moves rows of parameters in place."""

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the state tensors it keeps, each of the parameters' shape."""
        ...

    def step(
        self,
        values: list[Tensor],
        gradients: list[Tensor],
        state: dict[str, list[Tensor]],
        updates: list[Tensor],
    ) -> None:
        """Move every row once.

        Args:
            values: Parameters, a tensor ``(replicas, rows, ...)`` a layer; changed in place.
            gradients: Of the same shapes; rows that must not move are zero.
            state: A list of the same shapes for each of ``state_names``; changed in place.
            updates: Updates each row has seen, this one included, ``(replicas, rows, 1, 1)``; 1 or more.
        """
        ...


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba 2015, arXiv:1412.6980) with a bias correction of its own for every module.

    A row whose gradient and state are zero is left as it is, to the bit.

    Attributes:
        learning_rate: A number, or a float64 tensor of one on the device: a graph follows what is written into it.
    """

    learning_rate: float | Tensor
    mean_decay: float = 0.9
    square_decay: float = 0.999
    epsilon: float = 1e-8

    @property
    def state_names(self) -> tuple[str, ...]:
        """The running means of the gradient and of its square."""
        return ("mean", "square")

    @torch.no_grad()
    def step(
        self,
        values: list[Tensor],
        gradients: list[Tensor],
        state: dict[str, list[Tensor]],
        updates: list[Tensor],
    ) -> None:
        """Move every row once; see :class:`Optimizer`."""
        # Bias corrections of all layers together, in float64: 1 - 0.999 loses five digits in float32.
        exact, rows = torch.cat(updates, dim=1).double(), [count.shape[1] for count in updates]
        rates = (self.learning_rate / (1 - self.mean_decay**exact)).to(values[0].dtype).split(rows, dim=1)
        roots = (1 - self.square_decay**exact).sqrt_().to(values[0].dtype).split(rows, dim=1)
        layers = zip(values, gradients, state["mean"], state["square"], rates, roots, strict=True)
        for value, gradient, mean, square, rate, root in layers:
            mean.lerp_(gradient, 1 - self.mean_decay)
            square.mul_(self.square_decay).addcmul_(gradient, gradient, value=1 - self.square_decay)
            value.sub_(mean.mul(rate).div_(square.sqrt().div_(root).add_(self.epsilon)))


@dataclass(frozen=True)
class SGD:
    """Plain stochastic gradient descent, without state."""

    learning_rate: float

    @property
    def state_names(self) -> tuple[str, ...]:
        """Nothing is kept."""
        return ()

    @torch.no_grad()
    def step(
        self,
        values: list[Tensor],
        gradients: list[Tensor],
        state: dict[str, list[Tensor]],
        updates: list[Tensor],
    ) -> None:
        """Move every row once; see :class:`Optimizer`."""
        del state, updates
        for value, gradient in zip(values, gradients, strict=True):
            value.sub_(gradient, alpha=self.learning_rate)
