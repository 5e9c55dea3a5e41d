"""The checkers of policies and templates find what they are there to find."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.aws.static import policies, templates

ENDPOINT = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/tickets"


def policy(action: str, resource: str, **more: Any) -> Mapping[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource, **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


def test_a_right_policy_is_let_pass() -> None:
    assert policies.problems(policy("sagemaker:DescribeEndpoint", ENDPOINT)) == []


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        (policy("sagemaker:CreateEndpointt", ENDPOINT), "UNKNOWN_ACTION"),
        (policy("sagemaker:CreateTrainingJob", ENDPOINT), "RESOURCE_MISMATCH"),
        (policy("s3:GetObject", "arn:aws:s3:::bucket"), "RESOURCE_MISMATCH"),
        (
            policy("sagemaker:DeleteEndpoint", ENDPOINT, Condition={"StringEquals": {"sagemaker:NoSuchKey": "x"}}),
            "UNKNOWN_CONDITION_FOR_ACTION",
        ),
        (policy("iam:PassRole", "*"), "RESOURCE_STAR"),
    ],
    ids=["action", "resource", "bucket instead of its objects", "condition", "every role"],
)
def test_what_is_wrong_with_a_policy_is_found(document: Mapping[str, Any], kind: str) -> None:
    assert any(words.startswith(kind) for words in policies.problems(document))


def test_a_finding_can_be_accepted_by_its_kind() -> None:
    listing = policy("cloudwatch:PutMetricData", "*")
    assert policies.problems(listing, accepted=frozenset({"RESOURCE_STAR"})) == []


@pytest.mark.parametrize("action", ["*", "s3:*"])
def test_a_grant_of_everything_is_found(action: str) -> None:
    assert policies.wide_grants(policy(action, "*")) == [action]
    assert policies.wide_grants(policy("s3:GetObject", "*")) == []


QUEUE = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 60}}
ENDPOINT_OF_STACK = {
    "Type": "AWS::SageMaker::ModelPackageGroup",
    "Properties": {"ModelPackageGroupName": "tickets", "ModelPackageGroupDescription": "tickets"},
}


def test_a_right_template_is_let_pass_in_each_region() -> None:
    template = {"Resources": {"Queue": QUEUE, "Group": ENDPOINT_OF_STACK}}
    assert templates.problems(template, ["us-east-1", "eu-central-1"]) == []


def test_a_property_that_there_is_not_is_found_with_its_place() -> None:
    wrong = {"Resources": {"Queue": {**QUEUE, "Properties": {"Visibility": 60}}}}
    (found,) = templates.problems(wrong, ["us-east-1"])
    assert found.startswith("E3002 Resources/Queue/Properties/Visibility:")
    assert templates.problems(wrong, ["us-east-1"], accepted=frozenset({"E3002"})) == []


def test_a_resource_that_a_region_has_not_is_found() -> None:
    template = {"Resources": {"Group": ENDPOINT_OF_STACK}}
    assert any("us-gov-east-1" in words for words in templates.problems(template, ["us-gov-east-1"]))
