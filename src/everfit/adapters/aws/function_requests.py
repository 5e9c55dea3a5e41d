"""Asks a function as a client over HTTP does, and reads what it answers."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from everfit.domain.endpoint import Answer, SampleRequest

JSON: Final = "application/json"
VERSION_HEADER: Final = "x-everfit-version"


def http_event(body: bytes, content_type: str, accept: str, *, method: str = "POST") -> bytes:
    """Return the event that a Function URL makes of a request (Lambda Developer Guide, payload format 2.0)."""
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/invocations" if method == "POST" else "/ping",
        "rawQueryString": "",
        "headers": {"content-type": content_type, "accept": accept},
        "requestContext": {"http": {"method": method, "path": "/invocations" if method == "POST" else "/ping"}},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
    return json.dumps(event).encode()


def sample_event(sample: SampleRequest | None) -> bytes:
    """Return the event that a version must answer before it takes traffic; without a sample it is a ping."""
    if sample is None:
        return http_event(b"", JSON, JSON, method="GET")
    return http_event(sample.content, sample.content_type, sample.accept)


def answer_of(response: Mapping[str, Any], payload: bytes) -> Answer:
    """Return what the response of Invoke says, whether or not it has the form of HTTP."""
    found = _json(payload)
    if response.get("FunctionError"):
        words = found.get("errorMessage", payload.decode(errors="replace")) if isinstance(found, dict) else payload
        text = words if isinstance(words, bytes) else str(words).encode()
        return Answer(status=424, body=text, content_type="text/plain", version=None)
    if not isinstance(found, dict) or "statusCode" not in found:
        return Answer(status=200, body=payload, content_type=JSON, version=None)
    given: Mapping[str, Any] = found
    headers = {str(name).lower(): str(value) for name, value in (given.get("headers") or {}).items()}
    body = str(given.get("body") or "")
    version = headers.get(VERSION_HEADER, "")
    return Answer(
        status=int(given["statusCode"]),
        body=base64.b64decode(body) if given.get("isBase64Encoded") else body.encode(),
        content_type=headers.get("content-type", JSON),
        version=int(version) if version.isdecimal() else None,
    )


def _json(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return None
