"""Watches folders with the events of the file system, through watchfiles.

All folders share one or two watchers, since systems allow few of them. A watcher cannot be given more folders later, so
a new one takes over whenever the set of folders is another one; what may have happened in between counts as a change.
"""

import glob
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Final

from everfit.adapters.local.sources import LocalFiles, source_of
from everfit.domain.data_names import is_data

STEP: Final = 100
"""Milliseconds between two looks for events."""
BURST: Final = 400
"""Milliseconds for which the events of a burst are gathered."""
ARMED_WITHIN: Final = 1000
"""Milliseconds after which a watcher without events says that it is at work."""

Root = tuple[str, bool, int, int]
"""Folder without links, whether what lies deeper counts, device and inode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watcher:
    roots: frozenset[Root]
    stop: Event
    thread: Thread


class WatchedFolders:
    """Folders that are watched for changes.

    Args:
        wake: is called when something has changed.
    """

    def __init__(self, home: Path, wake: Callable[[], None] = lambda: None) -> None:
        self._home = home
        self._own = os.path.realpath(home)
        self._wake = wake
        self._lock = Lock()
        self._sources: tuple[str, ...] = ()
        self._by_root: dict[str, set[str]] = {}
        self._changed: set[str] = set()
        self._watchers: dict[bool, _Watcher] = {}
        self._trouble: str | None = None

    def keep(self, sources: Collection[str]) -> None:
        self._sources = tuple(sources)
        roots: set[Root] = set()
        by_root: dict[str, set[str]] = {}
        for source in self._sources:
            root = _root_of(source, self._home)
            if root is not None:
                roots.add(root)
                by_root.setdefault(root[0], set()).add(source)
        with self._lock:
            self._by_root = by_root
        for is_deep in (True, False):
            self._watch(frozenset(root for root in roots if root[1] is is_deep), is_deep=is_deep)

    def changed(self) -> Collection[str]:
        if any(not watcher.thread.is_alive() for watcher in self._watchers.values()):
            self._watchers = {key: each for key, each in self._watchers.items() if each.thread.is_alive()}
        with self._lock:
            changed, self._changed = self._changed, set()
        return changed

    def trouble(self) -> str | None:
        return self._trouble

    def close(self) -> None:
        """Watch nothing any more."""
        for watcher in self._watchers.values():
            watcher.stop.set()
        for watcher in self._watchers.values():
            watcher.thread.join()
        self._watchers = {}

    def _watch(self, roots: frozenset[Root], *, is_deep: bool) -> None:
        old = self._watchers.get(is_deep)
        known = frozenset[Root]() if old is None else old.roots
        if known == roots:
            return
        if roots:
            stop, unseen = Event(), {root[0] for root in roots - known}
            thread = Thread(target=self._follow, args=(roots, stop, unseen, old), name="everfit-folders", daemon=True)
            self._watchers[is_deep] = _Watcher(roots=roots, stop=stop, thread=thread)
            thread.start()
        elif old is not None:
            del self._watchers[is_deep]
            old.stop.set()

    def _follow(self, roots: frozenset[Root], stop: Event, unseen: set[str], old: _Watcher | None) -> None:
        """Note what happens until *stop*; the old watcher goes on until this one is at work."""
        watch: Any = import_module("watchfiles").watch
        try:
            for events in watch(
                *sorted(root[0] for root in roots),
                watch_filter=None,
                debounce=BURST,
                step=STEP,
                stop_event=stop,
                rust_timeout=ARMED_WITHIN,
                yield_on_timeout=True,
                recursive=any(root[1] for root in roots),
                ignore_permission_denied=True,
                raise_interrupt=False,
            ):
                self._trouble = None
                if old is not None:
                    old.stop.set()
                self._note({*unseen, *(place for _, place in events)})
                unseen = set()
        except (OSError, RuntimeError) as error:
            self._trouble = _words(error)
        finally:
            if old is not None:
                old.stop.set()

    def _note(self, places: Collection[str]) -> None:
        with self._lock:
            found = {source for place in places for source in self._sources_of(place)}
            is_news = not found <= self._changed
            self._changed |= found
        if is_news:
            self._wake()

    def _sources_of(self, place: str) -> Iterator[str]:
        """Yield the sources that a changed file or folder may belong to."""
        if place == self._own or place.startswith(self._own + "/"):
            return
        folder = place
        while True:
            for source in self._by_root.get(folder, ()):
                if is_data(place[len(folder) :].strip("/")) or folder == place:
                    yield source
            above = os.path.dirname(folder)
            if above == folder:
                return
            folder = above


def _root_of(source: str, home: Path) -> Root | None:
    """Return the folder to be watched for a source; None when it is a URL or not there now."""
    if "://" in source and not source.startswith(("file://", "local://")):
        return None
    found = source_of(source, home)
    if not isinstance(found, LocalFiles):
        return None
    folder = os.path.realpath(found.base)
    try:
        status = os.stat(folder)
    except OSError:
        return None  # Listing it says what is wrong.
    return folder, _is_deep(found), status.st_dev, status.st_ino


def _is_deep(found: LocalFiles) -> bool:
    if os.path.isdir(found.name):
        return True
    return found.is_glob and glob.has_magic(os.path.dirname(found.name))


def _words(error: Exception) -> str:
    if "limit" in str(error):
        return (
            "The system's limit of watched folders is reached, so changes are noticed by looking from time to time "
            "only. Raise fs.inotify.max_user_watches and fs.inotify.max_user_instances (sysctl), then restart."
        )
    return f"Folders cannot be watched ({error}), so changes are noticed by looking from time to time only."
