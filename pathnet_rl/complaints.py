"""Complaints: a validation error in words, with what was given and what would be right."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from pathnet_rl.strict_yaml import Location

TYPES = {
    bool: "true or false",
    dict: "a mapping",
    float: "a number",
    int: "a whole number",
    list: "a list",
    str: "a word",
}
KINDS = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": "a mapping",
    "string_type": "a word",
}
RANGE_ERRORS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")
LONGEST_VALUE = 60


@dataclass(frozen=True)
class Complaint:
    """What is wrong with the value at a place, and what would be right."""

    location: Location
    message: str


def spell(location: Location) -> str:
    """Return a place as the head of a message.

    Example:
        >>> spell(("tasks", 2, "env"))
        'tasks[2].env: '
    """
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return f"{words.removeprefix('.')}: " if words else ""


ELSEWHERE = {
    "batch_size": "batch_transitions",
    "buffer_size": "replay_transitions",
    "exploration_final_eps": "epsilon_end",
    "exploration_initial_eps": "epsilon_start",
    "gamma": "discount",
    "lr": "learning_rate",
    "n_envs": "lanes",
    "n_steps": "return_steps",
    "target_update_interval": "target_interval_updates",
    "tau": "target_rate",
    "train_freq": "env_steps_per_update",
}
"""What Stable-Baselines3 calls a key: what it is called here."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Suggest the known word that is nearest, or that others' name for it means, or list them all.

    Example:
        >>> nearest("hovr", ["hover", "land"])
        'nearest: hover'
        >>> nearest("gamma", ["discount", "lanes"])
        'nearest: discount'
    """
    words = sorted(known)
    close = [ELSEWHERE[word]] if ELSEWHERE.get(word) in words else get_close_matches(word, words, n=1)
    return f"nearest: {close[0]}" if close else f"known: {', '.join(words) or 'none'}"


def complaints_of(
    error: ValidationError, model: type[BaseModel], prefix: Location, extra: tuple[str, ...]
) -> Iterator[Complaint]:
    """Translate a validation error of a model, one complaint a mistake.

    Args:
        error: What pydantic found.
        model: The model it was found with.
        prefix: Where in the file the model's data stand.
        extra: Keys that are allowed beside the model's, handled elsewhere.
    """
    for details in error.errors(include_url=False):
        location = details["loc"]
        yield Complaint((*prefix, *location), _message(details, model, extra))


def _message(details: Any, model: type[BaseModel], extra: tuple[str, ...]) -> str:  # noqa: PLR0911 - a table
    kind, given, location = details["type"], details["input"], details["loc"]
    owner, info = _field(model, location)
    if kind == "extra_forbidden":
        known = [*owner.model_fields, *(extra if owner is model else ())]
        return f"is no key here; {nearest(str(location[-1]), known)}"
    if kind == "missing":
        return f"is missing; give {_wanted(info)}"
    if kind in KINDS:
        return f"{_show(given)} is {_type(given)}; give {_example(kind, given)}"
    if kind in RANGE_ERRORS:
        return f"{_show(given)} is out of range; allowed: {_range(info)}"
    if kind == "literal_error":
        return f"{_show(given)} is not allowed; {nearest(str(given), _literals(info))}"
    if kind == "string_pattern_mismatch":
        return f"{_show(given)} is not allowed; give letters, digits, _ and -, at most 64, the first no sign"
    if kind == "too_short":
        return "is empty; give at least one"
    return f"{_show(given)}: {details['msg'][:1].lower()}{details['msg'][1:]}"


def _field(model: type[BaseModel], location: Location) -> tuple[type[BaseModel], FieldInfo | None]:
    """Return the model that a place lies in, and its field there, if there is one."""
    owner, info = model, None
    for part in location:
        if isinstance(part, int):
            continue
        if info is not None:
            nested = _nested_model(info)
            if nested is None:
                break
            owner = nested
        info = owner.model_fields.get(part)
        if info is None:
            break
    return owner, info


def _nested_model(info: FieldInfo) -> type[BaseModel] | None:
    for candidate in (info.annotation, *get_args(info.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _show(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    if isinstance(value, bool) or value is None:
        text = {True: "true", False: "false", None: "null"}[value]
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def _type(value: Any) -> str:
    return "empty" if value is None else TYPES.get(type(value), type(value).__name__)


def _example(kind: str, given: Any) -> str:
    if kind in ("int_type", "int_from_float") and isinstance(given, float) and given.is_integer():
        return f"a whole number: {int(given)}"
    return KINDS[kind]


def _wanted(info: FieldInfo | None) -> str:
    if info is None:
        return "it"
    for kind, words in TYPES.items():
        if info.annotation is kind or getattr(info.annotation, "__origin__", None) is kind:
            return words
    return "it"


def _literals(info: FieldInfo | None) -> list[str]:
    """Return the words that a field allows, itself or as items of its list."""
    words = get_args(info.annotation) if info is not None else ()
    return [str(word) for choice in words for word in (get_args(choice) or (choice,))]


def _range(info: FieldInfo | None) -> str:
    """Spell the bounds of a field: those of its own and those of its type's alias."""
    words = list[str]()
    for bound in info.metadata if info is not None else ():
        if isinstance(bound, Ge):
            words.append(f"{bound.ge} or more")
        elif isinstance(bound, Gt):
            words.append(f"more than {bound.gt}")
        elif isinstance(bound, Le):
            words.append(f"{bound.le} or less")
        elif isinstance(bound, Lt):
            words.append(f"less than {bound.lt}")
    return ", ".join(words)
