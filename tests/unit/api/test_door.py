import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.errors import BackendError, EverfitError, NotFoundError, ProjectError, RuleError, StateError
from everfit.interfaces.api.door import depth_of
from everfit.interfaces.api.hub import Limits
from everfit.interfaces.api.problems import STATUSES, status_of
from tests.served import Served

JSON = {"Content-Type": "application/json"}
NESTED = st.recursive(
    st.text(), lambda below: st.lists(below, max_size=2) | st.dictionaries(st.text(), below, max_size=2)
)


@pytest.fixture
def served() -> Served:
    return Served()


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max((depth(below) for below in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth(below) for below in value), default=0)
    return 0


@given(NESTED)
def test_the_depth_is_counted_without_reading_the_document(value: object) -> None:
    assert depth_of(json.dumps(value).encode()) == depth(value)


@pytest.mark.parametrize("path", ["/v1/triggers", "/events", "/webhooks/github", "/v1/models/line/pause"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 100_000, 400),
        (b'{"a":' * 50_000, 400),
        (b"\xff\xfe{}", 400),
        (b'{"model": "\xe9"}', 400),
        (b"x" * 1_000_001, 413),
    ],
)
def test_a_body_that_is_too_much_is_refused_at_the_door(served: Served, path: str, body: bytes, status: int) -> None:
    """Malformed, oversized, deeply nested, non-UTF-8 bodies."""
    answer = served.client.post(path, content=body, headers=JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


@pytest.mark.parametrize("body", [b"{", b"{'a': 1}", b"nul", b"", b'{"model": }', b"\0", b'"\\ud800"', b"NaN"])
def test_a_body_that_is_no_json_is_refused(served: Served, body: bytes) -> None:
    for path in ("/v1/triggers", "/events"):
        assert served.client.post(path, content=body, headers=JSON).status_code in (400, 422)


def test_a_body_that_lies_about_its_length_is_refused(served: Served) -> None:
    for length in ("1000001", "9" * 40):
        answer = served.client.post("/v1/triggers", content=b"{}", headers={**JSON, "Content-Length": length})
        assert answer.status_code == 413


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_a_body_of_another_type_is_refused(served: Served, kind: str) -> None:
    """What a form of another site's page can send is never read."""
    body = b'{"model": "line", "environment": "production"}'
    answer = served.client.post("/v1/triggers", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, served.get("/v1/triggers")["triggers"]) == (415, [])


def test_limits_can_be_chosen() -> None:
    served = Served(limits=Limits(body=10, depth=1))
    assert served.client.post("/v1/triggers", content=b"[" + b" " * 10, headers=JSON).status_code == 413
    assert served.client.post("/v1/triggers", content=b"[[]]", headers=JSON).status_code == 400


def test_every_family_of_errors_has_a_status() -> None:
    assert [status_of(error) for error in (ProjectError([]), RuleError("x"), BackendError("x"), EverfitError("x"))] == [
        422,
        422,
        503,
        500,
    ]
    for index, (kind, _) in enumerate(STATUSES):
        assert not any(issubclass(kind, before) for before, _ in STATUSES[:index])


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StateError("/var/lib/everfit/state.db is damaged"), 503),
        (BackendError("/var/lib/everfit/objects cannot be read: hunter22"), 503),
        (BackendError("FOLDER/data cannot be reached"), 503),
        (NotFoundError("There is no FOLDER/train.py."), 404),
        (ZeroDivisionError("FOLDER hunter22"), 500),
        (StateError("postgresql://db.internal/everfit does not answer"), 503),
    ],
)
def test_an_error_gives_nothing_away(error: Exception, status: int) -> None:
    """No traceback, no secret, no internal path."""
    served = Served(places=("/var/lib/everfit",))
    workspace = served.catalog.kept["line"]
    hiding = replace(workspace.project, secrets=frozenset({"hunter22"}))
    served.catalog.kept["line"] = replace(workspace, project=hiding)

    def failing(*given: object, **named: object) -> None:
        raise type(error)(str(error).replace("FOLDER", workspace.folder))

    served.world.store.runs = failing  # type: ignore[method-assign,assignment]
    answer = served.client.get("/v1/runs")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    for hidden in (workspace.folder, "hunter22", "/var/lib", "Traceback", "db.internal", "ZeroDivision"):
        assert hidden not in answer.text
