"""A file as a tree of values with their lines, read by the rules of YAML 1.2: ``no`` and ``on`` are words."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from everfit.domain.errors import Problem

_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_WHOLE = re.compile(r"[-+]?[0-9]{1,300}")
_OTHER_BASE = re.compile(r"0o[0-7]{1,300}|0x[0-9a-fA-F]{1,300}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NAMED_FLOAT = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{")

SHORTEST_SECRET = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """One value.

    Args:
        text: the value with its variables replaced.
        written: the value as it stands in the file, which is what may be shown.
        is_quoted: whether it is a text whatever it looks like.
        is_known: whether every variable in it has a value.
    """

    line: int
    text: str
    written: str
    is_quoted: bool = False
    is_known: bool = True

    @property
    def value(self) -> bool | int | float | str | None:
        """The value as YAML 1.2 resolves it."""
        return self.text if self.is_quoted else _resolve(self.text)

    def __str__(self) -> str:
        short = self.written if len(self.written) <= 60 else self.written[:57] + "…"
        return repr(short) if self.is_quoted or not short else short


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A list."""

    line: int
    nodes: tuple["Node", ...]

    def __str__(self) -> str:
        return "a list"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """Keys with their values; no key stands twice."""

    line: int
    pairs: tuple[tuple[Scalar, "Node"], ...]

    def __str__(self) -> str:
        return "keys with values"

    def at(self, *names: str) -> "Node | None":
        """Return what stands under *names*, one below the other; None when there is no such key."""
        found: Node | None = self
        for name in names:
            pairs = found.pairs if isinstance(found, Fields) else ()
            found = next((node for key, node in pairs if key.text == name), None)
        return found

    def line_of(self, *names: str) -> int:
        """Return the line of the key under *names*, or of the nearest key above it that is there."""
        above, line = self, self.line
        for name in names:
            found = next(((key, node) for key, node in above.pairs if key.text == name), None)
            if found is None:
                break
            line = found[0].line
            if not isinstance(found[1], Fields):
                break
            above = found[1]
        return line


Node = Scalar | Items | Fields


@dataclass(slots=True, kw_only=True)
class Reading:
    """What reading a file has found so far: every problem, not only the first.

    Args:
        needs_variables: whether a variable without a value is a problem; it is none for who only looks or goes back.
    """

    file: str
    needs_variables: bool = True
    problems: list[Problem] = field(default_factory=list[Problem])
    later: list[str] = field(default_factory=list[str])
    replaced: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def secrets(self) -> frozenset[str]:
        """The values that came from variables and are long enough to be told from ordinary words."""
        return frozenset(value for value in self.replaced if len(value) >= SHORTEST_SECRET)

    def add(
        self,
        line: int | None,
        message: str,
        *,
        found: object = None,
        expected: str | None = None,
        nearest: str | None = None,
    ) -> None:
        """Note a problem, without the values of variables in it."""
        self.problems.append(
            Problem(
                file=self.file,
                line=line,
                message=self._masked(message),
                found=None if found is None else self._masked(str(found)),
                expected=expected and self._masked(expected),
                nearest=nearest and self._masked(nearest),
            )
        )

    def _masked(self, text: str) -> str:
        for value in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(value, f"${{{self.replaced[value]}}}")
        return text


def with_variables(node: Node, variables: Mapping[str, str], reading: Reading) -> Node:
    """Return *node* with every ``${NAME}`` in its values replaced; ``$${`` stands for ``${``."""
    match node:
        case Items():
            return replace(node, nodes=tuple(with_variables(each, variables, reading) for each in node.nodes))
        case Fields():
            return replace(
                node, pairs=tuple((key, with_variables(value, variables, reading)) for key, value in node.pairs)
            )
        case Scalar():
            return _replaced(node, variables, reading)


def plain_data(node: Node) -> object:
    """Return *node* as Python's own values: dict, tuple, str, int, float, bool, None."""
    match node:
        case Items():
            return tuple(plain_data(each) for each in node.nodes)
        case Fields():
            return {key.text: plain_data(value) for key, value in node.pairs}
        case Scalar():
            return node.value


def scalars(node: Node) -> Iterator[Scalar]:
    """Give every value below *node*."""
    match node:
        case Items():
            for each in node.nodes:
                yield from scalars(each)
        case Fields():
            for _, value in node.pairs:
                yield from scalars(value)
        case Scalar():
            yield node


def _replaced(scalar: Scalar, variables: Mapping[str, str], reading: Reading) -> Scalar:
    is_known = True

    def value_of(match: re.Match[str]) -> str:
        nonlocal is_known
        if match[0] == "$${":
            return "${"
        name = match[1]
        if name in variables:
            reading.replaced.setdefault(variables[name], name)
            return variables[name]
        is_known = False
        if name is None:
            reading.add(scalar.line, "no name and } after ${", found=scalar, expected="${NAME}, or $${ for a plain ${")
        elif reading.needs_variables:
            reading.add(scalar.line, f"the environment variable {name} is not set", expected=f"a value for {name}")
        return ""

    text = _VARIABLE.sub(value_of, scalar.text)
    return replace(scalar, text=text, is_known=is_known)


def _resolve(text: str) -> bool | int | float | str | None:
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _WHOLE.fullmatch(text):
        return int(text)
    if _OTHER_BASE.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return float(text.replace(".", "")) if _NAMED_FLOAT.fullmatch(text) else text
