"""What a data source held at one look at it, and what is different at the next.

Listings are streams of files in one order, so that comparing them takes no memory for a hundred thousand files.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from everfit.domain.amounts import counted

EXAMPLES: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """One file.

    Args:
        path: relative to the data source, with forward slashes.
        size: in bytes.
        mark: changes when the content does; empty when only path and size are known.
    """

    path: str
    size: int
    mark: str


FROM_STORAGE: Final = "etag:"

Changed = tuple[ListedFile | None, ListedFile | None]
"""One path before and after; None where it is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What is different in a newer listing.

    Args:
        bytes: sizes of new files, and by how much replaced ones have grown.
        examples: the first few paths.
    """

    added: int = 0
    replaced: int = 0
    removed: int = 0
    bytes: int = 0
    examples: tuple[str, ...] = ()

    @property
    def files(self) -> int:
        """How many files are not as they were."""
        return self.added + self.replaced + self.removed

    @property
    def words(self) -> str:
        """Say it to people: ``3 files new, 1 replaced, 1 deleted``."""
        said = [(self.added, "new"), (self.replaced, "replaced"), (self.removed, "deleted")]
        (count, how), *more = [(count, how) for count, how in said if count] or [(0, "new")]
        return ", ".join([f"{counted(count, 'file')} {how}", *(f"{count} {how}" for count, how in more)])


def mark_of(digest: str) -> str:
    """Return the mark of a file by its digest in a snapshot; empty where a listing cannot know that digest."""
    return digest.removeprefix(FROM_STORAGE)[:20] if digest.startswith(FROM_STORAGE) else ""


def order_of(path: str) -> str:
    """Return what listings are sorted by: the order in which a walk that sorts each folder by name meets files."""
    return path.replace("/", "\0")


def aligned(*listings: Iterable[ListedFile]) -> Iterator[tuple[ListedFile | None, ...]]:
    """Yield, path by path, what each listing has there."""
    streams = [iter(listing) for listing in listings]
    heads = [next(stream, None) for stream in streams]
    while orders := [order_of(head.path) for head in heads if head is not None]:
        first = min(orders)
        row = tuple(head if head is not None and order_of(head.path) == first else None for head in heads)
        yield row
        for place, met in enumerate(row):
            if met is not None:
                heads[place] = next(streams[place], None)


def is_alike(first: ListedFile | None, second: ListedFile | None) -> bool:
    """Tell whether nothing shows that the content changed; only sizes are compared where one has no mark."""
    if first is None or second is None:
        return first is second
    return first.size == second.size and (first.mark == second.mark or not first.mark or not second.mark)


def changes(before: Iterable[ListedFile], after: Iterable[ListedFile]) -> Iterator[Changed]:
    """Yield the files that are not alike."""
    for old, new in aligned(before, after):
        if not is_alike(old, new):
            yield old, new


def difference(changed: Iterable[Changed]) -> Difference:
    """Return the changes, summed up."""
    added = replaced = removed = size = 0
    examples: list[str] = []
    for old, new in changed:
        added += old is None
        removed += new is None
        replaced += old is not None and new is not None
        size += max(0, (new.size if new else 0) - (old.size if old else 0))
        found = new or old
        if found is not None and len(examples) < EXAMPLES:
            examples.append(found.path[:200])
    return Difference(added=added, replaced=replaced, removed=removed, bytes=size, examples=tuple(examples))


def moving(before: Iterable[ListedFile], after: Iterable[ListedFile], at_most: int) -> list[str]:
    """Return the paths that changed between two looks, and may be half written therefore.

    Args:
        at_most: how many are returned.
    """
    found = (new or old for old, new in changes(before, after))
    return [file.path for file in islice(found, at_most) if file is not None]


def settled(
    reported: Iterable[ListedFile],
    before: Iterable[ListedFile],
    after: Iterable[ListedFile],
    overdue: Collection[str],
) -> Iterator[ListedFile]:
    """Yield the newest listing, but for files that changed since the one before: those as they were last reported.

    Args:
        overdue: paths that are taken as they are, because they have been changing for too long.
    """
    for known, old, new in aligned(reported, before, after):
        is_due = new is not None and new.path in overdue
        chosen = new if is_due or is_alike(old, new) else known
        if chosen is not None:
            yield chosen
