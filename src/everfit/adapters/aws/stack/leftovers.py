"""What an environment has left on AWS beside its stack: what serves, its alarms, and the objects of its installation.

Only what bears the environment's own mark is found, so that a name that merely begins alike is left alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.endpoint_names import parsed, stem
from everfit.adapters.aws.errors import MISSING, code_of, explained
from everfit.adapters.aws.executions import machine_arn
from everfit.adapters.aws.models import is_missing
from everfit.domain.aws import AwsPlace
from everfit.domain.errors import BackendError
from everfit.domain.project import Environment, Hosting

_AT_ONCE: Final = 1000
"""Objects that DeleteObjects takes in a call (API reference)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What serves in an environment and was made by deployments.

    Args:
        name: of the endpoint or function; None when there is none of ours.
        configs: names of configurations.
        models: names of models.
        alarms: names.
    """

    name: str | None
    configs: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()


def serving(clients: Clients, place: AwsPlace, environment: Environment) -> Serving:
    """Return what serves."""
    alarms = tuple(_alarms(clients, environment.endpoint))
    if environment.hosting is Hosting.FUNCTION:
        return Serving(name=_function(clients, place, environment.endpoint), alarms=alarms)
    name = environment.endpoint
    sagemaker = clients("sagemaker")
    with explained(f"list what {name} is made of"):
        pages = sagemaker.get_paginator("list_endpoint_configs").paginate(NameContains=stem(name))
        configs = [each["EndpointConfigName"] for page in pages for each in page["EndpointConfigs"]]
        pages = sagemaker.get_paginator("list_models").paginate(NameContains=stem(name))
        models = [each["ModelName"] for page in pages for each in page["Models"]]
    return Serving(
        name=_endpoint(clients, place, name),
        configs=tuple(each for each in configs if parsed(name, each)),
        models=tuple(each for each in models if parsed(name, each)),
        alarms=alarms,
    )


def _endpoint(clients: Clients, place: AwsPlace, name: str) -> str | None:
    sagemaker = clients("sagemaker")
    with explained(f"look at the endpoint {name}"):
        try:
            address = sagemaker.describe_endpoint(EndpointName=name)["EndpointArn"]
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        tags = sagemaker.list_tags(ResourceArn=address)["Tags"]
    return name if _is_ours({each["Key"]: each["Value"] for each in tags}, place) else None


def _function(clients: Clients, place: AwsPlace, name: str) -> str | None:
    with explained(f"look at the function {name}"):
        try:
            tags: Mapping[str, str] = clients("lambda").get_function(FunctionName=name).get("Tags", {})
        except ClientError as error:
            if code_of(error) in MISSING:
                return None
            raise
    return name if _is_ours(tags, place) else None


def _is_ours(tags: Mapping[str, str], place: AwsPlace) -> bool:
    return (tags.get("everfit:model"), tags.get("everfit:environment")) == (place.model, place.environment)


def _alarms(clients: Clients, endpoint: str) -> Iterator[str]:
    with explained(f"list the alarms of {endpoint}"):
        for page in clients("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{endpoint}-"):
            for alarm in page["MetricAlarms"]:
                stats = [alarm, *(each.get("MetricStat", {}).get("Metric", {}) for each in alarm.get("Metrics", ()))]
                if any(_is_about(each.get("Dimensions", ()), endpoint) for each in stats):
                    yield alarm["AlarmName"]


def _is_about(dimensions: Sequence[Mapping[str, str]], endpoint: str) -> bool:
    return any(each["Name"] in ("EndpointName", "FunctionName") and each["Value"] == endpoint for each in dimensions)


def running(clients: Clients, place: AwsPlace, account: str) -> tuple[str, ...]:
    """Return the names of the executions that go on."""
    with explained(f"look for runs in {place.names.state_machine}"):
        try:
            found = clients("stepfunctions").list_executions(
                stateMachineArn=machine_arn(place, account), statusFilter="RUNNING"
            )
        except ClientError as error:
            if code_of(error) == "StateMachineDoesNotExist":
                return ()
            raise
    return tuple(each["name"] for each in found["executions"])


def others(clients: Clients, place: AwsPlace) -> tuple[str, ...]:
    """Return the other environments that were applied to the same installation, as ``model/environment``."""
    below = f"{place.prefix}/projects/"
    names: list[str] = []
    with explained(f"look who else lives in {place.home}"):
        for page in clients("s3").get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=below):
            names += [each["Key"].removeprefix(below).removesuffix(".json") for each in page.get("Contents", ())]
    return tuple(name for name in names if name != f"{place.model}/{place.environment}")


def erase(clients: Clients, bucket: str, prefix: str) -> int:
    """Delete every version of every object below the prefix, and return how many there were."""
    count = 0
    s3: Any = clients("s3")
    with explained(f"empty s3://{bucket}/{prefix}"):
        for page in s3.get_paginator("list_object_versions").paginate(
            Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": _AT_ONCE}
        ):
            listed = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            chosen = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in listed]
            if not chosen:
                continue
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": chosen, "Quiet": True})
            for failed in answer.get("Errors", ()):
                raise BackendError(f"s3://{bucket}/{failed['Key']} could not be deleted: {failed.get('Message')}")
            count += len(chosen)
    return count


def is_bucket_empty(clients: Clients, bucket: str) -> bool:
    """Tell whether nothing is left in the bucket, not even an old version."""
    with explained(f"look into the bucket {bucket}"):
        found = clients("s3").list_object_versions(Bucket=bucket, MaxKeys=1)
    return not found.get("Versions") and not found.get("DeleteMarkers")


def packages(clients: Clients, group: str) -> tuple[str, ...]:
    """Return the ARNs of a model package group's packages."""
    with explained(f"list the packages of {group}"):
        try:
            pages = clients("sagemaker").get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
            return tuple(each["ModelPackageArn"] for page in pages for each in page["ModelPackageSummaryList"])
        except ClientError as error:
            if is_missing(error) or "does not exist" in str(error):
                return ()
            raise
