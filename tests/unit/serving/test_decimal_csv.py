"""Long bodies of decimal numbers are read to the bits that ``float`` reads, or not at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everfit.serving.decimal_csv import LONG, decimal_rows

numpy = pytest.importorskip("numpy", reason="the default handlers are tested with numpy")

DIGITS = st.integers(0, 10**15 - 1).map(str)
DECIMALS = st.builds(
    lambda sign, digits, point: sign + digits[:point] + "." * (point <= len(digits)) + digits[point:],
    st.sampled_from(["", "-"]),
    st.one_of(DIGITS, st.integers(0, 999).map("{:06}".format)),
    st.integers(0, 16),
)
ODD = st.one_of(
    st.sampled_from(
        ["", "-", ".", "1e5", "nan", " 1", "1 ", "+1", "1_0", "--1", "1-", "1.2.3", "1/2", "\u0663", "1\r", "x"]
    ),
    st.floats().map(repr),
    st.text("0123456789.-,\n", max_size=6),
)


def long(rows: list[list[str]], end: str) -> str:
    """Return CSV that is long enough, by repeating the rows."""
    text = "".join(",".join(row) + "\n" for row in rows)
    return (text * (LONG // len(text) + 1)).removesuffix("\n") + end


@given(
    rows=st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(DECIMALS, min_size=width, max_size=width), min_size=1, max_size=6)
    ),
    end=st.sampled_from(["", "\n"]),
)
@settings(max_examples=120)
def test_decimals_are_read_to_the_same_bits(rows: list[list[str]], end: str) -> None:
    text = long(rows, end)

    read = decimal_rows(text)

    expected = numpy.array([[float(cell) for cell in line.split(",")] for line in text.splitlines()])
    assert read.shape == expected.shape
    assert read.tobytes() == expected.tobytes()


@given(
    rows=st.lists(st.lists(st.one_of(DECIMALS, ODD), min_size=1, max_size=3), min_size=1, max_size=6),
    end=st.sampled_from(["", "\n", "\n\n"]),
)
@settings(max_examples=120)
def test_whatever_is_read_at_all_is_read_as_float_reads_it(rows: list[list[str]], end: str) -> None:
    text = long(rows, end)

    read = decimal_rows(text)

    if read is not None:
        lines = text.removesuffix("\n").split("\n")
        assert read.tobytes() == numpy.array([[float(cell) for cell in line.split(",")] for line in lines]).tobytes()


@pytest.mark.parametrize("number", ["1" * 16, "0.1234567890123456", "1e5", "-9e-06", "nan", "-inf"])
def test_a_few_other_numbers_are_read_by_themselves(number: str) -> None:
    text = long([["1.5", "-2", "0.25"]] * 3 + [["7", number, "8.5"]], "\n")

    read = decimal_rows(text)

    lines = text.splitlines()
    assert read.tobytes() == numpy.array([[float(cell) for cell in line.split(",")] for line in lines]).tobytes()


@pytest.mark.parametrize("number", ["", "1 ", "\u0661", "x", "-", "1.2.3", "1-2", "0x1"])
def test_what_is_no_number_is_left_alone(number: str) -> None:
    assert decimal_rows(long([["1.5", "-2", "0.25"]] * 3 + [["7", number, "8.5"]], "\n")) is None


def test_bodies_of_other_numbers_are_left_to_float() -> None:
    assert decimal_rows(long([["1.5", "0.1234567890123456"]], "\n")) is None


def test_short_bodies_are_left_to_float() -> None:
    assert decimal_rows("1.5,2.5\n") is None
