"""Configuration: YAML files and ``--set`` overrides, read strictly; all mistakes are told at once, with place."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from pathnet_rl.complaints import Complaint, complaints_of, nearest, spell
from pathnet_rl.settings import Settings
from pathnet_rl.strict_yaml import LARGEST_FILE_BYTES, Document, Location, Problem, parse

Model = TypeVar("Model", bound=Settings)


class ConfigurationError(Exception):
    """Everything that is wrong with a file, a line each: place, key, what is wrong, what would be right."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = [_printable(line) for line in lines]
        super().__init__("\n".join(self.lines))


def _printable(line: str) -> str:
    """Spell out what a file may hold to break a line or to steer a terminal."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)


@dataclass(frozen=True)
class Configuration:
    """The data of a file with its overrides, not yet validated.

    Attributes:
        document: The data, and the line of every key.
        source: Names the file in messages.
        overridden: Which places an override changed, and its text.
    """

    document: Document
    source: str
    overridden: dict[Location, str] = field(default_factory=dict[Location, str])

    @classmethod
    def of(cls, data: Any, source: str) -> "Configuration":
        """Return plain data as a configuration without lines."""
        return cls(Document(data), source)

    def mapping(self) -> dict[str, Any]:
        """Return the data, a mapping at the top.

        Raises:
            ConfigurationError: If it is something else.
        """
        if not isinstance(self.document.data, dict):
            raise ConfigurationError([f"{self.source}:1: is no mapping; write `name:` and `tasks:`"])
        return dict(self.document.data)

    def refusal(self, complaints: Sequence[Complaint]) -> ConfigurationError:
        """Return all complaints as one error, in the order of the file."""
        ordered = sorted(complaints, key=lambda complaint: self.document.line_of(complaint.location))
        return ConfigurationError([self._line(complaint) for complaint in ordered])

    def _line(self, complaint: Complaint) -> str:
        return f"{self._place(complaint.location)}: {spell(complaint.location)}{complaint.message}"

    def _place(self, location: Location) -> str:
        """Name the override that changed this place, one around it or one inside it, else its line."""
        around = (location[:depth] for depth in range(len(location), 0, -1))
        inside = (place for place in self.overridden if place[: len(location)] == location)
        changed = next((place for place in (*around, *inside) if place in self.overridden), None)
        if changed is not None:
            return f"--set {self.overridden[changed]}"
        return f"{self.source}:{self.document.line_of(location)}" if self.document.lines else self.source


def read_configuration(reference: str | Path, overrides: Sequence[str] = ()) -> Configuration:
    """Read a file.

    Args:
        reference: A YAML file, or the name of a shipped one, such as ``lander_quick``.
        overrides: ``key=value`` each, the key's parts joined by dots: ``tasks.0.budget_env_steps=50000``.

    Raises:
        ConfigurationError: With everything that is wrong.
    """
    path = find_curriculum(reference)
    document = parse(_text(path))
    if document.problems:
        raise ConfigurationError([_problem_line(path.name, problem) for problem in document.problems])
    overridden, refused = dict[Location, str](), list[str]()
    for text in overrides:
        try:
            overridden[_override(document, text)] = text
        except ConfigurationError as error:
            refused += error.lines
    if refused:
        raise ConfigurationError(refused)
    return Configuration(document, path.name, overridden)


def validated(
    model: type[Model], data: Any, prefix: Location, complaints: list[Complaint], extra: tuple[str, ...] = ()
) -> Model | None:
    """Return the model of the data, or None after adding what is wrong to the complaints.

    Args:
        model: What the data shall be.
        data: Plain data.
        prefix: Where in the file they stand.
        complaints: Is added to.
        extra: Keys that are allowed beside the model's, handled elsewhere.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        complaints += complaints_of(error, model, prefix, extra)
        return None


def shipped_curricula() -> dict[str, Path]:
    """Return the curricula that come with the package, by name; in a checkout those of its folder."""
    packaged = Path(str(files("pathnet_rl"))) / "curricula"
    folder = packaged if packaged.is_dir() else packaged.parent.parent / "curricula"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_curriculum(reference: str | Path) -> Path:
    """Return the file that a reference means; a path that exists comes before a shipped name.

    Raises:
        ConfigurationError: If there is neither.
    """
    path, shipped = Path(reference), shipped_curricula()
    try:
        if path.is_file():
            return path
    except OSError as error:  # such as a name that is too long
        raise ConfigurationError([f"{str(reference)[:80]}: cannot be read: {error.strerror}"]) from error
    name = str(reference).removesuffix(".yaml")
    if name in shipped:
        return shipped[name]
    raise ConfigurationError([f"{reference}: no such file; shipped curricula are {', '.join(shipped) or 'none'}"])


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise ConfigurationError([f"{path.name}:1: is larger than {LARGEST_FILE_BYTES} bytes; shorten it"])
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        message = f"{path.name}:{line}: byte {error.start} is not UTF-8; save the file as UTF-8"
        raise ConfigurationError([message]) from error


def _problem_line(source: str, problem: Problem) -> str:
    return f"{source}:{problem.line}: {spell(problem.location)}{problem.message}"


def _override(document: Document, text: str) -> Location:
    """Put one ``key=value`` into the data and return where it went."""
    key, equals, value = text.partition("=")
    parts = [part for part in key.strip().split(".") if part]
    parsed = parse(value)
    if not equals or not parts:
        raise ConfigurationError([f"--set {text}: is no key=value; write tasks.0.budget_env_steps=50000, say"])
    if parsed.problems:
        raise ConfigurationError([f"--set {text}: {problem.message}" for problem in parsed.problems])
    target, location = document.data, list[str | int]()
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        place = _place(target, part)
        if place is None:
            raise ConfigurationError(
                [f"--set {text}: {spell(tuple(location))}has no {part}; {_choices(target, part)}"]
            )
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


def _choices(target: Any, part: str) -> str:
    if isinstance(target, list):
        names = [str(item["name"]) for item in target if isinstance(item, dict) and "name" in item]
        return f"give a number from 0 to {len(target) - 1} or a name, {nearest(part, names)}"
    return "it is a single value"
