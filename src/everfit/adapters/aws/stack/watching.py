"""What watches over an environment: alarms, a dashboard, and the record of who touched the bucket.

The alarms on what serves are not here: they follow the version that serves, so each deployment makes its own.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from everfit.adapters.aws.permissions import Role, function_name, queue_name
from everfit.adapters.aws.stack.blueprint import Blueprint
from everfit.adapters.aws.stack.dashboard import Dimensions, dashboard, run_dimensions
from everfit.adapters.aws.stack.pieces import ACCOUNT, Resource, Sub, Tree
from everfit.adapters.aws.stack.storage import AUDITED_BELOW

_FIVE_MINUTES: Final = 300
_DAY: Final = 24 * 3600
_LONGEST_LOOK: Final = timedelta(days=7)
"""Periods of an hour and more can look back for seven days (CloudWatch User Guide, "Alarm evaluation")."""


def watching(blueprint: Blueprint) -> dict[str, Resource]:
    """Return alarms, dashboard and trail."""
    made = _own_alarms(blueprint)
    made["Dashboard"] = Resource(
        type="AWS::CloudWatch::Dashboard",
        properties={
            "DashboardName": blueprint.base,
            "DashboardBody": json.dumps(dashboard(blueprint), separators=(",", ":")),
        },
    )
    if blueprint.place.audit:
        made["Trail"] = _trail(blueprint)
    return made


def _own_alarms(blueprint: Blueprint) -> dict[str, Resource]:
    place, namespace = blueprint.place, blueprint.place.namespace
    tick = {"FunctionName": function_name(place, Role.TICK)}
    made = {
        "RunFailedAlarm": _alarm(
            blueprint,
            "run-failed",
            "A run has failed; everfit why tells the reason.",
            {"Namespace": namespace, "MetricName": "RunFailed", "Dimensions": _named(run_dimensions(blueprint))},
        ),
        "DeadLettersAlarm": _alarm(
            blueprint,
            "dead-letters",
            "An event could not be taken and waits in the queue of dead letters.",
            {
                "Namespace": "AWS/SQS",
                "MetricName": "ApproximateNumberOfMessagesVisible",
                "Dimensions": _named({"QueueName": f"{queue_name(place)}-dead"}),
                "Statistic": "Maximum",
            },
        ),
        "TickAlarm": _alarm(
            blueprint,
            "asleep",
            "Everfit has not looked after this environment for a quarter of an hour.",
            {
                "Namespace": "AWS/Lambda",
                "MetricName": "Invocations",
                "Dimensions": _named(tick),
                "ComparisonOperator": "LessThanThreshold",
                "EvaluationPeriods": 3,
                "TreatMissingData": "breaching",
            },
        ),
        "TickErrorsAlarm": _alarm(
            blueprint,
            "troubled",
            "What Everfit does every minute has failed for a quarter of an hour; its log tells why.",
            {
                "Namespace": "AWS/Lambda",
                "MetricName": "Errors",
                "Dimensions": _named(tick),
                "Threshold": 5,
                "EvaluationPeriods": 3,
            },
        ),
        "MachineAlarm": _alarm(
            blueprint,
            "not-ended",
            "An execution failed that could not even end its run; the execution's history tells why.",
            {
                "Namespace": "AWS/States",
                "MetricName": "ExecutionsFailed",
                "Dimensions": [
                    {
                        "Name": "StateMachineArn",
                        "Value": Sub(
                            f"arn:{blueprint.partition}:states:{place.region}:{ACCOUNT}:"
                            f"stateMachine:{place.names.state_machine}"
                        ),
                    }
                ],
            },
        ),
    }
    silence = blueprint.project.no_success_for
    # Everfit tells it by itself too, and for times that are longer than an alarm can look back.
    if silence is not None and timedelta(days=1) <= silence <= _LONGEST_LOOK:
        made["NoSuccessAlarm"] = _alarm(
            blueprint,
            "no-success",
            f"No run has deployed a version for {silence.days} days.",
            {
                "Namespace": namespace,
                "MetricName": "RunDeployed",
                "Dimensions": _named(run_dimensions(blueprint)),
                "ComparisonOperator": "LessThanThreshold",
                "Period": _DAY,
                "EvaluationPeriods": silence.days,
                "TreatMissingData": "breaching",
            },
        )
    return made


def _alarm(blueprint: Blueprint, name: str, words: str, more: Mapping[str, Tree]) -> Resource:
    told: Tree = None if blueprint.topic is None else [blueprint.topic]
    return Resource(
        type="AWS::CloudWatch::Alarm",
        properties={
            "AlarmName": f"{blueprint.base}-{name}",
            "AlarmDescription": words,
            "Statistic": "Sum",
            "Period": _FIVE_MINUTES,
            "EvaluationPeriods": 1,
            "Threshold": 1,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            # No requests and no runs are nothing to be alarmed about.
            "TreatMissingData": "notBreaching",
            "AlarmActions": told,
            "OKActions": told,
            **more,
        },
    )


def _named(dimensions: Dimensions) -> Tree:
    return [{"Name": name, "Value": value} for name, value in dimensions.items()]


def _trail(blueprint: Blueprint) -> Resource:
    """Return the record of every access to the installation's objects."""
    place = blueprint.place
    return Resource(
        type="AWS::CloudTrail::Trail",
        properties={
            "TrailName": blueprint.base,
            "IsLogging": True,
            "EnableLogFileValidation": True,
            "S3BucketName": place.bucket,
            "S3KeyPrefix": AUDITED_BELOW,
            "AdvancedEventSelectors": [
                {
                    "Name": "Objects of the installation",
                    "FieldSelectors": [
                        {"Field": "eventCategory", "Equals": ["Data"]},
                        {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
                        {
                            "Field": "resources.ARN",
                            "StartsWith": [f"arn:{blueprint.partition}:s3:::{place.bucket}/{place.prefix}/"],
                        },
                    ],
                }
            ],
        },
    )
