"""Strict YAML: plain data and the line of everything in it, without YAML's surprises.

Numbers, booleans and null are those of YAML 1.2's core schema, so ``1e-4`` is a number and ``on`` a word. Equal
keys, tags, anchors, aliases, several documents, infinities, deep nesting and huge files are refused.
"""

import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

Location: TypeAlias = tuple[str | int, ...]

LARGEST_FILE_BYTES = 1 << 20
DEEPEST = 32
MOST_DIGITS = 18  # beyond, a number no longer fits the fields it could be meant for

INTEGER = re.compile(r"[-+]?[0-9]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "true": True, "false": False}


@dataclass(frozen=True)
class Problem:
    """Something wrong, and where."""

    line: int
    location: Location
    message: str


@dataclass
class Document:
    """The data of a YAML text, the line of every key and item, and what was wrong with it."""

    data: Any = None
    lines: dict[Location, int] = field(default_factory=dict[Location, int])
    problems: list[Problem] = field(default_factory=list[Problem])

    def line_of(self, location: Location) -> int:
        """Return the line of a place, or of the nearest place around it that exists."""
        while location not in self.lines and location:
            location = location[:-1]
        return self.lines.get(location, 1)


def parse(text: str) -> Document:
    """Read one YAML document; look at ``problems`` before using ``data``."""
    document = Document()
    if len(text.encode("utf-8", "surrogatepass")) > LARGEST_FILE_BYTES:
        document.problems.append(Problem(1, (), f"is larger than {LARGEST_FILE_BYTES} bytes; shorten it"))
        return document
    try:
        _Reader(text, document).read()
    except _Refused as refused:
        document.problems.append(refused.problem)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        document.problems.append(Problem(line, (), f"is not YAML: {error.problem or error.context}"))
    except yaml.YAMLError as error:  # a character that YAML does not allow has a position but no line
        position = int(getattr(error, "position", 0))
        line = text.count("\n", 0, position) + 1
        document.problems.append(Problem(line, (), "is not YAML: a character that is not allowed in it"))
    return document


class _Refused(Exception):
    """Reading cannot go on."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class _Reader:
    """Builds data from the parser's events, so that nothing is constructed before it is checked."""

    def __init__(self, text: str, document: Document) -> None:
        self._events = yaml.parse(text, Loader=yaml.SafeLoader)
        self._document = document

    def read(self) -> None:
        """Read the only document."""
        next(self._events)  # the stream's start
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            return
        self._document.data = self._value(next(self._events), ())
        next(self._events)  # the document's end
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise _refused(after, (), "has several documents; keep one")

    def _value(self, event: Any, location: Location) -> Any:
        if isinstance(event, yaml.AliasEvent):
            raise _refused(event, location, f"*{event.anchor} is an alias; write the value out")
        if event.anchor is not None:
            raise _refused(event, location, f"&{event.anchor} is an anchor; write the value where it is used")
        if event.tag is not None:
            raise _refused(event, location, f"{event.tag} is a tag; write a plain value")
        if len(location) > DEEPEST:
            raise _refused(event, location[:3], f"is nested deeper than {DEEPEST}; flatten it")
        self._document.lines.setdefault(location, _line(event))
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(location)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(location)
        return self._scalar(event, location)

    def _mapping(self, location: Location) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.tag is not None or event.anchor is not None:
                raise _refused(event, location, "has a key that is no plain word; write a word")
            key = str(event.value)
            place = (*location, key)
            if key in mapping:
                message = f"is given twice, first in line {self._document.lines[place]}; keep one"
                self._document.problems.append(Problem(_line(event), place, message))
            self._document.lines[place] = _line(event)
            mapping[key] = self._value(next(self._events), place)
        return mapping

    def _sequence(self, location: Location) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, (*location, len(items))))
        return items

    def _scalar(self, event: Any, location: Location) -> Any:
        text = str(event.value)
        if event.style is not None:  # quoted or block: always a word
            return text
        if text in WORDS:
            return WORDS[text]
        if NOT_FINITE.fullmatch(text):
            self._complain(event, location, f"{text} is not finite; give a finite number")
            return 0.0
        if FLOAT.fullmatch(text):
            return self._number(event, location, text)
        return text

    def _number(self, event: Any, location: Location, text: str) -> int | float:
        if len(text) > MOST_DIGITS and INTEGER.fullmatch(text):
            self._complain(event, location, f"a number of {len(text)} digits is too large; give a smaller one")
            return 0
        number = int(text) if INTEGER.fullmatch(text) else float(text)
        if number in (float("inf"), float("-inf")):
            self._complain(event, location, f"{text} is too large; give a smaller number")
            return 0.0
        return number

    def _complain(self, event: Any, location: Location, message: str) -> None:
        self._document.problems.append(Problem(_line(event), location, message))


def _line(event: Any) -> int:
    return event.start_mark.line + 1


def _refused(event: Any, location: Location, message: str) -> _Refused:
    return _Refused(Problem(_line(event), location, message))
