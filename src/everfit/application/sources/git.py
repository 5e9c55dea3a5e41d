"""Notices pushes and tags by looking at the repositories, each once however many projects live in it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from everfit.application.ports import Inbox, Outbox
from everfit.application.ports.repositories import Home, Repositories
from everfit.application.sources.watched_repository import Member, WatchedRepository
from everfit.application.workspace import Workspace
from everfit.domain.errors import BackendError, EverfitError, RequestError
from everfit.domain.notice import Notice, NoticeKind
from everfit.domain.triggers import Push, Tag

GATHER: Final = timedelta(minutes=1)
"""How often is asked which repository each project lives in: somebody may have given it another origin."""
IDLE: Final = timedelta(hours=1)


class GitSource:
    """Looks at each repository that a project's push or tag triggers wait for."""

    def __init__(self, inbox: Inbox, outbox: Outbox, repositories: Repositories) -> None:
        self._inbox, self._outbox, self._repositories = inbox, outbox, repositories
        self._workspaces: tuple[Workspace, ...] = ()
        self._watched: dict[str, WatchedRepository] = {}
        self._gathered: datetime | None = None

    def keep(self, workspaces: Sequence[Workspace]) -> None:
        self._workspaces = tuple(each for each in workspaces if waits_for_git(each))
        self._gathered = None

    def look(self, now: datetime) -> datetime:
        if not self._workspaces:
            return now + IDLE
        if self._gathered is None or not timedelta(0) <= now - self._gathered < GATHER:
            self._gather(now)
        dues = [watched.look(now) for watched in self._watched.values()]
        return min([*dues, now + GATHER])

    def _gather(self, now: datetime) -> None:
        """Group the projects by repository; one that is known goes on with what is known of it."""
        members: dict[str, list[Member]] = {}
        homes: dict[str, Home] = {}
        for workspace in self._workspaces:
            home = self._home(workspace, now)
            if home is not None:
                homes.setdefault(home.remote.name, home)
                members.setdefault(home.remote.name, []).append(Member(workspace=workspace, folder=home.folder))
        before, self._watched = self._watched, {}
        for name, each in members.items():
            watched = before.get(name) or WatchedRepository(self._inbox, self._outbox, self._repositories)
            watched.keep(homes[name].remote, tuple(each))
            self._watched[name] = watched
        self._gathered = now

    def _home(self, workspace: Workspace, now: datetime) -> Home | None:
        try:
            return self._repositories.home(workspace)
        except (BackendError, RequestError) as error:
            self._tell(workspace, error, now)
            return None

    def _tell(self, workspace: Workspace, error: EverfitError, now: datetime) -> None:
        cause = f"git:{workspace.folder}"
        self._outbox.note(
            Notice(
                id=f"{cause}:{workspace.model}:{now.date()}",
                kind=NoticeKind.TROUBLE,
                model=workspace.model,
                environment=None,
                run=None,
                cause=cause,
                at=now,
                facts={"reason": str(error), "part": "git"},
            )
        )


def waits_for_git(workspace: Workspace) -> bool:
    """Tell whether any of the project's triggers waits for a push or a tag."""
    return any(isinstance(trigger, (Push, Tag)) for trigger in workspace.project.triggers)
