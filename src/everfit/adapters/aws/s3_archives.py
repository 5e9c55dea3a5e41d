"""Archives in S3 that are unpacked on this machine for a while."""

from pathlib import Path
from typing import Final

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.s3_objects import S3Objects
from everfit.adapters.aws.scratch import Scratch
from everfit.adapters.files.archive import extract_archive
from everfit.adapters.files.digests import folder_digest
from everfit.adapters.files.disk import writing
from everfit.domain.aws import AwsPlace, split_url
from everfit.domain.errors import RefusedError, RequestError

SUFFIX: Final = ".tar.gz"
LARGEST_CODE: Final = 2 * 10**9


class S3Archives:
    """Fetches archives by their URL."""

    def __init__(self, clients: Clients, place: AwsPlace, scratch: Scratch) -> None:
        self._clients = clients
        self._place = place
        self._scratch = scratch

    def unpack(self, url: str, target: Path, *, limit: int) -> None:
        """Write the content of the archive into the new folder *target*, at most *limit* bytes.

        Raises:
            NotFoundError: there is no such archive.
            RefusedError: it holds what could do harm.
        """
        bucket, key = split_url(url)
        objects = S3Objects(self._clients, self._place, bucket)
        size = objects.look(key).size
        # An archive and what comes out of it; how much that is shows only then.
        self._scratch.check(2 * size)
        packed = target.with_name(f"{target.name}{SUFFIX}")
        with writing(target.parent, size), packed.open("xb") as file:
            objects.fetch(key, file)
        with writing(target.parent):
            target.mkdir()
        extract_archive(packed, target, limit=limit, name=url)
        packed.unlink()

    def unpack_code(self, url: str, target: Path) -> str:
        """Write frozen code into the new folder *target* and return its digest, which the URL must end with.

        Raises:
            RefusedError: it is not the code that was frozen under this name.
        """
        self.unpack(url, target, limit=LARGEST_CODE)
        found = folder_digest(target)
        if found != code_digest(url):
            raise RefusedError(
                f"{url} is not the code that it was: its digest is {found} now. Freeze the code again, or run "
                "`everfit apply` again."
            )
        return found


def code_digest(url: str) -> str:
    """Return the digest of the code that lies at this URL by its name, or raise ``RequestError``."""
    name = url.rpartition("/")[2]
    plain = name.removesuffix(SUFFIX)
    if not name.endswith(SUFFIX) or len(plain) != 64 or not set(plain) <= set("0123456789abcdef"):
        raise RequestError(f"{url} is no frozen code; the URL of one ends with /code/<64 digits>.tar.gz.")
    return f"blake3:{plain}"
