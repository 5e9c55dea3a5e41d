"""What a change of the state costs in either kind of database, and whether any question grows with history.

python benchmarks/store.py              # both kinds; Postgres syncs to the disk
python benchmarks/store.py --rows 1000 100000
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.postgres import PostgresServer, programs

from everfit.adapters.local.clock import SystemClock
from everfit.adapters.local.postgres_address import postgres_address
from everfit.adapters.local.postgres_database import PostgresDatabase
from everfit.adapters.local.sqlite_database import SqliteDatabase
from everfit.adapters.sql.database import Database
from everfit.adapters.sql.inbox import SqlInbox
from everfit.adapters.sql.registry import SqlRegistry
from everfit.adapters.sql.run_store import SqlRunStore
from everfit.domain.run import RunId
from everfit.domain.trigger import EventEnd, TriggerEvent, TriggerKind

START = datetime(2026, 1, 1, tzinfo=UTC)
PLACE = ("churn", "production")
COMMITS = 2000
ASKED = 200


def event(number: int) -> TriggerEvent:
    at = START + timedelta(seconds=number)
    return TriggerEvent(
        id=f"new-{number}", kind=TriggerKind.DATA, model=PLACE[0], environment=PLACE[1], actor="bucket", at=at
    )


@contextmanager
def databases() -> Iterator[dict[str, Database]]:
    """Both kinds, on the same disk and with every commit on it."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        found: dict[str, Database] = {"SQLite": SqliteDatabase(Path(folder) / "state.db")}
        binaries = programs()
        server = None if binaries is None else PostgresServer(binaries, (), Path("/var/tmp"))  # noqa: S108 - a real disk
        try:
            if server is not None:
                server.start()
                found["Postgres"] = PostgresDatabase(postgres_address(server.migrated_database()))
            yield found
        finally:
            for database in found.values():
                database.close()
            if server is not None:
                server.remove()


def timed(act: Callable[[int], object], times: int) -> list[float]:
    seconds: list[float] = []
    for number in range(times):
        begun = time.perf_counter()
        act(number)
        seconds.append((time.perf_counter() - begun) * 1000)
    return sorted(seconds)


def words(seconds: Sequence[float]) -> str:
    return f"median {statistics.median(seconds):.2f} ms, p99 {seconds[int(len(seconds) * 0.99)]:.2f} ms"


def fill(database: Database, rows: int) -> None:
    """Bring the history to so many runs and as many events, versions and turns at serving."""
    with database.transaction() as statements:
        found = statements.one("select count(*) as count from run", {})
        begun = 0 if found is None else int(found["count"])
        for number in range(begun, rows):
            at = (START + timedelta(minutes=number)).isoformat()
            values = {"id": f"run-{number:06}", "event": f"event-{number}", "number": number + 1, "at": at}
            for sql in HISTORY:
                statements.write(sql, values)
    with database.transaction() as statements:
        statements.write("analyze")


HISTORY = (
    "insert into run (id, model, environment, state, started, fence, force, accept_schema, actor, outcome, reason,"
    " version, ended) values (:id, 'churn', 'production', 'ended', :at, 1, 0, 0, 'ada', 'deployed', 'Better.',"
    " :number, :at)",
    "insert into step (run, place, name, outcome, attempt, started, ended, result) values (:id, 1, 'train', 'done', 1,"
    " :at, :at, '{}')",
    "insert into event (id, kind, model, environment, actor, at, state, run, reason, accepted, ended) values (:event,"
    " 'data', 'churn', 'production', 'bucket', :at, 'ran', :id, 'Better.', :at, :at)",
)


def questions(database: Database) -> dict[str, Callable[[int], object]]:
    clock = SystemClock()
    store, inbox, registry = SqlRunStore(database, clock), SqlInbox(database, clock), SqlRegistry(database, clock)
    return {
        "newest runs of a model": lambda _: store.runs(PLACE[0], limit=20),
        "newest runs of an environment": lambda _: store.runs(*PLACE, limit=20),
        "run by id": lambda _: store.run(RunId("run-000500")),
        "steps of a run": lambda _: store.steps(RunId("run-000500")),
        "unfinished run": lambda _: store.unfinished(*PLACE),
        "runs that wait for a person": lambda _: store.waiting(*PLACE),
        "what waits": lambda _: inbox.waiting(*PLACE),
        "what waits anywhere": lambda _: inbox.all_waiting(),
        "newest events": lambda _: inbox.events(limit=20),
        "newest events of an environment": lambda _: inbox.events(model=PLACE[0], environment=PLACE[1], limit=20),
        "events of a run": lambda _: inbox.events(run="run-000500"),
        "events that ran": lambda _: inbox.events(end=EventEnd.RAN, limit=20),
        "event by id": lambda _: inbox.event(*PLACE, "event-500"),
        "runs started this month": lambda _: inbox.started_since(*PLACE, datetime(2126, 1, 1, tzinfo=UTC)),
        "last start": lambda _: inbox.last_started(*PLACE),
        "champion": lambda _: registry.champion(*PLACE),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 100_000])
    chosen = parser.parse_args()
    with databases() as found:
        for kind, database in found.items():
            inbox = SqlInbox(database, SystemClock())
            inbox.accept([event(-1)])
            seconds = timed(lambda number, inbox=inbox: inbox.accept([event(number)]), COMMITS)
            print(f"{kind}: accept one event: {words(seconds)}, {COMMITS / sum(seconds) * 1000:,.0f} a second")
            asked: dict[str, list[float]] = {}
            for rows in chosen.rows:
                fill(database, rows)
                for name, ask in questions(database).items():
                    ask(0)
                    asked.setdefault(name, []).append(statistics.median(timed(ask, ASKED)))
            for name, medians in asked.items():
                figures = ", ".join(f"{each:.3f} ms" for each in medians)
                grows = "  GROWS" if medians[-1] > 3 * medians[0] + 0.1 else ""
                print(f"{kind}: {name}: {figures}{grows}")


if __name__ == "__main__":
    main()
