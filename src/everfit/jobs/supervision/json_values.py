"""What came out of a JSON file, given a type."""

from collections.abc import Mapping


def mapping_of(value: object) -> dict[str, object]:
    """Return *value* as a mapping; empty when it is none."""
    return {str(name): each for name, each in value.items()} if isinstance(value, Mapping) else {}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def texts_of(value: object) -> list[str]:
    """Return *value* as a list of texts; empty when it is no list."""
    return [str(each) for each in value] if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def text_of(value: object) -> str | None:
    """Return *value* as a text; None stays None."""
    return None if value is None else str(value)


def number_of(value: object) -> float | None:
    """Return *value* as a number; None stays None."""
    return None if value is None else float(str(value))
