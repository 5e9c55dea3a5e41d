"""What every store promises to tell of: each end, question, way back and pause, with what it is about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from everfit.adapters.memory.clock import SettableClock
from everfit.adapters.memory.outbox import MemoryOutbox
from everfit.adapters.memory.registry import MemoryRegistry
from everfit.adapters.sql.database import Database
from everfit.adapters.sql.inbox import SqlInbox
from everfit.adapters.sql.outbox import SqlOutbox
from everfit.adapters.sql.registry import SqlRegistry
from everfit.application.ports import Claim, Inbox, Outbox, Registry
from everfit.domain.errors import EverfitError, FencedError
from everfit.domain.inbox import Pause
from everfit.domain.run import Outcome
from everfit.domain.version import release
from tests.kept import Kept, MemoryKept, SqlKept
from tests.stored import MINUTE, START, a_placement, a_run, a_verdict, a_version

LEASE = timedelta(seconds=30)


@dataclass
class World:
    store: Kept
    registry: Registry
    inbox: Inbox
    outbox: Outbox
    clock: SettableClock
    runs: int = field(default=0)

    def begin(self) -> Claim:
        self.runs += 1
        self.clock.advance(MINUTE)
        run = self.store.begin(a_run(f"run-{self.runs}")).id
        return self.store.claim("churn", "production", owner="worker", lease=LEASE, run=run, take_over=True)

    def end(self, outcome: Outcome, reason: str = "train failed: 7") -> None:
        claim = self.begin()
        self.store.end(claim, outcome, reason)
        self.store.release(claim)

    def deploy(self, *, roll_back: bool = False) -> Claim:
        claim = self.begin()
        artifact = f"sha256:{self.runs}"
        verdict = a_verdict(artifact=artifact, name=f"verdict-{self.runs}")
        number = self.registry.register(claim, a_version(f"run-{self.runs}", artifact), a_placement(verdict)).number
        self.serve(claim, number, roll_back=roll_back)
        self.store.note_version(claim, number)
        self.store.end(claim, Outcome.DEPLOYED, "better")
        return claim

    def serve(self, claim: Claim, number: int, *, roll_back: bool = False) -> None:
        proof = release(self.registry.version("churn", number), self.registry.placement("churn", "production", number))
        self.registry.served(claim, proof, reason="too slow", actor="ada", roll_back=roll_back)

    @property
    def told(self) -> list[str]:
        return [notice.id for notice in self.outbox.unaddressed(limit=1_000)]

    def facts(self, index: int = -1) -> Mapping[str, object]:
        return self.outbox.unaddressed(limit=1_000)[index].facts


@pytest.fixture
def world(database: Database | None) -> World:
    clock = SettableClock(START)
    if database is not None:
        kept, registry = SqlKept(database, clock), SqlRegistry(database, clock)
        return World(kept, registry, SqlInbox(database, clock), SqlOutbox(database, clock), clock)
    store = MemoryKept(clock)
    remembered, outbox = MemoryRegistry(store, clock), MemoryOutbox(clock)
    outbox.follow(store, remembered, store.inbox)
    return World(store, remembered, store.inbox, outbox, clock)


def test_each_end_is_told_but_that_nothing_was_to_be_done(world: World) -> None:
    for outcome in (Outcome.APPROVED, Outcome.REJECTED, Outcome.CANCELLED, Outcome.SKIPPED, Outcome.FAILED):
        world.end(outcome)
    assert world.told == ["run:run-1:approved", "run:run-2:rejected", "run:run-3:cancelled", "run:run-5:failed"]


def test_an_end_is_told_with_what_serves_then(world: World) -> None:
    world.end(Outcome.REJECTED, "r2 failed")
    assert dict(world.facts()) == {"reason": "r2 failed", "version": None, "serving": None}
    world.deploy()
    assert dict(world.facts()) == {"reason": "better", "version": 1, "serving": 1}
    world.end(Outcome.REJECTED, "r2 failed")
    assert world.facts()["serving"] == 1


def test_an_end_that_is_refused_is_not_told(world: World) -> None:
    claim = world.begin()
    world.store.claim("churn", "production", owner="another", lease=LEASE, take_over=True)
    with pytest.raises(FencedError):
        world.store.end(claim, Outcome.DEPLOYED, "too late")
    with pytest.raises(EverfitError):
        world.store.end(world.begin(), Outcome.NEEDS_APPROVAL, "no end")
    assert world.told == []


def test_a_question_is_told_once_however_often_it_is_asked(world: World) -> None:
    claim = world.begin()
    for _ in range(2):
        world.store.wait(claim, "approval:1", Outcome.NEEDS_APPROVAL)
        world.store.begin_step(claim, "approve")
    world.store.wait(claim, "job:1")
    assert world.told == ["run:run-1:needs approval"]


def test_the_first_good_end_after_failures_says_that_it_works_again(world: World) -> None:
    for outcome in (Outcome.FAILED, Outcome.FAILED, Outcome.REJECTED, Outcome.CANCELLED, Outcome.SKIPPED):
        world.end(outcome)
    world.end(Outcome.SKIPPED)
    world.end(Outcome.APPROVED)
    assert [name for name in world.told if "recovered" in name] == ["run:run-5:recovered"]


def test_the_way_back_is_told_once_with_who_and_why(world: World) -> None:
    world.deploy()
    claim = world.deploy()
    back = world.store.claim("churn", "production", owner="person", lease=LEASE, take_over=True)
    for _ in range(2):
        world.serve(back, 1, roll_back=True)
    assert claim.run is not None
    assert [name.partition(":")[0] for name in world.told] == ["run", "run", "rolled back"]
    assert dict(world.facts()) == {
        "version": 1,
        "before": 2,
        "serving": 1,
        "reason": "too slow",
        "actor": "ada",
    }


def test_a_pause_and_its_end_are_told_once_each(world: World) -> None:
    pause = Pause(model="churn", environment=None, actor="ada", reason="holidays", since=START)
    world.inbox.pause(pause)
    assert dict(world.facts()) == {"reason": "holidays", "actor": "ada"}
    assert [world.inbox.resume("churn", None) for _ in range(2)] == [True, False]
    assert [name.partition(":")[0] for name in world.told] == ["paused", "resumed"]


def test_a_success_is_remembered_by_place(world: World) -> None:
    world.end(Outcome.REJECTED)
    assert world.store.last_successes() == {}
    world.deploy()
    deployed = world.clock.now()
    world.end(Outcome.FAILED)
    world.end(Outcome.SKIPPED)
    assert world.store.last_successes() == {("churn", "production"): deployed}
