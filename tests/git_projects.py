"""Git in tests: repositories that are made up, and real ones that no setting of this machine reaches."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from everfit.adapters.memory.clock import SettableClock
from everfit.adapters.memory.inbox import MemoryInbox
from everfit.adapters.memory.run_store import MemoryRunStore
from everfit.application.ports.repositories import Home, Refs, Remote
from everfit.application.sources.git import GitSource
from everfit.application.workspace import Workspace
from everfit.domain.errors import BackendError, RequestError
from everfit.domain.trigger import EventEnd, TriggerEvent
from tests.fakes import Fuse, Fused
from tests.project_example import node_of, read_tree, with_keys
from tests.stored import START
from tests.watching import KeptOutbox

ONE, TWO, THREE = "1" * 40, "2" * 40, "3" * 40
GITHUB = "github.com/octo/model"
ALONE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_SYSTEM": os.devnull}
TRIGGERS: Mapping[str, Any] = {
    "environments": {"staging": {"tag": "staging-v*"}, "production": {"tag": "production-v*"}},
    "triggers": [{"push": {"paths": ["src/**"]}, "environments": ["staging"]}],
}


class LookedAtInbox(MemoryInbox):
    """An inbox that shows what is in it."""

    def __init__(self) -> None:
        clock = SettableClock(START)
        super().__init__(MemoryRunStore(clock, is_dead=lambda owner: False), clock)

    def ended(self, end: EventEnd) -> list[TriggerEvent]:
        return [record.event for record in reversed(self.events(end=end, limit=100_000))]

    @property
    def accepted(self) -> list[TriggerEvent]:
        return self.ended(EventEnd.PENDING)

    @property
    def refused(self) -> list[str]:
        return [event.id for event in self.ended(EventEnd.SKIPPED)]

    @property
    def started(self) -> list[tuple[str, str, object]]:
        """Model, environment and commit of each event."""
        return [(event.model, event.environment, event.detail["commit"]) for event in self.accepted]


@dataclass
class MadeUpRepository:
    """One repository for every project; each call of it is counted."""

    branches: dict[str, str] = field(default_factory=dict[str, str])
    tags: dict[str, str] = field(default_factory=dict[str, str])
    paths: frozenset[str] | None = frozenset({"src/a.py"})
    is_down: bool = False
    lost: str | None = None
    signature: str | None = None
    calls: list[str] = field(default_factory=list[str])

    def home(self, workspace: Workspace) -> Home:
        if workspace.model == self.lost:
            raise RequestError(f"{self.lost} lies in no git repository")
        return Home(remote=Remote(name=GITHUB, address="https://me:s3cret@github.com/octo/model"), folder="")

    def refs(self, remote: Remote) -> Refs:
        self.calls.append("refs")
        if self.is_down:
            raise BackendError(f"{remote.name} does not answer", retryable=True)
        return Refs(branches=dict(self.branches), tags=dict(self.tags))

    def sign(self, remote: Remote) -> str | None:
        return self.signature

    def changed(self, remote: Remote, old: str, new: str) -> frozenset[str] | None:
        self.calls.append(f"changed {old[0]} {new[0]}")
        return self.paths


def a_workspace(model: str = "house", **keys: Any) -> Workspace:
    project = read_tree(node_of(with_keys(**{**TRIGGERS, **keys})))
    return Workspace(folder=f"/projects/{model}", project=replace(project, model=model))


class GitWatch:
    """A source that looks at a made-up repository, and can be killed at any call."""

    def __init__(self, *workspaces: Workspace) -> None:
        self.workspaces = workspaces or (a_workspace(),)
        self.repository = MadeUpRepository(branches={"main": ONE})
        self.inbox, self.outbox, self.fuse = LookedAtInbox(), KeptOutbox(), Fuse()
        self.now = START
        self.restart()

    def restart(self) -> None:
        ports: Sequence[Any] = [Fused(each, self.fuse) for each in (self.inbox, self.outbox, self.repository)]
        self.source = GitSource(*ports)
        self.source.keep(self.workspaces)

    def look(self, now: datetime | None = None) -> datetime:
        """Look when it is time, or at another time."""
        self.now = now or self.now
        self.now = self.source.look(self.now)
        return self.now


def git(folder: Path, *arguments: str) -> str:
    """Run git as a person would who has no settings."""
    who = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "init.defaultBranch=main")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", *who, "-c", "protocol.file.allow=always", *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, env={**kept, **ALONE})
    return done.stdout.strip()


class GitProject:
    """A bare repository and a clone of it, in which a project lies."""

    def __init__(self, folder: Path, below: str = "") -> None:
        self.bare, self.top = folder / "origin.git", folder / "clone"
        folder.mkdir(parents=True, exist_ok=True)
        git(folder, "init", "-q", "--bare", str(self.bare))
        git(folder, "clone", "-q", str(self.bare), str(self.top))
        git(self.top, "checkout", "-q", "-b", "main")
        self.folder = self.top / below
        self.commit("train.py", "print('one')\n")

    def commit(self, name: str, text: str, *, push: bool = True) -> str:
        """Commit a file of the project, and return the commit."""
        place = self.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        git(self.top, "add", str(place))
        git(self.top, "commit", "-q", "-m", f"Change {name}")
        if push:
            git(self.top, "push", "-q", "origin", "HEAD")
        return git(self.top, "rev-parse", "HEAD")

    def tag(self, name: str, *options: str) -> None:
        git(self.top, "tag", *options, name)
        git(self.top, "push", "-q", "--force", "origin", f"refs/tags/{name}")

    def workspace(self, url: str | None = None, **keys: Any) -> Workspace:
        made = a_workspace(**keys)
        project = replace(made.project, repository=replace(made.project.repository, url=url))
        return Workspace(folder=str(self.folder), project=project)
