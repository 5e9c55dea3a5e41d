"""The bench's endpoints: real containers, updates that bake, and rollbacks that are told by the configuration alone."""

import io
import json
import tarfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws.bench.client import Bench, until

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.6.0-cpu-py312-ubuntu22.04-sagemaker"
HANDLER = """
import os, json
def model_fn(model_dir): return json.load(open(os.path.join(model_dir, "model.json")))
def predict_fn(data, model):
    if data == ["bad"]: raise ValueError("I cannot")
    return {"prediction": [model["version"]]}
def input_fn(data, kind): return json.loads(data)
"""
CANARY = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {
            "Type": "CANARY",
            "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
            "WaitIntervalInSeconds": 300,
        },
        "TerminationWaitInSeconds": 60,
        "MaximumExecutionTimeoutInSeconds": 1800,
    },
    "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
}


class Place:
    """A bucket, a role, and endpoints made of little models."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.s3, self.sm = bench, bench.client("s3"), bench.client("sagemaker")
        self.s3.create_bucket(Bucket="everfit-models")
        self.role = bench.role("serving")
        bench.client("cloudwatch").put_metric_alarm(
            AlarmName="errors",
            Namespace="AWS/SageMaker",
            MetricName="Invocation5XXErrors",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
        )

    def config(self, name: str, *, handler: str = HANDLER, instance: str = "ml.m5.large", **given: Any) -> None:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for place, text in (("code/inference.py", handler), ("model.json", json.dumps({"version": name}))):
                entry = tarfile.TarInfo(place)
                entry.size = len(text)
                archive.addfile(entry, io.BytesIO(text.encode()))
        self.s3.put_object(Bucket="everfit-models", Key=f"{name}.tar.gz", Body=packed.getvalue())
        container = {"Image": IMAGE, "ModelDataUrl": f"s3://everfit-models/{name}.tar.gz"}
        self.sm.create_model(ModelName=name, ExecutionRoleArn=self.role, PrimaryContainer=container)
        variant = {"VariantName": "AllTraffic", "ModelName": name, "InstanceType": instance, "InitialInstanceCount": 1}
        self.sm.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], **given)

    def endpoint(self, config: str) -> None:
        self.sm.create_endpoint(EndpointName="prod", EndpointConfigName=config)
        until(lambda: self.status() != "Creating", "the endpoint")

    def update(self, config: str, **given: Any) -> dict[str, Any]:
        self.sm.update_endpoint(EndpointName="prod", EndpointConfigName=config, **given)
        return self.settled()

    def settled(self) -> dict[str, Any]:
        until(lambda: self.status() != "Updating", "the update")
        return self.shown()

    def shown(self) -> dict[str, Any]:
        shown: dict[str, Any] = self.sm.describe_endpoint(EndpointName="prod")
        return shown

    def status(self) -> str:
        return str(self.shown()["EndpointStatus"])

    def ask(self, data: Any = ("x",)) -> Any:
        runtime = self.bench.client("sagemaker-runtime")
        body = json.dumps(list(data))
        answer = runtime.invoke_endpoint(EndpointName="prod", ContentType="application/json", Body=body)
        return json.loads(answer["Body"].read())["prediction"][0]


@pytest.fixture
def place(bench: Bench) -> Place:
    return Place(bench)


@pytest.fixture
def quick(bench: Bench) -> Place:
    """Endpoints without containers, for what has nothing to do with them."""
    bench.set(serving="none")
    return Place(bench)


def test_an_endpoint_answers_by_the_users_own_handlers(place: Place) -> None:
    place.config("one")
    place.endpoint("one")
    assert place.ask() == "one", place.shown()


def test_what_the_container_refuses_is_a_model_error(place: Place) -> None:
    place.config("one")
    place.endpoint("one")
    with pytest.raises(ClientError, match=r"Received client error \(500\)") as refused:
        place.ask(("bad",))
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 424


def test_a_container_that_never_answers_fails_the_endpoint(place: Place) -> None:
    place.config("one", handler="raise SystemExit(1)")
    place.endpoint("one")
    assert place.status() == "Failed"
    assert "did not pass the ping health check" in place.shown()["FailureReason"]


def test_an_update_keeps_the_endpoint_and_changes_who_answers(place: Place) -> None:
    place.config("one")
    place.config("two")
    place.endpoint("one")
    shown = place.update("two", DeploymentConfig=CANARY)
    assert (shown["EndpointConfigName"], shown["LastDeploymentConfig"]) == ("two", CANARY)
    assert place.ask() == "two"


def test_a_canary_answers_beside_the_old_fleet_while_it_bakes(place: Place) -> None:
    place.config("one")
    place.config("two")
    place.endpoint("one")
    place.bench.set(bake=30)
    place.sm.update_endpoint(EndpointName="prod", EndpointConfigName="two", DeploymentConfig=CANARY)
    until(lambda: place.ask() == "two", "an answer of the new fleet")
    until(lambda: place.ask() == "one", "an answer of the old fleet")
    assert place.shown()["EndpointConfigName"] == "one"
    place.bench.set(bake=0)
    assert place.settled()["EndpointConfigName"] == "two"


def test_a_new_fleet_that_is_unhealthy_is_rolled_back(place: Place) -> None:
    place.config("one")
    place.config("two", handler="raise SystemExit(1)")
    place.endpoint("one")
    shown = place.update("two", DeploymentConfig=CANARY)
    assert (shown["EndpointStatus"], shown["EndpointConfigName"]) == ("InService", "one")
    assert place.ask() == "one"


@pytest.mark.parametrize("tells", [True, False])
def test_an_alarm_while_baking_rolls_back_with_or_without_a_reason(quick: Place, *, tells: bool) -> None:
    quick.bench.set(bake=30, rollback_reason=tells)
    quick.config("one")
    quick.config("two")
    quick.endpoint("one")
    quick.sm.update_endpoint(EndpointName="prod", EndpointConfigName="two", DeploymentConfig=CANARY)
    quick.bench.alarm("errors")
    shown = quick.settled()
    assert (shown["EndpointStatus"], shown["EndpointConfigName"]) == ("InService", "one")
    assert ("FailureReason" in shown) == tells


def test_a_rollback_can_fail_and_be_repaired(quick: Place) -> None:
    quick.bench.set(bake=30, update_rollback="UpdateRollbackFailed")
    quick.config("one")
    quick.config("two")
    quick.endpoint("one")
    quick.sm.update_endpoint(EndpointName="prod", EndpointConfigName="two", DeploymentConfig=CANARY)
    quick.bench.alarm("errors")
    assert quick.settled()["EndpointStatus"] == "UpdateRollbackFailed"
    quick.bench.set(bake=0)
    assert quick.update("one")["EndpointStatus"] == "InService"


def test_a_busy_endpoint_refuses_another_update(quick: Place) -> None:
    quick.bench.set(bake=30)
    for name in ("one", "two", "three"):
        quick.config(name)
    quick.endpoint("one")
    quick.sm.update_endpoint(EndpointName="prod", EndpointConfigName="two")
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        quick.sm.update_endpoint(EndpointName="prod", EndpointConfigName="three")


def test_deleting_a_configuration_in_use_is_noted_and_ends_all_updates(quick: Place) -> None:
    quick.config("one")
    quick.config("two")
    quick.endpoint("one")
    quick.sm.delete_endpoint_config(EndpointConfigName="one")
    assert quick.bench.notes("config-in-use-deleted") == [
        {"kind": "config-in-use-deleted", "config": "one", "endpoint": "prod"}
    ]
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        quick.sm.update_endpoint(EndpointName="prod", EndpointConfigName="two")


@pytest.mark.parametrize(("retained", "instances"), [(True, 4), (False, 1)])
def test_autoscaled_instances_are_kept_only_when_asked(quick: Place, *, retained: bool, instances: int) -> None:
    quick.config("one")
    quick.config("two")
    quick.endpoint("one")
    quick.bench.autoscale("prod", "AllTraffic", 4)
    shown = quick.update("two", RetainAllVariantProperties=retained)
    assert shown["ProductionVariants"][0]["CurrentInstanceCount"] == instances


def test_an_autoscaled_variant_keeps_its_instance_type(quick: Place) -> None:
    quick.config("one")
    quick.config("two", instance="ml.c5.large")
    quick.endpoint("one")
    quick.bench.client("application-autoscaling").register_scalable_target(
        ServiceNamespace="sagemaker",
        ResourceId="endpoint/prod/variant/AllTraffic",
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
        MinCapacity=1,
        MaxCapacity=4,
    )
    with pytest.raises(ClientError, match="must be deregistered"):
        quick.sm.update_endpoint(EndpointName="prod", EndpointConfigName="two")


def test_both_fleets_of_an_update_count_against_the_quota(quick: Place) -> None:
    quick.bench.set(quotas={"ml.m5.large for endpoint usage": 1})
    quick.config("one")
    quick.config("two")
    quick.endpoint("one")
    with pytest.raises(ClientError, match="ResourceLimitExceeded"):
        quick.sm.update_endpoint(EndpointName="prod", EndpointConfigName="two")


def test_a_canary_needs_its_size(quick: Place) -> None:
    quick.config("one")
    quick.config("two")
    quick.endpoint("one")
    plan = json.loads(json.dumps(CANARY))
    del plan["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["CanarySize"]
    with pytest.raises(ClientError, match="CanarySize is required"):
        quick.sm.update_endpoint(EndpointName="prod", EndpointConfigName="two", DeploymentConfig=plan)


def test_states_are_events_in_capitals(quick: Place) -> None:
    quick.config("one")
    quick.endpoint("one")
    quick.sm.delete_endpoint(EndpointName="prod")
    until(lambda: quick.sm.list_endpoints()["Endpoints"] == [], "the end of the endpoint")
    told = [note["event"]["detail"]["EndpointStatus"] for note in quick.bench.notes("event")]
    assert told == ["CREATING", "IN_SERVICE", "DELETING"]


def test_what_is_captured_is_in_the_bucket(place: Place) -> None:
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://everfit-models/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    }
    place.config("one", DataCaptureConfig=capture)
    place.endpoint("one")
    place.ask()
    found = until(
        lambda: place.s3.list_objects_v2(Bucket="everfit-models", Prefix="captured/").get("Contents"), "the capture"
    )
    assert found[0]["Key"].startswith("captured/prod/AllTraffic/")


def test_a_package_keeps_its_metadata_when_it_is_approved(bench: Bench) -> None:
    sm = bench.client("sagemaker")
    sm.create_model_package_group(ModelPackageGroupName="churn")
    arn = sm.create_model_package(
        ModelPackageGroupName="churn",
        InferenceSpecification={
            "Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://everfit-models/one.tar.gz"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
        CustomerMetadataProperties={"verdict": "better"},
        ClientToken="run-1-register",
    )["ModelPackageArn"]
    sm.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="by Ada")
    shown = sm.describe_model_package(ModelPackageName=arn)
    assert shown["CustomerMetadataProperties"] == {"verdict": "better"}
    event = bench.notes("event")[-1]["event"]
    assert event["detail-type"] == "SageMaker Model Package State Change"
    assert event["detail"]["ModelApprovalStatus"] == "Approved"
    assert event["detail"]["UpdatedModelPackageFields"] == ["ModelApprovalStatus", "ApprovalDescription"]
