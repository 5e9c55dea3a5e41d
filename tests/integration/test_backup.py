"""One file holds the whole installation; restored elsewhere, in either kind of database, it answers the same."""

import gzip
import json
import os
import shutil
import signal
import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from everfit.adapters.local.backup import write_backup
from everfit.adapters.local.home import FILE
from everfit.adapters.local.postgres_address import postgres_address
from everfit.adapters.local.postgres_database import PostgresDatabase
from everfit.adapters.local.restore import Restored, restore_backup
from everfit.adapters.local.service_lock import Holder, ServiceLock
from everfit.adapters.local.sqlite_database import SqliteDatabase
from everfit.adapters.memory.clock import SettableClock
from everfit.adapters.sql.database import Database, Kind, known_migrations
from everfit.adapters.sql.registry import SqlRegistry
from everfit.adapters.sql.sqlite_statements import SQLITE_MIGRATIONS
from everfit.adapters.sql.state_rows import lines_of, tables_of
from everfit.domain.errors import BusyError, FencedError, NotFoundError, RefusedError, RequestError, StateError
from everfit.domain.run import Outcome
from everfit.domain.version import release
from tests.kept import SqlKept
from tests.projects import PROJECT, LineProject
from tests.small_disk import mounted
from tests.stored import MINUTE, START, a_placement, a_run, a_version, an_event

NOW = "2026-11-21T09:00:00+00:00"


def lived_in(database: Database) -> None:
    """Give every table that a run touches a row, and leave one run under way."""
    clock = SettableClock(START)
    store, registry = SqlKept(database, clock), SqlRegistry(database, clock)
    store.accept(an_event())
    claim = store.claim("churn", "production", owner="worker", lease=MINUTE, run=store.begin(a_run()).id)
    store.begin_step(claim, "train")
    store.finish_step(claim, "train", {"words": "caf\N{LATIN SMALL LETTER E WITH ACUTE} \0 'quoted' :name 100%"})
    version = registry.register(claim, a_version(), a_placement())
    proof = release(version, registry.placement("churn", "production", 1))
    registry.served(claim, proof, reason="x", actor="ada")
    store.end(claim, Outcome.DEPLOYED, "It is better.")
    store.release(claim)
    store.accept(an_event("later"))
    store.claim("churn", "production", owner="worker", lease=MINUTE, run=store.begin(a_run("run-2")).id)


def content(database: Database) -> dict[str, list[Any]]:
    """Return every row, but for who holds what."""
    with database.reading() as rows:
        return {
            table: sorted(json.loads(line).items() for line in lines_of(rows, table))
            for table in tables_of(database.migrations)
            if table != "lease"
        }


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    for name in ("artifacts/1.tar.gz", "models/1/weights", "objects/ab/c", "snapshots/1.json", "snapshots/seen-1.json"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(name)
    return home


def backed_up(home: Path, database: Database, tmp_path: Path) -> Path:
    return write_backup(home, database, tmp_path / "backup.tar.gz", NOW).path


@pytest.fixture
def targets(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    server = request.getfixturevalue("postgres_server")
    url = server.new_database()
    yield {"sqlite": None, "postgres": lambda schema: PostgresDatabase(postgres_address(url), up_to=schema)}
    server.drop(url)


def opened(restored: Restored, target: Any) -> Database:
    database: Database = SqliteDatabase(restored.home / FILE) if target is None else target(None)
    return database


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_either_kind_is_restored_into_either_kind(
    kind: str, sql_database: Database, home: Path, tmp_path: Path, targets: dict[str, Any]
) -> None:
    lived_in(sql_database)
    path = backed_up(home, sql_database, tmp_path)
    restored = restore_backup(path, tmp_path / "new", targets[kind])
    with closing(opened(restored, targets[kind])) as database:
        assert content(database) == content(sql_database)
        # Counted rows go on where they were.
        SqlKept(database, SettableClock(START)).accept(an_event("after"))
        places = [dict(row)["place"] for row in content(database)["event"]]
        assert sorted(places) == [1, 2, 3]


def test_every_table_is_saved(sql_database: Database) -> None:
    with sql_database.reading() as rows:
        if sql_database.kind is Kind.SQLITE:
            sql = "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
        else:
            sql = "select tablename as name from pg_tables where schemaname = current_schema()"
        there = {row["name"] for row in rows.all(sql, {})}
    assert there - {"schema_version"} == set(tables_of(sql_database.migrations))


def test_what_is_immutable_is_saved_and_what_is_made_anew_is_not(
    sqlite_database: SqliteDatabase, home: Path, tmp_path: Path
) -> None:
    restored = restore_backup(backed_up(home, sqlite_database, tmp_path), tmp_path / "new")
    found = {str(path.relative_to(restored.home)) for path in restored.home.rglob("*") if path.is_file()}
    assert found == {FILE, "artifacts/1.tar.gz", "objects/ab/c", "snapshots/1.json"}


def test_a_finished_job_of_a_run_under_way_is_saved(
    sqlite_database: SqliteDatabase, home: Path, tmp_path: Path
) -> None:
    lived_in(sqlite_database)
    for name in ("run-1/prepare/result.json", "run-2/prepare/result.json", "run-2/train/spec.json"):
        (home / "runs" / name).parent.mkdir(parents=True)
        (home / "runs" / name).write_text("{}")
    restored = restore_backup(backed_up(home, sqlite_database, tmp_path), tmp_path / "new")
    assert [str(path.relative_to(restored.home)) for path in (restored.home / "runs").rglob("*.json")] == [
        "runs/run-2/prepare/result.json"
    ]


def test_who_held_a_claim_has_lost_it_in_the_copy(sqlite_database: SqliteDatabase, home: Path, tmp_path: Path) -> None:
    """The original may live on: nothing that it does reaches the copy, and no endpoint refuses the copy."""
    clock = SettableClock(START)
    claim = SqlKept(sqlite_database, clock).claim("churn", "production", owner="worker", lease=MINUTE)
    (home / "host").mkdir()
    desired = {"format": 1, "endpoints": {"churn": {"fence": 41, "versions": {}, "weights": {}, "releases": {}}}}
    (home / "host" / "desired.json").write_text(json.dumps(desired))
    restored = restore_backup(backed_up(home, sqlite_database, tmp_path), tmp_path / "new")
    with closing(SqliteDatabase(restored.home / FILE)) as database:
        store = SqlKept(database, clock)
        with pytest.raises(FencedError):
            store.renew(claim, MINUTE)
        assert store.claim("churn", "production", owner="other", lease=MINUTE).fence > 42


def test_paths_into_the_old_folder_lead_into_the_new_one(
    sqlite_database: SqliteDatabase, home: Path, tmp_path: Path
) -> None:
    registry = SqlRegistry(sqlite_database, SettableClock(START))
    store = SqlKept(sqlite_database, SettableClock(START))
    claim = store.claim("churn", "production", owner="worker", lease=MINUTE)
    version = replace(a_version(), lineage={"python": f"{home}/environments/1/bin/python", "other": f"/x{home}/y"})
    registry.register(claim, version, a_placement())
    restored = restore_backup(backed_up(home, sqlite_database, tmp_path), tmp_path / "new")
    with closing(SqliteDatabase(restored.home / FILE)) as database:
        found = SqlRegistry(database, SettableClock(START)).version("churn", 1).lineage
    assert found == {"python": f"{tmp_path}/new/environments/1/bin/python", "other": f"/x{home}/y"}


def test_a_backup_of_an_older_schema_is_brought_to_the_newest(home: Path, tmp_path: Path) -> None:
    older = SqliteDatabase(tmp_path / "older.db", up_to=1)
    with older.transaction() as rows:
        rows.write("insert into lease values ('churn', 'production', 'x', 7, null, :at, :at, :at)", {"at": NOW})
    path = backed_up(home, older, tmp_path)
    older.close()
    restored = restore_backup(path, tmp_path / "new")
    with closing(SqliteDatabase(restored.home / FILE)) as database, database.reading() as rows:
        found = rows.one("select (select version from schema_version) as schema, fence from lease", {})
    assert found is not None
    assert (found["schema"], found["fence"]) == (len(known_migrations(SQLITE_MIGRATIONS)), 8)


# What is refused


def test_a_backup_never_writes_over_a_file(sqlite_database: SqliteDatabase, home: Path, tmp_path: Path) -> None:
    path = backed_up(home, sqlite_database, tmp_path)
    before = path.read_bytes()
    with pytest.raises(RequestError, match=r"exists. Name a new file"):
        backed_up(home, sqlite_database, tmp_path)
    assert path.read_bytes() == before


def test_a_backup_lies_outside_of_what_it_saves(sqlite_database: SqliteDatabase, home: Path) -> None:
    with pytest.raises(RequestError, match="lies in the state folder"):
        write_backup(home, sqlite_database, home / "backup.tar.gz", NOW)


def test_a_folder_without_state_has_no_backup(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nothing to back up"):
        write_backup(tmp_path / "home", SqliteDatabase(tmp_path / "home" / FILE), tmp_path / "backup.tar.gz", NOW)


def test_a_restore_never_writes_over_anything(sqlite_database: SqliteDatabase, home: Path, tmp_path: Path) -> None:
    path = backed_up(home, sqlite_database, tmp_path)
    before = sorted(home.rglob("*"))
    with pytest.raises(RefusedError, match="is not empty"):
        restore_backup(path, home)
    assert sorted(home.rglob("*")) == before


def test_a_restore_into_a_used_database_is_refused(
    postgres_database: PostgresDatabase, postgres_url: str, home: Path, tmp_path: Path
) -> None:
    lived_in(postgres_database)
    path, before = backed_up(home, postgres_database, tmp_path), content(postgres_database)
    with pytest.raises(RefusedError, match=r"is not empty.*Create a database"):
        restore_backup(
            path, tmp_path / "new", lambda up_to: PostgresDatabase(postgres_address(postgres_url), up_to=up_to)
        )
    assert content(postgres_database) == before
    assert not (tmp_path / "new").exists()


def test_a_restore_beside_a_running_service_is_refused(
    sqlite_database: SqliteDatabase, home: Path, tmp_path: Path
) -> None:
    path = backed_up(home, sqlite_database, tmp_path)
    with (
        ServiceLock(tmp_path / "new").held(Holder(process="process 7", since=NOW)),
        pytest.raises(BusyError, match="process 7"),
    ):
        restore_backup(path, tmp_path / "new")


def test_a_backup_of_a_newer_release_is_refused(home: Path, tmp_path: Path) -> None:
    migrations = tmp_path / "migrations"
    shutil.copytree(SQLITE_MIGRATIONS, migrations)
    (migrations / "9999_more.sql").write_text("create table more (a text);\n")
    newer = SqliteDatabase(tmp_path / "newer.db", migrations=migrations)
    with pytest.raises(RefusedError, match=r"newer Everfit.*Upgrade Everfit; nothing was changed"):
        restore_backup(backed_up(home, newer, tmp_path), tmp_path / "new")
    newer.close()
    assert not (tmp_path / "new").exists()


def test_a_damaged_archive_is_refused_wherever_it_is_damaged(
    sqlite_database: SqliteDatabase, home: Path, tmp_path: Path
) -> None:
    lived_in(sqlite_database)
    (home / "objects" / "ab" / "large").write_bytes(os.urandom(200_000))
    path = backed_up(home, sqlite_database, tmp_path)
    whole = path.read_bytes()
    for at in range(0, len(whole), len(whole) // 25):
        # One byte is another one, or the end is missing.
        for damaged in (whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :], whole[:at]):
            path.write_bytes(damaged)
            refused(path, tmp_path / "new")


def refused(path: Path, home: Path) -> None:
    try:
        restore_backup(path, home)
    except RefusedError:
        assert not home.exists() or os.listdir(home) == []
    else:
        # Only a byte of gzip's own head changes nothing.
        shutil.rmtree(home)
        assert path.stat().st_size > 0


def test_one_changed_row_is_found_although_the_archive_is_whole(
    sqlite_database: SqliteDatabase, home: Path, tmp_path: Path
) -> None:
    lived_in(sqlite_database)
    path = backed_up(home, sqlite_database, tmp_path)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"sha256:1", b"sha256:2")))
    with pytest.raises(RefusedError, match="not what was written"):
        restore_backup(path, tmp_path / "new")


@pytest.mark.parametrize("name", ["files/../../evil", "/evil", "files/environments/way/evil"])
def test_nothing_leads_out_of_the_folder(
    tmp_path: Path, sqlite_database: SqliteDatabase, home: Path, name: str
) -> None:
    path, evil = backed_up(home, sqlite_database, tmp_path), tmp_path / "evil.tar.gz"
    with tarfile.open(path, "r:gz") as whole, tarfile.open(evil, "w:gz") as made:
        first = whole.next()
        assert first is not None
        made.addfile(first, whole.extractfile(first))
        way = tarfile.TarInfo("files/environments/way")
        way.type, way.linkname = tarfile.SYMTYPE, str(tmp_path)
        made.addfile(way)
        made.addfile(tarfile.TarInfo(name))
    with pytest.raises(RefusedError, match="damaged"):
        restore_backup(evil, tmp_path / "new")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("content", [b"", b"not an archive", gzip.compress(b"not a tar", mtime=0)])
def test_a_file_that_is_no_backup_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "backup").write_bytes(content)
    with pytest.raises(RefusedError, match="no backup of Everfit's"):
        restore_backup(tmp_path / "backup", tmp_path / "new")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="There is no file"):
        restore_backup(tmp_path / "backup", tmp_path / "new")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MB."""
    with mounted(tmp_path / "small", "1m") as place:
        yield place


def test_a_full_disk_is_told_and_nothing_is_left(
    sqlite_database: SqliteDatabase, home: Path, tmp_path: Path, small_disk: Path
) -> None:
    (home / "objects" / "ab" / "large").write_bytes(os.urandom(3_000_000))
    with pytest.raises(StateError, match="no room"):
        write_backup(home, sqlite_database, small_disk / "backup.tar.gz", NOW)
    assert os.listdir(small_disk) == []
    path = backed_up(home, sqlite_database, tmp_path)
    with pytest.raises(StateError, match="no room"):
        restore_backup(path, small_disk / "home")
    assert os.listdir(small_disk / "home") == []


def test_a_restore_that_was_cut_off_is_begun_anew(sqlite_database: SqliteDatabase, home: Path, tmp_path: Path) -> None:
    path = backed_up(home, sqlite_database, tmp_path)
    (tmp_path / "new" / "artifacts").mkdir(parents=True)
    (tmp_path / "new" / ".incoming-restore-1").mkdir()
    assert restore_backup(path, tmp_path / "new").home == tmp_path / "new"
    assert (tmp_path / "new" / FILE).exists()


# As a user


@pytest.fixture
def project(tmp_path: Path) -> Iterator[LineProject]:
    project = LineProject(tmp_path / "line")
    yield project
    project.down()


QUESTIONS = (
    ("status", "--json"),
    ("runs", "--json"),
    ("history", "--json"),
    ("why", "1", "--json"),
    ("why", "2", "--json"),
)


def answers(project: LineProject, **variables: str) -> list[Any]:
    return [project.everfit(*words, **variables).json for words in QUESTIONS]


def test_a_backup_during_a_run_answers_the_same_elsewhere_and_goes_back(project: LineProject, tmp_path: Path) -> None:
    project.add_rows("a.csv", slope=1.5)
    assert project.everfit("run").code == 0
    project.add_rows("b.csv", first=100, count=400)
    assert project.everfit("run").code == 0
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    project.write("train.py", f"import time; open({str(begun)!r}, 'w').close(); time.sleep(600)")
    running = project.start("run", "--force")
    begun.read_text()
    made = project.everfit("backup", str(tmp_path / "backup.tar.gz"), "--json")
    assert made.code == 0, made.err
    before = answers(project)
    running.send_signal(signal.SIGINT)
    running.communicate()
    project.down()
    home = str(tmp_path / "elsewhere")
    assert project.everfit("restore", str(tmp_path / "backup.tar.gz"), "--into", home).code == 0
    shutil.rmtree(project.folder / ".everfit")
    try:
        after = answers(project, EVERFIT_HOME=home)
        assert after[2:] == before[2:]
        assert [run["run"] for run in after[1]] == [run["run"] for run in before[1]]
        back = project.everfit("rollback", "--json", EVERFIT_HOME=home)
        assert (back.code, back.json["to"]) == (0, 1), back.err
        body = json.dumps({"instances": [{"x": 10, "id": 0}]})
        answer = project.everfit("predict", "--json", stdin=body, EVERFIT_HOME=home).json
        assert (answer["status"], answer["version"]) == (200, 1)
    finally:
        project.everfit("down", EVERFIT_HOME=home)


def test_a_user_is_told_what_is_wrong(project: LineProject, tmp_path: Path) -> None:
    project.write("everfit.yaml", PROJECT)
    for words, said in (
        (("backup", str(tmp_path / "b")), "There is no state in"),
        (("restore", str(tmp_path / "b")), "There is no file"),
        (("backup", str(tmp_path / "no" / "b")), "There is no"),
    ):
        done = project.everfit(*words)
        assert done.code != 0
        assert said in done.err
