"""An endpoint host that lets in only callers with a token: who gets what, and where the tokens stand."""

import json
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from everfit.adapters.local.endpoints import LocalEndpoints
from everfit.bootstrap import ports_at
from everfit.domain.errors import RequestError, StateError
from everfit.serving.access import HostAccess
from everfit.serving.limits import Limits
from everfit.settings import read_settings
from tests.fakes import Silent
from tests.integration.host_client import Client, Got
from tests.integration.served_models import Models, deploy

OLD, NEW = "the-old-token-of-this-host", "the-new-token-of-this-host"
# Another address of this machine alone, so that the tests open nothing to others.
ACCESS = HostAccess(address="127.0.0.2", tokens=(OLD, NEW))
ASKED = "/endpoints/solar/invocations"


class Guarded(Client):
    """Calls the address that the host listens on."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.connection.host = "127.0.0.2"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("host-access")


@pytest.fixture(scope="module")
def endpoints(home: Path) -> Iterator[LocalEndpoints]:
    adapter = LocalEndpoints(home, None, access=ACCESS)
    deploy(adapter, Models(home=home).version(1))
    yield adapter
    adapter.stop()


@pytest.fixture
def client(endpoints: LocalEndpoints, home: Path) -> Client:
    assert endpoints.is_running()
    return Guarded(home)


def ask(client: Client, **headers: str) -> Got:
    return client.send("POST", ASKED, b"7", content_type="text/csv", **headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {OLD}"},
        {"authorization": f"bearer  {NEW}"},
        {"x_everfit_token": NEW},
        {"authorization": "AWS4-HMAC-SHA256 Credential=x", "x_everfit_token": OLD},
    ],
)
def test_a_caller_with_a_token_is_answered(client: Client, headers: dict[str, str]) -> None:
    """Any of several tokens lets in, while one takes the place of another."""
    assert ask(client, **headers).body == b"1:1:7"


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic dTpw"}, {"authorization": f"Token {OLD}"}])
def test_a_caller_without_a_token_is_told_how_to_send_one(client: Client, headers: dict[str, str]) -> None:
    got = ask(client, **headers)
    assert (got.status, got.headers["x-amzn-errortype"]) == (401, "AccessDenied")
    assert got.headers["www-authenticate"].startswith("Bearer")
    assert "X-Everfit-Token" in got.document["Message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer"},
        {"authorization": f"Bearer {OLD}x"},
        {"x_everfit_token": OLD[:-1]},
        {"x_everfit_token": "guess", "authorization": f"Bearer {OLD}"},
    ],
)
def test_a_wrong_token_is_refused(client: Client, headers: dict[str, str]) -> None:
    got = ask(client, **headers)
    assert (got.status, got.headers["x-amzn-errortype"]) == (403, "AccessDenied")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/invocations"),
        ("POST", "/endpoints/solar/feedback"),
        ("POST", "/endpoints/nobody/invocations"),
        ("GET", "/endpoints"),
        ("GET", "/endpoints/solar"),
        ("GET", "/endpoints/solar/ping"),
        ("GET", "/metrics"),
        ("GET", "/nothing"),
    ],
)
def test_everything_but_ping_needs_the_token(client: Client, method: str, path: str) -> None:
    assert client.send(method, path, b"" if method == "POST" else None).status == 401
    assert client.send("GET", "/ping").document == {"status": "ok"}


def test_a_large_body_is_not_taken_from_a_caller_without_a_token(client: Client) -> None:
    got = client.send("POST", ASKED, b"x" * 1_000_000, content_type="text/csv")
    assert (got.status, got.headers["connection"]) == (401, "close")


def test_the_commands_of_this_machine_go_on_working(endpoints: LocalEndpoints) -> None:
    assert endpoints.invoke("solar", b"7", "text/csv", "*/*").body == b"1:1:7"
    state = endpoints.describe("solar")
    assert state is not None
    assert state.url.startswith("http://127.0.0.2:")
    assert state.weights == {1: 1.0}


def test_the_token_is_not_the_secret_of_the_control_door(client: Client, home: Path) -> None:
    assert client.send("POST", "/-/converge", b"{}", authorization=f"Bearer {OLD}").status == 403
    assert client.send("POST", "/-/converge", b"{}", x_everfit_token=OLD).status == 403
    secret = json.loads((home / "host" / "host.json").read_bytes())["secret"]
    assert client.send("POST", "/-/converge", b"{}", authorization=f"Bearer {secret}").status == 200


def test_tokens_stand_where_only_their_owner_reads(client: Client, endpoints: LocalEndpoints, home: Path) -> None:
    """Tokens appear in no log, no process list, and in no variable of a model's process."""
    report = client.send("GET", "/endpoints/solar", x_everfit_token=OLD).document
    (worker,) = [process for version in report["versions"].values() for process in version["processes"]]
    front = endpoints._host.tell("converge")["pid"]
    supervisor = json.loads((home / "host" / "host.json").read_bytes())["pid"]
    for process in (worker, front, supervisor):
        assert OLD.encode() not in Path(f"/proc/{process}/cmdline").read_bytes()
        assert OLD.encode() not in Path(f"/proc/{process}/environ").read_bytes()
    holding = {path for path in (home / "host").rglob("*") if path.is_file() and OLD.encode() in path.read_bytes()}
    assert {path.name for path in holding} == {"host.json", "access.json"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in holding} == {0o600}


@pytest.mark.parametrize(
    ("access", "words"),
    [
        (replace(ACCESS, tokens=(NEW,)), "runs with other tokens"),
        (HostAccess(tokens=(OLD, NEW)), "listens on 127.0.0.2, not 127.0.0.1"),
    ],
)
def test_another_access_than_that_of_the_running_host_is_an_error(
    client: Client, home: Path, access: HostAccess, words: str
) -> None:
    assert client.send("GET", "/ping").status == 200
    with pytest.raises(StateError, match=words) as caught:
        LocalEndpoints(home, None, access=access).describe("solar")
    assert "everfit down" in str(caught.value)
    assert NEW not in str(caught.value)


def test_a_command_that_chose_nothing_starts_the_host_as_it_was(client: Client, home: Path) -> None:
    """A command in a shell without the variables neither opens the host nor takes it from its callers."""
    assert client.send("GET", "/ping").status == 200
    plain = LocalEndpoints(home, None)
    assert plain.stop()
    assert plain.invoke("solar", b"7", "text/csv", "*/*").body == b"1:1:7"
    assert ask(Guarded(home)).status == 401
    assert ask(Guarded(home), x_everfit_token=NEW).status == 200


def test_a_host_that_others_may_reach_does_not_start_without_a_token(tmp_path: Path) -> None:
    adapter = LocalEndpoints(tmp_path, None, access=HostAccess(address="0.0.0.0"))
    with pytest.raises(StateError, match="EVERFIT_SERVE_TOKEN is not set"):
        adapter.start()
    assert not adapter.is_running()
    assert not (tmp_path / "host" / "port").exists()


def test_an_address_of_another_machine_is_named(tmp_path: Path) -> None:
    adapter = LocalEndpoints(tmp_path, None, Limits(), HostAccess(address="192.0.2.7", tokens=(OLD,)))
    with pytest.raises(StateError, match=r"cannot listen on 192\.0\.2\.7, port 8080: Cannot assign"):
        adapter.start()
    assert not adapter.is_running()


def test_the_environment_says_who_gets_in(tmp_path: Path) -> None:
    settings = read_settings({"EVERFIT_SERVE_ADDRESS": " 127.0.0.2 ", "EVERFIT_SERVE_TOKEN": f"{OLD}, {NEW},"})
    assert (settings.serve_address, settings.serve_tokens) == ("127.0.0.2", (OLD, NEW))
    assert OLD not in repr(settings)
    endpoints = ports_at(tmp_path, settings, Silent()).endpoints
    assert isinstance(endpoints, LocalEndpoints)
    assert endpoints._host.url == "http://127.0.0.2:8080"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"EVERFIT_SERVE_ADDRESS": "0.0.0.0"}, "EVERFIT_SERVE_TOKEN is not set"),
        ({"EVERFIT_SERVE_ADDRESS": "everywhere"}, "it must be an IP address"),
        ({"EVERFIT_SERVE_ADDRESS": "127.0.0.1:9000", "EVERFIT_PORT": "9001"}, "let one of them name it"),
        ({"EVERFIT_SERVE_TOKEN": "short"}, "EVERFIT_SERVE_TOKEN needs 16 characters"),
    ],
)
def test_what_no_host_could_be_started_with_is_said_before_anything_is_done(
    variables: dict[str, str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match=said):
        ports_at(tmp_path, read_settings(variables), Silent())
