"""What `everfit doctor --aws` finds, and what it says of what it may not look at."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.doctor import examine_account, services_of
from everfit.adapters.aws.doctor_images import examine_images
from everfit.adapters.aws.doctor_permissions import examine_permissions, simulation
from everfit.adapters.aws.doctor_quotas import examine_quotas, needs
from everfit.adapters.aws.doctor_storage import examine_storage, refuses_plain
from everfit.adapters.aws.doctor_words import Finding, Subject
from everfit.adapters.aws.permissions import Role, grants_of, scope_of
from tests.aws.bench.client import Bench
from tests.aws.places import IMAGE, PROJECT, a_project
from tests.aws_bench import BUCKET, REGION

ACCOUNT = "123456789012"
USER = f"arn:aws:iam::{ACCOUNT}:user/bench"
BLOCKED = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
ROLE = "everfit-churn-production-job"


def a_subject(clients: Clients, text: str = PROJECT, **changes: Any) -> Subject:
    project = a_project(text)
    environment = project.environments["production"]
    assert environment.aws is not None
    subject = Subject(
        clients=clients,
        project=project,
        environment=environment,
        place=environment.aws,
        account=ACCOUNT,
        caller=USER,
    )
    return replace(subject, **changes)


def wells(found: Iterator[Finding] | list[Finding]) -> dict[str, bool | None]:
    """Return how each part is; a part that is found twice is as its worst."""
    parts: dict[str, bool | None] = {}
    for each in found:
        if parts.get(each.name, True) is not False:
            parts[each.name] = each.is_well if each.is_well is not True else parts.get(each.name, True)
    return parts


def words_of(found: Iterator[Finding] | list[Finding]) -> str:
    said = [each.words for each in found]
    assert all("\n" not in words for words in said)
    return " | ".join(said)


Answers = Callable[[Stubber], object]


@cache
def plain_clients() -> Clients:
    """Clients for all tests with stubs: making one takes longer than a test."""
    return Clients(REGION)


@contextmanager
def stubbed(monkeypatch: pytest.MonkeyPatch, **answers: Answers) -> Iterator[Clients]:
    """Give clients that answer what the test says, each checked against the service's own model."""
    for name, value in {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(name, value)
    with ExitStack() as stack:
        for service, answer in answers.items():
            stubber = stack.enter_context(Stubber(plain_clients()(service.replace("_", "-"))))
            answer(stubber)
        yield plain_clients()


# The whole account, on the bench


@pytest.fixture
def ready(bench: Bench, aws_clients: Clients) -> Clients:
    """An account in which everything is there."""
    s3 = bench.client("s3")
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=BLOCKED)
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    policy = {"Version": "2012-10-17", "Statement": [{**deny, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))
    bench.role(ROLE)
    bench.client("sns").create_topic(Name="model-drift-alerts")
    for service, operation in (("iam", "SimulatePrincipalPolicy"), ("service-quotas", "ListServiceQuotas")):
        bench.deny(service, operation)
    return aws_clients


def examined(clients: Clients, text: str = PROJECT, now: datetime | None = None) -> list[Finding]:
    subject = a_subject(clients, text)
    moment = now or datetime.now(UTC)
    return list(examine_account(clients, subject.project, subject.environment, subject.place, moment))


def test_what_is_there_is_well_and_what_may_not_be_looked_at_is_a_note(ready: Clients) -> None:
    found = wells(examined(ready))
    assert {name for name, is_well in found.items() if is_well} >= {
        "identity",
        "region",
        "clock",
        "bucket",
        "versions",
        "encryption",
        "public access",
        "TLS",
        "role",
    }
    assert (found["permissions"], found["quotas"], found["topic"]) == (None, None, None)


def test_without_credentials_nothing_more_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (found,) = examined(Clients(REGION))
    assert (found.name, found.is_well) == ("identity", False)
    assert "no AWS credentials" in found.words


def test_expired_credentials_are_said_so(bench: Bench, ready: Clients) -> None:
    bench.expire()
    (found,) = examined(ready)
    assert "have expired" in found.words


def test_credentials_of_another_account_are_found(ready: Clients) -> None:
    pinned = PROJECT.replace(f"  bucket: {BUCKET}", f'  bucket: {BUCKET}\n  account: "111122223333"')
    found = examined(ready, pinned)
    assert wells(found)["identity"] is False
    assert "111122223333" in words_of(found)


@pytest.mark.parametrize(("skew", "is_well"), [(0, True), (120, None), (600, False)])
def test_a_clock_that_is_wrong_is_found(ready: Clients, skew: int, is_well: bool | None) -> None:
    found = examined(ready, now=datetime.now(UTC) + timedelta(seconds=skew))
    assert wells(found)["clock"] is is_well


def test_a_region_without_sagemaker_is_a_note(ready: Clients) -> None:
    found = examined(ready, PROJECT.replace(f"  region: {REGION}", "  region: us-nowhere-9"))
    assert wells(found)["region"] is None


# Buckets


def test_a_bucket_that_is_missing_says_what_to_do(bench: Bench, aws_clients: Clients) -> None:
    found = list(examine_storage(a_subject(aws_clients, PROJECT.replace(BUCKET, "nobodys-bucket"))))
    assert [(each.name, each.is_well) for each in found] == [("bucket", False)]
    assert "`everfit apply` makes it" in found[0].words


def test_a_bucket_in_another_region_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(stubber: Stubber) -> None:
        headers = {"x-amz-bucket-region": "eu-west-1"}
        stubber.add_client_error(
            "head_bucket", service_error_code="301", http_status_code=301, response_meta={"HTTPHeaders": headers}
        )

    with stubbed(monkeypatch, s3=answer) as clients:
        found = list(examine_storage(a_subject(clients)))
    assert found[0].is_well is False
    assert "is in eu-west-1, and aws.region is us-east-1" in found[0].words


def test_a_bucket_of_somebody_else_is_a_note(bench: Bench, aws_clients: Clients) -> None:
    bench.deny("s3", "HeadBucket")
    (found, *_) = examine_storage(a_subject(aws_clients))
    assert found.is_well is not True


def test_a_bucket_as_it_is_made_by_hand_is_told_of(bench: Bench, aws_clients: Clients) -> None:
    bench.client("s3").delete_public_access_block(Bucket=BUCKET)
    found = wells(examine_storage(a_subject(aws_clients)))
    assert (found["versions"], found["public access"], found["TLS"]) == (None, False, None)


def test_the_bucket_of_the_data_is_examined_too(ready: Clients) -> None:
    elsewhere = PROJECT.replace(f"s3://{BUCKET}/raw/", "s3://somebody-elses-lake/raw/")
    found = [each for each in examine_storage(a_subject(ready, elsewhere)) if "lake" in each.words]
    assert [each.is_well for each in found] == [False]


@pytest.mark.parametrize(
    ("policy", "is_refused"),
    [
        ({}, False),
        (None, False),
        ({"Statement": {"Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}}, True),
        ({"Statement": [{"Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": ["false"]}}}]}, True),
        ({"Statement": [{"Effect": "Allow", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}, False),
        ({"Statement": [{"Effect": "Deny"}]}, False),
    ],
)
def test_only_a_policy_that_refuses_plain_http_requires_tls(policy: object, is_refused: bool) -> None:
    assert refuses_plain(policy) is is_refused


# Roles


def test_a_role_that_is_missing_says_what_to_do(bench: Bench, ready: Clients) -> None:
    bench.client("iam").delete_role(RoleName=ROLE)
    found = [each for each in examined(ready) if each.name == "role"]
    assert [each.is_well for each in found] == [False]
    assert "`everfit apply` makes it" in found[0].words


def test_a_role_that_sagemaker_may_not_take_is_found(bench: Bench, ready: Clients) -> None:
    bench.client("iam").delete_role(RoleName=ROLE)
    bench.role(ROLE, "lambda")
    found = [each for each in examined(ready) if each.name == "role"]
    assert "may not be taken by sagemaker.amazonaws.com" in found[0].words


@pytest.mark.parametrize(
    ("policy", "services"),
    [
        (None, set()),
        ({"Statement": []}, set()),
        ({"Statement": {"Effect": "Allow", "Principal": {"Service": "a"}}}, {"a"}),
        ({"Statement": [{"Effect": "Allow", "Principal": {"Service": ["a", "b"]}}]}, {"a", "b"}),
        (
            {"Statement": [{"Effect": "Deny", "Principal": {"Service": "a"}}, {"Effect": "Allow", "Principal": "*"}]},
            set(),
        ),
    ],
)
def test_who_may_take_a_role_is_read_from_its_policy(policy: object, services: set[str]) -> None:
    assert services_of(policy) == services


# Permissions


def results(grant: Any, decision: Callable[[str], str]) -> dict[str, Any]:
    return {
        "EvaluationResults": [
            {"EvalActionName": action, "EvalResourceName": resource, "EvalDecision": decision(action)}
            for action in grant.actions
            for resource in grant.resources
        ]
    }


def simulating(subject: Subject, decision: Callable[[str], str], caller: str = USER) -> Answers:
    """Answer what IAM would, for the caller and then for the role of the jobs."""

    def answer(stubber: Stubber) -> None:
        scope = scope_of(subject.project, subject.environment, subject.place, account=ACCOUNT, partition="aws")
        for role, principal in ((Role.CONTROLLER, caller), (Role.JOB, f"arn:aws:iam::{ACCOUNT}:role/{ROLE}")):
            for grant in grants_of(role, scope):
                expected = simulation(grant, principal)
                stubber.add_response("simulate_principal_policy", results(grant, decision), expected)

    return answer


def permissions(monkeypatch: pytest.MonkeyPatch, decision: Callable[[str], str]) -> list[Finding]:
    shape = a_subject(Clients(REGION))
    with stubbed(monkeypatch, iam=simulating(shape, decision)) as clients:
        return list(examine_permissions(replace(shape, clients=clients)))


def test_every_call_of_the_table_is_tried_for_the_caller_and_for_the_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    found = permissions(monkeypatch, lambda _: "allowed")
    assert [each.is_well for each in found] == [True, True]
    assert "for you" in found[0].words


def test_a_call_that_is_missing_is_named_with_what_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    found = permissions(monkeypatch, lambda action: "implicitDeny" if action == "iam:PassRole" else "allowed")
    missing = [each for each in found if each.is_well is False]
    assert len(missing) == 1
    assert "you may not call iam:PassRole" in missing[0].words
    assert "SageMaker acts in the role of the jobs" in missing[0].words


def test_who_may_not_simulate_is_told_that_it_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(stubber: Stubber) -> None:
        for _ in range(2):
            stubber.add_client_error("simulate_principal_policy", service_error_code="AccessDenied")

    with stubbed(monkeypatch, iam=answer) as clients:
        found = list(examine_permissions(a_subject(clients)))
    notes = [each for each in found if each.is_well is None]
    assert len(notes) == 2
    assert "so it is not known" in notes[0].words


def test_a_role_that_is_not_there_has_no_permissions(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(stubber: Stubber) -> None:
        for _ in range(40):
            stubber.add_client_error("simulate_principal_policy", service_error_code="NoSuchEntity")

    with stubbed(monkeypatch, iam=answer) as clients:
        found = list(examine_permissions(a_subject(clients)))
    assert "cannot be simulated" in words_of(found)


def test_the_root_user_is_advised_against(monkeypatch: pytest.MonkeyPatch) -> None:
    with stubbed(monkeypatch, iam=lambda stubber: stubber.add_client_error("get_role", "AccessDenied")) as clients:
        subject = a_subject(clients, caller=f"arn:aws:iam::{ACCOUNT}:root")
        found = next(iter(examine_permissions(subject)))
    assert (found.is_well, "root user" in found.words) == (None, True)


def test_a_session_is_simulated_as_its_role(monkeypatch: pytest.MonkeyPatch) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:role/team/ci"

    def answer(stubber: Stubber) -> None:
        role = {"Path": "/team/", "RoleName": "ci", "RoleId": "A" * 20, "Arn": arn, "CreateDate": datetime.now(UTC)}
        stubber.add_response("get_role", {"Role": role}, {"RoleName": "ci"})
        simulating(shape, lambda _: "allowed", arn)(stubber)

    shape = a_subject(Clients(REGION), caller=f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/session")
    with stubbed(monkeypatch, iam=answer) as clients:
        found = list(examine_permissions(replace(shape, clients=clients)))
    assert [each.is_well for each in found] == [True, True]


# Quotas


def quotas(monkeypatch: pytest.MonkeyPatch, values: Mapping[str, float], text: str = PROJECT) -> list[Finding]:
    def answer(stubber: Stubber) -> None:
        listed = [{"QuotaName": name, "Value": value} for name, value in values.items()]
        stubber.add_response("list_service_quotas", {"Quotas": listed[:1], "NextToken": "more"})
        stubber.add_response("list_service_quotas", {"Quotas": listed[1:]})

    with stubbed(monkeypatch, service_quotas=answer) as clients:
        return list(examine_quotas(a_subject(clients, text)))


ENOUGH = {
    "ml.m5.large for processing job usage": 4.0,
    "ml.m5.large for training job usage": 1.0,
    "ml.m5.large for endpoint usage": 2.0,
}


def test_quotas_that_are_enough_are_well(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wells(quotas(monkeypatch, ENOUGH)) == {"quotas": True}


def test_a_quota_of_zero_is_found_before_a_job_meets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = quotas(monkeypatch, {**ENOUGH, "ml.m5.large for training job usage": 0.0})
    assert "ml.m5.large for training job usage: 0 allowed, 1 needed to train" in words_of(found)
    assert wells(found)["quotas"] is False


def test_a_deployment_needs_twice_the_instances_that_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    scaled = PROJECT.replace("gate:", "serve: {sagemaker: {autoscale: {max: 3}}}\ngate:")
    found = quotas(monkeypatch, {**ENOUGH, "ml.m5.large for endpoint usage": 5.0}, scaled)
    assert "5 allowed, 6 needed" in words_of(found)


def test_a_quota_that_is_not_listed_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wells(quotas(monkeypatch, {"other": 1.0}))["quotas"] is None


def test_spot_instances_have_a_quota_of_their_own() -> None:
    spot = PROJECT.replace("sagemaker: {image:", "sagemaker: {spot: true, max_wait: 2h, image:")
    assert "ml.m5.large for spot training job usage" in {need.quota for need in needs(a_subject(Clients(REGION), spot))}


def test_a_function_that_serves_needs_no_instances() -> None:
    text = PROJECT.replace("endpoint: churn,", "endpoint: churn, hosting: function,")
    assert {need.use for need in needs(a_subject(Clients(REGION), text))} == {
        "processing job usage",
        "training job usage",
    }


# Images


def images(monkeypatch: pytest.MonkeyPatch, answer: Answers, text: str = PROJECT) -> list[Finding]:
    with stubbed(monkeypatch, ecr=answer) as clients:
        return list(examine_images(a_subject(clients, text)))


OWN = PROJECT.replace("  namespace:", f'  image: "{IMAGE}"\n  namespace:')


def test_an_image_that_is_there_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(stubber: Stubber) -> None:
        expected = {"registryId": ACCOUNT, "repositoryName": "prophet", "imageIds": [{"imageTag": "1"}]}
        stubber.add_response("batch_get_image", {"images": [{"registryId": ACCOUNT}], "failures": []}, expected)

    found = images(monkeypatch, answer, OWN)
    assert [each.is_well for each in found] == [True]


@pytest.mark.parametrize("code", ["RepositoryNotFoundException", "ImageNotFoundException"])
def test_an_image_that_is_missing_is_found(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    found = images(monkeypatch, lambda stubber: stubber.add_client_error("batch_get_image", code), OWN)
    assert (found[0].is_well, "push it" in found[0].words) == (False, True)


def test_a_tag_that_is_missing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = {
        "imageId": {"imageTag": "1"},
        "failureCode": "ImageNotFound",
        "failureReason": "Requested image not found",
    }
    found = images(
        monkeypatch,
        lambda stubber: stubber.add_response("batch_get_image", {"images": [], "failures": [failure]}),
        OWN,
    )
    assert "Requested image not found" in found[0].words


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("docker.io/library/python:3.11", "not in ECR"),
        (f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/prophet:1", "copy it to us-east-1"),
    ],
)
def test_an_image_that_sagemaker_cannot_load_is_found(monkeypatch: pytest.MonkeyPatch, uri: str, words: str) -> None:
    found = images(monkeypatch, lambda _: None, OWN.replace(IMAGE, uri))
    assert words in found[0].words


# The command


def run(folder: Path, environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Examine the project in the folder; ``--aws`` is one of the arguments."""
    variables = {**os.environ, **environment, "EVERFIT_HOME": str(folder / "home")}
    program = str(Path(sys.executable).with_name("everfit"))
    command = [program, "doctor", "-C", str(folder), *arguments]
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_says_what_is_missing_and_its_exit_code_tells(
    tmp_path: Path, ready: Clients, aws_environment: Mapping[str, str]
) -> None:
    (tmp_path / "everfit.yaml").write_text(PROJECT)
    (tmp_path / "train.py").write_text("")
    done = run(tmp_path, aws_environment, "--aws", "--env", "production", "--json")
    told = json.loads(done.stdout)
    rows = {row["name"]: row["result"] for row in told["examined"]}
    assert (rows["bucket"], rows["role"]) == ("ok", "ok")
    assert done.returncode == (0 if told["ok"] else 1)
    staging = run(tmp_path, aws_environment, "--aws", "--env", "staging")
    assert staging.returncode == 1
    assert "there is no role everfit-churn-staging-job" in staging.stdout
    assert "Traceback" not in done.stderr + staging.stderr


def test_a_project_without_aws_has_nothing_to_examine(tmp_path: Path) -> None:
    local = "model: m\ntask: regression\ndata: {source: data/, target: y}\ntrain: {script: train.py}\ngate: [mae < 5]\n"
    (tmp_path / "everfit.yaml").write_text(local)
    (tmp_path / "train.py").write_text("")
    done = run(tmp_path, {}, "--aws")
    assert done.returncode == 2
    assert "nothing to examine on AWS" in done.stderr
    assert "--env needs --aws" in run(tmp_path, {}, "--env", "production").stderr
