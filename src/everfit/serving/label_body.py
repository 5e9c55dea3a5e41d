"""The body of a feedback request: which label which request should have been answered with; pure."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite

from everfit.serving.errors import UnreadableRequestError
from everfit.serving.request_body import JSON_LINES, as_text
from everfit.serving.shapes import is_list, is_object

Label = str | float | int | bool | None

LONGEST_ID = 1024
LONGEST_LABEL = 1024
LARGEST_NUMBER = 10**300
TOLD = 10
EXAMPLE = '{"inference_id": "order-17", "label": 1180.0}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """What was right for one request.

    Args:
        labels: one a row of the request, in its order; None where it is not known yet.
    """

    inference_id: str
    labels: tuple[Label, ...]


def read_labels(body: bytes, content_type: str) -> list[Labelled]:
    """Return what the body says, or raise ``UnreadableRequestError`` that names each line that is wrong."""
    kind = content_type.partition(";")[0].strip().lower() or "application/json"
    text = as_text(body)
    if kind == "application/json":
        return _all_right(_of_json(text), "Entry")
    if kind in JSON_LINES:
        return _all_right(_of_lines(text), "Line")
    if kind == "text/csv":
        return _all_right(_of_csv(text), "Line")
    raise UnreadableRequestError(
        f"Labels are not read from {kind}; send application/json, application/jsonlines or text/csv.", status=415
    )


def _all_right(entries: Iterator[tuple[int, Callable[[], Labelled]]], each: str) -> list[Labelled]:
    found: list[Labelled] = []
    problems: list[str] = []
    wrong = 0
    for number, read in entries:
        try:
            found.append(read())
        except ValueError as error:
            wrong += 1
            if len(problems) < TOLD:
                problems.append(f"{each} {number}: {error}")
    if wrong:
        more = f" And {wrong - TOLD} more." if wrong > TOLD else ""
        raise UnreadableRequestError(f"Nothing was kept. {' '.join(problems)}{more}")
    if not found:
        raise UnreadableRequestError(f"The body holds no label; send {EXAMPLE}, or a list of such.")
    return found


def _of_json(text: str) -> Iterator[tuple[int, Callable[[], Labelled]]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableRequestError(f"The body is not JSON: {error}.") from error
    for number, entry in enumerate(document if is_list(document) else [document], start=1):
        yield number, partial(labelled, entry)


def _of_lines(text: str) -> Iterator[tuple[int, Callable[[], Labelled]]]:
    # Other line ends that Python knows may stand inside a text of JSON.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, partial(_of_line, line)


def _of_line(line: str) -> Labelled:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON: {error}.") from error
    return labelled(entry)


def _of_csv(text: str) -> Iterator[tuple[int, Callable[[], Labelled]]]:
    lines = csv.reader(io.StringIO(text, newline=""))
    try:
        header = [name.strip() for name in next(lines, list[str]())]
        if not {"inference_id", "label"} <= set(header):
            raise UnreadableRequestError("The first line of the CSV must name the columns inference_id,label.")
        places = header.index("inference_id"), header.index("label")
        for cells in lines:
            if cells:
                yield lines.line_num, partial(_of_row, cells, len(header), places)
    except csv.Error as error:
        raise UnreadableRequestError(f"Nothing was kept. Line {lines.line_num}: {error}.") from error


def _of_row(cells: Sequence[str], width: int, places: tuple[int, int]) -> Labelled:
    if len(cells) != width:
        raise ValueError(f"it has {len(cells)} values for {width} columns.")
    name, label = (cells[place].strip() for place in places)
    if not label:
        raise ValueError("its label is empty.")
    return labelled({"inference_id": name, "label": label})


def labelled(entry: object) -> Labelled:
    """Return what one entry says, or raise ``ValueError`` that says what is wrong with it."""
    if not is_object(entry):
        raise ValueError(f"it is not an object; send {EXAMPLE}.")
    name = entry.get("inference_id")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_ID:
        raise ValueError(f'its "inference_id" is not a text of 1 to {LONGEST_ID} characters.')
    if ("label" in entry) == ("labels" in entry):
        raise ValueError('it needs either "label" or, for a request of several rows, "labels".')
    given = entry["labels"] if "labels" in entry else [entry["label"]]
    if not is_list(given) or not given:
        raise ValueError('its "labels" are not a list with a label for each row.')
    for place, label in enumerate(given, start=1):
        if not _is_label(label):
            which = "its label" if "label" in entry else f"label {place}"
            raise ValueError(f"{which} is not a finite number, a text or a truth value.")
    if all(label is None for label in given):
        raise ValueError("it holds no label, only null.")
    return Labelled(inference_id=name, labels=tuple(given))


def _is_label(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_LABEL
    if isinstance(value, int):
        return abs(value) <= LARGEST_NUMBER
    return value is None or (isinstance(value, float) and isfinite(value))
