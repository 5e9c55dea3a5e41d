"""Every error as a problem document (RFC 9457), from one table of families."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from everfit.domain.access import ForbiddenError, UnknownCallerError
from everfit.domain.errors import (
    BackendError,
    BusyError,
    EverfitError,
    FencedError,
    IllegalMoveError,
    NotFoundError,
    ProjectError,
    RefusedError,
    RequestError,
    RuleError,
    RunFailedError,
    StateError,
)
from everfit.domain.secret import hidden
from everfit.interfaces.api.hub import Hub

MEDIA: Final = "application/problem+json"
SOON: Final = "1"

STATUSES: Final[tuple[tuple[type[EverfitError], int], ...]] = (
    (UnknownCallerError, 401),
    (ForbiddenError, 403),
    (NotFoundError, 404),
    (IllegalMoveError, 409),
    (RefusedError, 409),
    (BusyError, 409),
    (ProjectError, 422),
    (RuleError, 422),
    (RequestError, 400),
    (RunFailedError, 409),
    (FencedError, 409),
    (StateError, 503),
    (BackendError, 503),
)
"""The first family that fits decides."""

NOT_NOW: Final = "The service cannot read or write its state now; its log says why. Try again."
NOT_MEANT: Final = "Something went wrong that is not your mistake. The service's log has the details."


class Refusal(Exception):  # noqa: N818 - an answer, not a failure of this program
    """A request that is refused at the door, with the status that says so."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


def status_of(error: EverfitError) -> int:
    """Return the status that tells of *error*."""
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def problem(
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    errors: Iterable[Mapping[str, str]] = (),
) -> Response:
    """Return a problem document."""
    content: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    found = list(errors)
    if found:
        content["errors"] = found
    return Response(json.dumps(content), status, headers=dict(headers or {}), media_type=MEDIA)


def answer(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return JSON; what JSON cannot say, such as NaN, is null."""
    return Response(written(content), status, headers=dict(headers or {}), media_type="application/json")


def written(content: object) -> str:
    """Return *content* as the text of a JSON document, which is plain ASCII: some names hold no valid Unicode."""
    try:
        return json.dumps(content, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(finite(content), allow_nan=False, separators=(",", ":"))


def finite(value: Any) -> Any:
    """Return *value* with null in place of numbers that JSON cannot say."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: finite(below) for name, below in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [finite(below) for below in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def handle_errors(app: FastAPI, hub: Hub) -> None:
    """Have the app answer every error with a problem document that gives nothing away."""

    def meant(request: Request, error: Exception) -> Response:
        del request
        return told(error, hub) if isinstance(error, EverfitError) else problem(500, NOT_MEANT)

    def refused(request: Request, error: Exception) -> Response:
        del request
        if isinstance(error, Refusal):
            return problem(error.status, error.detail, headers=error.headers)
        return problem(500, NOT_MEANT)

    app.add_exception_handler(EverfitError, meant)
    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(Exception, meant)


def told(error: EverfitError, hub: Hub) -> Response:
    """Return what a caller is told of an error: no secret of a project, and no place on this machine."""
    status = status_of(error)
    detail = NOT_NOW if isinstance(error, StateError) else _without_places(str(error), hub)
    headers = {"Retry-After": SOON} if isinstance(error, (BusyError, BackendError)) else {}
    if isinstance(error, UnknownCallerError):
        headers = {"WWW-Authenticate": 'Bearer realm="everfit"'}
    return problem(status, detail, headers=headers)


def _without_places(text: str, hub: Hub) -> str:
    workspaces = hub.catalog.workspaces().values()
    for workspace in workspaces:
        text = hidden(text, workspace.project.secrets)
    # The longest first: a state folder may lie in a project's.
    for place in sorted((*hub.places, *(workspace.folder for workspace in workspaces)), key=len, reverse=True):
        text = text.replace(f"{place}/", "")
    return text


def _invalid(request: Request, error: Exception) -> Response:
    del request
    found: Sequence[Any] = error.errors() if isinstance(error, RequestValidationError) else ()
    errors = [{"where": ".".join(map(str, each["loc"])), "message": str(each["msg"])} for each in found]
    if any(each["type"] == "json_invalid" for each in found):
        return problem(400, "The body is no valid JSON.", errors=errors)
    words = "; ".join(f"{each['where']}: {each['message']}" for each in errors[:5])
    return problem(422, f"The request cannot be used: {words}.", errors=errors)


def _of_framework(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return problem(500, NOT_MEANT)
    details = {
        404: "There is nothing at this address; GET /openapi.json tells what there is.",
        405: f"{request.method} is not possible here.",
    }
    return problem(error.status_code, details.get(error.status_code, str(error.detail)), headers=error.headers)
