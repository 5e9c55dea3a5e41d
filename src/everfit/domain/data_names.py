"""Names of files that are never data: hidden ones, and what editors and downloads leave while they work."""

import fnmatch
import re
from functools import lru_cache
from typing import Final

UNFINISHED: Final = ("~", ".swp", ".tmp", ".part", ".crdownload")


def is_passed_over(path: str) -> bool:
    """Tell whether the last part of the path is the name of no data; a snapshot leaves such files and folders out."""
    name = path.rpartition("/")[2]
    return name.startswith(".") or name.lower().endswith(UNFINISHED)


def is_data(path: str) -> bool:
    """Tell whether neither the file nor a folder that it is in has the name of no data."""
    return not any(is_passed_over(part) for part in path.split("/"))


def matches(path: str, pattern: str) -> bool:
    """Tell whether the glob matches the path: ``*`` stays inside one folder, ``**`` goes through any number."""
    return _compiled(pattern).fullmatch(path) is not None


def has_magic(text: str) -> bool:
    """Tell whether the text is a glob."""
    return re.search(r"[*?\[]", text) is not None


_PARTS: Final = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(_translated(part) for part in _PARTS.findall(pattern)), re.DOTALL)


def _translated(part: str) -> str:
    match part:
        case "**/":
            return "(?:.*/)?"
        case "**":
            return ".*"
        case "*":
            return "[^/]*"
        case "?":
            return "[^/]"
        case _:
            return _set(part) if len(part) > 1 else re.escape(part)


def _set(part: str) -> str:
    # What it returns is (?s:SET)\Z.
    return fnmatch.translate(part)[len("(?s:") : -len(")\\Z")]
