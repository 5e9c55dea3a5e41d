"""Endpoints: creating, describing, scaling, deleting; what updates them is in ``deployments``."""

from typing import Any, cast

from moto.applicationautoscaling.models import applicationautoscaling_backends

from tests.aws.bench.account import need_quota
from tests.aws.bench.call import Call, Document
from tests.aws.bench.control import command
from tests.aws.bench.errors import ACCOUNT, invalid
from tests.aws.bench.events import emit
from tests.aws.bench.fleets import Fleet, FleetError
from tests.aws.bench.jobs import in_milliseconds
from tests.aws.bench.models import found, listed
from tests.aws.bench.operations import operation
from tests.aws.bench.tags import keep_tags
from tests.aws.bench.world import World, now

SHOWN = ("EndpointName", "EndpointArn", "EndpointConfigName", "CreationTime", "LastModifiedTime", "FailureReason")
# The event writes the state in capitals (FACTS §6): IN_SERVICE, UPDATE_ROLLBACK_FAILED.
CAPITALS = {"InService": "IN_SERVICE", "RollingBack": "ROLLING_BACK", "UpdateRollbackFailed": "UPDATE_ROLLBACK_FAILED"}


def move(world: World, region: str, endpoint: Document, status: str) -> None:
    """Go to the next state and tell it."""
    with world.lock:
        endpoint["EndpointStatus"] = status
        endpoint["LastModifiedTime"] = now()
    emit_state(world, region, endpoint, "SageMaker Endpoint State Change")


def emit_state(world: World, region: str, endpoint: Document, kind: str) -> None:
    """Tell the state (SageMaker guide, "Events that Amazon SageMaker AI sends to Amazon EventBridge")."""
    detail = {name: in_milliseconds(endpoint[name]) for name in SHOWN if name in endpoint}
    detail["ProductionVariants"] = [variant.shown() for variant in fleet_of(endpoint).production]
    detail["EndpointStatus"] = CAPITALS.get(endpoint["EndpointStatus"], endpoint["EndpointStatus"].upper())
    detail["Tags"] = dict(world.table("sagemaker.tags", region).get(endpoint["EndpointArn"], {}))
    if "PendingDeploymentSummary" in endpoint:
        detail["PendingDeploymentSummary"] = in_milliseconds(endpoint["PendingDeploymentSummary"])
    emit(world, region, "aws.sagemaker", kind, detail, [endpoint["EndpointArn"]])


def fleet_of(endpoint: Document) -> Fleet:
    fleet: Fleet = endpoint["_fleet"]
    return fleet


def config_of(world: World, call: Call) -> Document:
    return found(world, call, "configs", "EndpointConfigName", "endpoint configuration")


def endpoint_of(world: World, call: Call) -> Document:
    return found(world, call, "endpoints", "EndpointName", "endpoint")


def need_instances(world: World, region: str, config: Document) -> None:
    """Both fleets of an update run at once and count against the quota (FACTS §6)."""
    for variant in config["ProductionVariants"]:
        kind = variant.get("InstanceType", "")
        used = sum(
            each.count
            for endpoint in world.table("sagemaker.endpoints", region).values()
            for each in fleet_of(endpoint).variants
            if each.settings.get("InstanceType") == kind
        )
        need_quota(world, kind, "endpoint usage", used, int(variant.get("InitialInstanceCount", 1)))


@operation("sagemaker", "CreateEndpoint")
def create(world: World, call: Call) -> Document:
    given, endpoints = call.params, world.table("sagemaker.endpoints", call.region)
    name = given["EndpointName"]
    arn = call.arn(f"endpoint/{name.lower()}")
    if name in endpoints:
        raise invalid(f'Cannot create already existing endpoint "{arn}".')
    config = config_of(world, call)
    need_instances(world, call.region, config)
    fleet = Fleet(world=world, region=call.region, endpoint=name, config=given["EndpointConfigName"])
    endpoint = endpoints[name] = {
        "EndpointName": name,
        "EndpointArn": arn,
        "EndpointConfigName": given["EndpointConfigName"],
        "CreationTime": now(),
        "_fleet": fleet,
        "_config": config,
    }
    if "DeploymentConfig" in given:
        endpoint["LastDeploymentConfig"] = given["DeploymentConfig"]
    keep_tags(world, call.region, arn, given.get("Tags", []))
    move(world, call.region, endpoint, "Creating")
    world.background(bring_up, world, call.region, endpoint)
    return {"EndpointArn": arn}


def bring_up(world: World, region: str, endpoint: Document) -> None:
    world.pause(world.settings.step)
    fleet = fleet_of(endpoint)
    try:
        fleet.start(endpoint["_config"])
    except FleetError as error:
        fleet.close()
        endpoint["FailureReason"] = str(error)
        move(world, region, endpoint, "Failed")
    else:
        move(world, region, endpoint, "InService")


@operation("sagemaker", "DescribeEndpoint")
def describe(world: World, call: Call) -> Document:
    endpoint = endpoint_of(world, call)
    shown = {name: value for name, value in endpoint.items() if not name.startswith("_")}
    fleet = fleet_of(endpoint)
    shown["ProductionVariants"] = [variant.shown() for variant in fleet.production]
    shadows = [variant.shown() for variant in fleet.variants if variant.is_shadow]
    if shadows:
        shown["ShadowProductionVariants"] = shadows
    capture = endpoint["_config"].get("DataCaptureConfig")
    if capture:
        is_on = bool(capture.get("EnableCapture"))
        shown["DataCaptureConfig"] = {
            "EnableCapture": is_on,
            "CaptureStatus": "Started" if is_on else "Stopped",
            "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
            "DestinationS3Uri": capture["DestinationS3Uri"],
            "KmsKeyId": capture.get("KmsKeyId", ""),
        }
    return shown


@operation("sagemaker", "ListEndpoints")
def list_endpoints(world: World, call: Call) -> Document:
    kept = listed(world, call, "endpoints", "EndpointName")
    status = call.params.get("StatusEquals")
    return {"Endpoints": [endpoint for endpoint in kept if status in {None, endpoint["EndpointStatus"]}]}


@operation("sagemaker", "DeleteEndpoint")
def delete(world: World, call: Call) -> None:
    endpoint = endpoint_of(world, call)
    if endpoint["EndpointStatus"] in {"Creating", "Updating", "Deleting"}:
        raise invalid(f'Cannot update in-progress endpoint "{endpoint["EndpointArn"]}".')
    move(world, call.region, endpoint, "Deleting")
    world.background(take_down, world, call.region, endpoint)


def take_down(world: World, region: str, endpoint: Document) -> None:
    world.pause(world.settings.step)
    fleet_of(endpoint).close()
    with world.lock:
        world.table("sagemaker.endpoints", region).pop(endpoint["EndpointName"], None)


@operation("sagemaker", "UpdateEndpointWeightsAndCapacities")
def scale(world: World, call: Call) -> Document:
    """Change weights and numbers of instances in place (API reference)."""
    endpoint = endpoint_of(world, call)
    if endpoint["EndpointStatus"] != "InService":
        raise invalid(f'Cannot update in-progress endpoint "{endpoint["EndpointArn"]}".')
    variants = {variant.name: variant for variant in fleet_of(endpoint).production}
    for wanted in call.params["DesiredWeightsAndCapacities"]:
        if wanted["VariantName"] not in variants:
            raise invalid(f"Variant {wanted['VariantName']} is not of endpoint {endpoint['EndpointName']}.")
        variant = variants[wanted["VariantName"]]
        variant.weight = float(wanted.get("DesiredWeight", variant.weight))
        variant.count = int(wanted.get("DesiredInstanceCount", variant.count))
    move(world, call.region, endpoint, "Updating")
    world.background(settle, world, call.region, endpoint)
    return {"EndpointArn": endpoint["EndpointArn"]}


def settle(world: World, region: str, endpoint: Document) -> None:
    world.pause(world.settings.step)
    move(world, region, endpoint, "InService")


@command("autoscale")
def autoscale(world: World, given: Document) -> None:
    """Do what Application Auto Scaling does when the load changes."""
    endpoint = world.table("sagemaker.endpoints", given.get("region", "us-east-1"))[given["endpoint"]]
    for variant in fleet_of(endpoint).production:
        if variant.name == given["variant"]:
            variant.count = int(given["instances"])


def is_autoscaled(region: str, endpoint: str, variant: str) -> bool:
    """Return whether the variant is a scalable target."""
    targets: dict[str, Any] = cast("Any", applicationautoscaling_backends[ACCOUNT][region]).targets
    return any(f"endpoint/{endpoint}/variant/{variant}" in dimension for dimension in targets.values())
