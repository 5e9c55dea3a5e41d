"""How a function finds its project: the one that is in force, kept while it is warm."""

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from everfit.adapters.aws.code import S3Code
from everfit.adapters.aws.project_bundle import (
    ProjectBundle,
    key_of,
    place_in,
    read_bundle,
    variables_of,
    write_bundle,
)
from everfit.adapters.aws.s3_objects import S3Objects
from everfit.adapters.local.code import LocalCode
from everfit.application.retraining import Request, begin
from everfit.bootstrap_aws.serverless import Serverless
from everfit.domain.errors import BackendError, NotFoundError, ProjectError, RequestError
from everfit.domain.gate import VerdictOutcome
from everfit.domain.version import release
from everfit.interfaces.cli.progress import Silence
from everfit.settings import Settings
from tests.aws.bench.strict import install
from tests.aws.serverless_bench import PROJECT
from tests.aws_bench import BUCKET, REGION
from tests.stored import a_placement, a_verdict, a_version

if TYPE_CHECKING:
    from everfit.adapters.aws.clients import Clients

VARIABLES: Mapping[str, str] = {
    "AWS_REGION": REGION,
    "EVERFIT_BUCKET": BUCKET,
    "EVERFIT_PREFIX": "everfit",
    "EVERFIT_MODEL": "line",
    "EVERFIT_ENVIRONMENT": "production",
}
PLACE = place_in(VARIABLES)
TEXT = PROJECT.replace("APPROVAL", "automatic").replace("QUIET", "0s")
BUNDLE = ProjectBundle(text=TEXT, code=f"s3://{BUCKET}/everfit/code/{'0' * 64}.tar.gz", everfit="0.1.0")


def serverless(**variables: str) -> Serverless:
    given = {**VARIABLES, **variables}
    settings = Settings(home=None, port=None, variables=given, actor="tester")
    return Serverless(settings, Silence(), prepare=install)


def test_a_function_knows_where_it_belongs_by_its_variables() -> None:
    assert {**variables_of(PLACE), "AWS_REGION": REGION} == VARIABLES
    with pytest.raises(RequestError, match="lacks EVERFIT_BUCKET, EVERFIT_MODEL: make the stack again"):
        place_in({**VARIABLES, "EVERFIT_BUCKET": "", "EVERFIT_MODEL": ""})


def test_a_bundle_is_read_as_it_was_written_and_once_while_it_stays(aws_clients: "Clients") -> None:
    objects = S3Objects(aws_clients, PLACE)
    write_bundle(objects, PLACE, BUNDLE)
    found = read_bundle(objects, PLACE)
    assert found is not None
    assert (found.bundle, found.bundle.digest) == (BUNDLE, BUNDLE.digest)
    assert read_bundle(objects, PLACE, unless=found.etag) is None
    assert replace(BUNDLE, text="other").digest != BUNDLE.digest


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{no json", "is damaged; `everfit apply` writes it anew"),
        (b"[]", "holds no usable 'text'"),
        (b'{"form": 99, "text": ""}', "was written by a newer Everfit"),
    ],
)
def test_a_bundle_that_cannot_be_read_is_a_sentence_that_says_what_to_do(
    aws_clients: "Clients", content: bytes, words: str
) -> None:
    aws_clients("s3").put_object(Bucket=BUCKET, Key=key_of(PLACE), Body=content)
    with pytest.raises(BackendError, match=words):
        read_bundle(S3Objects(aws_clients, PLACE), PLACE)


@pytest.mark.usefixtures("aws_clients")
def test_a_function_without_a_project_says_what_to_do() -> None:
    with pytest.raises(NotFoundError, match="run `everfit apply --env production --yes`"):
        serverless().kept(owner="tester")


def test_a_project_that_is_applied_is_in_force_at_the_next_call_of_a_warm_function(aws_clients: "Clients") -> None:
    objects = S3Objects(aws_clients, PLACE)
    write_bundle(objects, PLACE, BUNDLE)
    warm = serverless()
    first, second = (warm.kept(owner=owner, watches=True) for owner in ("one", "two"))
    assert (first.ports.owner, second.ports.owner) == ("one", "two")
    assert first.ports.store is second.ports.store
    assert first.sources is second.sources
    assert set(first.sources) == {"schedules", "data"}
    write_bundle(objects, PLACE, replace(BUNDLE, text=TEXT.replace("mae <= 5", "mae <= 4")))
    third = warm.kept(owner="three")
    assert str(third.workspace.project.gate[0]).find("4") >= 0
    assert third.workspace.project.gate != first.workspace.project.gate


def test_a_variable_of_the_project_that_the_function_does_not_have_is_named(aws_clients: "Clients") -> None:
    text = TEXT + "alerts:\n  - slack: ${SLACK_URL}\n"
    write_bundle(S3Objects(aws_clients, PLACE), PLACE, replace(BUNDLE, text=text))
    with pytest.raises(ProjectError, match="SLACK_URL"):
        serverless().kept(owner="tester")
    kept = serverless(SLACK_URL="https://hooks.example/T0/B0/s3cret").kept(owner="tester")
    assert "https://hooks.example/T0/B0/s3cret" in kept.workspace.project.secrets


def test_code_that_was_applied_is_what_a_run_takes(aws_clients: "Clients") -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "line")
        folder.mkdir()
        (folder / "train.py").write_text("print('a line')\n")
        code = S3Code(aws_clients, PLACE, LocalCode(Path(name, "home")), Path(name, "scratch")).freeze(str(folder))
    write_bundle(S3Objects(aws_clients, PLACE), PLACE, replace(BUNDLE, code=code.folder))
    kept = serverless().kept(owner="tester")
    frozen = kept.ports.code.freeze(kept.workspace.folder)
    assert (frozen.digest, kept.ports.code.text(frozen.folder, "train.py")) == (code.digest, "print('a line')\n")


TWO = TEXT.replace(
    "environments:\n",
    """environments:
  staging:
    backend: sagemaker
    endpoint: line-staging
    aws: {region: us-east-1, bucket: everfit-bench}
""",
).replace("    approval: automatic\n", "    promote_from: staging\n    approval: manual\n")


def test_what_one_stack_says_of_a_shared_package_is_never_the_approval_of_another_environment(
    aws_clients: "Clients",
) -> None:
    """The version serves in staging and waits for a person in production: one package, one approval status."""
    for name in ("staging", "production"):
        place = place_in({**VARIABLES, "EVERFIT_ENVIRONMENT": name})
        write_bundle(S3Objects(aws_clients, place), place, replace(BUNDLE, text=TWO))
    staging = serverless(EVERFIT_ENVIRONMENT="staging").kept(owner="staging")
    production = serverless().kept(owner="production")
    content = b"model 1"
    digest = hashlib.sha256(content).hexdigest()
    aws_clients("s3").put_object(
        Bucket=BUCKET, Key=f"everfit/artifacts/{digest}.tar.gz", Body=content, ChecksumAlgorithm="SHA256"
    )
    asks = Request(environment="staging", actor="ada")
    run = begin(asks, staging.workspace, staging.place.environment, staging.ports).id
    claim = staging.ports.store.claim("line", "staging", owner="staging", lease=timedelta(seconds=30), run=run)
    version = a_version(run, f"sha256:{digest}", model="line")
    passed = a_placement(a_verdict(artifact=version.artifact), environment="staging", model="line")
    version = staging.ports.registry.register(claim, version, passed)
    asked = a_placement(a_verdict(VerdictOutcome.NEEDS_APPROVAL, version.artifact), 1, model="line")
    above = production.ports.store.claim("line", "production", owner="production", lease=timedelta(seconds=30))
    production.ports.registry.place(above, asked)
    proof = release(version, staging.ports.registry.placement("line", "staging", 1))
    staging.ports.registry.served(claim, proof, reason="It is better.", actor="staging")
    assert staging.repair is not None
    assert production.repair is not None
    assert (staging.repair(), production.repair()) == (0, 0)
    assert staging.packages is not None
    assert production.packages is not None
    assert (staging.packages.owner(), production.packages.owner()) == ("production", "production")
    assert (list(staging.packages.decided()), list(production.packages.decided())) == ([], [])
    (listed,) = aws_clients("sagemaker").list_model_packages(ModelPackageGroupName="line")["ModelPackageSummaryList"]
    assert listed["ModelApprovalStatus"] == "PendingManualApproval"
