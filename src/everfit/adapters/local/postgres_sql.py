"""Writes ``:name`` parameters the way psycopg wants them."""

import re
from functools import lru_cache
from typing import Final

TOKEN: Final = re.compile(
    r"""(?P<kept>'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|::\w+)|:(?P<name>[A-Za-z_]\w*)|(?P<percent>%)"""
)


@lru_cache(maxsize=1024)
def with_named_parameters(sql: str) -> bytes:
    """Return the statement with ``%(name)s`` for each ``:name`` that is no part of a text, a name or a cast."""
    return TOKEN.sub(_written, sql).encode()


def _written(found: re.Match[str]) -> str:
    if found["name"] is not None:
        return f"%({found['name']})s"
    return found[0].replace("%", "%%")
