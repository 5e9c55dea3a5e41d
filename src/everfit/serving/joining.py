"""What requests ask, put together so that one call of the model answers them, and the result taken apart again.

Only what has the same kind is joined. The kind holds everything that decides the types of the joined data, so each
row looks to the model as it does alone.
"""

import sys
from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from typing import Any, Final, cast

from everfit.serving.predictors import Prediction
from everfit.serving.shapes import is_list, is_object
from everfit.serving.table import INT64, PLAIN_TYPES, Table


class _Unjoinable:
    """Stands in a kind for what has none."""


UNJOINABLE: Final = _Unjoinable()


def kind_of(data: Any) -> Hashable | None:
    """Return what data must have in common to be joined; None for data that cannot be."""
    if isinstance(data, Table):
        return ("table", data.names, data.types)
    if is_array(data):
        return ("array", data.dtype, data.shape[1:]) if data.ndim and len(data) else None
    if is_plain_frame(data):
        return ("frame", tuple(data.columns), tuple(data.dtypes))
    if is_list(data) and data:
        row = signature(data[0])
        return None if has_unjoinable(row) or any(signature(other) != row for other in data[1:]) else ("list", row)
    return None


def is_array(value: Any) -> bool:
    """Whether the value is an array of numpy and of no class derived from it, whose rows may mean something else."""
    numpy: Any = sys.modules.get("numpy")
    return numpy is not None and type(value) is numpy.ndarray


def is_plain_frame(value: Any) -> bool:
    """Whether the value is a data frame with rows whose index says nothing but their place."""
    pandas: Any = sys.modules.get("pandas")
    if pandas is None or type(value) is not pandas.DataFrame or not len(value) or value.attrs:
        return False
    return is_place(value.index, len(value))


def is_place(index: Any, size: int) -> bool:
    """Whether an index counts from zero."""
    pandas: Any = sys.modules["pandas"]
    return isinstance(index, pandas.RangeIndex) and index.name is None and index.equals(pandas.RangeIndex(size))


def signature(value: object) -> Hashable:
    """Return the type of a row of a list with all that is in it; it holds ``UNJOINABLE`` for a type without one."""
    if type(value) is int and value not in INT64:
        return UNJOINABLE
    if type(value) in PLAIN_TYPES:
        return cast("Hashable", type(value))
    if is_list(value):
        inner = [signature(item) for item in value]
        return (list, len(inner), inner[0] if inner and inner.count(inner[0]) == len(inner) else tuple(inner))
    if is_object(value):
        return (dict, tuple(value), tuple(map(signature, value.values())))
    return array_signature(value)


def array_signature(value: Any) -> Hashable:
    """Return the signature of an array."""
    return (value.dtype, value.shape) if is_array(value) else UNJOINABLE


def has_unjoinable(kind: object) -> bool:
    """Whether a signature holds something that cannot be joined."""
    inner = cast("tuple[object, ...]", kind) if isinstance(kind, tuple) else ()
    return kind is UNJOINABLE or any(map(has_unjoinable, inner))


def size_of(data: Any) -> int:
    """Return how many rows the data have."""
    return len(data.rows) if isinstance(data, Table) else len(data)


def joined(several: Sequence[Any]) -> Any:
    """Return data of one kind as one; the rows of arrays and frames are copied."""
    first = several[0]
    if isinstance(first, Table):
        return replace(first, rows=list(chain.from_iterable(data.rows for data in several)))
    if is_list(first):
        return list(chain.from_iterable(several))
    if is_array(first):
        return sys.modules["numpy"].concatenate(several)
    pandas: Any = sys.modules["pandas"]
    return pandas.concat(several, ignore_index=True)


def parts(result: Any, sizes: Sequence[int]) -> list[Any] | None:
    """Return what belongs to each of the joined data; None unless there is one entry for each row.

    Args:
        sizes: rows of each of the joined data.
    """
    bounds = [0]
    for size in sizes:
        bounds.append(bounds[-1] + size)
    if is_object(result):
        return objects(result, bounds)
    if not isinstance(result, Prediction):
        return slices(result, bounds)
    values = slices(result.values, bounds)
    if values is None or result.probabilities is None:
        return None if values is None else [Prediction(values=part, labels=result.labels) for part in values]
    tables = slices(result.probabilities, bounds)
    if tables is None:
        return None
    return [
        Prediction(values=part, probabilities=table, labels=result.labels)
        for part, table in zip(values, tables, strict=True)
    ]


def objects(result: dict[str, Any], bounds: Sequence[int]) -> list[Any] | None:
    """Cut what an object holds for each row; what it says of no row in particular goes to all."""
    cut = {name: slices(value, bounds) for name, value in result.items() if type(value) not in PLAIN_TYPES}
    if not cut or any(pieces is None for pieces in cut.values()):
        return None
    return [
        {name: value if (pieces := cut.get(name)) is None else pieces[at] for name, value in result.items()}
        for at in range(len(bounds) - 1)
    ]


def slices(values: Any, bounds: Sequence[int]) -> list[Any] | None:
    """Cut a sequence of one entry a row at the bounds; None when it is none."""
    if is_list(values) or is_array(values) or is_tensor(values):
        has_rows = bool(getattr(values, "shape", (len(values),) if is_list(values) else ()))
        if not has_rows or len(values) != bounds[-1]:
            return None
        return [values[start:end] for start, end in pairwise(bounds)]
    pandas: Any = sys.modules.get("pandas")
    if pandas is None or type(values) not in (pandas.DataFrame, pandas.Series):
        return None
    # Another index may mean that rows were left out or put into another order.
    if len(values) != bounds[-1] or not is_place(values.index, len(values)):
        return None
    return [values.iloc[start:end].reset_index(drop=True) for start, end in pairwise(bounds)]


def is_tensor(value: Any) -> bool:
    """Whether the value is a tensor of torch."""
    torch: Any = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)
