"""What callers of a real endpoint may send, and what comes back when that is wrong."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from everfit.adapters.local.endpoints import LocalEndpoints
from everfit.domain.endpoint import SampleRequest
from everfit.serving.http_connection import Connection
from everfit.serving.limits import Limits
from tests.integration.host_client import Client, Got
from tests.integration.http_service import Caller, get, post
from tests.integration.served_models import BROKEN, Models, deploy
from tests.integration.test_http_streams import Answering, Memory

ROWS = """
class Sum:
    def predict(self, rows):
        if rows[0][0] == 5:
            raise ValueError("not five")
        return [sum(row) for row in rows]


def model_fn(model_dir):
    return Sum()


def output_fn(prediction, accept):
    kinds = {"two/lines": "text/plain\\r\\nX-Injected: yes", "none": ""}
    return str([int(value) for value in prediction.values]), kinds.get(accept, "text/plain")
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("front")


@pytest.fixture(scope="module")
def endpoints(home: Path) -> Iterator[LocalEndpoints]:
    adapter = LocalEndpoints(home, None, Limits(body=1_000_000))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(BROKEN, "rows.py", ROWS)
            version = Models(home=home).version(1, "rows.py")
        deploy(adapter, replace(version, sample=SampleRequest(body="[[1, 2]]", content_type="application/json")))
        yield adapter
    finally:
        adapter.stop()


@pytest.fixture
def client(endpoints: LocalEndpoints, home: Path) -> Client:
    assert endpoints.is_running()
    return Client(home)


def ask(client: Client, body: bytes, content_type: str = "application/json", **headers: str) -> Got:
    return client.send("POST", "/endpoints/solar/invocations", body, content_type=content_type, **headers)


def test_rows_are_answered(client: Client) -> None:
    assert ask(client, b'{"instances": [[1, 2], [3, 4]]}').body == b"[3, 7]"
    assert ask(client, b"[[1, 2]]").body == b"[3]"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "words"),
    [
        (b'{"instances": [[1, 2', "application/json", 400, "not JSON"),
        (b"", "application/json", 400, ""),
        (b"\xff\xfe", "application/json", 400, "UTF-8"),
        (b"[[1, 2]]", "application/pdf", 415, "application/pdf"),
        (b"[[1, 2]]", "\xe9", 415, ""),
    ],
)
def test_a_body_that_cannot_be_read_is_the_callers_mistake(
    client: Client, body: bytes, content_type: str, status: int, words: str
) -> None:
    """Truncated JSON, an empty body, a wrong content type: told with the status that says whose mistake it was."""
    got = ask(client, body, content_type)
    assert (got.status, got.headers["x-amzn-errortype"]) == (424, "ModelError")
    assert got.document["OriginalStatusCode"] == status
    assert words in got.document["OriginalMessage"]
    assert ask(client, b"[[1, 2]]").status == 200


def test_a_packed_body_is_refused_in_one_sentence(client: Client) -> None:
    got = ask(client, b"\x1f\x8b", content_encoding="gzip")
    assert got.status == 415
    assert "Content-Encoding" in got.document["Message"]
    assert ask(client, b"[[1, 2]]", content_encoding="identity").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"x_amzn_sagemaker_inference_id": "x" * 65},
        {"x_amzn_sagemaker_session_id": "x" * 257},
        {"x_amzn_sagemaker_custom_attributes": "x" * 1025},
        {"x_amzn_sagemaker_inference_id": "\xe9"},
    ],
)
def test_a_name_that_sagemaker_would_not_take_is_refused(client: Client, headers: dict[str, str]) -> None:
    got = ask(client, b"[[1, 2]]", **headers)
    assert (got.status, got.headers["x-amzn-errortype"]) == (400, "ValidationError")
    assert "ASCII characters at most" in got.document["Message"]


def test_a_model_cannot_write_headers_by_its_content_type(client: Client) -> None:
    got = ask(client, b"[[1, 2]]", accept="two/lines")
    assert (got.status, got.headers["content-type"]) == (200, "application/octet-stream")
    assert "x-injected" not in got.headers


def test_every_answer_has_an_inference_id_of_its_own(client: Client) -> None:
    answers = [ask(client, b"[[1, 2]]"), ask(client, b"[[1, 2]]"), ask(client, b"{")]
    assert len({got.headers["x-everfit-inference-id"] for got in answers}) == 3


def test_a_whole_url_and_a_query_find_their_way(client: Client) -> None:
    with Caller(client.connection.port) as caller:
        sent = post("http://localhost/endpoints/solar/invocations?a=b", b"[[1, 2]]").replace(b"x", b"localhost", 1)
        assert caller.ask(sent).body == b"[3]"
        assert caller.ask(get("http://localhost").replace(b"x", b"localhost")).status == 404
        assert caller.ask(get("/%70ing").replace(b"x", b"localhost")).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "localhost"}, 200),
        ({"host": "LOCALHOST:8080"}, 200),
        ({"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080", "sec_fetch_site": "same-origin"}, 200),
        ({"host": "[::1]:8080"}, 200),
        ({"host": "rebound.example"}, 403),
        ({"host": "localhost.example"}, 403),
        ({"host": ""}, 403),
        ({"origin": "https://other.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
    ],
)
def test_a_web_page_of_another_site_may_not_ask(client: Client, headers: dict[str, str], status: int) -> None:
    """A page in a browser on this machine reaches its ports, also under a name that it makes point here."""
    got = ask(client, b"[[1, 2]]", **headers)
    assert got.status == status
    if status == 403:
        assert "EVERFIT_SERVE_TOKEN" in got.document["Message"]
        assert client.send("GET", "/ping", **headers).status == 200


def test_head_is_answered_like_get_without_a_body(client: Client) -> None:
    got = client.send("HEAD", "/ping")
    assert (got.status, got.body) == (200, b"")


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH", "GET", "HEAD"])
def test_only_post_asks_a_model(client: Client, method: str) -> None:
    got = client.send(method, "/endpoints/solar/invocations")
    assert (got.status, got.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"endpoint": "solar"}', b'{"versions": 1, "endpoint": "solar"}', b"7"])
def test_a_command_that_is_not_understood_is_answered(client: Client, home: Path, body: bytes) -> None:
    secret = json.loads((home / "host" / "host.json").read_bytes())["secret"]
    got = client.send("POST", "/-/await", body, authorization=f"Bearer {secret}")
    assert (got.status, got.headers["x-amzn-errortype"]) == (400, "ValidationError")
    assert client.send("POST", "/-/dance", b"", authorization=f"Bearer {secret}").status == 404


def test_what_the_endpoint_counts_can_be_read_by_prometheus(client: Client) -> None:
    def counted() -> dict[str, float]:
        text = client.send("GET", "/metrics")
        assert text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        families = text_string_to_metric_families(text.body.decode())
        return {
            sample.name: sample.value
            for family in families
            for sample in family.samples
            if "le" not in sample.labels and sample.labels.get("version", "1") == "1"
        }

    before = counted()
    asked = [ask(client, body).status for body in (b"[[1, 2]]", b"[[1, 2]]", b"{", b"[[5, 2]]")]
    after = counted()
    assert asked == [200, 200, 424, 424]
    assert after["everfit_requests_total"] - before["everfit_requests_total"] == 4
    assert after["everfit_requests_refused_total"] - before["everfit_requests_refused_total"] == 1
    assert after["everfit_request_errors_total"] - before["everfit_request_errors_total"] == 1
    assert after["everfit_request_seconds_count"] - before["everfit_request_seconds_count"] == 4
    assert after["everfit_request_seconds_sum"] > before["everfit_request_seconds_sum"]
    assert (after["everfit_weight"], after["everfit_workers"], after["everfit_queue_length"]) == (1, 1, 0)


def test_labels_are_taken_for_an_endpoint_that_is_there(client: Client) -> None:
    label = json.dumps({"inference_id": "row 17", "label": 3}).encode()
    assert client.send("POST", "/endpoints/solar/feedback", label).status == 202
    assert client.send("POST", "/endpoints/solar/feedback", b"{").status == 400
    unknown = client.send("POST", "/endpoints/lunar/feedback", label)
    assert (unknown.status, unknown.headers["x-amzn-errortype"]) == (400, "ValidationError")
    assert client.send("GET", "/endpoints/solar/feedback").headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("peer", "own", "near"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.8", "192.0.2.7", False),
        ("::1", "::1", True),
        ("::ffff:192.0.2.8", "::ffff:192.0.2.7", False),
    ],
)
def test_who_is_on_this_machine(peer: str, own: str, near: bool) -> None:
    connection = Connection(Answering(waits=False))
    connection.connection_made(Memory({"peername": (peer, 5000), "sockname": (own, 8080)}))
    assert connection.is_near() is near
