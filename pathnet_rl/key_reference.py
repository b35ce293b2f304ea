"""Key reference: every key that a curriculum file may have, from the settings themselves."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pathnet_rl.agent import ENTRY_POINTS
from pathnet_rl.curriculum import DEFAULT_AGENT
from pathnet_rl.settings import NetworkSettings, SearchSettings, SubTaskSettings

WORDS: dict[Any, str] = {int: "whole number", float: "number", str: "word", bool: "true | false"}


@dataclass(frozen=True)
class Key:
    """One key: where it stands, what it may be, what it is without a word, what it means."""

    place: str
    allowed: str
    default: str
    says: str


def keys(agent: str = DEFAULT_AGENT) -> list[Key]:
    """Return the keys of a curriculum with this agent, section by section.

    Raises:
        KeyError: If no agent of this name is installed.
    """
    model = {point.name: point for point in entry_points(group=ENTRY_POINTS)}[agent].load()
    sections: dict[str, type[BaseModel]] = {
        "network": NetworkSettings,
        "search": SearchSettings,
        "agent": model,
        "tasks[]": SubTaskSettings,
    }
    return [key for place, section in sections.items() for key in _keys(place, section)]


def _keys(place: str, section: type[BaseModel]) -> Iterator[Key]:
    for name, info in section.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from _keys(f"{place}.{name}", info.annotation)
        else:
            default = "required" if info.is_required() else _short(info.get_default(call_default_factory=True))
            yield Key(f"{place}.{name}", _allowed(info), default, " ".join((info.description or "").split()))


def _short(value: Any) -> str:
    return "none" if value is None else f"{value}".lower() if isinstance(value, bool) else f"{value}"


def _allowed(info: FieldInfo) -> str:
    """Say in a few words what a key may be."""
    if get_origin(info.annotation) is Literal:
        return " | ".join(map(str, get_args(info.annotation)))
    if get_origin(info.annotation) is dict:
        return "mapping"
    kinds = [kind for kind in (get_args(info.annotation) or (info.annotation,)) if kind is not type(None)]
    word = WORDS.get(kinds[0], "mapping")
    signs = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}
    rules = [(rule, name) for rule in info.metadata for name in signs if hasattr(rule, name)]
    bounds = [f"{signs[name]} {getattr(rule, name):,}" for rule, name in rules]
    return " ".join([word, *bounds])
