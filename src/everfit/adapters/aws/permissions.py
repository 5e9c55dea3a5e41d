"""Who may call what on AWS, and why: one table, from which policies are made and by which ``doctor`` asks.

Each action is spelt as the Service Authorization Reference spells it, with the narrowest resource that it lists for
that action. A grant on ``*`` says in ``wide`` why AWS allows no narrower one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from everfit.adapters.aws.permission_deployer import DEPLOY
from everfit.adapters.aws.permission_roles import (
    CONTROL,
    DOCTOR,
    EVENTS,
    FUNCTION,
    JOB,
    MACHINE,
    SCHEDULER,
    STEP,
    TICK,
    TRIGGER,
)
from everfit.adapters.aws.permission_words import Grant, When
from everfit.domain.alert import ChannelKind
from everfit.domain.aws import AwsPlace, split_url
from everfit.domain.project import Environment, Hosting, Project


class Role(Enum):
    """Who acts.

    ``JOB`` is the role of SageMaker's jobs and endpoints, ``FUNCTION`` that of a function that serves; ``STEP``,
    ``TRIGGER``, ``TICK`` and ``EVENTS`` are those of the stack's Lambdas. ``CONTROLLER`` runs ``everfit run``,
    ``DEPLOYER`` plans and applies, ``DOCTOR`` examines: people or a CI job.
    """

    JOB = "job"
    FUNCTION = "function"
    STEP = "step"
    TRIGGER = "trigger"
    TICK = "tick"
    EVENTS = "events"
    MACHINE = "machine"
    SCHEDULER = "scheduler"
    CONTROLLER = "controller"
    DEPLOYER = "deployer"
    DOCTOR = "doctor"


TABLE: Final[Mapping[Role, tuple[Grant, ...]]] = MappingProxyType(
    {
        Role.JOB: JOB,
        Role.FUNCTION: FUNCTION,
        Role.STEP: STEP,
        Role.TRIGGER: TRIGGER,
        Role.TICK: TICK,
        Role.EVENTS: EVENTS,
        Role.MACHINE: MACHINE,
        Role.SCHEDULER: SCHEDULER,
        Role.CONTROLLER: CONTROL,
        Role.DEPLOYER: DEPLOY,
        Role.DOCTOR: DOCTOR,
    }
)

ASSUMED_BY: Final[Mapping[Role, str]] = MappingProxyType(
    {
        Role.JOB: "sagemaker.amazonaws.com",
        Role.FUNCTION: "lambda.amazonaws.com",
        Role.STEP: "lambda.amazonaws.com",
        Role.TRIGGER: "lambda.amazonaws.com",
        Role.TICK: "lambda.amazonaws.com",
        Role.EVENTS: "lambda.amazonaws.com",
        Role.MACHINE: "states.amazonaws.com",
        Role.SCHEDULER: "scheduler.amazonaws.com",
    }
)
"""The service that takes each role that the stack makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the resource templates of the table stand for in one environment.

    Args:
        values: by placeholder.
        circumstances: what the environment uses; a grant for anything else is left out.
    """

    values: Mapping[str, str]
    circumstances: frozenset[When]


def role_name(place: AwsPlace, role: Role) -> str:
    """Return the name of a role that the stack makes."""
    return f"everfit-{place.model}-{place.environment}-{role.value}"


def function_name(place: AwsPlace, role: Role) -> str:
    """Return the name of the Lambda function that acts in the role."""
    return place.names.trigger if role is Role.TRIGGER else role_name(place, role)


def queue_name(place: AwsPlace) -> str:
    """Return the name of the queue of new objects; that of what could not be taken is ``<this>-dead``."""
    return f"everfit-{place.model}-{place.environment}-data"


def pipeline_queue_name(place: AwsPlace) -> str:
    """Return the name of the queue by which executions of the pipeline say that they wait."""
    return f"everfit-{place.model}-{place.environment}-pipeline"


def scope_of(project: Project, environment: Environment, place: AwsPlace, *, account: str, partition: str) -> Scope:
    """Return what the table's templates stand for.

    Args:
        account: number of the account.
        partition: ``aws``, or that of China or the US government.
    """
    data_bucket, data_key = _data(project, environment, place)
    values = {
        "account": account,
        "partition": partition,
        "region": place.region,
        "bucket": place.bucket,
        "prefix": place.prefix,
        "data_bucket": data_bucket,
        "data_key": data_key,
        "model": place.model,
        "environment": place.environment,
        "base": f"everfit-{place.model}-{place.environment}",
        # Names in the ARNs of SageMaker are in lower case, whatever the name that was given
        # (Service Authorization Reference, resource types of SageMaker; seen in its own ARNs).
        "endpoint_arn": environment.endpoint.lower(),
        "endpoint": environment.endpoint,
        "served": environment.endpoint.lower()[:40],
        "group": place.names.package_group.lower(),
        "pipeline": (place.names.pipeline or "none").lower(),
        "stack": place.names.stack,
        "state_machine": place.names.state_machine,
        "schedule": place.names.schedule,
        "topic": place.names.topic or "none",
        "topics": " ".join(topics_of(project, place, account=account, partition=partition)),
        "namespace": place.namespace,
        "job_role": place.role or f"arn:{partition}:iam::{account}:role/{role_name(place, Role.JOB)}",
        "function_role": place.role or f"arn:{partition}:iam::{account}:role/{role_name(place, Role.FUNCTION)}",
        "key": place.key or "none",
        "boundary": place.boundary or "none",
        "last_trained": "/".join(split_url(place.last_trained)) if place.last_trained else "none",
        "github_token": place.github.token if place.github else "none",
        "queue": queue_name(place),
        "pipeline_queue": pipeline_queue_name(place),
        **{f"{role.value}_function": function_name(place, role) for role in (Role.STEP, Role.TRIGGER, Role.TICK)},
        "events_function": function_name(place, Role.EVENTS),
    }
    return Scope(values=values, circumstances=_circumstances(project, environment, place))


def grants_of(role: Role, scope: Scope) -> Iterator[Grant]:
    """Yield what the role is granted in these circumstances, with real resources."""
    for grant in TABLE[role]:
        if grant.when is None or grant.when in scope.circumstances:
            yield grant.filled(scope.values)


def policy(role: Role, scope: Scope) -> dict[str, object]:
    """Return the policy of a role as IAM wants it, in the order of the table."""
    return {"Version": "2012-10-17", "Statement": [_statement(grant) for grant in grants_of(role, scope)]}


def _statement(grant: Grant) -> dict[str, object]:
    statement: dict[str, object] = {
        "Effect": "Allow",
        "Action": list(grant.actions),
        "Resource": list(grant.resources),
    }
    if grant.condition:
        statement["Condition"] = {
            operator: {key: list(values) for key, values in keys.items()} for operator, keys in grant.condition.items()
        }
    return statement


def trust(role: Role, account: str) -> dict[str, object]:
    """Return who may take a role that the stack makes: one service, for this account only."""
    # Without aws:SourceAccount another account could have the service act here: the confused deputy (IAM User Guide).
    # Step Functions and Scheduler document that they send it; an execution role of SageMaker or Lambda is passed by
    # somebody who needs iam:PassRole for it in this account, and whether they always send it is not documented.
    statement: dict[str, object] = {
        "Effect": "Allow",
        "Principal": {"Service": ASSUMED_BY[role]},
        "Action": "sts:AssumeRole",
    }
    if role in (Role.MACHINE, Role.SCHEDULER):
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": account}}
    return {"Version": "2012-10-17", "Statement": [statement]}


def topics_of(project: Project, place: AwsPlace, *, account: str, partition: str) -> tuple[str, ...]:
    """Return the ARNs of every topic that the environment's alerts may go to."""
    named = (
        each.address
        for each in project.alerts
        if each.kind is ChannelKind.SNS and (not each.environments or place.environment in each.environments)
    )
    own = () if place.names.topic is None else (f"arn:{partition}:sns:{place.region}:{account}:{place.names.topic}",)
    return tuple(dict.fromkeys((*own, *named)))


def _data(project: Project, environment: Environment, place: AwsPlace) -> tuple[str, str]:
    """Return bucket and key prefix of the data; data of this machine is copied below the installation's own prefix."""
    source = project.data_in(environment).source.replace("s3a://", "s3://")
    if not source.startswith("s3://"):
        return place.bucket, f"{place.prefix}/objects/"
    bucket, key = split_url(source)
    for sign in "*?[":
        key = key.partition(sign)[0]
    return bucket, key


def _circumstances(project: Project, environment: Environment, place: AwsPlace) -> frozenset[When]:
    serving: Mapping[str, object] = project.serve.sagemaker
    found = {
        When.ENDPOINT: environment.hosting is Hosting.ENDPOINT,
        When.FUNCTION: environment.hosting is Hosting.FUNCTION,
        When.AUTOSCALING: environment.hosting is Hosting.ENDPOINT and "autoscale" in serving,
        When.KEY: place.key is not None,
        When.VPC: bool(place.subnets),
        When.TOPIC: place.names.topic is not None,
        When.ALERTS: bool(topics_of(project, place, account="", partition="aws")),
        When.PIPELINE: place.names.pipeline is not None,
        When.LAST_TRAINED: place.last_trained is not None,
        When.OWN_ROLE: place.role is None,
        When.BOUNDARY: place.boundary is not None,
        When.AUDIT: place.audit,
        When.GITHUB: place.github is not None,
    }
    return frozenset(when for when, holds in found.items() if holds)
