"""When two versions have answered the same."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.serving.comparing import agrees
from everfit.serving.frames import Reply

JSON, CSV, LINES = "application/json", "text/csv", "application/jsonlines"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


def reply(body: str, kind: str = JSON) -> Reply:
    return Reply(status=200, body=body.encode(), content_type=kind)


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ('{"predictions": [1.0, 2]}', '{"predictions":[1.0000001,2.0]}', JSON),
        ('{"a": 1, "b": "x"}', '{"b": "x", "a": 1}', JSON),
        ('["caf\\u00e9"]', '["café"]', JSON),
        ("[NaN, Infinity]", "[NaN,Infinity]", JSON),
        ("[0.0]", "[-1e-17]", JSON),
        ("1.5,cat\r\n2,dog\r\n", '1.50000001,"cat"\n2.0,dog\n', CSV),
        ('{"a": 1}\n{"a": 2}', '{"a":1}\n{"a":2.0}\n', LINES),
        ("[1]", "[1.0]", "application/json; charset=utf-8"),
        ("exactly this", "exactly this", "text/plain"),
    ],
)
def test_what_differs_by_rounding_or_by_writing_is_the_same(one: str, other: str, kind: str) -> None:
    assert agrees(reply(one, kind), reply(other, kind))


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("[1.0]", "[1.00001]", JSON),
        ("[1, 2]", "[2, 1]", JSON),
        ("[1, 2]", "[1]", JSON),
        ('["cat"]', '["dog"]', JSON),
        ("[1]", '["1"]', JSON),
        ("[1]", "[true]", JSON),
        ("[null]", "[NaN]", JSON),
        ('{"a": 1}', '{"b": 1}', JSON),
        ("[" * 100_000, "[" * 99_999, JSON),
        ("[1", "[1,", JSON),
        ("1,cat\n", "1,dog\n", CSV),
        ("1\n", "1\n2\n", CSV),
        ("1.0", "1.00", "text/plain"),
    ],
)
def test_what_means_something_else_is_not_the_same(one: str, other: str, kind: str) -> None:
    assert not agrees(reply(one, kind), reply(other, kind))


def test_another_type_is_another_answer() -> None:
    assert not agrees(reply("1", JSON), reply("1", CSV))


@given(VALUES)
def test_an_answer_agrees_with_itself_however_it_is_written(value: object) -> None:
    assert agrees(reply(json.dumps(value)), reply(json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)))


@given(VALUES, VALUES)
def test_it_does_not_matter_whose_answer_came_first(one: object, other: object) -> None:
    first, second = reply(json.dumps(one)), reply(json.dumps(other))
    assert agrees(first, second) == agrees(second, first)


@given(st.binary(max_size=30), st.binary(max_size=30), st.sampled_from([JSON, CSV, LINES, "image/png"]))
def test_any_bytes_can_be_compared(one: bytes, other: bytes, kind: str) -> None:
    first = Reply(status=200, body=one, content_type=kind)
    second = Reply(status=200, body=other, content_type=kind)
    assert agrees(first, first)
    assert agrees(first, second) == agrees(second, first)
