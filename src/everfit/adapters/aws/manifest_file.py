"""A manifest as a file of lines, read again and again without ever being in memory as a whole."""

import json
import os
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from operator import eq
from pathlib import Path
from typing import Any, Final, Self, cast, overload

from everfit.adapters.files.disk import writing
from everfit.domain.errors import RequestError, StateError
from everfit.domain.snapshot import FileEntry, ManifestDigest, Snapshot, SnapshotId

BEGIN: Final = b'{"files":[\n'
STRIDE: Final = 1024
BLOCK: Final = 1 << 20
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))


class ManifestFiles(Sequence[FileEntry]):
    """The files of a manifest on this machine's disk, which has no name any more and goes with this value.

    Args:
        descriptor: of the file; it is closed with this value.
        marks: where every 1,024th line begins.
    """

    def __init__(self, descriptor: int, marks: Sequence[int], count: int) -> None:
        self._descriptor = descriptor
        self._marks = marks
        self._count = count

    def __del__(self) -> None:
        os.close(self._descriptor)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[FileEntry]:
        return self._from(0)

    @overload
    def __getitem__(self, index: int) -> FileEntry: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[FileEntry]: ...
    def __getitem__(self, index: int | slice) -> FileEntry | Sequence[FileEntry]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(self._count))]
        number = range(self._count)[index]
        entries = self._from(number // STRIDE)
        for _ in range(number % STRIDE):
            next(entries)
        return next(entries)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        entries = cast("Sequence[object]", other)
        return len(self) == len(entries) and all(map(eq, self, entries))

    def __hash__(self) -> int:
        return hash((self._count, *self[:1], *self[-1:]))

    def _from(self, mark: int) -> Iterator[FileEntry]:
        left = self._count - mark * STRIDE
        if left <= 0:
            return
        for line in _lines(self._descriptor, self._marks[mark]):
            yield _entry(line)
            left -= 1
            if not left:
                return


class ManifestWriter:
    """Writes a manifest, and beside it where each file lies, as one goes through the files in their order.

    It is used in a ``with`` statement.

    Args:
        folder: in which ``manifest.json`` and ``objects.jsonl`` are made.
    """

    def __init__(self, folder: Path) -> None:
        self.manifest = folder / "manifest.json"
        self.places = folder / "objects.jsonl"
        self.count = 0
        self._folder = folder
        self._digest = ManifestDigest()
        self._marks = array("Q")
        self._at = len(BEGIN)
        with writing(folder):
            self._to_manifest = self.manifest.open("xb", BLOCK)
            self._to_places = self.places.open("xb", BLOCK)
            self._to_manifest.write(BEGIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # What could not be written was told when it was.
            self._to_manifest.close()
        with suppress(OSError):
            self._to_places.close()

    def add(self, entry: FileEntry, place: object) -> None:
        """Take the next file, and a JSON value that says where it lies."""
        self._digest.add(entry)
        row = written({"path": entry.path, "size": entry.size, "digest": entry.digest})
        if self.count:
            row = b",\n" + row
        if self.count % STRIDE == 0:
            self._marks.append(self._at + 2 * bool(self.count))
        with writing(self._folder):
            self._to_manifest.write(row)
            self._to_places.write(written(place) + b"\n")
        self._at += len(row)
        self.count += 1

    def finish(self) -> Snapshot:
        """Finish both files and return the snapshot, which goes on reading the manifest when its name is removed."""
        name = self._digest.id
        with writing(self._folder):
            self._to_manifest.write(b"\n]," + written({"id": name})[1:] + b"\n")
            self._to_manifest.close()
            self._to_places.close()
            descriptor = os.open(self.manifest, os.O_RDONLY | os.O_CLOEXEC)
        return Snapshot(id=name, files=ManifestFiles(descriptor, self._marks, self.count))


def opened(path: Path, name: SnapshotId, known_as: str) -> Snapshot:
    """Return the snapshot in a manifest, every line of which is checked against its name.

    The file may be removed afterwards; what is returned goes on reading it.

    Args:
        known_as: how a person knows the manifest.

    Raises:
        StateError: it is not what it was.
    """
    marks, digest = array("Q"), ManifestDigest()
    with writing(path.parent):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        count = _checked(descriptor, digest, marks)
    except (ValueError, KeyError, TypeError, RequestError) as error:
        os.close(descriptor)
        raise StateError(f"The manifest {known_as} is damaged ({error}). Freeze the data again.") from error
    files = ManifestFiles(descriptor, marks, count)
    if digest.id != name:
        raise StateError(f"The manifest {known_as} is not what {name} names any more. Freeze the data again.")
    return Snapshot(id=name, files=files)


def _checked(descriptor: int, digest: ManifestDigest, marks: "array[int]") -> int:
    if os.pread(descriptor, len(BEGIN), 0) != BEGIN:
        raise ValueError("it does not begin as one")
    at, count = len(BEGIN), 0
    for line in _lines(descriptor, at):
        if line.startswith(b"]"):
            return count
        if count % STRIDE == 0:
            marks.append(at)
        digest.add(_entry(line))
        at, count = at + len(line), count + 1
    raise ValueError("its end is missing")


def _lines(descriptor: int, start: int) -> Iterator[bytes]:
    rest = b""
    while block := os.pread(descriptor, BLOCK, start):
        start += len(block)
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield line + b"\n"
    if rest:
        yield rest


def _entry(line: bytes) -> FileEntry:
    row: dict[str, Any] = json.loads(line.rstrip(b",\n"))
    return FileEntry(path=row["path"], size=row["size"], digest=row["digest"])


def written(value: object) -> bytes:
    """Return the value as one line of JSON, without its end."""
    return _ENCODER.encode(value).encode("ascii")
