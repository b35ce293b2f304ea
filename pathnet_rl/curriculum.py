"""Curriculum: the validated YAML that says what is learned, by which agent, in which network."""

from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from pydantic import Field, SerializeAsAny

from pathnet_rl.agent import ENTRY_POINTS
from pathnet_rl.complaints import Complaint, nearest
from pathnet_rl.configuration import Configuration, ConfigurationError, Model, read_configuration, validated
from pathnet_rl.evolution import EVOLUTIONS
from pathnet_rl.memory import memory_complaints
from pathnet_rl.settings import AgentSettings, NetworkSettings, SearchSettings, Settings, SubTaskSettings
from pathnet_rl.task_environments import environment_complaints
from pathnet_rl.teacher import ENTRY_POINTS as TEACHERS

DEFAULT_AGENT = "pathnet-dqn"


class Sections(Settings):
    """What a curriculum file says, but for its agent, whose keys depend on its name."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    """Names the run's directory."""
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    """Every random number comes from it."""
    network: NetworkSettings = NetworkSettings()
    """The PathNet."""
    search: SearchSettings = SearchSettings()
    """How paths are searched."""
    tasks: list[SubTaskSettings] = Field(min_length=1)
    """The sub-tasks, in the order in which they are learned."""


class Curriculum(Sections):
    """A valid curriculum."""

    agent_name: str
    """Entry point of the group ``pathnet_rl.agents``."""
    agent: SerializeAsAny[AgentSettings]
    """The settings that this agent is built from."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that :meth:`from_dict` reads back, every default written out."""
        data = self.model_dump()
        agent = {"name": data.pop("agent_name"), **data.pop("agent")}
        return {**data, "agent": agent}

    @classmethod
    def from_dict(cls, data: Any, source: str) -> "Curriculum":
        """Validate plain data.

        Args:
            data: What a YAML or JSON file holds.
            source: Names the place in messages.

        Raises:
            ConfigurationError: With everything that is wrong.
        """
        return _validated(Configuration.of(data, source))


def load_curriculum(reference: str | Path, overrides: Sequence[str] = ()) -> Curriculum:
    """Read and validate a curriculum; see :func:`pathnet_rl.configuration.read_configuration`.

    Raises:
        ConfigurationError: With everything that is wrong.
    """
    configuration = read_configuration(reference, overrides)
    if "study" in configuration.mapping():
        raise ConfigurationError([f"{configuration.source}: is a study; run it: pathnet-rl study {reference}"])
    return _validated(configuration)


def _validated(configuration: Configuration) -> Curriculum:
    """Validate everything and complain about everything at once."""
    data = configuration.mapping()
    agent_data = data.pop("agent", {})
    complaints: list[Complaint] = []
    sections = validated(Sections, data, (), complaints, extra=("agent",))
    agent_name, agent = _agent(agent_data, complaints)
    complaints += _task_complaints(data.get("tasks"))
    network = _or_default(NetworkSettings, data.get("network"))
    search = _or_default(SearchSettings, data.get("search"))
    if network is not None and search is not None:
        complaints += _search_complaints(network, search)
        if agent is not None:
            complaints += [Complaint(("agent", key), words) for key, words in agent.conflicts(network, search)]
            tasks = data.get("tasks")
            needed = agent.memory_bytes(network, search, len(tasks) if isinstance(tasks, list) else 1)
            complaints += memory_complaints(needed, agent.memory_remedy)
    if complaints or sections is None or agent is None:
        raise configuration.refusal(complaints)
    return Curriculum.model_construct(
        **{name: getattr(sections, name) for name in Sections.model_fields}, agent_name=agent_name, agent=agent
    )


def _or_default(model: type[Model], data: Any) -> Model | None:
    """Return a section's settings, or None where it is invalid (which is complained about elsewhere)."""
    return validated(model, {} if data is None else data, (), [])


def _agent(data: Any, complaints: list[Complaint]) -> tuple[str, AgentSettings | None]:
    """Find the agent that is named and validate its settings."""
    if not isinstance(data, dict):
        complaints.append(Complaint(("agent",), "is no mapping; write {name: pathnet-dqn}"))
        return DEFAULT_AGENT, None
    name = data.get("name", DEFAULT_AGENT)
    known = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if not isinstance(name, str) or name not in known:
        complaints.append(Complaint(("agent", "name"), f'"{name}" is not installed; {nearest(str(name), known)}'))
        return str(name), None
    model = known[name].load()
    settings = {key: value for key, value in data.items() if key != "name"}
    return name, validated(model, settings, ("agent",), complaints, extra=("name",))


def _search_complaints(network: NetworkSettings, search: SearchSettings) -> Iterator[Complaint]:
    if search.evolution not in EVOLUTIONS:
        message = f'"{search.evolution}" is not registered; {nearest(search.evolution, EVOLUTIONS)}'
        yield Complaint(("search", "evolution"), message)
    if search.population == 1 and search.warm_share not in (0, 1):
        message = (
            f"1 path with warm_share={search.warm_share:g} of it warm; give warm_share: 1 too, to continue earlier "
            "paths, or 0, to begin at random"
        )
        yield Complaint(("search", "population"), message)
    if network.active > network.modules:
        message = f"{network.active} is above network.modules={network.modules}; give that or less"
        yield Complaint(("network", "active"), message)
    if search.fewest_active > network.active:
        message = f"{search.fewest_active} is above network.active={network.active}; give that or less"
        yield Complaint(("search", "fewest_active"), message)


def _task_complaints(tasks_data: Any) -> Iterator[Complaint]:
    """Check what one field alone cannot show, for every sub-task that is well-formed by itself."""
    if not isinstance(tasks_data, list):
        return
    tasks = {index: _or_default(SubTaskSettings, data) for index, data in enumerate(tasks_data)}
    valid = {index: task for index, task in tasks.items() if task is not None}
    names: dict[str, int] = {}
    for index, task in valid.items():
        first = names.setdefault(task.name, index)
        if first != index:
            message = f'"{task.name}" is the name of tasks[{first}] too; give each its own'
            yield Complaint(("tasks", index, "name"), message)
        yield from _advance_complaints(index, task)
        yield from _level_complaints(index, task)
    yield from environment_complaints(valid)


def _level_complaints(index: int, task: SubTaskSettings) -> Iterator[Complaint]:
    place = ("tasks", index)
    if task.teacher is not None:
        known = [point.name for point in entry_points(group=TEACHERS)]
        if task.teacher not in known:
            message = f'"{task.teacher}" is not installed; {nearest(task.teacher, known)}'
            yield Complaint((*place, "teacher"), message)
        if task.level == "adaptive":
            yield Complaint((*place, "teacher"), "chooses the level itself; leave out level: adaptive")
    if task.on_fail == "repeat_easier" and task.level != "adaptive":
        yield Complaint((*place, "on_fail"), "repeat_easier needs level: adaptive; give that, continue or stop")


def _advance_complaints(index: int, task: SubTaskSettings) -> Iterator[Complaint]:
    advance = task.advance
    if advance.measure == "success_rate" and not 0 <= advance.threshold <= 1:
        message = f"{advance.threshold:g} is no rate; give a number from 0 to 1, or measure: mean_return"
        yield Complaint(("tasks", index, "advance", "threshold"), message)
    if advance.measure != "success_rate" and "threshold" not in advance.model_fields_set:
        message = (
            f"is missing: {advance.threshold:g}, the default of rates, says nothing of {advance.measure}; give one"
        )
        yield Complaint(("tasks", index, "advance", "threshold"), message)
    if advance.verify_from is not None and advance.verify_from > advance.threshold:
        message = f"{advance.verify_from:g} is above threshold={advance.threshold:g}; give that or less"
        yield Complaint(("tasks", index, "advance", "verify_from"), message)
