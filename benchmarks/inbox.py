"""What many waiting events cost. Run: .venv/bin/python benchmarks/inbox.py [folder on the disk to measure]."""

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from everfit.adapters.local.clock import SystemClock
from everfit.adapters.local.sqlite_database import SqliteDatabase
from everfit.adapters.sql.inbox import SqlInbox
from everfit.adapters.sql.run_store import SqlRunStore
from everfit.domain.run import Outcome, Run, RunId
from everfit.domain.trigger import Amount, TriggerEvent, TriggerKind

EVENTS: Final = 100_000
CHUNK: Final = 1_000
PLACE: Final = ("model", "production")
LEASE: Final = timedelta(seconds=30)


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        database, clock = SqliteDatabase(Path(name) / "state.db"), SystemClock()
        inbox, store = SqlInbox(database, clock), SqlRunStore(database, clock)
        inbox.all_waiting()
        before = memory()
        print(f"accept one event, median of 200               {ms(median(lambda: alone(inbox), 200))}")
        print(f"accept {EVENTS:,} in chunks of {CHUNK:,}           {took(lambda: accept(inbox)):8.2f} s")
        print(f"what waits, summed up, {EVENTS:,} events       {ms(median(lambda: inbox.waiting(*PLACE), 200))}")
        print(f"what waits in every place                     {ms(median(inbox.all_waiting, 200))}")
        print(f"accept one more, median of 200                {ms(median(lambda: alone(inbox), 200))}")
        print(f"read what all of them ask for, page by page   {took(lambda: read(inbox)):8.2f} s")
        print(f"start the run that all of them join           {took(lambda: start(inbox)):8.2f} s")
        print(f"accept one during the run, median of 200      {ms(median(lambda: alone(inbox), 200))}")
        print(f"end the run and every event of it             {took(lambda: end(store)):8.2f} s")
        print(f"newest 100 events, after that history         {ms(median(lambda: inbox.events(model='model'), 100))}")
        print(f"archive and drop all that ended               {took(lambda: archive(inbox)):8.2f} s")
        print(f"most memory above that of the start           {memory() - before:8.1f} MiB")
        print(
            f"size of the file                              {(Path(name) / 'state.db').stat().st_size / 2**20:8.1f} MiB"
        )


def event(name: str) -> TriggerEvent:
    return TriggerEvent(
        id=name,
        kind=TriggerKind.DATA,
        model=PLACE[0],
        environment=PLACE[1],
        actor="bucket",
        at=datetime.now(UTC),
        trigger="data",
        subject="1 file new",
        amount=Amount(files=1, bytes=1_000),
        detail={"added": 1, "replaced": 0, "deleted": 0, "examples": ["2026/11/21/part-0001.csv"]},
    )


def alone(inbox: SqlInbox) -> None:
    inbox.accept((event(f"alone-{time.perf_counter_ns()}"),), {"source": {"seen": time.perf_counter_ns()}})


def accept(inbox: SqlInbox) -> None:
    for first in range(0, EVENTS, CHUNK):
        inbox.accept([event(f"event-{number}") for number in range(first, first + CHUNK)])


def read(inbox: SqlInbox) -> None:
    before: int | None = None
    while page := inbox.joining(*PLACE, before=before):
        before = page[-1].place


def start(inbox: SqlInbox) -> None:
    (newest,) = inbox.joining(*PLACE, limit=1)
    inbox.start(Run(id=RunId("run"), model=PLACE[0], environment=PLACE[1], started=datetime.now(UTC)), newest.place)


def end(store: SqlRunStore) -> None:
    claim = store.claim(*PLACE, owner="benchmark", lease=LEASE, run=RunId("run"))
    store.end(claim, Outcome.DEPLOYED, "It is better.")


def archive(inbox: SqlInbox) -> None:
    while part := inbox.archive(datetime.now(UTC) + LEASE, limit=5_000):
        inbox.drop(part[-1])


def took(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def median(act: Callable[[], object], times: int) -> float:
    return statistics.median(took(act) for _ in range(times))


def ms(seconds: float) -> str:
    return f"{seconds * 1000:8.2f} ms"


def memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
