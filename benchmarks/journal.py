"""What the journal costs, in medians. Run: .venv/bin/python benchmarks/journal.py [folder on the disk to measure]."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from everfit.adapters.local.clock import SystemClock
from everfit.adapters.local.ids import TimedIds
from everfit.adapters.local.sqlite_database import SqliteDatabase
from everfit.adapters.sql.inbox import SqlInbox
from everfit.adapters.sql.processes import this_process
from everfit.adapters.sql.registry import SqlRegistry
from everfit.adapters.sql.run_store import SqlRunStore
from everfit.application.ports import Claim
from everfit.domain.run import Outcome, Run, RunId
from everfit.domain.trigger import TriggerEvent, TriggerKind

LEASE = timedelta(seconds=30)
STEPS = ("snapshot", "prepare", "check", "train", "evaluate", "gate", "register", "approve", "deploy", "record")
COLD = """
import sys, time
begun = time.perf_counter()
from pathlib import Path
from everfit.adapters.local.clock import SystemClock
from everfit.adapters.local.sqlite_database import SqliteDatabase
from everfit.adapters.sql.registry import SqlRegistry
from everfit.adapters.sql.run_store import SqlRunStore
imported = time.perf_counter()
database = SqliteDatabase(Path(sys.argv[1]))
SqlRunStore(database, SystemClock()).unfinished("model", "production")
SqlRegistry(database, SystemClock()).champion("model", "production")
print(imported - begun, time.perf_counter() - imported)
"""


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        folder = Path(name)
        print(f"one 4 kB write with fsync on this disk     {ms(synced(folder))}")
        path = folder / "state.db"
        print(f"make the file                              {ms(median(lambda: made(folder), 20))}")
        made(folder, path.name)
        print(f"open it and ask two questions              {ms(median(lambda: opened(path), 100))}")
        measure_runs(path)
        print(f"the same open after that history           {ms(median(lambda: opened(path), 100))}")
        measure_cold(path)
        measure_two_processes(path)
        print(f"size of the file                           {path.stat().st_size / 2**20:.1f} MiB")


def measure_runs(path: Path) -> None:
    database = SqliteDatabase(path)
    store, ids, clock = SqlRunStore(database, SystemClock()), TimedIds(), SystemClock()
    inbox = SqlInbox(database, clock)
    for history in (0, 2000):
        for number in range(history):
            whole_run(store, inbox, ids.run_id(clock.now()), f"{history}-{number}", steps=())
        label = f"with {history} runs before"
        runs = [
            timed(lambda: whole_run(store, inbox, ids.run_id(clock.now()), str(ids.run_id(clock.now()))))
            for _ in range(30)
        ]
        print(f"whole run, {len(STEPS)} steps, {label:<22}{ms(statistics.median(runs))}")
        run = inbox.start(new_run(ids.run_id(clock.now())))
        claim = store.claim("model", "production", owner=str(this_process()), lease=LEASE, run=run.id)
        print(f"one step (started, result), {label:<15}{ms(median(partial(one_step, store, claim), 300))}")
        print(f"newest 20 runs, {label:<27}{ms(median(lambda: store.runs('model', limit=20), 100))}")
        store.end(claim, Outcome.DEPLOYED, "done")
        store.release(claim)
    SqlRegistry(database, clock).champion("model", "production")
    database.close()


def new_run(name: RunId) -> Run:
    return Run(id=name, model="model", environment="production", started=datetime.now(UTC))


def one_step(store: SqlRunStore, claim: Claim) -> None:
    name = f"step {time.perf_counter_ns()}"
    store.begin_step(claim, name)
    store.finish_step(claim, name, {"artifact": "sha256:1", "rows": 1000})


def whole_run(store: SqlRunStore, inbox: SqlInbox, name: RunId, event: str, steps: tuple[str, ...] = STEPS) -> None:
    accepted = TriggerEvent(
        id=event,
        kind=TriggerKind.API,
        model="model",
        environment="production",
        actor="ada",
        at=datetime.now(UTC),
    )
    inbox.accept((accepted,))
    run = inbox.start(new_run(name))
    claim = store.claim("model", "production", owner=str(this_process()), lease=LEASE, run=run.id)
    for step in steps:
        store.begin_step(claim, step)
        store.finish_step(claim, step, {"artifact": "sha256:1", "rows": 1000})
    store.end(claim, Outcome.DEPLOYED, "done")
    store.release(claim)


def measure_cold(path: Path) -> None:
    asked = [
        subprocess.run([sys.executable, "-c", COLD, str(path)], capture_output=True, text=True, check=True).stdout
        for _ in range(15)
    ]
    imports, opens = zip(*(map(float, line.split()) for line in asked), strict=True)
    print(f"in a new process: imports                  {ms(statistics.median(imports))}")
    print(f"in a new process: open, two questions      {ms(statistics.median(opens))}")


def measure_two_processes(path: Path) -> None:
    """Write from two processes at once, as a service and a command do."""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import journal; journal.hammer()"
    with clock() as seconds:
        workers = [
            subprocess.Popen([sys.executable, "-c", code, str(path), place], stdout=subprocess.PIPE, text=True)
            for place in ("a", "b")
        ]
        waits = [float(worker.communicate()[0]) for worker in workers]
    print(f"two processes, 500 steps each: longest wait {ms(max(waits))}, all in {seconds[0]:.1f} s with start")


def hammer() -> None:
    """Write steps as fast as it goes and print the longest that one took."""
    database, ids = SqliteDatabase(Path(sys.argv[1])), TimedIds()
    store = SqlRunStore(database, SystemClock())
    run = SqlInbox(database, SystemClock()).start(
        Run(id=ids.run_id(datetime.now(UTC)), model="m", environment=sys.argv[2], started=datetime.now(UTC))
    )
    claim = store.claim("m", sys.argv[2], owner=str(this_process()), lease=LEASE, run=run.id)
    print(max(timed(lambda: one_step(store, claim)) for _ in range(500)))


def made(folder: Path, name: str | None = None) -> None:
    database = SqliteDatabase(folder / (name or f"{time.perf_counter_ns()}.db"))
    SqlRunStore(database, SystemClock()).unfinished("model", "production")
    database.close()


def opened(path: Path) -> None:
    database = SqliteDatabase(path)
    SqlRunStore(database, SystemClock()).unfinished("model", "production")
    SqlRegistry(database, SystemClock()).champion("model", "production")
    database.close()


def synced(folder: Path) -> float:
    handle = os.open(folder / "synced", os.O_CREAT | os.O_WRONLY)

    def write() -> None:
        os.pwrite(handle, b"x" * 4096, 0)
        os.fsync(handle)

    result = median(write, 100)
    os.close(handle)
    return result


@contextmanager
def clock() -> Generator[list[float]]:
    seconds: list[float] = []
    begun = time.perf_counter()
    yield seconds
    seconds.append(time.perf_counter() - begun)


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def median(work: Callable[[], object], times: int) -> float:
    return statistics.median(timed(work) for _ in range(times))


def ms(seconds: float) -> str:
    return f"{seconds * 1000:8.2f} ms"


if __name__ == "__main__":
    main()
