"""Listings as lines of JSON, in the order of listings and of bounded memory however long they are."""

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from hashlib import sha256
from heapq import merge
from pathlib import Path
from typing import IO, Final

from everfit.adapters.files.disk import writing
from everfit.domain.listing import ListedFile, order_of

AT_ONCE: Final = 50_000
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))


def write_lines(files: Iterable[ListedFile], target: IO[bytes]) -> tuple[str, int]:
    """Write the files, which come in the order of listings; return the listing's digest and how many there are."""
    digest, count = sha256(), 0
    for count, file in enumerate(files, start=1):  # noqa: B007 - how many there were is wanted after the loop
        line = _line(file)
        digest.update(line)
        target.write(line)
    return f"sha256:{digest.hexdigest()}", count


def read_lines(lines: Iterable[bytes]) -> Iterator[ListedFile]:
    """Yield the files of a written listing."""
    for line in lines:
        path, size, mark = json.loads(line)
        yield ListedFile(path=path, size=size, mark=mark)


def in_order(files: Iterable[ListedFile], folder: Path, at_once: int = AT_ONCE) -> Iterator[ListedFile]:
    """Yield files that come in any order in that of listings.

    Args:
        folder: for what does not fit into memory.
        at_once: how many files are held in memory.
    """
    parts: list[Path] = []
    held: list[ListedFile] = []
    for file in files:
        held.append(file)
        if len(held) == at_once:
            parts.append(folder / f"part-{len(parts)}")
            _keep(sorted(held, key=_order), parts[-1])
            held.clear()
    held.sort(key=_order)
    with ExitStack() as opened:
        streams = [read_lines(opened.enter_context(part.open("rb"))) for part in parts]
        yield from merge(*streams, held, key=_order)


def _order(file: ListedFile) -> str:
    return order_of(file.path)


def _keep(files: Iterable[ListedFile], path: Path) -> None:
    with writing(path.parent), path.open("xb") as target:
        target.writelines(map(_line, files))


def _line(file: ListedFile) -> bytes:
    return _ENCODER.encode((file.path, file.size, file.mark)).encode() + b"\n"
