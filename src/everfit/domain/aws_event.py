"""Events of AWS as EventBridge delivers them: strict about shape, and typed for those that mean something here.

EventBridge delivers at least once and in no order, and SageMaker sends several events for one change (SageMaker
Developer Guide, "Events that SageMaker AI sends"). So nothing here counts, and whoever acts looks at how things stand.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from everfit.domain.errors import RefusedError, RequestError

Json = Mapping[str, object]
LONGEST: Final = 2_048
"""Characters in an ARN; nothing that is read here is longer."""
RUN: Final = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{8}")
"""The id of a run, in the name of whatever a run has made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What every event has.

    Args:
        id: the same when the same event is delivered again; another change, or another telling of it, has another.
        kind: the ``detail-type``.
    """

    id: str
    source: str
    kind: str
    account: str
    region: str
    at: datetime
    detail: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class JobChanged:
    """A job of SageMaker, or an execution of a pipeline, stands otherwise than before.

    Args:
        run: the id of a run in its name; None when there is none.
        has_ended: whether it goes on no more.
    """

    name: str
    run: str | None
    status: str
    has_ended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageChanged:
    """A model package stands otherwise than before.

    Args:
        approval: ``Approved``, ``Rejected`` or ``PendingManualApproval``.
    """

    arn: str
    group: str
    approval: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChanged:
    """An endpoint, or a deployment on it, stands otherwise than before.

    Args:
        status: in one spelling, such as ``InService``; the events write ``IN_SERVICE``.
    """

    name: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmChanged:
    """An alarm of CloudWatch has another state than before.

    Args:
        state: ``OK``, ``ALARM`` or ``INSUFFICIENT_DATA``.
        since: when it came into that state; it names the change for ever.
        dimensions: of the metrics that it looks at.
    """

    name: str
    state: str
    reason: str
    since: datetime
    dimensions: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectsChanged:
    """Objects were written or deleted; ``s3_event`` reads which."""

    notification: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """An event that means nothing here."""

    kind: str


AwsEvent = JobChanged | PackageChanged | EndpointChanged | AlarmChanged | ObjectsChanged | Unknown

ENDED: Final = frozenset({"Completed", "Failed", "Stopped", "Succeeded"})
"""Of jobs (API reference, TrainingJobStatus) and of pipelines (PipelineExecutionStatus)."""


def envelope(body: object) -> Envelope:
    """Read what every event of EventBridge has.

    Raises:
        RequestError: it is no such event.
    """
    if not isinstance(body, dict) or "detail-type" not in body:
        raise RequestError("The event is none of EventBridge: it has no detail-type.")
    values = cast("Json", body)
    detail = values.get("detail")
    if not isinstance(detail, dict):
        raise RequestError("The event has no detail.")
    return Envelope(
        id=_text(values, "id"),
        source=_text(values, "source"),
        kind=_text(values, "detail-type"),
        account=_text(values, "account"),
        region=_text(values, "region"),
        at=_moment(values, "time"),
        detail=cast("Json", detail),
    )


def check_origin(found: Envelope, account: str, region: str) -> None:
    """Raise ``RefusedError`` unless the event is of this account and region, and of AWS itself.

    Only AWS can send what bears a source that starts with ``aws.`` (EventBridge API reference, PutEvents).
    """
    if found.account != account:
        raise RefusedError(f"The event {found.id} is of account {found.account}, and this is {account}.")
    if found.region != region:
        raise RefusedError(f"The event {found.id} is of the region {found.region}, and this is {region}.")
    if not found.source.startswith("aws."):
        raise RefusedError(f"The event {found.id} is of {found.source}, not of AWS.")


def aws_event(found: Envelope) -> AwsEvent:
    """Read what happened, or raise ``RequestError`` when an event of a known kind lacks what it must have."""
    reader = _READERS.get((found.source, found.kind))
    return Unknown(kind=f"{found.kind} of {found.source}") if reader is None else reader(found)


def _job(name: str, status: str) -> Callable[[Envelope], AwsEvent]:
    def read(found: Envelope) -> AwsEvent:
        return _job_changed(_text(found.detail, name), _text(found.detail, status))

    return read


def _pipeline(found: Envelope) -> AwsEvent:
    # The ARN of an execution ends with letters of chance; whoever starts one may give it a name that people see.
    name = _text_or_none(found.detail, "pipelineExecutionDisplayName") or _text(found.detail, "pipelineExecutionArn")
    return _job_changed(name, _text(found.detail, "currentPipelineExecutionStatus"))


def _job_changed(name: str, status: str) -> JobChanged:
    run = RUN.search(name)
    return JobChanged(name=name, run=None if run is None else run[0], status=status, has_ended=status in ENDED)


def _package(found: Envelope) -> AwsEvent:
    # A package without a version belongs to no group; it has a name instead (API reference, CreateModelPackage).
    return PackageChanged(
        arn=_text(found.detail, "ModelPackageArn"),
        group=_text_or_none(found.detail, "ModelPackageGroupName") or "",
        approval=_text_or_none(found.detail, "ModelApprovalStatus") or "",
    )


def _endpoint(found: Envelope) -> AwsEvent:
    status = _text(found.detail, "EndpointStatus")
    words = status.split("_")
    return EndpointChanged(
        name=_text(found.detail, "EndpointName"),
        status="".join(word.capitalize() for word in words) if status.isupper() else status,
    )


def _alarm(found: Envelope) -> AwsEvent:
    state = _object(found.detail, "state")
    return AlarmChanged(
        name=_text(found.detail, "alarmName"),
        state=_text(state, "value"),
        reason=_text_or_none(state, "reason") or "",
        since=_moment(state, "timestamp"),
        dimensions=_dimensions(_object_or_none(found.detail, "configuration")),
    )


def _dimensions(configuration: Json) -> Mapping[str, frozenset[str]]:
    """Return every value of each dimension; an alarm over other alarms has none."""
    metrics = configuration.get("metrics")
    gathered: dict[str, set[str]] = {}
    for each in cast("list[object]", metrics) if isinstance(metrics, list) else []:
        query = _object_or_none({"query": each}, "query")
        metric = _object_or_none(_object_or_none(query, "metricStat"), "metric")
        for name, value in _object_or_none(metric, "dimensions").items():
            gathered.setdefault(name, set()).add(str(value))
    return {name: frozenset(values) for name, values in gathered.items()}


def _objects(found: Envelope) -> AwsEvent:
    notification = {"source": found.source, "detail-type": found.kind, "time": found.at.isoformat()}
    return ObjectsChanged(notification={**notification, "detail": found.detail})


_SAGEMAKER: Final = "aws.sagemaker"
_READERS: Final[Mapping[tuple[str, str], Callable[[Envelope], AwsEvent]]] = {
    (_SAGEMAKER, "SageMaker Training Job State Change"): _job("TrainingJobName", "TrainingJobStatus"),
    (_SAGEMAKER, "SageMaker Processing Job State Change"): _job("ProcessingJobName", "ProcessingJobStatus"),
    (_SAGEMAKER, "SageMaker Model Building Pipeline Execution Status Change"): _pipeline,
    (_SAGEMAKER, "SageMaker Model Package State Change"): _package,
    (_SAGEMAKER, "SageMaker Endpoint State Change"): _endpoint,
    (_SAGEMAKER, "SageMaker Endpoint Deployment State Change"): _endpoint,
    ("aws.cloudwatch", "CloudWatch Alarm State Change"): _alarm,
    ("aws.s3", "Object Created"): _objects,
    ("aws.s3", "Object Deleted"): _objects,
}


def _text(values: Json, name: str) -> str:
    found = _text_or_none(values, name)
    if found is None:
        raise RequestError(f"The event needs {name}: a text of 1 to {LONGEST} characters.")
    return found


def _text_or_none(values: Json, name: str) -> str | None:
    value = values.get(name)
    return value if isinstance(value, str) and 1 <= len(value) <= LONGEST and value.isprintable() else None


def _object(values: Json, name: str) -> Json:
    value = values.get(name)
    if not isinstance(value, dict):
        raise RequestError(f"The event needs {name}: an object.")
    return cast("Json", value)


def _object_or_none(values: Json, name: str) -> Json:
    value = values.get(name)
    return cast("Json", value) if isinstance(value, dict) else {}


def _moment(values: Json, name: str) -> datetime:
    text = values.get(name)
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise RequestError(f"The event needs {name}: a moment with a time zone, such as 2026-11-21T09:00:00Z.")
    return found
