"""Listings of data in S3, each kept in an object below ``listings/`` that its digest names."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.s3_listing import S3File, S3Listing
from everfit.adapters.aws.s3_objects import Put, S3Objects
from everfit.adapters.aws.s3_source import S3Source, content_digest
from everfit.adapters.aws.scratch import Scratch
from everfit.adapters.files.answers import LONGEST, PATIENCE, Answers
from everfit.adapters.files.disk import writing
from everfit.adapters.files.listing_lines import in_order, read_lines, write_lines
from everfit.adapters.files.row_counts import RowCount
from everfit.application.ports.listings import Listing, Listings
from everfit.domain.aws import AwsPlace
from everfit.domain.errors import NotFoundError, RequestError
from everfit.domain.listing import Changed, ListedFile, mark_of
from everfit.domain.project import Format


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long is waited for what.

    Args:
        patience: how long a look waits for an answer before it goes on to the next source.
        longest: after how long storage that has not answered counts as unreachable.
        age: of the listings that may be forgotten; another service may need a newer one.
    """

    patience: timedelta = PATIENCE
    longest: timedelta = LONGEST
    age: timedelta = timedelta(minutes=10)


USUAL: Final = Waits()


class S3Listings:
    """Listings of prefixes, globs and objects in S3, and of what *local* can list.

    Args:
        scratch: folder on this machine in which long listings are sorted.
        local: lists data of this machine; None when there is none.
    """

    def __init__(
        self,
        clients: Clients,
        place: AwsPlace,
        scratch: Path,
        *,
        local: Listings | None = None,
        waits: Waits = USUAL,
    ) -> None:
        self._source: Callable[[str], S3Source] = partial(S3Source, clients, place)
        self._objects = S3Objects(clients, place)
        self._kept = S3Listing(clients, place.bucket, place.account)
        self._prefix = f"{place.prefix}/listings"
        self._scratch = Scratch(scratch)
        self._local = local
        self._age = waits.age
        self._answers = Answers[Listing](waits.patience, waits.longest)

    def take(self, source: str) -> Listing | None:
        if not source.startswith("s3://"):
            return self._of_here(source)
        return self._answers.ask(source, lambda: self._taken(source), is_remote=True)

    def keep(self, files: Iterable[ListedFile]) -> Listing:
        with self._scratch.room() as folder:
            return self._kept_in(folder, files)

    def holds(self, digest: str) -> bool:
        return self._objects.seen(self._key(digest)) is not None

    def files(self, digest: str) -> Iterator[ListedFile]:
        try:
            yield from read_lines(_lines(self._objects.parts(self._key(digest))))
        except NotFoundError as error:
            raise NotFoundError(f"There is no listing {digest}; it was removed.") from error

    def rows(self, source: str, data_format: Format, changed: Iterable[Changed]) -> int:
        if not source.startswith("s3://"):
            return self._here(source).rows(source, data_format, changed)
        return RowCount(self._source(source), data_format).of(changed)

    def forget_all_but(self, digests: Collection[str]) -> None:
        kept = {self._key(digest) for digest in digests}
        for file in self._kept.plain(f"{self._prefix}/"):
            facts = None if file.key in kept else self._objects.seen(file.key)
            if facts is not None and facts.now - facts.modified >= self._age:
                self._objects.delete(file.key)

    def _of_here(self, source: str) -> Listing | None:
        local = self._here(source)
        listing = local.take(source)
        if listing is not None and not self.holds(listing.digest):
            self.keep(local.files(listing.digest))
        return listing

    def _here(self, source: str) -> Listings:
        if self._local is None:
            raise RequestError(f"The data at {source} is not in S3. Name a place there, such as s3://bucket/prefix/.")
        return self._local

    def _taken(self, source: str) -> Listing:
        start = time.monotonic()
        with self._scratch.room() as folder:
            found = (_listed(path, file) for path, file in self._source(source).files())
            listing = self._kept_in(folder, in_order(found, folder))
        return Listing(digest=listing.digest, files=listing.files, cost=timedelta(seconds=time.monotonic() - start))

    def _kept_in(self, folder: Path, files: Iterable[ListedFile]) -> Listing:
        path = folder / "listing.jsonl"
        with writing(folder), path.open("xb", 1 << 20) as target:
            digest, count = write_lines(files, target)
        key = self._key(digest)
        facts = self._objects.seen(key)
        # Written again, it is as good as new, and kept as long.
        if facts is None or facts.now - facts.modified > self._age / 2:
            self._objects.put(Put(key=key, body=path, sha256=digest.partition(":")[2]))
        return Listing(digest=digest, files=count)

    def _key(self, digest: str) -> str:
        return f"{self._prefix}/{digest.partition(':')[2]}"


def _listed(path: str, file: S3File) -> ListedFile:
    return ListedFile(path=path, size=file.size, mark=mark_of(content_digest(file)))


def _lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for part in parts:
        *whole, rest = (rest + part).split(b"\n")
        yield from whole
