"""Writes plain values as YAML that every reader takes for the same, with comments where a version wants one."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_PLAIN: Final = re.compile(r"(?:[A-Za-z0-9_./$]|(?<=\$)\{)(?:[^\n:#]|:(?! |$)|(?<! )#)*(?<! )")
_SPECIAL: Final = re.compile(
    r"(?:[-+]?[0-9.][0-9_.,:eExXa-fA-F+-]*|true|false|yes|no|on|off|null|y|n|~|=|<<|[-+]?\.(?:inf|nan))", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commented:
    """A text with a comment behind it."""

    text: str
    comment: str


Value = str | bool | int | Commented | Sequence["Value"] | Mapping[str, "Value"]


def yaml_text(values: Mapping[str, Value], *, apart: bool = False) -> str:
    """Return the document.

    Args:
        apart: whether an empty line stands between the keys of the first level.
    """
    blocks = ["\n".join(_pair(name, value, "")) for name, value in values.items()]
    return ("\n\n" if apart else "\n").join(blocks) + "\n"


def _pair(name: str, value: Value, indent: str) -> Iterator[str]:
    key = f"{indent}{_key(name)}:"
    if isinstance(value, str) and "\n" in value:
        yield f"{key} |"
        yield from (f"{indent}  {line}".rstrip() for line in value.splitlines())
    elif isinstance(value, (str, bool, int, Commented)):
        yield f"{key} {_single(value)}"
    elif not value:
        yield f"{key} {'{}' if isinstance(value, Mapping) else '[]'}"
    elif isinstance(value, Mapping):
        yield key
        for below, each in value.items():
            yield from _pair(below, each, f"{indent}  ")
    else:
        yield key
        for each in value:
            yield from _item(each, f"{indent}  ")


def _item(value: Value, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        lines = [line for name, each in value.items() for line in _pair(name, each, f"{indent}  ")]
        yield f"{indent}- {lines[0].strip()}"
        yield from lines[1:]
    elif isinstance(value, (str, bool, int, Commented)):
        yield f"{indent}- {_single(value)}"
    else:
        raise TypeError("a list within a list is never needed")


def _key(name: str) -> str:
    # GitHub's own "on" stands bare in every workflow, and its reader takes no word for a truth.
    is_plain = re.fullmatch(r"[A-Za-z_.][A-Za-z0-9_.-]*", name) and (name == "on" or not _SPECIAL.fullmatch(name))
    return name if is_plain else _quoted(name)


def _single(value: str | bool | int | Commented) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Commented():
            return f"{_single(value.text)} # {value.comment}"
        case str():
            is_plain = _PLAIN.fullmatch(value) is not None and _SPECIAL.fullmatch(value) is None
            return value if is_plain else _quoted(value)


def _quoted(text: str) -> str:
    """Return the text in single quotes, which know nothing but themselves."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
