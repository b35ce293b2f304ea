"""The arms of a curriculum's study: each is a named change of the curriculum, and nothing else.

An ablation of one's own is one more row of the table; the curriculum's own checks say whether it is valid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pathnet_rl.complaints import nearest
from pathnet_rl.configuration import ConfigurationError
from pathnet_rl.curriculum import Curriculum
from pathnet_rl.settings import AgentSettings
from pathnet_rl.transfer.baseline import BASELINE, BaselineSettings

Value: TypeAlias = str | int | float | bool
PATHNET, TARGET_ONLY = "pathnet", "target-only"
DEFAULT_ARMS = (PATHNET, TARGET_ONLY, "fine-tune", "progressive", "de-novo")


@dataclass(frozen=True)
class Arm:
    """A named change of a curriculum.

    Attributes:
        name: What ``--arms`` takes; names the directory of its runs.
        says: What it is, for the report.
        overrides: Settings by their key, a section and a name joined by a dot.
        target_alone: It learns the last sub-task alone, in as many environment steps as the whole run of the arm
            ``pathnet`` with the same seed took; it therefore waits for that run.
        agent: Learns instead of the curriculum's agent.
        may_forget: Nothing keeps it from forgetting earlier sub-tasks; of all others the report checks it.
        ablation: Is compared with ``pathnet`` and meant by ``ablations``.
    """

    name: str
    says: str
    overrides: Mapping[str, Value] = field(default_factory=dict[str, Value])
    target_alone: bool = False
    agent: AgentSettings | None = None
    may_forget: bool = False
    ablation: bool = False

    @property
    def needs(self) -> str | None:
        """The arm whose run with the same seed must be finished first."""
        return PATHNET if self.target_alone else None

    def changes(self, curriculum: Curriculum) -> bool:
        """Whether this is another curriculum than before: what an ablation sets may be what is there already."""
        return not self.ablation or self.overridden(curriculum) != curriculum.to_dict()

    def overridden(self, curriculum: Curriculum) -> dict[str, Any]:
        """Return the curriculum as plain data, with the overrides and not yet validated."""
        data = curriculum.to_dict()
        for key, value in self.overrides.items():
            section, _, name = key.partition(".")
            data[section] = {**data[section], name: value}
        return data


def _ablation(name: str, says: str, key: str, value: Value) -> Arm:
    return Arm(name, says, {key: value}, ablation=True)


ARMS = {
    arm.name: arm
    for arm in (
        Arm(PATHNET, "the curriculum as it is"),
        Arm(
            TARGET_ONLY,
            "the last sub-task alone, in as many environment steps as pathnet took for all of them",
            target_alone=True,
        ),
        Arm(
            "fine-tune",
            "one path, trained on from sub-task to sub-task, nothing frozen",
            {"agent.transfer": "fine-tune"},
            may_forget=True,
        ),
        Arm(
            "progressive",
            "a Progressive Network, a column a sub-task (Rusu et al. 2016)",
            {"agent.transfer": "progressive"},
        ),
        Arm("de-novo", "the curriculum, every sub-task in a fresh network", {"agent.transfer": "none"}),
        Arm(
            BASELINE,
            "Stable-Baselines3's DQN with rl-zoo's values for LunarLander, on the last sub-task alone, at full "
            "difficulty from the start, in as many steps as target-only",
            target_alone=True,
            agent=BaselineSettings(),
        ),
        _ablation("no-double", "plain instead of double DQN", "agent.double", False),
        _ablation("dueling", "dueling heads", "agent.dueling", True),
        _ablation("one-step", "one-step instead of n-step returns", "agent.return_steps", 1),
        _ablation("prioritized", "prioritized replay", "agent.prioritized", True),
        _ablation("hard-target", "the target network copied now and then", "agent.target_update", "hard"),
        _ablation("per-member-epsilon", "every member explores differently", "agent.exploration", "per-member"),
        _ablation("ensemble", "the members explore as an ensemble", "agent.exploration", "ensemble"),
        _ablation("replay-kept", "the replay is kept for the next sub-task", "agent.replay_kept", True),
        _ablation("no-warm-start", "every member starts from a random path", "search.warm_start", "reset"),
        _ablation("all-warm", "every member starts from the ancestor", "search.warm_share", 1.0),
        _ablation("no-clones", "warm members have one open module each", "search.clone_probability", 0.0),
        _ablation("refine-at-once", "what is refined learns at once", "agent.learning_starts_refine", 1),
        _ablation("last-ancestor", "warm from the last sub-task's path", "search.warm_start_from", "last"),
        _ablation("small-paths", "paths of 1 module a layer or more, as in the paper", "search.fewest_active", 1),
        _ablation("population-2", "two paths", "search.population", 2),
        _ablation("population-16", "sixteen paths", "search.population", 16),
        _ablation(
            "trained-pair", "two paths learn at a time, until one replaces the other", "search.trained", "pair"
        ),
        Arm(
            "no-search",
            "one path, from a copy of the ancestor's, learns alone",
            {"search.population": 1, "search.warm_share": 1.0},
            ablation=True,
        ),
        _ablation("short-search", "a search of 3,200 environment steps", "search.search_env_steps", 3_200),
        _ablation("long-search", "a search of 102,400 environment steps", "search.search_env_steps", 102_400),
        _ablation("no-grace", "new members compete at once", "search.grace_generations", 0),
        _ablation("no-consolidation", "the search goes on to the end", "search.consolidate", False),
        _ablation("never-put-back", "what collapses is left to itself", "search.put_back", False),
        _ablation("every-step", "an action for every single step", "agent.action_repeat", 1),
        _ablation("usual-adam", "Adam's usual decay of the squared gradient", "agent.square_decay", 0.999),
        _ablation("small-replay", "a replay of a quarter of the size", "agent.replay_transitions", 100_000),
    )
}
"""The arms by name."""

ABLATIONS = "ablations"
SHORTHANDS: dict[str, tuple[str, ...]] = {ABLATIONS: tuple(arm.name for arm in ARMS.values() if arm.ablation)}


class ArmError(Exception):
    """An arm that is not there, or that a curriculum's agent refuses."""


def choose_arms(names: Sequence[str]) -> list[Arm]:
    """Return the arms of these names, shorthands spelled out, each once.

    Raises:
        ArmError: If a name is unknown, or there is none.

    Example:
        >>> [arm.name for arm in choose_arms(["pathnet", "one-step", "pathnet"])]
        ['pathnet', 'one-step']
    """
    chosen: dict[str, Arm] = {}
    for name in names:
        for each in SHORTHANDS.get(name, (name,)):
            if each not in ARMS:
                raise ArmError(f'--arms: "{each}" is no arm of a curriculum; {nearest(each, [*ARMS, *SHORTHANDS])}')
            chosen[each] = ARMS[each]
    if not chosen:
        raise ArmError(f"--arms: names none; give some of {', '.join([*ARMS, *SHORTHANDS])}")
    return list(chosen.values())


def curriculum_of(
    arm: Arm, curriculum: Curriculum, *, seed: int, budget_env_steps: int | None = None
) -> Curriculum:
    """Return the curriculum as an arm changes it.

    Args:
        arm: What to change.
        curriculum: The study's.
        seed: The run's.
        budget_env_steps: What an arm that learns the last sub-task alone may take; by default the sum of all.

    Raises:
        ArmError: If an ablation changes nothing, or what is changed is invalid, with everything that is wrong.
    """
    if not arm.changes(curriculum):
        same = ", ".join(f"{key} is {value} already" for key, value in arm.overrides.items())
        raise ArmError(f"arm {arm.name} changes nothing of {curriculum.name}: {same}; leave it out of --arms")
    data = arm.overridden(curriculum)
    data["seed"] = seed
    if arm.target_alone:
        budget = budget_env_steps or sum(task.budget_env_steps for task in curriculum.tasks)
        # Once more from easier starts would be twice as many steps as its partner took.
        data["tasks"] = [{**data["tasks"][-1], "budget_env_steps": budget, "on_fail": "continue"}]
    changes = "".join(f", {key}={value}" for key, value in arm.overrides.items())
    try:
        changed = Curriculum.from_dict(data, source=f"arm {arm.name}{changes}")
    except ConfigurationError as error:
        raise ArmError(str(error)) from error
    if arm.agent is None:
        return changed
    if (key := changed.tasks[-1].advance.info_key) is not None:
        raise ArmError(f"arm {arm.name} cannot be judged by the info key {key}; leave it out of --arms")
    return changed.model_copy(update={"agent_name": arm.name, "agent": arm.agent})
