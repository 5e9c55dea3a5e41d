"""Reads a long body of plain decimal numbers with a few operations on arrays, to the same bits as ``float`` does.

A number of at most 15 digits is an integer that a double holds exactly, divided by a power of ten that a double holds
exactly, and the division is rounded correctly (W. D. Clinger, "How to read floating point numbers accurately", 1990).
Anything else is left to ``float``: a few such numbers in a body alone, or else the whole body.
"""

from typing import Any, Final

from everfit.serving.packages import optional

LONG: Final = 2000
"""Characters from which on the arrays cost less than ``float`` for each number."""
MOST_DIGITS: Final = 15
MOST_ODD: Final = 8
"""One in so many numbers may be read by ``float``; for more it reads all of them as fast."""
COMMA, MINUS, POINT, ZERO, NINE, LINE_END = b",-.09\n"


def decimal_rows(text: str) -> Any:
    """Return the numbers of a CSV without names as an array; None when it is short or holds anything else.

    Args:
        text: its lines end as on Unix.
    """
    numpy = optional("numpy")
    if numpy is None or len(text) < LONG:
        return None
    return rows_of(numpy, (text if text.endswith("\n") else text + "\n").encode())


def rows_of(numpy: Any, raw: bytes) -> Any:
    """Return the numbers of a CSV that ends with the end of a line; None when it holds anything else."""
    width = raw.count(b",", 0, raw.index(b"\n")) + 1
    characters = numpy.frombuffer(raw, dtype="uint8")
    ends = numpy.flatnonzero((characters == COMMA) | (characters == LINE_END))
    if len(ends) % width or not has_width(numpy, characters[ends].reshape(-1, width)):
        return None
    begins = numpy.concatenate(([0], ends[:-1] + 1))
    is_negative = characters[begins] == MINUS
    points = numpy.flatnonzero(characters == POINT)
    places = decimal_places(numpy, ends, points)
    digits = ends - begins - is_negative - (places >= 0)
    odd = numpy.union1d(
        numpy.searchsorted(ends, numpy.flatnonzero(characters > NINE)), numpy.flatnonzero(digits > MOST_DIGITS)
    )
    if len(odd):
        return None if len(odd) * MOST_ODD > len(ends) else with_odd(numpy, raw, begins[odd], ends[odd], odd)
    whole = integers(numpy, raw.translate(None, b".-"), digits)
    if whole is None:
        return None
    numbers = whole / (10.0 ** numpy.arange(MOST_DIGITS + 1))[numpy.maximum(places, 0)]
    numpy.negative(numbers, out=numbers, where=is_negative)
    return numbers.reshape(-1, width)


def with_odd(numpy: Any, raw: bytes, begins: Any, ends: Any, odd: Any) -> Any:
    """Return the numbers of a CSV in which the odd ones, at these places, are read by themselves."""
    pieces: list[bytes] = []
    numbers: list[float] = []
    done = 0
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        try:
            numbers.append(float(raw[begin:end]))
        except ValueError:
            return None
        pieces += (raw[done:begin], b"0")
        done = end
    rows = rows_of(numpy, b"".join((*pieces, raw[done:])))
    if rows is not None:
        rows.reshape(-1)[odd] = numbers
    return rows


def has_width(numpy: Any, separators: Any) -> bool:
    """Whether the last of the separators in each row, and no other, ends a line."""
    is_end = separators == LINE_END
    return bool(is_end[:, -1].all()) and int(numpy.count_nonzero(is_end)) == len(separators)


def decimal_places(numpy: Any, ends: Any, points: Any) -> Any:
    """Return how many digits follow the point of each number; -1 where there is none."""
    places = numpy.full(len(ends), -1)
    owners = numpy.searchsorted(ends, points)
    places[owners] = ends[owners] - points - 1
    return places


def integers(numpy: Any, raw: bytes, digits: Any) -> Any:
    """Return numbers of so many digits each, with one other character behind each; None when they are not that."""
    characters = numpy.frombuffer(raw, dtype="uint8")
    ends = numpy.cumsum(digits + 1) - 1
    fewest, most = int(digits.min()), int(digits.max())
    is_plain = fewest > 0 and most <= MOST_DIGITS and int(ends[-1]) == len(raw) - 1
    if not is_plain or (characters > NINE).any() or int(numpy.count_nonzero(characters < ZERO)) != len(ends):
        return None
    if (characters[ends] >= ZERO).any():
        return None
    whole = numpy.zeros(len(ends), dtype="int64")
    for left in range(most, 0, -1):
        # Numbers with fewer digits have zeros in front; the first of all reads beyond the beginning, from the end.
        digit = characters[ends - left]
        whole *= 10
        whole += digit - numpy.uint8(ZERO) if left <= fewest else numpy.where(digits >= left, digit, ZERO) - ZERO
    return whole
