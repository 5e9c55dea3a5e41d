"""One project on each way to run it, so that the same story can be told on all of them."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from everfit.application.aws_decisions import CONSOLE
from everfit.application.dispatch import Held, dispatch
from everfit.application.journal import drive
from everfit.application.ports import Ports
from everfit.application.releases import Decision, keep, roll_back
from everfit.application.retraining import is_decided
from everfit.application.triggering import Demand, cancel, pause, request, resume
from everfit.application.workspace import Workspace
from everfit.domain.inbox import Pause
from everfit.domain.notice import Notice
from everfit.domain.project import Environment
from everfit.domain.run import Run
from everfit.domain.trigger import Wish
from tests.aws.bench.client import until
from tests.aws.endings import ENVIRONMENT, ending, plain

ALARM = "line-errors"


def rows(first: int = 0, count: int = 60, slope: float = 2.0, noise: float = 0.5) -> str:
    """Return a CSV of y = slope * x, with a fixed zigzag of *noise* instead of chance."""
    lines = ["id,x,y"]
    for row in range(first, first + count):
        x = 1 + row % 20
        lines.append(f"{row},{x},{slope * x + noise * (-1) ** row:.3f}")
    return "\n".join(lines) + "\n"


@dataclass
class Stage(ABC):
    """A project whose environment ``production`` is on one backend."""

    workspace: Workspace
    ports: Ports

    @property
    def environment(self) -> Environment:
        return self.workspace.project.environments[ENVIRONMENT]

    @abstractmethod
    def put(self, name: str, content: str) -> None:
        """Write a file of the data source."""

    @abstractmethod
    def change(self, name: str, content: str) -> None:
        """Change a script of the project."""

    @abstractmethod
    def look(self) -> None:
        """Find what is new in the data source, as this backend does all the time."""

    def pause(self) -> None:
        """Start nothing until ``resume``."""
        paused = Pause(
            model=self.workspace.model, environment=None, actor="ada", reason="data", since=self.ports.clock.now()
        )
        pause(paused, self.workspace, self.ports)

    def resume(self) -> None:
        resume(None, self.workspace, self.ports)

    def trigger(self, name: str, *, force: bool = False) -> None:
        """Accept an event; nothing starts by it yet."""
        demand = Demand(actor="tester", id=name, environment=ENVIRONMENT, wish=Wish(force=force))
        request(demand, self.workspace, self.ports)

    def settle(self) -> None:
        """Let everything that was accepted or decided come as far as it can."""
        while (run := self._next()) is not None:
            drive(run.id, self.workspace, self.ports)

    @contextmanager
    def settling(self) -> Generator[None]:
        """Do something while everything comes as far as it can."""
        with ThreadPoolExecutor(1) as pool:
            settled = pool.submit(self.settle)
            yield
            settled.result()

    def training(self) -> Run:
        """Wait until a training is under way, and return its run."""

        def found() -> Run | None:
            run = self.ports.store.unfinished(self.workspace.model, ENVIRONMENT)
            return run if run is not None and (run.waits_for or "").endswith("-train") else None

        run = until(found, "a training that runs")
        assert run is not None
        return run

    def cancel(self, run: Run) -> None:
        cancel(run.id, "ada", "not needed any more", self.ports)

    def approve(self, version: int, *, approved: bool = True) -> None:
        decision = Decision(version=version, approved=approved, actor="ada", reason="looked at")
        keep(decision, self.environment, self.workspace, self.ports)

    def asked_about(self) -> int:
        """Return the version that waits for a person."""
        (run,) = self.ports.store.waiting(self.workspace.model, ENVIRONMENT)
        assert run.version is not None
        return run.version

    def approve_in_console(self, version: int) -> None:
        """Approve where AWS shows the version; elsewhere somebody says the same words."""
        decision = Decision(
            version=version, approved=True, actor=CONSOLE, reason="decided in SageMaker's Model Registry"
        )
        keep(decision, self.environment, self.workspace, self.ports)

    def roll_back(self) -> None:
        roll_back(self.environment, self.workspace, self.ports, actor="ada", reason="it was wrong")

    def alarm(self) -> None:
        """Have an alarm go off while the version is still watched; elsewhere somebody heeds it."""
        reason = f"the alarm {ALARM} was raised"
        roll_back(self.environment, self.workspace, self.ports, actor="cloudwatch", reason=reason)

    def gossip(self) -> int:
        """Tell of what happens to others, where anybody tells of anything, and return of how many things."""
        return 0

    def notices(self) -> Sequence[Notice]:
        """Return all that there was to tell."""
        return self.ports.outbox.unaddressed(self.workspace.model)

    def ending(self) -> Mapping[str, Any]:
        """Return everything that was decided and what came of it, without what differs from place to place."""
        return plain(ending(self.workspace, self.ports, [notice.kind.value for notice in self.notices()]))

    def _next(self) -> Run | None:
        model = self.workspace.model
        open_run = self.ports.store.unfinished(model, ENVIRONMENT)
        if open_run is not None:
            return open_run
        waiting = self.ports.store.waiting(model, ENVIRONMENT)
        decided = next((run for run in waiting if is_decided(run, self.ports)), None)
        if decided is not None:
            return decided
        while isinstance(found := dispatch(model, ENVIRONMENT, self.workspace, self.ports), Held):
            if found.until is None:
                return None
            until(lambda held=found.until: held <= self.ports.clock.now(), "quiet")  # type: ignore[misc]
        return found
