import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.errors import RequestError
from everfit.domain.outside_event import LARGEST_PAYLOAD, binary_event, outside_events, trigger_events
from everfit.domain.project import Data, Project, Task
from everfit.domain.trigger import TriggerKind
from everfit.domain.triggers import OtherEvent
from tests.stored import START

EVENTBRIDGE: dict[str, Any] = {
    "version": "0",
    "id": "6a7e8feb",
    "detail-type": "EC2 Instance State-change Notification",
    "source": "aws.ec2",
    "time": "2017-12-22T18:43:48Z",
    "detail": {"state": "terminated"},
}
CLOUD: dict[str, Any] = {"specversion": "1.0", "id": "42", "source": "warehouse", "type": "load.finished", "data": 7}
EXAMPLES = Path(os.environ.get("EVERFIT_REAL_EVENTS", "no-such-folder"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
    max_leaves=10,
)


def listening(*triggers: OtherEvent, model: str = "churn") -> Project:
    return Project(model=model, task=Task.CUSTOM, data=Data(source="data/"), triggers=triggers)


def on(source: str, kind: str | None = None, *environments: str) -> OtherEvent:
    return OtherEvent(key="event", environments=environments or ("production",), source=source, type=kind)


def test_an_event_of_eventbridge_is_read() -> None:
    (event,) = outside_events(EVENTBRIDGE)
    assert (event.id, event.source, event.type) == ("6a7e8feb", "aws.ec2", EVENTBRIDGE["detail-type"])
    assert event.at is not None
    assert event.payload == {"state": "terminated"}


def test_a_batch_of_cloud_events_is_read() -> None:
    events = outside_events([CLOUD, {**CLOUD, "id": "43"}])
    assert [(event.id, event.payload) for event in events] == [("42", 7), ("43", 7)]


def test_a_cloud_event_in_headers_is_read() -> None:
    headers = {f"ce-{name}": str(value) for name, value in CLOUD.items() if name != "data"}
    assert binary_event({**headers, "content-type": "text/xml"}, b"<xml/>").payload is None
    event = binary_event(headers, b'{"rows": 3}')
    assert (event.id, event.source, event.payload) == ("42", "warehouse", {"rows": 3})


@pytest.mark.parametrize(
    "body",
    [
        None,
        7,
        "text",
        {},
        [[]],
        {**CLOUD, "specversion": "0.3"},
        {**CLOUD, "id": ""},
        {**CLOUD, "id": 7},
        {**CLOUD, "id": "x" * 513},
        {**CLOUD, "source": "a\nb"},
        {**CLOUD, "time": "yesterday"},
        {**CLOUD, "time": "2026-11-21T09:00:00"},
        {**EVENTBRIDGE, "source": None},
    ],
)
def test_what_is_no_event_is_refused(body: object) -> None:
    with pytest.raises(RequestError):
        outside_events(body)


@given(JSON)
def test_no_json_breaks_the_reading_of_events(body: object) -> None:
    try:
        outside_events(body)
    except RequestError:
        return


def test_only_who_listens_to_source_and_type_gets_it() -> None:
    projects = [
        listening(on("warehouse")),
        listening(on("warehouse", "load.finished", "staging", "live"), model="price"),
        listening(on("warehouse", "load.failed"), model="other"),
        listening(on("warehouse2"), model="third"),
    ]
    found = trigger_events(outside_events(CLOUD), projects, "airflow", START)
    places = [(event.model, event.environment) for event in found]
    assert places == [("churn", "production"), ("price", "staging"), ("price", "live")]
    assert {event.id for event in found} == {"event:warehouse:42"}
    assert {(event.kind, event.actor, event.at) for event in found} == {(TriggerKind.EVENT, "airflow", START)}


def test_a_payload_cannot_wish_for_anything() -> None:
    """What a stranger writes into an event must not force a run or learn a schema anew."""
    body = {**CLOUD, "data": {"force": True}, "force": True, "accept_schema": True}
    (event,) = trigger_events(outside_events(body), [listening(on("warehouse"))], "bot", START)
    assert set(event.detail) == {"source", "type", "payload"}


def test_a_payload_that_is_too_large_is_left_out() -> None:
    (event,) = outside_events({**CLOUD, "data": "x" * LARGEST_PAYLOAD})
    assert event.payload is None


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the recorded events of AWS are not here")
def test_a_recorded_event_of_eventbridge_is_read() -> None:
    (event,) = outside_events(json.loads((EXAMPLES / "eventBridgeEvent.json").read_text()))
    assert (event.source, event.payload) == ("aws.ec2", {"instance_id": "i-1234567890abcdef0", "state": "terminated"})
