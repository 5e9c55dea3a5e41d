"""One repository that is looked at, and the projects that live in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from everfit.application.ports import Inbox, Outbox
from everfit.application.ports.inbox import Mark
from everfit.application.ports.repositories import Refs, Remote, Repositories
from everfit.application.workspace import Workspace
from everfit.domain.errors import BackendError, EverfitError, RequestError
from everfit.domain.git_event import Change, Noticed, Pushed, Tagged, events_of
from everfit.domain.git_mark import MovedBranch, Seen, look_at_branches, look_at_tags, seen_from_json, seen_to_json
from everfit.domain.notice import Notice, NoticeKind
from everfit.domain.secret import hidden
from everfit.domain.triggers import Push, Tag, Trigger

GLANCE: Final = timedelta(seconds=5)
"""Time between two glances at a folder; only one that shows a change is followed by a look."""
LONGEST_PAUSE: Final = timedelta(minutes=15)
"""After this time a folder is looked at in any case, and a repository that does not answer is asked again."""
TOLD_AFTER: Final = 3
"""People are told once it did not answer so often in a row: networks stumble."""
ACTOR: Final = "git"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A project and where it lives in the repository."""

    workspace: Workspace
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What the last look found, to know that nothing has changed without reading what is remembered."""

    at: datetime
    sign: str | None
    refs: Refs | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The events of what has moved, and how the repository stands, as JSON."""

    noticed: Sequence[Noticed]
    stands: Mapping[str, object]


class WatchedRepository:
    """Compares the refs with those that the inbox remembers, and accepts what has moved together with the new ones."""

    def __init__(self, inbox: Inbox, outbox: Outbox, repositories: Repositories) -> None:
        self._inbox, self._outbox, self._repositories = inbox, outbox, repositories
        self._members: tuple[Member, ...] = ()
        self._remote = Remote(name="", address="")
        self._last: _Look | None = None
        self._due: datetime | None = None
        self._pause = timedelta(0)
        self._failures = 0

    def keep(self, remote: Remote, members: tuple[Member, ...]) -> None:
        """Take these projects from now on."""
        if (remote, members) != (self._remote, self._members):
            self._remote, self._members, self._last, self._due = remote, members, None, None

    def look(self, now: datetime) -> datetime:
        """Look when it is time, and return when the next time is."""
        if self._due is None or not now < self._due <= now + self._pause:
            self._pause = self._looked(now)
            self._due = now + self._pause
        return self._due

    def _looked(self, now: datetime) -> timedelta:
        """Look, and return how long to wait before the next time."""
        every = min(member.workspace.project.repository.every for member in self._members)
        sign, last = self._repositories.sign(self._remote), self._last
        glance = every if sign is None else min(GLANCE, every)
        longest = max(every, LONGEST_PAUSE)
        if sign is not None and last is not None and sign == last.sign and timedelta(0) <= now - last.at < longest:
            return glance
        mark = self._inbox.marks(self._key).get(self._key, {})
        try:
            refs = self._repositories.refs(self._remote)
            is_known = last is not None and last.refs == refs
            found = None if is_known else self._found(refs, seen_from_json(mark), now)
        except (BackendError, RequestError) as error:
            return self._trouble(error, mark, every, now)
        if found is not None or "trouble" in mark:
            self._keep_mark(found, mark, now)
        self._last, self._failures = _Look(at=now, sign=sign, refs=refs), 0
        return glance

    @property
    def _key(self) -> str:
        return f"git:{self._remote.name}"

    def _found(self, refs: Refs, seen: Seen, now: datetime) -> _Found:
        """Return the events of what has moved, and how the repository stands now."""
        triggers = [trigger for member in self._members for trigger in member.workspace.project.triggers]
        branches = {trigger.branch for trigger in triggers if isinstance(trigger, Push)}
        patterns = {trigger.pattern for trigger in triggers if isinstance(trigger, Tag)}
        moved, branches_now = look_at_branches(seen, refs.branches, branches)
        moved_tags, tags_now = look_at_tags(seen, refs.tags, patterns)
        name = self._remote.name
        tagged = [Tagged(repository=name, actor=ACTOR, at=now, tag=each.tag, commit=each.commit) for each in moved_tags]
        changes: list[Change] = [*(self._pushed(each, triggers, now) for each in moved), *tagged]
        noticed = [
            noticed
            for change in changes
            for member in self._members
            for noticed in events_of(change, member.workspace.project, member.folder)
        ]
        return _Found(noticed=noticed, stands=seen_to_json(Seen(branches=branches_now, tags=tags_now)))

    def _pushed(self, moved: MovedBranch, triggers: Sequence[Trigger], now: datetime) -> Pushed:
        asks = any(isinstance(each, Push) and each.branch == moved.branch and each.paths for each in triggers)
        is_asked = asks and moved.old is not None
        paths = self._repositories.changed(self._remote, moved.old or "", moved.new) if is_asked else None
        name = self._remote.name
        return Pushed(repository=name, actor=ACTOR, at=now, branch=moved.branch, commit=moved.new, paths=paths)

    def _keep_mark(self, found: _Found | None, mark: Mark, now: datetime) -> None:
        """Accept the events together with how the repository stands, so that a kill before it finds them again."""
        since = mark.get("trouble")
        if isinstance(since, str):
            self._tell(NoticeKind.RECOVERED, since, "it answers again", now)
        before = {key: value for key, value in mark.items() if key != "trouble"}
        stands = before if found is None else found.stands
        noticed = () if found is None else found.noticed
        for each in noticed:
            if each.refusal is not None:
                self._inbox.refuse(each.event, each.refusal)
        if noticed or stands != mark:
            self._inbox.accept([each.event for each in noticed if each.refusal is None], {self._key: stands})

    def _trouble(self, error: EverfitError, mark: Mark, every: timedelta, now: datetime) -> timedelta:
        """Tell people once that the repository does not answer, and return how long to wait."""
        self._failures += 1
        if self._failures >= TOLD_AFTER and "trouble" not in mark:
            since = now.isoformat()
            self._tell(NoticeKind.TROUBLE, since, str(error), now)
            self._inbox.accept((), {self._key: {**mark, "trouble": since}})
        longer: timedelta = every * 2 ** min(self._failures - 1, 10)
        return max(every, min(longer, LONGEST_PAUSE))

    def _tell(self, kind: NoticeKind, since: str, words: str, now: datetime) -> None:
        for member in self._members:
            project = member.workspace.project
            notice = Notice(
                id=f"{self._key}:{project.model}:{kind.value}:{since}",
                kind=kind,
                model=project.model,
                environment=None,
                run=None,
                cause=self._key,
                at=now,
                facts={"reason": hidden(words, project.secrets), "part": "git"},
            )
            self._outbox.note(notice)
