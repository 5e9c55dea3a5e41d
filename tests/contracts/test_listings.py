"""What listings of data sources promise."""

import gzip
import threading
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import duckdb
import fsspec  # type: ignore[import-untyped]
import pytest

from everfit.adapters.files.row_counts import RowCount
from everfit.adapters.local.data_source import LocalDataSource
from everfit.adapters.local.listings import LocalListings
from everfit.adapters.local.sources import source_of
from everfit.application.ports.listings import Listings
from everfit.domain.errors import BackendError, NotFoundError, RequestError, StateError
from everfit.domain.listing import Changed, ListedFile, changes, difference, order_of
from everfit.domain.project import Format

if TYPE_CHECKING:
    from everfit.adapters.aws.clients import Clients
    from everfit.domain.aws import AwsPlace

PATIENT = timedelta(seconds=60)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / ".everfit"


@pytest.fixture
def local_listings(home: Path) -> Listings:
    return LocalListings(home, patience=PATIENT, age=timedelta(0))


@pytest.fixture
def s3_listings(aws_clients: "Clients", s3_place: "AwsPlace", home: Path, local_listings: Listings) -> Listings:
    """What is listed on this machine is kept in the bucket; data in S3 has tests of its own."""
    from everfit.adapters.aws.listings import S3Listings, Waits  # noqa: PLC0415

    waits = Waits(patience=PATIENT, age=timedelta(0))
    return S3Listings(aws_clients, s3_place, home / "scratch", local=local_listings, waits=waits)


@pytest.fixture(params=["local", "s3"])
def listings(request: pytest.FixtureRequest) -> Listings:
    return cast("Listings", request.getfixturevalue(f"{request.param}_listings"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    for name in ("a.csv", "a/x.csv", "a-b/y.csv", "b.csv"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text("x,y\n1,2\n")
    return made


def digest(listings: Listings, source: object) -> str:
    listing = listings.take(str(source))
    assert listing is not None
    return listing.digest


def paths(listings: Listings, source: object) -> list[str]:
    return [file.path for file in listings.files(digest(listings, source))]


@pytest.mark.parametrize("pattern", ["", "/**/*.csv", "/*"])
def test_files_come_in_the_order_of_listings(listings: Listings, folder: Path, pattern: str) -> None:
    found = paths(listings, f"{folder}{pattern}")
    assert found == sorted(found, key=order_of)
    assert len(found) == 4


def test_a_listing_shows_what_a_snapshot_takes(listings: Listings, folder: Path, home: Path) -> None:
    for name in (".a.csv.swp", "a.csv~", "b.tmp", "c.csv.part", ".hidden/d.csv", "e.crdownload"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("no data")
    frozen = LocalDataSource(home).freeze(str(folder))
    assert sorted(paths(listings, folder)) == [entry.path for entry in frozen.files] == sorted(paths(listings, folder))
    assert len(frozen.files) == 4


def test_nothing_of_the_state_folder_is_data(folder: Path) -> None:
    listings = LocalListings(folder / "state", patience=PATIENT)
    assert digest(listings, folder) == digest(listings, folder)
    assert len(paths(listings, folder)) == 4


def test_the_same_files_have_the_same_digest_and_any_change_another_one(listings: Listings, folder: Path) -> None:
    first = digest(listings, folder)
    assert digest(listings, folder) == first
    (folder / "a.csv").write_text("x,y\n3,4\n")
    (folder / "a.csv").touch()
    assert digest(listings, folder) != first


def test_a_listing_is_kept_until_it_is_forgotten(listings: Listings, folder: Path) -> None:
    first = digest(listings, folder)
    second = listings.keep([ListedFile(path="a", size=1, mark="m")])
    listings.forget_all_but([second.digest])
    assert (listings.holds(first), listings.holds(second.digest)) == (False, True)
    with pytest.raises(NotFoundError, match="no listing"):
        list(listings.files(first))


def test_a_young_listing_is_not_forgotten(home: Path, folder: Path) -> None:
    listings = LocalListings(home, patience=PATIENT)
    first = digest(listings, folder)
    listings.forget_all_but([])
    assert listings.holds(first)


def test_what_cannot_be_listed_is_said(listings: Listings, folder: Path) -> None:
    with pytest.raises(RequestError, match="is not there"):
        listings.take(str(folder / "nowhere"))
    with pytest.raises(RequestError, match="nothing at memory"):
        listings.take("memory://nowhere/at/all")


def test_a_state_folder_that_cannot_be_written_is_no_trouble_of_the_data(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError):
        LocalListings(tmp_path / "file", patience=PATIENT).take(str(folder))


class PagedFileSystem(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """Storage that lists as S3's driver does: every page of a thousand keys is fetched before it answers."""

    protocol = "paged"
    keys: ClassVar[dict[str, str]] = {}
    pages: ClassVar[list[int]] = []

    def ls(self, path: str, detail: bool = True, **options: object) -> list[dict[str, object]]:
        del path, detail, options
        keys, found = list(self.keys.items()), list[dict[str, object]]()
        for start in range(0, len(keys), 1000):
            self.pages.append(len(keys[start : start + 1000]))
            found += [{"name": key, "type": "file", "size": 8, "ETag": tag} for key, tag in keys[start : start + 1000]]
        return found


@pytest.fixture
def bucket() -> Iterator[dict[str, str]]:
    fsspec.register_implementation("paged", PagedFileSystem, clobber=True)
    PagedFileSystem.keys.clear()
    PagedFileSystem.pages.clear()
    yield PagedFileSystem.keys
    PagedFileSystem.keys.clear()


def test_a_change_beyond_the_first_thousand_keys_is_seen(listings: Listings, bucket: dict[str, str]) -> None:
    bucket.update({f"bucket/{number:05}.csv": "one" for number in range(2500)})
    before = digest(listings, "paged://bucket")
    assert PagedFileSystem.pages == [1000, 1000, 500]
    bucket["bucket/02400.csv"] = "two"
    del bucket["bucket/01500.csv"]
    after = digest(listings, "paged://bucket")
    found = difference(changes(listings.files(before), listings.files(after)))
    assert (found.replaced, found.removed, found.added) == (1, 1, 0)


def test_urls_and_globs_of_them_are_listed(listings: Listings) -> None:
    name = uuid.uuid4().hex
    system: Any = fsspec.filesystem("memory")
    system.pipe({f"/{name}/a.csv": b"1", f"/{name}/b/c.csv": b"22", f"/{name}/.hidden": b"3", f"/{name}/d.tmp": b"3"})
    assert paths(listings, f"memory://{name}") == ["a.csv", "b/c.csv"]
    assert paths(listings, f"memory://{name}/*.csv") == ["a.csv"]
    first = digest(listings, f"memory://{name}")
    system.pipe({f"/{name}/a.csv": b"9"})
    assert digest(listings, f"memory://{name}") != first


class HangingFileSystem(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """Storage that answers when it is let go."""

    protocol = "hanging"
    go: ClassVar[threading.Event] = threading.Event()

    def ls(self, path: str, detail: bool = True, **options: object) -> list[dict[str, object]]:
        self.go.wait(60)
        return [{"name": "bucket/a.csv", "type": "file", "size": 8, "ETag": "one"}]


@pytest.fixture
def hanging() -> Iterator[threading.Event]:
    fsspec.register_implementation("hanging", HangingFileSystem, clobber=True)
    HangingFileSystem.go.clear()
    yield HangingFileSystem.go
    HangingFileSystem.go.set()


def test_storage_that_hangs_keeps_nobody_waiting(home: Path, folder: Path, hanging: threading.Event) -> None:
    listings = LocalListings(home, patience=timedelta(milliseconds=20))
    assert listings.take("hanging://bucket") is None
    assert listings.take("hanging://bucket") is None
    hanging.set()
    patient = LocalListings(home, patience=PATIENT)
    assert paths(patient, "hanging://bucket") == ["a.csv"]


def test_storage_that_hangs_for_long_cannot_be_reached(home: Path, hanging: threading.Event) -> None:
    del hanging
    listings = LocalListings(home, patience=timedelta(0), longest=timedelta(0))
    with pytest.raises(BackendError, match="has not answered"):
        listings.take("hanging://bucket")


def rows(source: str, data_format: Format, *changed: Changed) -> int:
    return RowCount(source_of(source, Path("/nowhere")), data_format).of(changed)


def entry(path: str, size: int) -> ListedFile:
    return ListedFile(path=path, size=size, mark="")


def written(path: Path, content: bytes) -> ListedFile:
    path.write_bytes(content)
    return entry(path.name, len(content))


def test_rows_are_the_lines_below_the_header(tmp_path: Path) -> None:
    new = written(tmp_path / "a.csv", b"x,y\n1,2\n3,4")
    assert rows(str(tmp_path), Format.CSV, (None, new)) == 2
    assert rows(str(tmp_path / "*.csv"), Format.CSV, (None, new)) == 2
    assert rows(str(tmp_path / "a.csv"), Format.CSV, (None, new)) == 2


def test_a_file_that_grew_counts_what_stands_behind_its_old_end(tmp_path: Path) -> None:
    new = written(tmp_path / "a.csv", b"x,y\n1,2\n3,4\n5,6\n")
    assert rows(str(tmp_path), Format.CSV, (entry("a.csv", 8), new)) == 2
    assert rows(str(tmp_path), Format.CSV, (entry("a.csv", 99), new)) == 0


def test_lines_of_json_have_no_header(tmp_path: Path) -> None:
    new = written(tmp_path / "a.jsonl", b'{"x": 1}\n{"x": 2}\n')
    assert rows(str(tmp_path), Format.JSONL, (None, new)) == 2


def test_packed_tables_are_unpacked_to_be_counted(tmp_path: Path) -> None:
    new = written(tmp_path / "a.csv.gz", gzip.compress(b"x,y\n" + b"1,2\n" * 30))
    assert rows(str(tmp_path), Format.CSV, (None, new)) == 30


def parquet(path: Path, count: int) -> None:
    duckdb.table_function("range", [count]).write_parquet(str(path))


def test_parquet_says_how_many_rows_it_has(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", 1234)
    new = entry("a.parquet", (tmp_path / "a.parquet").stat().st_size)
    assert rows(str(tmp_path), Format.PARQUET, (None, new)) == 1234


def test_rows_behind_a_url_are_counted(tmp_path: Path) -> None:
    name = uuid.uuid4().hex
    system: Any = fsspec.filesystem("memory")
    parquet(tmp_path / "a.parquet", 7)
    content = (tmp_path / "a.parquet").read_bytes()
    system.pipe({f"/{name}/a.csv": b"x\n1\n2\n", f"/{name}/a.parquet": content})
    assert rows(f"memory://{name}", Format.CSV, (None, entry("a.csv", 6))) == 2
    assert rows(f"memory://{name}/a.csv", Format.CSV, (None, entry("a.csv", 6))) == 2
    assert rows(f"memory://{name}/*", Format.PARQUET, (None, entry("a.parquet", len(content)))) == 7


@pytest.mark.parametrize(
    ("name", "content", "data_format"),
    [("a.csv.gz", b"no gzip", Format.CSV), ("a.parquet", b"no parquet file at all", Format.PARQUET)],
)
def test_a_broken_table_has_no_rows(tmp_path: Path, name: str, content: bytes, data_format: Format) -> None:
    assert rows(str(tmp_path), data_format, (None, written(tmp_path / name, content))) == 0


def test_files_that_are_no_tables_or_went_away_have_no_rows(tmp_path: Path) -> None:
    note = written(tmp_path / "notes.md", b"1\n2\n3\n")
    assert rows(str(tmp_path), Format.CSV, (None, note), (None, entry("gone.csv", 9)), (entry("old.csv", 9), None)) == 0
