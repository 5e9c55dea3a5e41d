"""The default ``output_fn``: what a model predicted becomes the body of an answer."""

import csv
import io
import json
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from everfit.serving.errors import UnreadableRequestError
from everfit.serving.packages import optional
from everfit.serving.predictors import Prediction
from everfit.serving.request_body import JSON_LINES, NUMPY
from everfit.serving.shapes import is_list, is_many, is_object

JSON = "application/json"
ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
NUMBERS = ("f", "i", "u", "b")
ANSWERS = (JSON, "text/csv", *JSON_LINES, NUMPY)


def preferred(accept: str) -> str:
    """Return the first content type that is wanted; JSON when anything will do."""
    for choice in accept.split(","):
        name = choice.partition(";")[0].strip().lower()
        if name in ("", "*/*", "application/*"):
            return JSON
        if name == "text/*":
            return "text/csv"
        return name
    return JSON


@lru_cache(maxsize=64)
def supported(accept: str) -> str:
    """Return the first wanted content type that the default handlers can give."""
    wanted = [preferred(choice) for choice in accept.split(",")]
    for name in wanted:
        if name in ANSWERS:
            return name
    raise UnreadableRequestError(
        f"The default handlers do not answer with {', '.join(wanted)}; accept application/json, text/csv, "
        f"application/jsonlines or {NUMPY}, or write an output_fn.",
        status=406,
    )


def write_answer(prediction: object, accept: str) -> tuple[bytes, str]:
    """Return the body and its content type."""
    content_type = supported(accept)
    if content_type == JSON:
        return as_document(prediction), content_type
    values = plain(prediction.values if isinstance(prediction, Prediction) else prediction)
    rows = values if is_list(values) else [values]
    if content_type == NUMPY:
        return as_numpy(rows), content_type
    if content_type == "text/csv":
        return as_csv(rows), content_type
    return b"".join(as_json(row) + b"\n" for row in rows), content_type


def as_document(prediction: object) -> bytes:
    """Return the JSON answer; what a user's own ``predict_fn`` gave stays as it is."""
    if not isinstance(prediction, Prediction):
        return as_json(prediction)
    answer = {"predictions": listed(prediction.values)}
    if prediction.probabilities is not None:
        answer |= {"probabilities": listed(prediction.probabilities), "labels": listed(prediction.labels)}
    try:
        return ENCODER.encode(answer).encode()
    except (TypeError, ValueError):
        # There is something in it that JSON does not know, which has to be looked for.
        return as_json(answer)


def listed(values: Any) -> Any:
    """Return an array of plain numbers as lists; anything else as it is."""
    return values.tolist() if getattr(getattr(values, "dtype", None), "kind", None) in NUMBERS else values


def as_json(value: object) -> bytes:
    """Return the value as JSON, which knows no NaN and no infinity: they become null."""
    return ENCODER.encode(plain(value)).encode()


def plain(value: Any) -> Any:
    """Return the value in Python's own types; arrays become lists, frames become lists of records."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if is_object(value):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if is_many(value):
        return [plain(item) for item in value]
    return plain_object(value)


def plain_object(value: Any) -> Any:
    """Return the value of another package's type in Python's own types."""
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return plain(value.to_dict(orient="records"))
    if hasattr(value, "detach"):
        return plain(value.detach().cpu().tolist())
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if hasattr(value, "numpy"):
        return plain(value.numpy().tolist())
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)


def as_csv(rows: Sequence[Any]) -> bytes:
    """Return one prediction a line; an undefined one is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        cells = row if is_list(row) else [row]
        # The writer quotes a lone empty field, and a line of its own is what a missing prediction needs.
        writer.writerow(["" if cell is None else cell for cell in cells])
    return text.getvalue().encode()


def as_numpy(rows: Sequence[Any]) -> bytes:
    """Return the predictions as a ``.npy`` array."""
    numpy = optional("numpy")
    if numpy is None:
        raise UnreadableRequestError("The model's environment has no numpy to write the answer with.", status=406)
    body = io.BytesIO()
    try:
        array = numpy.asarray([math.nan if row is None else row for row in rows])
        numpy.save(body, array, allow_pickle=False)
    except ValueError as error:
        raise UnreadableRequestError(f"The predictions do not fit into an array: {error}.", status=406) from error
    return body.getvalue()
