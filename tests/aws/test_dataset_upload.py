"""The function that tells a GitHub repository of new data, against a server on this machine."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import everfit
from everfit.domain.errors import BackendError, EverfitError, RequestError
from everfit.interfaces.lambdas import dataset_upload
from everfit.interfaces.lambdas.dataset_upload import handler
from tests.listening import Heard, web_server

if TYPE_CHECKING:
    from everfit.adapters.aws.clients import Clients

TOKEN = "ghp_0123456789abcdef"


def record(key: str, name: str = "ObjectCreated:Put", bucket: str = "plant-doctor-photos") -> dict[str, Any]:
    """Return a record as S3 sends it (user guide, "Event message structure"); its keys are URL-encoded."""
    told = {"bucket": {"name": bucket}, "object": {"key": key, "size": 1024, "sequencer": "0A1B2C3D4E5F678901"}}
    return {"eventSource": "aws:s3", "eventName": name, "eventTime": "2026-11-21T09:00:00.000Z", "s3": told}


def from_s3(*records: Mapping[str, Any]) -> dict[str, Any]:
    return {"Records": list(records)}


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    dataset_upload._secret.cache_clear()
    with web_server() as heard:
        heard.code, heard.said = 204, b""
        for name, value in {
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_OWNER": "octo",
            "GITHUB_REPO": "plant-doctor",
            "GITHUB_API_URL": f"http://127.0.0.1:{heard.port}",
        }.items():
            monkeypatch.setenv(name, value)
        yield heard


def test_a_batch_of_uploads_is_one_dispatch(github: Heard) -> None:
    answer = handler(from_s3(*(record(f"leaves/{number}.png") for number in range(50))))
    assert answer == {"dispatched": True, "objects": 50, "repository": "octo/plant-doctor"}
    (body,) = map(json.loads, github.bodies)
    assert body["event_type"] == "dataset-upload"
    assert (body["client_payload"]["bucket"], body["client_payload"]["count"]) == ("plant-doctor-photos", 50)
    assert body["client_payload"]["keys"] == [f"leaves/{number}.png" for number in range(20)]


def test_the_request_is_as_github_wants_it(github: Heard) -> None:
    handler(from_s3(record("a.png")))
    (headers,) = github.headers
    assert (headers["authorization"], headers["accept"]) == (f"Bearer {TOKEN}", "application/vnd.github+json")
    assert headers["x-github-api-version"] == "2022-11-28"


def test_names_of_keys_are_decoded(github: Heard) -> None:
    handler(from_s3(record("leaves/early+blight/%C3%A9t%C3%A9+1%2B1.png")))
    assert json.loads(github.bodies[0])["client_payload"]["keys"] == ["leaves/early blight/été 1+1.png"]


def test_the_longest_keys_fit_into_what_github_takes(github: Heard) -> None:
    handler(from_s3(*(record(f"{'%C3%A9' * 500}{number}") for number in range(1_000))))
    assert len(github.bodies[0]) < 65_536


def test_an_event_of_eventbridge_says_the_same(github: Heard) -> None:
    detail = {"bucket": {"name": "plant-doctor-photos"}, "object": {"key": "leaves/a b.png", "sequencer": "1"}}
    event = {"source": "aws.s3", "detail-type": "Object Created", "time": "2026-11-21T09:00:00Z", "detail": detail}
    assert handler(event)["dispatched"] is True
    assert json.loads(github.bodies[0])["client_payload"]["keys"] == ["leaves/a b.png"]


def test_a_batch_of_a_queue_is_one_dispatch(github: Heard) -> None:
    queued = [{"eventSource": "aws:sqs", "body": json.dumps(from_s3(record(f"{number}.png")))} for number in range(10)]
    assert handler({"Records": queued})["objects"] == 10
    assert len(github.bodies) == 1


def test_the_type_of_the_event_can_be_chosen(github: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_EVENT_TYPE", "new-photos")
    handler(from_s3(record("a.png")))
    assert json.loads(github.bodies[0])["event_type"] == "new-photos"


@pytest.mark.parametrize(
    "event",
    [
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "plant-doctor-photos"},
        from_s3(record("leaves/")),
        from_s3(record("a.png", "ObjectRemoved:Delete")),
        {"source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification", "detail": {}},
        {},
        [],
        None,
    ],
    ids=["test message", "folder", "removal", "another service", "empty", "list", "nothing"],
)
def test_what_is_no_upload_tells_nobody(github: Heard, event: object) -> None:
    assert handler(event) == {"dispatched": False, "objects": 0}
    assert github.bodies == []


@pytest.mark.parametrize("code", [429, 500, 502, 503])
def test_what_may_pass_is_raised_so_that_it_is_tried_again(github: Heard, code: int) -> None:
    github.code = code
    with pytest.raises(BackendError, match="right now") as raised:
        handler(from_s3(record("a.png")))
    assert raised.value.retryable


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (401, "does not know the token"),
        (403, "may not start workflows"),
        (404, "GITHUB_OWNER, GITHUB_REPO"),
        (422, "GITHUB_EVENT_TYPE"),
        (302, "renamed or moved"),
        (418, "GitHub refused it"),
    ],
)
def test_what_a_person_must_mend_is_told_in_one_sentence(github: Heard, code: int, words: str) -> None:
    github.code = code
    with pytest.raises(RequestError, match=words) as raised:
        handler(from_s3(record("a.png")))
    assert "octo/plant-doctor" in str(raised.value)


def test_the_token_goes_to_no_other_address(github: Heard) -> None:
    github.code = 302
    with pytest.raises(RequestError):
        handler(from_s3(record("a.png")))
    assert len(github.bodies) == 1


def test_a_server_that_is_not_there_is_tried_again(github: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:9")
    with pytest.raises(BackendError, match="does not answer") as raised:
        handler(from_s3(record("a.png")))
    assert raised.value.retryable


@pytest.mark.parametrize("code", [204, 401, 500])
def test_the_token_is_in_no_word_that_is_said(github: Heard, code: int, capfd: pytest.CaptureFixture[str]) -> None:
    github.code = code
    said = ""
    try:
        said = str(handler(from_s3(record("a.png"))))
    except EverfitError as error:
        said = f"{error!r} {error.__cause__!r} {error.__context__!r}"
    assert TOKEN not in said + "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"GITHUB_TOKEN": ""}, "Neither GITHUB_TOKEN_SECRET nor GITHUB_TOKEN is set"),
        ({"GITHUB_OWNER": ""}, "GITHUB_OWNER is not set"),
        ({"GITHUB_REPO": "octo/plant-doctor"}, "GITHUB_REPO is 'octo/plant-doctor', which is none"),
        ({"GITHUB_REPO": ".."}, "GITHUB_REPO"),
        ({"GITHUB_API_URL": "http://example.com"}, "GITHUB_API_URL"),
        ({"GITHUB_API_URL": "file:///etc"}, "GITHUB_API_URL"),
        ({"GITHUB_EVENT_TYPE": "x" * 101}, "GITHUB_EVENT_TYPE"),
        ({"GITHUB_TOKEN_SECRET": "my-token"}, "not the ARN of a secret"),
    ],
)
def test_a_wrong_variable_is_told_by_its_name(
    github: Heard, monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str], words: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RequestError, match=words):
        handler(from_s3(record("a.png")))
    assert github.bodies == []


def test_the_token_may_lie_in_secrets_manager_and_be_replaced_there(
    github: Heard, aws_clients: "Clients", monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = aws_clients("secretsmanager")
    arn = secrets.create_secret(Name="github-token", SecretString="old\n")["ARN"]
    monkeypatch.delenv("GITHUB_TOKEN")
    monkeypatch.setenv("GITHUB_TOKEN_SECRET", arn)
    handler(from_s3(record("a.png")))
    secrets.put_secret_value(SecretId=arn, SecretString="new")
    github.code = 401
    with pytest.raises(RequestError, match="does not know the token"):
        handler(from_s3(record("b.png")))
    assert [each["authorization"] for each in github.headers] == ["Bearer old", "Bearer old", "Bearer new"]


def test_a_secret_that_is_not_there_is_told(
    github: Heard, aws_clients: "Clients", monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:github-token-a1b2c3"
    monkeypatch.setenv("GITHUB_TOKEN_SECRET", arn)
    with pytest.raises(EverfitError, match="could not read the secret github-token-a1b2c3"):
        handler(from_s3(record("a.png")))


def test_the_function_needs_nothing_but_python_and_this_package(tmp_path: Path) -> None:
    """It is packed with ``pip install --no-deps``."""
    shutil.copytree(Path(everfit.__file__).parent, tmp_path / "everfit", ignore=shutil.ignore_patterns("__pycache__"))
    code = f"import sys; sys.path.append({str(tmp_path)!r}); import everfit.interfaces.lambdas.dataset_upload as made"
    command = [sys.executable, "-I", "-S", "-c", f"{code}; print(made.handler.__name__, made.__file__)"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()[:1]) == (0, ["handler"]), done.stderr
    assert str(tmp_path) in done.stdout
