"""SageMaker's Model Registry follows the registry, and people may decide in it."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from everfit.adapters.aws import model_package
from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.package_mirror import PackageMirror
from everfit.adapters.aws.registry import ModelRegistry
from everfit.adapters.memory.clock import SettableClock
from everfit.adapters.memory.registry import MemoryRegistry
from everfit.application.ports import Claim
from everfit.domain.errors import BackendError, EverfitError, NotFoundError, RefusedError
from everfit.domain.gate import VerdictOutcome
from everfit.domain.version import Version, release
from tests.aws.bench.client import Bench
from tests.aws.places import IMAGE, PROJECT, a_project
from tests.aws_bench import BUCKET
from tests.kept import MemoryKept
from tests.stored import START, a_placement, a_run, a_verdict, a_version, an_approval

Document = dict[str, Any]
LEASE = timedelta(seconds=30)


class World:
    """A registry in memory with its image on the bench."""

    def __init__(self, bench: Bench, clients: Clients, text: str = PROJECT) -> None:
        self.bench, self.clients, self.project = bench, clients, a_project(text)
        self.clock = SettableClock(START)
        self.store = MemoryKept(self.clock)
        self.inner = MemoryRegistry(self.store, self.clock)
        self.warnings: list[str] = []
        self.registry = self.anew()
        self.sagemaker = bench.client("sagemaker")

    def anew(self) -> ModelRegistry:
        """Return the registry of another process."""
        place = self.project.environments["production"].aws
        assert place is not None
        mirror = PackageMirror(self.inner, self.clients, place, self.project)
        return ModelRegistry(self.inner, mirror, self.warnings.append)

    def claim(self, run: str | None = None, environment: str = "production") -> Claim:
        begun = None if run is None else self.store.begin(a_run(run, environment=environment)).id
        return self.store.claim("churn", environment, owner="worker", lease=LEASE, run=begun, take_over=True)

    def version(self, number: int) -> Version:
        """Put the artifact of the next version where a run leaves it, and return the version."""
        content = f"model {number}".encode()
        digest = hashlib.sha256(content).hexdigest()
        self.bench.client("s3").put_object(
            Bucket=BUCKET, Key=f"everfit/artifacts/{digest}.tar.gz", Body=content, ChecksumAlgorithm="SHA256"
        )
        return replace(a_version(f"run-{number}", f"sha256:{digest}"), lineage={"commit": "abc", "python": IMAGE})

    def make(
        self, number: int, outcome: VerdictOutcome = VerdictOutcome.APPROVED, environment: str = "production"
    ) -> Claim:
        claim, version = self.claim(f"run-{number}", environment), self.version(number)
        verdict = a_verdict(outcome, version.artifact, f"verdict-{number}")
        self.registry.register(claim, version, a_placement(verdict, environment=environment))
        return claim

    def serve(self, claim: Claim, number: int, *, roll_back: bool = False) -> None:
        version = self.inner.version("churn", number)
        proof = release(version, self.inner.placement("churn", claim.environment, number))
        self.registry.served(claim, proof, reason="It is better.", actor="ada", roll_back=roll_back)

    def packages(self, group: str = "churn") -> list[Document]:
        """Return what SageMaker has, oldest first."""
        listed = self.sagemaker.list_model_packages(ModelPackageGroupName=group, SortOrder="Ascending")
        arns = [each["ModelPackageArn"] for each in listed["ModelPackageSummaryList"]]
        return [self.sagemaker.describe_model_package(ModelPackageName=arn) for arn in arns]

    def statuses(self, group: str = "churn") -> list[str]:
        return [each["ModelApprovalStatus"] for each in self.packages(group)]

    def decide_in_studio(self, number: int, status: str) -> None:
        arn = self.packages()[number - 1]["ModelPackageArn"]
        self.sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus=status)

    def seen(self, environment: str = "production") -> Any:
        return self.registry.packages(self.project.environments[environment])


@pytest.fixture
def world(bench: Bench, aws_clients: Clients) -> World:
    return World(bench, aws_clients)


def test_each_version_has_one_package_that_says_what_it_is(world: World) -> None:
    world.make(1)
    (package,) = world.packages()
    version = world.inner.version("churn", 1)
    found = package["CustomerMetadataProperties"]
    assert (found["everfit:version"], found["everfit:artifact"]) == ("1", version.artifact)
    assert (found["everfit:run"], found["everfit:commit"]) == ("run-1", "abc")
    assert (found["everfit:gate:production"], found["everfit:metric:rmse"]) == ("approved", "1.5")
    (container,) = package["InferenceSpecification"]["Containers"]
    assert container["Image"] == IMAGE
    assert container["ModelDataUrl"] == f"s3://{BUCKET}/everfit/models/churn/1/model.tar.gz"
    assert world.warnings == []


def test_the_bytes_and_figures_that_a_package_names_are_there(world: World) -> None:
    world.make(1)
    s3 = world.bench.client("s3")
    model = s3.get_object(Bucket=BUCKET, Key="everfit/models/churn/1/model.tar.gz")["Body"].read()
    assert f"sha256:{hashlib.sha256(model).hexdigest()}" == world.inner.version("churn", 1).artifact
    url = world.packages()[0]["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    figures = json.loads(s3.get_object(Bucket=BUCKET, Key=url.removeprefix(f"s3://{BUCKET}/"))["Body"].read())
    assert figures["regression_metrics"]["rmse"]["value"] == 1.5


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (VerdictOutcome.APPROVED, "Approved"),
        (VerdictOutcome.NEEDS_APPROVAL, "PendingManualApproval"),
        (VerdictOutcome.REJECTED, "Rejected"),
    ],
)
def test_the_approval_status_follows_the_verdict(world: World, outcome: VerdictOutcome, status: str) -> None:
    world.make(1, outcome)
    assert world.statuses() == [status]


def test_it_follows_what_serves_and_what_was_taken_back(world: World) -> None:
    world.serve(world.make(1), 1)
    world.serve(world.make(2), 2)
    world.serve(world.claim(), 1, roll_back=True)
    assert world.statuses() == ["Approved", "Rejected"]
    standings = [each["CustomerMetadataProperties"]["everfit:standing:production"] for each in world.packages()]
    assert standings == ["serving", "rolled back"]


def test_a_decision_here_is_seen_there(world: World) -> None:
    world.make(1, VerdictOutcome.NEEDS_APPROVAL)
    verdict = world.inner.placement("churn", "production", 1).verdict.id
    world.registry.decide(an_approval(verdict=verdict))
    assert world.statuses() == ["Approved"]
    package = world.packages()[0]
    assert package["CustomerMetadataProperties"]["everfit:decided-by:production"] == "ada"
    assert "Looks right." in package["ApprovalDescription"]


def test_what_says_it_already_is_not_changed_again(world: World) -> None:
    claim = world.make(1)
    world.registry.register(
        claim, world.version(1), a_placement(world.inner.placement("churn", "production", 1).verdict)
    )
    assert world.registry.repair() == 0
    assert world.bench.calls("sagemaker", "UpdateModelPackage") == []
    assert len(world.bench.calls("sagemaker", "CreateModelPackage")) == 1


def test_two_environments_share_a_package_and_one_of_them_owns_its_approval(world: World) -> None:
    world.make(1, environment="staging")
    assert world.statuses() == ["PendingManualApproval"]
    version = world.inner.version("churn", 1)
    asked = a_verdict(VerdictOutcome.NEEDS_APPROVAL, version.artifact, "in production")
    world.registry.place(world.claim("run-2"), a_placement(asked, version=1))
    (package,) = world.packages()
    found = package["CustomerMetadataProperties"]
    assert (found["everfit:standing:staging"], found["everfit:standing:production"]) == ("approved", "needs approval")
    assert world.seen("staging").owner() == "production"


def test_environments_with_groups_of_their_own_have_packages_of_their_own(bench: Bench, aws_clients: Clients) -> None:
    own = PROJECT.replace("endpoint: churn-staging", "endpoint: churn-staging, aws: {names: {package_group: churn-s}}")
    world = World(bench, aws_clients, own)
    world.make(1, environment="staging")
    assert world.statuses("churn-s") == ["Approved"]
    version = world.inner.version("churn", 1)
    rejected = a_verdict(VerdictOutcome.REJECTED, version.artifact, "in production")
    world.registry.place(world.claim("run-2"), a_placement(rejected, version=1))
    assert (world.statuses("churn-s"), world.statuses()) == (["Approved"], ["Rejected"])


# Decisions in Studio


def test_a_decision_in_studio_is_found_with_the_evidence_that_was_seen(world: World) -> None:
    world.make(1, VerdictOutcome.NEEDS_APPROVAL)
    assert world.seen().decided() == []
    world.decide_in_studio(1, "Approved")
    (package,) = world.seen().decided()
    assert (package.version, package.approved, package.is_whole) == (1, True, True)
    assert package.verdict == world.inner.placement("churn", "production", 1).verdict.id


def test_what_was_decided_in_studio_is_not_overwritten_before_it_came_here(world: World) -> None:
    world.make(1, VerdictOutcome.NEEDS_APPROVAL)
    world.decide_in_studio(1, "Rejected")
    world.anew().repair()
    assert world.statuses() == ["Rejected"]
    world.seen().put_back(1)
    assert world.statuses() == ["PendingManualApproval"]


def test_a_status_that_we_wrote_ourselves_is_nobodys_decision(world: World) -> None:
    """A version that is judged again must not be approved by the status of its verdict before."""
    world.make(1)
    asked = a_verdict(VerdictOutcome.NEEDS_APPROVAL, world.inner.version("churn", 1).artifact, "judged again")
    world.bench.deny("sagemaker", "UpdateModelPackage", times=1)
    world.registry.place(world.claim("run-2"), a_placement(asked, version=1))
    assert world.statuses() == ["Approved"]
    assert world.seen().decided() == []
    assert world.seen().package(world.packages()[0]["ModelPackageArn"]).approved is None
    world.registry.repair()
    assert world.statuses() == ["PendingManualApproval"]


def test_a_package_with_another_model_file_is_not_whole(world: World) -> None:
    world.make(1, VerdictOutcome.NEEDS_APPROVAL)
    package = world.packages()[0]
    package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"] = "s3://elsewhere/model.tar.gz"
    found = model_package.package_of(package, f"s3://{BUCKET}/everfit", "production")
    assert found is not None
    assert not found.is_whole


def test_somebody_elses_package_is_none_of_ours(world: World) -> None:
    world.make(1)
    arn = world.sagemaker.create_model_package(ModelPackageGroupName="churn", ModelPackageDescription="mine")
    assert world.seen().package(arn["ModelPackageArn"]) is None
    gone = arn["ModelPackageArn"].replace("/2", "/99")
    assert world.seen().package(gone) is None


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ({}, None),
        ({"LastModifiedBy": {}}, None),
        ({"LastModifiedBy": {"UserProfileName": "ada"}}, "ada"),
        ({"LastModifiedBy": {"IamIdentity": {"Arn": "arn:aws:iam::123456789012:user/team/grace"}}}, "grace"),
        (
            {"LastModifiedBy": {"IamIdentity": {"Arn": "arn:aws:sts::123456789012:assumed-role/Sso/ada@example.com"}}},
            "ada@example.com",
        ),
    ],
)
def test_who_decided_is_known_by_the_last_part_of_the_arn(told: Document, name: str | None) -> None:
    assert model_package.decided_by(told) == name


# When SageMaker fails


@pytest.mark.parametrize("operation", ["ListModelPackages", "CreateModelPackage", "CreateModelPackageGroup"])
def test_a_run_goes_on_when_sagemaker_does_not_and_the_package_is_made_later(world: World, operation: str) -> None:
    fault = world.bench.deny("sagemaker", operation)
    world.make(1)
    assert world.inner.version("churn", 1).number == 1
    assert len(world.warnings) == 1
    assert "\n" not in world.warnings[0]
    world.bench.forget(fault)
    assert world.anew().repair() == 1
    assert world.statuses() == ["Approved"]


def test_a_lost_answer_makes_no_second_package(world: World) -> None:
    world.bench.lose_answer("sagemaker", "CreateModelPackage")
    world.make(1)
    assert len(world.packages()) == 1
    assert world.warnings == []


def test_a_process_that_was_killed_before_the_package_was_made_is_made_good(world: World) -> None:
    claim, version = world.claim("run-1"), world.version(1)
    verdict = a_verdict(artifact=version.artifact)
    world.inner.register(claim, version, a_placement(verdict))
    world.registry.register(claim, version, a_placement(verdict))
    assert world.statuses() == ["Approved"]


def test_throttling_is_waited_for(world: World) -> None:
    world.bench.throttle("sagemaker", "CreateModelPackage", times=1)
    world.make(1)
    assert world.statuses() == ["Approved"]


def test_repair_says_when_sagemaker_cannot_be_asked(world: World) -> None:
    world.make(1)
    world.bench.fault("sagemaker", "ListModelPackages", code="InternalFailure", status=500, message="no", times=100)
    with pytest.raises(BackendError, match="list the model packages"):
        world.registry.repair()


def test_a_package_is_found_among_hundreds(world: World) -> None:
    world.make(1)
    for number in range(130):
        world.sagemaker.create_model_package(ModelPackageGroupName="churn", ModelPackageDescription=f"other {number}")
    assert world.anew().repair() == 0
    world.serve(world.claim(), 1)
    assert len(world.bench.calls("sagemaker", "UpdateModelPackage")) == 1


# Removal


def test_what_is_removed_here_is_removed_there(world: World) -> None:
    world.make(1, VerdictOutcome.REJECTED)
    world.make(2)
    world.registry.forget("churn", 1)
    assert [each["CustomerMetadataProperties"]["everfit:version"] for each in world.packages()] == ["2"]
    listed = world.bench.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="everfit/models/churn/1/")
    assert listed["KeyCount"] == 0


def test_what_may_not_be_removed_here_stays_there(world: World) -> None:
    world.serve(world.make(1), 1)
    with pytest.raises(EverfitError):
        world.registry.forget("churn", 1)
    assert world.statuses() == ["Approved"]


def test_a_package_whose_version_is_gone_is_removed_later(world: World) -> None:
    world.make(1, VerdictOutcome.REJECTED)
    world.inner.forget("churn", 1)
    assert world.registry.repair() == 1
    assert world.packages() == []


def test_a_package_that_was_deleted_by_hand_is_made_again(world: World) -> None:
    world.make(1)
    world.sagemaker.delete_model_package(ModelPackageName=world.packages()[0]["ModelPackageArn"])
    world.registry.repair()
    assert world.statuses() == ["Approved"]


def test_a_status_written_by_whoever_knows_of_fewer_environments_approves_nothing(world: World) -> None:
    """Somebody's older project file has no production yet: to it the package's status is staging's."""
    staging = world.make(1, environment="staging")
    verdict = a_verdict(VerdictOutcome.NEEDS_APPROVAL, world.inner.version("churn", 1).artifact)
    world.registry.place(world.claim(), a_placement(verdict, 1))
    assert world.statuses() == ["PendingManualApproval"]
    only = {name: each for name, each in world.project.environments.items() if name == "staging"}
    whole, world.project = world.project, replace(world.project, environments=only)
    place = only["staging"].aws
    assert place is not None
    older = ModelRegistry(world.inner, PackageMirror(world.inner, world.clients, place, world.project))
    proof = release(world.inner.version("churn", 1), world.inner.placement("churn", "staging", 1))
    older.served(staging, proof, reason="It is better.", actor="ada")
    assert world.statuses() == ["Approved"]
    world.project = whole
    assert list(world.seen().decided()) == []
    world.registry.repair()
    assert world.statuses() == ["PendingManualApproval"]
    world.decide_in_studio(1, "Approved")
    assert [each.approved for each in world.seen().decided()] == [True]


@pytest.mark.parametrize("content", [b"somebody's own model", None])
def test_what_serves_and_what_one_would_go_back_to_get_their_own_bytes_back(
    world: World, content: bytes | None
) -> None:
    """An instance that is started later reads the published copy again: it must be the version that passed."""
    s3, environment = world.bench.client("s3"), world.project.environments["production"]
    for number in (1, 2, 3):
        world.serve(world.make(number), number)
    assert world.registry.mend(environment) == []
    keys = [f"everfit/models/churn/{number}/model.tar.gz" for number in (1, 2, 3)]
    for key in keys:
        if content is None:
            s3.delete_object(Bucket=BUCKET, Key=key)
        else:
            s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    wrong = world.registry.mend(environment)
    held = "nothing" if content is None else f"other bytes (sha256:{hashlib.sha256(content).hexdigest()})"
    assert wrong == [f"s3://{BUCKET}/{keys[n - 1]} held {held} instead of version {n} of churn" for n in (3, 2)]
    assert [s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys[1:]] == [b"model 2", b"model 3"]
    assert world.registry.mend(environment) == []


def test_bytes_are_never_put_back_from_an_artifact_that_is_another_one(world: World) -> None:
    world.serve(world.make(1), 1)
    digest = world.inner.version("churn", 1).artifact.removeprefix("sha256:")
    for key in (f"artifacts/{digest}.tar.gz", "models/churn/1/model.tar.gz"):
        world.bench.client("s3").put_object(Bucket=BUCKET, Key=f"everfit/{key}", Body=b"forged")
    with pytest.raises(RefusedError, match="neither does"):
        world.registry.mend(world.project.environments["production"])


def test_a_version_that_was_never_made_has_no_package(world: World) -> None:
    with pytest.raises(NotFoundError):
        world.registry.version("churn", 9)


def test_what_is_said_keeps_within_the_limits_of_aws(world: World) -> None:
    claim, version = world.claim("run-1"), world.version(1)
    odd = replace(
        version,
        lineage={"commit": "ünïcode\n<script>" * 60, "python": IMAGE},
        metrics={f"metric_{number}": {"value": 1.0 / 3} for number in range(100)},
    )
    world.registry.register(claim, odd, a_placement(a_verdict(artifact=version.artifact)))
    assert world.warnings == []
    assert len(world.packages()[0]["CustomerMetadataProperties"]) == 50
