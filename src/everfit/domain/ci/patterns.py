"""Everfit's globs and tag patterns in the words of others: filters of GitHub and GitLab, regular expressions."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

_NUMBER: Final = "(0|[1-9][0-9]*)"
_WORD: Final = rf"({_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION: Final = (
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_WORD}(\.{_WORD})*)?"
    r"(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)


def path_filters(globs: Sequence[str], folder: str) -> list[str]:
    """Return what GitHub's ``paths`` must hold, from the top of the repository.

    ``?`` means something else there, so it becomes ``*``: a filter that lets a push too many pass starts a run that
    finds nothing new.

    Args:
        globs: of the project file; none means every path of the project folder.
        folder: of the project, from the top of the repository; empty at its top.
    """
    if not globs:
        return [f"{folder}/**"] if folder else []
    return list(dict.fromkeys(found for glob in globs for found in _filters(glob, folder)))


def _filters(glob: str, folder: str) -> Iterator[str]:
    path = glob.strip("/") if glob.startswith("/") or not folder else f"{folder}/{glob.strip('/')}"
    # "?", "+", "[", "]" and "!" are special (workflow syntax, "Filter pattern cheat sheet").
    path = re.sub(r"([+\[\]!\\])", r"\\\1", path.replace("?", "*"))
    yield path
    last = path.rpartition("/")[2]
    if last != "**" and "." not in last:
        yield f"{path}/**"


def tag_filter(pattern: str) -> str:
    """Return what GitHub's ``tags`` must hold; the version that stands for the star is looked at later."""
    return re.sub(r"([+\[\]!\\])", r"\\\1", pattern)


def tag_expression(patterns: Sequence[str]) -> str:
    """Return the regular expression (POSIX extended, and RE2) of the tags that hold a semantic version."""
    return "^(" + "|".join(_tag(pattern) for pattern in patterns) + ")$"


def _tag(pattern: str) -> str:
    before, _, after = pattern.partition("*")
    letter = "" if before.endswith(("v", "V")) else "v?"
    return f"{_escaped(before)}{letter}{_VERSION}{_escaped(after)}"


def _escaped(text: str) -> str:
    return re.sub(r"([.+*?^${}()|\[\]\\])", r"\\\1", text)
