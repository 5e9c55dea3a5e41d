"""Reads the documents that AWS answers with, in which what is empty may be missing."""

from collections.abc import Mapping, Sequence
from typing import Any


def below(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the object under *key*; an empty one when it is missing."""
    found: Mapping[str, Any] | None = document.get(key)
    return {} if found is None else found


def first(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the first object of the list under *key*; an empty one when there is none."""
    found: Sequence[Mapping[str, Any]] | None = document.get(key)
    return found[0] if found else {}
