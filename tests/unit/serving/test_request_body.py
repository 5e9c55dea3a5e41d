"""The short ways to read a request lead where the long ones lead."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everfit.serving.request_body import parse_request, read_any_csv, read_csv
from everfit.serving.table import Table, table_of

numpy = pytest.importorskip("numpy", reason="the default handlers are tested with numpy")
pandas = pytest.importorskip("pandas", reason="the default handlers are tested with pandas")

CELLS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(str),
    st.sampled_from(
        ["", " 1", "1_0", "+1", "-0", "007", "1e3", "1.", "--1", "nan", "x", "2020-01-01", "1e400", "True"]
    ),
    st.text('0123456789.eE+-, \r"x', max_size=4),
)
NAMES = st.sampled_from(["a", "b", "c d", " e", "", "1", "a"])
VALUES = st.one_of(
    st.floats(allow_nan=False), st.integers(-(2**65), 2**65), st.text(max_size=3), st.booleans(), st.none()
)


def same(left: Any, right: Any) -> None:
    """Both are the same array or data frame, to the last bit and with the same types."""
    assert type(left) is type(right)
    if isinstance(left, pandas.DataFrame):
        pandas.testing.assert_frame_equal(left, right, check_exact=True, check_column_type="exact")
    else:
        assert left.dtype == right.dtype
        assert repr(left.tolist()) == repr(right.tolist())


def outcome(call: Any, *arguments: Any) -> Any:
    """Return what the call returns, or the text of its error."""
    try:
        return call(*arguments)
    except Exception as error:  # noqa: BLE001 - the errors are compared
        return f"{type(error).__name__}: {error}"


def finished(rows: Any) -> Any:
    return rows.frame() if isinstance(rows, Table) else rows


def read_request(body: str, content_type: str) -> Any:
    return finished(parse_request(body, content_type))


def frame_by(read: Callable[[str], Any], text: str) -> Any:
    return finished(read(text))


@given(
    names=st.lists(NAMES, min_size=1, max_size=3),
    rows=st.lists(st.lists(CELLS, min_size=1, max_size=3), max_size=4),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
)
@settings(max_examples=200)
def test_csv_is_read_the_same_by_the_short_way(names: list[str], rows: list[list[str]], end: str) -> None:
    for lines in ([names, *rows], rows):
        text = "".join(",".join(line) + end for line in lines)
        short, long = (outcome(frame_by, read, text) for read in (read_csv, read_any_csv))
        if isinstance(long, str) or isinstance(short, str):
            assert short == long
        else:
            same(short, long)


def test_plain_csv_takes_the_short_way() -> None:
    assert isinstance(read_csv("a,b\r\n1,2.5\r\n-3,4e1\r\n"), Table)
    assert read_csv("1,2.5\n-3,4e1\n").tolist() == [[1, 2.5], [-3, 40]]


@given(records=st.lists(st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3), min_size=1, max_size=4))
@settings(max_examples=200)
def test_records_become_the_frame_that_pandas_makes_of_them(records: Sequence[Mapping[str, Any]]) -> None:
    table = table_of(records)
    if table is not None:
        frame = pandas.DataFrame(list(records))
        same(table.frame(), frame)


def test_columns_that_are_renamed_are_so_for_one_request_only() -> None:
    body = json.dumps([{"a": 1.5, "b": 2.5}])
    frame = read_request(body, "application/json")
    frame.columns.name = "mine"

    assert read_request(body, "application/json").columns.name is None


def test_csv_with_quotes_and_line_ends_in_them_is_read_whole() -> None:
    text = 'name,text\n1,"a ""quoted"", long\nline"\n2,b\n'
    frame = read_request(text, "text/csv")

    same(frame, pandas.read_csv(io.StringIO(text)))
    assert frame["text"].tolist() == ['a "quoted", long\nline', "b"]


@pytest.mark.parametrize("text", ["a,b\r1,2\r", 'a,b\n"1,2\n', "a\n1,2\n", "1,2\r\r3,4"])
def test_csv_that_cannot_be_read_is_the_callers_mistake(text: str) -> None:
    assert outcome(read_request, text, "text/csv").startswith("UnreadableRequestError: ")


@pytest.mark.parametrize("value", ["[" * 100_000, "1" * 5000, '{"instances": [[1, 2]', "[1e999, NaN", ""])
def test_json_that_cannot_be_read_is_the_callers_mistake(value: str) -> None:
    assert outcome(parse_request, value, "application/json").startswith("UnreadableRequestError: The body is")


def test_ten_thousand_rows_are_read() -> None:
    rows = [[number, number / 2] for number in range(10_000)]
    assert read_request(json.dumps(rows), "application/json").shape == (10_000, 2)
    assert read_request("a,b\n" + "1,2\n" * 10_000, "text/csv").shape == (10_000, 2)
