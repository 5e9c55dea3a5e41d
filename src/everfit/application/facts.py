"""Reads what a step or a job wrote as JSON, and says so when it is not what it must be."""

from collections.abc import Iterator, Mapping
from typing import NoReturn, cast

from everfit.domain.errors import BackendError


class Facts:
    """A JSON object with typed readers; a missing or mistyped value is a ``BackendError`` that names it."""

    def __init__(self, origin: str, values: Mapping[str, object]) -> None:
        self._origin = origin
        self._values = values

    def text(self, name: str) -> str:
        """Return a string."""
        value = self._values.get(name)
        return value if isinstance(value, str) else self._refuse(name, "a text")

    def text_or_none(self, name: str) -> str | None:
        """Return a string, or None when there is none."""
        return None if self._values.get(name) is None else self.text(name)

    def whole(self, name: str) -> int:
        """Return an integer."""
        value = self._values.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        return self._refuse(name, "a whole number")

    def whole_or_none(self, name: str) -> int | None:
        """Return an integer, or None when there is none."""
        return None if self._values.get(name) is None else self.whole(name)

    def flag(self, name: str) -> bool:
        """Return a boolean."""
        value = self._values.get(name)
        return value if isinstance(value, bool) else self._refuse(name, "true or false")

    def mapping(self, name: str) -> Mapping[str, object]:
        """Return an object; an absent one is empty."""
        value = self._values.get(name)
        if value is None:
            return {}
        if isinstance(value, Mapping):
            return cast("Mapping[str, object]", value)
        return self._refuse(name, "an object")

    def mapping_or_none(self, name: str) -> Mapping[str, object] | None:
        """Return an object, or None when there is none."""
        return None if self._values.get(name) is None else self.mapping(name)

    def number_or_none(self, name: str) -> float | None:
        """Return a number, or None when there is none."""
        value = self._values.get(name)
        if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
            return value
        return self._refuse(name, "a number")

    def numbers(self, name: str) -> Mapping[str, float]:
        """Return the numbers in an object; what is not a number is left out."""
        values = self.mapping(name).items()
        return {key: float(value) for key, value in values if isinstance(value, (int, float))}

    def children(self) -> Iterator[tuple[str, "Facts"]]:
        """Yield each object below this one with its name."""
        for name, value in self._values.items():
            if isinstance(value, Mapping):
                yield name, self.below(name)

    def below(self, name: str) -> "Facts":
        """Return the object *name* for reading."""
        return Facts(f"{self._origin}.{name}", self.mapping(name))

    def items(self, name: str) -> tuple[object, ...]:
        """Return a list; an absent one is empty."""
        value = self._values.get(name)
        if value is None:
            return ()
        if isinstance(value, (list, tuple)):
            return tuple(cast("list[object]", value))
        return self._refuse(name, "a list")

    def objects(self, name: str) -> tuple["Facts", ...]:
        """Return a list of objects for reading."""
        return tuple(
            Facts(f"{self._origin}.{name}", cast("Mapping[str, object]", item))
            for item in self.items(name)
            if isinstance(item, Mapping)
        )

    def _refuse(self, name: str, wanted: str) -> NoReturn:
        raise BackendError(f"{self._origin} holds no usable {name!r}: it must be {wanted}.")
