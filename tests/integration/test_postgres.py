"""A Postgres server as the database: what is told of one that cannot be used, and what a restart costs."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from everfit.adapters.local.postgres_address import postgres_address
from everfit.adapters.local.postgres_database import POSTGRES_MIGRATIONS, PostgresDatabase
from everfit.adapters.local.postgres_sql import with_named_parameters
from everfit.adapters.local.sqlite_database import SqliteDatabase
from everfit.adapters.memory.clock import SettableClock
from everfit.adapters.sql.database import Database, Statements
from everfit.adapters.sql.sqlite_statements import SQLITE_MIGRATIONS
from everfit.domain.errors import BackendError, RequestError, StateError
from everfit.settings import read_settings
from tests.kept import SqlKept
from tests.postgres import PASSWORD, PostgresServer
from tests.stored import an_event

LEASE = "insert into lease values ('m', 'e', 'x', 1, null, '', '', '')"
SHORT = timedelta(milliseconds=200)
LONG = timedelta(seconds=30)


def store_of(database: Database) -> SqlKept:
    return SqlKept(database, SettableClock())


def opened(url: str, patience: timedelta = LONG, migrations: Path = POSTGRES_MIGRATIONS) -> "closing[PostgresDatabase]":
    return closing(PostgresDatabase(postgres_address(url), patience=patience, migrations=migrations))


@pytest.fixture
def empty_url(postgres_server: PostgresServer) -> Iterator[str]:
    url = postgres_server.new_database()
    yield url
    postgres_server.drop(url)


# Both kinds are one schema


def test_both_kinds_have_the_same_migrations() -> None:
    sqlite, postgres = (
        [path.name for path in sorted(each.iterdir())] for each in (SQLITE_MIGRATIONS, POSTGRES_MIGRATIONS)
    )
    assert sqlite == postgres


COLUMNS = """
select table_name as table_name, column_name as name, is_nullable = 'NO' as needed, data_type as kind,
 collation_name as collation from information_schema.columns where table_schema = current_schema()
"""
KINDS = {"text": "text", "bigint": "integer", "double precision": "real", "bytea": "blob"}


def test_both_kinds_have_the_same_tables_and_columns(
    sqlite_database: SqliteDatabase, postgres_database: PostgresDatabase
) -> None:
    with postgres_database.reading() as rows:
        there = {
            (row["table_name"], row["name"], bool(row["needed"]), KINDS[row["kind"]]) for row in rows.all(COLUMNS, {})
        }
    here: set[tuple[str, str, bool, str]] = set()
    with sqlite_database.reading() as rows:
        for table in rows.all("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'", {}):
            for row in rows.all(f"pragma table_info({table['name']})", {}):
                here.add((table["name"], row["name"], bool(row["notnull"] or row["pk"]), row["type"].lower()))
    assert here == there


def test_texts_are_ordered_by_their_bytes_as_in_sqlite(postgres_database: PostgresDatabase) -> None:
    """An instant with a fraction of a second comes after the one without, whatever the server's language is."""
    with postgres_database.reading() as rows:
        others = [
            f"{row['table_name']}.{row['name']}"
            for row in rows.all(COLUMNS, {})
            if row["kind"] == "text" and row["collation"] != "C"
        ]
    assert others == []


INDEXES = (
    "select indexname as name from pg_indexes where schemaname = current_schema() and indexdef not like '%UNIQUE%pkey%'"
)


def test_both_kinds_have_the_same_named_indexes(
    sqlite_database: SqliteDatabase, postgres_database: PostgresDatabase
) -> None:
    with sqlite_database.reading() as rows:
        here = {
            row["name"]
            for row in rows.all("select name from sqlite_master where type = 'index' and sql is not null", {})
        }
    with postgres_database.reading() as rows:
        there = {row["name"] for row in rows.all(INDEXES, {})}
    assert here <= there
    assert {name for name in there - here if not name.endswith(("_key", "_pkey"))} == set()


def test_both_kinds_have_the_same_triggers(
    sqlite_database: SqliteDatabase, postgres_database: PostgresDatabase
) -> None:
    with sqlite_database.reading() as rows:
        here = {row["name"] for row in rows.all("select name from sqlite_master where type = 'trigger'", {})}
    with postgres_database.reading() as rows:
        there = {row["name"] for row in rows.all("select tgname as name from pg_trigger where not tgisinternal", {})}
    assert here == there


@pytest.mark.parametrize(
    ("sql", "written"),
    [
        ("a = :a and b = :b_2", "a = %(a)s and b = %(b_2)s"),
        ("x = ':a' and y = 'it''s :b'", "x = ':a' and y = 'it''s :b'"),
        ('":a" = :a', '":a" = %(a)s'),
        (":a::text like '%'", "%(a)s::text like '%%'"),
        ("a % 2 = :b -- :c 100%", "a %% 2 = %(b)s -- :c 100%%"),
    ],
)
def test_parameters_are_found_only_where_they_are_parameters(sql: str, written: str) -> None:
    assert with_named_parameters(sql) == written.encode()


# Transactions


def test_many_processes_may_make_the_schema_at_once(empty_url: str) -> None:
    with ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        databases = [stack.enter_context(opened(empty_url)) for _ in range(8)]
        accepted = list(pool.map(lambda one: store_of(one).accept(an_event()), databases))
    assert accepted.count(True) == 1


def test_a_block_that_raises_leaves_nothing(sql_database: Database) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(sql_database)
    with sql_database.reading() as rows:
        assert len(rows.all("select * from schema_version", {})) == 1


def interrupted(database: Database) -> None:
    with database.transaction() as rows:
        rows.write("insert into schema_version values (99)")
        raise KeyboardInterrupt


def test_a_reader_cannot_write(sql_database: Database) -> None:
    with pytest.raises(BackendError), sql_database.reading() as rows:
        rows.write("delete from schema_version")


def test_a_reader_sees_one_moment(sql_database: Database) -> None:
    store = store_of(sql_database)
    with sql_database.reading() as rows:
        before = len(rows.all("select * from event", {}))
        store.accept(an_event())
        assert len(rows.all("select * from event", {})) == before


def test_what_a_transaction_read_stays_true_until_it_ends(postgres_url: str) -> None:
    """Ten processes that count up one number lose no step."""
    with ExitStack() as stack, ThreadPoolExecutor(10) as pool:
        databases = [stack.enter_context(opened(postgres_url)) for _ in range(10)]
        with databases[0].transaction() as rows:
            rows.write("create table counted (n bigint)")
            rows.write("insert into counted values (0)")
        list(pool.map(counted_up, databases * 5))
        with databases[0].reading() as rows:
            assert [row["n"] for row in rows.all("select n from counted", {})] == [50]


def write_around(database: Database, act: Callable[[], object]) -> None:
    """Write, have something happen, and write on."""
    with database.transaction() as rows:
        rows.write(LEASE)
        act()
        rows.write("update lease set fence = 2")


def counted_up(database: Database) -> None:
    with database.transaction() as rows:
        found = rows.one("select n from counted", {})
        assert found is not None
        rows.write("update counted set n = :n", {"n": found["n"] + 1})


def test_text_that_no_database_holds_is_written_out(sql_database: Database) -> None:
    with sql_database.transaction() as rows:
        row = rows.one("select :text as text", {"text": "a\0b\udcffc\N{SNOWMAN}"})
    assert row is not None
    assert row["text"] == "a\\x00b\\udcffc\N{SNOWMAN}"


def test_a_connection_is_used_again_and_closed_in_the_end(postgres_server: PostgresServer, postgres_url: str) -> None:
    name = postgres_url.rpartition("/")[2]
    with opened(postgres_url) as database:
        for _ in range(5):
            store_of(database).runs("churn")
        names = [name for (name,) in postgres_server.ask("select datname from pg_stat_activity")]
        assert names.count(name) == 1


# Migrations


def extended(tmp_path: Path, sql: str) -> Path:
    folder = tmp_path / "migrations"
    shutil.copytree(POSTGRES_MIGRATIONS, folder)
    number = len(list(folder.iterdir())) + 1
    (folder / f"{number:04}_more.sql").write_text(sql, encoding="utf-8")
    return folder


def test_an_older_database_is_brought_to_the_newest_schema_with_what_it_holds(
    tmp_path: Path, postgres_url: str
) -> None:
    with opened(postgres_url) as older:
        store_of(older).accept(an_event())
    migrations = extended(tmp_path, "alter table event add column colour text")
    with opened(postgres_url, migrations=migrations) as newer, newer.reading() as rows:
        row = rows.one("select id, colour from event", {})
    assert row is not None
    assert (row["id"], row["colour"]) == ("event-1", None)


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path, postgres_url: str) -> None:
    with opened(postgres_url) as running:
        store_of(running).accept(an_event())
        with opened(postgres_url, migrations=extended(tmp_path, "create table more (a text)")) as newer:
            store_of(newer).accept(an_event("newer"))
        with pytest.raises(StateError, match="Upgrade Everfit; nothing was changed"):
            store_of(running).accept(an_event("late"))
        with opened(postgres_url) as older, pytest.raises(StateError, match="Upgrade Everfit"):
            store_of(older).runs("churn")


def test_a_migration_that_fails_leaves_the_database_as_it_was(tmp_path: Path, postgres_url: str) -> None:
    broken = extended(tmp_path, "create table more (a text);\ncreate table more (a text);\n")
    with opened(postgres_url, migrations=broken) as newer, pytest.raises(BackendError, match="more"):
        store_of(newer).runs("churn")
    with opened(postgres_url) as database, database.reading() as rows:
        assert rows.one("select to_regclass('more') as found", {}) == {"found": None}


# What cannot be used


def test_a_lock_that_is_held_for_long_may_be_tried_again(postgres_url: str) -> None:
    with opened(postgres_url) as holder, opened(postgres_url, SHORT) as impatient:
        with holder.transaction(), pytest.raises(StateError, match="locked by another process") as caught:
            store_of(impatient).accept(an_event())
        assert caught.value.retryable
        assert store_of(impatient).accept(an_event())


def test_a_process_that_stops_inside_a_transaction_holds_up_nobody_for_long(postgres_url: str) -> None:
    with opened(postgres_url, SHORT) as paused, opened(postgres_url) as other:
        with pytest.raises(StateError, match="went away") as caught:
            write_around(paused, lambda: store_of(other).accept(an_event()))
        assert caught.value.retryable
        assert len(store_of(other).events("churn", "production")) == 1
        assert store_of(paused).accept(an_event("after"))


def test_a_server_that_never_was_there_is_told(own_postgres_server: PostgresServer) -> None:
    own_postgres_server.stop()
    with opened(own_postgres_server.url("nowhere"), SHORT) as database, pytest.raises(StateError) as caught:
        store_of(database).runs("churn")
    assert f"postgresql://127.0.0.1:{own_postgres_server.port}/nowhere cannot be reached" in str(caught.value)
    assert caught.value.retryable


def test_a_server_that_is_restarted_is_waited_for(own_postgres_server: PostgresServer) -> None:
    with opened(own_postgres_server.migrated_database()) as database:
        assert store_of(database).accept(an_event())
        own_postgres_server.stop()
        with ThreadPoolExecutor(1) as pool:
            accepted = pool.submit(store_of(database).accept, an_event("after"))
            own_postgres_server.start()
        assert accepted.result()
        assert len(store_of(database).events("churn", "production")) == 2


def test_a_block_that_a_restart_cuts_off_is_not_kept_and_not_repeated(own_postgres_server: PostgresServer) -> None:
    with opened(own_postgres_server.migrated_database()) as database:
        restarts: list[int] = []

        def restart() -> None:
            restarts.append(1)
            own_postgres_server.stop()
            own_postgres_server.start()

        with pytest.raises(StateError, match="what was being written was not kept") as caught:
            write_around(database, restart)
        assert (len(restarts), caught.value.retryable) == (1, True)
        with database.reading() as rows:
            assert rows.all("select * from lease", {}) == []


def test_a_commit_that_nobody_answers_says_that_it_is_not_known(own_postgres_server: PostgresServer) -> None:
    with opened(own_postgres_server.migrated_database()) as database:
        with pytest.raises(StateError, match="whether it was kept") as caught, database.transaction():
            own_postgres_server.stop()
        assert caught.value.retryable


def test_a_read_only_server_is_told(postgres_server: PostgresServer, postgres_url: str) -> None:
    name = postgres_url.rpartition("/")[2]
    postgres_server.ask(f"alter database {name} set default_transaction_read_only = on")
    with opened(postgres_url) as database:
        assert store_of(database).runs("churn") == []
        with pytest.raises(StateError, match=r"cannot be written.*Name the primary"):
            store_of(database).accept(an_event())


def test_a_full_disk_of_the_server_is_told_in_words_and_nothing_is_half_written(
    postgres_database: PostgresDatabase,
) -> None:
    full = "create function full_disk() returns trigger language plpgsql as $$ begin raise sqlstate '53100'; end $$"
    with postgres_database.transaction() as rows:
        rows.write(full)
        rows.write("create trigger full_disk after insert on event execute function full_disk()")
    with pytest.raises(StateError, match=r"no space left.*nothing is half written"):
        store_of(postgres_database).accept(an_event())
    assert store_of(postgres_database).events("churn", "production") == []


def test_an_error_inside_a_block_that_goes_on_keeps_nothing(postgres_database: PostgresDatabase) -> None:
    with pytest.raises(BackendError, match="nothing was kept"), postgres_database.transaction() as rows:
        write_twice(rows)


def write_twice(rows: Statements) -> None:
    rows.write(LEASE)
    with pytest.raises(psycopg.Error):
        rows.write(LEASE)


def test_a_wrong_password_is_told_at_once_and_never_shown(postgres_server: PostgresServer) -> None:
    postgres_server.ask("drop role if exists guarded")
    postgres_server.ask(f"create role guarded login superuser password '{PASSWORD}'")
    right, wrong = ("p%40ss%3Aword%2F1%25", "s3cret")
    url = postgres_server.new_database()
    name = url.rpartition("/")[2]
    with opened(postgres_server.url(name, "guarded", right)) as database:
        assert store_of(database).accept(an_event())
    with opened(postgres_server.url(name, "guarded", wrong)) as database, pytest.raises(StateError) as caught:
        store_of(database).runs("churn")
    assert "does not let this user in" in str(caught.value)
    assert wrong not in str(caught.value)
    assert not caught.value.retryable
    postgres_server.drop(url)


def test_a_database_that_is_not_there_is_told_at_once(postgres_server: PostgresServer) -> None:
    with (
        opened(postgres_server.url("nowhere")) as database,
        pytest.raises(StateError, match='"nowhere" does not exist'),
    ):
        store_of(database).runs("churn")


def test_a_user_who_may_make_no_tables_is_told(postgres_server: PostgresServer, empty_url: str) -> None:
    postgres_server.ask("drop role if exists guest")
    postgres_server.ask("create role guest login")
    url = empty_url.replace("everfit@", "guest@")
    with opened(url) as database, pytest.raises(StateError, match="right to create tables"):
        store_of(database).runs("churn")


def test_a_database_that_holds_not_every_letter_is_told(postgres_server: PostgresServer) -> None:
    postgres_server.ask("create database latin encoding 'LATIN1' locale 'C' template template0")
    with opened(postgres_server.url("latin")) as database, pytest.raises(StateError, match=r"LATIN1.*encoding 'UTF8'"):
        store_of(database).runs("churn")
    postgres_server.ask("drop database latin with (force)")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:s3cret@[::1/everfit",
        "postgresql://ada:s3cret%zz@host/everfit",
        "postgresql://ada:s3cret@host:99999/everfit",
        "postgresql://ada:s3cret@host:port/everfit",
        "postgresql://ada:s3cret@host",
        "postgresql://ada:s3cret@host/everfit?colour=red",
    ],
)
def test_a_wrong_address_is_told_in_one_line_without_what_stands_in_it(url: str) -> None:
    with pytest.raises(RequestError) as caught:
        postgres_address(url)
    assert "EVERFIT_DATABASE" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["mysql://ada:s3cret@host/everfit", "s3cret", "host=x password=s3cret"])
def test_another_kind_of_address_is_told(url: str) -> None:
    with pytest.raises(RequestError, match="must read postgresql://") as caught:
        read_settings({"EVERFIT_DATABASE": url, "EVERFIT_HOME": "/x"})
    assert "s3cret" not in str(caught.value)


def test_a_shared_database_without_a_shared_folder_is_told() -> None:
    with pytest.raises(RequestError, match="EVERFIT_HOME"):
        read_settings({"EVERFIT_DATABASE": "postgresql://host/everfit"})
