"""Keeps frozen code in S3 as archives by digest, and reads it back.

On a machine with the project, code is frozen as it is locally and uploaded once. Where there is no project, as in a
Lambda function, the code is the archive that was uploaded when the stack was applied.
"""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Final

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.s3_archives import SUFFIX, S3Archives, code_digest
from everfit.adapters.aws.s3_objects import Put, S3Objects
from everfit.adapters.aws.scratch import Scratch
from everfit.adapters.files.archive import write_archive
from everfit.adapters.files.disk import put_folder, remove_folder, writing
from everfit.adapters.files.folders import importable_names, text_below
from everfit.adapters.files.packing import folder_members
from everfit.application.ports import Code, FrozenCode
from everfit.domain.aws import AwsPlace, split_url
from everfit.domain.errors import NotFoundError, RequestError

KEPT_FOLDERS: Final = 4
COMMIT: Final = "everfit-commit"
DIRTY: Final = "everfit-dirty"


class S3Code:
    """Archives below ``code/``; frozen code is handed on as the URL of its archive.

    Args:
        local: freezes the code of a project on this machine; None when there is none.
        scratch: folder on this machine in which the newest archives are kept unpacked.
    """

    def __init__(self, clients: Clients, place: AwsPlace, local: Code | None, scratch: Path) -> None:
        self._objects = S3Objects(clients, place)
        self._prefix = f"{place.prefix}/code"
        self._local = local
        self._scratch = Scratch(scratch)
        self._archives = S3Archives(clients, place, self._scratch)
        self._unpacked = scratch / "code"
        self._reading = Lock()

    def freeze(
        self,
        folder: str,
        *,
        leave_out: Sequence[str] = (),
        commit: str | None = None,
        repository: str | None = None,
    ) -> FrozenCode:
        if folder.startswith("s3://"):
            return self._bundle(folder, commit)
        if self._local is None:
            raise RequestError(f"There is no project in {folder} here. Run `everfit apply` where the project lies.")
        frozen = self._local.freeze(folder, leave_out=leave_out, commit=commit, repository=repository)
        return FrozenCode(
            digest=frozen.digest, folder=self._uploaded(frozen), commit=frozen.commit, is_dirty=frozen.is_dirty
        )

    def text(self, folder: str, path: str) -> str:
        with self._reading:
            return text_below(self._folder(folder), path)

    def modules(self, folder: str) -> frozenset[str]:
        with self._reading:
            return importable_names(self._folder(folder))

    def _bundle(self, url: str, commit: str | None) -> FrozenCode:
        with self._reading:
            self._folder(url)
        _, key = split_url(url)
        notes = self._objects.look(key).notes
        kept, is_dirty = notes.get(COMMIT) or None, notes.get(DIRTY) == "yes"
        if commit is not None and (commit != kept or is_dirty):
            what = "no commit" if kept is None else f"commit {kept[:12]}{' with changes' if is_dirty else ''}"
            raise RequestError(
                f"The code that was applied is that of {what}, not of commit {commit[:12]}. "
                "Run `everfit apply` again at that commit."
            )
        return FrozenCode(digest=code_digest(url), folder=url, commit=kept, is_dirty=is_dirty)

    def _uploaded(self, frozen: FrozenCode) -> str:
        key = f"{self._prefix}/{frozen.digest.partition(':')[2]}{SUFFIX}"
        notes = {DIRTY: "yes" if frozen.is_dirty else "no", **({COMMIT: frozen.commit} if frozen.commit else {})}
        with self._scratch.room() as folder:
            packed = folder / "code.tar.gz"
            with writing(folder), open(packed, "xb", buffering=0) as file:
                digest, _ = write_archive(folder_members("", frozen.folder), file)
            # The same code may be that of another commit now, which is noted then.
            self._objects.put_same(Put(key=key, body=packed, sha256=digest.partition(":")[2], notes=notes))
        return self._objects.url(key)

    def _folder(self, url: str) -> Path:
        """Return the folder with the code, unpacked anew only when it is not among the newest."""
        if not url.startswith("s3://"):
            raise NotFoundError(f"There is no frozen code at {url}.")
        target = self._unpacked / code_digest(url).partition(":")[2]
        if not target.is_dir():
            with self._scratch.room() as room:
                self._archives.unpack_code(url, room / "code")
                self._make_room()
                put_folder(room / "code", target)
        return target

    def _make_room(self) -> None:
        with writing(self._unpacked):
            self._unpacked.mkdir(parents=True, exist_ok=True)
            folders = [path for path in self._unpacked.iterdir() if not path.name.startswith(".")]
            oldest_first = sorted(folders, key=lambda path: path.stat().st_mtime_ns)
        for path in oldest_first[: -KEPT_FOLDERS + 1]:
            remove_folder(path)
