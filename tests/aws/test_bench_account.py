"""What the bench tells about an account before money is spent: permissions, by simulation, and quotas."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.aws.bench.client import Bench
from tests.aws.bench.resources import permission

USER = "arn:aws:iam::123456789012:user/bench"


def decisions(bench: Bench, source: str, *actions: str, resource: str = "*") -> list[str]:
    told = bench.client("iam").simulate_principal_policy(
        PolicySourceArn=source, ActionNames=list(actions), ResourceArns=[resource]
    )
    return [each["EvalDecision"] for each in told["EvaluationResults"]]


def test_the_user_may_do_everything_but_what_a_test_denies(bench: Bench) -> None:
    bench.set(denied_actions=["sagemaker:Create*"])
    assert decisions(bench, USER, "s3:GetObject", "sagemaker:CreateTrainingJob") == ["allowed", "implicitDeny"]


def test_a_role_may_do_what_its_policies_say(bench: Bench) -> None:
    role = bench.role("step")
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::data/*"}
    deny = {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"}
    bench.client("iam").put_role_policy(
        RoleName="step",
        PolicyName="p",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow, deny]}),
    )
    inside = decisions(bench, role, "s3:GetObject", "s3:DeleteObject", resource="arn:aws:s3:::data/a")
    assert inside == ["allowed", "explicitDeny"]
    assert decisions(bench, role, "s3:GetObject", resource="arn:aws:s3:::other/a") == ["implicitDeny"]


def test_a_session_cannot_be_simulated(bench: Bench) -> None:
    with pytest.raises(ClientError, match="Invalid Entity Arn"):
        decisions(bench, "arn:aws:sts::123456789012:assumed-role/step/bench", "s3:GetObject")


def test_quotas_come_in_pages(bench: Bench) -> None:
    bench.set(quotas={"ml.m5.large for endpoint usage": 0})
    quotas = bench.client("service-quotas")
    pages = list(quotas.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker"))
    found = {quota["QuotaName"]: quota["Value"] for page in pages for quota in page["Quotas"]}
    assert len(pages) > 1
    assert found["ml.m5.large for endpoint usage"] == 0


@pytest.mark.parametrize(
    ("service", "operation", "params", "needed"),
    [
        ("s3", "HeadObject", {"Bucket": "b", "Key": "k"}, ("s3:GetObject", ("arn:aws:s3:::b/k",))),
        ("s3", "ListObjectsV2", {"Bucket": "b", "Prefix": "k"}, ("s3:ListBucket", ("arn:aws:s3:::b",))),
        (
            "s3",
            "GetObject",
            {"Bucket": "b", "Key": "k", "VersionId": "1"},
            ("s3:GetObjectVersion", ("arn:aws:s3:::b/k",)),
        ),
        (
            "sagemaker",
            "UpdateEndpoint",
            {"EndpointName": "Prod", "EndpointConfigName": "c-1"},
            (
                "sagemaker:UpdateEndpoint",
                (
                    "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/c-1",
                    "arn:aws:sagemaker:us-east-1:123456789012:endpoint/prod",
                ),
            ),
        ),
        (
            "lambda",
            "Invoke",
            {"FunctionName": "step"},
            ("lambda:InvokeFunction", ("arn:aws:lambda:us-east-1:123456789012:function:step",)),
        ),
        (
            "logs",
            "PutLogEvents",
            {"logGroupName": "/a", "logStreamName": "s"},
            ("logs:PutLogEvents", ("arn:aws:logs:us-east-1:123456789012:log-group:/a:log-stream:s",)),
        ),
        ("cloudwatch", "PutMetricData", {"Namespace": "n"}, ("cloudwatch:PutMetricData", ("*",))),
    ],
)
def test_a_recorded_call_tells_the_permission_it_needs(
    service: str, operation: str, params: dict[str, str], needed: tuple[str, tuple[str, ...]]
) -> None:
    call = {"service": service, "operation": operation, "region": "us-east-1", "params": params}
    assert permission(call) == needed
