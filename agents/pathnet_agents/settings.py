"""The settings of PathNet-DQN; importable without torch, so that a curriculum is checked quickly."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pathnet_rl.settings import AgentSettings, NetworkSettings, Probability, SearchSettings

if TYPE_CHECKING:
    from pathnet_agents.curriculum_agent import CurriculumAgent


class PathNetDQNSettings(AgentSettings):
    """Double DQN on the paths of a PathNet; the defaults are the measured ones for LunarLander."""

    memory_remedy: ClassVar[str] = f"{AgentSettings.memory_remedy}, or fewer agent.replay_transitions"

    transfer: Literal["freeze", "fine-tune", "progressive", "none"] = "freeze"
    """What a sub-task takes from earlier ones: `freeze`, PathNet's own way; or a control, `fine-tune` (one path
    that is trained on and on), `progressive` (a column a sub-task, with lateral connections from the earlier ones;
    what those give is stored with every transition, 15 kB of it at a twelfth column of lander.yaml) or `none` (a
    fresh network a sub-task)."""
    lanes: int = Field(default=16, ge=1, le=4096)
    """Environments stepped together; during a search they are spread over the population."""
    action_repeat: int = Field(default=1, ge=1, le=1000)
    """Environment steps that every action is taken for. On LunarLander 2 learns faster and collapses less."""
    batch_transitions: int = Field(default=64, ge=1, le=65_536)
    """Replay transitions per path and update during a search."""
    consolidate_batch_transitions: int = Field(default=128, ge=1, le=65_536)
    """Replay transitions per update while one path learns alone."""
    env_steps_per_update: int = Field(default=4, ge=1, le=65_536)
    """Environment steps, over all lanes, per gradient update (of every member at once)."""
    learning_rate: float = Field(default=5e-4, gt=0.0, le=1.0)
    """Adam's step size; 1e-3 diverged on some seeds, 2.5e-4 needed about half as many steps again."""
    square_decay: float = Field(default=0.99, ge=0.0, lt=1.0)
    """Adam's decay of the mean squared gradient. With its usual 0.999 steps stay large for hundreds of updates
    after gradients have grown, such as when the level rises (compare Dohare et al. 2023, "Overcoming policy
    collapse in deep reinforcement learning")."""
    discount: float = Field(default=0.99, ge=0.0, lt=1.0)
    """Discount per environment step of the return that is learned."""
    return_steps: int = Field(default=3, ge=1, le=1000)
    """Rewards summed before the target network's value takes over (n-step returns); 1 is plain DQN."""
    double: bool = True
    """The online network chooses the action that the target network values (double DQN)."""
    dueling: bool = False
    """Heads give a state's value and each action's advantage (dueling DQN)."""
    prioritized: bool = False
    """Draw transitions by their last temporal difference (prioritized replay), instead of uniformly."""
    replay_transitions: int = Field(default=400_000, ge=1, le=100_000_000)
    """Capacity of the sub-task's replay, shared by the whole population."""
    replay_kept: bool = False
    """Keep the replay of earlier sub-tasks, rewards and all, instead of beginning an empty one; what is kept counts
    for `learning_starts`, so that later sub-tasks learn from their first steps."""
    learning_starts: int = Field(default=1_000, ge=1, le=100_000_000)
    """Transitions in the replay before the first update."""
    learning_starts_refine: int = Field(default=10_000, ge=1, le=100_000_000)
    """The same for a sub-task with `refine`, or a full replay: flights of the earlier path, without which it
    unlearns within 3,000 steps what it can."""
    target_update: Literal["soft", "hard"] = "soft"
    """`soft`: the target network follows at `target_rate`; `hard`: replaced every `target_interval_updates`."""
    target_rate: Probability = 0.005
    """Share of the online network that flows into a soft target network at each update (Polyak averaging)."""
    target_interval_updates: int = Field(default=500, ge=1, le=1_000_000_000)
    """Updates between two replacements of a hard target network."""
    exploration: Literal["shared", "per-member", "ensemble"] = "shared"
    """`shared`: one epsilon for all lanes; `per-member`: each member its own, falling from the first to the last;
    `ensemble`: besides epsilon, members prefer actions that the population disagrees about."""
    epsilon_start: Probability = 1.0
    """Exploration when a sub-task starts from random paths."""
    epsilon_warm: Probability = 0.3
    """Exploration when a sub-task starts from earlier winners."""
    epsilon_refine: Probability = 0.1
    """Exploration when a sub-task with `refine` starts."""
    epsilon_end: Probability = 0.03
    """Exploration after the decay."""
    epsilon_decay_env_steps: int = Field(default=30_000, ge=1, le=1_000_000_000)
    """Environment steps of the linear decay, the flights that find the path to continue among them: with more
    earlier paths less is explored. Without them four seeds of the curriculum took a fifth more steps."""

    step_timeout_s: float = Field(default=60.0, ge=0.0, le=86_400.0)
    """Seconds that a step of all lanes may take before the environment at it is replaced; 0 for no limit."""
    isolate: bool = False
    """Keep every environment in a process of its own: one that hangs in compiled code, or whose process dies, then
    costs an episode instead of the run. Every step crosses a pipe: LunarLander steps a fifth as fast."""
    failures_per_hour: int = Field(default=10, ge=0, le=1_000_000)
    """Environments that may fail within an hour, each replaced by a fresh one, before the run stops."""

    def conflicts(self, network: NetworkSettings, search: SearchSettings) -> Iterator[tuple[str, str]]:
        """Yield what does not fit: the lanes are spread evenly over the population, epsilon only falls."""
        if search.trained == "pair" and self.lanes % 2:
            yield (
                "lanes",
                f"{self.lanes} lanes cannot be spread evenly over a pair (search.trained); give an even number",
            )
        if search.trained == "all" and self.lanes % search.population:
            wanted = f"evenly over search.population={search.population}; give a multiple of it"
            yield "lanes", f"{self.lanes} lanes cannot be spread {wanted}"
        for name in ("epsilon_start", "epsilon_warm", "epsilon_refine"):
            if getattr(self, name) < self.epsilon_end:
                yield name, f"{getattr(self, name)} is below epsilon_end={self.epsilon_end}; give that or more"
        if self.replay_transitions < self.learning_starts:
            yield (
                "replay_transitions",
                (f"{self.replay_transitions} never reach learning_starts={self.learning_starts}; give more"),
            )

    def memory_bytes(self, network: NetworkSettings, search: SearchSettings, tasks: int) -> int:
        """Add the replay, as if an observation had as many numbers as a module has units."""
        numbers = 2 * network.units + 9
        if self.transfer == "progressive":  # a column is about as wide as the root of a path's modules says
            numbers += round(2 * network.layers * (tasks - 1) * network.units * network.active**0.5)
        replays = 2 if self.replay_kept and tasks > 1 else 1
        return super().memory_bytes(network, search, tasks) + 4 * replays * self.replay_transitions * numbers

    def build(
        self, network: NetworkSettings, search: SearchSettings, *, seed: int, device: str
    ) -> "CurriculumAgent":
        """Make the agent; torch is imported here and not before."""
        from pathnet_agents.curriculum_agent import CurriculumAgent  # noqa: PLC0415 - torch only when needed

        return CurriculumAgent(self, network, search, seed=seed, device=device)
