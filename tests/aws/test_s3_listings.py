"""What listings of data in S3 promise beyond what every listing does."""

import gzip
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.data_source import S3DataSource
from everfit.adapters.aws.listings import S3Listings, Waits
from everfit.adapters.files.listing_lines import in_order
from everfit.domain.aws import AwsPlace
from everfit.domain.errors import BackendError, RequestError
from everfit.domain.listing import ListedFile, changes, difference, order_of
from everfit.domain.project import Format
from tests.aws.bench.client import Bench, until
from tests.aws.many_keys import ManyKeys, clients_of

DATA = "customer-data"
SOURCE = f"s3://{DATA}/train/"
PATIENT = timedelta(seconds=60)


@pytest.fixture
def client(aws_clients: Clients) -> Any:
    made = aws_clients("s3")
    made.create_bucket(Bucket=DATA)
    for name in ("a.csv", "a/x.csv", "a-b/y.csv", "b.csv"):
        made.put_object(Bucket=DATA, Key=f"train/{name}", Body=b"x,y\n1,2\n")
    return made


@pytest.fixture
def listings(aws_clients: Clients, s3_place: AwsPlace, tmp_path: Path) -> S3Listings:
    return S3Listings(aws_clients, s3_place, tmp_path / "scratch", waits=Waits(patience=PATIENT, age=timedelta(0)))


def digest(listings: S3Listings, source: str = SOURCE) -> str:
    listing = listings.take(source)
    assert listing is not None
    return listing.digest


def paths(listings: S3Listings, source: str = SOURCE) -> list[str]:
    return [file.path for file in listings.files(digest(listings, source))]


@pytest.mark.parametrize("pattern", ["", "**/*.csv"])
def test_files_come_in_the_order_of_listings_which_is_not_that_of_s3(
    client: Any, listings: S3Listings, pattern: str
) -> None:
    del client
    assert paths(listings, SOURCE + pattern) == ["a/x.csv", "a-b/y.csv", "a.csv", "b.csv"]


def test_a_listing_shows_what_a_snapshot_takes(
    client: Any, listings: S3Listings, aws_clients: Clients, s3_place: AwsPlace, tmp_path: Path
) -> None:
    for name in (".a.csv.swp", "a.csv~", "b.tmp", "c.csv.part", ".hidden/d.csv", "e.crdownload", "folder/"):
        client.put_object(Bucket=DATA, Key=f"train/{name}", Body=b"")
    frozen = S3DataSource(aws_clients, s3_place, tmp_path / "scratch").freeze(SOURCE)
    assert sorted(paths(listings)) == [entry.path for entry in frozen.files]
    assert len(frozen.files) == 4


def test_only_new_content_makes_another_listing(client: Any, listings: S3Listings) -> None:
    first = digest(listings)
    client.put_object(Bucket=DATA, Key="train/a.csv", Body=b"x,y\n1,2\n")
    assert digest(listings) == first
    client.put_object(Bucket=DATA, Key="train/a.csv", Body=b"x,y\n1,3\n")
    client.delete_object(Bucket=DATA, Key="train/b.csv")
    found = difference(changes(listings.files(first), listings.files(digest(listings))))
    assert (found.added, found.replaced, found.removed) == (0, 1, 1)


def test_an_emptied_prefix_is_a_listing_without_files(client: Any, listings: S3Listings) -> None:
    for name in ("a.csv", "a/x.csv", "a-b/y.csv", "b.csv"):
        client.delete_object(Bucket=DATA, Key=f"train/{name}")
    listing = listings.take(SOURCE)
    assert listing is not None
    assert listing.files == 0


def test_a_bucket_that_is_not_there_is_no_absence_of_data(listings: S3Listings) -> None:
    with pytest.raises(RequestError, match="no bucket no-such-data"):
        listings.take("s3://no-such-data/train/")


def test_data_of_a_machine_is_not_listed_where_there_is_none(listings: S3Listings, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="is not in S3"):
        listings.take(str(tmp_path))
    with pytest.raises(RequestError, match="is not in S3"):
        listings.rows(str(tmp_path), Format.CSV, ())


def test_storage_that_hangs_keeps_nobody_waiting(
    client: Any, bench: Bench, aws_clients: Clients, s3_place: AwsPlace, tmp_path: Path
) -> None:
    del client
    hung = bench.hang("s3", "ListObjectsV2")
    waits = Waits(patience=timedelta(milliseconds=20))
    listings = S3Listings(aws_clients, s3_place, tmp_path / "scratch", waits=waits)
    assert listings.take(SOURCE) is None
    until(lambda: bench.hangs(hung))
    assert listings.take(SOURCE) is None
    bench.release(hung, is_answered=True)
    found = until(lambda: listings.take(SOURCE))
    assert found is not None
    assert found.files == 4


def test_storage_that_fails_is_told(client: Any, bench: Bench, listings: S3Listings) -> None:
    del client
    bench.fault("s3", "ListObjectsV2", code="InternalError", status=500, times=100)
    with pytest.raises(BackendError):
        listings.take(SOURCE)


def test_a_listing_that_is_taken_again_is_kept_as_long_as_a_new_one(
    client: Any, bench: Bench, aws_clients: Clients, s3_place: AwsPlace, tmp_path: Path
) -> None:
    del client
    day = Waits(patience=PATIENT, age=timedelta(days=1))
    listings = S3Listings(aws_clients, s3_place, tmp_path / "scratch", waits=day)
    first = digest(listings)
    before = len(bench.calls())
    assert digest(listings) == first
    assert bench.calls("s3", "PutObject", before) == []
    listings.forget_all_but([])
    assert listings.holds(first)
    hasty = S3Listings(
        aws_clients, s3_place, tmp_path / "scratch", waits=Waits(patience=PATIENT, age=timedelta(seconds=-1))
    )
    before = len(bench.calls())
    assert digest(hasty) == first
    assert len(bench.calls("s3", "PutObject", before)) == 1


def test_more_files_than_fit_into_memory_are_put_in_order(tmp_path: Path) -> None:
    files = [
        ListedFile(path=f"{number % 7}-{'/' * (number % 2)}{number}", size=number, mark="m") for number in range(99)
    ]
    found = list(in_order(iter(files), tmp_path, at_once=10))
    assert found == sorted(files, key=lambda file: order_of(file.path))
    assert list(in_order(iter(files[:5]), tmp_path)) == sorted(files[:5], key=lambda file: order_of(file.path))
    assert list(in_order(iter(()), tmp_path)) == []


def test_more_objects_than_a_page_are_all_listed(some_place: AwsPlace, tmp_path: Path) -> None:
    with clients_of(ManyKeys(2_500)) as clients:
        listings = S3Listings(clients, some_place, tmp_path / "scratch", waits=Waits(patience=PATIENT))
        found = listings.take("s3://many-keys/data/")
    assert found is not None
    assert found.files == 2_500


# Rows


def changed(client: Any, name: str, content: bytes, since: int | None = None) -> Iterator[Any]:
    """Put a file and yield what a listing would show of it."""
    client.put_object(Bucket=DATA, Key=f"train/{name}", Body=content)
    old = None if since is None else ListedFile(path=name, size=since, mark="")
    yield old, ListedFile(path=name, size=len(content), mark="")


def test_rows_are_counted_where_they_lie(client: Any, bench: Bench, listings: S3Listings, tmp_path: Path) -> None:
    csv = changed(client, "new.csv", b"x,y\n" + b"1,2\n" * 30)
    assert listings.rows(SOURCE, Format.CSV, csv) == 30
    grown = changed(client, "new.csv", b"x,y\n" + b"1,2\n" * 50, since=124)
    assert listings.rows(SOURCE, Format.CSV, grown) == 20
    packed = changed(client, "new.csv.gz", gzip.compress(b"x,y\n" + b"1,2\n" * 40))
    assert listings.rows(f"{SOURCE}*", Format.CSV, packed) == 40
    duckdb.table_function("range", [1234]).write_parquet(str(tmp_path / "a.parquet"))
    parquet = changed(client, "new.parquet", (tmp_path / "a.parquet").read_bytes())
    assert listings.rows(SOURCE, Format.PARQUET, parquet) == 1234
    single = changed(client, "new.jsonl", b'{"x": 1}\n{"x": 2}\n')
    assert listings.rows(f"{SOURCE}new.jsonl", Format.JSONL, single) == 2
    assert {call["params"].get("Range", "none")[:6] for call in bench.calls("s3", "GetObject")} == {"bytes="}


def test_what_went_away_or_is_broken_has_no_rows(client: Any, listings: S3Listings) -> None:
    gone = [(None, ListedFile(path="gone.csv", size=9, mark=""))]
    assert listings.rows(SOURCE, Format.CSV, gone) == 0
    assert listings.rows(SOURCE, Format.CSV, changed(client, "bad.csv.gz", b"no gzip")) == 0
    assert listings.rows(SOURCE, Format.PARQUET, changed(client, "bad.parquet", b"no parquet at all")) == 0
