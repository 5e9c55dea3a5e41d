"""Batches of good and bad requests, asked of real worker processes with real models."""

import json
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from everfit.serving.frames import Reply, Trouble
from tests.integration.workers import RunningWorker, request, worker

numpy = pytest.importorskip("numpy", reason="the default handlers are tested with numpy")
linear = pytest.importorskip("sklearn.linear_model", reason="the default handlers are tested with scikit-learn")

SCRIPT = """
import os, sys
from pathlib import Path

def model_fn(model_dir):
    return Path(model_dir).parent / "calls"

def predict_fn(rows, model):
    with model.open("a") as calls:
        print(len(rows), file=calls)
    answers = []
    for row in rows.to_numpy().tolist() if hasattr(rows, "to_numpy") else rows.tolist():
        if row[0] == "raise": raise ValueError("no such house")
        if row[0] == "exit": sys.exit(3)
        if row[0] == "fork" and os.fork() == 0: return answers
        if row[0] == "print": print("seen", row[1])
        if row[0] == "nothing": continue
        if row[0] == "object": answers.append(chr(0xD800)); continue
        answers.append(float("nan") if row[0] == "nan" else row[1])
    return answers
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "m"
    (folder / "code").mkdir(parents=True)
    return folder


@pytest.fixture
def scripted(folder: Path) -> Iterator[RunningWorker]:
    (folder / "code" / "inference.py").write_text(SCRIPT)
    with worker(folder) as running:
        assert not running.connections[0].ready().batches
        assert running.learn('[["a", "b"]]').batches
        yield running


@pytest.fixture
def regression(folder: Path) -> Iterator[RunningWorker]:
    model = linear.LinearRegression(fit_intercept=False).fit(numpy.eye(3), [1.0, 2.0, 3.0])
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    with worker(folder) as running:
        assert running.learn("[[1.5, 2.5, 3.5]]").batches
        yield running


def calls(running: RunningWorker) -> list[int]:
    """Return the rows of each call that the script has counted, and forget them."""
    path = running.log.with_name("calls")
    counted = [int(line) for line in path.read_text().split()]
    path.write_text("")
    return counted


def contents(replies: list[Reply]) -> list[Any]:
    return [json.loads(reply.body) if reply.status == 200 else (reply.status, reply.body.decode()) for reply in replies]


def test_requests_of_one_batch_share_a_call(scripted: RunningWorker) -> None:
    calls(scripted)

    replies = scripted.ask(*(f'[["a", {number}]]' for number in range(32)))

    assert contents(replies) == [[str(number)] for number in range(32)]
    assert calls(scripted) == [32]


def test_the_next_front_learns_at_once_whether_requests_can_be_joined(scripted: RunningWorker) -> None:
    scripted.connections[0].close()

    assert scripted.connect().ready().batches


@pytest.mark.parametrize(
    ("bad", "status", "words"),
    [
        ('["raise", "x"]', 500, "ValueError: no such house"),
        ('["exit", "x"]', 500, "SystemExit: 3"),
        ('["object", "x"]', 500, "UnicodeEncodeError: "),
        ('["a", "b"', 400, "The body is not JSON: "),
        ("", 400, "The body is not JSON: "),
        ("[", 400, "The body is not JSON: "),
        ('{"instances": []}', 400, "The request holds no rows."),
        ('[["a", "b"], ["c"]]', 400, "The rows are not all of one length: "),
    ],
)
def test_one_bad_request_of_a_batch_fails_alone(scripted: RunningWorker, bad: str, status: int, words: str) -> None:
    body = f"[{bad}]" if bad.startswith('["') and bad.endswith("]") else bad

    replies = scripted.ask('[["a", "1"]]', body, '[["a", "2"]]', '[["b", "3"], ["c", "4"]]')

    assert contents([replies[0], *replies[2:]]) == [["1"], ["2"], ["3", "4"]]
    assert replies[1].status == status
    assert replies[1].body.decode().startswith(words)
    assert replies[1].trouble is (Trouble.REFUSED if status < 500 else Trouble.MODEL)


def test_a_row_without_an_answer_takes_none_from_its_neighbours(scripted: RunningWorker) -> None:
    replies = scripted.ask('[["a", "1"]]', '[["nothing", "2"]]', '[["b", "3"]]')

    assert contents(replies) == [["1"], [], ["3"]]


def test_nothing_that_a_row_makes_the_model_do_reaches_its_neighbours(scripted: RunningWorker) -> None:
    replies = scripted.ask(*(f'[["{what}", "{what}"]]' for what in ("a", "print", "fork", "nan", "b")))

    assert contents(replies) == [["a"], ["print"], ["fork"], [None], ["b"]]
    assert "seen print" in scripted.log.read_text()
    assert contents(scripted.ask('[["a", "still here"]]')) == [["still here"]]


def test_csv_with_quotes_and_line_ends_shares_calls_like_any_other(scripted: RunningWorker) -> None:
    calls(scripted)

    replies = scripted.ask(
        'kind,text\na,"one, ""two""\nthree"\n', "kind,text\na,b\nc,d\n", "kind,text\r\ne,f\r\n", content_type="text/csv"
    )

    assert contents(replies) == [['one, "two"\nthree'], ["b", "d"], ["f"]]
    assert calls(scripted) == [4]


def test_numbers_at_the_edge_stay_with_their_request(regression: RunningWorker) -> None:
    replies = regression.ask("[[1.5, 2.5, 3.5]]", "[[1e308, 1e308, 1e308]]", "[[NaN, 1.0, 1.0]]", "[[1e999, 0.5, 0.5]]")

    assert contents(replies[:1])[0]["predictions"] == [pytest.approx(17.0)]
    assert contents(replies[1:2]) == [{"predictions": [None]}]
    assert [reply.status for reply in replies[2:]] == [500, 500]
    assert b"NaN" in replies[2].body
    assert b"infinity" in replies[3].body


def test_ten_thousand_rows_are_answered_beside_one(regression: RunningWorker) -> None:
    large = json.dumps([[number, number + 0.5, 0.25] for number in range(10_000)])

    many, one = contents(regression.ask(large, "[[1.5, 2.5, 3.5]]"))

    assert len(many["predictions"]) == 10_000
    assert many["predictions"][4000] == pytest.approx(4000 + 2 * 4000.5 + 0.75)
    assert one["predictions"] == [pytest.approx(17.0)]


def test_a_model_without_a_sample_is_learnt_of_at_the_first_request_that_is_answered(folder: Path) -> None:
    (folder / "code" / "inference.py").write_text(SCRIPT)
    with worker(folder) as running:
        assert running.ask('["wrong"')[0].status == 400
        assert not running.connections[0].ready().batches
        running.ask('[["a", "b"]]')
        # Whether it was quick enough to be asked again is up to the machine; the answers are the same either way.
        assert contents(running.ask('[["a", 1]]', '[["a", 2]]')) == [["1"], ["2"]]


def test_a_model_that_compares_rows_says_that_it_cannot_be_batched(folder: Path) -> None:
    (folder / "code" / "inference.py").write_text(
        "def model_fn(model_dir): return 1\ndef predict_fn(rows, model): return rows[:, 0] - rows[:, 0].mean()\n"
    )
    with worker(folder) as running:
        hello = running.learn("[[1.5, 2.0], [3.0, 4.0]]")

        assert (hello.batches, hello.pid) == (False, running.process.pid)
        assert hello.message == "The model gives a row another answer when it is asked together with others."
        assert contents(running.ask("[[1.0, 2.0], [3.0, 4.0]]", "[[5.0, 6.0]]")) == [[-1.0, 1.0], [0.0]]


def test_each_request_of_a_model_that_cannot_be_batched_is_answered_as_soon_as_it_is(folder: Path) -> None:
    (folder / "code" / "inference.py").write_text(
        "import os\n"
        "def model_fn(model_dir): return model_dir\n"
        "def transform_fn(model, data, content_type, accept):\n"
        "    if data == 'wait': open(model + '.fifo').read()\n"
        "    return data\n"
    )
    os.mkfifo(f"{folder}.fifo")
    with worker(folder) as running:
        connection = running.connections[0]
        connection.ready()

        connection.send([request("first", "text/csv"), request("wait", "text/csv")])

        assert [reply.body for _, reply in connection.receive()] == [b"first"]

        Path(f"{folder}.fifo").write_text("go on")
        assert [reply.body for _, reply in connection.receive()] == [b"wait"]


BARE = """
from pathlib import Path

def model_fn(model_dir):
    try:
        import numpy
    except ImportError:
        return Path(model_dir).parent / "calls"

def predict_fn(rows, model):
    with model.open("a") as calls:
        print(len(rows), file=calls)
    return [row["b"] * 2 if isinstance(row, dict) else row[1] * 2 for row in rows]
"""


def test_an_environment_without_any_package_is_batched_as_well(folder: Path) -> None:
    (folder / "code" / "inference.py").write_text(BARE)
    with worker(folder, None, "-S") as running:
        assert running.learn('[{"a": 1, "b": 2.5}]').batches
        calls(running)

        named = running.ask('[{"a": 1, "b": 2.5}]', '[{"a": 2, "b": 3.5}, {"a": 3, "b": 4.5}]', '[{"a": 1, "b": 2}]')
        listed = running.ask("[[1, 2.5]]", "[[2, 3.5], [3, 4.5]]", "[[1, 2]]")
        table = running.ask("a,b\n1,2\n", 'a,b\n"1",2\n', "a,b\n", content_type="text/csv")

        assert contents(named) == contents(listed) == [[5.0], [7.0, 9.0], [4]]
        assert [reply.body for reply in table[:2]] == [b"[4]", b"[4]"]
        assert contents(table[2:]) == [(400, "The CSV holds a header and no rows.")]
        assert sorted(calls(running)) == [1, 1, 1, 1, 3, 3]
