"""Every template is right by cfn-lint in each region, by the checkers of state machines and policies, and by rules.

The rules are those that cfn-lint lacks: it lets each of their faults pass.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from everfit.adapters.aws.permissions import grants_of
from everfit.adapters.aws.stack.blueprint import Blueprint
from everfit.adapters.aws.stack.pieces import Template
from everfit.adapters.aws.stack.state_machine import state_machine
from everfit.adapters.aws.stack.storage import base_template
from everfit.adapters.aws.stack.template import environment_template
from everfit.application.loop import LOOP
from everfit.bootstrap import open_workspace
from everfit.domain.project import Project
from everfit.domain.schedule import times_of
from everfit.settings import read_settings
from tests.aws.bench import patterns
from tests.aws.blueprints import ACCOUNT, FULL, FUNCTION, PLAIN, blueprint
from tests.aws.static import asl_check, policies, templates

pytestmark = pytest.mark.slow
REGIONS = ("us-east-1", "us-west-2", "eu-central-1", "ap-southeast-2")
EXAMPLES = ("mask-recommender", "plant-doctor", "sentiment", "solar-power", "ticket-forecast")
SETTINGS = {
    "USER": "somebody",
    "AWS_REGION": "eu-west-1",
    "SAGEMAKER_EXECUTION_ROLE": f"arn:aws:iam::{ACCOUNT}:role/sagemaker",
    "SAGEMAKER_ENDPOINT": "plant-doctor",
    "MODEL_ARTIFACT_BUCKET": "plant-models",
    "MODEL_ARTIFACT_PREFIX": "everfit",
    "TRAINING_DATA_BUCKET": "plant-photos",
    "TRAINING_DATA_PREFIX": "photos/",
    "TRAIN_INSTANCE_TYPE": "ml.m5.xlarge",
    "TRAIN_INSTANCE_COUNT": "1",
    "ENDPOINT_INSTANCE_TYPE": "ml.m5.large",
    "ENDPOINT_INSTANCE_COUNT": "1",
    "TRAIN_EPOCHS": "3",
    "TENSORFLOW_FRAMEWORK_VERSION": "2.12",
    "TENSORFLOW_PY_VERSION": "py39",
}
# Everything of these is asked for on every resource by AWS itself; the table says why, line by line.
WIDE_BY_AWS = frozenset({"RESOURCE_STAR"})
# parliament wants the ARN of express executions beside that of executions; either is enough (Service Authorization
# Reference, actions of Step Functions).
FALSE_ALARMS = ("'required_format': 'arn:*:states:*:*:express:*:*:*'",)


def examples() -> Iterator[Project]:
    for name in EXAMPLES:
        yield open_workspace(Path("examples", name), read_settings(SETTINGS)).project


def blueprints() -> dict[str, Blueprint]:
    made = {"plain": blueprint(PLAIN), "full": blueprint(FULL), "function": blueprint(FUNCTION)}
    usual = made["plain"]
    for project in examples():
        for name, environment in project.environments.items():
            if environment.aws is not None:
                made[f"{project.model}-{name}"] = Blueprint(
                    project=project, environment=environment, package=usual.package, handlers=usual.handlers
                )
    return made


BLUEPRINTS = blueprints()


@pytest.fixture(params=BLUEPRINTS, scope="module")
def made(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    return environment_template(BLUEPRINTS[request.param]).plain()


def of_type(template: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {name: each["Properties"] for name, each in template["Resources"].items() if each["Type"] == kind}


def values(tree: Any) -> Iterator[Any]:
    yield tree
    for below in tree.values() if isinstance(tree, Mapping) else tree if isinstance(tree, list) else ():
        yield from values(below)


def test_cfn_lint_finds_nothing_in_the_regions_of_the_projects() -> None:
    regions = {each.place.region for each in BLUEPRINTS.values()} | set(REGIONS)
    richest = max(BLUEPRINTS.values(), key=lambda each: len(environment_template(each).resources))
    assert templates.problems(environment_template(richest).plain(), sorted(regions)) == []


# A second for each; the examples are made of the same parts.
@pytest.mark.parametrize("name", ["plain", "full", "function"])
def test_cfn_lint_finds_nothing(name: str) -> None:
    assert templates.problems(environment_template(BLUEPRINTS[name]).plain(), ["us-east-1"]) == []


@pytest.mark.parametrize("text", [PLAIN, FULL])
def test_cfn_lint_finds_nothing_in_the_stack_of_the_bucket(text: str) -> None:
    template = base_template(blueprint(text).place, ["everfit", "teams/other"]).plain()
    assert templates.problems(template, REGIONS) == []


def test_the_state_machine_of_the_template_is_right(made: Mapping[str, Any]) -> None:
    (machine,) = of_type(made, "AWS::StepFunctions::StateMachine").values()
    # statelint was written before JSONata: there, Seconds may be an expression (Step Functions guide, "Wait").
    found = [words for words in asl_check.problems(machine["Definition"]) if "should be an Integer" not in words]
    assert found == []
    assert len(json.dumps(machine["Definition"])) < 1_000_000


def test_each_policy_is_right_and_grants_no_whole_service(made: Mapping[str, Any]) -> None:
    for name, role in of_type(made, "AWS::IAM::Role").items():
        for each in role["Policies"]:
            document = resolved(each["PolicyDocument"])
            found = policies.problems(document, accepted=WIDE_BY_AWS)
            assert [words for words in found if not any(each in words for each in FALSE_ALARMS)] == [], name
            assert policies.wide_grants(document) == [], name


def resolved(tree: Any) -> Any:
    """Return the policy with the account's number in it, as CloudFormation would."""
    if isinstance(tree, Mapping):
        if set(tree) == {"Fn::Sub"}:
            return str(tree["Fn::Sub"]).replace("${AWS::AccountId}", ACCOUNT).replace("${!", "${")
        return {name: resolved(below) for name, below in tree.items()}
    return [resolved(below) for below in tree] if isinstance(tree, list) else tree


def test_what_is_granted_on_everything_is_what_aws_grants_no_narrower() -> None:
    for each in BLUEPRINTS.values():
        for role in each.roles:
            for grant in grants_of(role, each.scope):
                assert ("*" in grant.resources) == (grant.wide is not None), grant


def test_inline_policies_fit_into_a_role(made: Mapping[str, Any]) -> None:
    # 10,240 characters without white space for all inline policies of a role (IAM quotas).
    for name, role in of_type(made, "AWS::IAM::Role").items():
        size = sum(len(json.dumps(resolved(each), separators=(",", ":"))) for each in role["Policies"])
        assert size < 10_240, name


def test_only_the_service_that_acts_takes_a_role(made: Mapping[str, Any]) -> None:
    services = {"sagemaker", "lambda", "states", "scheduler"}
    for name, role in of_type(made, "AWS::IAM::Role").items():
        for statement in role["AssumeRolePolicyDocument"]["Statement"]:
            assert set(statement["Principal"]) == {"Service"}, name
            assert statement["Principal"]["Service"].removesuffix(".amazonaws.com") in services, name


def test_every_allowed_principal_of_a_resource_is_bounded(made: Mapping[str, Any]) -> None:
    for kind in ("AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"):
        for name, each in of_type(made, kind).items():
            for statement in each["PolicyDocument"]["Statement"]:
                is_service = "Service" in statement["Principal"] if isinstance(statement["Principal"], dict) else False
                if statement["Effect"] == "Allow" and is_service:
                    assert "Condition" in statement, name
                assert statement["Effect"] == "Deny" or statement["Principal"] != "*", name


def test_schedules_are_words_of_eventbridge_scheduler(made: Mapping[str, Any]) -> None:
    for each in of_type(made, "AWS::Scheduler::Schedule").values():
        expression = each["ScheduleExpression"]
        assert expression.startswith(("cron(", "rate("))
        times_of(expression)
        assert len(expression) <= 256
        assert {"Arn", "RoleArn"} <= each["Target"].keys()
        json.loads(each["Target"]["Input"])


def test_rules_have_patterns_of_arrays_and_targets_that_let_them_in(made: Mapping[str, Any]) -> None:
    rules = of_type(made, "AWS::Events::Rule")
    permitted = {each["SourceArn"]["Fn::GetAtt"][0] for each in of_type(made, "AWS::Lambda::Permission").values()}
    queued = {
        arn["Fn::GetAtt"][0]
        for each in of_type(made, "AWS::SQS::QueuePolicy").values()
        for statement in each["PolicyDocument"]["Statement"]
        for arn in statement.get("Condition", {}).get("ArnEquals", {}).get("aws:SourceArn", [])
    }
    for name, each in rules.items():
        patterns.matches(resolved_references(each["EventPattern"]), {})
        assert all(isinstance(value, list) for value in leaves(each["EventPattern"])), name
        for target in each["Targets"]:
            resource = target["Arn"]["Fn::GetAtt"][0]
            assert name in (queued if resource == "Queue" else permitted), name


def leaves(pattern: Mapping[str, Any]) -> Iterator[Any]:
    for name, value in pattern.items():
        if isinstance(value, Mapping):
            yield from leaves(value)
        elif name == "$or":
            for each in value:
                yield from leaves(each)
        else:
            yield value


def resolved_references(tree: Any) -> Any:
    if isinstance(tree, Mapping):
        if set(tree) <= {"Fn::GetAtt", "Fn::Sub", "Ref"}:
            return f"arn:aws:iam::{ACCOUNT}:role/any"
        return {name: resolved_references(below) for name, below in tree.items()}
    return [resolved_references(below) for below in tree] if isinstance(tree, list) else tree


def test_the_dashboard_is_one_that_cloudwatch_draws(made: Mapping[str, Any]) -> None:
    (board,) = of_type(made, "AWS::CloudWatch::Dashboard").values()
    widgets = json.loads(board["DashboardBody"])["widgets"]
    places = set()
    for widget in widgets:
        assert widget["type"] in {"text", "metric"}
        assert widget["x"] + widget["width"] <= 24
        places.add((widget["x"], widget["y"]))
        for metric in widget["properties"].get("metrics", []):
            # Namespace, name, then pairs of dimensions.
            assert len(metric) % 2 == 0
            assert all(isinstance(part, str) for part in metric)
    assert len(places) == len(widgets)


def test_nothing_that_a_deployment_changes_is_in_the_stack(made: Mapping[str, Any]) -> None:
    kinds = {each["Type"] for each in made["Resources"].values()}
    moving = {"Model", "EndpointConfig", "Endpoint", "ModelPackage"}
    assert not kinds & {f"AWS::SageMaker::{each}" for each in moving}
    assert not kinds & {"AWS::Lambda::Alias", "AWS::Lambda::Version"}


def test_everything_that_can_bear_tags_bears_them(made: Mapping[str, Any]) -> None:
    for name, each in made["Resources"].items():
        if "Tags" in each["Properties"]:
            keys = {tag["Key"] for tag in each["Properties"]["Tags"]}
            assert {"everfit:model", "everfit:environment"} <= keys, name
    tagged = sum("Tags" in each["Properties"] for each in made["Resources"].values())
    assert tagged > len(made["Resources"]) / 2


def test_queues_and_logs_do_not_keep_for_ever_and_queues_are_encrypted(made: Mapping[str, Any]) -> None:
    assert all(each["RetentionInDays"] for each in of_type(made, "AWS::Logs::LogGroup").values())
    assert all(each["SqsManagedSseEnabled"] for each in of_type(made, "AWS::SQS::Queue").values())


def test_every_function_writes_to_a_log_group_of_the_stack(made: Mapping[str, Any]) -> None:
    groups = of_type(made, "AWS::Logs::LogGroup")
    for each in of_type(made, "AWS::Lambda::Function").values():
        assert each["LoggingConfig"]["LogGroup"]["Ref"] in groups


@pytest.mark.parametrize("text", [PLAIN, FULL])
def test_the_bucket_keeps_versions_is_encrypted_and_closed(text: str) -> None:
    template = base_template(blueprint(text).place, []).plain()
    resources: Any = template["Resources"]
    bucket = resources["Bucket"]["Properties"]
    assert bucket["VersioningConfiguration"]["Status"] == "Enabled"
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert bucket["NotificationConfiguration"]["EventBridgeConfiguration"]["EventBridgeEnabled"]
    assert resources["Bucket"]["DeletionPolicy"] == "RetainExceptOnCreate"
    (tls,) = (
        each
        for each in resources["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        if each["Effect"] == "Deny"
    )
    assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_nothing_that_a_version_needs_ever_expires() -> None:
    rules: Any = base_template(blueprint().place, ["teams/other"]).plain()["Resources"]
    expiring = [
        rule["Prefix"]
        for rule in rules["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
        if "ExpirationInDays" in rule
    ]
    assert expiring == ["everfit/runs/", "teams/other/runs/"]


def test_the_definition_names_each_step_of_the_loop_once() -> None:
    states: Any = state_machine([step.name for step in LOOP])["States"]
    asked = [each["Arguments"]["Payload"].get("step") for each in states.values() if each["Type"] == "Task"]
    assert [name for name in asked if name] == [step.name for step in LOOP]


def test_the_same_project_gives_the_same_template() -> None:
    first, second = (environment_template(blueprint(FULL)).text() for _ in range(2))
    assert first == second


def test_a_template_without_a_type_is_found_by_the_linter() -> None:
    broken = Template(description="x", resources={}).plain() | {"Resources": {"A": {"Type": "AWS::SQS::Queu"}}}
    assert templates.problems(broken, ["us-east-1"])
