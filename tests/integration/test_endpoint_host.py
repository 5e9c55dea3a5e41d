"""The endpoint host as a client and an operator meet it: real processes, real HTTP."""

import socket
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from everfit.adapters.local.endpoints import LocalEndpoints
from everfit.domain.errors import RunFailedError
from everfit.serving.limits import Limits
from tests.integration.host_client import Client, gone, workers
from tests.integration.served_models import Models, deploy, tamper_add, tamper_file, tamper_remove

LIMITS = Limits(body=10_000, request=timedelta(seconds=4))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("endpoint-host")


@pytest.fixture(scope="module")
def endpoints(home: Path) -> Iterator[LocalEndpoints]:
    """Serve version 1 for all tests of this module; each of them leaves it serving."""
    adapter = LocalEndpoints(home, None, LIMITS)
    deploy(adapter, Models(home=home).version(1))
    yield adapter
    adapter.stop()


@pytest.fixture(scope="module")
def models(home: Path) -> Models:
    return Models(home=home)


@pytest.fixture
def client(endpoints: LocalEndpoints, home: Path) -> Client:
    assert endpoints.is_running()
    return Client(home)


def test_an_answer_says_which_version_gave_it(client: Client) -> None:
    got = client.ask("7")
    assert (got.status, got.body) == (200, b"1:1:7")
    assert got.headers["x-everfit-version"] == "1"
    assert got.headers["x-amzn-invoked-production-variant"] == "v1"
    assert got.headers["content-type"] == "text/plain"


def test_ping_is_well_when_every_endpoint_answers(client: Client) -> None:
    assert client.send("GET", "/ping").status == 200
    assert client.send("GET", "/endpoints/solar/ping").status == 200
    assert client.send("GET", "/endpoints/lunar/ping").status == 404


def test_the_host_shows_what_it_really_serves(client: Client) -> None:
    shown = client.send("GET", "/endpoints/solar").document
    assert shown["weights"] == {"1": 1.0}
    assert shown["versions"]["1"]["state"] == "ready"
    assert [each["name"] for each in client.send("GET", "/endpoints").document] == ["solar"]


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("POST", "/endpoints/lunar/invocations", 400, "ValidationError"),
        ("GET", "/endpoints/solar/invocations", 405, "MethodNotAllowed"),
        ("POST", "/ping", 405, "MethodNotAllowed"),
        ("DELETE", "/endpoints/solar", 405, "MethodNotAllowed"),
        ("GET", "/nothing/here", 404, "NotFound"),
        ("GET", "/endpoints/%2e%2e%2f", 404, "NotFound"),
        ("POST", "/-/stop", 403, "AccessDenied"),
    ],
)
def test_a_wrong_request_is_told_so(client: Client, method: str, path: str, status: int, kind: str) -> None:
    got = client.send(method, path, b"" if method == "POST" else None)
    assert (got.status, got.headers["x-amzn-errortype"]) == (status, kind)
    assert got.document["Message"]


def test_a_method_that_is_not_allowed_names_the_one_that_is(client: Client) -> None:
    assert client.send("GET", "/invocations").headers["allow"] == "POST"
    assert client.send("POST", "/endpoints", b"").headers["allow"] == "GET"


def test_a_body_that_is_too_large_is_refused_before_it_is_read(client: Client) -> None:
    got = client.send("POST", "/invocations", b"x" * 10_001)
    assert (got.status, got.headers["x-amzn-errortype"]) == (413, "ValidationError")


def test_a_body_of_unknown_length_that_is_too_large_is_refused(client: Client) -> None:
    got = client.send("POST", "/invocations", iter([b"x" * 6000, b"x" * 6000]))
    assert got.status == 413


def test_a_model_error_carries_the_models_own_words(client: Client) -> None:
    got = client.ask("raise")
    assert (got.status, got.headers["x-amzn-errortype"]) == (424, "ModelError")
    assert got.headers["x-everfit-version"] == "1"
    assert got.document["OriginalStatusCode"] == 500
    assert got.document["OriginalMessage"] == "ValueError: no such house"
    assert client.ask("7").status == 200


def test_a_request_that_takes_too_long_ends_and_the_process_is_replaced(client: Client) -> None:
    (before,) = workers(client)
    got = client.ask("stuck")
    assert (got.status, got.document["OriginalStatusCode"]) == (424, 504)
    assert client.ask("7").body == b"1:1:7"
    gone([before])


def test_a_request_that_was_cut_off_never_reaches_the_model(client: Client, home: Path) -> None:
    with socket.create_connection(("127.0.0.1", client.connection.port)) as connection:
        connection.sendall(b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\ncut off here")
    assert client.ask("7").status == 200
    assert "cut off" not in (home / "host" / "logs" / "solar.v1.log").read_text()


def test_a_request_that_kills_its_process_is_tried_once_more(client: Client, tmp_path: Path) -> None:
    assert client.ask(f"crash once {tmp_path / 'marker'}").status == 200


def test_a_request_that_kills_every_process_fails_alone(client: Client) -> None:
    got = client.ask("crash")
    assert (got.status, got.headers["x-amzn-errortype"]) == (424, "ModelError")
    assert got.document["OriginalMessage"].endswith("twice: exit code 7")
    assert client.ask("7").body == b"1:1:7"


def test_an_empty_answer_is_an_answer_once_a_version_serves(client: Client) -> None:
    got = client.ask("nothing")
    assert (got.status, got.body) == (200, b"")


def test_what_a_model_prints_is_in_its_log(client: Client, home: Path) -> None:
    client.ask("a word")
    assert "asked a word" in (home / "host" / "logs" / "solar.v1.log").read_text()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("raises.py", "ValueError: the weights are gone (raises.py, line 2, in model_fn)"),
        ("syntax.py", "syntax.py cannot be imported"),
        ("missing_package.py", "a_package_that_nobody_has to the file that train.requirements names"),
        ("no_handlers.py", "none of the handlers"),
        ("exits.py", "exit code 3; it printed: last words"),
        ("bad_answer.py", "KeyError: 'b'"),
        ("empty_answer.py", "with nothing"),
        ("crashing_answer.py", "exit code 9"),
        ("../inference.py", "no script"),
    ],
)
def test_a_version_that_cannot_serve_never_takes_traffic(
    client: Client, endpoints: LocalEndpoints, models: Models, script: str, words: str
) -> None:
    """A version that does not load, does not answer a sample request, or crashes, never gets traffic; the old one
    is untouched.
    """
    with pytest.raises(RunFailedError) as caught:
        endpoints.stage("solar", models.version(2, script), fence=1)
    assert words in str(caught.value)
    assert client.ask("7").body == b"1:1:7"
    state = endpoints.describe("solar")
    assert state is not None
    assert state.staged == (1,)


def test_a_version_whose_interpreter_is_gone_is_reported(endpoints: LocalEndpoints, models: Models) -> None:
    gone_python = replace(models.version(2), python="/no/python")
    with pytest.raises(RunFailedError, match="/no/python cannot be started"):
        endpoints.stage("solar", gone_python, fence=1)


@pytest.mark.parametrize("tamper", [tamper_file, tamper_remove, tamper_add])
def test_a_model_folder_that_was_changed_is_refused(
    client: Client, endpoints: LocalEndpoints, models: Models, tamper: object
) -> None:
    """A version's artifact is immutable and lives under its own name; a later run, a rejected one too, cannot change
    what serves, not even after a restart or a scale-out.
    """
    version = models.version(2)
    assert callable(tamper)
    tamper(Path(version.model))
    with pytest.raises(RunFailedError, match="was changed"):
        endpoints.stage("solar", version, fence=1)
    assert client.ask("7").body == b"1:1:7"


def test_a_folder_of_another_artifact_is_refused(endpoints: LocalEndpoints, models: Models) -> None:
    swapped = replace(models.version(2), model=models.version(1).model)
    with pytest.raises(RunFailedError, match="is not the one of"):
        endpoints.stage("solar", swapped, fence=1)


def test_the_secret_is_for_the_owner_alone(client: Client, home: Path) -> None:
    assert stat.S_IMODE((home / "host" / "host.json").stat().st_mode) == 0o600
    assert client.send("POST", "/-/converge", b"{}", authorization="Bearer guess").status == 403
