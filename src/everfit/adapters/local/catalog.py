"""The projects in and below some folders; a file that breaks leaves its last good state in force.

What was good last is remembered in the state folder, so that it holds also after a restart.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from everfit.adapters.local.project_file import FILE_NAME
from everfit.application.ports import Ports
from everfit.application.workspace import Workspace
from everfit.domain.errors import EverfitError, NotFoundError
from everfit.domain.notice import Notice, NoticeKind
from everfit.domain.words import nearest

PRUNED: Final = frozenset({"node_modules", "__pycache__"})
LIST_EVERY: Final = 10
"""Looks at the known files between two looks for new ones: a tree costs more than a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A project file as it was read last."""

    stamp: tuple[int, int, int]
    workspace: Workspace | None
    trouble: str | None


class FolderCatalog:
    """Implements ``Catalog``.

    Args:
        folders: each a project, or holds projects at any depth.
        read: gives the project in a folder, or raises with all that is wrong in its file.
    """

    def __init__(self, folders: Sequence[Path], read: Callable[[Path], Workspace], ports: Ports) -> None:
        self._folders = tuple(folder.resolve() for folder in folders)
        self._read = read
        self._ports = ports
        self._seen: dict[Path, _Seen] = {}
        self._workspaces: dict[str, Workspace] = {}
        self._looks = 0
        self.refresh()

    def workspaces(self) -> Mapping[str, Workspace]:
        return self._workspaces

    def workspace(self, model: str) -> Workspace:
        found = self._workspaces.get(model)
        if found is None:
            near = nearest(model, self._workspaces)
            raise NotFoundError(f"There is no model {model!r} here" + (f"; did you mean {near}?" if near else "."))
        return found

    def troubles(self) -> Mapping[str, str]:
        return {str(folder): seen.trouble for folder, seen in self._seen.items() if seen.trouble is not None}

    def refresh(self) -> bool:
        before = self._workspaces
        folders = list(self._found()) if self._looks % LIST_EVERY == 0 else list(self._seen)
        self._looks += 1
        self._seen = {folder: seen for folder in folders if (seen := self._look(folder)) is not None}
        self._workspaces = self._by_model()
        return self._workspaces != before

    def _found(self) -> Iterator[Path]:
        for top in self._folders:
            for place, below, files in os.walk(top):
                if FILE_NAME in files:
                    yield Path(place)
                    below.clear()
                below[:] = sorted(name for name in below if name not in PRUNED and not name.startswith("."))

    def _look(self, folder: Path) -> _Seen | None:
        known = self._seen.get(folder)
        try:
            status = (folder / FILE_NAME).stat()
        except OSError:
            return None
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        if known is not None and known.stamp == stamp:
            return known
        last = None if known is None else known.workspace
        try:
            workspace = self._read(folder)
        except EverfitError as error:
            self._tell(NoticeKind.TROUBLE, folder, last, str(error))
            return _Seen(stamp=stamp, workspace=last, trouble=str(error))
        if known is not None and known.trouble is not None:
            self._tell(NoticeKind.RECOVERED, folder, workspace, "The project file can be read again.")
        return _Seen(stamp=stamp, workspace=workspace, trouble=None)

    def _by_model(self) -> dict[str, Workspace]:
        found: dict[str, Workspace] = {}
        for folder, seen in sorted(self._seen.items()):
            if seen.workspace is None:
                continue
            first = found.setdefault(seen.workspace.model, seen.workspace)
            if first.folder != seen.workspace.folder:
                words = f"{first.folder} is a project of the model {first.model} too; name one of them otherwise."
                self._seen[folder] = _Seen(stamp=seen.stamp, workspace=seen.workspace, trouble=words)
        return found

    def _tell(self, kind: NoticeKind, folder: Path, workspace: Workspace | None, words: str) -> None:
        if workspace is None:
            return
        now = self._ports.clock.now()
        self._ports.outbox.note(
            Notice(
                id=f"{kind.value}:project:{folder}:{now.isoformat()}",
                kind=kind,
                model=workspace.model,
                environment=None,
                run=None,
                cause=f"project file:{kind.value}:{folder}",
                at=now,
                facts={"reason": words, "part": "project file"},
            )
        )
