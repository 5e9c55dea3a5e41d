"""Files that are written again and again, and those of them that a person has changed since."""

import re
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Final

_HEADER: Final = re.compile(
    r"# Written by (?P<maker>.+?) for (?P<about>.+?)\.\n(?:#.*\n)*?# Content: (?P<digest>\w+)\n"
)


class Standing(Enum):
    """How a file that is to be written stands to the one that is there."""

    NEW = "new"
    SAME = "same"
    OLDER = "older"
    CHANGED = "changed by hand"
    FOREIGN = "written for something else"


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedFile:
    """A file as it is to be written.

    Args:
        path: from the top of the repository.
        text: with its header.
    """

    path: str
    text: str


def signed(body: str, *, maker: str, about: str) -> str:
    """Return *body* below a header that tells later whether a person has changed it.

    Args:
        maker: the command that wrote it.
        about: what it was written for.
    """
    return (
        f"# Written by {maker} for {about}.\n"
        "# What is changed here by hand stays, and is not written again without --force.\n"
        f"# Content: {_digest(body)}\n{body}"
    )


def standing_of(there: str | None, text: str) -> Standing:
    """Return how the file that is *there* stands to the *text* that is to take its place."""
    if there is None:
        return Standing.NEW
    if there == text:
        return Standing.SAME
    old, new = _HEADER.match(there), _HEADER.match(text)
    if old is None or new is None or old["about"] != new["about"]:
        return Standing.FOREIGN
    return Standing.OLDER if old["digest"] == _digest(there[old.end() :]) else Standing.CHANGED


def _digest(body: str) -> str:
    return sha256(body.encode()).hexdigest()[:16]
