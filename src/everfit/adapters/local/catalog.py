"""The projects in and below some folders; a file that breaks leaves its last good state in force.

A file that has changed is read when it has been at rest from one look to the next, since half of a project file can be
a project with fewer rules. What was good last is kept in the state folder, so that it holds also after a restart.
Folders that vanish all at once are a disk that is not there, and never projects that somebody removed.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from everfit.adapters.local.home import FILE, home_of
from everfit.adapters.local.kept_projects import KeptProjects
from everfit.adapters.local.project_file import FILE_NAME
from everfit.adapters.local.project_tree import Stamp, projects_below, stamp_of
from everfit.adapters.local.shared_home import noted_project
from everfit.application.ports import Ports
from everfit.application.workspace import Workspace
from everfit.domain.errors import EverfitError, NotFoundError, RequestError
from everfit.domain.notice import Notice, NoticeKind
from everfit.domain.words import nearest

LIST_EVERY: Final = 20.0
"""Seconds between two looks for new projects: a tree costs more than a file."""
SHARE: Final = 100
"""A tree takes at most this part of the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A project file.

    Args:
        read: how it was when it was read last; None when it was not read yet.
        seen: how it is now.
        workspace: the project that is in force.
        content: what that was read from.
        model: that it was about last.
    """

    seen: Stamp
    read: Stamp | None = None
    workspace: Workspace | None = None
    model: str | None = None
    content: bytes = b""
    trouble: str | None = None


class FolderCatalog:
    """Implements ``Catalog``.

    Args:
        folders: each a project, or holds projects at any depth.
        read: gives the project in a folder whose file holds those bytes, or raises with all that is wrong in it.
        home: the state folder.
        seconds: counts up steadily.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        read: Callable[[Path, bytes], Workspace],
        home: Path,
        ports: Ports,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tops = tuple(folder.resolve() for folder in folders)
        self._read_content, self._home, self._ports, self._seconds = read, home.resolve(), ports, seconds
        self._kept = KeptProjects(home)
        self._known = self._kept.models()
        self._files: dict[Path, _File] = {}
        self._workspaces: dict[str, Workspace] = {}
        self._list_at = seconds()
        self._is_first = True
        self.refresh()
        self._is_first = False

    def workspaces(self) -> Mapping[str, Workspace]:
        return self._workspaces

    def workspace(self, model: str) -> Workspace:
        found = self._workspaces.get(model)
        if found is None:
            near = nearest(model, self._workspaces)
            raise NotFoundError(f"There is no model {model!r} here" + (f"; did you mean {near}?" if near else "."))
        return found

    def troubles(self) -> Mapping[str, str]:
        files = self._files
        return {str(folder): file.trouble for folder, file in files.items() if file.trouble is not None}

    def is_elsewhere(self, model: str) -> bool:
        folder = noted_project(self._home, model)
        return folder is not None and not any(folder.resolve().is_relative_to(top) for top in self._tops)

    def refresh(self) -> bool:
        is_listing = self._seconds() >= self._list_at
        folders = dict.fromkeys(self._files)
        if is_listing:
            folders |= dict.fromkeys(self._listed())
        found = {folder: file for folder in folders if (file := self._look(folder, again=is_listing)) is not None}
        if found.keys() == self._files.keys() and all(file is self._files[folder] for folder, file in found.items()):
            return False
        files = self._settled({**found, **self._missed(found)})
        workspaces = {file.workspace.model: file.workspace for file in files.values() if file.workspace is not None}
        for folder in self._files.keys() - files.keys():
            self._forget(self._files[folder], workspaces)
        for folder, file in sorted(files.items()):
            self._tell_of(folder, self._files.get(folder), file)
            if file.workspace is not None and file != self._files.get(folder):
                self._kept.keep(file.workspace.model, folder, file.content)
        is_changed = workspaces != self._workspaces
        self._files, self._workspaces = files, workspaces
        return is_changed

    def _listed(self) -> Sequence[Path]:
        start = self._seconds()
        found = list(projects_below(self._tops))
        end = self._seconds()
        self._list_at = end + max(LIST_EVERY, (end - start) * SHARE)
        return found

    def _look(self, folder: Path, *, again: bool) -> _File | None:
        """Return the file as it is in force now; None when there is none.

        Args:
            again: read also what is in trouble without a change: its cause may lie elsewhere.
        """
        known = self._files.get(folder)
        try:
            stamp = stamp_of(folder)
        except OSError as error:
            words = f"{folder / FILE_NAME} cannot be looked at: {error.strerror}."
            return replace(known or _File(seen=(0, 0, 0)), trouble=words)
        if stamp is None:
            return None
        if known is None or known.seen != stamp:
            known = replace(known, seen=stamp) if known is not None else _File(seen=stamp)
            return self._read(folder, known) if self._is_first else known
        is_read = known.read == stamp and not (again and known.trouble is not None)
        return known if is_read else self._read(folder, known)

    def _read(self, folder: Path, known: _File) -> _File:
        read = self._as_read(folder, known)
        try:
            return read if stamp_of(folder) == known.seen else known
        except OSError:
            return known

    def _as_read(self, folder: Path, known: _File) -> _File:
        try:
            content = (folder / FILE_NAME).read_bytes()
            self._check_home(folder)
            workspace = self._read_content(folder, content)
        except OSError as error:
            words = f"{folder / FILE_NAME} cannot be read: {error.strerror}."
            return replace(self._last_good(folder, known), read=known.seen, trouble=words)
        except EverfitError as error:
            return replace(self._last_good(folder, known), read=known.seen, trouble=str(error))
        return _File(seen=known.seen, read=known.seen, workspace=workspace, model=workspace.model, content=content)

    def _check_home(self, folder: Path) -> None:
        other = home_of(folder)
        if other != self._home and (other / FILE).is_file():
            raise RequestError(
                f"{folder} has its state in {other}, and this service keeps {self._home}: serve it on its own, or "
                f"move {other} away to begin anew."
            )

    def _last_good(self, folder: Path, known: _File) -> _File:
        model = self._known.get(folder)
        content = None if known.workspace is not None or model is None else self._kept.content(model)
        if content is None:
            return known
        try:
            self._check_home(folder)
            return replace(known, workspace=self._read_content(folder, content), model=model, content=content)
        except RequestError:
            # What is wrong now is told; why the file before it is of no use either would be one message too many.
            return known

    def _missed(self, found: Mapping[Path, _File]) -> dict[Path, _File]:
        """Return the files that cannot have been removed, since all of a tree went at once."""
        kept: dict[Path, _File] = {}
        for top in self._tops:
            before = {folder: file for folder, file in self._files.items() if folder.is_relative_to(top)}
            is_lost = not top.is_dir() or len(before) > 1
            if before and is_lost and not before.keys() & found.keys():
                words = f"Nothing is left in {top}: is a disk missing? What was there stays in force until a restart."
                kept |= {folder: replace(file, trouble=words) for folder, file in before.items()}
        return kept

    def _settled(self, files: Mapping[Path, _File]) -> dict[Path, _File]:
        """Return the files with each model given to one of them: to the one that had it, or else the first."""
        owners: dict[str, Path] = {}
        for folder, file in sorted(files.items(), key=self._rank):
            if file.workspace is not None:
                owners.setdefault(file.workspace.model, folder)
        settled = dict(files)
        for folder, file in files.items():
            if file.workspace is not None and owners[file.workspace.model] != folder:
                settled[folder] = self._other(folder, file, file.workspace.model, owners)
        return settled

    def _other(self, folder: Path, file: _File, model: str, owners: dict[str, Path]) -> _File:
        """Return what is in force of a project whose model another one has: what was so before, if that can be."""
        words = f"{folder} and {owners[model]} are both projects of the model {model}; name one of them otherwise."
        before = self._files.get(folder)
        good = None if before is None else before.workspace
        if before is None or good is None or owners.setdefault(good.model, folder) != folder:
            return replace(file, workspace=None, trouble=words)
        return replace(file, workspace=good, content=before.content, trouble=words)

    def _rank(self, each: tuple[Path, _File]) -> tuple[bool, bool, Path]:
        folder, file = each
        model = file.workspace.model if file.workspace is not None else ""
        before = self._workspaces.get(model)
        return before is None or before.folder != str(folder), self._known.get(folder) != model, folder

    def _forget(self, file: _File, workspaces: Mapping[str, Workspace]) -> None:
        if file.workspace is not None and file.workspace.model not in workspaces:
            self._kept.forget(file.workspace.model)

    def _tell_of(self, folder: Path, before: _File | None, now: _File) -> None:
        told = None if before is None else before.trouble
        if now.trouble == told or now.model is None:
            return
        kind = NoticeKind.RECOVERED if now.trouble is None else NoticeKind.TROUBLE
        at = self._ports.clock.now()
        self._ports.outbox.note(
            Notice(
                id=f"{kind.value}:project:{folder}:{at.isoformat()}",
                kind=kind,
                model=now.model,
                environment=None,
                run=None,
                cause=f"project file:{kind.value}:{folder}",
                at=at,
                facts={"reason": now.trouble or "The project file can be read again.", "part": "project file"},
            )
        )
