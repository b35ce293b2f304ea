"""Curriculum: the validated YAML that says what is learned, by which agent, in which network."""

from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, SerializeAsAny, ValidationError

from pathnet_rl.agent import ENTRY_POINTS
from pathnet_rl.complaints import Complaint, complaints_of, nearest, spell
from pathnet_rl.evolution import EVOLUTIONS
from pathnet_rl.settings import AgentSettings, NetworkSettings, SearchSettings, Settings, SubTaskSettings
from pathnet_rl.strict_yaml import LARGEST_FILE_BYTES, Document, Location, Problem, parse
from pathnet_rl.task_environments import environment_complaints

DEFAULT_AGENT = "pathnet-dqn"
Model = TypeVar("Model", bound=Settings)


class CurriculumError(Exception):
    """Everything that is wrong with a curriculum, a line each: place, key, what is wrong, what would be right."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = list(lines)


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
            CurriculumError: With everything that is wrong.
        """
        return _validated(Document(data), source, {})


def load_curriculum(reference: str | Path, overrides: Sequence[str] = ()) -> Curriculum:
    """Read and validate a curriculum.

    Args:
        reference: A YAML file, or the name of a shipped curriculum, such as ``lander_quick``.
        overrides: ``key=value`` each, the key's parts joined by dots: ``tasks.0.budget_env_steps=50000``.

    Raises:
        CurriculumError: With everything that is wrong.
    """
    path = find_curriculum(reference)
    document = parse(_text(path))
    if document.problems:
        raise CurriculumError([_problem_line(path.name, problem) for problem in document.problems])
    overridden = {_override(document, text): text for text in overrides}
    return _validated(document, path.name, overridden)


def shipped_curricula() -> dict[str, Path]:
    """Return the curricula that come with the package, by name; in a checkout those of its folder."""
    packaged = Path(str(files("pathnet_rl"))) / "curricula"
    folder = packaged if packaged.is_dir() else packaged.parent.parent / "curricula"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_curriculum(reference: str | Path) -> Path:
    """Return the file that a reference means; a path that exists comes before a shipped name.

    Raises:
        CurriculumError: If there is neither.
    """
    path, shipped = Path(reference), shipped_curricula()
    if path.is_file():
        return path
    name = str(reference).removesuffix(".yaml")
    if name in shipped:
        return shipped[name]
    raise CurriculumError([f"{reference}: no such file; shipped curricula are {', '.join(shipped) or 'none'}"])


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise CurriculumError([f"{path.name}: is larger than {LARGEST_FILE_BYTES} bytes; shorten it"])
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CurriculumError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        message = f"{path.name}: byte {error.start} is not UTF-8; save the file as UTF-8"
        raise CurriculumError([message]) from error


def _problem_line(source: str, problem: Problem) -> str:
    return f"{source}:{problem.line}: {spell(problem.location)}{problem.message}"


def _override(document: Document, text: str) -> Location:
    """Put one ``key=value`` into the data and return where it went."""
    key, equals, value = text.partition("=")
    parts = [part for part in key.strip().split(".") if part]
    parsed = parse(value)
    if not equals or not parts:
        raise CurriculumError([f"--set {text}: is no key=value; write tasks.0.budget_env_steps=50000, say"])
    if parsed.problems:
        raise CurriculumError([f"--set {text}: {problem.message}" for problem in parsed.problems])
    target, location = document.data, list[str | int]()
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        place = _place(target, part)
        if place is None:
            raise CurriculumError([f"--set {text}: {spell(tuple(location))}has no {part}; {_choices(target)}"])
        location.append(place)
        if last:
            target[place] = parsed.data
        elif isinstance(target, dict):
            target = target.setdefault(place, {})
        else:
            target = target[place]
    return tuple(location)


def _place(target: Any, part: str) -> str | int | None:
    """Return the key or index that a part of an override means, by number or by a sub-task's name."""
    if isinstance(target, dict):
        return part
    if isinstance(target, list):
        if part.isdecimal() and int(part) < len(target):
            return int(part)
        names = [item.get("name") if isinstance(item, dict) else None for item in target]
        return names.index(part) if part in names else None
    return None


def _choices(target: Any) -> str:
    if isinstance(target, list):
        return f"give a number from 0 to {len(target) - 1} or a name"
    return "it is a single value"


def _validated(document: Document, source: str, overridden: dict[Location, str]) -> Curriculum:
    """Validate everything and complain about everything at once."""
    if not isinstance(document.data, dict):
        raise CurriculumError([f"{source}:1: is no mapping; write `name:` and `tasks:`"])
    data = dict(document.data)
    agent_data = data.pop("agent", {})
    complaints: list[Complaint] = []
    sections = _model(Sections, data, (), complaints, extra=("agent",))
    agent_name, agent = _agent(agent_data, complaints)
    complaints += _task_complaints(data.get("tasks"))
    network = _or_default(NetworkSettings, data.get("network"))
    search = _or_default(SearchSettings, data.get("search"))
    if network is not None and search is not None:
        complaints += _search_complaints(network, search)
        if agent is not None:
            complaints += [Complaint(("agent", key), words) for key, words in agent.conflicts(network, search)]
    if complaints or sections is None or agent is None:
        complaints.sort(key=lambda complaint: document.line_of(complaint.location))
        raise CurriculumError([_line(complaint, document, source, overridden) for complaint in complaints])
    return Curriculum.model_construct(
        **{name: getattr(sections, name) for name in Sections.model_fields}, agent_name=agent_name, agent=agent
    )


def _line(complaint: Complaint, document: Document, source: str, overridden: dict[Location, str]) -> str:
    for depth in range(len(complaint.location), 0, -1):
        if complaint.location[:depth] in overridden:
            return f"--set {overridden[complaint.location[:depth]]}: {spell(complaint.location)}{complaint.message}"
    place = f"{source}:{document.line_of(complaint.location)}" if document.lines else source
    return f"{place}: {spell(complaint.location)}{complaint.message}"


def _model(
    model: type[Model], data: Any, prefix: Location, complaints: list[Complaint], extra: tuple[str, ...] = ()
) -> Model | None:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        complaints += complaints_of(error, model, prefix, extra)
        return None


def _or_default(model: type[Model], data: Any) -> Model | None:
    """Return a section's settings, or None where it is invalid (which is complained about elsewhere)."""
    return _model(model, {} if data is None else data, (), [])


def _agent(data: Any, complaints: list[Complaint]) -> tuple[str, AgentSettings | None]:
    """Find the agent that is named and validate its settings."""
    if not isinstance(data, dict):
        complaints.append(Complaint(("agent",), "is no mapping; write {name: pathnet-dqn}"))
        return DEFAULT_AGENT, None
    name = data.get("name", DEFAULT_AGENT)
    known = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in known:
        complaints.append(Complaint(("agent", "name"), f'"{name}" is not installed; {nearest(str(name), known)}'))
        return str(name), None
    model = known[name].load()
    settings = {key: value for key, value in data.items() if key != "name"}
    return name, _model(model, settings, ("agent",), complaints, extra=("name",))


def _search_complaints(network: NetworkSettings, search: SearchSettings) -> Iterator[Complaint]:
    if search.evolution not in EVOLUTIONS:
        message = f'"{search.evolution}" is not registered; {nearest(search.evolution, EVOLUTIONS)}'
        yield Complaint(("search", "evolution"), message)
    if network.active > network.modules:
        message = f"{network.active} is above network.modules={network.modules}; give that or less"
        yield Complaint(("network", "active"), message)


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
    yield from environment_complaints(valid)


def _advance_complaints(index: int, task: SubTaskSettings) -> Iterator[Complaint]:
    advance = task.advance
    if advance.measure == "success_rate" and not 0 <= advance.threshold <= 1:
        message = f"{advance.threshold:g} is no rate; give a number from 0 to 1, or measure: mean_return"
        yield Complaint(("tasks", index, "advance", "threshold"), message)
    if advance.verify_from is not None and advance.verify_from > advance.threshold:
        message = f"{advance.verify_from:g} is above threshold={advance.threshold:g}; give that or less"
        yield Complaint(("tasks", index, "advance", "verify_from"), message)
