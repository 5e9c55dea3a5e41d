"""What people should know before they apply: who may do what, and what will not be protected."""

from collections.abc import Iterator

from everfit.adapters.aws.permissions import Role, grants_of, scope_of
from everfit.adapters.aws.stack.blueprint import Blueprint
from everfit.adapters.aws.stack.outside import BucketFacts
from everfit.domain.alert import ChannelKind
from everfit.domain.aws import partition_of
from everfit.domain.stack_plan import Right
from everfit.domain.triggers import Drift, NewData, Push, Tag

ROLE_WORDS = {
    Role.JOB: "jobs and endpoints",
    Role.FUNCTION: "the function that serves",
    Role.STEP: "the steps of a run",
    Role.TRIGGER: "schedules and new data",
    Role.TICK: "the look every minute",
    Role.EVENTS: "events of AWS",
    Role.MACHINE: "the state machine",
    Role.SCHEDULER: "EventBridge Scheduler",
}


_FROM_A_MACHINE = (ChannelKind.EMAIL, ChannelKind.SLACK, ChannelKind.TEAMS, ChannelKind.URL)


def rights(blueprint: Blueprint, account: str) -> tuple[Right, ...]:
    """Return what each role of the stack may do."""
    place = blueprint.place
    scope = scope_of(
        blueprint.project, blueprint.environment, place, account=account, partition=partition_of(place.region)
    )
    return tuple(
        Right(
            who=ROLE_WORDS[role],
            actions=grant.actions,
            resources=grant.resources,
            why=grant.why,
            wide=grant.wide,
        )
        for role in blueprint.roles
        for grant in grants_of(role, scope)
    )


def unprotected(blueprint: Blueprint, own: BucketFacts | None, *, tells: bool | None) -> Iterator[str]:
    """Yield what will not be protected, a sentence each.

    Args:
        own: the bucket of the installation, when another one than Everfit made it.
        tells: whether the bucket of the data tells EventBridge of its objects; None when nobody may look.
    """
    place = blueprint.place
    if place.names.topic is None:
        yield "Alarms tell nobody: there is no topic. Name one under aws.names.topic."
    if own is not None and not own.keeps_versions:
        yield f"The bucket {place.bucket} keeps no versions, so state that is damaged cannot be brought back."
    if own is not None and not own.has_policy:
        yield f"The bucket {place.bucket} has no policy, so it also answers without TLS."
    if own is not None and place.audit:
        yield f"The policy of {place.bucket} is not Everfit's: it must let CloudTrail write below audit/."
    yield from _unseen(blueprint, tells=tells)
    yield from _silent(blueprint)
    if blueprint.project.secrets:
        yield (
            f"The values of ${{NAME}} in everfit.yaml lie in {place.home}/projects/, encrypted, as the functions need "
            "them: whoever may read the bucket may read them."
        )
    if place.key is not None:
        yield (
            "Messages of queue and topic, and logs, are not encrypted by aws.key: EventBridge and CloudWatch could not "
            "send through them without a statement in the key's own policy."
        )


def _silent(blueprint: Blueprint) -> Iterator[str]:
    """Yield which channels only a controller reaches: what sends to them is not among what the functions run."""
    kinds = dict.fromkeys(
        channel.kind.value
        for channel in blueprint.project.alerts
        if channel.kind in _FROM_A_MACHINE
        and (not channel.environments or blueprint.environment.name in channel.environments)
    )
    if kinds:
        yield (
            f"The functions of the stack tell nobody by {', '.join(kinds)}: only a controller does. E-mail comes by "
            "aws.names.topic with aws.subscribe, other services by a subscription of the topic."
        )


def _unseen(blueprint: Blueprint, *, tells: bool | None) -> Iterator[str]:
    every = [each.every for each in blueprint.triggers if isinstance(each, NewData)]
    if blueprint.watched is not None and not tells:
        perhaps = "may not" if tells is None else "does not"
        yield (
            f"The bucket {blueprint.watched[0]} {perhaps} tell EventBridge of new objects, so they are found by a look "
            f"at all of it every {min(every)}. Switch EventBridge on in its properties."
        )
    kinds = {type(each) for each in blueprint.triggers}
    if kinds & {Push, Tag}:
        yield "Pushes and tags do not reach the stack by themselves: `everfit ci github` writes workflows that do."
    if Drift in kinds:
        yield "The drift trigger waits for an alarm whose name ends in -drift-alarm; nothing else looks for drift."
