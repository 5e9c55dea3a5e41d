"""The files below a folder, with links followed only inside it and everything that is not a file refused."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from everfit.domain.errors import BackendError, EverfitError, RequestError

_FORBIDDEN: Final = (errno.EACCES, errno.EPERM)
_MISSING: Final = (errno.ENOENT, errno.ENOTDIR)


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeFile:
    """One file below a folder.

    Args:
        path: relative to the folder, with forward slashes.
        place: where to open it.
        stat: of the file itself, never of a link to it.
    """

    path: str
    place: str
    stat: os.stat_result


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A folder to be walked.

    Args:
        root: without links.
        leaves_out: whether a file or folder of this relative path is none of our business.
    """

    root: str
    leaves_out: Callable[[str], bool]
    _real: dict[str, str] = field(default_factory=dict[str, str])

    def files(self) -> Iterator[TreeFile]:
        """Yield every file, sorted inside each folder by name."""
        yield from self._below("", self.root, (self.root,))

    def at(self, path: str) -> TreeFile | None:
        """Return the file at the relative *path*; None when a folder is there."""
        place = os.path.join(self.root, path)
        try:
            parent = self._real_folder(os.path.dirname(place))
            is_plain = parent == os.path.dirname(place) and not os.path.islink(place)
            found = os.stat(place if is_plain else self._followed(path, place))
        except OSError as error:
            raise read_error(error, place) from error
        if stat.S_ISDIR(found.st_mode):
            return None
        return self.checked(TreeFile(path=path, place=place, stat=found))

    def _real_folder(self, folder: str) -> str:
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        return self._real[folder]

    def below(self, path: str) -> Iterator[TreeFile]:
        """Yield every file below the relative *path* of a folder."""
        place = os.path.join(self.root, path)
        real = self._followed(path, place)
        yield from self._below(f"{path}/", place, (self.root, real))

    def _below(self, prefix: str, place: str, inside: tuple[str, ...]) -> Iterator[TreeFile]:
        try:
            with os.scandir(place) as entries:
                found = sorted(entries, key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            raise read_error(error, place) from error
        while found:
            entry = found.pop()  # An entry keeps what was asked of it: a hundred thousand would be 50 MB.
            path = prefix + entry.name
            if not self.leaves_out(path):
                yield from self._entry(entry, path, inside)

    def _entry(self, entry: os.DirEntry[str], path: str, inside: tuple[str, ...]) -> Iterator[TreeFile]:
        try:
            is_link, is_folder = entry.is_symlink(), entry.is_dir()
            if is_link or is_folder:
                real = self._followed(path, entry.path) if is_link else f"{inside[-1]}/{entry.name}"
                if is_folder:
                    yield from self._folder(path, entry.path, real, inside)
                    return
            found = entry.stat()
        except FileNotFoundError:
            return  # It went away since the folder was read: it is simply not there.
        except OSError as error:
            raise read_error(error, entry.path) from error
        yield self.checked(TreeFile(path=path, place=entry.path, stat=found))

    def _folder(self, path: str, place: str, real: str, inside: tuple[str, ...]) -> Iterator[TreeFile]:
        if real in inside:
            raise RequestError(
                f"{place} is a link to a folder that holds it ({real}), a loop without end. Remove the link."
            )
        yield from self._below(f"{path}/", place, (*inside, real))

    def _followed(self, path: str, place: str) -> str:
        try:
            real = os.path.realpath(place, strict=True)
        except FileNotFoundError as error:
            if not os.path.islink(place):
                raise
            raise RequestError(
                f"{place} is a link to {os.readlink(place)}, which is not there. Mend or remove the link."
            ) from error
        if real != self.root and not real.startswith(self.root.rstrip("/") + "/"):
            raise RequestError(
                f"{place} is a link out of {self.root} (to {real}). "
                f"Copy what it points to into the folder in place of {path}, or remove the link."
            )
        return real

    def checked(self, file: TreeFile) -> TreeFile:
        """Return the file, or raise ``RequestError`` when it cannot be a part of a snapshot."""
        if not stat.S_ISREG(file.stat.st_mode):
            raise RequestError(f"{file.place} is a pipe, socket or device, not a file. Move it out of the folder.")
        try:
            file.path.encode("utf-8")
        except UnicodeEncodeError as error:
            raise RequestError(f"{file.place!r} has a name that is not UTF-8. Rename the file.") from error
        return file


def read_error(error: OSError, place: str) -> EverfitError:
    """Return what the user is told when *place* cannot be read: their mistake, or a storage that does not answer."""
    if error.errno in _FORBIDDEN:
        return RequestError(f"{place} may not be read. Give the user that runs Everfit the right to read it.")
    if error.errno in _MISSING:
        return RequestError(f"{place} is not there. Check the path, and that its disk is mounted.")
    if error.errno == errno.ELOOP:
        return RequestError(f"{place} is a link that leads back to itself. Remove the link.")
    return BackendError(
        f"{place} cannot be read now ({error.strerror or error}). Look at its disk or network, then run again.",
        retryable=True,
    )
