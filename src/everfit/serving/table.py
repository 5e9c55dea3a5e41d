"""Named rows as a request brought them, before they become a data frame: cheap to check, and cheap to join."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from everfit.serving.packages import optional

PLAIN_TYPES: Final = frozenset((float, int, str, bool, type(None)))
NUMBERS: Final = frozenset((float, int))
INT64: Final = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows with the same columns, in which each column holds one type.

    Args:
        names: of the columns, in their order.
        types: of the values in each column; integers fit into 64 bits.
        rows: the values by place.
    """

    names: tuple[str, ...]
    types: tuple[type, ...]
    rows: Sequence[Sequence[Any]]

    def numbers(self, names: tuple[str, ...]) -> Any:
        """Return the named columns as an array, or None when one is not there or holds anything but numbers."""
        numpy = optional("numpy")
        rows, types = self.rows, self.types
        if names != self.names:
            if not set(names).issubset(self.names):
                return None
            places = [self.names.index(name) for name in names]
            types = tuple(types[place] for place in places)
            rows = [[row[place] for place in places] for row in rows]
        if numpy is None or not NUMBERS.issuperset(types):
            return None
        array: Any = numpy.array(rows, dtype="float64" if float in types else "int64")
        return array

    def frame(self) -> Any:
        """Return a data frame, or records where there is no pandas."""
        pandas = optional("pandas")
        if pandas is None:
            return [dict(zip(self.names, row, strict=True)) for row in self.rows]
        if self.rows and set(self.types) in ({float}, {int}):
            numpy: Any = optional("numpy")
            array = numpy.array(self.rows, dtype="float64" if self.types[0] is float else "int64")
            # The view keeps a name that the user's code may give to the columns from the next frame.
            return pandas.DataFrame(array, columns=column_index(self.names).view(), copy=False)
        return pandas.DataFrame(list(self.rows), columns=list(self.names))


@lru_cache(maxsize=8)
def column_index(names: tuple[str, ...]) -> Any:
    """Return the columns of a data frame, which take longer to make than the frame."""
    pandas: Any = optional("pandas")
    return pandas.Index(names)


def table_of(records: Sequence[Mapping[str, Any]]) -> Table | None:
    """Return records as a table; None when they differ in their columns or in the type of a column."""
    names = tuple(records[0])
    rows = [list(record.values()) for record in records]
    types = tuple(map(type, rows[0]))
    if not PLAIN_TYPES.issuperset(types) or not names:
        return None
    if any(tuple(record) != names for record in records[1:]) or any(tuple(map(type, row)) != types for row in rows):
        return None
    if int in types and any(type(value) is int and value not in INT64 for row in rows for value in row):
        return None
    return Table(names=names, types=types, rows=rows)
