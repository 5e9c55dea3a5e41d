"""Programs that drive the journal from processes of their own.

python -m tests.integration.journal_worker kill FOLDER SEED KILLS
python -m tests.integration.journal_worker fight FOLDER NAME ROUNDS
"""

import os
import random
import select
import signal
import sqlite3
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from everfit.adapters.local.clock import SystemClock
from everfit.adapters.local.ids import TimedIds
from everfit.adapters.local.sqlite_database import SqliteDatabase
from everfit.adapters.sql.processes import this_process
from everfit.adapters.sql.registry import SqlRegistry
from everfit.application.ports import Claim
from everfit.domain.errors import BusyError, FencedError
from everfit.domain.run import Outcome, Run, StepOutcome
from everfit.domain.trigger import Amount, TriggerEvent, TriggerKind
from everfit.domain.version import release
from tests.kept import SqlKept
from tests.stored import a_placement, a_verdict, a_version

PLACE = ("churn", "production")
LEASE = timedelta(seconds=60)
STEPS = ("snapshot", "train", "register", "deploy", "record")


class Worker:
    """One process at work."""

    def __init__(self, folder: Path) -> None:
        self.database = SqliteDatabase(folder / "state.db")
        self.clock = SystemClock()
        self.store = SqlKept(self.database, self.clock)
        self.registry = SqlRegistry(self.database, self.clock)
        self.ids = TimedIds()
        self.trace = os.open(folder / "trace", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def tell(self, *words: object) -> None:
        os.write(self.trace, (" ".join(map(str, words)) + "\n").encode())

    def next_run(self) -> Run:
        """Go on with what is unfinished, or start one for two new events."""
        run = self.store.unfinished(*PLACE)
        if run is None:
            count = len(self.store.events(*PLACE))
            for number in (count, count + 1):
                self.accept(f"event-{number}")
            now = self.clock.now()
            (newest,) = self.store.inbox.joining(*PLACE, limit=1)
            queued = Run(id=self.ids.run_id(now), model=PLACE[0], environment=PLACE[1], started=now)
            run = self.store.inbox.start(queued, newest.place)
        return run

    def accept(self, name: str) -> None:
        event = TriggerEvent(
            id=name,
            kind=TriggerKind.API,
            model=PLACE[0],
            environment=PLACE[1],
            actor="x",
            at=self.clock.now(),
            amount=Amount(files=1),
        )
        if self.store.accept(event):
            self.tell("accepted", name)

    def claim(self, run: Run | None = None) -> Claim:
        held = None if run is None else run.id
        claim = self.store.claim(*PLACE, owner=str(this_process()), lease=LEASE, run=held)
        self.tell("claimed", claim.fence)
        return claim

    def work(self) -> None:
        run = self.next_run()
        claim = self.claim(run)
        done = {step.name for step in self.store.steps(run.id) if step.outcome is StepOutcome.DONE}
        for name in STEPS:
            if name not in done:
                step = self.store.begin_step(claim, name)
                self.tell("started", run.id, name, step.attempt)
                self.store.finish_step(claim, name, {"version": self.effect(claim, name)})
        self.store.end(claim, Outcome.DEPLOYED, "It is better.")
        self.store.release(claim)

    def effect(self, claim: Claim, step: str) -> int | None:
        if step == "register":
            return self.register(claim)
        if step == "deploy":
            self.serve(claim, self.register(claim))
        return None

    def register(self, claim: Claim) -> int:
        assert claim.run is not None
        artifact = f"sha256:{claim.run}"
        verdict = a_verdict(artifact=artifact, name=f"verdict-{claim.run}")
        return self.registry.register(claim, a_version(claim.run, artifact), a_placement(verdict)).number

    def serve(self, claim: Claim, number: int) -> None:
        proof = release(self.registry.version(PLACE[0], number), self.registry.placement(*PLACE, number))
        self.registry.served(claim, proof, reason="x", actor="x")


def kill_again_and_again(folder: Path, seed: int, kills: int) -> None:
    """Fork a worker, kill it, and again; then let one finish what is left."""
    chance = random.Random(seed)
    SqliteDatabase(folder / "state.db").close()
    for number in range(kills):
        # Every statement is a kill point (an odd seed takes the even ones), and so is every moment between.
        statement = number + 1 if number % 2 == seed % 2 else None
        forked(partial(endless, folder, statement), None if statement else chance.uniform(0.001, 0.02))
    forked(partial(finish, folder), None)


def forked(work: Callable[[], None], patience: float | None) -> None:
    gone, held = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(gone)
        work()
        os._exit(0)
    os.close(held)
    select.select([gone], [], [], patience)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(gone)


def endless(folder: Path, statement: int | None) -> None:
    if statement is not None:
        die_at(statement)
    worker = Worker(folder)
    while True:
        worker.work()


def die_at(statement: int) -> None:
    """Have this process killed as SQLite starts its statement of that number."""
    left = iter(range(statement))

    def count(_: str) -> None:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    connect = sqlite3.connect

    def traced(*given: object, **named: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*given, **named)  # type: ignore[call-overload]
        connection.set_trace_callback(count)
        return connection

    sqlite3.connect = traced  # type: ignore[assignment]


def finish(folder: Path) -> None:
    worker = Worker(folder)
    worker.work()
    while any(record.run is None for record in worker.store.events(*PLACE)):
        worker.work()


def fight(folder: Path, name: str, rounds: int) -> None:
    """Serve a version of one's own again and again, beside others who do the same."""
    worker = Worker(folder)
    inside = folder / "inside"
    stale: Claim | None = None
    for _ in range(rounds):
        now = worker.clock.now()
        run = worker.store.begin(Run(id=worker.ids.run_id(now), model=PLACE[0], environment=PLACE[1], started=now))
        claim = patient_claim(worker, run)
        if stale is not None:
            try:
                worker.store.renew(stale, LEASE)
                worker.tell("unfenced", name)
            except FencedError:
                pass
        try:
            os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            worker.tell("crowded", name)
        worker.serve(claim, worker.register(claim))
        worker.store.end(claim, Outcome.DEPLOYED, "It is better.")
        inside.unlink(missing_ok=True)
        worker.store.release(claim)
        stale = claim


def patient_claim(worker: Worker, run: Run) -> Claim:
    while True:
        try:
            return worker.claim(run)
        except BusyError:
            os.sched_yield()


if __name__ == "__main__":
    what, where, *rest = sys.argv[1:]
    if what == "kill":
        kill_again_and_again(Path(where), int(rest[0]), int(rest[1]))
    else:
        fight(Path(where), rest[0], int(rest[1]))
