"""The settings of PathNet-DQN; importable without torch, so that a curriculum is checked quickly."""

from typing import TYPE_CHECKING

from pydantic import Field

from pathnet_rl.settings import NetworkSettings, Probability, SearchSettings, Settings

if TYPE_CHECKING:
    from pathnet_agents.pathnet_dqn import PathNetDQN


class PathNetDQNSettings(Settings):
    """Double DQN on the paths of a PathNet; the defaults are the measured ones for LunarLander."""

    lanes: int = Field(default=16, ge=1, le=4096)
    """Environments stepped together; during a search they are spread over the population."""
    batch_transitions: int = Field(default=64, ge=1, le=65_536)
    """Replay transitions per path and update during a search."""
    consolidate_batch_transitions: int = Field(default=128, ge=1, le=65_536)
    """Replay transitions per update while one path learns alone."""
    env_steps_per_update: int = Field(default=4, ge=1, le=65_536)
    """Environment steps, over all lanes, per gradient update (of every member at once)."""
    learning_rate: float = Field(default=5e-4, gt=0.0, le=1.0)
    """Adam's step size; 1e-3 diverged on some seeds, 2.5e-4 needed about half as many steps again."""
    discount: float = Field(default=0.99, ge=0.0, lt=1.0)
    """Discount per environment step of the return that is learned."""
    return_steps: int = Field(default=3, ge=1, le=1000)
    """Rewards summed before the target network's value takes over (n-step returns); 1 is plain DQN."""
    replay_transitions: int = Field(default=100_000, ge=1, le=100_000_000)
    """Capacity of the sub-task's replay, shared by the whole population."""
    learning_starts: int = Field(default=1_000, ge=1, le=100_000_000)
    """Transitions in the replay before the first update."""
    target_copy_updates: int = Field(default=400, ge=1, le=10_000_000)
    """Updates between two copies of the online network into the target network; a generation starts with one."""
    epsilon_start: Probability = 1.0
    """Exploration when a sub-task starts from random paths."""
    epsilon_warm: Probability = 0.3
    """Exploration when a sub-task starts from earlier winners."""
    epsilon_end: Probability = 0.03
    """Exploration after the decay."""
    epsilon_decay_env_steps: int = Field(default=30_000, ge=1, le=1_000_000_000)
    """Environment steps of the linear decay."""

    def build(self, network: NetworkSettings, search: SearchSettings, *, seed: int, device: str) -> "PathNetDQN":
        """Make the agent; torch is imported here and not before."""
        from pathnet_agents.pathnet_dqn import PathNetDQN  # noqa: PLC0415 - torch only when an agent is needed

        return PathNetDQN(self, network, search, seed=seed, device=device)
