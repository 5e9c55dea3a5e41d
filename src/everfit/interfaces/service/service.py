"""The whole service but its HTTP side: its parts, started together and drained together."""

import time
from collections.abc import Sequence
from dataclasses import replace
from threading import Event
from typing import Final, cast

from everfit.application.ports import Inbox, Ports
from everfit.bootstrap_service import Installation
from everfit.interfaces.service.chore import Chore
from everfit.interfaces.service.dispatcher import Dispatcher
from everfit.interfaces.service.health import HealthBook
from everfit.interfaces.service.host import HostKeeper
from everfit.interfaces.service.live import LiveWatch
from everfit.interfaces.service.log import LOG
from everfit.interfaces.service.part import Part, Turn
from everfit.interfaces.service.projects import Projects
from everfit.interfaces.service.teller import Deadlines, Teller
from everfit.interfaces.service.troubles import Troubles
from everfit.interfaces.service.waking import WakingInbox
from everfit.interfaces.service.watching import Watching
from everfit.interfaces.service.work import Place, Work
from everfit.interfaces.service.worker import Worker

DAY: Final = 86_400.0
"""In seconds."""


class Service:
    """Notices, decides, works and tells, each in threads of its own.

    Args:
        workers: how many runs are driven at once.
    """

    def __init__(self, installation: Installation, workers: int) -> None:
        self.health = HealthBook()
        self._leaving = Event()
        self._catalog = installation.catalog
        inbox = cast("Inbox", WakingInbox(installation.ports.inbox, self.wake))
        self.ports: Ports = replace(installation.ports, inbox=inbox, leaving=self._leaving.is_set)
        self._told = Troubles(self._catalog, self.ports).tell
        self._work = Work(self._wake_workers)
        self._dispatcher = Dispatcher(
            self._work, self._catalog, self.ports, installation.changes, is_alone=installation.is_alone
        )
        self._dispatching = self._part("dispatcher", self._dispatcher.turn)
        names = [f"worker-{number}" for number in range(1, workers + 1)]
        self._crew = [Worker(name, self._work, self._catalog, self.ports, self._settled) for name in names]
        self._workers = [self._part(name, worker.turn) for name, worker in zip(names, self._crew, strict=True)]
        named = installation.sources(inbox, self._look_again)
        self._watching = [Watching(source, self._catalog, self.ports.clock) for source in named.values()]
        turns = zip(named, self._watching, strict=True)
        self._sources = {name: self._part(name, watching.turn) for name, watching in turns}
        self._projects = self._part("projects", Projects(self._catalog, self._projects_changed).turn)
        host = HostKeeper(self._catalog, self.ports.endpoints, self.ports.registry)
        self._host = self._part("endpoint host", host.turn)
        self._chores = [
            self._part("archive", Chore(installation.archive, DAY).turn),
            self._part("alerts", Teller(self._catalog, self.ports, installation.changes).turn),
            self._part("deadlines", Deadlines(self._catalog, self.ports).turn),
            self._part("live watch", LiveWatch(self._catalog, self.ports).turn),
        ]

    def start(self) -> None:
        """Start every part."""
        for part in self._parts:
            part.start()

    def wake(self) -> None:
        """Look at what waits now: something has happened."""
        self._dispatcher.ask()
        self._dispatching.wake()

    def reload(self) -> None:
        """Read changed project files now."""
        self._projects.wake()

    def drain(self, grace: float) -> bool:
        """Start nothing more and let go of what is under way; tell whether every part has ended.

        A training goes on in a process of its own, and the next start finds it again.

        Args:
            grace: seconds that a step gets to end or to reach a safe point; one that changes what serves is waited
                for in any case.
        """
        self.health.drain()
        self._leaving.set()
        for part in self._parts:
            part.stop()
        end = time.monotonic() + grace
        for part in self._parts:
            part.has_ended(max(0.0, end - time.monotonic()))
        while any(worker.is_settling for worker in self._crew):
            LOG.info("a deployment is under way and is waited for")
            for part in self._workers:
                part.has_ended(1.0)
        return all(part.has_ended(0.0) for part in self._parts)

    @property
    def _parts(self) -> Sequence[Part]:
        ends = (self._host, *self._chores)
        return (*self._sources.values(), self._projects, self._dispatching, *self._workers, *ends)

    def _part(self, name: str, turn: Turn) -> Part:
        return Part(name, turn, self.health, self._told)

    def _look_again(self, source: str) -> None:
        self._sources[source].wake()

    def _wake_workers(self) -> None:
        for part in self._workers:
            part.wake()

    def _settled(self, place: Place) -> None:
        self._dispatcher.forget(place)
        self._dispatching.wake()

    def _projects_changed(self) -> None:
        for watching in self._watching:
            watching.projects_changed()
        for part in self._sources.values():
            part.wake()
        self._dispatcher.forget()
        self._dispatching.wake()
