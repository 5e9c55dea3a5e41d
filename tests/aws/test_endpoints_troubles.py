"""What goes wrong with an endpoint of SageMaker, and what Everfit makes of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from everfit.adapters.aws.clients import Clients
from everfit.domain.errors import BackendError, FencedError, RefusedError, RequestError, RunFailedError
from tests.aws.bench.client import Bench, until
from tests.aws.hosted import IMAGE, Hosted, environment, restored, serve, shifted
from tests.aws.hosted import project as project_of
from tests.aws.killing import Death, Killed, dying
from tests.integration.served_models import Models, proof

SERVICES = ("s3", "sagemaker", "cloudwatch", "application-autoscaling")
BAKING = {"strategy": "canary", "steps": (0.1,), "bake": timedelta(minutes=10)}


@dataclass
class Clock:
    """A clock that a test sets."""

    seconds: float = 1_000_000.0

    def now(self) -> float:
        return self.seconds


@pytest.fixture
def hosted(bench: Bench, aws_clients: Clients, tmp_path: Path) -> Hosted:
    bench.set(serving="none")
    return Hosted(bench=bench, clients=aws_clients, models=Models(home=tmp_path))


def version_of(hosted: Hosted, endpoints: Any) -> dict[int, float] | None:
    state = endpoints.describe("solar")
    return None if state is None else dict(state.weights)


def update_by_hand(hosted: Hosted, name: str, variants: int = 1, **variant: Any) -> None:
    """Make a configuration with the model that serves, as somebody in the console does, and bring it in."""
    sagemaker = hosted.clients("sagemaker")
    before = sagemaker.describe_endpoint_config(EndpointConfigName=hosted.config())["ProductionVariants"][0]
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[{**before, **variant}])
    sagemaker.update_endpoint(EndpointName="solar", EndpointConfigName=name)


def make_by_hand(hosted: Hosted, *variants: str, tags: dict[str, str] | None = None) -> None:
    """Make an endpoint as somebody in the console does."""
    sagemaker = hosted.clients("sagemaker")
    container = {"Image": IMAGE, "ModelDataUrl": hosted.version(7).model}
    sagemaker.create_model(ModelName="by-hand", PrimaryContainer=container, ExecutionRoleArn=hosted.role)
    described = [
        {
            "VariantName": name,
            "ModelName": "by-hand",
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
            "InitialVariantWeight": 1.0,
        }
        for name in variants
    ]
    sagemaker.create_endpoint_config(EndpointConfigName="by-hand", ProductionVariants=described)
    listed = [{"Key": key, "Value": value} for key, value in (tags or {}).items()]
    sagemaker.create_endpoint(EndpointName="solar", EndpointConfigName="by-hand", Tags=listed)
    hosted.in_service()


@pytest.mark.parametrize("tells_why", [True, False])
def test_an_update_that_was_silently_taken_back_is_reported_as_taken_back(hosted: Hosted, tells_why: bool) -> None:
    """Success is what the endpoint serves, not what the API returned: an update that was silently rolled back is
    reported as rolled back. A timeout that leaves the outcome unknown is settled by looking.
    """
    hosted.bench.set(bake=20.0, rollback_reason=tells_why)
    endpoints = hosted.endpoints(environment(rollout=BAKING))
    shifted(endpoints, hosted.version(1))
    before = hosted.config()
    new = hosted.version(2)
    endpoints.stage("solar", new, fence=1)
    assert not endpoints.shift("solar", {2: 1.0}, [proof(new)], fence=1)
    config = hosted.updates()[0]["params"]["EndpointConfigName"]
    hosted.bench.alarm(f"solar-rollout-{config.removeprefix('solar-')}-5xx")
    with pytest.raises(RunFailedError, match=r"took it back.*solar-rollout-v2-.*-5xx rings.*before serves"):
        shifted(endpoints, new)
    assert hosted.config() == before
    assert version_of(hosted, endpoints) == {1: 1.0}


def test_a_deployment_that_failed_is_not_tried_again_by_whoever_goes_on_with_it(hosted: Hosted) -> None:
    endpoints = hosted.endpoints()
    shifted(endpoints, hosted.version(1))
    hosted.bench.set(images_missing=[IMAGE])
    new = replace(hosted.version(2), python="123456789012.dkr.ecr.us-east-1.amazonaws.com/own:1")
    hosted.bench.image(new.python, serve=["nothing"])
    endpoints.stage("solar", new, fence=1)
    hosted.bench.set(images_missing=[new.python])
    with pytest.raises(RunFailedError, match="does not exist"):
        until(lambda: endpoints.shift("solar", {2: 1.0}, [proof(new)], fence=1))
    hosted.bench.set(images_missing=[])
    again = hosted.endpoints()
    with pytest.raises(RunFailedError, match="does not exist"):
        shifted(again, new, fence=2)
    assert len(hosted.updates()) == 1


def test_an_update_that_can_neither_be_finished_nor_taken_back_is_repaired(hosted: Hosted) -> None:
    endpoints = hosted.endpoints()
    shifted(endpoints, hosted.version(1))
    before = hosted.config()
    new = hosted.version(2)
    endpoints.stage("solar", new, fence=1)
    model = hosted.bench.calls("sagemaker", "CreateModel")[-1]["params"]["ModelName"]
    hosted.clients("sagemaker").delete_model(ModelName=model)
    hosted.bench.set(update_rollback="UpdateRollbackFailed")
    with pytest.raises(RunFailedError, match="neither bring it in nor take it back; Everfit went back"):
        until(lambda: endpoints.shift("solar", {2: 1.0}, [proof(new)], fence=1))
    assert hosted.in_service()["EndpointConfigName"] == before


def test_somebody_elses_update_is_waited_for_and_then_the_own_one_follows(hosted: Hosted) -> None:
    """A busy endpoint ("update in progress") is waited for; the real cause of a failure is never masked by a blind
    "create instead".
    """
    endpoints = hosted.endpoints()
    shifted(endpoints, hosted.version(1))
    hosted.bench.set(bake=0.3)
    update_by_hand(hosted, "theirs")
    shifted(endpoints, hosted.version(2))
    assert version_of(hosted, endpoints) == {2: 1.0}
    assert [call["params"]["EndpointConfigName"][:8] for call in hosted.updates()] == ["theirs", "solar-v2"]
    assert len(hosted.bench.calls("sagemaker", "CreateEndpoint")) == 1


def test_a_configuration_that_somebody_brought_in_by_hand_is_none_of_everfits(hosted: Hosted) -> None:
    endpoints = hosted.endpoints()
    shifted(endpoints, hosted.version(1))
    update_by_hand(hosted, "theirs")
    hosted.in_service()
    assert version_of(hosted, endpoints) == {}
    restored(endpoints, hosted.version(1))
    assert version_of(hosted, endpoints) == {1: 1.0}


def test_an_endpoint_that_somebody_deleted_is_made_again_by_the_next_deployment(hosted: Hosted) -> None:
    endpoints = hosted.endpoints()
    shifted(endpoints, hosted.version(1))
    hosted.clients("sagemaker").delete_endpoint(EndpointName="solar")
    until(lambda: endpoints.describe("solar") is None)
    shifted(endpoints, hosted.version(2))
    assert version_of(hosted, endpoints) == {2: 1.0}


def test_an_endpoint_that_is_deleted_while_it_is_made_is_told(hosted: Hosted) -> None:
    endpoints = hosted.endpoints(pace=replace(hosted.pace(), stale=timedelta()))
    version = hosted.version(1)
    endpoints.stage("solar", version, fence=1)
    assert not endpoints.shift("solar", {1: 1.0}, [proof(version)], fence=1)
    hosted.in_service()
    hosted.clients("sagemaker").delete_endpoint(EndpointName="solar")
    until(lambda: not hosted.clients("sagemaker").list_endpoints()["Endpoints"])
    with pytest.raises(RunFailedError, match="somebody deleted the endpoint meanwhile"):
        endpoints.shift("solar", {1: 1.0}, [proof(version)], fence=1)


def test_an_endpoint_that_cannot_be_made_is_removed_and_its_reason_told(hosted: Hosted) -> None:
    endpoints, version = hosted.endpoints(), hosted.version(1)
    endpoints.stage("solar", version, fence=1)
    hosted.bench.set(images_missing=[IMAGE])
    with pytest.raises(RunFailedError, match=r"image .* does not exist.*Nothing serves there"):
        until(lambda: endpoints.shift("solar", {1: 1.0}, [proof(version)], fence=1))
    until(lambda: not hosted.clients("sagemaker").list_endpoints()["Endpoints"], "the failed endpoint to go")
    hosted.bench.set(images_missing=[])
    shifted(endpoints, hosted.version(2), fence=2)


def test_an_image_that_is_missing_is_told_before_anything_is_moved(hosted: Hosted) -> None:
    endpoints = hosted.endpoints()
    shifted(endpoints, hosted.version(1))
    wrong = replace(hosted.version(2), python="123456789012.dkr.ecr.us-east-1.amazonaws.com/own:1")
    with pytest.raises(RunFailedError, match=r"image .*own:1 not found.*Nothing was shifted"):
        endpoints.stage("solar", wrong, fence=1)
    assert hosted.updates() == []


def test_a_quota_that_is_too_small_is_told_and_changes_nothing(hosted: Hosted) -> None:
    endpoints = hosted.endpoints()
    shifted(endpoints, hosted.version(1))
    hosted.bench.set(quotas={"ml.m5.large for endpoint usage": 1})
    with pytest.raises(RequestError, match=r"side by side.*quota of the account.*ml\.m5\.large for endpoint usage"):
        shifted(endpoints, hosted.version(2))
    assert version_of(hosted, endpoints) == {1: 1.0}
    hosted.bench.set(quotas={})
    shifted(endpoints, hosted.version(2))
    assert version_of(hosted, endpoints) == {2: 1.0}


def test_an_alarm_that_somebody_removes_in_time_ends_the_deployment_before_it_begins(hosted: Hosted) -> None:
    endpoints = hosted.endpoints()
    shifted(endpoints, hosted.version(1))
    said = "Could not find CloudWatch alarms ['solar-rollout-5xx']."
    hosted.bench.fault("sagemaker", "UpdateEndpoint", code="ValidationException", message=said, times=9)
    with pytest.raises(RunFailedError, match=r"Could not find CloudWatch alarms.*What served before serves"):
        shifted(endpoints, hosted.version(2))


def test_an_alarm_that_rings_already_keeps_the_deployment_from_starting(hosted: Hosted) -> None:
    endpoints = hosted.endpoints()
    shifted(endpoints, hosted.version(1))
    new = hosted.version(2)
    endpoints.stage("solar", new, fence=1)
    config = hosted.bench.calls("sagemaker", "CreateEndpointConfig")[-1]["params"]["EndpointConfigName"]
    alarm = f"solar-rollout-{config.removeprefix('solar-')}-5xx"
    hosted.clients("cloudwatch").put_metric_alarm(
        AlarmName=alarm,
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        MetricName="Invocation5XXErrors",
        Namespace="AWS/SageMaker",
        Period=60,
        Statistic="Average",
        Threshold=0.01,
    )
    hosted.bench.alarm(alarm)
    with pytest.raises(RunFailedError, match=r"-5xx rings already.*What served before serves"):
        endpoints.shift("solar", {2: 1.0}, [proof(new)], fence=1)
    assert hosted.updates() == []


LOST = ["CreateModel", "CreateEndpointConfig", "CreateEndpoint", "UpdateEndpoint"]


@pytest.mark.parametrize("operation", LOST)
def test_an_answer_that_is_lost_is_settled_by_looking(hosted: Hosted, operation: str) -> None:
    endpoints = hosted.endpoints()
    hosted.bench.lose_answer("sagemaker", operation)
    shifted(endpoints, hosted.version(1))
    shifted(endpoints, hosted.version(2))
    assert version_of(hosted, endpoints) == {2: 1.0}
    assert len(hosted.updates()) == 1


def test_every_answer_of_the_state_may_be_lost(hosted: Hosted) -> None:
    endpoints = hosted.endpoints()
    hosted.bench.lose_answer("s3", "PutObject", skip=1, times=2)
    shifted(endpoints, hosted.version(1))
    assert version_of(hosted, endpoints) == {1: 1.0}


def test_throttling_is_waited_out(hosted: Hosted) -> None:
    endpoints = hosted.endpoints()
    shifted(endpoints, hosted.version(1))
    for operation in ("DescribeEndpoint", "UpdateEndpoint"):
        hosted.bench.throttle("sagemaker", operation)
    shifted(endpoints, hosted.version(2))
    assert len(hosted.updates()) == 1


@pytest.mark.parametrize("operation", ["CreateEndpointConfig", "CreateEndpoint", "UpdateEndpoint"])
def test_what_was_just_made_may_not_be_seen_yet(hosted: Hosted, operation: str) -> None:
    endpoints = hosted.endpoints()
    said = 'Could not find endpoint configuration "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/solar".'
    hosted.bench.fault("sagemaker", operation, code="ValidationException", message=said, times=2)
    for number in (1, 2):
        shifted(endpoints, hosted.version(number))
    assert version_of(hosted, endpoints) == {2: 1.0}


def test_looks_that_are_behind_the_times_decide_nothing(hosted: Hosted) -> None:
    endpoints = hosted.endpoints()
    shifted(endpoints, hosted.version(1))
    new = hosted.version(2)
    endpoints.stage("solar", new, fence=1)
    assert not endpoints.shift("solar", {2: 1.0}, [proof(new)], fence=1)
    hosted.bench.stale("sagemaker", "DescribeEndpoint", times=6)
    shifted(endpoints, new)
    assert len(hosted.updates()) == 1
    assert version_of(hosted, endpoints) == {2: 1.0}


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_way_back_is_not_over_while_a_change_that_was_just_asked_for_may_still_come(
    hosted: Hosted, is_lost: bool
) -> None:
    endpoints = hosted.endpoints()
    shifted(endpoints, hosted.version(1))
    before, new = hosted.config(), hosted.version(2)
    endpoints.stage("solar", new, fence=1)
    if is_lost:
        hosted.bench.lose_answer("sagemaker", "UpdateEndpoint")
    assert not endpoints.shift("solar", {2: 1.0}, [proof(new)], fence=1)
    hosted.bench.stale("sagemaker", "DescribeEndpoint", times=3)
    restored(endpoints, hosted.version(1))
    assert hosted.in_service()["EndpointConfigName"] == before
    assert version_of(hosted, endpoints) == {1: 1.0}


def test_of_two_controllers_only_the_newer_one_changes_the_endpoint(hosted: Hosted) -> None:
    older, newer = hosted.endpoints(), hosted.endpoints()
    shifted(older, hosted.version(1), fence=1)
    first, second = hosted.version(2), hosted.version(3)
    older.stage("solar", first, fence=1)
    newer.stage("solar", second, fence=2)
    with pytest.raises(FencedError, match="taken over"):
        older.shift("solar", {2: 1.0}, [proof(first)], fence=1)
    shifted(newer, second, fence=2)
    assert [call["params"]["EndpointConfigName"][:8] for call in hosted.updates()] == ["solar-v3"]


def test_an_endpoint_made_by_hand_is_taken_over_and_keeps_its_variant(hosted: Hosted) -> None:
    make_by_hand(hosted, "variant-1")
    endpoints = hosted.endpoints()
    shifted(endpoints, hosted.version(1))
    assert version_of(hosted, endpoints) == {1: 1.0}
    assert hosted.described()["ProductionVariants"][0]["VariantName"] == "variant-1"
    endpoints.settle("solar", [], fence=1)
    assert hosted.clients("sagemaker").describe_endpoint_config(EndpointConfigName="by-hand")
    tags = hosted.clients("sagemaker").list_tags(ResourceArn=hosted.described()["EndpointArn"])["Tags"]
    assert {"Key": "everfit:model", "Value": "houses"} in tags


@pytest.mark.parametrize(
    ("variants", "tags", "match"),
    [
        (("one", "two"), {}, "it has 2 variants"),
        (("one",), {"everfit:model": "cars", "everfit:environment": "staging"}, "belongs to cars in staging"),
    ],
)
def test_an_endpoint_that_cannot_be_taken_over_is_left_alone(
    hosted: Hosted, variants: tuple[str, ...], tags: dict[str, str], match: str
) -> None:
    make_by_hand(hosted, *variants, tags=tags)
    with pytest.raises(RefusedError, match=match):
        shifted(hosted.endpoints(), hosted.version(1))
    assert hosted.config() == "by-hand"


def test_autoscaled_instances_survive_a_deployment(hosted: Hosted) -> None:
    """Autoscaled instance counts survive a deployment."""
    scaled = project_of(serve=serve(autoscale={"max": 4}))
    endpoints = hosted.endpoints(project=scaled)
    shifted(endpoints, hosted.version(1))
    hosted.bench.autoscale("solar", "AllTraffic", 3)
    shifted(endpoints, hosted.version(2))
    assert hosted.described()["ProductionVariants"][0]["CurrentInstanceCount"] == 3


def test_scaling_that_was_set_up_by_hand_survives_another_instance_type(hosted: Hosted) -> None:
    shifted(hosted.endpoints(), hosted.version(1))
    scaling = hosted.clients("application-autoscaling")
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/solar/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=2, MaxCapacity=5)
    larger = hosted.endpoints(project=project_of(serve=serve(instance="ml.m5.xlarge")))
    shifted(larger, hosted.version(2))
    found = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert [(each["MinCapacity"], each["MaxCapacity"]) for each in found] == [(2, 5)]
    assert version_of(hosted, larger) == {2: 1.0}


def test_settling_never_deletes_a_configuration_in_use(hosted: Hosted) -> None:
    endpoints = hosted.endpoints()
    for number in (1, 2, 3):
        shifted(endpoints, hosted.version(number))
    endpoints.settle("solar", [2], fence=1)
    left = [
        each["EndpointConfigName"][:8]
        for each in hosted.clients("sagemaker").list_endpoint_configs()["EndpointConfigs"]
    ]
    assert sorted(left) == ["solar-v2", "solar-v3"]
    hosted.bench.set(bake=0.3)
    new = hosted.version(4)
    endpoints.stage("solar", new, fence=1)
    endpoints.shift("solar", {4: 1.0}, [proof(new)], fence=1)
    endpoints.settle("solar", [], fence=1)
    shifted(endpoints, new)
    assert hosted.bench.notes("config-in-use-deleted") == []


def test_the_longest_name_has_room_for_every_version(hosted: Hosted) -> None:
    name = "a" * 63
    endpoints = hosted.endpoints(environment(endpoint=name))
    shifted(endpoints, hosted.version(1), name=name)
    shifted(endpoints, hosted.version(2), name=name)
    state = endpoints.describe(name)
    assert state is not None
    assert dict(state.weights) == {2: 1.0}


def test_other_bytes_under_the_name_of_a_version_are_never_served(hosted: Hosted) -> None:
    endpoints, version = hosted.endpoints(), hosted.version(1)
    hosted.clients("s3").put_object(Bucket="everfit-bench", Key="everfit/models/houses/1/model.tar.gz", Body=b"other")
    with pytest.raises(RefusedError, match="holds other bytes"):
        endpoints.stage("solar", version, fence=1)


def test_without_permission_the_call_that_is_missing_is_named(hosted: Hosted) -> None:
    endpoints = hosted.endpoints()
    shifted(endpoints, hosted.version(1))
    hosted.bench.deny("sagemaker", "UpdateEndpoint")
    with pytest.raises(RequestError, match="may not call UpdateEndpoint"):
        shifted(endpoints, hosted.version(2))


def test_an_endpoint_cannot_be_stopped(hosted: Hosted) -> None:
    with pytest.raises(RefusedError, match="everfit destroy"):
        hosted.endpoints().stop()


WRITES = (
    "PutObject",
    "CopyObject",
    "CreateModel",
    "CreateEndpointConfig",
    "PutMetricAlarm",
    "UpdateEndpoint",
    "AddTags",
)
"""What changes anything: to be killed at a look is to be killed after the write before it."""


def test_a_kill_after_any_write_ends_in_one_update_and_the_same_state(hosted: Hosted) -> None:
    """Killing the service at any moment, then starting it again: the deployment that was owed happens, once."""
    shifted(hosted.endpoints(), hosted.version(1))
    number, is_over = 1, False
    while not is_over:
        number += 1
        version, death = hosted.version(number), Death(number - 1, "after", WRITES)
        begun = hosted.bench.calls()[-1]["number"] + 1
        try:
            with dying(hosted.clients, SERVICES, death):
                shifted(hosted.endpoints(), version, fence=2 * number)
            is_over = True
        except Killed:
            shifted(hosted.endpoints(), version, fence=2 * number + 1)
        assert len(hosted.updates(begun)) == 1, f"killed after write {number - 1}"
        assert version_of(hosted, hosted.endpoints()) == {number: 1.0}
    assert number > len(WRITES)


def shadowing(hosted: Hosted) -> tuple[Any, Clock]:
    clock = Clock()
    of = environment(rollout={"strategy": "shadow", "bake": timedelta(minutes=10)})
    endpoints = hosted.endpoints(of, pace=replace(hosted.pace(), now=clock.now))
    shifted(endpoints, hosted.version(1))
    return endpoints, clock


def listening(hosted: Hosted, endpoints: Any) -> None:
    """Go on with version 2 until it listens."""
    new = hosted.version(2)

    def ask() -> bool:
        endpoints.stage("solar", new, fence=1)
        assert not endpoints.shift("solar", {2: 1.0}, [proof(new)], fence=1)
        return "ShadowProductionVariants" in hosted.described() and hosted.in_service() is not None

    until(ask, "a shadow")
    assert not endpoints.shift("solar", {2: 1.0}, [proof(new)], fence=1)


def test_a_shadow_listens_for_the_whole_bake_before_it_takes_the_traffic(hosted: Hosted) -> None:
    endpoints, clock = shadowing(hosted)
    listening(hosted, endpoints)
    assert version_of(hosted, endpoints) == {1: 1.0}
    clock.seconds += 601
    shifted(endpoints, hosted.version(2))
    assert version_of(hosted, endpoints) == {2: 1.0}
    assert "ShadowProductionVariants" not in hosted.described()
    assert len(hosted.updates()) == 2
    endpoints.settle("solar", [2], fence=1)
    (config,) = hosted.clients("sagemaker").list_endpoint_configs()["EndpointConfigs"]
    tail = config["EndpointConfigName"].removeprefix("solar-")
    alarms = hosted.clients("cloudwatch").describe_alarms(AlarmNamePrefix="solar-rollout-")["MetricAlarms"]
    assert {each["AlarmName"] for each in alarms} == {f"solar-rollout-{tail}-5xx", f"solar-rollout-{tail}-shadow-5xx"}


def test_a_shadow_whose_alarm_rings_is_taken_away_and_never_answers(hosted: Hosted) -> None:
    endpoints, _ = shadowing(hosted)
    before = hosted.config()
    listening(hosted, endpoints)
    named = [call["params"]["AlarmName"] for call in hosted.bench.calls("cloudwatch", "PutMetricAlarm")]
    hosted.bench.alarm(next(name for name in named if name.endswith("-shadow-5xx")))
    with pytest.raises(RunFailedError, match=r"-shadow-5xx rang while it listened"):
        shifted(endpoints, hosted.version(2))
    assert hosted.config() == before
    assert version_of(hosted, endpoints) == {1: 1.0}


Trouble = Callable[[Bench], object]
PASSING: dict[str, Trouble] = {
    "s3": lambda bench: bench.fault("s3", "GetObject", code="InternalError", status=500, times=20),
    "sagemaker": lambda bench: bench.fault(
        "sagemaker", "DescribeEndpoint", code="InternalFailure", status=500, times=20
    ),
}


@pytest.mark.parametrize("service", list(PASSING))
def test_a_failure_on_the_side_of_aws_can_be_tried_again(hosted: Hosted, service: str) -> None:
    endpoints = hosted.endpoints()
    shifted(endpoints, hosted.version(1))
    PASSING[service](hosted.bench)
    with pytest.raises(BackendError) as raised:
        endpoints.describe("solar")
    assert raised.value.retryable
