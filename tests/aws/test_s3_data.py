"""What data in S3 promises when it is frozen."""

import gc
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.data_source import S3DataSource
from everfit.adapters.aws.manifest_file import STRIDE, ManifestWriter, opened
from everfit.adapters.local.data_source import LocalDataSource
from everfit.domain.aws import AwsPlace
from everfit.domain.errors import BackendError, NotFoundError, RequestError, StateError
from everfit.domain.snapshot import FileEntry, Snapshot, SnapshotId, change_between, object_path, snapshot_of
from tests.aws.bench.client import Bench
from tests.aws.many_keys import ManyKeys, clients_of
from tests.aws_bench import BUCKET, REGION

DATA = "customer-data"
ABSENT = SnapshotId("sha256:" + "0" * 64)


@pytest.fixture
def client(aws_clients: Clients) -> Any:
    return aws_clients("s3")


@pytest.fixture
def data(aws_clients: Clients, s3_place: AwsPlace, tmp_path: Path) -> S3DataSource:
    return S3DataSource(aws_clients, s3_place, tmp_path / "scratch")


@pytest.fixture(params=["plain", "versioned"])
def source(request: pytest.FixtureRequest, client: Any) -> str:
    """A bucket of the user's with some data, with and without versions."""
    client.create_bucket(Bucket=DATA)
    if request.param == "versioned":
        client.put_bucket_versioning(Bucket=DATA, VersioningConfiguration={"Status": "Enabled"})
    fill(
        client, {"train/a.csv": b"x,y\n1,2\n", "train/b/c.csv": b"x,y\n3,4\n", "train/.hidden": b"1", "other.csv": b"2"}
    )
    return f"s3://{DATA}/train/"


def fill(client: Any, contents: Mapping[str, bytes]) -> None:
    for key, content in contents.items():
        client.put_object(Bucket=DATA, Key=key, Body=content)


def paths(snapshot: Snapshot) -> list[str]:
    return [entry.path for entry in snapshot.files]


def read(client: Any, url: object) -> bytes:
    bucket, _, key = str(url).removeprefix("s3://").partition("/")
    content: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


def frozen_contents(client: Any, data: S3DataSource, snapshot: Snapshot) -> dict[str, bytes]:
    """Return every file as a job would fetch it."""
    place = data.location(snapshot.id)
    rows = [json.loads(line) for line in read(client, place["objects"]).splitlines()]
    assert [row["path"] for row in rows] == paths(snapshot)
    return {row["path"]: _version(client, row) for row in rows}


def _version(client: Any, row: Mapping[str, Any]) -> bytes:
    chosen = {"VersionId": row["version"]} if row["version"] else {}
    answer = client.get_object(Bucket=row["bucket"], Key=row["key"], IfMatch=row["etag"], **chosen)
    content: bytes = answer["Body"].read()
    return content


def test_a_prefix_is_frozen_with_everything_below_it_but_hidden_files(
    client: Any, data: S3DataSource, source: str
) -> None:
    snapshot = data.freeze(source)
    assert frozen_contents(client, data, snapshot) == {"a.csv": b"x,y\n1,2\n", "b/c.csv": b"x,y\n3,4\n"}
    assert [entry.size for entry in snapshot.files] == [8, 8]
    assert snapshot.size == 16


def test_a_snapshot_is_found_again_and_names_its_manifest(client: Any, data: S3DataSource, source: str) -> None:
    snapshot = data.freeze(source)
    assert data.snapshot(snapshot.id) == snapshot == snapshot_of(snapshot.files)
    manifest = json.loads(read(client, data.location(snapshot.id)["manifest"]))
    assert (manifest["id"], [row["path"] for row in manifest["files"]]) == (snapshot.id, ["a.csv", "b/c.csv"])
    for ask in (data.snapshot, data.location):
        with pytest.raises(NotFoundError):
            ask(ABSENT)


def test_the_url_needs_no_slash_at_its_end(data: S3DataSource, source: str) -> None:
    assert data.freeze(source.rstrip("/")) == data.freeze(source)


def test_a_whole_bucket_is_a_source(data: S3DataSource, source: str) -> None:
    del source
    assert paths(data.freeze(f"s3://{DATA}")) == ["other.csv", "train/a.csv", "train/b/c.csv"]


def test_a_glob_freezes_what_it_matches(client: Any, data: S3DataSource, source: str) -> None:
    fill(client, {"train/notes.txt": b"no data", "trainings/d.csv": b"1"})
    assert paths(data.freeze(f"{source}**/*.csv")) == ["a.csv", "b/c.csv"]
    assert paths(data.freeze(f"{source}?.csv")) == ["a.csv"]
    assert paths(data.freeze(f"s3://{DATA}/train*/*.csv")) == ["train/a.csv", "trainings/d.csv"]
    with pytest.raises(RequestError, match="There are no files at"):
        data.freeze(f"{source}*.parquet")


def test_one_object_is_a_source(client: Any, data: S3DataSource, source: str) -> None:
    fill(client, {"train/a.csv.old": b"1", "train/a.csv/below": b"1"})
    assert paths(data.freeze(f"{source}a.csv")) == ["a.csv"]
    assert paths(data.freeze(f"s3://{DATA}/other.csv")) == ["other.csv"]


def test_markers_of_folders_are_no_data(client: Any, data: S3DataSource, source: str) -> None:
    fill(client, {"train/": b"", "train/b/": b"", "train/new/": b""})
    assert paths(data.freeze(source)) == ["a.csv", "b/c.csv"]


@pytest.mark.parametrize("key", ["train/full/", "train//a.csv", "train/b//c.csv", "train/../secret.csv", "train/b/.."])
def test_a_key_that_is_no_name_of_a_file_is_refused(client: Any, data: S3DataSource, source: str, key: str) -> None:
    fill(client, {key: b"content"})
    with pytest.raises(RequestError, match="Rename"):
        data.freeze(source)


@pytest.mark.parametrize("name", ["ü.csv", "a b+c%20d.csv", "a\tb.csv", "日本.csv", "a'\"&<>.csv"])
def test_any_name_of_a_file_is_kept(client: Any, data: S3DataSource, source: str, name: str) -> None:
    fill(client, {f"train/{name}": b"content"})
    snapshot = data.freeze(source)
    assert frozen_contents(client, data, snapshot)[name] == b"content"
    assert data.snapshot(snapshot.id) == snapshot


def test_what_was_deleted_is_no_data(client: Any, data: S3DataSource, source: str) -> None:
    client.delete_object(Bucket=DATA, Key="train/a.csv")
    assert paths(data.freeze(source)) == ["b/c.csv"]


def test_new_removed_and_replaced_objects_are_told(client: Any, data: S3DataSource, source: str) -> None:
    before = data.freeze(source)
    fill(client, {"train/a.csv": b"x,y\n9,9\n", "train/d.csv": b"x,y\n"})
    client.delete_object(Bucket=DATA, Key="train/b/c.csv")
    change = change_between(data.snapshot(before.id), data.freeze(source))
    assert (change.added, change.removed, change.replaced, change.new_bytes) == (
        ("d.csv",),
        ("b/c.csv",),
        ("a.csv",),
        12,
    )


def test_the_same_content_uploaded_again_is_the_same_data(client: Any, data: S3DataSource, source: str) -> None:
    before = data.freeze(source)
    fill(client, {"train/a.csv": b"x,y\n1,2\n"})
    after = data.freeze(source)
    assert after == before
    assert frozen_contents(client, data, after)["a.csv"] == b"x,y\n1,2\n"


def test_the_same_data_in_another_place_is_fetched_from_there(client: Any, data: S3DataSource, source: str) -> None:
    before = data.freeze(source)
    fill(client, {"moved/a.csv": b"x,y\n1,2\n", "moved/b/c.csv": b"x,y\n3,4\n"})
    after = data.freeze(f"s3://{DATA}/moved/")
    assert after == before
    client.delete_object(Bucket=DATA, Key="train/a.csv")
    assert b'"moved/a.csv"' in read(client, data.location(after.id)["objects"])


def test_a_bucket_with_versions_gives_what_was_frozen_after_it_changed(
    client: Any, data: S3DataSource, source: str
) -> None:
    snapshot = data.freeze(source)
    is_versioned = client.get_bucket_versioning(Bucket=DATA).get("Status") == "Enabled"
    fill(client, {"train/a.csv": b"changed"})
    if is_versioned:
        assert frozen_contents(client, data, snapshot)["a.csv"] == b"x,y\n1,2\n"
    else:
        with pytest.raises(client.exceptions.ClientError, match="PreconditionFailed"):
            frozen_contents(client, data, snapshot)


@pytest.mark.parametrize("is_versioned", [True, False])
def test_more_objects_than_a_page_are_all_there(some_place: AwsPlace, tmp_path: Path, *, is_versioned: bool) -> None:
    bucket = ManyKeys(3_500, is_versioned=is_versioned)
    with clients_of(bucket) as clients:
        snapshot = S3DataSource(clients, some_place, tmp_path / "many").freeze("s3://many-keys/data/")
    assert bucket.pages == 4
    assert paths(snapshot) == [f"{number // 1000:04}/{number:07}.csv" for number in range(3_500)]
    assert [snapshot.files[place].path[5:12] for place in (0, 1_023, 1_024, -1)] == [
        "0000000",
        "0001023",
        "0001024",
        "0003499",
    ]
    assert snapshot.files[1_020:1_030] == [*snapshot.files][1_020:1_030]


def test_nothing_that_the_installation_keeps_is_data(client: Any, data: S3DataSource, source: str) -> None:
    data.freeze(source)
    client.put_object(Bucket=BUCKET, Key="mine.csv", Body=b"1")
    client.put_object(Bucket=BUCKET, Key="everfit/uploads/inside.csv", Body=b"1")
    assert paths(data.freeze(f"s3://{BUCKET}/")) == ["mine.csv"]
    assert paths(data.freeze(f"s3://{BUCKET}/everfit/uploads/")) == ["inside.csv"]


# What cannot be frozen


@pytest.mark.parametrize(
    "url", ["s3://customer-data/nowhere/", "s3://customer-data/nowhere", "s3://customer-data/no/*"]
)
def test_an_empty_or_missing_prefix_says_so(data: S3DataSource, source: str, url: str) -> None:
    del source
    with pytest.raises(RequestError, match="There are no files at"):
        data.freeze(url)


def test_a_missing_bucket_says_so(data: S3DataSource) -> None:
    with pytest.raises(RequestError, match=r"no bucket no-such-data.*data\.source"):
        data.freeze("s3://no-such-data/train/")


@pytest.mark.parametrize("url", ["s3://", "s3:///a", "/no/such/folder"])
def test_what_is_no_place_in_s3_says_so(data: S3DataSource, url: str) -> None:
    with pytest.raises(RequestError, match="s3://bucket/prefix/"):
        data.freeze(url)


def test_a_bucket_in_another_region_names_both(bench: Bench, data: S3DataSource) -> None:
    bench.client("s3", region="eu-west-1").create_bucket(
        Bucket="far-away", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    with pytest.raises(RequestError, match=f"far-away is in eu-west-1, and aws.region is {REGION}"):
        data.freeze("s3://far-away/train/")


@pytest.mark.parametrize("operation", ["HeadBucket", "GetBucketVersioning", "PutObject"])
def test_what_is_not_permitted_is_said(bench: Bench, data: S3DataSource, source: str, operation: str) -> None:
    bench.deny("s3", operation)
    with pytest.raises(RequestError, match="may not"):
        data.freeze(source)


@pytest.mark.parametrize("call", ["looking", "listing"])
def test_storage_that_does_not_answer_is_never_an_absence_of_data(
    bench: Bench, data: S3DataSource, source: str, call: str
) -> None:
    """ "Storage unreachable" is an error and an alert. It is never "no new data"."""
    operation = "HeadBucket" if call == "looking" else used_by(bench, lambda: data.freeze(source))
    bench.fault("s3", operation, code="InternalError", status=500, times=100)
    with pytest.raises(BackendError) as caught:
        data.freeze(source)
    assert caught.value.retryable


def used_by(bench: Bench, act: Callable[[], object]) -> str:
    before = len(bench.calls())
    act()
    return str(next(call["operation"] for call in bench.calls(since=before) if "ListObject" in call["operation"]))


def test_listing_that_breaks_off_after_a_page_freezes_nothing(some_place: AwsPlace, tmp_path: Path) -> None:
    bucket = ManyKeys(3_500, breaks_at=2)
    with clients_of(bucket) as clients:
        data = S3DataSource(clients, some_place, tmp_path / "scratch")
        with pytest.raises(BackendError, match="OperationAborted"):
            data.freeze("s3://many-keys/data/")
    assert (bucket.pages, bucket.sizes) == (2, {})
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == [".lock"]


@pytest.mark.parametrize("damage", [b"", b"{", b'{"files":[\n]', b'{"files":[\n1\n],"id":"x"}', b"[1]"])
def test_a_damaged_manifest_is_an_error_and_mended_by_freezing(
    client: Any, data: S3DataSource, source: str, damage: bytes
) -> None:
    snapshot = data.freeze(source)
    key = str(data.location(snapshot.id)["manifest"]).removeprefix(f"s3://{BUCKET}/")
    client.put_object(Bucket=BUCKET, Key=key, Body=damage)
    with pytest.raises(StateError, match="Freeze the data again"):
        data.snapshot(snapshot.id)
    assert data.freeze(source) == snapshot == data.snapshot(snapshot.id)


def test_a_manifest_of_other_data_is_noticed(client: Any, data: S3DataSource, source: str) -> None:
    first = data.freeze(source)
    second = data.freeze(f"{source}a.csv")
    keys = [str(data.location(each.id)["manifest"]).removeprefix(f"s3://{BUCKET}/") for each in (first, second)]
    client.copy_object(Bucket=BUCKET, Key=keys[0], CopySource=f"{BUCKET}/{keys[1]}")
    with pytest.raises(StateError, match="is not what"):
        data.snapshot(first.id)


# Data of this machine


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    (made / "b").mkdir(parents=True)
    (made / "a.csv").write_bytes(b"x,y\n1,2\n")
    (made / "b" / "c.csv").write_bytes(b"x,y\n3,4\n")
    return made


@pytest.fixture
def uploading(aws_clients: Clients, s3_place: AwsPlace, tmp_path: Path) -> S3DataSource:
    local = LocalDataSource(tmp_path / "home")
    return S3DataSource(aws_clients, s3_place, tmp_path / "scratch", local=local)


def test_a_folder_of_this_machine_is_uploaded_once_under_the_name_that_it_has_here(
    client: Any, bench: Bench, uploading: S3DataSource, folder: Path, tmp_path: Path
) -> None:
    snapshot = uploading.freeze(str(folder))
    assert snapshot == LocalDataSource(tmp_path / "other").freeze(str(folder))
    assert frozen_contents(client, uploading, snapshot) == {"a.csv": b"x,y\n1,2\n", "b/c.csv": b"x,y\n3,4\n"}
    assert uploading.snapshot(snapshot.id) == snapshot
    before = len(bench.calls())
    (folder / "again.csv").write_bytes(b"x,y\n1,2\n")
    uploading.freeze(str(folder))
    written = [call["params"]["Key"] for call in bench.calls("s3", "PutObject", before)]
    assert [key for key in written if "/objects/" in key] == []


def test_many_files_are_compared_with_a_listing(bench: Bench, uploading: S3DataSource, tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    for number in range(250):
        (tmp_path / "many" / f"{number}.txt").write_text(str(number))
    uploading.freeze(str(tmp_path / "many"))
    (tmp_path / "many" / "new.txt").write_text("new")
    before = len(bench.calls())
    snapshot = uploading.freeze(str(tmp_path / "many"))
    new = next(entry for entry in snapshot.files if entry.path == "new.txt")
    calls = bench.calls("s3", since=before)
    written = [call["params"]["Key"] for call in calls if call["operation"] == "PutObject"]
    assert [key for key in written if "/objects/" in key] == [f"everfit/objects/{object_path(new.digest)}"]
    assert len(calls) < 10


def test_a_snapshot_reads_its_manifest_as_long_as_it_is_there_and_no_longer(tmp_path: Path) -> None:
    entries = [FileEntry(path=f"{number:06}", size=number, digest="etag:1") for number in range(3 * STRIDE + 1)]
    with ManifestWriter(tmp_path) as writer:
        for entry in entries:
            writer.add(entry, None)
        snapshot = writer.finish()
    again = opened(writer.manifest, snapshot.id, "it")
    writer.manifest.unlink()
    assert snapshot == again == snapshot_of(entries)
    assert hash(snapshot) == hash(again)
    assert snapshot.files != entries[:-1]
    assert [again.files[STRIDE * step] for step in range(4)] == entries[::STRIDE]
    open_files = len(os.listdir("/proc/self/fd"))
    del snapshot, again
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == open_files - 2


def test_the_data_of_another_account_needs_no_owner_of_ours(
    bench: Bench, aws_clients: Clients, s3_place: AwsPlace, tmp_path: Path, source: str
) -> None:
    data = S3DataSource(aws_clients, replace(s3_place, account="123456789012"), tmp_path / "scratch")
    before = len(bench.calls())
    data.freeze(source)
    owners = {call["params"]["Bucket"]: call["params"].get("ExpectedBucketOwner") for call in bench.calls(since=before)}
    assert owners == {DATA: None, BUCKET: "123456789012"}
