import hashlib
import hmac
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everfit.domain.access import Role
from everfit.domain.triggers import NewData, OtherEvent, Push
from tests.git_projects import GITHUB, ONE
from tests.served import Served
from tests.sns import TOPIC, confirmation, notification
from tests.unit.domain.test_outside_event import CLOUD, EVENTBRIDGE, JSON

MINUTES = timedelta(minutes=10)
SNS = {"x-amz-sns-message-type": "Notification", "Content-Type": "text/plain; charset=UTF-8"}
PLACE = ("production",)
S3 = {
    "eventSource": "aws:s3",
    "eventName": "ObjectCreated:Put",
    "eventTime": "2026-11-21T09:00:00Z",
    "s3": {"bucket": {"name": "lake"}, "object": {"key": "line/a.csv", "size": 7, "sequencer": "1"}},
}


@pytest.fixture
def served() -> Served:
    return listening()


def listening(**changes: Any) -> Served:
    served = Served(**changes)
    triggers = (
        OtherEvent(key="event:warehouse", environments=PLACE, source="warehouse"),
        OtherEvent(key="event:aws.ec2", environments=PLACE, source="aws.ec2", type=EVENTBRIDGE["detail-type"]),
        OtherEvent(key="event:topic", environments=PLACE, source=TOPIC),
        NewData(key="data", environments=PLACE, every=MINUTES),
        Push(key="push:main", environments=PLACE, branch="main"),
    )
    workspace = served.catalog.kept["line"]
    project = replace(
        workspace.project, triggers=triggers, data=replace(workspace.project.data, source="s3://lake/line")
    )
    served.catalog.kept["line"] = replace(workspace, project=project)
    return served


def ids(served: Served) -> list[str]:
    return [row["id"] for row in served.get("/v1/triggers")["triggers"]][::-1]


@pytest.mark.parametrize(
    ("body", "kind", "found"),
    [
        (EVENTBRIDGE, "application/json", ["event:aws.ec2:6a7e8feb"]),
        (CLOUD, "application/cloudevents+json", ["event:warehouse:42"]),
        (
            [CLOUD, {**CLOUD, "id": "43"}],
            "application/cloudevents-batch+json",
            ["event:warehouse:42", "event:warehouse:43"],
        ),
        ({"Records": [S3]}, "application/json", ["s3:lake/line/a.csv#@1"]),
    ],
)
def test_events_are_written_down_once(served: Served, body: object, kind: str, found: list[str]) -> None:
    counts = []
    for _ in range(3):
        answer = served.client.post("/events", content=json.dumps(body), headers={"Content-Type": kind})
        counts.append((answer.status_code, answer.json()["accepted"], answer.json()["known"]))
    assert counts == [(202, len(found), 0), (202, 0, len(found)), (202, 0, len(found))]
    assert ids(served) == found


def test_a_cloud_event_in_headers_may_carry_anything(served: Served) -> None:
    headers = {f"ce-{name}": str(value) for name, value in CLOUD.items() if name != "data"}
    answer = served.client.post("/events", content=b"\xff\x00", headers={**headers, "Content-Type": "image/png"})
    assert (answer.status_code, ids(served)) == (202, ["event:warehouse:42"])


def test_what_nobody_listens_to_is_recorded_nowhere(served: Served) -> None:
    answer = served.post("/events", {**CLOUD, "source": "elsewhere"})
    assert (answer.status_code, answer.json()["accepted"], ids(served)) == (202, 0, [])
    assert answer.json()["note"] == "nobody here waits for this"


def test_senders_of_events_need_the_role_trigger(served: Served) -> None:
    closed = listening(is_tokenless=False)
    assert closed.post("/events", CLOUD).status_code == 401
    assert closed.post("/events", CLOUD, headers=closed.token(Role.READ, "reader")).status_code == 403
    assert closed.post("/events", CLOUD, headers=closed.token(Role.TRIGGER)).status_code == 202


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(body=JSON.map(json.dumps) | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_no_body_breaks_the_routes_of_events(served: Served, body: str) -> None:
    for headers in ({"Content-Type": "application/json"}, SNS, {"ce-id": "1", "Content-Type": "text/plain"}):
        answer = served.client.post("/events", content=body.encode(), headers=headers)
        assert answer.status_code in (202, 400, 409, 413, 422, 429), answer.text


def sent(served: Served, values: object, **headers: str) -> Any:
    return served.client.post("/events", content=json.dumps(values), headers={**SNS, **headers})


def test_sns_needs_no_token_but_its_signature() -> None:
    served = listening(is_tokenless=False)
    assert sent(served, notification(CLOUD, Signature="wrong")).status_code == 409
    assert served.world.inbox.events() == []
    assert sent(served, notification(CLOUD)).json()["accepted"] == 2
    assert {record.event.actor for record in served.world.inbox.events()} == {f"sns:{TOPIC}"}


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ({"Records": [S3]}, "s3:lake/line/a.csv#@1"),
        (EVENTBRIDGE, "event:aws.ec2:6a7e8feb"),
        ("an alarm", f"event:{TOPIC}:95df01b4"),
    ],
)
def test_what_sns_wraps_is_read(served: Served, message: object, found: str) -> None:
    assert sent(served, notification(message)).status_code == 202
    assert found in ids(served)
    assert sent(served, notification(message)).json()["accepted"] == 0


def test_a_topic_that_nobody_named_is_refused_before_anything_is_fetched(served: Served) -> None:
    other = TOPIC.replace("models", "others")
    answer = sent(served, notification(CLOUD, TopicArn=other))
    assert (answer.status_code, "EVERFIT_SNS_TOPICS" in answer.json()["detail"]) == (409, True)
    assert sent(served, notification(TopicArn=other) | {"Type": "SubscriptionConfirmation"}).status_code in (400, 409)
    assert served.topics.confirmed == []


def test_a_subscription_is_confirmed_once_it_is_known_to_be_wanted(served: Served) -> None:
    assert sent(served, confirmation(Signature="wrong")).status_code == 409
    assert served.topics.confirmed == []
    assert "is confirmed" in sent(served, confirmation()).json()["note"]
    assert served.topics.confirmed == [TOPIC]
    assert "has ended" in sent(served, confirmation("UnsubscribeConfirmation")).json()["note"]
    assert served.topics.confirmed == [TOPIC]


def test_an_old_message_of_sns_is_refused(served: Served) -> None:
    served.world.clock.advance(MINUTES * 7)
    assert sent(served, notification(CLOUD)).status_code == 409


def pushed(served: Served, body: object = None, **headers: str) -> Any:
    content = json.dumps(
        {"ref": "refs/heads/main", "after": ONE, "commits": [], "repository": {"clone_url": f"https://{GITHUB}.git"}}
        if body is None
        else body
    ).encode()
    signature = hmac.digest(b"it is secret", content, hashlib.sha256).hex()
    given = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": "delivery-1",
        "X-Hub-Signature-256": f"sha256={signature}",
        **headers,
    }
    return served.client.post("/webhooks/github", content=content, headers=given)


def test_a_signed_webhook_needs_no_token() -> None:
    served = listening(is_tokenless=False)
    answer = pushed(served)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1), answer.text


@pytest.mark.parametrize("signature", ["", "sha256=", "sha256=" + "0" * 64, "sha1=" + "0" * 40, "x"])
def test_a_webhook_without_the_right_signature_is_refused(served: Served, signature: str) -> None:
    assert pushed(served, **{"X-Hub-Signature-256": signature}).status_code == 401
    assert ids(served) == []


def test_a_webhook_is_refused_where_no_secret_is_kept() -> None:
    answer = pushed(listening(webhook_secrets=()))
    assert (answer.status_code, "EVERFIT_WEBHOOK_SECRET" in answer.json()["detail"]) == (409, True)


def test_a_delivery_that_is_replayed_starts_nothing(served: Served) -> None:
    first, again = pushed(served), pushed(served)
    assert first.json() == again.json()
    assert len(ids(served)) == 1


@pytest.mark.parametrize("body", [[], 7, {}, {"ref": 7}, {"ref": "refs/heads/main"}])
def test_a_signed_webhook_that_says_nothing_breaks_nothing(served: Served, body: object) -> None:
    assert pushed(served, body).status_code in (202, 400)
    assert ids(served) == []
