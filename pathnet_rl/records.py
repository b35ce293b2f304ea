"""What a run tells its listeners: one record a generation, one a finished sub-task."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from pydantic import TypeAdapter

WALL_CLOCK_FIELDS = frozenset({"wall_s", "env_steps_per_s"})
"""Fields that two runs of the same seed on the same machine may differ in."""


REPORTED_EPISODES = 100
"""Success rate and mean return of a record are over so many training episodes, or fewer at the beginning."""


class Means(Protocol):
    """What advancement may look at, of whatever episodes; None where nothing is reported."""

    @property
    def success_rate(self) -> float | None:
        """Share of the episodes that succeeded."""
        ...

    @property
    def mean_return(self) -> float | None:
        """Undiscounted and unscaled."""
        ...

    @property
    def measured(self) -> float | None:
        """Mean of the info key that is measured, if one is."""
        ...


def measure_of(means: Means, measure: str) -> float | None:
    """Return the mean that advancement looks at: the success rate, the mean return, or that of its info key."""
    if measure in ("success_rate", "mean_return"):
        return means.success_rate if measure == "success_rate" else means.mean_return
    return means.measured


@dataclass(frozen=True)
class Evaluation:
    """Greedy episodes on held-out seeds; rates and returns carry 95% intervals."""

    episodes: int
    success_rate: float | None  # None where the environment does not report success
    success_interval: tuple[float, float] | None  # Wilson score
    mean_return: float  # unscaled
    return_interval: tuple[float, float]  # Student t of the mean
    return_std: float
    mean_episode_steps: float
    measured: float | None = None  # mean of the info key that the sub-task's advancement measures, if it does


@dataclass(frozen=True)
class GenerationRecord:
    """One generation of one sub-task, as it stands when its tournament is over."""

    task: str
    task_index: int
    generation: int  # from 0 within the sub-task
    phase: Literal["search", "consolidate"]
    env_steps: int  # of this sub-task so far
    total_env_steps: int  # of the run so far
    budget_env_steps: int
    episodes: int  # of this sub-task so far
    window_episodes: int  # the latest training episodes, 100 at most; fewer at first and after a collapse
    success_rate: float | None  # over the window
    mean_return: float | None  # over the window, unscaled
    measured: float | None  # mean over the window of the info key that advancement measures, if it does
    loss: float | None  # mean Huber loss of the generation's updates
    epsilon: float
    level: float | None  # start distribution, 0 easiest to 1 full; None where the environment has none
    fitness_best: float | None
    fitness_median: float | None
    diversity: float  # mean share of modules in which two members differ, 0 to 1
    failed_members: int  # with a fitness or weights that are not finite
    replaced: tuple[int, int] | None  # (loser, winner) of the tournament
    best_path: list[list[int]]  # active modules by layer
    reused_modules: int  # of the best path, frozen by earlier sub-tasks
    verification: Evaluation | None
    why: str | None  # a decision taken here, in words: level, phase, mastery, budget
    env_steps_per_s: float
    wall_s: float  # of this sub-task so far


@dataclass(frozen=True)
class SubTaskRecord:
    """One finished sub-task."""

    task: str
    task_index: int
    env: str
    mastered: bool
    why: str
    env_steps: int
    total_env_steps: int
    generations: int
    path: list[list[int]]  # active modules by layer
    reused: list[dict[str, int]]  # by layer: earlier sub-task -> modules of the path it froze
    newly_frozen: list[list[int]]  # by layer: modules frozen with this sub-task
    free_modules: list[int]  # by layer: modules still open afterwards
    evaluation: Evaluation  # of the frozen path
    wall_s: float


Record = GenerationRecord | SubTaskRecord

KINDS: dict[type[Record], str] = {GenerationRecord: "generation", SubTaskRecord: "sub_task"}
_READERS = {kind: TypeAdapter[Record](record) for record, kind in KINDS.items()}


def to_line(record: Record) -> dict[str, Any]:
    """Return the record as one JSON object, its kind first."""
    return {"kind": KINDS[type(record)], **asdict(record)}


def from_line(line: dict[str, Any]) -> Record:
    """Return the record that :func:`to_line` made this of.

    Raises:
        ValueError: If it is none.
    """
    data = dict(line)
    kind = data.pop("kind", None)
    if kind not in _READERS:
        raise ValueError(f"{kind!r} is no kind of record")
    return _READERS[kind].validate_python(data)
