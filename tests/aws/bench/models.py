"""Models and endpoint configurations: what an endpoint is made of."""

from typing import Any

from tests.aws.bench.account import bucket_of, need_role
from tests.aws.bench.call import Call, Document
from tests.aws.bench.errors import invalid
from tests.aws.bench.images import is_missing, serve_program
from tests.aws.bench.objects import split
from tests.aws.bench.operations import operation
from tests.aws.bench.tags import keep_tags
from tests.aws.bench.world import World, now


def containers_of(model: Document) -> list[Document]:
    return [model["PrimaryContainer"]] if "PrimaryContainer" in model else list(model.get("Containers", []))


@operation("sagemaker", "CreateModel")
def create_model(world: World, call: Call) -> Document:
    """Check the role, the image, the artifact and the package (API reference, CreateModel)."""
    given, models = call.params, world.table("sagemaker.models", call.region)
    arn = call.arn(f"model/{given['ModelName'].lower()}")
    if given["ModelName"] in models:
        raise invalid(f'Cannot create already existing model "{arn}".')
    need_role(given.get("ExecutionRoleArn", ""), "sagemaker.amazonaws.com")
    for container in containers_of(given):
        check_container(world, call, container)
    kept = {name: value for name, value in given.items() if name != "Tags"}
    models[given["ModelName"]] = {**kept, "ModelArn": arn, "CreationTime": now()}
    keep_tags(world, call.region, arn, given.get("Tags", []))
    return {"ModelArn": arn}


def check_container(world: World, call: Call, container: Document) -> None:
    found = resolved(world, call.region, container)
    image = found.get("Image", "")
    if is_missing(world, image, call.region) or serve_program(world, image) is None:
        raise invalid(
            f"Requested image {image} not found. Please check that the image exists, is in this region and can serve."
        )
    data = found.get("ModelDataUrl")
    if data:
        bucket, key = split(data)
        kept = bucket_of(bucket)
        if kept is None or key not in kept.keys:
            raise invalid(f"Could not find model data at {data}.")


def resolved(world: World, region: str, container: Document) -> Document:
    """Return what a container runs: its own settings over those of its model package.

    A package must be approved before it can be deployed (SageMaker guide, "Update the Approval Status of a Model").
    """
    arn = container.get("ModelPackageName")
    if not arn:
        return container
    package = world.table("sagemaker.packages", region).get(arn)
    if package is None:
        raise invalid(f"ModelPackage {arn} does not exist.")
    if package.get("ModelApprovalStatus", "Approved") != "Approved":
        raise invalid(f"Model package {arn} is not approved: it is {package['ModelApprovalStatus']}.")
    packed: Document = package["InferenceSpecification"]["Containers"][0]
    environment = {**packed.get("Environment", {}), **container.get("Environment", {})}
    return {**packed, **container, "Environment": environment}


@operation("sagemaker", "DescribeModel")
def describe_model(world: World, call: Call) -> Document:
    return found(world, call, "models", "ModelName", "model")


@operation("sagemaker", "DeleteModel")
def delete_model(world: World, call: Call) -> None:
    found(world, call, "models", "ModelName", "model")
    del world.table("sagemaker.models", call.region)[call.params["ModelName"]]


@operation("sagemaker", "ListModels")
def list_models(world: World, call: Call) -> Document:
    return {"Models": listed(world, call, "models", "ModelName")}


def found(world: World, call: Call, table: str, member: str, shown: str) -> Document:
    """Return what *call* names, or refuse in AWS's words."""
    name = str(call.params[member])
    kept = world.table(f"sagemaker.{table}", call.region).get(name)
    if kept is None:
        place = {"endpoint configuration": "endpoint-config"}.get(shown, shown)
        raise invalid(f'Could not find {shown} "{call.arn(f"{place}/{name.lower()}")}".')
    return kept


def listed(world: World, call: Call, table: str, member: str) -> list[Document]:
    part = call.params.get("NameContains", "").lower()
    kept = world.table(f"sagemaker.{table}", call.region).values()
    chosen = [each for each in kept if part in str(each[member]).lower()]
    return sorted(chosen, key=lambda each: each["CreationTime"], reverse=call.params.get("SortOrder") != "Ascending")


@operation("sagemaker", "CreateEndpointConfig")
def create_config(world: World, call: Call) -> Document:
    """Check names, models and shadows (API reference, CreateEndpointConfig; FACTS §6 for shadows)."""
    given, configs = call.params, world.table("sagemaker.configs", call.region)
    name = given["EndpointConfigName"]
    arn = call.arn(f"endpoint-config/{name.lower()}")
    if name in configs:
        raise invalid(f'Cannot create already existing endpoint configuration "{arn}".')
    variants, shadows = given["ProductionVariants"], given.get("ShadowProductionVariants", [])
    names = [variant["VariantName"] for variant in [*variants, *shadows]]
    if len(set(names)) < len(names):
        raise invalid(f"Variant names must be unique: {names}.")
    if shadows and (len(shadows) > 1 or len(variants) > 1):
        raise invalid("An endpoint with a shadow variant has exactly one production and one shadow variant.")
    for variant in [*variants, *shadows]:
        check_variant(world, call, variant)
    kept = {member: value for member, value in given.items() if member != "Tags"}
    configs[name] = {**kept, "EndpointConfigArn": arn, "CreationTime": now()}
    keep_tags(world, call.region, arn, given.get("Tags", []))
    return {"EndpointConfigArn": arn}


def check_variant(world: World, call: Call, variant: Document) -> None:
    name = variant.get("ModelName", "")
    if name not in world.table("sagemaker.models", call.region):
        raise invalid(f'Could not find model "{call.arn(f"model/{name.lower()}")}".')
    if "ServerlessConfig" not in variant and "InstanceType" not in variant:
        raise invalid(f"Variant {variant['VariantName']} needs an InstanceType or a ServerlessConfig.")


@operation("sagemaker", "DescribeEndpointConfig")
def describe_config(world: World, call: Call) -> Document:
    return found(world, call, "configs", "EndpointConfigName", "endpoint configuration")


@operation("sagemaker", "DeleteEndpointConfig")
def delete_config(world: World, call: Call) -> None:
    """Delete it, even when an endpoint uses it: AWS lets that happen (API reference, DeleteEndpointConfig)."""
    found(world, call, "configs", "EndpointConfigName", "endpoint configuration")
    name = call.params["EndpointConfigName"]
    for endpoint in world.table("sagemaker.endpoints", call.region).values():
        used = {endpoint["EndpointConfigName"], pending(endpoint)}
        if name in used:
            world.note("config-in-use-deleted", config=name, endpoint=endpoint["EndpointName"])
    del world.table("sagemaker.configs", call.region)[name]


def pending(endpoint: Document) -> Any:
    return endpoint.get("PendingDeploymentSummary", {}).get("EndpointConfigName")


@operation("sagemaker", "ListEndpointConfigs")
def list_configs(world: World, call: Call) -> Document:
    return {"EndpointConfigs": listed(world, call, "configs", "EndpointConfigName")}
