"""Events of AWS: the shapes that its documentation shows, and whatever else may come."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.aws_event import (
    AlarmChanged,
    EndpointChanged,
    JobChanged,
    ObjectsChanged,
    PackageChanged,
    Unknown,
    aws_event,
    check_origin,
    envelope,
)
from everfit.domain.errors import RefusedError, RequestError
from tests.aws.events import a_job_event, a_package_event, an_alarm_event, an_endpoint_event, an_event

SAMPLES = Path(os.environ.get("EVERFIT_REAL_EVENTS", "no-such-folder"))
RUN = "20261121-093112-a1b2c3d4"


def read(body: Any) -> Any:
    return aws_event(envelope(body))


def test_a_job_names_its_run_and_whether_it_is_over() -> None:
    job = read(a_job_event(f"everfit-{RUN}-train", "Completed"))
    assert job == JobChanged(name=f"everfit-{RUN}-train", run=RUN, status="Completed", has_ended=True)
    assert not read(a_job_event(f"{RUN}-prepare", "InProgress", kind="Processing")).has_ended


def test_a_job_of_somebody_else_names_no_run() -> None:
    assert read(a_job_event("fraud-2026-training", "Failed")).run is None


def test_a_pipelines_execution_is_known_by_the_name_that_it_was_given() -> None:
    arn = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/solar/execution/p4jn9xou8a8s"
    detail = {"pipelineExecutionArn": arn, "currentPipelineExecutionStatus": "Succeeded"}
    kind = "SageMaker Model Building Pipeline Execution Status Change"
    named = read(an_event("aws.sagemaker", kind, {**detail, "pipelineExecutionDisplayName": RUN}))
    assert (named.run, named.has_ended) == (RUN, True)
    assert read(an_event("aws.sagemaker", kind, detail)).run is None


def test_a_decision_about_a_package_is_read() -> None:
    package = read(a_package_event("churn", 2, "Approved"))
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model-package/churn/2"
    assert package == PackageChanged(arn=arn, group="churn", approval="Approved")


def test_a_package_without_a_group_is_no_reason_to_fail() -> None:
    body = a_package_event("churn", 2, "Approved")
    del body["detail"]["ModelPackageGroupName"], body["detail"]["ModelApprovalStatus"]
    assert read(body).group == ""


@pytest.mark.parametrize(
    ("written", "meant"), [("IN_SERVICE", "InService"), ("UPDATING", "Updating"), ("InService", "InService")]
)
def test_the_state_of_an_endpoint_is_spelt_in_one_way(written: str, meant: str) -> None:
    assert read(an_endpoint_event("line", written)) == EndpointChanged(name="line", status=meant)


def test_an_alarm_says_since_when_and_about_what() -> None:
    alarm = read(an_alarm_event("line-latency", dimensions={"EndpointName": "line", "VariantName": "AllTraffic"}))
    assert isinstance(alarm, AlarmChanged)
    assert (alarm.state, alarm.since.isoformat()) == ("ALARM", "2026-11-21T10:00:00+00:00")
    assert alarm.dimensions["EndpointName"] == frozenset({"line"})


def test_an_alarm_over_other_alarms_has_no_metrics() -> None:
    body = an_alarm_event("line-any")
    body["detail"]["configuration"] = {"alarmRule": "ALARM(one) OR ALARM(two)"}
    assert read(body).dimensions == {}


def test_an_object_is_handed_on_as_it_came() -> None:
    detail = {"bucket": {"name": "lake"}, "object": {"key": "raw/a.csv", "size": 3, "sequencer": "01"}}
    found = read(an_event("aws.s3", "Object Created", detail))
    assert isinstance(found, ObjectsChanged)
    assert found.notification["detail"] == detail


def test_what_means_nothing_here_is_unknown() -> None:
    assert read(an_event("aws.ec2", "EC2 Instance State-change Notification", {})) == Unknown(
        kind="EC2 Instance State-change Notification of aws.ec2"
    )


@pytest.mark.parametrize("body", [None, [], "text", 3, {}, {"detail-type": 3, "detail": {}}, {"Records": []}])
def test_what_is_no_event_is_refused_in_one_sentence(body: object) -> None:
    with pytest.raises(RequestError, match=r"^The event [^\n]+\.$"):
        read(body)


@pytest.mark.parametrize("name", ["id", "source", "detail-type", "account", "region", "time", "detail"])
@pytest.mark.parametrize("value", [None, 7, "", {"deep": []}, "x" * 3_000])
def test_each_part_of_the_envelope_must_be_there(name: str, value: object) -> None:
    if (name, value) == ("detail", {"deep": []}):
        return
    with pytest.raises(RequestError, match="event"):
        read({**a_job_event(RUN, "Completed"), name: value})


@pytest.mark.parametrize("name", ["TrainingJobName", "TrainingJobStatus"])
def test_each_part_that_counts_must_be_there(name: str) -> None:
    body = a_job_event(RUN, "Completed")
    del body["detail"][name]
    with pytest.raises(RequestError, match=name):
        read(body)


def test_an_alarm_without_a_moment_is_refused() -> None:
    body = an_alarm_event("line-latency")
    body["detail"]["state"]["timestamp"] = "yesterday"
    with pytest.raises(RequestError, match="timestamp"):
        read(body)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"account": "999999999999"}, "account 999999999999"),
        ({"region": "eu-west-1"}, "region eu-west-1"),
        ({"source": "my.program"}, "not of AWS"),
    ],
)
def test_an_event_of_somewhere_else_is_refused(change: dict[str, str], words: str) -> None:
    found = envelope({**a_job_event(RUN, "Completed"), **change})
    with pytest.raises(RefusedError, match=words):
        check_origin(found, "123456789012", "us-east-1")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=12), each, max_size=3),
    max_leaves=8,
)


@given(JSON, st.sampled_from([a_job_event(RUN, "Completed"), a_package_event("c", 1, "Approved"), an_alarm_event("a")]))
def test_whatever_comes_is_read_or_refused(broken: object, body: dict[str, Any]) -> None:
    for changed in (broken, {**body, "detail": broken}, {**body, "detail": {**body["detail"], "state": broken}}):
        with suppress(RequestError):
            read(changed)


def test_an_event_as_aws_sends_it_means_nothing_here_and_is_read() -> None:
    sample = SAMPLES / "eventBridgeEvent.json"
    if not sample.exists():
        pytest.skip("the recorded events of AWS are not here")
    assert isinstance(read(json.loads(sample.read_text())), Unknown)
    stored = json.loads((SAMPLES / "s3EventBridgeNotificationObjectCreatedEvent.json").read_text())
    assert isinstance(read(stored), ObjectsChanged)
