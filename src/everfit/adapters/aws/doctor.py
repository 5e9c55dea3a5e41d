"""Examines an account before it costs money: what an environment needs, whether it is there, and what to do.

Nothing is changed. What may not be looked at is a note, never "well" and never "missing".
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import boto3

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.doctor_images import examine_images
from everfit.adapters.aws.doctor_permissions import examine_permissions
from everfit.adapters.aws.doctor_quotas import examine_quotas
from everfit.adapters.aws.doctor_storage import examine_storage
from everfit.adapters.aws.doctor_words import Document, Finding, Subject, looked, statements_of
from everfit.adapters.aws.errors import explained
from everfit.adapters.aws.permissions import Role, role_name, topics_of
from everfit.domain.aws import AwsPlace, partition_of
from everfit.domain.errors import EverfitError
from everfit.domain.project import Environment, Hosting, Project

# A signature is refused when the clocks differ by more than five minutes (IAM User Guide, "Signature Version 4").
MOST_SKEW: Final = timedelta(minutes=5)
SOME_SKEW: Final = timedelta(minutes=1)


def examine_account(
    clients: Clients, project: Project, environment: Environment, place: AwsPlace, now: datetime
) -> Iterator[Finding]:
    """Yield what was found, the most basic first; nothing more when there are no credentials.

    Args:
        now: by the clock of this machine.
    """
    try:
        with explained("find out whose credentials these are"):
            caller: dict[str, Any] = clients("sts").get_caller_identity()
    except EverfitError as error:
        yield Finding(name="identity", is_well=False, words=str(error))
        return
    account = str(caller["Account"])
    yield _identity(account, str(caller["Arn"]), place)
    yield _region(place)
    yield from _clock(caller, now)
    subject = Subject(
        clients=clients,
        project=project,
        environment=environment,
        place=place,
        account=account,
        caller=str(caller["Arn"]),
    )
    yield from examine_storage(subject)
    yield from _roles(subject)
    yield from examine_permissions(subject)
    yield from examine_quotas(subject)
    yield from examine_images(subject)
    yield from _topics(subject)


def _identity(account: str, arn: str, place: AwsPlace) -> Finding:
    if place.account is not None and place.account != account:
        words = (
            f"these credentials are of account {account}, and everfit.yaml allows only {place.account}; sign in there"
        )
        return Finding(name="identity", is_well=False, words=words)
    pinned = "" if place.account else "; aws.account in everfit.yaml would keep others out"
    return Finding(name="identity", is_well=True, words=f"{arn}{pinned}")


def _region(place: AwsPlace) -> Finding:
    known = boto3.Session().get_available_regions("sagemaker", partition_name=partition_of(place.region))
    if place.region not in known:
        words = f"boto3 knows no SageMaker in {place.region}; look at aws.region, or install a newer boto3"
        return Finding(name="region", is_well=None, words=words)
    return Finding(name="region", is_well=True, words=place.region)


def _clock(caller: dict[str, Any], now: datetime) -> Iterator[Finding]:
    headers: dict[str, str] = caller["ResponseMetadata"].get("HTTPHeaders", {})
    try:
        told = datetime.strptime(headers.get("date", ""), "%a, %d %b %Y %H:%M:%S %Z").replace(tzinfo=UTC)
    except ValueError:
        return
    skew = abs(now - told)
    if skew > SOME_SKEW:
        words = f"this machine's clock and AWS's differ by {skew.total_seconds():.0f} s; AWS refuses more than 300 s"
        yield Finding(name="clock", is_well=False if skew > MOST_SKEW else None, words=words)
    else:
        yield Finding(name="clock", is_well=True, words="it agrees with AWS's")


def _roles(subject: Subject) -> Iterator[Finding]:
    place = subject.place
    yield from _role(subject, place.role, role_name(place, Role.JOB), "sagemaker.amazonaws.com")
    if subject.environment.hosting is Hosting.FUNCTION:
        yield from _role(subject, place.role, role_name(place, Role.FUNCTION), "lambda.amazonaws.com")


def _role(subject: Subject, given: str | None, usual: str, service: str) -> Iterator[Finding]:
    name = usual if given is None else given.rpartition("/")[2]
    to_do = "`everfit apply` makes it" if given is None else "make it, or correct aws.role"

    def look() -> Finding:
        role: dict[str, Any] = subject.clients("iam").get_role(RoleName=name)["Role"]
        if service not in services_of(role.get("AssumeRolePolicyDocument")):
            words = f"{name} may not be taken by {service}: add it to the role's trust policy"
            return Finding(name="role", is_well=False, words=words)
        return Finding(name="role", is_well=True, words=f"{name} is there and may be taken by {service}")

    yield looked("role", f"the role {name}", look, missing=f"there is no role {name}: {to_do}")


def services_of(document: object) -> frozenset[str]:
    """Return the services that a trust policy lets take the role."""
    found: set[str] = set()
    for each in statements_of(document):
        principal = each.get("Principal") if each.get("Effect") == "Allow" else None
        services: Any = cast("Document", principal).get("Service", ()) if isinstance(principal, dict) else ()
        found |= {services} if isinstance(services, str) else set(services)
    return frozenset(found)


def _topics(subject: Subject) -> Iterator[Finding]:
    place = subject.place
    partition = partition_of(place.region)
    for arn in topics_of(subject.project, place, account=subject.account, partition=partition):
        is_own = arn.endswith(f":{place.names.topic}")
        to_do = "`everfit apply` makes it" if is_own else "make it, or correct it below alerts"
        yield looked(
            "topic",
            f"the topic {arn}",
            _topic(subject, arn),
            missing=f"there is no topic {arn}: {to_do}",
        )


@dataclass(frozen=True, slots=True)
class _Topic:
    """Looks at a topic when it is called."""

    subject: Subject
    arn: str

    def __call__(self) -> Finding:
        found: dict[str, str] = self.subject.clients("sns").get_topic_attributes(TopicArn=self.arn)["Attributes"]
        if int(found.get("SubscriptionsConfirmed", "0")) == 0:
            waiting = int(found.get("SubscriptionsPending", "0"))
            words = f"nobody hears {self.arn}: " + (
                f"{waiting} still have to confirm their subscription" if waiting else "subscribe somebody to it"
            )
            return Finding(name="topic", is_well=None, words=words)
        return Finding(name="topic", is_well=True, words=f"{self.arn} is heard")


def _topic(subject: Subject, arn: str) -> Callable[[], Finding]:
    return _Topic(subject, arn)
