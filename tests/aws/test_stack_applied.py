"""Whole stacks on the bench: made beside what is there already, refused in time, and removed."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from everfit.domain.errors import RefusedError, RequestError
from everfit.domain.stack_plan import ChangeKind
from tests.aws.bench.client import Bench, until
from tests.aws.blueprints import PLAIN
from tests.aws.stacks import BASE, BUCKET, STACK, StackWorld, opened

TOPIC = PLAIN.replace("bucket: everfit-bench", "bucket: everfit-bench, names: {topic: churn-alerts}")


@pytest.fixture
def world(
    bench: Bench, aws_environment: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> StackWorld:
    for name, value in aws_environment.items():
        monkeypatch.setenv(name, value)
    made = StackWorld(bench, tmp_path / "churn")
    made.project()
    return made


def test_a_plan_of_nothing_lists_everything_and_leaves_nothing(world: StackWorld) -> None:
    plan = world.plan()
    assert [stack.name for stack in plan.stacks] == [BASE, STACK]
    assert {change.kind for stack in plan.stacks for change in stack.changes} == {ChangeKind.ADDED}
    assert (world.status(BASE), world.status(STACK)) == (None, None)
    assert world.bench.client("s3").list_buckets()["Buckets"] == []


def test_what_is_there_already_is_used_as_it_is_and_stays_out_of_the_stack(world: StackWorld) -> None:
    world.bench.client("s3").create_bucket(Bucket=BUCKET)
    world.bench.client("sagemaker").create_model_package_group(ModelPackageGroupName="churn")
    topic = world.bench.client("sns").create_topic(Name="churn-alerts")["TopicArn"]
    world.project(TOPIC)
    plan = world.plan()
    assert [stack.name for stack in plan.stacks] == [STACK]
    assert any("keeps no versions" in words for words in plan.unprotected)
    world.apply()
    resources = world.bench.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
    assert not {"PackageGroup", "Topic"} & {each["LogicalResourceId"] for each in resources}
    alarms = world.bench.client("cloudwatch").describe_alarms(AlarmNamePrefix="everfit-churn")["MetricAlarms"]
    assert {tuple(each["AlarmActions"]) for each in alarms} == {(topic,)}
    assert world.status(BASE) is None
    assert world.bench.client("s3").get_bucket_versioning(Bucket=BUCKET).get("Status") is None
    assert world.apply() == 0


def test_two_installations_in_one_bucket_keep_each_others_rules(world: StackWorld) -> None:
    world.make_bucket()
    world.make_bucket(PLAIN.replace("bucket: everfit-bench", "bucket: everfit-bench, prefix: teams/b"))
    world.make_bucket()
    rules = world.bench.client("s3").get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    prefixes = {rule.get("Prefix") or rule.get("Filter", {}).get("Prefix") for rule in rules}
    assert {"everfit/runs/", "teams/b/runs/"} <= prefixes


def test_a_bucket_that_may_not_be_looked_into_is_told_as_perhaps_somebody_elses(world: StackWorld) -> None:
    world.bench.client("s3").create_bucket(Bucket=BUCKET)
    world.bench.deny("s3", "HeadBucket")
    with pytest.raises(RequestError, match="it may belong to another account"):
        world.apply()


def test_credentials_of_another_account_are_refused_before_anything(world: StackWorld) -> None:
    with pytest.raises(RefusedError, match="allows only 999999999999"):
        world.apply(PLAIN.replace("bucket: everfit-bench", 'bucket: everfit-bench, account: "999999999999"'))
    assert world.status(BASE) is None


def test_a_bucket_in_another_region_is_refused_with_both_regions(world: StackWorld) -> None:
    world.bench.client("s3", region="eu-west-1").create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    with pytest.raises(RequestError, match="eu-west-1"):
        world.plan()


def test_names_that_are_too_long_are_all_told_before_anything_is_made(world: StackWorld) -> None:
    with pytest.raises(RefusedError, match=r"the role 'everfit-c{50}-production-\w+' has \d+ characters, and 64 are"):
        world.apply(PLAIN.replace("model: churn", f"model: {'c' * 50}"))
    assert world.status(BASE) is None


def test_data_of_this_machine_is_refused(world: StackWorld) -> None:
    with pytest.raises(RefusedError, match="nothing on AWS can see"):
        world.apply(PLAIN.replace("s3://everfit-data/raw/", "data/"))


def serve(world: StackWorld, name: str = "churn", **tags: str) -> None:
    world.bench.set(serving="none")
    sagemaker = world.bench.client("sagemaker")
    role = world.bench.role(f"serving-{name}", "sagemaker")
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
    config = f"{name}-v1-0123abcd"
    sagemaker.create_model(ModelName=config, ExecutionRoleArn=role, PrimaryContainer={"Image": image})
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": config,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[variant])
    listed = [{"Key": key.replace("_", ":"), "Value": value} for key, value in tags.items()]
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config, Tags=listed)
    until(lambda: sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] != "Creating", "the endpoint")
    world.bench.client("cloudwatch").put_metric_alarm(
        AlarmName=f"{name}-5xx",
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Dimensions=[{"Name": "EndpointName", "Value": name}, {"Name": "VariantName", "Value": "AllTraffic"}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )


def endpoints(world: StackWorld) -> list[str]:
    return [each["EndpointName"] for each in world.bench.client("sagemaker").list_endpoints()["Endpoints"]]


def alarms(world: StackWorld) -> set[str]:
    return {each["AlarmName"] for each in world.bench.client("cloudwatch").describe_alarms()["MetricAlarms"]}


def test_destroy_removes_stack_and_endpoint_and_keeps_the_data_for_the_next_apply(world: StackWorld) -> None:
    world.apply()
    serve(world, everfit_model="churn", everfit_environment="production")
    serve(world, "churn-other", everfit_model="churn", everfit_environment="other")
    preview = opened(world.folder).removal(data=False)
    assert any("the endpoint churn:" in words for words in preview.removed)
    assert endpoints(world) != []
    removal = opened(world.folder).destroy(world.said.append, data=False)
    assert removal == preview
    assert world.status(STACK) is None
    until(lambda: endpoints(world) == ["churn-other"], "the end of the endpoint")
    assert alarms(world) == {"churn-other-5xx"}
    kept = world.stored()
    assert any(key.startswith("everfit/code/") for key in kept)
    assert world.bench.client("sagemaker").describe_model_package_group(ModelPackageGroupName="churn")
    world.apply()
    assert world.status(STACK) == "CREATE_COMPLETE"


def test_an_endpoint_that_is_not_ours_is_left_alone(world: StackWorld) -> None:
    serve(world)
    opened(world.folder).destroy(world.said.append, data=False)
    assert endpoints(world) == ["churn"]


def test_destroy_with_data_removes_every_version_and_the_bucket(world: StackWorld) -> None:
    world.apply()
    world.apply(PLAIN.replace("mape < 20", "mape < 10"))
    opened(world.folder).destroy(world.said.append, data=True)
    assert (world.status(STACK), world.status(BASE)) == (None, None)
    assert world.bench.client("s3").list_buckets()["Buckets"] == []
    assert world.bench.client("sagemaker").list_model_package_groups()["ModelPackageGroupSummaryList"] == []


def test_destroy_with_data_keeps_a_bucket_in_which_something_else_lies(world: StackWorld) -> None:
    world.make_bucket()
    for key in ("raw/2026.csv", "everfit/state.db"):
        world.bench.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"x")
    opened(world.folder).destroy(world.said.append, data=True)
    assert world.stored() == ["raw/2026.csv"]
    assert any("something else lies in it" in words for words in world.said)


def test_destroy_with_data_keeps_it_while_another_environment_lives_there(world: StackWorld) -> None:
    world.make_bucket()
    for key in ("everfit/projects/tickets/production.json", "everfit/state.db"):
        world.bench.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"{}")
    removal = opened(world.folder).destroy(world.said.append, data=True)
    assert any("tickets/production live there too" in words for words in removal.kept)
    assert "everfit/state.db" in world.stored()


def test_destroy_of_what_is_not_there_removes_nothing(world: StackWorld) -> None:
    assert opened(world.folder).destroy(world.said.append, data=True).removed == ()
