"""What botocore's service models say of a request, beyond what a client checks: enums, patterns and maxima too."""

import importlib
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

# botocore has no types; what is untyped stays behind these functions.
_SESSION: Any = importlib.import_module("botocore.session").get_session()
NUMBERS: Final = ("integer", "long", "float", "double")


@cache
def services() -> frozenset[str]:
    """Return the names of all services that botocore knows."""
    return frozenset(_SESSION.get_available_services())


@cache
def actions(service: str) -> dict[str, str]:
    """Return each operation of a service by its name in lower case."""
    return {name.lower(): name for name in _SESSION.get_service_model(service).operation_names}


@cache
def input_shape(service: str, operation: str) -> Any:
    """Return the shape of an operation's request, or None when it takes none."""
    return _SESSION.get_service_model(service).operation_model(operation).input_shape


def value_problems(value: Any, shape: Any, place: str) -> Iterator[str]:
    """Yield where a constant value breaks its shape: enum, pattern, longest, largest, most."""
    kind = shape.type_name
    if kind == "string" and isinstance(value, str):
        yield from _text_problems(value, shape, place)
    elif kind in NUMBERS and isinstance(value, int | float):
        yield from _beyond(value, shape, place, "")
    elif (isinstance(value, dict) and kind in ("structure", "map")) or (isinstance(value, list) and kind == "list"):
        if kind != "structure":
            yield from _beyond(len(value), shape, place, "entries")
        for below, each, where in _parts(value, shape, place):
            yield from value_problems(each, below, where)


def _parts(value: dict[str, Any] | list[Any], shape: Any, place: str) -> Iterator[tuple[Any, Any, str]]:
    """Yield shape, value and place of what lies inside a structure, a map or a list."""
    if isinstance(value, list):
        yield from ((shape.member, each, f"{place}[{index}]") for index, each in enumerate(value))
    elif shape.type_name == "structure":
        known = ((name, each) for name, each in value.items() if name in shape.members)
        yield from ((shape.members[name], each, f"{place}.{name}") for name, each in known)
    else:
        for name, each in value.items():
            yield shape.key, name, f"{place}.key({name})"
            yield shape.value, each, f"{place}.{name}"


def _beyond(size: float, shape: Any, place: str, unit: str) -> Iterator[str]:
    most, least = shape.metadata.get("max"), shape.metadata.get("min")
    if most is not None and size > most:
        yield f"{place}: {size} {unit}".rstrip() + f", at most {most}"
    if least is not None and size < least:
        yield f"{place}: {size} {unit}".rstrip() + f", at least {least}"


def _text_problems(text: str, shape: Any, place: str) -> Iterator[str]:
    if getattr(shape, "enum", None) and text not in shape.enum:
        yield f"{place}: {text!r} is none of {', '.join(shape.enum[:4])}…"
    pattern = shape.metadata.get("pattern")
    if pattern and not _fits(pattern, text):
        yield f"{place}: {text!r} does not match {pattern}"
    yield from _beyond(len(text), shape, place, "letters")


def _fits(pattern: str, text: str) -> bool:
    """Tell whether a text fits a pattern written for Java; one that Python cannot read fits everything."""
    for java, python in ((r"\p{L}", r"\w"), (r"\p{Z}", r"\s"), (r"\p{N}", r"\d")):
        pattern = pattern.replace(java, python)
    try:
        return re.fullmatch(pattern, text) is not None
    except re.error:
        return True
