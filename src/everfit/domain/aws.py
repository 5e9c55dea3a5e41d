"""Where on AWS an environment's work is done, with every default filled in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from everfit.domain.errors import RequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubTarget:
    """A repository that is told of new data.

    Args:
        token: ARN of the secret with the token.
    """

    owner: str
    repository: str
    token: str
    event: str = "dataset-upload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names of what is made.

    Args:
        pipeline: None starts each job by itself.
        topic: None makes no topic.
    """

    stack: str
    state_machine: str
    trigger: str
    schedule: str
    package_group: str
    pipeline: str | None = None
    topic: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """How a Lambda function serves.

    Args:
        memory: in MB.
        layers: ARNs.
    """

    alias: str = "live"
    memory: int = 1024
    timeout: timedelta = timedelta(seconds=30)
    layers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsPlace:
    """Where on AWS one environment's work is done.

    Args:
        account: the only one that may be changed; None is that of the credentials.
        role: of jobs and of what serves; None takes those that the stack makes.
        image: of Everfit's own jobs; None is the usual one of the region.
        volume: disk of Everfit's own jobs, in bytes.
        key: ARN of a KMS key; None leaves encryption to S3.
        boundary: ARN of the permissions boundary of every role that is made.
        logs: how long logs are kept.
        audit: whether CloudTrail records each access to the bucket.
        tags: the user's own, besides ``all_tags``.
    """

    model: str
    environment: str
    region: str
    bucket: str
    names: Names
    account: str | None = None
    prefix: str = "everfit"
    role: str | None = None
    image: str | None = None
    instance: str = "ml.m5.large"
    volume: int = 30_000_000_000
    key: str | None = None
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    boundary: str | None = None
    namespace: str = "Everfit"
    logs: timedelta = timedelta(days=30)
    audit: bool = False
    subscribe: tuple[str, ...] = ()
    last_trained: str | None = None
    github: GitHubTarget | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def home(self) -> str:
        """URL below which everything of the installation lies, without a slash at its end."""
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def all_tags(self) -> Mapping[str, str]:
        """Tags of everything that is made."""
        return {**self.tags, "everfit:model": self.model, "everfit:environment": self.environment}


def aws_place(model: str, environment: str, project: Mapping[str, Any], own: Mapping[str, Any]) -> AwsPlace:
    """Return the place, with the environment's *own* keys before those of the *project*.

    Raises:
        RequestError: the region or the bucket is missing.
    """
    given: dict[str, Any] = {**project, **own}
    for key in ("region", "bucket"):
        if key not in given:
            raise RequestError(f"everfit.yaml: the environment {environment} needs aws.{key} with backend: sagemaker.")
    usual = f"everfit-{model}-{environment}"
    names: dict[str, Any] = {
        "stack": usual,
        "state_machine": usual,
        "trigger": f"{usual}-trigger",
        "schedule": usual,
        "package_group": model,
        **project.get("names", {}),
        **own.get("names", {}),
    }
    given["names"] = Names(**names)
    if "github" in given:
        given["github"] = GitHubTarget(**given["github"])
    given["tags"] = MappingProxyType({**project.get("tags", {}), **own.get("tags", {})})
    return AwsPlace(model=model, environment=environment, **given)


def partition_of(region: str) -> str:
    """Return the partition of a region, as it stands in every ARN there."""
    # https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def split_url(url: str) -> tuple[str, str]:
    """Return bucket and key of ``s3://bucket/key``, or raise ``RequestError``."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    if not url.startswith("s3://") or not bucket:
        raise RequestError(f"{url} is no S3 URL; one looks like s3://bucket/prefix/.")
    return bucket, key
