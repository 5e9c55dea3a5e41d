"""What the OpenAPI document says of routes: examples, and each error with its reason."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from everfit import __version__
from everfit.domain.access import Role
from everfit.interfaces.api.problems import MEDIA

Responses = dict[int | str, dict[str, Any]]

REASONS: Final[Mapping[int, str]] = {
    400: "The body or a parameter cannot be read.",
    401: "There is no token, or none that holds.",
    403: "The token's role does not reach.",
    404: "There is no such thing.",
    405: "The method is not possible here.",
    408: "The request took too long to arrive.",
    409: "It cannot be done as things stand; the detail says why.",
    413: "The request is too large.",
    415: "The body is not of a type that is read here.",
    422: "The request can be read, and what it says cannot be used.",
    429: "Too many requests; Retry-After says when to try again.",
    503: "The state cannot be read or written now, or the service is not ready.",
}
EVERYWHERE: Final = (400, 401, 403, 408, 413, 422, 429, 503)

PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "description": "A problem document, as RFC 9457 has it.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened, to what, and what to do next."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["where", "message"],
                "properties": {"where": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
    "example": {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no run run-9; `everfit runs` lists them.",
    },
}

ABOUT: Final = """Everfit keeps deployed models fresh.

Reads need a token of the role `read`, requests for runs one of the role `trigger`, and what changes what serves one of
the role `approve`; each role holds those before it. On the machine itself no token is needed unless the service was
told otherwise.

Every changing request takes an `Idempotency-Key`. Every error is a problem document (RFC 9457)."""


def problems(*statuses: int) -> Responses:
    """Return the errors of a route: those that every route has, and these."""
    return {
        status: {
            "description": REASONS[status],
            "content": {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted({*EVERYWHERE, *statuses})
    }


def shown(description: str, shape: Any, example: object, status: int = 200) -> Responses:
    """Return the good answer of a route.

    Args:
        shape: type of the answer.
    """
    return {status: {"description": description, "model": shape, "content": {"application/json": {"example": example}}}}


def describe(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Have the app describe itself with problem documents in place of the framework's own errors."""

    def made() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = document(routers)
        return app.openapi_schema

    app.openapi = made  # type: ignore[method-assign]


def document(routers: Sequence[APIRouter]) -> dict[str, Any]:
    """Return the OpenAPI document of these routes."""
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    made = get_openapi(title="Everfit", version=__version__, description=ABOUT, routes=routes)
    schemas = made["components"]["schemas"]
    schemas["Problem"] = PROBLEM
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for route in routes:
        for method in route.methods or ():
            operation = made["paths"][route.path_format][method.lower()]
            _put_examples_back(operation, route)
            role = next(_roles(route), None)
            if role is not None:
                operation["x-role"] = role.value
    return made


def _put_examples_back(operation: dict[str, Any], route: APIRoute) -> None:
    """Give the examples their nulls again, which the framework leaves out."""
    for status, described in route.responses.items():
        for media, shape in described.get("content", {}).items():
            if "example" in shape:
                operation["responses"][str(status)]["content"][media]["example"] = shape["example"]


def _roles(route: APIRoute) -> Iterator[Role]:
    """Yield the role that the route asks for, if it asks for one."""
    for dependency in route.dependant.dependencies:
        role = getattr(dependency.call, "role", None)
        if isinstance(role, Role):
            yield role
