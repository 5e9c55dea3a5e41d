"""What may stand for a key: each kind reads a node, says in words what it takes, and makes its JSON Schema."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final, Protocol

from everfit.domain.document import Fields, Items, Node, Reading, Scalar, plain_data, scalars
from everfit.domain.errors import RuleError
from everfit.domain.words import listed, nearest


class Unreadable:
    """Stands for a value that could not be read, and whose problem has been noted."""


UNREADABLE: Final = Unreadable()

VARIABLE_SCHEMA: Final = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"}


class ValueKind(Protocol):
    """One kind of value."""

    @property
    def words(self) -> str:
        """What may stand here, for a person."""
        ...

    def read(self, node: Node, at: str, reading: Reading) -> object:
        """Return the value of *node*, or ``UNREADABLE`` after the problem was noted; *at* is the key's full name."""
        ...

    def schema(self) -> Mapping[str, object]:
        """Return the JSON Schema of it."""
        ...


def refuse(node: Node, at: str, reading: Reading, kind: ValueKind, message: str | None = None) -> Unreadable:
    """Note that *node* is not of *kind*."""
    is_empty = isinstance(node, Scalar) and node.value is None
    what = message or (f"{at} has no value" if is_empty else f"{at} is not {kind.words}")
    reading.add(node.line, what, found=None if is_empty else node, expected=kind.words)
    return UNREADABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """A value that is not a list and has no keys.

    Args:
        parse: raises ``RuleError``; gets the node, because ``"1"`` and ``1`` can differ.
        json: the JSON Schema for it as written; a ``${NAME}`` is accepted besides.
    """

    words: str
    parse: Callable[[Scalar], object]
    json: Mapping[str, object]

    def read(self, node: Node, at: str, reading: Reading) -> object:
        """Return the parsed value."""
        if isinstance(node, Scalar) and not node.is_known:
            return UNREADABLE
        if not isinstance(node, Scalar) or node.value is None:
            return refuse(node, at, reading, self)
        try:
            return self.parse(node)
        except RuleError as error:
            reading.add(
                node.line,
                f"{at}: {error}".removesuffix("."),
                found=node,
                expected=error.expected or self.words,
                nearest=error.nearest,
            )
            return UNREADABLE

    def schema(self) -> Mapping[str, object]:
        """Return the JSON Schema."""
        return {"anyOf": [self.json, {"$ref": "#/$defs/variable"}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf:
    """A list of values of one kind."""

    each: ValueKind
    words: str
    can_be_empty: bool = True

    def read(self, node: Node, at: str, reading: Reading) -> object:
        """Return a tuple of the values."""
        if not isinstance(node, Items):
            return refuse(node, at, reading, self)
        if not node.nodes and not self.can_be_empty:
            return refuse(node, at, reading, self, f"{at} is empty")
        values = [self.each.read(child, f"{at}[{index}]", reading) for index, child in enumerate(node.nodes)]
        return UNREADABLE if UNREADABLE in values else tuple(values)

    def schema(self) -> Mapping[str, object]:
        """Return the JSON Schema."""
        return {"type": "array", "items": self.each.schema()} | ({} if self.can_be_empty else {"minItems": 1})


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Names of the user's own choice, each with a value of one kind."""

    name: Single
    each: ValueKind
    words: str
    can_be_empty: bool = True

    def read(self, node: Node, at: str, reading: Reading) -> object:
        """Return a dict of the values."""
        if not isinstance(node, Fields):
            return refuse(node, at, reading, self)
        if not node.pairs and not self.can_be_empty:
            return refuse(node, at, reading, self, f"{at} is empty")
        read = {
            self.name.read(key, f"{at}.{key}", reading): self.each.read(value, f"{at}.{key}", reading)
            for key, value in node.pairs
        }
        return UNREADABLE if UNREADABLE in (*read, *read.values()) else read

    def schema(self) -> Mapping[str, object]:
        """Return the JSON Schema."""
        return {
            "type": "object",
            "propertyNames": self.name.json,
            "additionalProperties": self.each.schema(),
        } | ({} if self.can_be_empty else {"minProperties": 1})


@dataclass(frozen=True, slots=True, kw_only=True)
class Anything:
    """Any value that JSON can hold."""

    words: str = "a value"

    def read(self, node: Node, at: str, reading: Reading) -> object:
        """Return Python's own values, lists as tuples."""
        for scalar in scalars(node):
            if scalar.value in (inf, -inf) or scalar.value != scalar.value:
                return refuse(scalar, at, reading, self, f"{at} is not a finite number")
        return plain_data(node)

    def schema(self) -> Mapping[str, object]:
        """Return the JSON Schema, which is none."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Either:
    """A single value, or keys with values."""

    single: Single
    section: "Section"

    @property
    def words(self) -> str:
        """Both, in words."""
        return f"{self.single.words}, or {self.section.words}"

    def read(self, node: Node, at: str, reading: Reading) -> object:
        """Return what the fitting one of the two reads."""
        if isinstance(node, Items):
            return refuse(node, at, reading, self)
        if isinstance(node, Fields):
            return self.section.read(node, at, reading)
        return Single(words=self.words, parse=self.single.parse, json=self.single.json).read(node, at, reading)

    def schema(self) -> Mapping[str, object]:
        """Return the JSON Schema."""
        return {"anyOf": [self.single.schema(), self.section.schema()]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of the project file.

    Args:
        doc: one sentence for the reference page and for editors.
        default: as it would be written, or in words for people when there is no value to write.
        is_later: valid, and not acted on by this release.
    """

    name: str
    kind: ValueKind
    doc: str
    default: str | None = None
    is_required: bool = False
    is_later: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Known keys with their values; an unknown key is refused.

    Args:
        example: instead of the list of keys, where one line shows it better.
        exactly_one: of these keys one must be there, and only one.
        at_most_one: of these keys no two may be there.
        needs: key -> key that must be there with it.
    """

    keys: tuple[Key, ...]
    example: str | None = None
    exactly_one: tuple[str, ...] = ()
    at_most_one: tuple[str, ...] = ()
    needs: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def words(self) -> str:
        """The keys, in words."""
        return self.example or f"keys with values: {listed(key.name for key in self.keys)}"

    def read(self, node: Node, at: str, reading: Reading) -> object:
        """Return a dict of the values that are there."""
        if not isinstance(node, Fields):
            return refuse(node, at or "the file", reading, self)
        known = {key.name: key for key in self.keys}
        values: dict[str, object] = {}
        meant: set[str | None] = set()
        for name, child in node.pairs:
            full = f"{at}.{name.text}" if at else name.text
            if name.text not in known:
                meant.add(self._refuse_key(name, at, reading))
                continue
            values[name.text] = known[name.text].kind.read(child, full, reading)
            if known[name.text].is_later:
                reading.later.append(full)
        self._check_required(node, at, meant, reading)
        if not meant:
            self._check_company(node, at, reading)
        return values

    def schema(self) -> Mapping[str, object]:
        """Return the JSON Schema."""
        rules: dict[str, object] = {
            "type": "object",
            "additionalProperties": False,
            "properties": {key.name: {"description": _description(key), **key.kind.schema()} for key in self.keys},
        }
        if required := [key.name for key in self.keys if key.is_required]:
            rules["required"] = required
        if self.exactly_one:
            rules["oneOf"] = [{"required": [name]} for name in self.exactly_one]
        if self.at_most_one:
            rules["not"] = {"required": list(self.at_most_one)}
        if self.needs:
            rules["dependentRequired"] = {name: [needed] for name, needed in self.needs.items()}
        return rules

    def _refuse_key(self, name: Scalar, at: str, reading: Reading) -> str | None:
        """Note the unknown key and return the one that was probably meant."""
        names = [key.name for key in self.keys]
        place = f"{at} has no key {name.text}" if at else f"there is no key {name.text}"
        near = nearest(name.text, names) or self._deeper(name.text)
        reading.add(name.line, place, expected=listed(names), nearest=near)
        return near

    def _deeper(self, name: str) -> str | None:
        """Return the full name of the key *name* in one of the sections below."""
        for key in self.keys:
            names = [each.name for each in key.kind.keys] if isinstance(key.kind, Section) else []
            if name in names and not key.is_later:
                return f"{key.name}.{name}"
        return None

    def _check_required(self, node: Fields, at: str, meant: set[str | None], reading: Reading) -> None:
        there = {name.text for name, _ in node.pairs}
        for key in self.keys:
            # A mistyped key is one problem, not one for its name and another for its absence.
            if key.is_required and key.name not in there | meant:
                full = f"{at}.{key.name}" if at else key.name
                reading.add(node.line, f"{full} is missing", expected=key.kind.words)

    def _check_company(self, node: Fields, at: str, reading: Reading) -> None:
        there = [name.text for name, _ in node.pairs]
        line, prefix = node.line, f"{at}." if at else ""
        if self.exactly_one and len([name for name in there if name in self.exactly_one]) != 1:
            found = listed(there) if there else "none"
            reading.add(
                line, f"{at} needs one kind", found=found, expected=f"exactly one of {listed(self.exactly_one)}"
            )
        if self.at_most_one and all(name in there for name in self.at_most_one):
            reading.add(line, f"{at} has both {' and '.join(self.at_most_one)}", expected=listed(self.at_most_one))
        for name, needed in self.needs.items():
            if name in there and needed not in there:
                reading.add(line, f"{prefix}{name} says nothing without {needed}", expected=f"{needed} beside it")


def _description(key: Key) -> str:
    parts = [key.doc]
    if key.default is not None:
        parts.append(f"Default: {key.default}.")
    if key.is_later:
        parts.append("Checked, but not acted on by this release.")
    return " ".join(parts)
