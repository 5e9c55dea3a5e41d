"""Requests that share a call of the model are answered as each would be alone."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everfit.serving.batching import MOST_ROWS, Batcher
from everfit.serving.frames import Reply, Request
from everfit.serving.handlers import LoadedModel, load, ready
from everfit.serving.replies import reply_to

numpy = pytest.importorskip("numpy", reason="the default handlers are tested with numpy")
pandas = pytest.importorskip("pandas", reason="the default handlers are tested with pandas")
linear = pytest.importorskip("sklearn.linear_model", reason="the default handlers are tested with scikit-learn")
compose = pytest.importorskip("sklearn.compose", reason="the default handlers are tested with scikit-learn")
pipeline = pytest.importorskip("sklearn.pipeline", reason="the default handlers are tested with scikit-learn")
preprocessing = pytest.importorskip("sklearn.preprocessing", reason="the default handlers are tested with scikit-learn")

JSON = "application/json"
MOODS = """
import sys

def model_fn(model_dir):
    return None

def predict_fn(rows, model):
    CALLS.append(len(rows))
    values = rows.to_numpy() if hasattr(rows, "to_numpy") else rows
    answers = []
    for row in values:
        mood = row[0]
        if mood == 1: raise ValueError("no such house")
        if mood == 2: sys.exit(4)
        if mood == 3: raise KeyboardInterrupt
        if mood == 4: raise MemoryError
        if mood == 5: answers.append(float("nan"))
        elif mood == 6: answers.append(1e308 * 10)
        elif mood == 7: answers.append({2: {"a": [row[1]]}})
        elif mood == 8: pass
        elif mood == 9: answers.append(chr(0xD800))
        else: answers.append([row[0] + row[1], str(row[1])])
    return answers

CALLS = []
"""


@pytest.fixture(autouse=True)
def untouched_interpreter() -> Iterator[None]:
    path, bytecode = list(sys.path), sys.dont_write_bytecode
    yield
    sys.path[:], sys.dont_write_bytecode = path, bytecode
    sys.modules.pop("inference", None)


def scripted(folder: Path, script: str) -> LoadedModel:
    """Return the model of a user's script."""
    (folder / "code").mkdir(exist_ok=True)
    (folder / "code" / "inference.py").write_text(script)
    return load(str(folder), None)


def calls_of(loaded: LoadedModel) -> list[int]:
    """Return the list to which the script adds the rows of each call."""
    assert loaded.script is not None
    calls: list[int] = loaded.script.handlers["predict_fn"].__globals__["CALLS"]
    return calls


def asked(content: object, content_type: str = JSON, accept: str = "") -> Request:
    text = content if isinstance(content, str) else json.dumps(content)
    return Request(body=text.encode(), content_type=content_type, accept=accept)


def taught(loaded: LoadedModel, sample: Request) -> Batcher:
    """Return a batcher that has learnt that requests can be joined."""
    batcher = Batcher(loaded)
    batcher.learn(sample)
    assert batcher.joins, batcher.message
    return batcher


def answers(batcher: Batcher, requests: Sequence[Request]) -> list[Reply]:
    """Return the replies in the order of the requests, each of which was answered once."""
    replies = [reply for some in batcher.answers(list(enumerate(requests))) for reply in some]
    assert sorted(name for name, _ in replies) == list(range(len(requests)))
    return [reply for _, reply in sorted(replies, key=lambda reply: reply[0])]


def same(one: Reply, other: Reply) -> bool:
    """Whether two replies are the same but for the last places of their numbers."""
    if (one.status, one.content_type, one.trouble) != (other.status, other.content_type, other.trouble):
        return False
    if one.content_type == JSON:
        return near(json.loads(one.body), json.loads(other.body))
    return one.body == other.body


def near(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(near, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(near(one[name], other[name]) for name in one)
    return type(one) is type(other) and bool(one == other)


def houses() -> Any:
    """Return a classifier that takes columns by their names and types."""
    rows = [{"area": area, "rooms": area % 7, "town": town} for area in range(40) for town in ("Rome", "Oslo")]
    table = pandas.DataFrame(rows).astype({"area": float})
    columns = compose.ColumnTransformer(
        [
            ("numbers", preprocessing.StandardScaler(), ["area", "rooms"]),
            ("towns", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["town"]),
        ]
    )
    model = pipeline.make_pipeline(columns, linear.LogisticRegression())
    return model.fit(table, (table["area"] > 20) ^ (table["town"] == "Oslo"))


def prices() -> Any:
    table = numpy.arange(60, dtype=float).reshape(20, 3) ** 1.5
    return linear.LinearRegression().fit(table, table @ [1.0, -2.0, 0.5])


NUMBERS = st.one_of(
    st.floats(-1e6, 1e6),
    st.integers(-100, 100),
    st.sampled_from([math.nan, math.inf, 1e308, -1e308, 0.0, 2**63, None, "x", True]),
)
ROWS = st.lists(st.lists(NUMBERS, min_size=3, max_size=3), min_size=0, max_size=3)
TOWNS = st.one_of(st.sampled_from(["Rome", "Oslo", "", "Bern"]), NUMBERS)
RECORDS = st.lists(
    st.fixed_dictionaries({"area": NUMBERS, "rooms": NUMBERS}, optional={"town": TOWNS, "more": NUMBERS}),
    max_size=3,
)
GOOD_RECORDS = st.lists(
    st.fixed_dictionaries(
        {"area": st.floats(0, 99), "rooms": st.integers(0, 9), "town": st.sampled_from(["Rome", "Oslo"])}
    ),
    min_size=1,
    max_size=3,
)
BROKEN = st.sampled_from(['{"instances": [[1, 2', "", "{}", "7", '{"a": 1}', "[[1,2],[3]]", "\ufeff[[1,2,3]]"])
CSV = ROWS.map(lambda rows: "\n".join(",".join(map(str, row)) for row in rows))
NAMED_CSV = RECORDS.map(lambda rows: pandas.DataFrame(rows).to_csv(index=False))
ACCEPTS = st.sampled_from(["", "*/*", "text/csv", JSON, "image/png", "application/jsonlines"])
REQUESTS = st.one_of(
    st.builds(asked, st.one_of(ROWS, RECORDS, GOOD_RECORDS, BROKEN), st.just(JSON), ACCEPTS),
    st.builds(asked, GOOD_RECORDS, st.just(JSON)),
    st.builds(asked, st.one_of(CSV, NAMED_CSV, BROKEN), st.just("text/csv"), ACCEPTS),
    st.builds(asked, CSV, st.sampled_from(["image/png", "application/x-npy"])),
)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("model", [houses(), prices()], ids=["names", "numbers"])
@given(requests=st.lists(REQUESTS, min_size=2, max_size=8))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_a_batch_is_answered_as_its_requests_are_alone(model: Any, requests: list[Request]) -> None:
    loaded = LoadedModel(model=model, script=None)
    sample = asked([{"area": 4.0, "rooms": 2, "town": "Oslo"}] if hasattr(model, "classes_") else [[1.0, 2.0, 3.0]])

    together = answers(taught(loaded, sample), requests)

    alone = [reply_to(loaded, request) for request in requests]
    assert all(map(same, together, alone)), list(zip(requests, together, alone, strict=True))


@given(
    requests=st.lists(
        st.one_of(
            st.lists(st.tuples(st.integers(0, 10), st.integers(0, 3)), min_size=1, max_size=3).map(asked),
            st.lists(st.fixed_dictionaries({"mood": st.integers(0, 10), "b": st.integers(0, 3)}), min_size=1).map(
                asked
            ),
            st.lists(st.tuples(st.floats(0, 10), st.floats(0, 3)), min_size=1, max_size=3).map(asked),
            BROKEN.map(asked),
        ),
        min_size=2,
        max_size=16,
    )
)
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_a_script_does_with_a_row_its_neighbours_are_answered_as_they_are_alone(
    tmp_path: Path, requests: list[Request]
) -> None:
    loaded = scripted(tmp_path, MOODS)
    batcher = taught(loaded, asked([[0, 1], [10, 2]]))

    together = answers(batcher, requests)

    alone = [reply_to(loaded, request) for request in requests]
    assert all(map(same, together, alone)), list(zip(requests, together, alone, strict=True))


def test_good_requests_of_one_kind_share_one_call(tmp_path: Path) -> None:
    loaded = scripted(tmp_path, MOODS)
    batcher = taught(loaded, asked([[0, 1]]))
    calls_of(loaded).clear()

    answers(batcher, [asked([[0, number]]) for number in range(10)] + [asked([[0.5, 0.5]] * 2)] * 3)

    assert sorted(calls_of(loaded)) == [6, 10]


def test_records_in_which_a_whole_number_looks_like_one_share_a_call_if_the_model_takes_arrays() -> None:
    table = pandas.DataFrame({"a": [1.5, 2.5, 4.0], "b": [3, 1, 2]})
    loaded = ready(linear.LinearRegression().fit(table, [1.0, 2.0, 3.0]), None)
    batcher = taught(loaded, asked([{"a": 1.5, "b": 2}]))
    requests = [
        asked([{"a": 1.5, "b": 2}]),
        asked([{"b": 2.5, "a": 1}]),
        asked("b,a\n1,2.5\n", "text/csv"),
        asked([[1.5, 2.0]]),
    ]

    groups = [len(replies) for replies in batcher.answers(list(enumerate(requests)))]

    assert groups == [4]
    assert all(map(same, answers(batcher, requests), [reply_to(loaded, request) for request in requests]))


def test_one_bad_row_costs_a_few_calls_and_not_one_for_each_neighbour(tmp_path: Path) -> None:
    loaded = scripted(tmp_path, MOODS)
    batcher = taught(loaded, asked([[0, 1]]))
    calls_of(loaded).clear()

    replies = answers(batcher, [asked([[int(number == 5), 1]]) for number in range(64)])

    assert [number for number, reply in enumerate(replies) if reply.status != 200] == [5]
    assert len(calls_of(loaded)) <= 1 + 2 * 6


def test_large_requests_are_not_put_together_without_end(tmp_path: Path) -> None:
    loaded = scripted(tmp_path, MOODS)
    batcher = taught(loaded, asked([[0, 1]]))
    calls_of(loaded).clear()

    answers(batcher, [asked([[0, 1]] * 3000)] * 3 + [asked([[0, 1]] * 10_000)] + [asked([[0, 1]])] * 3)

    assert calls_of(loaded) == [3, 3000, 3000, 3000, 10_000]
    assert MOST_ROWS < 6000


def test_without_having_learnt_every_request_has_its_own_call(tmp_path: Path) -> None:
    loaded = scripted(tmp_path, MOODS)

    answers(Batcher(loaded), [asked([[0, 1]])] * 5)

    assert calls_of(loaded) == [1] * 5


FRAMES = """
import pandas as pd

def model_fn(model_dir):
    return None

def predict_fn(rows, model):
    frame = pd.DataFrame(rows)
    {body}
"""

ONE_BY_ONE = {
    "compares": "return ((frame - frame.mean()) / 2).iloc[:, 0].to_numpy()",
    "sorts": "return frame.iloc[:, 0].sort_values().to_numpy()",
    "sorts an index": "return frame.sort_values(frame.columns[0], ascending=False)",
    "adds up": "return frame.iloc[:, 0].cumsum().to_numpy()",
    "leaves out": "return frame[frame.iloc[:, 0] > 1e9].reset_index(drop=True)",
    "one answer": "return [float(frame.to_numpy().sum())]",
    "an object that counts": "return {'predictions': frame.iloc[:, 0].tolist(), 'rows': len(frame)}",
    "an object with a list of its own": "return {'predictions': frame.iloc[:, 0].tolist(), 'classes': ['a', 'b']}",
    "an object of one number": "return {'sum': float(frame.to_numpy().sum())}",
    "lots": "import random; return [random.random() for _ in range(len(frame))]",
    "numbers rows": "return list(range(len(frame)))",
    "refuses many": "assert len(frame) == 1; return frame.iloc[:, 0].to_numpy()",
    "leaves": "import sys; sys.exit(1) if len(frame) > 1 else None; return [1]",
    "a generator": "return (value for value in frame.iloc[:, 0])",
    "mean of one": "return frame.iloc[:, 0].to_numpy() + (frame.iloc[:, 0].std() if len(frame) > 2 else 0)",
}
ROW_BY_ROW = {
    "an array": "return frame.iloc[:, 0].to_numpy() * 2",
    "a list": "return (frame.iloc[:, 0] * 2).tolist()",
    "a series": "return frame.iloc[:, 0] * 2",
    "a frame": "return frame * 2",
    "a table": "return frame.to_numpy() * 2",
    "an object": "return {'predictions': frame.iloc[:, 0].tolist(), 'half': frame / 2, 'version': 3, 'by': None}",
}


@pytest.mark.parametrize("sample", [[[3.5, 1.0]], [[3.5, 1.0], [1.5, 2.0], [2.5, 3.0]]], ids=["one row", "rows"])
@pytest.mark.parametrize("body", ONE_BY_ONE.values(), ids=ONE_BY_ONE)
def test_a_model_that_is_not_row_by_row_is_found_out(tmp_path: Path, body: str, sample: object) -> None:
    loaded = scripted(tmp_path, FRAMES.replace("{body}", body))
    batcher = Batcher(loaded)
    batcher.learn(asked(sample))
    requests = [asked([[float(number), 2.0]]) for number in range(4)]

    assert not batcher.joins
    assert batcher.message
    if "random" not in body:
        assert all(map(same, answers(batcher, requests), [reply_to(loaded, request) for request in requests]))


def test_a_slow_model_is_not_tried_for_long(tmp_path: Path) -> None:
    loaded = scripted(tmp_path, MOODS)
    batcher = Batcher(loaded)
    batcher.learn(asked([[0, 1]] * 8), patience=-1.0)

    assert not batcher.joins
    assert "could not be tried" in str(batcher.message)
    assert calls_of(loaded) == []


FRAME_INPUT = """
import io
import pandas as pd

def model_fn(model_dir):
    return None

def input_fn(data, content_type):
    return pd.read_json(io.StringIO(data), orient="split")

def predict_fn(frame, model):
    CALLS.append(len(frame))
    return frame["a"].astype(str) + "".join(frame.dtypes.astype(str))

CALLS = []
"""


@pytest.mark.parametrize(
    ("others", "calls"),
    [
        ([{"columns": ["a", "b"], "data": [[1, 2.5]]}] * 2, [3]),
        ([{"columns": ["a", "b"], "data": [[1.5, 2.5]]}] * 2, [1, 2]),
        ([{"columns": ["b", "a"], "data": [[1.5, 2]]}] * 2, [1, 2]),
        ([{"columns": ["a", "b"], "index": [7], "data": [[1, 2.5]]}] * 2, [1, 1, 1]),
        ([{"columns": ["a", "b"], "data": [["x", 2.5]]}] * 2, [1, 2]),
        ([{"columns": ["a", "b"], "data": []}] * 2, [0, 0, 1]),
    ],
    ids=["alike", "another type", "another order", "an index", "text", "no rows"],
)
def test_frames_share_a_call_only_when_they_are_alike(tmp_path: Path, others: list[object], calls: list[int]) -> None:
    loaded = scripted(tmp_path, FRAME_INPUT)
    requests = [asked({"columns": ["a", "b"], "data": [[3, 4.5]]}), *map(asked, others)]
    batcher = taught(loaded, requests[0])
    calls_of(loaded).clear()

    together = answers(batcher, requests)

    assert sorted(calls_of(loaded)) == calls
    assert all(map(same, together, [reply_to(loaded, request) for request in requests]))


@pytest.mark.parametrize("body", ROW_BY_ROW.values(), ids=ROW_BY_ROW)
def test_results_of_every_shape_are_taken_apart(tmp_path: Path, body: str) -> None:
    loaded = scripted(tmp_path, FRAMES.replace("{body}", body))
    requests = [asked([[float(number), 2.0]] * (1 + number % 3)) for number in range(6)]

    together = answers(taught(loaded, asked([[3.5, 1.0]])), requests)

    assert all(map(same, together, [reply_to(loaded, request) for request in requests]))


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("BATCH = False\n" + MOODS, "inference.py says BATCH = False"),
        (
            "def transform_fn(model, data, content_type, accept): return data\n" + "def model_fn(d): return 1",
            "transform_fn",
        ),
        (MOODS + "\ndef input_fn(data, content_type): return {'rows': data}", "What input_fn makes"),
        (MOODS + "\ndef input_fn(data, content_type): return [object()]", "What input_fn makes"),
    ],
)
def test_a_script_can_say_or_show_that_its_requests_are_asked_one_by_one(
    tmp_path: Path, script: str, words: str
) -> None:
    batcher = Batcher(scripted(tmp_path, script))
    batcher.learn(asked([[0, 1]]))

    assert not batcher.joins
    assert words in str(batcher.message)


def test_a_number_of_batches_is_no_refusal(tmp_path: Path) -> None:
    taught(scripted(tmp_path, "BATCH = 32\n" + MOODS), asked([[0, 1]]))


IMAGES = """
import json
import numpy as np

def model_fn(model_dir):
    return None

def input_fn(data, content_type):
    if content_type == "image/x":
        return np.frombuffer(data, dtype="uint8").reshape(2, 2)
    return np.array(json.loads(data))

def predict_fn(rows, model):
    CALLS.append(len(rows))
    return rows.sum(axis=1)

def output_fn(prediction, accept):
    return json.dumps({"sum": prediction.tolist(), "of": len(prediction)})

CALLS = []
"""


def test_what_input_fn_makes_of_another_content_type_is_asked_alone(tmp_path: Path) -> None:
    loaded = scripted(tmp_path, IMAGES)
    batcher = taught(loaded, asked([[1.5, 2.5]]))
    calls_of(loaded).clear()
    image = Request(body=b"\x01\x02\x03\x04", content_type="image/x", accept="")

    replies = answers(batcher, [image, asked([[1.5, 2.0]]), image, asked([[2.5, 2.0], [1.5, 1.5]])])

    assert sorted(calls_of(loaded)) == [2, 2, 3]
    assert [json.loads(reply.body) for reply in replies] == [
        {"sum": [3, 7], "of": 2},
        {"sum": [3.5], "of": 1},
        {"sum": [3, 7], "of": 2},
        {"sum": [4.5, 3.0], "of": 2},
    ]


def test_a_predictor_that_changes_what_it_is_given_does_not_change_a_neighbours_request(tmp_path: Path) -> None:
    script = (
        MOODS.replace(
            "    values = rows",
            "    rows = [tuple(row.pop() for _ in range(2))[::-1] for row in rows]\n    values = rows",
        )
        + "\ndef input_fn(data, content_type):\n    import json\n    return json.loads(data)\n"
    )
    loaded = scripted(tmp_path, script)
    requests = [asked([[number % 2, number]]) for number in range(6)]

    together = answers(taught(loaded, asked([[0, 1]])), requests)

    assert all(map(same, together, [reply_to(loaded, request) for request in requests]))
    assert [reply.status for reply in together] == [200, 500] * 3


def test_an_answer_that_cannot_be_written_is_the_failure_of_its_request_alone(tmp_path: Path) -> None:
    script = IMAGES.replace("json.dumps({", "open('/nowhere/at/all') if prediction[0] > 9 else json.dumps({")
    loaded = scripted(tmp_path, script)

    replies = answers(taught(loaded, asked([[1.5, 2.5]])), [asked([[1, number]]) for number in (1, 9, 2)])

    assert [reply.status for reply in replies] == [200, 500, 200]
    assert replies[1].body.startswith(b"FileNotFoundError")


@pytest.mark.parametrize(
    ("make", "sample"),
    [
        (lambda: linear.LinearRegression().fit([[1.0, 2.0], [2.0, 1.0]], [[1.0, 2.0], [2.0, 3.0]]), [[1.0, 2.0]]),
        (lambda: lambda rows: rows * 2, [[1.0, 2.0]]),
    ],
    ids=["two outputs", "a function"],
)
def test_models_without_classes_of_their_own_are_joined(make: Callable[[], Any], sample: object) -> None:
    loaded = LoadedModel(model=make(), script=None)
    requests = [asked([[float(number), 1.0]]) for number in range(4)]

    together = answers(taught(loaded, asked(sample)), requests)

    assert all(map(same, together, [reply_to(loaded, request) for request in requests]))
