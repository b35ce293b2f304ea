import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathnet_rl.strict_yaml import DEEPEST, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        (".5", 0.5),
        ("-3", -3),
        ("+3", 3),
        ("010", 10),
        ("1:30", "1:30"),
        ("2026-01-02", "2026-01-02"),
        ("on", "on"),
        ("yes", "yes"),
        ("True", "True"),
        ("true", True),
        ("null", None),
        ("~", None),
        ("", None),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("'3'", "3"),
        ("<<", "<<"),
        ("[1, {a: b}]", [1, {"a": "b"}]),
    ],
)
def test_values_are_those_of_the_core_schema(text, value):
    document = parse(text)
    assert document.problems == []
    assert document.data == value
    assert type(document.data) is type(value)


def test_every_key_and_item_knows_its_line():
    document = parse("a: 1\nb:\n  - c: 2\n    d: 3\n  - e\n")
    assert document.lines[("a",)] == 1
    assert document.lines[("b", 0, "d")] == 4
    assert document.lines[("b", 1)] == 5
    assert document.line_of(("b", 0, "missing")) == 3


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3", 3, "is given twice, first in line 1"),
        ("a: !!python/object/apply:os.system ['true']", 1, "is a tag"),
        ("a: !x 1", 1, "!x is a tag"),
        ("a: &x 1\nb: *x", 1, "&x is an anchor"),
        ("a: *x", 1, "*x is an alias"),
        ("a: .inf", 1, ".inf is not finite"),
        ("a: .nan", 1, ".nan is not finite"),
        ("a: 1e999", 1, "1e999 is too large"),
        ("a: " + "9" * 5000, 1, "digits is too large"),
        ("a: [1", 1, "is not YAML"),
        ("a: 1\n\tb: 2", 2, "is not YAML"),
        ("a: 1\n---\nb: 2", 2, "has several documents"),
        ("a:\n  ? [1, 2]\n  : 3", 2, "a key that is no plain word"),
        ("a: \x00", 1, "a character that is not allowed"),
        ("[" * 5000, 1, f"is nested deeper than {DEEPEST}"),
        ("a: '" + "x" * (1 << 20) + "'", 1, "is larger than"),
    ],
)
def test_what_is_refused(text, line, message):
    (problem,) = parse(text).problems
    assert problem.line == line
    assert message in problem.message


def test_several_problems_come_at_once():
    assert len(parse("a: .nan\nb: .inf\nb: 1\n").problems) == 3


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    parse(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(st.characters(codec="ascii")),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
        max_leaves=10,
    )
)
def test_json_means_the_same(value):
    text = json.dumps(value)
    if "\\u00" not in text:  # YAML forbids some control characters, escaped or not
        assert parse(text).data == value
