"""What data sources hold: a folder, a glob, one file, or anything that fsspec has a driver for."""

import glob
import importlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from everfit.adapters.files.tree import Tree, TreeFile, read_error
from everfit.domain.data_names import is_passed_over
from everfit.domain.errors import BackendError, EverfitError, RequestError
from everfit.domain.listing import order_of

Identity = tuple[str | int, ...]
"""What changes when the content does; empty when the storage tells nothing but the size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file of a data source, as a listing shows it.

    Args:
        path: relative to the source, with forward slashes.
        place: what the source opens it by.
        size: in bytes; None when the storage does not tell.
        touched: nanoseconds of the last change; None when the identity is that of the content itself.
    """

    path: str
    place: str
    size: int | None
    identity: Identity
    touched: int | None


class Source(Protocol):
    """A place with files."""

    name: str
    is_remote: bool

    def files(self) -> list[SourceFile]:
        """Return every file there is now."""
        ...

    def walk(self) -> Iterator[SourceFile]:
        """Yield every file there is now, in the order of listings."""
        ...

    def open_path(self, path: str) -> BinaryIO:
        """Open the file that a listing shows under *path*."""
        ...

    def open(self, file: SourceFile) -> BinaryIO:
        """Open the file for reading."""
        ...

    def error(self, error: Exception, place: str) -> EverfitError:
        """Return what the user is told when reading *place* raised *error*."""
        ...


def source_of(source: str, home: Path) -> Source:
    """Return the data source that the project names; *home* is never a part of it."""
    scheme = re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*(?=://|::)", source)
    if scheme is None:
        return LocalFiles(source, home)
    if scheme[0] in ("file", "local"):
        return LocalFiles(source.partition("://")[2], home)
    return RemoteFiles(source)


class LocalFiles:
    """A folder, a glob or one file of this machine."""

    is_remote = False

    def __init__(self, source: str, home: Path) -> None:
        self.name = os.path.abspath(os.path.expanduser(source))
        self._home = os.path.realpath(home)

    def files(self) -> list[SourceFile]:
        return [_local_file(file) for file in self._found()]

    def walk(self) -> Iterator[SourceFile]:
        if self.base == self.name:  # The tree is walked in that order already, and never held as a whole.
            return map(_local_file, self._found())
        return iter(sorted(self.files(), key=lambda file: order_of(file.path)))

    def open_path(self, path: str) -> BinaryIO:
        is_inside = os.path.isdir(self.name) or self.is_glob
        return open(os.path.join(self.base, path) if is_inside else self.name, "rb", buffering=0)

    @property
    def is_glob(self) -> bool:
        """Whether the name is a pattern, and not a folder or file that is called so."""
        return not os.path.lexists(self.name) and glob.has_magic(self.name)

    @property
    def base(self) -> str:
        """The folder that everything lies in."""
        if os.path.isdir(self.name):
            return self.name
        return self._split()[0] if self.is_glob else os.path.dirname(self.name)

    def open(self, file: SourceFile) -> BinaryIO:
        return open(file.place, "rb", buffering=0)

    def error(self, error: Exception, place: str) -> EverfitError:
        return read_error(error, place) if isinstance(error, OSError) else BackendError(f"{place}: {error}")

    def _found(self) -> Iterator[TreeFile]:
        if os.path.isdir(self.name):
            return self._tree(self.name).files()
        if self.is_glob:
            return self._matching()
        return self._single()

    def _tree(self, root: str) -> Tree:
        real = os.path.realpath(root)
        if self._home.startswith(real.rstrip("/") + "/"):
            own = os.path.relpath(self._home, real) + "/"
            return Tree(root=real, leaves_out=lambda path: is_passed_over(path) or f"{path}/".startswith(own))
        return Tree(root=real, leaves_out=is_passed_over)

    def _single(self) -> Iterator[TreeFile]:
        try:
            found = os.stat(self.name)
        except OSError as error:
            raise self.error(error, self.name) from error
        tree = self._tree(os.path.dirname(os.path.realpath(self.name)))
        file = TreeFile(path=os.path.basename(self.name), place=self.name, stat=found)
        yield tree.checked(file)

    def _matching(self) -> Iterator[TreeFile]:
        base, pattern = self._split()
        tree, seen = self._tree(base), dict[str, TreeFile]()
        for path in sorted(glob.glob(pattern, root_dir=base, recursive=True)):
            plain = path.rstrip("/")
            if not plain or tree.leaves_out(plain):
                continue
            file = tree.at(plain)
            if file is not None:
                seen[plain] = file
            elif "**" not in pattern.split("/"):
                seen.update((below.path, below) for below in tree.below(plain))
        yield from seen.values()

    def _split(self) -> tuple[str, str]:
        parts = self.name.split("/")
        fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
        return "/".join(parts[:fixed]) or "/", "/".join(parts[fixed:])


def _local_file(file: TreeFile) -> SourceFile:
    found = file.stat
    return SourceFile(
        path=file.path,
        place=file.place,
        size=found.st_size,
        identity=(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino),
        touched=max(found.st_mtime_ns, found.st_ctime_ns),
    )


_CONTENT_KEYS: Final = ("ETag", "etag", "VersionId", "version_id", "generation", "md5Hash", "content_md5", "md5")
_TIME_KEYS: Final = ("LastModified", "last_modified", "updated", "modified", "mtime", "created")


class RemoteFiles:
    """Files behind an fsspec URL."""

    is_remote = True

    def __init__(self, source: str) -> None:
        self.name = re.sub(r"//[^/@]*@", "//", source)
        self._source = source
        self._system, self._base = self._connected()

    def files(self) -> list[SourceFile]:
        self._system.invalidate_cache()
        return sorted(self._listed(), key=lambda file: file.path)

    def walk(self) -> Iterator[SourceFile]:
        return iter(sorted(self.files(), key=lambda file: order_of(file.path)))

    def open_path(self, path: str) -> BinaryIO:
        base = self._fixed() if glob.has_magic(self._base) else self._base
        try:
            handle: BinaryIO = self._system.open(f"{base}/{path}", "rb")
        except OSError:
            if base.rpartition("/")[2] != path:
                raise
            handle = self._system.open(base, "rb")  # The source is that one file.
        return handle

    def open(self, file: SourceFile) -> BinaryIO:
        handle: BinaryIO = self._system.open(file.place, "rb")
        return handle

    def error(self, error: Exception, place: str) -> EverfitError:
        reason = str(error) or type(error).__name__
        if isinstance(error, FileNotFoundError):
            return RequestError(f"There is nothing at {self.name}. Check the URL.")
        if isinstance(error, PermissionError) or "credential" in type(error).__name__.lower():
            return RequestError(f"{self.name} may not be read ({reason}). Give the credentials in use the right to.")
        return BackendError(
            f"{self.name} cannot be reached now ({reason}). This is not taken for an absence of data; try again later.",
            retryable=True,
        )

    def _connected(self) -> tuple[Any, str]:
        core: Any = importlib.import_module("fsspec.core")
        try:
            system, base = core.url_to_fs(self._source)
        except ImportError as error:
            scheme = self.name.partition(":")[0]
            raise RequestError(f"{scheme}:// needs a package that is not installed: {error}.") from error
        except ValueError as error:
            raise RequestError(f"{self.name} cannot be read: {error}.") from error
        except Exception as error:  # A driver of any make raises errors of its own.
            raise self.error(error, self.name) from error
        return system, str(base).rstrip("/")

    def _listed(self) -> Iterator[SourceFile]:
        if not glob.has_magic(self._base):
            yield from self._below(self._base, depth=None)
            return
        fixed = self._fixed()
        pattern = self._base[len(fixed) :].lstrip("/")
        translate: Any = importlib.import_module("fsspec.utils").glob_translate
        matches = re.compile(translate(pattern)).match
        depth = None if "**" in pattern else pattern.count("/") + 1
        yield from (file for file in self._below(fixed, depth) if matches(file.path))

    def _fixed(self) -> str:
        return re.split(r"[*?\[]", self._base)[0].rpartition("/")[0]

    def _below(self, base: str, depth: int | None) -> Iterator[SourceFile]:
        """Walk with ``ls`` alone: a driver's own ``find`` and ``glob`` leave out a folder that cannot be listed."""
        level = [base]
        while level and depth != 0:
            deeper: list[str] = []
            for folder in level:
                for detail in self._entries(folder, is_base=folder == base):
                    place = str(detail["name"]).rstrip("/")
                    name = place.rpartition("/")[2]
                    is_other = place != base and is_passed_over(name)
                    if is_other or (place == folder and detail["type"] == "directory"):
                        continue
                    if detail["type"] == "directory":
                        deeper.append(place)
                    elif not str(detail["name"]).endswith("/"):
                        yield _remote_file(place[len(base) :].lstrip("/") or name, place, detail)
            level, depth = deeper, None if depth is None else depth - 1

    def _entries(self, folder: str, *, is_base: bool) -> list[Mapping[str, Any]]:
        try:
            return list(self._system.ls(folder, detail=True))
        except FileNotFoundError as error:
            if is_base:
                raise self.error(error, self.name) from error
            return []  # It went away since its parent was listed: it is simply not there.
        except Exception as error:
            # A driver of any make raises errors of its own.
            raise self.error(error, self.name) from error


def _remote_file(path: str, place: str, detail: Mapping[str, Any]) -> SourceFile:
    content = [f"{key}={detail[key]}" for key in _CONTENT_KEYS if detail.get(key) is not None]
    times = [detail[key] for key in _TIME_KEYS if detail.get(key) is not None]
    size = None if detail.get("size") is None else int(detail["size"])
    known: Identity = (size, *content, *map(str, times)) if size is not None and (content or times) else ()
    newest = max((_nanoseconds(time) for time in times), default=0)
    return SourceFile(path=path, place=place, size=size, identity=known, touched=None if content else newest)


def _nanoseconds(time: object) -> int:
    if isinstance(time, datetime):
        return int(time.timestamp() * 1e9)
    return int(time * 1e9) if isinstance(time, int | float) else 0
