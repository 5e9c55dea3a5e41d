"""How good live answers were: on rows whose labels have come, version by version, by the formulas of the gate."""

import csv
import io
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from everfit.adapters.local import live_rows
from everfit.adapters.local.live_quality import STALE, LiveQuality, Matching
from everfit.domain.errors import BackendError
from everfit.domain.live import Losses, Quality
from everfit.jobs import regression_metrics
from everfit.serving.capture_keeper import keep
from tests.integration.captured import give_labels, keep_answers

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The folder of the host below a state folder."""
    return tmp_path / "host"


def quality(
    host: Path, *metrics: str, versions: Sequence[int] = (1, 2), since: datetime = LONG_AGO
) -> dict[int, Quality]:
    return dict(LiveQuality(host.parent).quality("solar", versions, metrics, since))


def answer(*values: object, **more: object) -> str:
    return json.dumps({"predictions": values, **more})


def test_labels_that_come_late_are_joined_to_the_answers_they_belong_to(host: Path) -> None:
    """Labels that arrive late are joined to the predictions they belong to; quality is of matured rows only."""
    keep_answers(host, [(1, "a", answer(10.0)), (1, "b", answer(20.0)), (2, "c", answer(30.0)), (2, "d", answer(1e9))])
    assert quality(host, "mae") == {}
    give_labels(host, ("a", [12.0]), ("b", [19.0]))
    assert quality(host, "mae", "bias") == {
        1: Quality(rows=2, metrics={"mae": 1.5, "bias": -0.5}, losses=Losses(rows=2, mean=1.5, variance=0.5))
    }
    give_labels(host, ("c", [30.0]))
    assert quality(host, "mae")[2] == Quality(
        rows=1, metrics={"mae": 0.0}, losses=Losses(rows=1, mean=0.0, variance=0.0)
    )


def test_it_is_the_same_from_a_spool_from_parquet_and_from_both(host: Path) -> None:
    keep_answers(host, [(1, f"a{n}", answer(float(n))) for n in range(50)])
    give_labels(host, *((f"{which}{n}", [n + 1.0]) for which in "ab" for n in range(50)))
    spooled = quality(host, "mae", "mape")
    keep(host, time.time())
    assert quality(host, "mae", "mape")[1].metrics == pytest.approx(dict(spooled[1].metrics))
    keep_answers(host, [(1, f"b{n}", answer(float(n))) for n in range(50)])
    both = quality(host, "mae", "mape")
    assert (spooled[1].rows, both[1].rows) == (50, 100)
    assert both[1].metrics == pytest.approx(dict(spooled[1].metrics))


def test_a_label_may_come_before_its_request_is_written(host: Path) -> None:
    give_labels(host, ("a", [2.0]))
    assert quality(host, "mae") == {}
    assert LiveQuality(host.parent).matching("solar") == Matching(requests=1, unmatched=1)
    keep_answers(host, [(1, "a", answer(1.0))])
    assert quality(host, "mae")[1].metrics == {"mae": 1.0}
    assert LiveQuality(host.parent).matching("solar") == Matching(requests=1, unmatched=0)


def test_labels_for_requests_that_nobody_kept_are_counted_as_unmatched(host: Path) -> None:
    keep_answers(host, [(1, "a", answer(1.0))])
    keep(host, time.time())
    keep_answers(host, [(1, "b", answer(1.0))])
    give_labels(host, ("a", [2.0]), ("b", [2.0]), ("nobody", [2.0]), ("nobody", [3.0]))
    assert LiveQuality(host.parent).matching("solar") == Matching(requests=3, unmatched=1)
    assert quality(host, "mae")[1].rows == 2


def test_the_same_label_twice_counts_once_and_of_two_the_newest(host: Path) -> None:
    keep_answers(host, [(1, "a", answer(1.0)), (1, "b", answer(5.0))])
    give_labels(host, ("a", [3.0]), ("b", [5.0]))
    give_labels(host, ("a", [3.0]))
    assert quality(host, "mae")[1].metrics == {"mae": 1.0}
    give_labels(host, ("a", [1.5]))
    assert quality(host, "mae")[1].metrics == {"mae": 0.25}


def test_rows_of_one_request_may_be_labelled_bit_by_bit(host: Path) -> None:
    keep_answers(host, [(1, "a", answer(1.0, 2.0, 3.0))])
    give_labels(host, ("a", [None, 2.5, None]))
    assert quality(host, "mae")[1].rows == 1
    give_labels(host, ("a", [2.0, None, None]))
    assert quality(host, "mae")[1] == Quality(
        rows=2, metrics={"mae": 0.75}, losses=Losses(rows=2, mean=0.75, variance=0.125)
    )


def test_labels_of_another_number_than_the_rows_say_nothing(host: Path) -> None:
    keep_answers(host, [(1, "a", answer(1.0, 2.0)), (1, "b", answer(1.0))])
    give_labels(host, ("a", [1.0]), ("b", [1.0, 2.0]))
    assert quality(host, "mae") == {}


def test_zero_actuals_are_left_out_of_mape_and_of_nothing_else(host: Path) -> None:
    """Division by zero in MAPE (zero actuals at night) is handled by definition, documented, not by luck."""
    keep_answers(host, [(1, "night", answer(1.0)), (1, "day", answer(9.0)), (2, "dark", answer(0.0))])
    give_labels(host, ("night", [0]), ("day", [10]), ("dark", [0.0]))
    found = quality(host, "mape", "mae")
    assert found[1].metrics == {"mape": pytest.approx(10.0), "mae": 1.0}
    assert found[1].rows == 2
    assert found[2].metrics == {"mape": None, "mae": 0.0}


def test_only_answers_since_then_count(host: Path) -> None:
    now = time.time()
    keep_answers(host, [(1, "old", answer(1.0))], at=now - 100)
    keep_answers(host, [(1, "new", answer(1.0))], at=now)
    give_labels(host, ("old", [5.0]), ("new", [2.0]))
    since = datetime.fromtimestamp(now - 50, UTC).astimezone(tz=None)
    assert quality(host, "mae", since=since)[1].metrics == {"mae": 1.0}
    assert quality(host, "mae", since=since + timedelta(days=1)) == {}


def test_a_request_that_a_caller_named_twice_counts_once_for_each_version(host: Path) -> None:
    keep_answers(host, [(1, "a", answer(1.0)), (2, "a", answer(4.0))], at=time.time() - 10)
    keep_answers(host, [(1, "a", answer(3.0))])
    give_labels(host, ("a", [5.0]))
    found = quality(host, "mae")
    assert {version: each.metrics["mae"] for version, each in found.items()} == {1: 2.0, 2: 1.0}


def as_csv(values: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([value] for value in values)
    return text.getvalue()


def as_lines(values: Sequence[object]) -> str:
    return "".join(f"{json.dumps(value)}\n" for value in values)


SHAPES: dict[str, tuple[str, Callable[[Sequence[object]], str]]] = {
    "an object": ("application/json", lambda values: json.dumps({"predictions": values})),
    "a list": ("application/json; charset=utf-8", json.dumps),
    "rows of one": ("application/json", lambda values: json.dumps([[value] for value in values])),
    "objects": ("application/json", lambda values: json.dumps([{"prediction": value} for value in values])),
    "csv": ("text/csv", as_csv),
    "csv with quotes": ("text/csv", lambda values: "".join(f'"{value}"\n' for value in values)),
    "lines": ("application/jsonlines", as_lines),
    "lines of rows": ("application/x-ndjson", lambda values: as_lines([[value] for value in values])),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_answer_gives_the_figures_of_the_gate(host: Path, shape: str) -> None:
    kind, write = SHAPES[shape]
    chance = random.Random(7)
    actual = [[chance.gauss(50, 20) for _ in range(rows)] for rows in (1, 3, 1, 2)]
    predicted = [[value + chance.gauss(0, 2) for value in rows] for rows in actual]
    keep_answers(host, [(1, f"a{place}", write(values)) for place, values in enumerate(predicted)], kind)
    give_labels(host, *((f"a{place}", values) for place, values in enumerate(actual)))
    flat = [np.array([value for rows in side for value in rows]) for side in (actual, predicted)]
    wanted = regression_metrics.measure(*flat)
    found = quality(host, *wanted)[1]
    assert found.metrics == {name: pytest.approx(figure.value) for name, figure in wanted.items()}
    assert found.rows == 7
    assert found.losses is not None
    assert found.losses.variance == pytest.approx(statistics.variance(map(float, np.abs(flat[1] - flat[0]))))


@pytest.mark.parametrize("shape", sorted(set(SHAPES) - {"objects"}))
def test_labels_are_right_or_wrong_whatever_they_look_like(host: Path, shape: str) -> None:
    kind, write = SHAPES[shape]
    keep_answers(host, [(1, "b", write(["no", "yes"])), (2, "c", write(["maybe"]))], kind)
    give_labels(host, ("b", ["yes", "yes"]), ("c", ["no"]))
    found = quality(host, "accuracy")
    assert found[1].metrics == {"accuracy": 0.5}
    assert found[1].losses == Losses(rows=2, mean=0.5, variance=0.5)
    assert found[2].metrics == {"accuracy": 0.0}


def test_labels_that_are_spelled_otherwise_are_the_same(host: Path) -> None:
    keep_answers(host, [(1, "a", answer(1)), (1, "b", answer(0.0)), (1, "c", answer(1.0))])
    give_labels(host, ("a", ["1.0"]), ("b", [0]), ("c", [False]))
    found = quality(host, "accuracy")[1]
    assert found.metrics == {"accuracy": pytest.approx(2 / 3)}


def test_probabilities_give_their_metrics(host: Path) -> None:
    given = [("a", "no", 0.9), ("b", "yes", 0.2), ("c", "yes", 0.6), ("d", "no", 0.3)]
    keep_answers(
        host,
        [
            (1, name, answer("no" if low > 0.5 else "yes", probabilities=[[low, 1 - low]], labels=["no", "yes"]))
            for name, _, low in given
        ],
    )
    give_labels(host, *((name, [label]) for name, label, _ in given))
    found = quality(host, "accuracy", "roc_auc", "log_loss", "brier")[1]
    losses = [-np.log(low if label == "no" else 1 - low) for _, label, low in given]
    squares = [(1 - low - (label == "yes")) ** 2 for _, label, low in given]
    assert found.metrics == {
        "accuracy": 0.5,
        "roc_auc": 0.75,
        "log_loss": pytest.approx(float(np.mean(losses))),
        "brier": pytest.approx(float(np.mean(squares))),
    }


def test_of_two_labels_the_second_in_label_order_is_the_positive_one(host: Path) -> None:
    keep_answers(host, [(1, "a", answer(1)), (1, "b", answer(1)), (1, "c", answer(0))])
    give_labels(host, ("a", [1]), ("b", [0]), ("c", [0]))
    assert quality(host, "precision", "recall")[1].metrics == {"precision": 0.5, "recall": 1.0}


def test_of_a_single_label_only_the_accuracy_is_known(host: Path) -> None:
    keep_answers(host, [(1, "a", answer("yes"))])
    give_labels(host, ("a", ["yes"]))
    assert quality(host, "accuracy", "f1", "roc_auc")[1].metrics == {"accuracy": 1.0, "f1": None, "roc_auc": None}


def test_without_the_name_of_a_metric_the_answers_tell_the_task(host: Path) -> None:
    keep_answers(host, [(1, "a", answer(3.0))])
    give_labels(host, ("a", [1.0]))
    assert quality(host)[1].losses == Losses(rows=1, mean=2.0, variance=0.0)
    keep_answers(host, [(1, "b", answer(3, probabilities=[[0.1, 0.9]], labels=[1, 3]))])
    assert quality(host)[1].losses == Losses(rows=1, mean=2.0, variance=0.0)
    give_labels(host, ("b", [1]))
    assert quality(host)[1].losses == Losses(rows=2, mean=1.0, variance=0.0)


@pytest.mark.parametrize("bad", [b"\xff\xfe", b"{", b"null", b'{"predictions": {}}', b"", b'{"predictions": [null]}'])
def test_an_answer_that_cannot_be_read_is_left_out(host: Path, bad: bytes) -> None:
    keep_answers(host, [(1, "a", bad), (1, "b", answer(2.0))])
    give_labels(host, ("a", [1.0]), ("b", [1.0]))
    assert quality(host, "mae")[1] == Quality(
        rows=1, metrics={"mae": 1.0}, losses=Losses(rows=1, mean=1.0, variance=0.0)
    )


def test_a_line_of_labels_that_a_kill_cut_off_is_left_out(host: Path) -> None:
    keep_answers(host, [(1, "a", answer(2.0)), (1, "b", answer(2.0))])
    give_labels(host, ("a", [1.0]), ("b", [1.0]))
    (file,) = (host / "labels" / "solar").iterdir()
    file.write_bytes(file.read_bytes()[:-4])
    assert quality(host, "mae")[1].rows == 1


def test_a_metric_that_nobody_knows_has_no_value(host: Path) -> None:
    keep_answers(host, [(1, "a", answer(2.0))])
    give_labels(host, ("a", [1.0]))
    assert quality(host, "profit", "mae")[1].metrics == {"profit": None, "mae": 1.0}


def test_of_very_many_rows_the_newest_are_measured(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_rows, "MOST_ROWS", 5)
    for number in range(4):
        keep_answers(host, [(1, f"a{number}", answer(number, number))], at=time.time() - 10 + number)
        give_labels(host, (f"a{number}", [0, 0]))
    assert quality(host, "mae")[1].metrics == {"mae": 2.5}


def test_it_is_not_computed_anew_while_no_label_comes(host: Path) -> None:
    now = [0.0]
    live = LiveQuality(host.parent, lambda: now[0])
    give_labels(host, ("a", [1.0]), ("b", [1.0]), ("c", [5.0]))
    keep_answers(host, [(1, "a", answer(1.0))])
    rows = [live.quality("solar", [1], ["mae"], LONG_AGO)[1].rows]
    keep_answers(host, [(1, "b", answer(1.0))])
    rows.append(live.quality("solar", [1], ["mae"], LONG_AGO)[1].rows)
    now[0] = STALE + 1
    rows.append(live.quality("solar", [1], ["mae"], LONG_AGO)[1].rows)
    keep_answers(host, [(1, "c", answer(1.0))])
    give_labels(host, ("c", [1.0]))
    rows.append(live.quality("solar", [1], ["mae"], LONG_AGO)[1].rows)
    assert rows == [1, 1, 2, 3]


def test_files_that_cannot_be_read_are_told_of(host: Path) -> None:
    keep_answers(host, [(1, "a", answer(2.0))])
    give_labels(host, ("a", [1.0]))
    keep(host, time.time())
    (segment,) = host.glob("capture/solar/*/*.parquet")
    segment.write_bytes(b"PAR1" * 100)
    with pytest.raises(BackendError, match="requests and labels of endpoint solar cannot be read") as told:
        quality(host, "mae")
    assert told.value.retryable


def test_where_nothing_is_kept_there_is_no_quality(host: Path) -> None:
    assert quality(host, "mae") == {}
    assert LiveQuality(host.parent).matching("solar") == Matching(requests=0, unmatched=0)
    give_labels(host, ("a", [1.0]))
    assert quality(host, "mae", versions=()) == {}
