"""Whether a model answers row by row: one call for many rows must give each what it gets alone.

A model that compares the rows of a request with each other, sorts them, or draws lots does not; its requests are never
put together.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any, Final

from everfit.serving.answer_body import plain
from everfit.serving.frames import Request
from everfit.serving.handlers import LoadedModel
from everfit.serving.joining import is_array, joined, kind_of, parts
from everfit.serving.predictors import Prediction
from everfit.serving.replies import words_of
from everfit.serving.shapes import is_list, is_object
from everfit.serving.table import Table

MOST_PIECES: Final = 8
PATIENCE: Final = 10.0
"""Seconds that trying a model may add to its loading, besides the call that is under way."""
CLOSE: Final = (1e-6, 1e-9)
"""How far two numbers may differ: relative to the larger, and at all."""
CLOSE_SINGLE: Final = (1e-4, 1e-6)
"""The same for single precision and less, where the order of a sum shows in the sixth place."""


class TooSlowError(Exception):
    """The model has used up the time for trying it."""


def why_one_by_one(loaded: LoadedModel, request: Request, patience: float = PATIENCE) -> str | None:
    """Return why requests must be asked one by one; None when the model treats the sample's rows each by itself.

    Args:
        request: a sample that the model can answer; it is asked again, in pieces, together and changed a little.
        patience: seconds after which the model is not asked again.
    """
    if loaded.one_by_one is not None:
        return loaded.one_by_one
    try:
        return Probe(loaded, patience).contradiction(loaded.parse(request.body, request.content_type))
    except TooSlowError:
        return f"The model could not be tried with rows together within {patience:g} s."
    except BaseException as error:  # noqa: BLE001 - whatever the user's code raises, the model can be asked as usual
        return f"A row of the sample request alone, or its rows together, cannot be asked: {words_of(error)}"


class Probe:
    """Asks a model for rows alone and together."""

    def __init__(self, loaded: LoadedModel, patience: float) -> None:
        self._loaded = loaded
        self._until = perf_counter() + patience

    def contradiction(self, data: Any) -> str | None:
        """Return how the answers to rows alone and together differ; None when they do not."""
        if kind_of(data) is None:
            return "What input_fn makes of the sample request cannot be joined with another."
        rows = apart(data)[:MOST_PIECES]
        pieces = list(rows)
        alone = [self._asked([piece]) for piece in rows]
        for piece in [varied(row) for row in rows[:2]]:
            answer = self._attempted(piece)
            if answer is not None:
                pieces.append(piece)
                alone.append(answer)
        together = self._asked([*pieces, pieces[0]])
        if together is None or any(answer is None for answer in alone):
            return "The model does not give one answer for each row."
        expected = [answer[0] for answer in [*alone, alone[0]] if answer is not None]
        if not all(agree(one, other) for one, other in zip(expected, together, strict=True)):
            return "The model gives a row another answer when it is asked together with others."
        return None

    def _asked(self, pieces: Sequence[Any]) -> list[Any] | None:
        """Return the answer to each piece of one row from one call; None when that cannot be told."""
        if perf_counter() > self._until:
            raise TooSlowError
        # Each by itself: a copy of all would keep pieces that are the same object one object.
        data = self._loaded.finished(joined([copy.deepcopy(piece) for piece in pieces]))
        return parts(self._loaded.ask(data), [1] * len(pieces))

    def _attempted(self, piece: Any) -> list[Any] | None:
        """Return the answer to a row that nobody has sent; None when the model refuses it."""
        try:
            return self._asked([piece])
        except TooSlowError:
            raise
        except BaseException:  # noqa: BLE001 - a model may refuse values that it was never meant for
            return None


def apart(data: Any) -> list[Any]:
    """Return each row as data of its own."""
    if isinstance(data, Table):
        return [replace(data, rows=[row]) for row in data.rows]
    if is_list(data):
        return [[row] for row in data]
    if is_array(data):
        return [data[at : at + 1] for at in range(len(data))]
    return [data.iloc[at : at + 1].reset_index(drop=True) for at in range(len(data))]


def varied(data: Any) -> Any:
    """Return data of the same kind with other numbers, which lie between zero and the old ones for the most part."""
    if isinstance(data, Table):
        return replace(data, rows=[[varied(value) for value in row] for row in data.rows])
    if is_list(data):
        return [varied(item) for item in data]
    if is_object(data):
        return {name: varied(item) for name, item in data.items()}
    if hasattr(data, "columns"):
        return data.apply(varied)
    kind = getattr(getattr(data, "dtype", None), "kind", None)
    if type(data) is float or kind == "f":
        return data * 0.5 + 0.125
    return data // 2 if type(data) is int or kind in ("i", "u") else data


def agree(one: Any, other: Any) -> bool:
    """Whether two answers are the same but for the rounding of sums in another order."""
    if isinstance(one, Prediction):
        return agree(one.values, other.values) and agree(one.probabilities, other.probabilities)
    is_single = getattr(getattr(one, "dtype", None), "itemsize", 8) < 8
    return is_close(plain(one), plain(other), CLOSE_SINGLE if is_single else CLOSE)


def is_close(one: Any, other: Any, close: tuple[float, float]) -> bool:
    """Whether two values of plain types are the same within the relative and absolute tolerance."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return math.isclose(one, other, rel_tol=close[0], abs_tol=close[1])
    if is_list(one):
        return len(one) == len(other) and all(is_close(*pair, close) for pair in zip(one, other, strict=True))
    if is_object(one):
        return one.keys() == other.keys() and all(is_close(one[name], other[name], close) for name in one)
    return bool(one == other)
