"""How what happens on AWS reaches the functions: rules, the queue of new objects, schedules, and the topic."""

import json
from typing import Final

from everfit.adapters.aws.permissions import Role, queue_name
from everfit.adapters.aws.stack.blueprint import Blueprint
from everfit.adapters.aws.stack.functions import SIZES
from everfit.adapters.aws.stack.patterns import patterns
from everfit.adapters.aws.stack.pieces import ACCOUNT, GetAtt, Ref, Resource, Sub, Tree
from everfit.domain.aws_schedule import scheduler_expressions

_FOURTEEN_DAYS: Final = 14 * 24 * 3600
_QUEUED_VISIBILITY: Final = 6 * SIZES[Role.TRIGGER].timeout
"""Six times the function's time-out (Lambda Developer Guide, "Using Lambda with Amazon SQS")."""
DATA_RULE: Final = "DataRule"


def happenings(blueprint: Blueprint) -> dict[str, Resource]:
    """Return everything that calls the functions."""
    made = {"DeadLetters": _queue(f"{queue_name(blueprint.place)}-dead")}
    made |= _data(blueprint)
    made |= _rules(blueprint)
    made |= _schedules(blueprint)
    made |= _topic(blueprint)
    made["DeadLettersPolicy"] = _queue_policy("DeadLetters", [name for name in made if made[name].type == _RULE])
    return made


_RULE: Final = "AWS::Events::Rule"


def _queue(name: str, **more: Tree) -> Resource:
    properties: dict[str, Tree] = {
        "QueueName": name,
        "MessageRetentionPeriod": _FOURTEEN_DAYS,
        # What passes through is names of objects. A key of one's own would have to let EventBridge in, or it is lost.
        "SqsManagedSseEnabled": True,
        **more,
    }
    return Resource(type="AWS::SQS::Queue", properties=properties)


def _queue_policy(queue: str, rules: list[str]) -> Resource:
    """Return what lets these rules send to the queue, and nobody without TLS."""
    statements: list[Tree] = [
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:*",
            "Resource": GetAtt(queue),
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]
    if rules:
        statements.append(
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": GetAtt(queue),
                "Condition": {"ArnEquals": {"aws:SourceArn": [GetAtt(name) for name in sorted(rules)]}},
            }
        )
    document: Tree = {"Version": "2012-10-17", "Statement": statements}
    return Resource(type="AWS::SQS::QueuePolicy", properties={"Queues": [Ref(queue)], "PolicyDocument": document})


def _data(blueprint: Blueprint) -> dict[str, Resource]:
    """Return the queue of new objects and what takes them from it, when new objects start runs."""
    if blueprint.watched is None:
        return {}
    return {
        "Queue": _queue(
            queue_name(blueprint.place),
            VisibilityTimeout=_QUEUED_VISIBILITY,
            RedrivePolicy={"deadLetterTargetArn": GetAtt("DeadLetters"), "maxReceiveCount": 5},
        ),
        "QueuePolicy": _queue_policy("Queue", [DATA_RULE]),
        "QueueMapping": Resource(
            type="AWS::Lambda::EventSourceMapping",
            properties={
                "EventSourceArn": GetAtt("Queue"),
                "FunctionName": Ref("TriggerFunction"),
                # A burst of uploads is one call, or few; one that cannot be taken comes back alone.
                "BatchSize": 1000,
                "MaximumBatchingWindowInSeconds": 5,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                "ScalingConfig": {"MaximumConcurrency": 2},
            },
        ),
    }


def _rules(blueprint: Blueprint) -> dict[str, Resource]:
    made: dict[str, Resource] = {}
    for name, (words, pattern) in patterns(blueprint).items():
        is_data = name == DATA_RULE
        made[name] = Resource(
            type=_RULE,
            properties={
                "Name": f"{blueprint.base}-{name.removesuffix('Rule').lower()}",
                "Description": words,
                "EventPattern": pattern,
                "Targets": [
                    {
                        "Id": "everfit",
                        "Arn": GetAtt("Queue" if is_data else "EventsFunction"),
                        "DeadLetterConfig": None if is_data else {"Arn": GetAtt("DeadLetters")},
                    }
                ],
            },
        )
        if not is_data:
            made[f"{name}Permission"] = Resource(
                type="AWS::Lambda::Permission",
                properties={
                    "Action": "lambda:InvokeFunction",
                    "FunctionName": Ref("EventsFunction"),
                    "Principal": "events.amazonaws.com",
                    "SourceArn": GetAtt(name),
                    "SourceAccount": Ref("AWS::AccountId"),
                },
            )
    return made


def _schedules(blueprint: Blueprint) -> dict[str, Resource]:
    place = blueprint.place
    made = {
        "TickSchedule": _schedule(
            f"{place.names.schedule}-tick", "rate(1 minute)", "UTC", function="TickFunction", told={"tick": True}
        )
    }
    lines = [
        (schedule.key, expression, schedule.timezone)
        for schedule in blueprint.schedules
        for expression in scheduler_expressions(schedule.expression)
    ]
    for count, (key, expression, zone) in enumerate(lines, 1):
        name = place.names.schedule if count == 1 else f"{place.names.schedule}-{count}"
        made[f"Schedule{count}"] = _schedule(name, expression, zone, function="TriggerFunction", told={"schedule": key})
    return made


def _schedule(name: str, expression: str, zone: str, *, function: str, told: dict[str, object]) -> Resource:
    is_tick = function == "TickFunction"
    return Resource(
        type="AWS::Scheduler::Schedule",
        properties={
            "Name": name,
            "ScheduleExpression": expression,
            "ScheduleExpressionTimezone": zone,
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "State": "ENABLED",
            "Target": {
                "Arn": GetAtt(function),
                "RoleArn": GetAtt("SchedulerRole"),
                "Input": json.dumps(told, separators=(",", ":")),
                # The next minute does what this one could not; a schedule's own call is worth more.
                "RetryPolicy": {
                    "MaximumRetryAttempts": 0 if is_tick else 24,
                    "MaximumEventAgeInSeconds": 60 if is_tick else 3600,
                },
                "DeadLetterConfig": None if is_tick else {"Arn": GetAtt("DeadLetters")},
            },
        },
    )


def _topic(blueprint: Blueprint) -> dict[str, Resource]:
    """Return the topic of the environment, unless it is there already, with who listens to it."""
    made: dict[str, Resource] = {}
    if blueprint.topic is None:
        return made
    if "Topic" not in blueprint.outside:
        made["Topic"] = Resource(type="AWS::SNS::Topic", properties={"TopicName": blueprint.place.names.topic})
        made["TopicPolicy"] = Resource(
            type="AWS::SNS::TopicPolicy",
            properties={"Topics": [Ref("Topic")], "PolicyDocument": _topic_policy(blueprint.partition)},
        )
    for count, address in enumerate(blueprint.place.subscribe, 1):
        made[f"Subscription{count}"] = Resource(
            type="AWS::SNS::Subscription",
            properties={"TopicArn": blueprint.topic, "Protocol": "email", "Endpoint": address},
        )
    return made


def _topic_policy(partition: str) -> Tree:
    """Return who may publish: the account, and its alarms."""
    ours: Tree = {
        "Effect": "Allow",
        "Principal": {"AWS": Sub(f"arn:{partition}:iam::{ACCOUNT}:root")},
        "Action": ["sns:Publish", "sns:Subscribe", "sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic"],
        "Resource": Ref("Topic"),
    }
    alarms: Tree = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": Ref("Topic"),
        "Condition": {"StringEquals": {"aws:SourceAccount": Ref("AWS::AccountId")}},
    }
    # SNS refuses a policy that denies more than is its own, such as sns:* (its Developer Guide, "Enforce TLS").
    without_tls: Tree = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sns:Publish",
        "Resource": Ref("Topic"),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Version": "2012-10-17", "Statement": [ours, alarms, without_tls]}
