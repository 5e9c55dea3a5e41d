"""Each role may do what it does and nothing else: proved by every call of a model's whole life."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import pytest

from everfit.adapters.aws.permission_words import When
from everfit.adapters.aws.permissions import TABLE, Role, Scope, policy, scope_of
from tests.aws.bench.client import Bench
from tests.aws.recorded import Need, Needs, Statement, refused, statements, unused
from tests.aws.whole_story import WholeStory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ACCOUNT = "123456789012"
STACKS = (Role.JOB, Role.STEP, Role.TRIGGER, Role.TICK, Role.EVENTS, Role.MACHINE, Role.SCHEDULER)
ACTORS = (*STACKS, Role.DEPLOYER, Role.CONTROLLER)


@dataclass(frozen=True)
class Unmet:
    """Grants that are needed though nothing in the story needs them.

    Args:
        grants: patterns of ``action on resource``; those without a resource are about any.
        why: when they are needed.
        is_by_chance: whether the story needs them too, now and then, by how its parts meet.
    """

    who: tuple[Role, ...]
    grants: tuple[str, ...]
    why: str
    is_by_chance: bool = False

    def covers(self, role: Role, found: tuple[str, str]) -> bool:
        return role in self.who and any(matches(pattern, found) for pattern in self.grants)


def matches(pattern: str, found: tuple[str, str]) -> bool:
    return fnmatchcase(" on ".join(found), pattern if " on " in pattern else f"{pattern} on *")


EXCEPTIONS = (
    Unmet(
        (Role.JOB,),
        ("ecr:*", "cloudwatch:PutMetricData", "cloudwatch:DescribeAlarms", "logs:DescribeLogStreams"),
        "SageMaker itself acts in the role; the bench loads no image, measures nothing and is told of alarms",
    ),
    Unmet((Role.JOB,), ("s3:GetObject on *:line-data/*",), "data in a bucket that keeps no versions"),
    Unmet(
        (Role.STEP, Role.TICK, Role.CONTROLLER),
        ("s3:GetObject on *:line-data/rows/*", "s3:GetObjectVersion on *:line-data/rows/*"),
        "rows of new data are counted, when a trigger asks for so many",
    ),
    Unmet(
        (Role.JOB, Role.STEP, Role.TICK, Role.CONTROLLER, Role.DEPLOYER),
        ("s3:AbortMultipartUpload",),
        "an upload in parts has failed",
    ),
    Unmet(
        (Role.STEP, Role.TRIGGER, Role.TICK, Role.EVENTS, Role.CONTROLLER),
        ("s3:GetBucketVersioning on *:line-models",),
        "the data lies in the installation's own bucket, or the machine is examined",
    ),
    Unmet((Role.STEP,), ("logs:GetLogEvents", "logs:DescribeLogStreams"), "a job has failed, and its words say why"),
    Unmet((Role.STEP, Role.CONTROLLER), ("sagemaker:Stop*Job",), "a run is cancelled"),
    Unmet((Role.STEP, Role.CONTROLLER), ("sagemaker:DeleteEndpoint",), "an endpoint's first deployment has failed"),
    Unmet(
        (Role.STEP, Role.CONTROLLER),
        ("sagemaker:DeleteEndpointConfig", "sagemaker:DeleteModel", "cloudwatch:DeleteAlarms"),
        "a third version serves, and the first is kept no longer",
    ),
    Unmet(
        (Role.STEP, Role.CONTROLLER),
        (
            "application-autoscaling:RegisterScalableTarget",
            "application-autoscaling:DeregisterScalableTarget",
            "application-autoscaling:PutScalingPolicy",
            "application-autoscaling:DescribeScalingPolicies",
        ),
        "somebody has the endpoint scaled",
    ),
    Unmet(
        (Role.STEP, Role.TICK, Role.EVENTS, Role.CONTROLLER),
        ("sagemaker:DeleteModelPackage",),
        "a model package was made only in part",
    ),
    Unmet(
        (Role.STEP, Role.TICK, Role.EVENTS),
        ("sagemaker:CreateModelPackageGroup", "sagemaker:AddTags on *:model-package-group/*"),
        "somebody has deleted the group that the stack has made",
    ),
    Unmet(
        (Role.TICK, Role.EVENTS),
        (
            "sagemaker:CreateModelPackage",
            "sagemaker:DescribeModelPackage",
            "sagemaker:UpdateModelPackage",
            "sagemaker:ListModelPackages",
        ),
        "the Model Registry did not answer when a version was registered: what it lacks is added later",
        is_by_chance=True,
    ),
    Unmet(
        (Role.TRIGGER, Role.TICK, Role.EVENTS),
        ("states:DescribeExecution", "states:StartExecution"),
        "a run has an execution already, or has none and is due",
        is_by_chance=True,
    ),
    Unmet(
        (Role.TRIGGER, Role.EVENTS),
        ("s3:ListBucket on *:line-models",),
        "something is not there, which is no refusal then (API reference, GetObject)",
        is_by_chance=True,
    ),
    Unmet(
        (Role.TRIGGER,),
        ("sqs:GetQueueAttributes",),
        "Lambda's own poller asks for it (Lambda Developer Guide, using Lambda with SQS); that of the bench does not",
    ),
    Unmet((Role.EVENTS, Role.SCHEDULER), ("sqs:SendMessage",), "a call could not be delivered"),
    Unmet((Role.MACHINE,), ("logs:*",), "Step Functions itself asks for it; the bench keeps no log of executions"),
    Unmet(
        (Role.DEPLOYER,),
        (
            "cloudformation:DeleteChangeSet",
            "cloudformation:DescribeStackResources",
            "cloudformation:*Drift*",
            "cloudformation:ContinueUpdateRollback",
        ),
        "a stack is changed, was changed by hand, or did not come back from a change",
    ),
    Unmet(
        (Role.DEPLOYER,),
        (
            "iam:Get*",
            "iam:Update*",
            "iam:*Boundary",
            "iam:TagRole",
            "iam:UntagRole",
            "lambda:Get*",
            "lambda:Update*",
            "lambda:*FunctionConcurrency",
            "lambda:ListTags",
            "lambda:UntagResource",
            "s3:*Tagging",
            "s3:Get* on *:line-models",
            "s3:DeleteBucketPolicy",
            "states:DescribeStateMachine",
            "states:UpdateStateMachine",
            "states:*[Tt]ag*",
            "events:DescribeRule",
            "events:ListTargetsByRule",
            "events:*[Tt]ag*",
            "scheduler:GetSchedule",
            "scheduler:UpdateSchedule",
            "sqs:Get*",
            "sqs:*[Tt]ag*",
            "sns:List*",
            "sns:*[Tt]ag*",
            "logs:DeleteRetentionPolicy",
            "logs:*[Tt]ag*",
            "logs:DescribeLogGroups",
            "cloudwatch:*[Tt]ag*",
            "cloudwatch:GetDashboard",
            "cloudwatch:DescribeAlarms on *:alarm:everfit-*",
            "sagemaker:ListTags on *:model-package-group/*",
        ),
        "CloudFormation reads, tags and changes by the rights of who applies; the bench makes and removes",
    ),
    Unmet((Role.DEPLOYER,), ("states:StopExecution",), "a run goes on while the stack is removed"),
    Unmet(
        (Role.DEPLOYER,),
        ("s3:ListBucket on *:line-data", "s3:GetBucketVersioning on *:line-data"),
        "the bucket of the data is in another region, or its notifications may not be read",
    ),
)
ELSEWHERE: Mapping[When, str] = {
    When.FUNCTION: "each rollout of functions is held to its calls in the suites of endpoints",
    When.AUTOSCALING: "Application Auto Scaling makes these calls, which the bench does not play",
    When.KEY: "S3 and SageMaker make these calls with the key",
    When.VPC: "SageMaker and Lambda make these calls",
    When.PIPELINE: "a run by steps is told here, and not one by a pipeline",
    When.AUDIT: "a trail is made",
}
"""Circumstances that the story is not in, and why not."""


@dataclass(frozen=True)
class Proof:
    """What each role has needed, and what it is granted."""

    story: WholeStory
    scope: Scope
    needs: Mapping[str, Mapping[Need, str]]

    def of(self, role: Role) -> Mapping[Need, str]:
        return self.needs.get(self.story.role(role), {})

    def granted(self, role: Role) -> Sequence[Statement]:
        return statements(policy(role, self.scope))


@pytest.fixture(scope="module")
def proof(bench_server: Bench, tmp_path_factory: pytest.TempPathFactory) -> Proof:
    bench_server.reset()
    story = WholeStory(bench_server, tmp_path_factory.mktemp("whole") / "line")
    with pytest.MonkeyPatch.context() as variables:
        calls = story.tell(variables)
    scope = scope_of(story.project, story.environment, story.place, account=ACCOUNT, partition="aws")
    return Proof(story, scope, Needs(calls).by_role())


@pytest.mark.parametrize("role", ACTORS)
def test_a_role_is_granted_everything_that_it_does(role: Role, proof: Proof) -> None:
    assert proof.of(role), "nobody has acted in it"
    assert refused(proof.of(role), proof.granted(role)) == []


@pytest.mark.parametrize("role", STACKS)
def test_the_stack_gives_a_role_what_the_table_says(role: Role, proof: Proof) -> None:
    assert proof.story.granted[role] == proof.granted(role)


@pytest.mark.parametrize("role", ACTORS)
def test_what_a_role_is_granted_was_needed_or_is_known_to_be_needed_at_other_times(role: Role, proof: Proof) -> None:
    assert [found for found in unused(proof.of(role), proof.granted(role)) if not excepted(role, found)] == []


def test_no_exception_is_made_that_nothing_needs(proof: Proof) -> None:
    found = [(role, each) for role in ACTORS for each in unused(proof.of(role), proof.granted(role))]
    for exception in (each for each in EXCEPTIONS if not each.is_by_chance):
        for role in exception.who:
            assert any(exception.covers(role, each) for who, each in found if who is role), (role, exception.why)
        for pattern in exception.grants:
            assert any(matches(pattern, each) for who, each in found if who in exception.who), pattern


def test_what_is_granted_in_other_circumstances_says_which_and_why_the_story_is_not_in_them(proof: Proof) -> None:
    asked = {grant.when for role in ACTORS for grant in TABLE[role]} - {None}
    assert asked - proof.scope.circumstances == set(ELSEWHERE)


def excepted(role: Role, found: tuple[str, str]) -> bool:
    return any(exception.covers(role, found) for exception in EXCEPTIONS)
