"""Agents that learn along paths of a PathNet: for curricula, and for Stable-Baselines3."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathnet_agents.sb3_dqn import PathNetDQN

__all__ = ["PathNetDQN"]


def __getattr__(name: str) -> object:
    """Import the agent for Stable-Baselines3 when it is asked for; the settings must not wait for torch."""
    if name == "PathNetDQN":
        from pathnet_agents.sb3_dqn import PathNetDQN  # noqa: PLC0415 - torch only when needed

        return PathNetDQN
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
