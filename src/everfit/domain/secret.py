"""Keeps the values of ``${NAME}`` out of everything that is kept or shown."""

from collections.abc import Collection, Mapping
from typing import Final, cast

MASK: Final = "***"


def hidden(text: str, secrets: Collection[str]) -> str:
    """Return *text* with every secret in it masked."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def without_secrets(value: object, secrets: Collection[str]) -> object:
    """Return JSON with every secret in its texts masked."""
    if isinstance(value, str):
        return hidden(value, secrets)
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, object]", value).items()
        return {name: without_secrets(below, secrets) for name, below in pairs}
    if isinstance(value, (list, tuple)):
        return [without_secrets(below, secrets) for below in cast("list[object]", value)]
    return value
