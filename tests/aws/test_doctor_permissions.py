"""The table of permissions: narrow, complete in its words, and what IAM takes."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from everfit.adapters.aws.permission_words import Grant, When
from everfit.adapters.aws.permissions import (
    ASSUMED_BY,
    TABLE,
    Role,
    Scope,
    function_name,
    grants_of,
    policy,
    role_name,
    scope_of,
    trust,
)
from tests.aws.places import PROJECT, a_project
from tests.aws.static.policies import problems, wide_grants
from tests.aws_bench import BUCKET, REGION

ACCOUNT = "123456789012"
LONGEST_POLICY = 10_240
"""Characters in the inline policies of one role (IAM User Guide, "IAM and AWS STS quotas")."""
EVERYTHING = (
    PROJECT.replace(
        "  namespace:",
        f"  last_trained: s3://{BUCKET}-lake/Model/last_trained.json\n"
        f"  key: arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab\n"
        "  subnets: [subnet-1a]\n  security_groups: [sg-1a]\n  audit: true\n  namespace:",
    )
    .replace("names: {", "names: {pipeline: churn-pipeline, ")
    .replace("gate:", "serve: {sagemaker: {autoscale: {max: 3}}}\ngate:")
    .replace(f"s3://{BUCKET}/raw/", "s3://somebodys-lake/raw/")
)
WITH_FUNCTION = EVERYTHING.replace("endpoint: churn,", "endpoint: churn, hosting: function,")
ACCEPTED = frozenset(
    {
        # parliament asks for the form of every resource that a call may have, and this one has several.
        "RESOURCE_MISMATCH: [{'action': 'states:DescribeExecution', "
        "'required_format': 'arn:*:states:*:*:express:*:*:*'}]",
        "RESOURCE_MISMATCH: [{'action': 'states:ListExecutions', 'required_format': 'arn:*:states:*:*:mapRun:*/*:*'}]",
    }
)
MAKES_THE_BUCKET = "RESOURCE_POLICY_PRIVILEGE_ESCALATION"
"""Whoever makes the bucket sets its policy; that is what the role of the deployer is for."""


def a_scope(text: str = EVERYTHING) -> Scope:
    project = a_project(text)
    environment = project.environments["production"]
    assert environment.aws is not None
    return scope_of(project, environment, environment.aws, account=ACCOUNT, partition="aws")


def every_grant() -> Iterator[tuple[Role, Grant]]:
    return ((role, grant) for role, grants in TABLE.items() for grant in grants)


@pytest.mark.parametrize("text", [PROJECT, EVERYTHING, WITH_FUNCTION], ids=["least", "everything", "function"])
@pytest.mark.parametrize("role", list(Role))
def test_every_policy_is_one_that_parliament_lets_pass_and_iam_takes(role: Role, text: str) -> None:
    document = policy(role, a_scope(text))
    found = [each for each in problems(document) if each not in ACCEPTED]
    assert [each for each in found if role is not Role.DEPLOYER or not each.startswith(MAKES_THE_BUCKET)] == []
    assert wide_grants(document) == []
    assert len(json.dumps(document, separators=(",", ":"))) <= LONGEST_POLICY


def test_whatever_is_granted_on_everything_says_why_no_less_will_do() -> None:
    for role, grant in every_grant():
        assert ("*" in grant.resources) == (grant.wide is not None), (role, grant.actions)


def test_every_grant_says_what_it_is_for() -> None:
    assert all(grant.why and grant.actions and grant.resources for _, grant in every_grant())


def test_nobody_is_granted_a_whole_service() -> None:
    assert not any("*" in action for _, grant in every_grant() for action in grant.actions)


def test_a_role_is_passed_to_one_service_alone() -> None:
    for role, grant in every_grant():
        if "iam:PassRole" in grant.actions and role is not Role.DEPLOYER:
            assert "iam:PassedToService" in grant.condition["StringEquals"]


@pytest.mark.parametrize("role", list(Role))
def test_no_placeholder_is_left_and_nothing_of_another_environment_is_named(role: Role) -> None:
    text = json.dumps(policy(role, a_scope()))
    assert re.findall(r"\{[a-z_]+\}", text) == []
    assert "staging" not in text
    assert '"none"' not in text


def test_what_an_environment_does_not_use_is_not_granted() -> None:
    found = {grant.when for role in Role for grant in grants_of(role, a_scope(PROJECT))}
    assert found == {None, When.ENDPOINT, When.TOPIC, When.ALERTS}
    assert When.FUNCTION in {grant.when for grant in grants_of(Role.STEP, a_scope(WITH_FUNCTION))}
    assert When.ENDPOINT not in {grant.when for grant in grants_of(Role.STEP, a_scope(WITH_FUNCTION))}


def test_the_lambdas_that_only_tell_start_no_job_and_move_no_traffic() -> None:
    for role in (Role.TRIGGER, Role.TICK, Role.EVENTS):
        actions = {action for grant in grants_of(role, a_scope()) for action in grant.actions}
        assert not {"sagemaker:CreateTrainingJob", "sagemaker:UpdateEndpoint", "iam:PassRole"} & actions


def test_what_serves_may_read_models_and_nothing_else_of_the_bucket() -> None:
    found = [grant for grant in grants_of(Role.FUNCTION, a_scope(WITH_FUNCTION)) if "s3:" in grant.actions[0]]
    assert [grant.resources for grant in found] == [
        (f"arn:aws:s3:::{BUCKET}/everfit/models/*", f"arn:aws:s3:::{BUCKET}/everfit/artifacts/*")
    ]


def test_the_data_is_read_below_its_own_prefix_alone() -> None:
    for role in (Role.STEP, Role.TICK, Role.JOB):
        named = [one for grant in grants_of(role, a_scope()) for one in grant.resources if "somebodys-lake/" in one]
        assert set(named) == {"arn:aws:s3:::somebodys-lake/raw/*"}


def test_topics_of_alerts_may_be_published_to_by_their_own_arns() -> None:
    other = f"arn:aws:sns:eu-west-1:{ACCOUNT}:other"
    text = f"{PROJECT}alerts:\n  - sns: {other}\n  - sns: {other}-staging\n    environments: [staging]\n"
    (grant,) = (each for each in grants_of(Role.TICK, a_scope(text)) if each.actions == ("sns:Publish",))
    assert grant.resources == (f"arn:aws:sns:{REGION}:{ACCOUNT}:model-drift-alerts", other)


@pytest.mark.parametrize("role", list(ASSUMED_BY))
def test_one_service_may_take_each_role(role: Role) -> None:
    document: Any = trust(role, ACCOUNT)
    assert [each["Principal"] for each in document["Statement"]] == [{"Service": ASSUMED_BY[role]}]


def test_names_are_told_from_each_other() -> None:
    place = a_project().environments["production"].aws
    assert place is not None
    names = [role_name(place, role) for role in Role]
    assert len(set(names)) == len(names)
    assert role_name(place, Role.JOB) == f"everfit-{place.model}-{place.environment}-job"
    assert function_name(place, Role.TRIGGER) == place.names.trigger
