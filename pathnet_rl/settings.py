"""What a curriculum file may say, as frozen models: one sentence a field, units in the names."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from pathnet_rl.agent import Agent

Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class Settings(BaseModel):
    """Base of every section: frozen, strict about types, no unknown keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class NetworkSettings(Settings):
    """The PathNet: layers of modules, of which a path activates a few (L, M, N of Fernando et al. 2017)."""

    layers: int = Field(default=3, ge=1, le=16)
    """Layers of modules below the heads (L)."""
    modules: int = Field(default=40, ge=1, le=4096)
    """Modules in each layer (M); cost does not grow with it, capacity for further sub-tasks does."""
    active: int = Field(default=3, ge=1, le=64)
    """Most modules a path activates in a layer (N); a path has between 1 and this many."""
    units: int = Field(default=32, ge=1, le=4096)
    """ReLU units in a module."""


class SearchSettings(Settings):
    """How a path is searched for each sub-task."""

    evolution: str = "binary-tournament"
    """Registered name of the evolutionary strategy."""
    population: int = Field(default=8, ge=1, le=1024)
    """Paths that learn and compete; one alone is not searched, and continues an earlier winner (`warm_share: 1`) or
    begins at random (`warm_share: 0`)."""
    trained: Literal["all", "pair"] = "all"
    """Who learns in a generation: `all` members; or a `pair` that has all lanes until one of the two replaces the
    other, as in the paper's supervised experiments."""
    fewest_active: int = Field(default=1, ge=1, le=64)
    """Fewest modules that a random path activates in a layer; the paper draws from 1, but an RL sub-task is then
    often left with a path too small for it, since early fitness says little about capacity."""
    generation_env_steps: int = Field(default=3_200, ge=1, le=10_000_000)
    """Environment steps, over all lanes, between two tournaments; episodes that end within a repeated action leave
    it some steps short."""
    fitness_episodes: int = Field(default=8, ge=1, le=10_000)
    """A member's fitness is the mean return of this many of its latest episodes."""
    grace_generations: int = Field(default=3, ge=0, le=100_000)
    """Tournaments that a new member sits out, so that slow starters show their slope."""
    search_env_steps: int = Field(default=25_600, ge=1, le=1_000_000_000)
    """Environment steps of searching, rounded up to a whole generation, before the best member learns on alone."""
    stall_env_steps: int = Field(default=60_000, ge=1, le=1_000_000_000)
    """A consolidated path that gains nothing for so many environment steps sends the sub-task back to searching."""
    put_back: bool = True
    """Put a consolidated path that collapses back to the weights with which it had come furthest; after the third
    time it is searched anew."""
    warm_start: Literal["clone", "reset"] = "clone"
    """`clone`: members start from earlier winners, some genes replaced by open copies of the frozen modules;
    `reset`: every member is a random path over frozen and open modules, as in the paper."""
    warm_share: Probability = 0.5
    """Share of the population that starts warm; the rest starts from random paths."""
    clone_probability: Probability = 0.7
    """Probability that a gene of a warm member becomes an open copy of its frozen module; one at least does."""
    warm_start_from: Literal["last", "best"] = "last"
    """Which earlier path warm members continue: the last one, or the one that does best on the new sub-task, by
    what its mastery is measured by, in five greedy episodes each, whose steps are counted."""
    consolidate: bool = True
    """Let the best member learn on alone after the search; without, the whole population learns to the end."""


class AgentSettings(Settings):
    """Base of an agent's settings; the entry-point group ``pathnet_rl.agents`` names its subclasses."""

    memory_remedy: ClassVar[str] = "give fewer modules, units or layers, or a smaller population"
    """What to do where :meth:`memory_bytes` are more than there are."""

    def conflicts(self, network: NetworkSettings, search: SearchSettings) -> Iterator[tuple[str, str]]:
        """Yield what does not fit the other sections: a key of these settings, what is wrong and a remedy."""
        yield from ()

    def memory_bytes(self, network: NetworkSettings, search: SearchSettings, tasks: int) -> int:
        """Estimate the memory that learning so many sub-tasks takes, so that what cannot fit is refused at once.

        Here the modules alone, with initial weights and two moments, the copy that checkpoints are written from,
        and the population's working copies; a first layer counts as if it had as many inputs as the others.
        """
        del tasks
        module_bytes = 4 * network.units * (network.units + 1)
        working = search.population * network.layers * network.active
        return module_bytes * (8 * network.layers * network.modules + 5 * working)

    def build(self, network: NetworkSettings, search: SearchSettings, *, seed: int, device: str) -> "Agent":
        """Make the agent."""
        raise NotImplementedError


class AdvanceSettings(Settings):
    """When a sub-task counts as mastered."""

    measure: str = Field(default="success_rate", min_length=1, max_length=64)
    """What is measured greedily on held-out episodes: `success_rate`, `mean_return` (unscaled), or a key of the
    environment's info, whose number at an episode's last step is averaged."""
    threshold: float = 0.9
    """Mastered at this value or above, in the measure's unit."""
    min_episodes: int = Field(default=0, ge=0, le=1_000_000_000)
    """Training episodes before the first verification of what is trained here."""
    verify_episodes: int = Field(default=100, ge=1, le=100_000)
    """Greedy held-out episodes of one verification."""
    window_episodes: int = Field(default=40, ge=1, le=100_000)
    """Latest training episodes whose mean of the measure decides whether a verification is worth its time."""
    verify_from: float | None = None
    """Verify once the window reaches this value; by default a quarter of the threshold below it, as the lanes
    explore."""
    verify_pause_env_steps: int = Field(default=10_000, ge=0, le=1_000_000_000)
    """Environment steps of learning between a failed verification and the next."""

    @property
    def info_key(self) -> str | None:
        """The key of the info that is measured, None where the measure is a success rate or a mean return."""
        return None if self.measure in ("success_rate", "mean_return") else self.measure

    @property
    def window_threshold(self) -> float:
        """The window's value from which a verification is worth its time."""
        if self.verify_from is not None:
            return self.verify_from
        return (0.75 if self.threshold > 0 else 1.25) * self.threshold


class SubTaskSettings(Settings):
    """One sub-task of the curriculum."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    """Unique name, used in records, files and on the screen."""
    env: str
    """Gymnasium id, such as `PathNet/LanderHover-v0`; discrete actions, a flat observation box."""
    env_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of `gymnasium.make`, such as `reward: shaped`."""
    reward_scale: float = Field(default=1.0, gt=0.0, le=1e6)
    """Rewards are multiplied by this before learning; returns are always reported unscaled."""
    refine: bool = False
    """An earlier path can nearly do it: all members continue that one, explore little, and fly before they learn.
    Where it is far from enough, it keeps them from finding anything else."""
    discount: float | None = Field(default=None, ge=0.0, lt=1.0)
    """Discount per environment step instead of the agent's; the longer an episode, the nearer to 1."""
    level: Literal["fixed", "adaptive"] = "fixed"
    """`adaptive`: start states move from easiest to full as episodes succeed (the environment needs `level`)."""
    teacher: str | None = None
    """Name of a teacher that chooses the level of every episode instead, such as `alp-gmm`; group
    `pathnet_rl.teachers` of the installed entry points (the environment needs `level`)."""
    level_raise_from: Probability = 0.8
    """Success rate of the latest 20 training episodes from which an adaptive level rises."""
    advance: AdvanceSettings = AdvanceSettings()
    """When the sub-task counts as mastered."""
    budget_env_steps: int = Field(default=100_000, ge=1, le=10_000_000_000)
    """Most environment steps spent on it, rounded up to a whole generation."""
    on_fail: Literal["stop", "continue", "repeat_easier"] = "continue"
    """What happens when the budget is spent without mastery: stop the run; freeze the best path and go on; or
    spend the budget once more, beginning at the easiest level, and then go on (needs `level: adaptive`)."""
