"""Data in S3: everything below a prefix, what a glob matches, or one object."""

import io
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import BinaryIO, Final

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.s3_listing import S3File, S3Listing
from everfit.adapters.aws.s3_objects import S3Objects
from everfit.domain.aws import AwsPlace, split_url
from everfit.domain.data_names import has_magic, is_data, matches
from everfit.domain.errors import BackendError, EverfitError, NotFoundError, RequestError

SECTION: Final = 1 << 20


class S3Source:
    """The data at an S3 URL.

    What the installation itself keeps is never data, unless the URL names a place inside of it.
    """

    is_remote = True

    def __init__(self, clients: Clients, place: AwsPlace, url: str) -> None:
        self.name = url
        self.bucket, self._named = split_url(url)
        self._listing = S3Listing(clients, self.bucket)
        self._objects = S3Objects(clients, place, self.bucket)
        self._base, self._prefix, self._pattern = self._named, self._named, ""
        own = f"{place.prefix}/"
        self._own = own if self.bucket == place.bucket and not self._named.startswith(own) else None
        self._is_single = False
        self._is_known = False

    def files(self) -> Iterator[tuple[str, S3File]]:
        """Yield path and object of every file there is now, in the order of the paths.

        Raises:
            RequestError: there is no such bucket, or an object has a name that is none for a file.
            BackendError: S3 does not answer.
        """
        self._look()
        for file in self._listing.newest(self._prefix):
            path = self._path(file)
            if path is not None:
                yield path, file

    def open_path(self, path: str) -> BinaryIO:
        """Open the file that a listing shows under *path*; only what is read of it is fetched."""
        self._look()
        key = self._prefix if self._is_single else f"{self._base}{path}"
        try:
            return io.BufferedReader(_Sections(self._objects, key), SECTION)
        except NotFoundError as error:
            raise FileNotFoundError(self._objects.url(key)) from error

    def error(self, error: Exception, place: str) -> EverfitError:
        """Return what the user is told when reading *place* raised *error*."""
        return BackendError(f"{self.name}: {place} cannot be read ({error}).", retryable=True)

    def _look(self) -> None:
        """Find out whether the URL names a folder, a glob or one object."""
        if self._is_known:
            return
        self._listing.check()
        named = self._named
        if has_magic(named):
            self._base = re.split(r"[*?\[]", named)[0].rpartition("/")[0]
            self._base = f"{self._base}/" if self._base else ""
            self._prefix, self._pattern = re.split(r"[*?\[]", named)[0], named[len(self._base) :]
        elif named and not named.endswith("/"):
            found = self._listing.first(named)
            self._is_single = found is not None and found.key == named
            self._base = f"{named.rpartition('/')[0]}/".lstrip("/") if self._is_single else f"{named}/"
            self._prefix = named if self._is_single else self._base
        self._is_known = True

    def _path(self, file: S3File) -> str | None:
        """Return the path of the file; None when it is no data."""
        key = file.key
        if (self._is_single and key != self._prefix) or (self._own is not None and key.startswith(self._own)):
            return None
        path = key[len(self._base) :]
        if self._pattern and not matches(path, self._pattern):
            return None
        if key.endswith("/"):
            # The console makes a folder by an empty object whose key ends so (user guide, "Organizing objects").
            if not file.size:
                return None
            raise RequestError(f"s3://{self.bucket}/{key} has content and the name of a folder. Rename the object.")
        # These would be taken for hidden files; nothing may vanish from the data without a word.
        if {"", ".."} & set(path.split("/")):
            raise RequestError(
                f"s3://{self.bucket}/{key} has a name that leads out of its folder or is none on a disk. Rename it."
            )
        return path if is_data(path) else None


class _Sections(io.RawIOBase):
    """An object read in ranges."""

    def __init__(self, objects: S3Objects, key: str) -> None:
        self._objects = objects
        self._key = key
        self._size = objects.look(key).size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what io gives is a memoryview
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        data = self._objects.section(self._key, self._at, wanted)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def content_digest(file: S3File) -> str:
    """Return the digest by which a snapshot knows the content.

    The same content has the same one again, but with KMS or when it was sent in other parts (API reference, Object,
    "ETag").
    """
    return f"etag:{sha256(f'{file.etag}|{file.size}'.encode()).hexdigest()}"
