"""The state file: what is told of one that cannot be used, and how schemas move."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from everfit.adapters.local import sqlite_database as module
from everfit.adapters.local.sqlite_database import SqliteDatabase
from everfit.adapters.memory.clock import SettableClock
from everfit.adapters.sql.database import known_migrations
from everfit.adapters.sql.figures import SqlFigures
from everfit.adapters.sql.registry import SqlRegistry
from everfit.adapters.sql.sqlite_statements import SQLITE_MIGRATIONS, statements
from everfit.domain.errors import BackendError, StateError
from everfit.domain.run import Outcome
from everfit.domain.version import release
from tests.kept import SqlKept
from tests.stored import MINUTE, START, a_placement, a_run, a_version, an_event

SHORT = timedelta(milliseconds=50)
ROOT = Path(module.__file__).parents[4]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "state.db"


@pytest.fixture
def database(path: Path) -> Iterator[SqliteDatabase]:
    made = SqliteDatabase(path)
    with made.transaction():
        pass
    yield made
    made.close()


def store_of(database: SqliteDatabase) -> SqlKept:
    return SqlKept(database, SettableClock())


def raw(path: Path) -> "closing[sqlite3.Connection]":
    return closing(sqlite3.connect(path, isolation_level=None))


# Making and opening


def test_the_file_and_its_folder_are_made_when_they_are_first_used(path: Path) -> None:
    database = SqliteDatabase(path)
    assert not path.exists()
    assert store_of(database).runs("churn") == []
    assert path.exists()
    database.close()


def test_a_file_that_was_closed_opens_again(database: SqliteDatabase) -> None:
    store_of(database).accept(an_event())
    database.close()
    assert len(store_of(database).events("churn", "production")) == 1


def test_every_commit_reaches_the_disk_and_foreign_keys_hold(database: SqliteDatabase) -> None:
    with database.transaction() as rows:
        found = [rows.one(f"pragma {name}", {}) for name in ("journal_mode", "synchronous", "foreign_keys")]
    assert [tuple(row) for row in found if isinstance(row, sqlite3.Row)] == [("wal",), (2,), (1,)]


def test_many_threads_may_make_the_file_at_once(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        databases = [SqliteDatabase(path) for _ in range(8)]
        accepted = list(pool.map(lambda one: store_of(one).accept(an_event()), databases))
    assert accepted.count(True) == 1
    for database in databases:
        database.close()


def test_a_block_that_raises_leaves_nothing(database: SqliteDatabase) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(database)
    with database.reading() as rows:
        assert len(rows.all("select * from schema_version", {})) == 1


def interrupted(database: SqliteDatabase) -> None:
    with database.transaction() as rows:
        rows.write("insert into schema_version values (99)")
        raise KeyboardInterrupt


def test_a_reader_cannot_write(database: SqliteDatabase) -> None:
    with pytest.raises(BackendError), database.reading() as rows:
        rows.write("delete from schema_version")


def test_a_reader_does_not_wait_for_a_writer_and_sees_no_half_of_its_work(path: Path, database: SqliteDatabase) -> None:
    store_of(database).accept(an_event("seen"))
    with raw(path) as other:
        other.execute("begin immediate")
        other.execute("update event set actor = 'half written'")
        assert [one.event.actor for one in store_of(database).events("churn", "production")] == ["bucket"]
        other.execute("rollback")


# Migrations


def test_migrations_are_numbered_without_a_gap() -> None:
    names = [path.name for path in known_migrations(SQLITE_MIGRATIONS)]
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))


def test_a_script_is_split_between_statements_and_not_inside_triggers() -> None:
    script = "create table a (b);\ncreate trigger c before update on a\nbegin select 1; select 2; end;\n"
    assert len(list(statements(script))) == 2


def extended(tmp_path: Path, sql: str) -> Path:
    folder = tmp_path / "migrations"
    shutil.copytree(SQLITE_MIGRATIONS, folder)
    number = len(known_migrations(folder)) + 1
    (folder / f"{number:04}_more.sql").write_text(sql, encoding="utf-8")
    return folder


def test_an_older_file_is_brought_to_the_newest_schema_with_what_it_holds(tmp_path: Path, path: Path) -> None:
    older = SqliteDatabase(path)
    store_of(older).accept(an_event())
    older.close()
    newer = SqliteDatabase(path, migrations=extended(tmp_path, "alter table event add column colour text;\n"))
    with newer.reading() as rows:
        row = rows.one("select id, colour from event", {})
    assert row is not None
    assert (row["id"], row["colour"]) == ("event-1", None)
    newer.close()


FIRST_RELEASE = """
insert into lease values ('churn', 'production', null, 1, null, '2026-01-01T00:00:00+00:00',
 '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:30+00:00');
insert into run (id, model, environment, state, started, fence, force, accept_schema, actor, outcome, reason, version,
 ended) values ('run-1', 'churn', 'production', 'ended', '2026-01-01T00:00:00+00:00', 1, 0, 0, 'ada', 'deployed',
 'It is better.', 1, '2026-01-01T00:01:00+00:00');
insert into step values ('run-1', 1, 'train', 'done', 1, '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:10+00:00',
 '{}', null);
insert into event (id, kind, model, environment, actor, at, state, run, reason) values ('event-1', 'data', 'churn',
 'production', 'bucket', '2026-01-01T00:00:00+00:00', 'ran', 'run-1', 'It is better.');
insert into event (id, kind, model, environment, actor, at, state) values ('event-2', 'data', 'churn', 'production',
 'bucket', '2026-01-01T00:02:00+00:00', 'pending');
"""


def test_a_file_of_the_first_release_is_upgraded_and_a_copy_of_it_is_kept(path: Path) -> None:
    path.parent.mkdir()
    with raw(path) as made:
        made.executescript((SQLITE_MIGRATIONS / "0001_journal_and_registry.sql").read_text())
        made.executescript(
            "create table schema_version (version integer not null); insert into schema_version values (1);"
        )
        made.executescript(FIRST_RELEASE)
    database = SqliteDatabase(path)
    store = store_of(database)
    assert [run.outcome for run in store.runs("churn")] == [Outcome.DEPLOYED]
    assert [record.event.id for record in store.events("churn", "production")] == ["event-1", "event-2"]
    assert store.inbox.waiting("churn", "production").count == 1
    database.close()
    with raw(path.with_name(f"state.db.before-{len(known_migrations(SQLITE_MIGRATIONS))}")) as copy:
        assert copy.execute("select version from schema_version").fetchall() == [(1,)]
        assert copy.execute("select count(*) from event").fetchall() == [(2,)]


def test_a_new_file_needs_no_copy_of_itself(path: Path, database: SqliteDatabase) -> None:
    assert database.name == str(path)
    assert list(path.parent.glob("*before*")) == []


def test_an_examination_finds_a_row_that_refers_to_nothing(path: Path, database: SqliteDatabase) -> None:
    assert "whole" in database.examined()
    with raw(path) as other:
        other.execute("insert into step values ('nobody', 1, 'train', 'done', 1, '', null, null, null)")
    with pytest.raises(StateError, match="step refers to nothing"):
        database.examined()


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path, path: Path) -> None:
    folder = extended(tmp_path, "create table more (a text);\n")
    newer = SqliteDatabase(path, migrations=folder)
    store_of(newer).accept(an_event())
    newer.close()
    before = path.read_bytes()
    known = len(known_migrations(SQLITE_MIGRATIONS))
    with pytest.raises(StateError, match=f"version {known + 1}, this Everfit knows up to {known}. Upgrade Everfit"):
        store_of(SqliteDatabase(path)).events("churn", "production")
    assert path.read_bytes() == before


def test_a_process_that_runs_on_is_stopped_by_a_newer_schema(
    tmp_path: Path, path: Path, database: SqliteDatabase
) -> None:
    newer = SqliteDatabase(path, migrations=extended(tmp_path, "create table more (a text);\n"))
    store_of(newer).accept(an_event())
    with pytest.raises(StateError, match="Upgrade Everfit"):
        store_of(database).accept(an_event("late"))
    newer.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path, path: Path, database: SqliteDatabase) -> None:
    broken = extended(tmp_path, "create table more (a text);\ncreate table more (a text);\n")
    with pytest.raises(BackendError, match="more"):
        store_of(SqliteDatabase(path, migrations=broken)).events("churn", "production")
    store_of(database).accept(an_event())
    with database.reading() as rows:
        assert rows.one("select 1 from sqlite_master where name = 'more'", {}) is None


# What cannot be used


def test_a_lock_that_is_held_for_long_may_be_tried_again(path: Path, database: SqliteDatabase) -> None:
    database.close()
    impatient = SqliteDatabase(path, patience=SHORT)
    with raw(path) as other:
        other.execute("begin immediate")
        with pytest.raises(BackendError, match="locked by another process") as caught:
            store_of(impatient).accept(an_event())
        assert caught.value.retryable
        other.execute("rollback")
    assert store_of(impatient).accept(an_event())
    impatient.close()


def test_a_full_disk_is_told_in_words_and_nothing_is_half_written(database: SqliteDatabase) -> None:
    store = store_of(database)
    store.accept(an_event())
    run = store.begin(a_run())
    claim = store.claim("churn", "production", owner="worker", lease=MINUTE, run=run.id)
    store.begin_step(claim, "train")
    with database.transaction() as rows:
        rows.one("pragma max_page_count = 1", {})
    with pytest.raises(StateError, match="no space left"):
        store.finish_step(claim, "train", {"rows": ["x" * 1000] * 500})
    with database.transaction() as rows:
        rows.one("pragma max_page_count = 1000000", {})
    store.finish_step(claim, "train", {"rows": 500})
    store.end(claim, Outcome.DEPLOYED, "It is better.")


def test_a_full_disk_is_found_out_by_asking_whether_anything_can_be_written(database: SqliteDatabase) -> None:
    figures = SqlFigures(database, SettableClock(START))
    with database.transaction() as rows:
        rows.one("pragma max_page_count = 1", {})
    with pytest.raises(StateError, match="no space left"):
        figures.check_writable()
    with database.transaction() as rows:
        rows.one("pragma max_page_count = 1000000", {})
    figures.check_writable()


@pytest.mark.parametrize("content", [b"This is not a database, but it is long enough to look at." * 20])
def test_a_file_that_is_no_database_is_told_and_left_alone(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StateError, match=r"damaged or not Everfit's.*move the folder away"):
        store_of(SqliteDatabase(path)).runs("churn")
    assert path.read_bytes() == content


def test_a_damaged_file_is_never_treated_as_empty(path: Path, database: SqliteDatabase) -> None:
    """A registry that cannot be read is an error; it is never treated as empty."""
    for number in range(200):
        store_of(database).accept(an_event(f"event-{number}"))
    database.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
    damaged = SqliteDatabase(path)
    with pytest.raises(BackendError):
        SqlRegistry(damaged, SettableClock()).champion("churn", "production")
    with pytest.raises(BackendError):
        store_of(damaged).events("churn", "production")
    damaged.close()


def test_a_folder_where_the_file_should_be_is_told(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(StateError, match="cannot be opened"):
        store_of(SqliteDatabase(path)).runs("churn")


def test_a_file_where_the_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(StateError, match="EVERFIT_HOME"):
        store_of(SqliteDatabase(tmp_path / "home" / "state.db")).runs("churn")


READ_ONLY = """
import os, sys
from pathlib import Path
from everfit.adapters.local.sqlite_database import SqliteDatabase
from tests.kept import SqlKept
from everfit.adapters.memory.clock import SettableClock
from everfit.domain.errors import StateError
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    SqlKept(SqliteDatabase(Path(sys.argv[1])), SettableClock()).runs("churn")
except StateError as error:
    print(error)
"""


@pytest.mark.parametrize("has_file", [True, False])
def test_a_read_only_folder_is_told(path: Path, has_file: bool) -> None:
    path.parent.mkdir()
    if has_file:
        made = SqliteDatabase(path)
        store_of(made).accept(an_event())
        made.close()
        path.chmod(0o444)
    path.parent.chmod(0o555)
    if os.getuid() == 0:
        for folder in path.parents[1:4]:
            folder.chmod(0o755)
    asked = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT)},
    )
    path.parent.chmod(0o755)
    if "No module named" in asked.stderr:
        pytest.skip("nobody may read this checkout, so nobody can be asked")
    assert "cannot be opened for writing" in asked.stdout, asked.stderr
    assert "writable for this user" in asked.stdout


# What the file itself forbids


FORBIDDEN = {
    "a run that has ended moves": "update run set state = 'running'",
    "a run is removed": "delete from run",
    "a step that is done is done again": "update step set outcome = 'started'",
    "an event ends twice": "update event set state = 'failed'",
    "a version's bytes change": "update version set artifact = 'sha256:evil'",
    "a version's lineage changes": "update version set lineage = '{}'",
    "a version is removed": "delete from version",
    "a verdict changes": "update verdict set outcome = 'approved'",
    "a verdict is removed": "delete from verdict",
    "history is rewritten": "update served set actor = 'nobody'",
    "history is removed": "delete from served",
    "two champions serve": "insert into served (model, environment, version, since, reason, actor, is_rollback)"
    " values ('churn', 'production', 1, '', '', '', 0)",
    "a version is placed by no verdict": "update placement set verdict = 'verdict-9'",
}


@pytest.mark.parametrize("sql", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_the_file_itself_forbids_that(database: SqliteDatabase, sql: str) -> None:
    """A version's artifact is immutable; a finished run never moves; one champion."""
    clock = SettableClock()
    store, registry = SqlKept(database, clock), SqlRegistry(database, clock)
    store.accept(an_event())
    run = store.begin(a_run())
    claim = store.claim("churn", "production", owner="worker", lease=MINUTE, run=run.id)
    store.begin_step(claim, "train")
    store.finish_step(claim, "train", {})
    version = registry.register(claim, a_version(), a_placement())
    proof = release(version, registry.placement("churn", "production", 1))
    registry.served(claim, proof, reason="x", actor="ada")
    store.end(claim, Outcome.DEPLOYED, "It is better.")
    with pytest.raises(BackendError, match="refused a change"), database.transaction() as rows:
        rows.write(sql)


QUERIES = {
    "newest runs": "select * from run where model = 'm' order by place desc limit 10",
    "runs there": "select * from run where model = 'm' and environment = 'e' order by place desc limit 10",
    "unfinished": "select * from run where model = 'm' and environment = 'e' and state <> 'ended' order by place",
    "waiting events": "update event set run = '1' where model = 'm' and environment = 'e' and run is null",
    "a run's events": "update event set reason = '' where run = '1'",
    "champion": "select * from served where model = 'm' and environment = 'e' and until is null",
    "last number": "select max(number) as number from version where model = 'm'",
    "version of a run": "select * from version where run = '1'",
}


@pytest.mark.parametrize("sql", QUERIES.values(), ids=QUERIES.keys())
def test_no_question_asked_in_the_loop_grows_with_history(database: SqliteDatabase, sql: str) -> None:
    with database.reading() as rows:
        plan = " ".join(row["detail"] for row in rows.all(f"explain query plan {sql}", {}))
    assert "SCAN" not in plan
    assert "TEMP B-TREE" not in plan
