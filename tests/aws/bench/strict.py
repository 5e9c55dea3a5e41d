"""Strict validation of requests by botocore's own model: types and members, and enum, pattern and maximum as well.

botocore's client checks required members, types and minimum only (FACTS §4); AWS checks everything.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

TOKEN = "00000000-0000-4000-8000-000000000000"
UNICODE_CLASSES = (
    (r"\p{Print}+", r"[\S\s]+"),
    (r"\p{L}", r"\w"),
    (r"\p{Z}", r"\s"),
    (r"\p{N}", r"\d"),
    (r"\p{Print}", r"\S\s"),
)


class InvalidRequestError(ValueError):
    """AWS would refuse this request."""


@cache
def service_model(service: str) -> Any:
    """Return botocore's model of *service*."""
    return botocore.session.get_session().get_service_model(service)


@cache
def compiled(pattern: str) -> re.Pattern[str] | None:
    """Return *pattern* for Python; None when only Java understands it."""
    for java, python in UNICODE_CLASSES:
        pattern = pattern.replace(java, python)
    try:
        return re.compile(pattern)
    except re.error:
        return None


def errors(service: str, operation: str, params: dict[str, Any]) -> list[str]:
    """Return everything that AWS's model forbids in *params*."""
    shape = service_model(service).operation_model(operation).input_shape
    if shape is None:
        return []
    report = str(ParamValidator().validate(params, shape).generate_report())
    return [*report.splitlines(), *deep_errors(params, shape, "")]


def deep_errors(value: Any, shape: Any, path: str) -> Iterator[str]:
    """Yield what botocore's own check lets pass."""
    check = CHECKS.get(shape.type_name)
    if check is not None:
        yield from check(value, shape, path)


def in_structure(value: Any, shape: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    if shape.is_tagged_union and len(value) != 1:
        yield f"{path}: exactly one member is allowed, not {sorted(value)}"
    for name, member in value.items():
        if name in shape.members:
            yield from deep_errors(member, shape.members[name], f"{path}.{name}")


def in_list(value: Any, shape: Any, path: str) -> Iterator[str]:
    if not isinstance(value, (list, tuple)):
        return
    if len(value) > shape.metadata.get("max", len(value)):
        yield f"{path}: {len(value)} items are more than {shape.metadata['max']}"
    for place, member in enumerate(value):
        yield from deep_errors(member, shape.member, f"{path}[{place}]")


def in_map(value: Any, shape: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    if len(value) > shape.metadata.get("max", len(value)):
        yield f"{path}: {len(value)} entries are more than {shape.metadata['max']}"
    for name, member in value.items():
        yield from deep_errors(name, shape.key, f"{path}.key({name})")
        yield from deep_errors(member, shape.value, f"{path}.{name}")


def in_string(value: Any, shape: Any, path: str) -> Iterator[str]:
    if not isinstance(value, str):
        return
    if getattr(shape, "enum", None) and value not in shape.enum:
        yield f"{path}: {value!r} is not one of {len(shape.enum)} values such as {shape.enum[:3]}"
    pattern = shape.metadata.get("pattern")
    matcher = compiled(pattern) if pattern else None
    if matcher is not None and not matcher.fullmatch(value):
        yield f"{path}: {value!r} does not match {pattern}"
    if len(value) > shape.metadata.get("max", len(value)):
        yield f"{path}: {len(value)} characters are more than {shape.metadata['max']}"


def in_number(value: Any, shape: Any, path: str) -> Iterator[str]:
    if isinstance(value, (int, float)) and value > shape.metadata.get("max", value):
        yield f"{path}: {value} is more than {shape.metadata['max']}"


CHECKS: dict[str, Callable[[Any, Any, str], Iterator[str]]] = {
    "structure": in_structure,
    "list": in_list,
    "map": in_map,
    "string": in_string,
    **dict.fromkeys(("integer", "long", "float", "double"), in_number),
}


def install(client: Any) -> Any:
    """Have *client* raise ``InvalidRequestError`` before it sends a request that AWS would refuse; return it."""

    def check(params: dict[str, Any], model: Any, **_: object) -> None:
        # botocore makes up a missing idempotency token only after this.
        tokens = dict.fromkeys(model.idempotent_members, TOKEN)
        found = errors(model.service_model.service_name, model.name, {**tokens, **params})
        if found:
            raise InvalidRequestError(f"{model.name}: " + "; ".join(found))

    client.meta.events.register("provide-client-params.*.*", check)
    return client
