"""Data that is watched in a test: real folders, an inbox that remembers, a clock that is set by hand."""

import os
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from everfit.adapters.local.listings import LocalListings
from everfit.application.sources.data import DataPorts, DataWatch
from everfit.application.workspace import Workspace
from everfit.domain.notice import Notice
from everfit.domain.project import Data, Environment, Format
from everfit.domain.trigger import Amount, TriggerEvent
from everfit.domain.triggers import NewData, Pace
from tests.fakes import Fused, World
from tests.stored import START

PATIENT = timedelta(seconds=60)


@dataclass
class KeptOutbox:
    """Notices, each once."""

    noted: dict[str, Notice] = field(default_factory=dict[str, Notice])

    def note(self, notice: Notice) -> bool:
        is_new = notice.id not in self.noted
        self.noted.setdefault(notice.id, notice)
        return is_new

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(notice.kind.value, str(notice.facts["reason"])) for notice in self.noted.values()]


@dataclass
class ToldFolders:
    """Folders of which a test says that they have changed."""

    kept: Collection[str] = ()
    hints: set[str] = field(default_factory=set[str])
    words: str | None = None

    def keep(self, sources: Collection[str]) -> None:
        self.kept = sources

    def changed(self) -> Collection[str]:
        found, self.hints = self.hints, set()
        return found

    def trouble(self) -> str | None:
        return self.words


class Watched:
    """A project whose data is watched."""

    def __init__(self, folder: Path, source: str | None = None) -> None:
        self.data = folder / "data"
        self.data.mkdir()
        self.home = folder / ".everfit"
        self.now = START
        self.world = World()
        self.inbox = self.world.inbox
        self.outbox, self.folders = KeptOutbox(), ToldFolders()
        self._passed = 0
        self.listings: Any = LocalListings(self.home, patience=PATIENT, age=timedelta(0))
        self.trigger = NewData(
            key="data",
            environments=("production",),
            pace=Pace(quiet_for=timedelta(minutes=5), at_most=timedelta(hours=1)),
            every=timedelta(minutes=10),
        )
        self.source = source or str(self.data)
        self.watch = self.started()

    def workspace(self) -> Workspace:
        project = self.world.workspace.project
        return replace(
            self.world.workspace,
            project=replace(project, data=Data(source=self.source, format=Format.CSV), triggers=(self.trigger,)),
        )

    def started(self) -> DataWatch:
        """Return a watch as a process that has just started has it."""
        ports = self.world.ports()
        fuse = self.world.fuse
        watch = DataWatch(
            DataPorts(
                inbox=cast("Any", Fused(self.inbox, fuse)),
                outbox=cast("Any", Fused(self.outbox, fuse)),
                listings=cast("Any", Fused(self.listings, fuse)),
                folders=self.folders,
                store=ports.store,
                registry=ports.registry,
                data=ports.data,
            )
        )
        watch.keep((self.workspace(),))
        return watch

    def write(self, name: str, content: str = "x,y\n1,2\n") -> None:
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def touch(self, name: str, nanoseconds: int) -> None:
        """Give the file another time of change, however coarse the clock of the file system is."""
        os.utime(self.data / name, ns=(nanoseconds, nanoseconds))

    def look(self, after: timedelta = timedelta(0)) -> datetime:
        self.now += after
        return self.watch.look(self.now)

    def settle(self) -> None:
        """Look until every change has been reported."""
        self.folders.hints.add(self.source)
        for _ in range(3):
            self.look(timedelta(seconds=2))

    def pass_over(self) -> None:
        """Look at none of the events that were accepted up to now."""
        self._passed = len(self.inbox.events())

    @property
    def accepted(self) -> list[TriggerEvent]:
        return [record.event for record in reversed(self.inbox.events())][self._passed :]

    @property
    def subjects(self) -> list[str]:
        return [event.subject for event in self.accepted]

    @property
    def amount(self) -> Amount:
        return self.accepted[-1].amount

    def environment(self, **changed: Any) -> Environment:
        return replace(self.world.environment(), **changed)
