"""Alarms of CloudWatch: those that take a deployment back, those that watch what serves, and that of a worse model."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import explained
from everfit.domain.aws import AwsPlace
from everfit.domain.gate_rule import GateRule, Subject
from everfit.domain.project import Environment, Project
from everfit.domain.rollout_plan import LiveRule, live_rules
from everfit.domain.told_figures import metric_name

Document = dict[str, Any]
USUAL_ERROR_RATE: Final = 0.01
"""Share of failed requests that takes a deployment back when ``watch`` says nothing of errors."""
_MINUTE: Final = 60
_TAIL: Final = re.compile(r"v[0-9]+-[0-9a-f]+")
"""What names a deployment, behind the name of its endpoint."""
_COMPARISONS: Final[Mapping[str, str]] = {
    ">": "GreaterThanThreshold",
    ">=": "GreaterThanOrEqualToThreshold",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What an alarm looks at.

    Args:
        dimensions: of the metrics; with ``EndpointConfigName`` or ``ExecutedVersion`` only the new version counts.
        is_function: whether it is a Lambda function, and no endpoint of SageMaker.
    """

    endpoint: str
    dimensions: Mapping[str, str]
    is_function: bool = False


def rollout_alarms(watched: Watched, tail: str, environment: Environment, tags: Mapping[str, str]) -> list[Document]:
    """Return the alarms that take a deployment back, as requests PutMetricAlarm.

    They are named anew for each deployment: an alarm that is changed keeps its state (API reference, PutMetricAlarm),
    and one that still rings of the last deployment would end the next at once.

    Args:
        tail: names the deployment.
    """
    name = f"{watched.endpoint}-rollout-{tail}"
    # One minute is enough: whoever waits for more lets a bad version serve for longer.
    return [
        {**_alarm(f"{name}-{kind}", periods=1, tags=tags), **_measured(rule, watched)}
        for kind, rule in _live(environment)
    ]


def standing_alarms(watched: Watched, environment: Environment, place: AwsPlace, topic: str | None) -> list[Document]:
    """Return the alarms that go on watching what serves, as requests PutMetricAlarm.

    Args:
        topic: ARN of the topic that is told.
    """
    return [
        {
            **_alarm(f"{watched.endpoint}-{kind}", periods=3, tags=place.all_tags),
            **_measured(rule, watched),
            **_told(topic),
        }
        for kind, rule in _live(environment)
    ]


def drift_alarms(
    endpoint: str, project: Project, environment: Environment, place: AwsPlace, topic: str | None
) -> list[Document]:
    """Return an alarm for each fixed threshold of the gate, on the figure that each run publishes of its model.

    The comparison is the plain one beyond the threshold, so that ``mape < 20`` is watched as ``ModelMAPE > 20``. Where
    a person is asked from a threshold on, as by ``when: mape >= 20``, that one is watched and not the gate's.
    """
    made: dict[str, Document] = {}
    for rule, text, is_high_bad in _thresholds(project, environment):
        name = f"{endpoint}-{rule.name.lower()}-drift-alarm"
        made[name] = {
            **_alarm(name, periods=1, tags=place.all_tags),
            "AlarmDescription": f"The model behind {endpoint} {text}.",
            "Namespace": place.namespace,
            "MetricName": metric_name(rule.name),
            "Dimensions": _dimensions({"EndpointName": endpoint}),
            "Statistic": "Average",
            "Period": _MINUTE,
            "Threshold": rule.offset,
            "ComparisonOperator": "GreaterThanThreshold" if is_high_bad else "LessThanThreshold",
            **_told(topic),
        }
    return list(made.values())


def _thresholds(project: Project, environment: Environment) -> Iterable[tuple[GateRule, str, bool]]:
    """Yield each rule with a fixed threshold, what it means to be beyond it, and whether beyond is above."""
    for rule in project.rules_in(environment):
        if _is_fixed(rule):
            yield rule, f"does not reach {rule.text}", not rule.operator.wants_more
    when = environment.approval.when
    if when is not None and _is_fixed(when):
        yield when, f"is one that a person is asked about: {when.text}", when.operator.wants_more


def _is_fixed(rule: GateRule) -> bool:
    return rule.subject is Subject.METRIC and not rule.is_relative and rule.slices is None


def _live(environment: Environment) -> Iterable[tuple[str, LiveRule]]:
    rules = {rule.name: rule for rule in live_rules(environment)}
    usual = LiveRule(name="error_rate", operator=">", threshold=USUAL_ERROR_RATE)
    yield "5xx", rules.pop("error_rate", usual)
    for name, rule in sorted(rules.items()):
        yield "latency" if name == "latency_p99" else name.replace("_", "-"), rule


def _measured(rule: LiveRule, watched: Watched) -> Document:
    measure = _function_metric if watched.is_function else _endpoint_metric
    return {"ComparisonOperator": _COMPARISONS[rule.operator], **measure(rule, watched)}


def _endpoint_metric(rule: LiveRule, watched: Watched) -> Document:
    """Return the metric of SageMaker's that the rule is about.

    For each request Invocation5XXErrors is 1 or 0, so that its average is the share of those that failed; ModelLatency
    is in microseconds (SageMaker Developer Guide, "SageMaker AI endpoint invocation metrics").
    """
    common = {"Namespace": "AWS/SageMaker", "Dimensions": _dimensions(watched.dimensions), "Period": _MINUTE}
    if rule.name == "error_rate":
        errors = {"MetricName": "Invocation5XXErrors", "Statistic": "Average", "Threshold": rule.threshold}
        return {**common, **errors, "AlarmDescription": f"Requests to {watched.endpoint} fail."}
    return {
        **common,
        "MetricName": "ModelLatency",
        "ExtendedStatistic": rule.name.removeprefix("latency_"),
        "Threshold": rule.threshold * 1e6,
        "AlarmDescription": f"{watched.endpoint} answers slowly.",
    }


def _function_metric(rule: LiveRule, watched: Watched) -> Document:
    """Return the metric of Lambda's; Duration is in milliseconds (Lambda Developer Guide, "CloudWatch metrics")."""
    if rule.name != "error_rate":
        return {
            "Namespace": "AWS/Lambda",
            "MetricName": "Duration",
            "Dimensions": _dimensions(watched.dimensions),
            "ExtendedStatistic": rule.name.removeprefix("latency_"),
            "Period": _MINUTE,
            "Threshold": rule.threshold * 1e3,
            "AlarmDescription": f"The function {watched.endpoint} answers slowly.",
        }
    # Errors counts failed invocations only, so the share of them needs the number of all.
    return {
        "Metrics": [
            _sum("errors", "Errors", watched),
            _sum("invocations", "Invocations", watched),
            {
                "Id": "rate",
                "Expression": "IF(invocations > 0, errors / invocations, 0)",
                "Label": "Share of the requests that fail",
                "ReturnData": True,
            },
        ],
        "Threshold": rule.threshold,
        "AlarmDescription": f"Requests to the function {watched.endpoint} fail.",
    }


def _sum(name: str, metric: str, watched: Watched) -> Document:
    described = {"Namespace": "AWS/Lambda", "MetricName": metric, "Dimensions": _dimensions(watched.dimensions)}
    return {
        "Id": name,
        "MetricStat": {"Metric": described, "Period": _MINUTE, "Stat": "Sum"},
        "ReturnData": False,
    }


def _alarm(name: str, *, periods: int, tags: Mapping[str, str]) -> Document:
    return {
        "AlarmName": name,
        "EvaluationPeriods": periods,
        "DatapointsToAlarm": periods,
        # No traffic is no data, which is neither healthy nor failing.
        "TreatMissingData": "notBreaching",
        "Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())],
    }


def _told(topic: str | None) -> Document:
    return {} if topic is None else {"AlarmActions": [topic]}


def _dimensions(dimensions: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in sorted(dimensions.items())]


class Alarms:
    """The alarms of CloudWatch in one region."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def put(self, requests: Iterable[Document]) -> None:
        """Make the alarms, or bring them up to date; putting the same one twice is putting it once."""
        for request in requests:
            with explained(f"make the alarm {request['AlarmName']}"):
                self._clients("cloudwatch").put_metric_alarm(**request)

    def states(self, names: Sequence[str]) -> dict[str, str]:
        """Return the state of each of the alarms that exist: ``OK``, ``ALARM`` or ``INSUFFICIENT_DATA``."""
        if not names:
            return {}
        with explained(f"look at the alarms {', '.join(names)}"):
            found = self._clients("cloudwatch").describe_alarms(
                AlarmNames=list(names), AlarmTypes=["MetricAlarm"], MaxRecords=100
            )
        return {str(alarm["AlarmName"]): str(alarm["StateValue"]) for alarm in found["MetricAlarms"]}

    def settle(self, endpoint: str, keep: Collection[str]) -> None:
        """Delete the alarms of deployments that are over.

        Args:
            keep: what names those that are not.
        """
        prefix = f"{endpoint}-rollout-"
        with explained(f"delete the alarms of endpoint {endpoint} that are not needed any more"):
            cloudwatch = self._clients("cloudwatch")
            pages = cloudwatch.get_paginator("describe_alarms").paginate(
                AlarmNamePrefix=prefix, AlarmTypes=["MetricAlarm"]
            )
            found = [str(alarm["AlarmName"]) for page in pages for alarm in page["MetricAlarms"]]
            tails = {name: _TAIL.match(name.removeprefix(prefix)) for name in found}
            over = [name for name, tail in tails.items() if tail is not None and tail[0] not in keep]
            # A hundred in one call at most (API reference, DeleteAlarms).
            for start in range(0, len(over), 100):
                cloudwatch.delete_alarms(AlarmNames=over[start : start + 100])
