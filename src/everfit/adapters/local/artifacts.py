"""Keeps packed models as files named by their digest, and unpacks them into folders that are checked before use."""

import hashlib
import json
import os
from pathlib import Path
from typing import Final

from everfit.adapters.files.archive import extract_archive, write_archive
from everfit.adapters.files.digests import digest_of
from everfit.adapters.files.disk import alone, incoming, put_file, put_folder, remove_folder, replace_file, writing
from everfit.adapters.files.packing import package_members, plain_digest, size_of
from everfit.adapters.files.tree import read_error
from everfit.application.ports import Artifact
from everfit.domain.errors import NotFoundError, RefusedError

_LARGEST: Final = 64 * 10**9


class LocalArtifacts:
    """Archives in ``artifacts/`` and their content in ``models/``.

    Args:
        limit: the most bytes that one archive may unpack to.
    """

    def __init__(self, home: Path, *, limit: int = _LARGEST) -> None:
        self._archives = home / "artifacts"
        self._models = home / "models"
        self._limit = limit

    def pack(self, model: str, code: str | None, requirements: str | None) -> Artifact:
        members = package_members(model, code, requirements)
        with alone(self._archives, shared=True), incoming(self._archives) as folder:
            temporary = folder / "model.tar.gz"
            with writing(self._archives, size_of(members)):
                with open(temporary, "xb", buffering=0) as file:
                    digest, size = write_archive(members, file)
                    os.fsync(file.fileno())
                temporary.chmod(0o444)
                put_file(temporary, self._archive(digest))
        return Artifact(digest=digest, size=size)

    def unpacked(self, digest: str) -> str:
        folder = self._folder(digest)
        with alone(self._models):
            self._check_archive(digest)
            if self._difference(digest) is not None:
                self._unpack(digest)
        return str(folder)

    def verify(self, digest: str) -> None:
        folder = self._folder(digest)
        with alone(self._models, shared=True):
            self._check_archive(digest)
            different = self._difference(digest) if folder.is_dir() else None
        if different is not None:
            raise RefusedError(
                f"{folder / different} is not what was packed as {digest}. It is mended when the model is loaded again."
            )

    def delete(self, digest: str) -> None:
        with alone(self._models), writing(self._archives):
            self._archive(digest).unlink(missing_ok=True)
            self._listing(digest).unlink(missing_ok=True)
            remove_folder(self._folder(digest))

    def _archive(self, digest: str) -> Path:
        return self._archives / f"{plain_digest(digest)}.tar.gz"

    def _folder(self, digest: str) -> Path:
        return self._models / plain_digest(digest)

    def _listing(self, digest: str) -> Path:
        return self._models / f"{plain_digest(digest)}.files.json"

    def _check_archive(self, digest: str) -> None:
        path = self._archive(digest)
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError as error:
            raise NotFoundError(
                f"There is no artifact {digest}; it was never packed here, or it was removed."
            ) from error
        except OSError as error:
            raise read_error(error, str(path)) from error
        if found != plain_digest(digest):
            raise RefusedError(
                f"{path} is not what it was when it was packed: its digest is sha256:{found} now. "
                "Bring the file back from a backup, or deploy another version."
            )

    def _difference(self, digest: str) -> str | None:
        """Return the first path in the unpacked folder that is not as it was unpacked; "." when there is none yet."""
        folder = self._folder(digest)
        try:
            expected = dict[str, str](json.loads(self._listing(digest).read_bytes())["tree"])
        except (OSError, ValueError, TypeError, KeyError):
            expected = {}
        if not expected or not folder.is_dir():
            return "."
        found = _contents(folder)
        return min(
            (path for path in expected.keys() | found.keys() if expected.get(path) != found.get(path)), default=None
        )

    def _unpack(self, digest: str) -> None:
        with incoming(self._models) as temporary:
            target = temporary / "model"
            with writing(self._models):
                target.mkdir()
            extract_archive(self._archive(digest), target, limit=self._limit)
            tree = _contents(target)
            # The endpoint host compares the files with "files" before it loads them.
            files = {path: kind for path, kind in tree.items() if ":" in kind}
            listing = json.dumps({"files": files, "tree": tree}, sort_keys=True).encode()
            # The listing first: a folder without one would look tampered with after a crash between the two.
            replace_file(self._listing(digest), listing)
            put_folder(target, self._folder(digest))


def _contents(folder: Path) -> dict[str, str]:
    """Return what each path below the folder is: a digest of a file's content, or the kind of anything else."""
    found: dict[str, str] = {}
    for place, folders, files in os.walk(folder):
        below = Path(place).relative_to(folder)
        found |= {str(below / name): _kind(Path(place, name)) for name in (*folders, *files)}
    return found


def _kind(path: Path) -> str:
    if path.is_symlink():
        return "link"
    if path.is_dir():
        return "folder"
    if not path.is_file():
        return "device"
    try:
        with path.open("rb") as file:
            return digest_of(file)
    except OSError as error:
        return f"unreadable: {error.strerror}"
