"""What the state and the data in S3 cost: reads and writes of the state, and a million keys frozen and listed.

python benchmarks/s3.py                                   # 1,000 and 10,000 runs in the state; 1,000,000 keys
python benchmarks/s3.py --runs 1000 --keys 100000

Both talk to servers on this machine, the state to the bench of the tests. A real bucket adds the time of an answer,
some 20 ms: one to a read, four to a write, one for each thousand keys to a listing. A run keeps some 12 kB, as those of
the examples do.
"""

import argparse
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path

from tests.aws.bench.client import RunningBench
from tests.aws.many_keys import ManyKeys, serving
from tests.stored import START

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.data_source import S3DataSource
from everfit.adapters.aws.database import S3Database
from everfit.adapters.aws.listings import S3Listings, Waits
from everfit.adapters.sql.database import Database
from everfit.domain.aws import aws_place

BUCKET = "everfit-bench"
PLACE = aws_place("churn", "production", {"region": "us-east-1", "bucket": BUCKET}, {})
ROUNDS = 20
RESULT = '{"report": "' + "".join(f"{number:08x}" for number in range(110)) + '"}'
HISTORY = (
    "insert into run (id, model, environment, state, started, fence, force, accept_schema, actor, outcome, reason,"
    " version, ended) values (:id, 'churn', 'production', 'ended', :at, 1, 0, 0, 'ada', 'deployed', 'Better.',"
    " :number, :at)",
    "insert into event (id, kind, model, environment, actor, at, state, run, reason, accepted, ended) values (:event,"
    " 'data', 'churn', 'production', 'bucket', :at, 'ran', :id, 'Better.', :at, :at)",
)
STEP = (
    "insert into step (run, place, name, outcome, attempt, started, ended, result) values (:id, :place, :name, 'done',"
    " 1, :at, :at, :result)"
)


def fill(database: Database, runs: int) -> None:
    """Bring the state to so many runs, each with an event and ten steps."""
    with database.transaction() as rows:
        for number in range(runs):
            at = (START + timedelta(minutes=number)).isoformat()
            values = {"id": f"run-{number:06}", "event": f"event-{number}", "number": number + 1, "at": at}
            for sql in HISTORY:
                rows.write(sql, values)
            for place in range(10):
                step = {"place": place, "name": f"step-{place}", "result": RESULT.replace("0000", f"{number:04}")}
                rows.write(STEP, {**values, **step})


def write(database: Database, number: int) -> None:
    with database.transaction() as rows:
        rows.write("update run set actor = :actor where id = 'open'", {"actor": str(number)})
        rows.write("delete from reply")
        rows.write(
            "insert into reply (caller, key, digest, owner, begun) values ('', :key, '', '', '2026')",
            {"key": str(number)},
        )


def read(database: Database) -> None:
    with database.reading() as rows:
        rows.all("select * from run order by place desc limit 20", {})


def median(act: Callable[[int], object]) -> str:
    seconds: list[float] = []
    for number in range(ROUNDS):
        begun = time.perf_counter()
        act(number)
        seconds.append(time.perf_counter() - begun)
    return f"{statistics.median(seconds) * 1000:.1f} ms"


def measure_state(runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder, RunningBench(Path(folder)) as bench:
        os.environ.update(bench.environment())
        clients = Clients("us-east-1")
        clients("s3").create_bucket(Bucket=BUCKET)
        one, other = S3Database(clients, PLACE), S3Database(clients, PLACE)
        if runs:
            fill(one, runs)
        read(one)
        size = clients("s3").head_object(Bucket=BUCKET, Key="everfit/state.db")["ContentLength"]

        def read_news(number: int) -> None:
            write(one, number)
            begun = time.perf_counter()
            read(other)
            news.append(time.perf_counter() - begun)

        news: list[float] = []
        print(
            f"state of {runs:,} runs, {size / 1e6:.1f} MB: read {median(lambda _: read(one))},"
            f" write {median(lambda number: write(one, number))}",
            end="",
        )
        median(read_news)
        print(f", read what another wrote {statistics.median(news) * 1000:.1f} ms")


def serve(count: int, is_versioned: bool, pipe: Connection) -> None:
    with serving(ManyKeys(count, is_versioned=is_versioned)) as address:
        pipe.send(address)
        pipe.recv()


def measure_keys(count: int, what: str, pipe: Connection) -> None:
    """Freeze or list so many keys, in a process of its own so that its memory is that of the work."""
    clients = Clients("us-east-1")
    clients("s3")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        before, begun, busy = _memory(), time.perf_counter(), time.process_time()
        if what == "list":
            waits = Waits(patience=timedelta(hours=1), longest=timedelta(hours=1))
            listing = S3Listings(clients, PLACE, Path(folder), waits=waits).take("s3://many-keys/data/")
            found = 0 if listing is None else listing.files
        else:
            found = len(S3DataSource(clients, PLACE, Path(folder)).freeze("s3://many-keys/data/").files)
        assert found == count
        pipe.send((time.perf_counter() - begun, time.process_time() - busy, before, _memory()))


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_listing(count: int) -> None:
    context = multiprocessing.get_context("spawn")
    for what, is_versioned in (("freeze", False), ("freeze", True), ("list", False)):
        ours, theirs = context.Pipe()
        server = context.Process(target=serve, args=(count, is_versioned, theirs))
        server.start()
        os.environ.update({"AWS_ENDPOINT_URL": ours.recv(), "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "a"})
        mine, worker = context.Pipe()
        process = context.Process(target=measure_keys, args=(count, what, worker))
        process.start()
        seconds, busy, before, after = mine.recv()
        process.join()
        ours.send("")
        server.join()
        kind = " of a bucket with versions" if is_versioned else ""
        figures = f"{seconds:.0f} s, {busy:.0f} s of the processor, {before:.0f} to {after:.0f} MB"
        print(f"{what} {count:,} keys{kind}: {figures}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, nargs="+", default=[0, 1_000, 10_000])
    parser.add_argument("--keys", type=int, default=1_000_000)
    chosen = parser.parse_args()
    for runs in chosen.runs:
        measure_state(runs)
    if chosen.keys:
        measure_listing(chosen.keys)


if __name__ == "__main__":
    main()
