"""UpdateEndpoint: a second fleet, traffic that moves to it, alarms that move it back.

Success shows in the configuration that serves, never in the status alone: an update that was rolled back ends
InService, with or without a FailureReason (FACTS §6).
"""

from dataclasses import dataclass

from tests.aws.bench.alarms import alarms
from tests.aws.bench.call import Call, Document
from tests.aws.bench.endpoints import (
    config_of,
    emit_state,
    endpoint_of,
    fleet_of,
    is_autoscaled,
    move,
    need_instances,
)
from tests.aws.bench.errors import invalid
from tests.aws.bench.fleets import Fleet, FleetError
from tests.aws.bench.operations import operation
from tests.aws.bench.world import World, now

UPDATABLE = {"InService", "UpdateRollbackFailed"}
DEPLOYMENT_EVENT = "SageMaker Endpoint Deployment State Change"


@operation("sagemaker", "UpdateEndpoint")
def update(world: World, call: Call) -> Document:
    """Check what AWS checks at once, and start (API reference, UpdateEndpoint)."""
    given, endpoint = call.params, endpoint_of(world, call)
    if endpoint["EndpointStatus"] not in UPDATABLE:
        raise invalid(f'Cannot update in-progress endpoint "{endpoint["EndpointArn"]}".')
    config = config_of(world, call)
    current = world.table("sagemaker.configs", call.region).get(endpoint["EndpointConfigName"])
    if current is None:
        # An endpoint whose own configuration was deleted cannot be updated any more (API reference, UpdateEndpoint).
        raise invalid(f'Could not find endpoint configuration "{endpoint["EndpointConfigName"]}".')
    if current is config and endpoint["EndpointStatus"] == "InService":
        raise invalid(f'Endpoint "{endpoint["EndpointArn"]}" already uses {config["EndpointConfigName"]}.')
    plan = given.get("DeploymentConfig")
    if plan is None and given.get("RetainDeploymentConfig"):
        plan = endpoint.get("LastDeploymentConfig")
    check_plan(plan or {}, config, endpoint)
    check_scaling(call.region, endpoint, config)
    check_alarms(world, call.region, alarms_of(plan or {}))
    need_instances(world, call.region, config)
    change = Change(world=world, region=call.region, endpoint=endpoint, config=config, plan=plan or {}, given=given)
    endpoint["PendingDeploymentSummary"] = {"EndpointConfigName": config["EndpointConfigName"], "StartTime": now()}
    endpoint.pop("FailureReason", None)
    move(world, call.region, endpoint, "Updating")
    world.background(change.run)
    return {"EndpointArn": endpoint["EndpointArn"]}


def alarms_of(plan: Document) -> list[str]:
    return [alarm["AlarmName"] for alarm in plan.get("AutoRollbackConfiguration", {}).get("Alarms", [])]


def check_plan(plan: Document, config: Document, endpoint: Document) -> None:
    """Refuse a plan that contradicts itself (API reference, BlueGreenUpdatePolicy, RollingUpdatePolicy; FACTS §6)."""
    policy = plan.get("BlueGreenUpdatePolicy")
    if policy:
        traffic = policy["TrafficRoutingConfiguration"]
        needed = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}.get(traffic["Type"])
        if needed and needed not in traffic:
            raise invalid(f"{needed} is required when the traffic routing type is {traffic['Type']}.")
        waits = traffic.get("WaitIntervalInSeconds", 0) + policy.get("TerminationWaitInSeconds", 0)
        if policy.get("MaximumExecutionTimeoutInSeconds", 28800) < waits:
            raise invalid("MaximumExecutionTimeoutInSeconds must be more than all waits together.")
    if policy and "RollingUpdatePolicy" in plan:
        raise invalid("Only one of BlueGreenUpdatePolicy and RollingUpdatePolicy can be given.")
    variants = config["ProductionVariants"]
    if "RollingUpdatePolicy" in plan and (len(variants) > 1 or "ServerlessConfig" in variants[0]):
        raise invalid("Rolling deployments support neither several variants nor serverless ones.")
    names = {variant["VariantName"] for variant in variants}
    if plan and names != {variant.name for variant in fleet_of(endpoint).production}:
        raise invalid("The new configuration must have the same variant names for a deployment with guardrails.")


def check_scaling(region: str, endpoint: Document, config: Document) -> None:
    """An autoscaled variant keeps its instance type (SageMaker guide, "Delete a scaling policy"; FACTS §6)."""
    new = {variant["VariantName"]: variant.get("InstanceType") for variant in config["ProductionVariants"]}
    for variant in fleet_of(endpoint).production:
        is_changed = new.get(variant.name) != variant.settings.get("InstanceType")
        if is_changed and is_autoscaled(region, endpoint["EndpointName"], variant.name):
            raise invalid(
                f'The variant(s) "[{variant.name}]" must be deregistered as scalable targets with AutoScaling before '
                "they can be removed or have their instance type updated."
            )


def check_alarms(world: World, region: str, names: list[str]) -> None:
    missing = [name for name in names if name not in alarms(world, region)]
    if missing:
        raise invalid(f"Could not find CloudWatch alarms {missing}.")


@dataclass(slots=True, kw_only=True)
class Change:
    """An update on its way."""

    world: World
    region: str
    endpoint: Document
    config: Document
    plan: Document
    given: Document

    def run(self) -> None:
        """Bring the new fleet up, move the traffic, bake; or roll back."""
        world, endpoint = self.world, self.endpoint
        old = fleet_of(endpoint)
        new = Fleet(
            world=world,
            region=self.region,
            endpoint=endpoint["EndpointName"],
            config=self.config["EndpointConfigName"],
        )
        world.pause(world.settings.step)
        try:
            self._tell("Creating", "Launching instances.", new)
            new.start(self.config)
            self._keep_properties(old, new)
            self._shift(new)
        except FleetError as error:
            endpoint.pop("_new", None)
            new.close()
            self._roll_back(old, str(error))
            return
        with world.lock:
            endpoint.update(_fleet=new, _config=self.config, EndpointConfigName=self.config["EndpointConfigName"])
            endpoint.pop("_new", None)
            endpoint.pop("PendingDeploymentSummary", None)
            if self.plan:
                endpoint["LastDeploymentConfig"] = self.plan
        old.close()
        move(world, self.region, endpoint, "InService")

    def _keep_properties(self, old: Fleet, new: Fleet) -> None:
        """Keep weights and numbers of instances when asked to; else the configuration's (FACTS §6)."""
        if not self.given.get("RetainAllVariantProperties"):
            return
        excluded = {each["VariantPropertyType"] for each in self.given.get("ExcludeRetainedVariantProperties", [])}
        before = {variant.name: variant for variant in old.production}
        for variant in new.production:
            kept = before.get(variant.name)
            if kept is not None and "DesiredInstanceCount" not in excluded:
                variant.count = kept.count
            if kept is not None and "DesiredWeight" not in excluded:
                variant.weight = kept.weight

    def _shift(self, new: Fleet) -> None:
        """Give the new fleet its share, step by step, and bake after each."""
        steps = shares(self.plan)
        for share in steps:
            self.endpoint["_new"] = (new, share)
            self._tell("ActivatingTraffic", f"Activating traffic on {share:.0%} of capacity.", new)
            self._tell("Baking", "Baking with traffic enabled.", new)
            self._bake(len(steps))

    def _bake(self, parts: int) -> None:
        names = alarms_of(self.plan)

        def is_alarmed() -> bool:
            kept = alarms(self.world, self.region)
            return any(kept.get(name, {}).get("StateValue") == "ALARM" for name in names)

        if self.world.until(is_alarmed, lambda: self.world.settings.bake / parts):
            raise FleetError("One or more configured CloudWatch alarms went into ALARM state")

    def _roll_back(self, old: Fleet, reason: str) -> None:
        """Serve with the old fleet again; DescribeEndpoint keeps status Updating until then (FACTS §1)."""
        world, endpoint = self.world, self.endpoint
        world.pause(world.settings.step)
        with world.lock:
            endpoint["_fleet"] = old
            endpoint.pop("PendingDeploymentSummary", None)
            if world.settings.rollback_reason:
                endpoint["FailureReason"] = reason
        status, world.settings.update_rollback = world.settings.update_rollback, "InService"
        move(world, self.region, endpoint, status)

    def _tell(self, status: str, message: str, new: Fleet) -> None:
        told = {"Status": status, "StatusMessage": message, "StartTime": now()}
        self.endpoint["PendingDeploymentSummary"]["ProductionVariants"] = [
            {**variant.shown(), "VariantStatus": [told]} for variant in new.production
        ]
        emit_state(self.world, self.region, self.endpoint, DEPLOYMENT_EVENT)


def shares(plan: Document) -> list[float]:
    """Return what part of the traffic the new fleet gets in each step."""
    traffic = plan.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    rolling = plan.get("RollingUpdatePolicy", {}).get("MaximumBatchSize")
    if traffic.get("Type") == "CANARY":
        return [part(traffic["CanarySize"]), 1.0]
    step = part(rolling) if rolling else part(traffic["LinearStepSize"]) if traffic.get("Type") == "LINEAR" else 1.0
    return [min(1.0, step * (number + 1)) for number in range(max(1, round(1 / step)))]


def part(size: Document) -> float:
    """Return a capacity size as a share; a number of instances counts as half, for the bench has one."""
    return float(size["Value"]) / 100 if size["Type"] == "CAPACITY_PERCENT" else 0.5
