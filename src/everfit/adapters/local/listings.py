"""Listings of data sources, each in a file of the state folder that its digest names.

A listing is taken in a thread of its own: storage that hangs keeps nobody waiting, and a listing that takes long is
there when it is asked for again.
"""

import os
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

from everfit.adapters.files.answers import LONGEST, PATIENCE, Answers
from everfit.adapters.files.disk import put_file, writing
from everfit.adapters.files.listing_lines import read_lines, write_lines
from everfit.adapters.files.row_counts import RowCount
from everfit.adapters.local.sources import SourceFile, source_of
from everfit.application.ports.listings import Listing
from everfit.domain.errors import NotFoundError
from everfit.domain.listing import Changed, ListedFile
from everfit.domain.project import Format

AGE: Final = timedelta(minutes=10)
IN_MEMORY: Final = 8_000_000


class LocalListings:
    """Listings of folders, globs, files and URLs.

    Args:
        patience: how long a look waits for an answer before it goes on to the next source.
        longest: after how long storage that has not answered counts as unreachable.
        age: of the listings that may be forgotten; another service may need a newer one.
    """

    def __init__(
        self, home: Path, *, patience: timedelta = PATIENCE, longest: timedelta = LONGEST, age: timedelta = AGE
    ) -> None:
        self._home = home
        self._folder = home / "watch"
        self._age = age.total_seconds()
        self._answers = Answers[Listing](patience, longest)

    def take(self, source: str) -> Listing | None:
        return self._answers.ask(source, lambda: self._taken(source), is_remote="://" in source)

    def keep(self, files: Iterable[ListedFile]) -> Listing:
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY, dir=str(self._folder)) as spool:
                digest, count = write_lines(files, spool)
                if self.holds(digest):
                    os.utime(self._path(digest))  # It is as good as new, and kept as long.
                else:
                    self._store(spool, digest)
        return Listing(digest=digest, files=count)

    def holds(self, digest: str) -> bool:
        return self._path(digest).is_file()

    def files(self, digest: str) -> Iterator[ListedFile]:
        try:
            with self._path(digest).open("rb") as lines:
                yield from read_lines(lines)
        except FileNotFoundError as error:
            raise NotFoundError(f"There is no listing {digest}; it was removed.") from error

    def rows(self, source: str, data_format: Format, changed: Iterable[Changed]) -> int:
        return RowCount(source_of(source, self._home), data_format).of(changed)

    def forget_all_but(self, digests: Collection[str]) -> None:
        kept, before = {self._path(digest).name for digest in digests}, time.time() - self._age
        with writing(self._folder):
            for path in self._folder.glob("*"):
                with suppress(FileNotFoundError):
                    if path.name not in kept and path.stat().st_mtime < before:
                        path.unlink()

    def _taken(self, source: str) -> Listing:
        found = source_of(source, self._home)
        # Of this machine it is the processor that looking takes from others; elsewhere it is the storage's time.
        clock = time.monotonic if found.is_remote else time.thread_time
        start = clock()
        try:
            listing = self.keep(_listed(file) for file in found.walk())
        except OSError as error:
            raise found.error(error, found.name) from error
        return Listing(digest=listing.digest, files=listing.files, cost=timedelta(seconds=clock() - start))

    def _store(self, spool: IO[bytes], digest: str) -> None:
        descriptor, name = tempfile.mkstemp(prefix=".new-", dir=self._folder)
        try:
            with open(descriptor, "wb") as file:
                spool.seek(0)
                while part := spool.read(1 << 20):
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            put_file(Path(name), self._path(digest))
        except OSError:
            with suppress(OSError):
                os.unlink(name)
            raise

    def _path(self, digest: str) -> Path:
        return self._folder / digest.partition(":")[2]


def _listed(file: SourceFile) -> ListedFile:
    mark = sha256(repr(file.identity).encode()).hexdigest()[:20] if file.identity else ""
    return ListedFile(path=file.path, size=file.size or 0, mark=mark)
