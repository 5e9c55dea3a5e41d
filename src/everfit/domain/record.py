"""Frozen values as plain JSON, and back: what one release wrote, the next one with more fields reads."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Value = TypeVar("Value")


def instant(moment: datetime) -> str:
    """Return the moment as text of one length, in UTC, so that texts sort by time."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone.")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def to_plain(value: object) -> Any:
    """Return *value* as what JSON can hold."""
    match value:
        case Enum():
            return value.value
        case datetime():
            return instant(value)
        case Mapping():
            return {str(key): to_plain(item) for key, item in cast("Mapping[object, object]", value).items()}
        case list() | tuple():
            return [to_plain(item) for item in cast("list[object]", value)]
        case _ if is_dataclass(value):
            return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
        case _:
            return value


def from_plain(kind: type[Value], plain: Mapping[str, object]) -> Value:
    """Return the dataclass *kind* that ``to_plain`` wrote; fields that are absent take their defaults."""
    hints = _hints(cast("Any", kind))
    names = [field.name for field in fields(cast("Any", kind)) if field.name in plain]
    return kind(**{name: _read(hints[name], plain[name]) for name in names})


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _read(kind: Any, plain: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        others = [one for one in get_args(kind) if one is not NoneType]
        return plain if plain is None or len(others) > 1 else _read(others[0], plain)
    if origin is tuple:
        return tuple(_read(get_args(kind)[0], item) for item in plain)
    if not isinstance(kind, type):
        return plain
    return _read_one(cast("type[Any]", kind), plain)


def _read_one(kind: type[Any], plain: Any) -> Any:
    if issubclass(kind, Enum):
        return kind(plain)
    if issubclass(kind, datetime):
        return datetime.fromisoformat(plain)
    return from_plain(kind, plain) if is_dataclass(kind) else plain
