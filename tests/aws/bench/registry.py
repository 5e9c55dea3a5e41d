"""The Model Registry: groups and versioned packages, approvals with their events."""

from tests.aws.bench.call import Call, Document
from tests.aws.bench.errors import AwsError, invalid
from tests.aws.bench.events import emit
from tests.aws.bench.operations import operation
from tests.aws.bench.tags import keep_tags
from tests.aws.bench.world import World, now

DONE = {"ModelPackageStatus": "Completed", "ModelPackageStatusDetails": {"ValidationStatuses": []}}


def group_of(world: World, call: Call) -> Document:
    name = str(call.params["ModelPackageGroupName"]).rpartition("/")[2]
    group = world.table("sagemaker.groups", call.region).get(name)
    if group is None:
        raise invalid(f"ModelPackageGroup {call.arn(f'model-package-group/{name}')} does not exist.")
    return group


@operation("sagemaker", "CreateModelPackageGroup")
def create_group(world: World, call: Call) -> Document:
    name = call.params["ModelPackageGroupName"]
    groups, arn = world.table("sagemaker.groups", call.region), call.arn(f"model-package-group/{name}")
    if name in groups:
        raise invalid(f"Model Package Group already exists: {arn}")
    groups[name] = {
        "ModelPackageGroupName": name,
        "ModelPackageGroupArn": arn,
        "ModelPackageGroupDescription": call.params.get("ModelPackageGroupDescription"),
        "CreationTime": now(),
        "CreatedBy": {},
        "ModelPackageGroupStatus": "Completed",
    }
    keep_tags(world, call.region, arn, call.params.get("Tags", []))
    return {"ModelPackageGroupArn": arn}


@operation("sagemaker", "DescribeModelPackageGroup")
def describe_group(world: World, call: Call) -> Document:
    return group_of(world, call)


@operation("sagemaker", "ListModelPackageGroups")
def list_groups(world: World, call: Call) -> Document:
    part = call.params.get("NameContains", "")
    groups = world.table("sagemaker.groups", call.region).values()
    return {"ModelPackageGroupSummaryList": [each for each in groups if part in each["ModelPackageGroupName"]]}


@operation("sagemaker", "DeleteModelPackageGroup")
def delete_group(world: World, call: Call) -> None:
    """A group that still has packages stays (API reference, DeleteModelPackageGroup)."""
    group = group_of(world, call)
    if packages_of(world, call.region, group["ModelPackageGroupName"]):
        raise AwsError("ConflictException", "Model Package Group cannot be deleted because it still has packages.")
    del world.table("sagemaker.groups", call.region)[group["ModelPackageGroupName"]]


def packages_of(world: World, region: str, group: str) -> list[Document]:
    packages = world.table("sagemaker.packages", region).values()
    return [package for package in packages if package.get("ModelPackageGroupName") == group]


@operation("sagemaker", "CreateModelPackage")
def create_package(world: World, call: Call) -> Document:
    """Add the next version of a group; a token makes a repeated call find its first (API reference, ClientToken)."""
    given, packages = call.params, world.table("sagemaker.packages", call.region)
    group = group_of(world, call)
    name, token = group["ModelPackageGroupName"], given.get("ClientToken")
    for package in packages_of(world, call.region, name):
        if token is not None and package.get("_token") == token:
            return {"ModelPackageArn": package["ModelPackageArn"]}
    group["_versions"] = version = int(group.get("_versions", 0)) + 1
    arn = call.arn(f"model-package/{name}/{version}")
    kept = {member: value for member, value in given.items() if member not in {"Tags", "ClientToken"}}
    packages[arn] = {
        "ModelApprovalStatus": "PendingManualApproval",
        **kept,
        **DONE,
        "ModelPackageGroupName": name,
        "ModelPackageVersion": version,
        "ModelPackageArn": arn,
        "CreationTime": now(),
        "_token": token,
    }
    keep_tags(world, call.region, arn, given.get("Tags", []))
    tell(world, call.region, packages[arn])
    return {"ModelPackageArn": arn}


def tell(world: World, region: str, package: Document, changed: list[str] | None = None) -> None:
    """Send the package's event; moments are texts there (SageMaker guide, "Events that SageMaker AI sends")."""
    detail = {name: value for name, value in package.items() if not name.startswith("_")}
    for name in ("CreationTime", "LastModifiedTime"):
        if name in detail:
            detail[name] = detail[name].strftime("%Y-%m-%dT%H:%M:%SZ")
    if changed:
        detail["UpdatedModelPackageFields"] = changed
    kind = "SageMaker Model Package State Change"
    emit(world, region, "aws.sagemaker", kind, detail, [package["ModelPackageArn"]])


def package_of(world: World, call: Call, member: str = "ModelPackageName") -> Document:
    arn = str(call.params[member])
    package = world.table("sagemaker.packages", call.region).get(arn)
    if package is None:
        raise invalid(f"ModelPackage {arn} does not exist.")
    return package


@operation("sagemaker", "DescribeModelPackage")
def describe_package(world: World, call: Call) -> Document:
    return package_of(world, call)


@operation("sagemaker", "UpdateModelPackage")
def update_package(world: World, call: Call) -> Document:
    """Change what is given and keep the rest (API reference, UpdateModelPackage)."""
    package, given = package_of(world, call, "ModelPackageArn"), call.params
    metadata = dict(package.get("CustomerMetadataProperties", {}))
    metadata.update(given.get("CustomerMetadataProperties", {}))
    for name in given.get("CustomerMetadataPropertiesToRemove", []):
        metadata.pop(name, None)
    if metadata:
        package["CustomerMetadataProperties"] = metadata
    names = ("ModelApprovalStatus", "ApprovalDescription", "SourceUri", "InferenceSpecification", "ModelLifeCycle")
    changed = [name for name in names if name in given]
    package.update({name: given[name] for name in changed})
    package["LastModifiedTime"] = now()
    tell(world, call.region, package, changed)
    return {"ModelPackageArn": package["ModelPackageArn"]}


@operation("sagemaker", "DeleteModelPackage")
def delete_package(world: World, call: Call) -> None:
    package = package_of(world, call)
    del world.table("sagemaker.packages", call.region)[package["ModelPackageArn"]]


@operation("sagemaker", "ListModelPackages")
def list_packages(world: World, call: Call) -> Document:
    given = call.params
    found = list(world.table("sagemaker.packages", call.region).values())
    if "ModelPackageGroupName" in given:
        found = packages_of(world, call.region, group_of(world, call)["ModelPackageGroupName"])
    if "ModelApprovalStatus" in given:
        found = [each for each in found if each["ModelApprovalStatus"] == given["ModelApprovalStatus"]]
    found.sort(key=lambda each: (each["CreationTime"], each["ModelPackageVersion"]))
    if given.get("SortOrder", "Descending") == "Descending":
        found.reverse()
    start, count = int(given.get("NextToken", 0)), int(given.get("MaxResults", 100))
    answer: Document = {"ModelPackageSummaryList": found[start : start + count]}
    return answer | ({"NextToken": str(start + count)} if len(found) > start + count else {})
