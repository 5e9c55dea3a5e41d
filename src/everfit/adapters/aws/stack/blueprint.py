"""What a stack is made from: one environment of a project, and what is known of the outside."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from everfit.adapters.aws.permissions import Role, Scope, role_name, scope_of
from everfit.adapters.aws.stack.pieces import ACCOUNT, GetAtt, Ref, Sub, Tree
from everfit.domain.aws import AwsPlace, partition_of, split_url
from everfit.domain.errors import RequestError
from everfit.domain.project import Environment, Hosting, Project
from everfit.domain.triggers import NewData, OtherEvent, Schedule, Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """What the stack of one environment is made from.

    Args:
        package: key in the bucket of the zip that holds the code of every function.
        handlers: of the functions, by the role that they act in.
        outside: logical ids of what is there already and belongs to nobody's stack; it is used, not made.
    """

    project: Project
    environment: Environment
    package: str
    handlers: Mapping[Role, str]
    outside: frozenset[str] = field(default_factory=frozenset[str])

    @property
    def place(self) -> AwsPlace:
        """Where on AWS the environment lives."""
        if self.environment.aws is None:
            raise RequestError(
                f"The environment {self.environment.name} is on this machine, and a stack is for AWS: "
                "it needs backend: sagemaker in everfit.yaml."
            )
        return self.environment.aws

    @property
    def base(self) -> str:
        """What every name begins with that nobody has chosen."""
        return f"everfit-{self.place.model}-{self.place.environment}"

    @property
    def partition(self) -> str:
        """The part of AWS that the region is in."""
        return partition_of(self.place.region)

    @property
    def scope(self) -> Scope:
        """What the table of permissions is filled with; CloudFormation puts the account in."""
        return scope_of(self.project, self.environment, self.place, account=ACCOUNT, partition=self.partition)

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles that the stack makes."""
        own = self.place.role is None
        serves = self.environment.hosting is Hosting.FUNCTION
        found = {
            Role.JOB: own,
            Role.FUNCTION: own and serves,
            Role.STEP: True,
            Role.TRIGGER: True,
            Role.TICK: True,
            Role.EVENTS: True,
            Role.MACHINE: True,
            Role.SCHEDULER: True,
        }
        return tuple(role for role, is_made in found.items() if is_made)

    @property
    def triggers(self) -> tuple[Trigger, ...]:
        """The triggers that start runs in this environment."""
        return tuple(each for each in self.project.triggers if self.environment.name in each.environments)

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """The schedules among them."""
        return tuple(each for each in self.triggers if isinstance(each, Schedule))

    @property
    def other_events(self) -> tuple[OtherEvent, ...]:
        """The events of other programs among them."""
        return tuple(each for each in self.triggers if isinstance(each, OtherEvent))

    @property
    def watched(self) -> tuple[str, str] | None:
        """Bucket and key prefix whose new objects start runs; None when none do."""
        source = self.project.data_in(self.environment).source.replace("s3a://", "s3://")
        if not source.startswith("s3://") or not any(isinstance(each, NewData) for each in self.triggers):
            return None
        bucket, key = split_url(source)
        for sign in "*?[":
            key = key.partition(sign)[0]
        return bucket, key

    def role_arn(self, role: Role) -> Tree:
        """Return the address of a role, made here or given."""
        if role in self.roles:
            return GetAtt(f"{role.value.title()}Role")
        return self.place.role or Sub(f"arn:{self.partition}:iam::{ACCOUNT}:role/{role_name(self.place, role)}")

    @property
    def topic(self) -> Tree:
        """The address of the environment's own topic; None when it has none."""
        if self.place.names.topic is None:
            return None
        if "Topic" in self.outside:
            return Sub(f"arn:{self.partition}:sns:{self.place.region}:{ACCOUNT}:{self.place.names.topic}")
        return Ref("Topic")
