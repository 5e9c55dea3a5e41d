"""Whether a value of unknown type is one of the shapes of JSON."""

from collections.abc import Iterable
from typing import Any, TypeGuard


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether the value is a list."""
    return isinstance(value, list)


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether the value is a JSON object."""
    return isinstance(value, dict)


def is_many(value: object) -> TypeGuard[Iterable[Any]]:
    """Whether the value is something that JSON writes as a list."""
    return isinstance(value, (list, tuple, set, frozenset))
