"""The page of the HTTP API, made from the OpenAPI document that the service serves."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from everfit.interfaces.api.app import PARTS
from everfit.interfaces.api.described import document

INTRODUCTION = """# The HTTP API

<!-- Made by docs/generate.py from the routes in src/everfit/interfaces/api/; edit those instead. -->

`everfit up` answers at http://127.0.0.1:8700 unless it is told otherwise. `GET /openapi.json` gives all of this as an
OpenAPI document, for tools. How to use it: [drive it over HTTP](../guides/http.md).

Rows have the same names as those of `--json`. Times are ISO 8601 in UTC; what is not known is `null`. Lists come newest
first; `next` of a page is `before` of the following one, and `null` at the end. Within `/v1` fields may be added; none
is taken away, renamed or given another meaning. Parameters and fields that are not known are refused.

## Errors

Every error is a problem document (RFC 9457) of the type `application/problem+json`: `status`, `title`, and in `detail`
what happened, to what, and what to do next. A request that was refused has changed nothing.

| status | meaning |
| --- | --- |
"""
NAMES: Mapping[str, str] = {
    "projects": "Projects",
    "triggers": "Triggers",
    "runs": "Runs",
    "versions": "Versions",
    "approvals": "Approvals",
    "rollouts": "Rollouts",
    "pauses": "Pauses",
    "endpoints": "Endpoints",
    "training jobs": "Training jobs",
    "events": "Events",
    "alerts": "Alerts",
    "health": "Health",
    "tokens": "Tokens",
}


def page() -> str:
    """Return the page."""
    found = document([part.ROUTES for part in PARTS])
    errors = dict[str, str]()
    sections = {name: list[str]() for name in NAMES}
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            errors |= {
                status: answer["description"]
                for status, answer in operation["responses"].items()
                if status >= "400" and "application/problem+json" in answer["content"]
            }
            sections[operation["tags"][0]].append("\n".join(route(f"{method.upper()} {path}", operation)))
    table = "".join(f"| {status} | {words} |\n" for status, words in sorted(errors.items()))
    parts = [f"\n## {NAMES[name]}\n\n" + "\n".join(routes) for name, routes in sections.items()]
    return INTRODUCTION + table + "".join(parts)


def route(name: str, operation: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines about one route."""
    role = operation.get("x-role")
    yield f"### `{name}`\n"
    yield f"{operation['description']}\n"
    yield f"Role: `{role}`.\n" if role else "No token is needed.\n"
    parameters = [each for each in operation.get("parameters", ()) if each["name"] != "Idempotency-Key"]
    if parameters:
        yield "| parameter | |\n| --- | --- |"
        yield from (f"| `{each['name']}` | {parameter(each)} |" for each in parameters)
        yield ""
    asked = operation.get("requestBody", {}).get("content", {})
    example = next((example_of(media) for media in asked.values()), None)
    if example is not None:
        yield f"Request:\n\n{block(example)}"
    for status, answer in operation["responses"].items():
        for media, shape in answer["content"].items():
            if status < "300" and "example" in shape:
                yield f"Answer, {status}:\n\n{block(shape['example'], media)}"


def parameter(described: Mapping[str, Any]) -> str:
    """Return what a parameter means."""
    shape = described["schema"]
    default = shape.get("default")
    words = described.get("description", "Name of an environment.")
    return words if default is None else f"{words} Default: {json.dumps(default)}."


def example_of(media: Mapping[str, Any]) -> object:
    """Return the example of a body, wherever it stands."""
    if "example" in media:
        return media["example"]
    found = media["schema"].get("$ref", "").rpartition("/")[2]
    schemas = document([part.ROUTES for part in PARTS])["components"]["schemas"]
    return next(iter(schemas.get(found, {}).get("examples", ())), None)


def block(example: object, media: str = "application/json") -> str:
    """Return an example as a block of the page."""
    if "json" in media:
        return f"```json\n{json.dumps(example, indent=2)}\n```\n"
    return f"```\n{str(example).rstrip()}\n```\n"
