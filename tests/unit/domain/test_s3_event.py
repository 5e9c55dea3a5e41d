"""Which models a notification of S3 is for."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.adapters.local.project_file import read_project
from everfit.domain.s3_event import S3Place, s3_changes, s3_events, s3_places
from everfit.domain.trigger import Amount, TriggerKind
from tests.stored import START

EXAMPLES = Path(os.environ.get("EVERFIT_REAL_EVENTS", "no-such-folder"))
"""Notifications that AWS sent; they are kept apart from this repository."""
PLACE = S3Place(model="churn", environment="production", trigger="data", bucket="lake", pattern="churn")


def record(key: str = "churn/day+1.csv", name: str = "ObjectCreated:Put", **found: Any) -> dict[str, Any]:
    """Return a notification as S3 sends it itself."""
    item = {"key": key, "size": 5, "eTag": "e", "versionId": "v7", "sequencer": "0055AED6DCD90281E5", **found}
    s3 = {"s3SchemaVersion": "1.0", "bucket": {"name": "lake"}, "object": item}
    told = {"eventSource": "aws:s3", "eventTime": "2026-11-20T08:00:00.123Z", "eventName": name, "s3": s3}
    return {"Records": [told]}


def bridged(key: str = "churn/day 1.csv", kind: str = "Object Created") -> dict[str, Any]:
    """Return a notification as EventBridge passes it on."""
    item = {"key": key, "size": 5, "etag": "e", "version-id": "v7", "sequencer": "0055AED6DCD90281E5"}
    detail = {"version": "0", "bucket": {"name": "lake"}, "object": item}
    return {"source": "aws.s3", "detail-type": kind, "time": "2026-11-20T08:00:00Z", "detail": detail}


def test_an_object_that_was_written_starts_a_run_of_the_model_whose_data_it_is() -> None:
    (event,) = s3_events(record(), [PLACE], START)
    assert (event.kind, event.model, event.environment, event.trigger) == (
        TriggerKind.DATA,
        "churn",
        "production",
        "data",
    )
    assert event.subject == "s3://lake/churn/day 1.csv was written (5 bytes)"
    assert event.at == datetime(2026, 11, 20, 8, 0, 0, 123000, tzinfo=UTC)


def test_every_envelope_gives_the_same_event() -> None:
    direct = s3_events(record(), [PLACE], START)[0].id
    message = json.dumps(record())
    sns = {"Type": "Notification", "Message": message}
    lambda_sns = {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": message}}]}
    queued = {"Records": [{"eventSource": "aws:sqs", "body": json.dumps(sns)}]}
    for told in (sns, lambda_sns, queued, bridged(), {"Type": "Notification", "Message": json.dumps(bridged())}):
        assert [event.id for event in s3_events(told, [PLACE], START)] == [direct]


def test_the_id_holds_all_that_tells_one_change_from_another() -> None:
    (event,) = s3_events(record(), [PLACE], START)
    assert event.id == "s3:lake/churn/day 1.csv#v7@0055AED6DCD90281E5"


def test_a_storage_without_sequencers_is_told_apart_by_content_and_time() -> None:
    (event,) = s3_events(record(sequencer=None), [PLACE], START)
    assert event.id == "s3:lake/churn/day 1.csv#v7@e.2026-11-20T08:00:00.123Z"


@pytest.mark.parametrize(
    "name", ["ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated", "s3:ObjectRemoved:Delete"]
)
def test_a_deletion_counts(name: str) -> None:
    (event,) = s3_events(record(name=name, size=None), [PLACE], START)
    assert event.subject == "s3://lake/churn/day 1.csv was deleted"
    (bridge,) = s3_events(bridged(kind="Object Deleted"), [PLACE], START)
    assert bridge.subject == event.subject


def test_an_event_brings_no_amount_for_the_listing_counts_it() -> None:
    assert s3_events(record(), [PLACE], START)[0].amount == Amount()


@pytest.mark.parametrize("name", ["ObjectRestore:Post", "ReducedRedundancyLostObject", "ObjectTagging:Put", ""])
def test_what_changes_no_data_is_passed_over(name: str) -> None:
    assert s3_events(record(name=name), [PLACE], START) == []


@pytest.mark.parametrize(
    "key", ["other/a.csv", "churn-old/a.csv", "churn/.tmp/a", "churn/a.csv.part", "churn/sub/", "a%00b"]
)
def test_keys_that_are_no_data_of_the_model_are_passed_over(key: str) -> None:
    assert s3_events(record(key), [PLACE], START) == []


@pytest.mark.parametrize(
    ("encoded", "plain"),
    [("churn/a%2Bb.csv", "a+b.csv"), ("churn/%C3%BC+x.csv", "ü x.csv"), ("churn/100%25.csv", "100%.csv")],
)
def test_keys_are_decoded_as_s3_encodes_them(encoded: str, plain: str) -> None:
    (event,) = s3_events(record(encoded), [PLACE], START)
    assert event.detail["key"] == f"churn/{plain}"


def test_keys_of_eventbridge_are_plain_already() -> None:
    (event,) = s3_events(bridged("churn/a+b%20.csv"), [PLACE], START)
    assert event.detail["key"] == "churn/a+b%20.csv"


def test_each_model_whose_data_it_is_gets_an_event() -> None:
    whole = S3Place(model="all", environment="staging", trigger="data", bucket="lake", pattern="")
    glob = S3Place(model="csv", environment="production", trigger="data", bucket="lake", pattern="*/*.csv")
    other = S3Place(model="none", environment="production", trigger="data", bucket="pond", pattern="churn")
    assert [event.model for event in s3_events(record(), [PLACE, whole, glob, other], START)] == ["churn", "all", "csv"]


def test_several_records_are_several_events_in_whichever_order_they_come() -> None:
    late, early = record(sequencer="0B")["Records"], record(sequencer="0A")["Records"]
    assert len({event.id for event in s3_events({"Records": [*late, *early]}, [PLACE], START)}) == 2


def test_the_test_message_of_a_new_subscription_starts_nothing() -> None:
    assert s3_events({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "lake"}, [PLACE], START) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "Records",
                    "s3",
                    "bucket",
                    "object",
                    "name",
                    "key",
                    "Message",
                    "source",
                    "detail",
                    "eventSource",
                    "body",
                ]
            ),
            below | st.sampled_from(["aws:s3", "aws:sqs", "aws:sns", "aws.s3", "{}", "[", "ObjectCreated:Put"]),
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_no_body_is_too_strange(body: object) -> None:
    assert isinstance(s3_events(body, [PLACE], START), list)


def test_envelopes_inside_envelopes_come_to_an_end() -> None:
    body: dict[str, Any] = record()
    for _ in range(50):
        body = {"Records": [{"eventSource": "aws:sns", "EventSource": "aws:sns", "Sns": body}]}
    assert list(s3_changes(body)) == []


PROJECT = """\
model: churn
data: {source: "s3://lake/churn/", target: y}
gate: [mae <= 5]
triggers: [{data: {}, environments: [staging, production]}]
environments:
  staging: {data: {source: "s3://lake/small/*.csv"}}
  production: {}
  local: {data: {source: data/}}
"""


def test_the_places_are_those_that_a_trigger_for_new_data_names(tmp_path: Path) -> None:
    (tmp_path / "everfit.yaml").write_text(PROJECT)
    places = s3_places([read_project(tmp_path, {})])
    assert [(place.environment, place.bucket, place.pattern) for place in places] == [
        ("staging", "lake", "small/*.csv"),
        ("production", "lake", "churn"),
    ]


@pytest.mark.parametrize(
    ("name", "bucket", "key"),
    [
        ("s3Event.json", "lambda-artifacts-deafc19498e3f2df", "b21b84d653bb07b05b1e6b33684dc11b"),
        ("s3EventBridgeNotificationObjectCreatedEvent.json", "example-bucket", "IMG_m7fzo3.jpg"),
    ],
)
def test_real_notifications_are_read(name: str, bucket: str, key: str) -> None:
    if not (EXAMPLES / name).exists():
        pytest.skip("the recorded events of AWS are not here")
    (change,) = s3_changes(json.loads((EXAMPLES / name).read_text()))
    assert (change.bucket, change.key) == (bucket, key)
