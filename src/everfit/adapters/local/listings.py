"""Listings of data sources, each in a file of the state folder that its digest names.

A listing is taken in a thread of its own: storage that hangs keeps nobody waiting, and a listing that takes long is
there when it is asked for again.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import IO, Final

from everfit.adapters.files.disk import put_file, writing
from everfit.adapters.files.row_counts import RowCount
from everfit.adapters.local.sources import SourceFile, source_of
from everfit.application.ports.listings import Listing
from everfit.domain.errors import BackendError, NotFoundError
from everfit.domain.listing import Changed, ListedFile
from everfit.domain.project import Format

PATIENCE: Final = timedelta(milliseconds=200)
LONGEST: Final = timedelta(minutes=10)
AGE: Final = timedelta(minutes=10)
REMOTE_AT_ONCE: Final = 16
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
        self._patience = patience.total_seconds()
        self._longest = longest.total_seconds()
        self._age = age.total_seconds()
        self._asked: dict[str, tuple[float, Future[Listing]]] = {}

    def take(self, source: str) -> Listing | None:
        asked = self._asked.get(source)
        if asked is None:
            if "://" in source and self._remote_under_way() >= REMOTE_AT_ONCE:
                return None
            asked = self._asked[source] = (time.monotonic(), _begun(lambda: self._taken(source)))
            with suppress(TimeoutError):
                asked[1].exception(self._patience)
        since, answer = asked
        if answer.done():
            del self._asked[source]
            return answer.result()
        if time.monotonic() - since > self._longest:
            raise BackendError(
                f"The storage has not answered for {self._longest:.0f} s. Look at its disk or network.", retryable=True
            )
        return None

    def keep(self, files: Iterable[ListedFile]) -> Listing:
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY, dir=str(self._folder)) as spool:
                digest, count = _written(files, spool)
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
                for line in lines:
                    path, size, mark = json.loads(line)
                    yield ListedFile(path=path, size=size, mark=mark)
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

    def _remote_under_way(self) -> int:
        """Count the URLs that are being listed; those that hang keep no other waiting."""
        youngest = time.monotonic() - self._longest
        return sum("://" in source and since > youngest for source, (since, _) in self._asked.items())

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


def _written(files: Iterable[ListedFile], spool: IO[bytes]) -> tuple[str, int]:
    digest, count = sha256(), 0
    for count, file in enumerate(files, start=1):  # noqa: B007 - how many there were is wanted after the loop
        line = json.dumps((file.path, file.size, file.mark), separators=(",", ":")).encode() + b"\n"
        digest.update(line)
        spool.write(line)
    return f"sha256:{digest.hexdigest()}", count


def _listed(file: SourceFile) -> ListedFile:
    mark = sha256(repr(file.identity).encode()).hexdigest()[:20] if file.identity else ""
    return ListedFile(path=file.path, size=file.size or 0, mark=mark)


def _begun(work: Callable[[], Listing]) -> Future[Listing]:
    """Do the work in a thread that no end of the process waits for: storage may hang for ever."""
    answer: Future[Listing] = Future()

    def go() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the answer gets the error
            answer.set_exception(error)

    Thread(target=go, name="everfit-listing", daemon=True).start()
    return answer
