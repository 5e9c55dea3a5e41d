"""Globs of paths in a repository.

``*`` and ``?`` stand for anything but a slash, ``**`` for any number of folders, everything else for itself. A glob
that matches a folder matches all that is in it. It is read from the project folder, or with a slash in front from the
top of the repository.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from everfit.domain.errors import RuleError

GLOB_WORDS: Final = "a path or glob below the project folder such as src/** or train.py, or /shared/** from the top"
_LONGEST: Final = 500
_NO_PATH: Final = re.compile(r"[\x00-\x1f\\]|(?:^|/)\.{1,2}(?:/|$)|^!|//")


def check_glob(text: str) -> str:
    """Return the glob, or raise ``RuleError`` when it is none."""
    if text.startswith("!"):
        raise RuleError("nothing can be left out by an exclamation mark", expected=GLOB_WORDS)
    if _NO_PATH.search(text) or len(text) > _LONGEST or text == "/":
        raise RuleError("it is not a path in a repository", expected=GLOB_WORDS)
    return text


def is_any_matched(globs: Sequence[str], paths: Iterable[str], folder: str) -> bool:
    """Tell whether any of the globs matches any of the paths.

    Args:
        paths: from the top of the repository.
        folder: where the project lies in the repository; empty at its top.
    """
    patterns = [_pattern(glob, folder) for glob in globs]
    return any(pattern.fullmatch(path) for path in paths for pattern in patterns)


@lru_cache(maxsize=1024)
def _pattern(glob: str, folder: str) -> re.Pattern[str]:
    start = "" if glob.startswith("/") or not folder else re.escape(f"{folder}/")
    parts = [_part(part) for part in glob.strip("/").split("/")]
    text = "".join(part if part == _FOLDERS else f"{part}/" for part in parts[:-1])
    last = ".+" if parts[-1] == _FOLDERS else f"{parts[-1]}(?:/.*)?"
    return re.compile(start + text + last, re.DOTALL)


_FOLDERS: Final = "(?:[^/]+/)*"


def _part(part: str) -> str:
    if part == "**":
        return _FOLDERS
    pieces = re.split(r"(\*+|\?)", part)
    return "".join(
        "[^/]*" if piece.startswith("*") else "[^/]" if piece == "?" else re.escape(piece) for piece in pieces
    )
