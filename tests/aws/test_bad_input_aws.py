"""What people meet on the command line when AWS, its account or somebody in its console is in the way.

Each case says one sentence, tells by its exit code, and leaves what serves as it was. What each adapter makes of each
trouble is tested beside it; here is that it arrives.
"""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.aws.bench.client import Bench, quiet_environment
from tests.aws.stages import rows
from tests.projects import EVERFIT, INFERENCE, TRAIN

PROJECT = """\
model: line
task: regression
data: {source: "s3://line-data/rows/", target: y, id: id}
train: {script: train.py, timeout: 5m, sagemaker: {framework: sklearn, version: 1.4-2}}
serve: {script: inference.py, sagemaker: {framework: sklearn, version: 1.4-2}}
gate: [mae <= 5]
environments:
  production:
    backend: sagemaker
    endpoint: line
    aws: {region: us-east-1, bucket: line-models}
"""
ROLE = "everfit-line-production-job"
NEEDED = "ml.m5.large for processing job usage"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"


class Terminal:
    """The command line in a project on the bench.

    Args:
        folder: of the project.
    """

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench, self.folder = bench, folder
        for name, text in {"everfit.yaml": PROJECT, "train.py": TRAIN, "inference.py": INFERENCE}.items():
            (folder / name).write_text(text)

    def told(self, command: str, *words: str, code: int, **variables: str) -> str:
        """Return what the command says when it ends with that code."""
        done = subprocess.run(
            [EVERFIT, command, "-C", str(self.folder), *words],
            env={
                **quiet_environment(),
                **self.bench.environment(),
                "EVERFIT_ACTOR": "ada",
                "EVERFIT_AWS_LOOK": "100ms",
                "COLUMNS": "600",
                **variables,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert (done.returncode, "Traceback" in said) == (code, False), said
        return said

    def changes(self) -> int:
        """Return how often an endpoint was made or changed."""
        calls = self.bench.calls("sagemaker")
        return len([call for call in calls if call["operation"] in {"CreateEndpoint", "UpdateEndpoint"}])

    def put(self, name: str, content: str) -> None:
        self.bench.client("s3").put_object(Bucket="line-data", Key=f"rows/{name}", Body=content.encode())


@pytest.fixture
def terminal(bench: Bench, tmp_path: Path) -> Terminal:
    """A project whose account is empty."""
    return Terminal(bench, tmp_path)


@pytest.fixture(scope="module")
def made(bench_server: Bench, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """A project whose version 1 serves, and new data; what a test puts in the way, it takes away again."""
    bench_server.reset()
    terminal = Terminal(bench_server, tmp_path_factory.mktemp("line"))
    for name in ("line-data", "line-models"):
        bench_server.client("s3").create_bucket(Bucket=name)
    bench_server.role(ROLE)
    terminal.put("a.csv", rows())
    terminal.told("run", code=0)
    terminal.put("b.csv", rows(first=100))
    return terminal


@pytest.fixture
def line(made: Terminal) -> Iterator[Terminal]:
    """The same project: what serves is left alone."""
    before = made.changes()
    yield made
    made.bench.set(quotas={}, images_missing=[])
    assert made.changes() == before


# Who asks, and where


@pytest.mark.parametrize("command", ["run", "status", "rollback"])
def test_without_credentials_a_sentence_says_to_sign_in(terminal: Terminal, command: str) -> None:
    said = terminal.told(command, code=2, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert "there are no AWS credentials. Sign in" in said


def test_expired_credentials_are_said_to_be_so(terminal: Terminal) -> None:
    terminal.bench.expire()
    assert "the AWS credentials have expired. Sign in again." in terminal.told("run", code=2)


def test_a_bucket_that_is_not_there_is_named_with_its_key(terminal: Terminal) -> None:
    said = terminal.told("run", code=2)
    assert "s3://line-models/everfit/state.db: there is no such bucket. Look at aws.bucket in everfit.yaml." in said


def test_data_in_another_region_is_told_with_both_regions(terminal: Terminal) -> None:
    s3 = terminal.bench.client("s3", region="eu-west-1")
    s3.create_bucket(Bucket="line-data", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    terminal.bench.client("s3").create_bucket(Bucket="line-models")
    said = terminal.told("run", code=1)
    assert "The bucket line-data is in eu-west-1, and aws.region is us-east-1." in said
    assert "Copy the data into a bucket in us-east-1, or set aws.region to eu-west-1." in said


@pytest.mark.parametrize("key", ["model: line", "endpoint: line"])
def test_a_name_that_is_too_long_is_refused_with_its_line(terminal: Terminal, key: str) -> None:
    long = f"{key.partition(':')[0]}: {'l' * 64}"
    (terminal.folder / "everfit.yaml").write_text(PROJECT.replace(key, long))
    said = terminal.told("run", code=2)
    assert "it is not a name of at most 63 letters, digits and hyphens" in said
    assert terminal.bench.calls() == []


# What the account does not allow


@pytest.mark.parametrize(
    ("service", "operation", "place"),
    [
        ("s3", "GetObject", "read s3://line-models/everfit/state.db"),
        ("s3", "PutObject", "write s3://line-models/everfit/state.lock"),
    ],
)
def test_without_permission_for_the_state_nothing_is_begun(
    line: Terminal, service: str, operation: str, place: str
) -> None:
    denied = line.bench.deny(service, operation)
    said = line.told("run", code=2)
    line.bench.forget(denied)
    assert f"Everfit could not {place}: these credentials may not call {operation} there." in said
    assert "`everfit doctor --aws` lists every permission that is missing." in said


def denied(operation: str) -> Callable[[Bench], Any]:
    return lambda bench: bench.deny("sagemaker", operation)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (denied("CreateProcessingJob"), "these credentials may not call CreateProcessingJob there. `everfit doctor"),
        (lambda bench: bench.set(quotas={NEEDED: 0}), "Ask for more under Service Quotas"),
        (lambda bench: bench.set(images_missing=[IMAGE]), "image"),
    ],
    ids=["permission", "quota", "image"],
)
def test_a_run_that_the_account_does_not_allow_fails_and_is_kept(
    line: Terminal, trouble: Callable[[Bench], int | None], words: str
) -> None:
    number = trouble(line.bench)
    said = line.told("run", code=1)
    if number is not None:
        line.bench.forget(number)
    assert said.startswith("failed: line in production, run ")
    assert words in said
    assert "Serves: version 1 at " in said


# What somebody does in the console


def test_an_endpoint_that_was_deleted_by_hand_is_said_to_be_gone_and_made_again(made: Terminal) -> None:
    sagemaker = made.bench.client("sagemaker")
    sagemaker.delete_endpoint(EndpointName="line")
    said = made.told("status", code=0)
    assert "failed" in said
    assert "version 1 belongs behind line, but nothing answers" in said
    assert "there is no endpoint line any more; `everfit run --force` deploys anew" in said
    assert made.told("predict", "-", code=2)
    # All that could not be learnt from before is learnt from now.
    assert made.told("run", code=0).startswith("deployed: line in production, version 2")
    assert "version 2 serves behind line" in made.told("status", code=0)
    assert sagemaker.describe_endpoint(EndpointName="line")["EndpointStatus"] == "InService"
