"""What every source of figures promises."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from everfit.adapters.memory.clock import SettableClock
from everfit.adapters.memory.figures import MemoryFigures
from everfit.adapters.memory.inbox import MemoryInbox
from everfit.adapters.memory.run_store import MemoryRunStore
from everfit.adapters.sql.database import Database
from everfit.adapters.sql.figures import SqlFigures
from everfit.adapters.sql.inbox import SqlInbox
from everfit.adapters.sql.run_store import SqlRunStore
from everfit.application.ports import Inbox, RunStore
from everfit.application.ports.figures import Figures
from everfit.domain.run import Outcome, RunId
from tests.stored import MINUTE, START, a_run

LEASE = timedelta(seconds=30)


@dataclass
class Kept:
    figures: Figures
    store: RunStore
    inbox: Inbox
    clock: SettableClock

    def ended(self, name: str, outcome: Outcome, model: str = "churn") -> None:
        self.clock.advance(MINUTE)
        run = self.inbox.start(replace(a_run(name, model=model), started=self.clock.now()))
        claim = self.store.claim(model, run.environment, owner="worker", lease=LEASE, run=RunId(name))
        self.store.end(claim, outcome, "because")
        self.store.release(claim)


@pytest.fixture
def kept(database: Database | None) -> Kept:
    clock = SettableClock(START)
    if database is None:
        memory = MemoryRunStore(clock)
        return Kept(MemoryFigures(memory), memory, MemoryInbox(memory, clock), clock)
    store = SqlRunStore(database, clock)
    return Kept(SqlFigures(database, clock), store, SqlInbox(database, clock), clock)


def test_each_run_that_has_ended_is_counted_once(kept: Kept) -> None:
    kept.ended("one", Outcome.DEPLOYED)
    kept.ended("two", Outcome.FAILED)
    kept.ended("three", Outcome.DEPLOYED)
    kept.ended("four", Outcome.DEPLOYED, model="price")
    kept.inbox.start(a_run("open"))
    found = [(tally.model, tally.outcome, tally.runs, tally.newest) for tally in kept.figures.tallies()]
    assert found == [
        ("churn", "deployed", 2, START + 3 * MINUTE),
        ("churn", "failed", 1, START + 2 * MINUTE),
        ("price", "deployed", 1, START + 4 * MINUTE),
    ]


def test_a_new_installation_has_nothing_to_count(kept: Kept) -> None:
    assert (kept.figures.tallies(), kept.figures.leases(), kept.figures.undelivered()) == ([], 0, 0)
    kept.figures.check_writable()
