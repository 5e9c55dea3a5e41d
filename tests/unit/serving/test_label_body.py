import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.serving.errors import UnreadableRequestError
from everfit.serving.label_body import Labelled, read_labels

LABELS = st.one_of(
    st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20)
)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('{"inference_id": "a", "label": 1.5}', "application/json"),
        ('[{"inference_id": "a", "label": 1.5}]', "application/json; charset=utf-8"),
        ('{"inference_id": "a", "labels": [1.5]}', ""),
        ('\n{"inference_id": "a", "label": 1.5}\r\n\n', "application/jsonlines"),
    ],
)
def test_a_label_is_read_from_every_shape_of_json(body: str, kind: str) -> None:
    assert read_labels(body.encode(), kind) == [Labelled(inference_id="a", labels=(1.5,))]


def test_csv_may_have_its_columns_in_any_order_and_others_beside() -> None:
    body = b'label,comment,inference_id\n1180.0,"late,\nbut true",order-17\n\nno,,"order ""18"""\n'
    found = read_labels(body, "text/csv")
    assert [(each.inference_id, each.labels) for each in found] == [("order-17", ("1180.0",)), ('order "18"', ("no",))]


@given(st.lists(st.tuples(st.text(min_size=1, max_size=30), LABELS), min_size=1, max_size=5))
def test_what_was_sent_is_what_is_read(entries: list[tuple[str, object]]) -> None:
    documents = [{"inference_id": name, "label": label} for name, label in entries]
    for body, kind in (
        (json.dumps(documents), "application/json"),
        ("\n".join(json.dumps(each) for each in documents), "application/x-ndjson"),
    ):
        found = read_labels(body.encode(), kind)
        assert [(each.inference_id, each.labels) for each in found] == [(name, (label,)) for name, label in entries]


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        ("{", "application/json", 400, "not JSON"),
        ("[]", "application/json", 400, "holds no label"),
        ("", "text/csv", 400, "must name the columns"),
        ("id,label\na,1\n", "text/csv", 400, "must name the columns"),
        ("inference_id,label\n", "text/csv", 400, "holds no label"),
        ("inference_id,label\na,1\nb\nc,\n", "text/csv", 400, "Line 3: it has 1 values"),
        ('inference_id,label\na,"' + "x" * 200_000 + '"\n', "text/csv", 400, "Line"),
        ('[{"inference_id": "a", "label": 1}, 7]', "application/json", 400, "Entry 2: it is not an object"),
        ('{"inference_id": 7, "label": 1}', "application/json", 400, "is not a text"),
        ('{"inference_id": "", "label": 1}', "application/json", 400, "is not a text"),
        ('{"inference_id": "a"}', "application/json", 400, 'needs either "label"'),
        ('{"inference_id": "a", "label": 1, "labels": [1]}', "application/json", 400, 'needs either "label"'),
        ('{"inference_id": "a", "labels": []}', "application/json", 400, "a label for each row"),
        ('{"inference_id": "a", "labels": [1, {}]}', "application/json", 400, "label 2 is not a finite number"),
        ('{"inference_id": "a", "label": NaN}', "application/json", 400, "not a finite number"),
        ('{"inference_id": "a", "label": 1' + "0" * 400 + "}", "application/json", 400, "not a finite number"),
        ('{"inference_id": "a", "label": null}', "application/json", 400, "only null"),
        ("[" * 100_000, "application/json", 400, "not JSON"),
        ('{"inference_id": "a", "label": 1}\n{"infer', "application/jsonlines", 400, "Line 2: it is not JSON"),
        ("\xff", "application/json", 400, "not JSON"),
        ("a", "image/png", 415, "not read from image/png"),
    ],
)
def test_each_wrong_line_is_named_and_nothing_is_kept(body: str, kind: str, status: int, words: str) -> None:
    with pytest.raises(UnreadableRequestError, match=words) as refused:
        read_labels(body.encode(), kind)
    assert refused.value.status == status


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(UnreadableRequestError, match="not UTF-8"):
        read_labels(b"\xff\xfe", "application/json")


def test_of_many_wrong_lines_the_first_are_named_and_the_others_counted() -> None:
    with pytest.raises(UnreadableRequestError, match=r"Line 11: .* And 990 more\."):
        read_labels(b"inference_id,label\n" + b"a,\n" * 1000, "text/csv")
