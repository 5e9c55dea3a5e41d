"""The storm that tries a service, and the checker that nobody can talk round."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from everfit.adapters.local.sqlite_database import SqliteDatabase
from everfit.interfaces.chaos.checker import Findings, check
from everfit.interfaces.chaos.plan import Delivery, Scale, storm_of
from tests.projects import EVERFIT

DELIVERED = [Delivery(event="one", model=0), Delivery(event="two", model=0)]
KEPT = (
    "insert into run (id, model, environment, state, started, fence, force, accept_schema, actor, outcome, ended)"
    " values ('run-1', 'chaos-0', 'production', 'ended', '2026', 1, 0, 0, 'x', 'deployed', '2026')",
    "insert into event (id, kind, model, environment, actor, at, state, run, ended)"
    " values ('event:chaos:one', 'event', 'chaos-0', 'production', 'x', '2026', 'ran', 'run-1', '2026')",
    "insert into event (id, kind, model, environment, actor, at, state, run, ended)"
    " values ('event:chaos:two', 'event', 'chaos-0', 'production', 'x', '2026', 'merged', 'run-1', '2026')",
    "insert into version values ('chaos-0', 1, 'sha256:1', 1, 'run-1', 's', 'c', 'c', '2026', '{}', '{}', '{}', null)",
    "insert into verdict values ('v', 'chaos-0', 'production', 1, 'approved', '{\"artifact\": \"sha256:1\"}')",
    "insert into placement values ('chaos-0', 'production', 1, 'serving', 'v')",
    "insert into served (model, environment, version, since, reason, actor, run, is_rollback)"
    " values ('chaos-0', 'production', 1, '2026', 'x', 'x', 'run-1', 0)",
)
"""What a service leaves that kept every promise: two events, one run, one version that serves."""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    database = SqliteDatabase(tmp_path / "state.db")
    for sql in KEPT:
        change(database, sql)
    yield database
    database.close()


def change(database: SqliteDatabase, sql: str) -> None:
    with database.transaction() as rows:
        rows.write(sql)


def found(tmp_path: Path, serving: int | None = 1) -> Findings:
    return check(tmp_path / "state.db", DELIVERED, {"chaos-0": serving})


def test_promises_that_were_kept_are_found_kept(tmp_path: Path, database: SqliteDatabase) -> None:
    del database
    assert found(tmp_path).is_well


@pytest.mark.parametrize(
    ("kind", "sql"),
    [
        ("lost", "delete from event where id = 'event:chaos:two'"),
        ("lost", "drop trigger event_ends_once; update event set state = 'pending' where id = 'event:chaos:two'"),
        ("doubled", "drop trigger event_ends_once; update event set state = 'ran'"),
        ("extra", "update event set run = null"),
        ("extra", "delete from event"),
        ("unproved", "drop trigger verdict_is_immutable; update verdict set outcome = 'rejected'"),
        ("unproved", 'drop trigger verdict_is_immutable; update verdict set content = \'{"artifact": "other"}\''),
        ("unproved", "update placement set standing = 'retired'"),
    ],
)
def test_a_promise_that_was_broken_is_found(tmp_path: Path, database: SqliteDatabase, kind: str, sql: str) -> None:
    if "run = null" in sql:
        sql = f"drop trigger event_ends_once; {sql}"
    for statement in sql.split("; "):
        change(database, statement)
    assert getattr(found(tmp_path), kind)


@pytest.mark.parametrize("serving", [None, 2])
def test_an_endpoint_that_serves_something_else_is_found(
    tmp_path: Path, database: SqliteDatabase, serving: int | None
) -> None:
    del database
    assert found(tmp_path, serving).unproved


def test_every_event_of_a_storm_is_delivered_and_no_more_than_ten_times() -> None:
    storm = storm_of(Scale(events=500, models=7, kills=20, seed=3), Random(3))
    counts = {event: storm.deliveries.count(event) for event in set(storm.deliveries)}
    assert len(counts) == 500
    assert set(counts.values()) == set(range(1, 11))
    assert len(storm.kills) == 20


def test_a_storm_with_kills_breaks_no_promise() -> None:
    command = [str(EVERFIT), "doctor", "--chaos", "--events", "40", "--models", "2", "--kills", "3", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["ok"], answer["kills"]) == (0, True, 3), done.stderr
    assert sum(answer["ends"].values()) == 40


def test_a_service_without_its_packages_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['fastapi'] = None; sys.argv = ['everfit', 'up'];"
        "from everfit.interfaces.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip().endswith("(fastapi): pip install 'everfit[service]'")
