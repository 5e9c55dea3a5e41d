"""What the OpenAPI document promises, held against the app by requests that nobody would write by hand."""

from collections.abc import Mapping
from typing import Any, Final

import httpx
import jsonschema  # type: ignore[import-untyped]
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import Case
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation

from everfit.domain.access import Role
from everfit.domain.rate import Rate
from everfit.interfaces.api.hub import Limits
from tests.fakes import World
from tests.served import Served

EXAMPLES: Final = 12
"""For each of the routes."""
FAST: Final = Rate(each_second=1e9, at_once=1e9)
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]


def lived_in() -> Served:
    """Return a service with a version that serves, one that waits, a pause, and events of every end."""
    served = Served(World(approval="manual"), limits=Limits(rate=FAST, stranger=FAST), is_tokenless=False)
    local = Served(served.world)
    for number in range(2):
        local.data_grows()
        local.post("/bootstrap?environment=production", headers={"Idempotency-Key": f"key-{number}"})
        local.work()
    body = {"environment": "production", "reason": "seen"}
    local.post("/v1/models/line/versions/1/approve", body)
    local.work()
    local.post("/v1/models/line/pause", {"environment": "live", "reason": "later"})
    local.post("/v1/triggers", {"model": "line", "environment": "live"})
    return served


SERVED: Final = lived_in()
HEADERS: Final = SERVED.token(Role.APPROVE)
SCHEMA: Final = schemathesis.openapi.from_dict(SERVED.app.openapi())
OPERATIONS: Final = [found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)]
KNOWN: Final[Mapping[str, Any]] = {
    "model": "line",
    "environment": "production",
    "version": 2,
    "alert": 1,
    "run": "run-0002",
    "event": "api:run-0001",
    "job": "line.production.run-0001",
}
"""Some requests are about what there is."""


def test_every_route_is_described() -> None:
    paths = SERVED.app.openapi()["paths"]
    for path, methods in paths.items():
        for method, described in methods.items():
            assert described.get("description") or described["summary"], (path, method)
            good = [status for status in described["responses"] if status.startswith("2")]
            assert good, (path, method)
            for status in good:
                content = described["responses"][status]["content"]
                assert all("example" in media for media in content.values()), (path, method)


def test_every_example_is_as_the_document_says() -> None:
    document = SERVED.app.openapi()
    for methods in document["paths"].values():
        for described in methods.values():
            for answer in described["responses"].values():
                for media in answer["content"].values():
                    if "example" in media and "schema" in media:
                        jsonschema.validate(media["example"], {**media["schema"], "components": document["components"]})


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda found: found.label)
@pytest.mark.parametrize("is_about_what_there_is", [True, False])
def test_no_request_breaks_the_service(
    operation: APIOperation[Any, Any, Any, Any], is_about_what_there_is: bool
) -> None:
    """Schemathesis finds no 500, and every answer is as the document says."""

    @seed(20261121)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def hold(case: Case[Any]) -> None:
        if is_about_what_there_is:
            case.path_parameters = {name: KNOWN[name] for name in case.path_parameters}
        answer = sent(case)
        case.validate_response(answer, checks=CHECKS)

    hold()


def sent(case: Case[Any]) -> httpx.Response:
    """Send the case to the app as a caller who may do everything."""
    given_ = case.as_transport_kwargs(base_url="http://localhost")
    arguments = {name: value for name, value in given_.items() if name in ("params", "json", "headers") and value}
    if given_.get("data") is not None:
        arguments["content"] = given_["data"]
    arguments["headers"] = {**dict(given_["headers"]), **HEADERS}
    return SERVED.client.request(given_["method"], given_["url"], **arguments)
