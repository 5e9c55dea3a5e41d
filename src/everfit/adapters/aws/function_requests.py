"""Asks a function as a client over HTTP does, and reads what it answers."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final, cast

from everfit.adapters.aws.documents import below
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
        words = str(found.get("errorMessage", payload.decode(errors="replace")))
        return Answer(status=424, body=words.encode(), content_type="text/plain", version=None)
    if "statusCode" not in found:
        return Answer(status=200, body=payload, content_type=JSON, version=None)
    headers = {name.lower(): str(value) for name, value in below(found, "headers").items()}
    body = str(found.get("body") or "")
    version = headers.get(VERSION_HEADER, "")
    return Answer(
        status=int(found["statusCode"]),
        body=base64.b64decode(body) if found.get("isBase64Encoded") else body.encode(),
        content_type=headers.get("content-type", JSON),
        version=int(version) if version.isdecimal() else None,
    )


def _json(payload: bytes) -> Mapping[str, Any]:
    """Return the object that the payload is; an empty one for anything else."""
    try:
        found: Any = json.loads(payload)
    except ValueError:
        return {}
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}
