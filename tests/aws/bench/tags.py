"""Tags of SageMaker resources, by their ARNs."""

from tests.aws.bench.call import Call, Document
from tests.aws.bench.operations import operation
from tests.aws.bench.world import World


def keep_tags(world: World, region: str, arn: str, tags: list[Document]) -> None:
    """Add *tags* to what the resource has; one key has one value."""
    kept = world.table("sagemaker.tags", region).setdefault(arn, {})
    kept.update({tag["Key"]: tag.get("Value", "") for tag in tags})


def tags_of(world: World, region: str, arn: str) -> list[Document]:
    kept = world.table("sagemaker.tags", region).get(arn, {})
    return [{"Key": key, "Value": value} for key, value in kept.items()]


@operation("sagemaker", "AddTags")
def add_tags(world: World, call: Call) -> Document:
    keep_tags(world, call.region, call.params["ResourceArn"], call.params["Tags"])
    return {"Tags": tags_of(world, call.region, call.params["ResourceArn"])}


@operation("sagemaker", "ListTags")
def list_tags(world: World, call: Call) -> Document:
    return {"Tags": tags_of(world, call.region, call.params["ResourceArn"])}


@operation("sagemaker", "DeleteTags")
def delete_tags(world: World, call: Call) -> None:
    kept = world.table("sagemaker.tags", call.region).get(call.params["ResourceArn"], {})
    for key in call.params["TagKeys"]:
        kept.pop(key, None)
