"""What every data source promises."""

import io
import json
import os
import shutil
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import fsspec  # type: ignore[import-untyped]
import pytest
from blake3 import blake3

from everfit.adapters.local.data_source import LocalDataSource
from everfit.application.ports import DataSource
from everfit.domain.errors import BackendError, NotFoundError, RequestError, StateError
from everfit.domain.snapshot import Snapshot, SnapshotId, change_between, object_path
from tests.aws_bench import REGION

if TYPE_CHECKING:
    from everfit.adapters.aws.clients import Clients
    from everfit.domain.aws import AwsPlace

OLD = 1_600_000_000


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def local(home: Path) -> LocalDataSource:
    return LocalDataSource(home)


@pytest.fixture
def s3_data(aws_clients: "Clients", s3_place: "AwsPlace", home: Path, local: LocalDataSource) -> DataSource:
    """What is frozen on this machine is uploaded; data in S3 has tests of its own."""
    from everfit.adapters.aws.data_source import S3DataSource  # noqa: PLC0415

    return S3DataSource(aws_clients, s3_place, home / "scratch", local=local)


@pytest.fixture(params=["local", "s3"])
def data(request: pytest.FixtureRequest) -> DataSource:
    name = "local" if request.param == "local" else "s3_data"
    return cast("DataSource", request.getfixturevalue(name))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "b").mkdir(parents=True)
    (folder / "a.csv").write_bytes(b"x,y\n1,2\n")
    (folder / "b" / "c.csv").write_bytes(b"x,y\n3,4\n" * 300_000)
    (folder / ".hidden").write_bytes(b"secret")
    return folder


@cache
def client() -> Any:
    from everfit.adapters.aws.clients import Clients  # noqa: PLC0415

    return Clients(REGION)("s3")


def read(place: str) -> bytes:
    """Return the content of a file or an object."""
    if not place.startswith("s3://"):
        return Path(place).read_bytes()
    bucket, _, key = place.removeprefix("s3://").partition("/")
    data: bytes = client().get_object(Bucket=bucket, Key=key)["Body"].read()
    return data


def content(data: DataSource, snapshot: Snapshot, path: str) -> bytes:
    location = {name: str(place) for name, place in data.location(snapshot.id).items()}
    (entry,) = (row for row in json.loads(read(location["manifest"]))["files"] if row["path"] == path)
    if location["objects"].startswith("s3://"):
        (row,) = (row for row in map(json.loads, read(location["objects"]).splitlines()) if row["path"] == path)
        kept = read(f"s3://{row['bucket']}/{row['key']}")
    else:
        kept = read(f"{location['objects']}/{object_path(entry['digest'])}")
    assert (len(kept), f"blake3:{blake3(kept).hexdigest()}") == (entry["size"], entry["digest"])
    return kept


def paths(snapshot: Snapshot) -> list[str]:
    return [entry.path for entry in snapshot.files]


def test_a_folder_is_frozen_with_everything_below_it_but_hidden_files(data: DataSource, source: Path) -> None:
    snapshot = data.freeze(str(source))
    assert paths(snapshot) == ["a.csv", "b/c.csv"]
    assert content(data, snapshot, "a.csv") == b"x,y\n1,2\n"
    assert content(data, snapshot, "b/c.csv") == (source / "b" / "c.csv").read_bytes()


def test_a_snapshot_is_found_again_by_its_id(data: DataSource, source: Path) -> None:
    snapshot = data.freeze(str(source))
    assert data.snapshot(snapshot.id) == snapshot
    with pytest.raises(NotFoundError):
        data.snapshot(SnapshotId("sha256:" + "0" * 64))


def test_the_same_content_is_the_same_snapshot_wherever_it_lies(data: DataSource, source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "copy")
    assert data.freeze(str(tmp_path / "copy")) == data.freeze(str(source)) == data.freeze(f"file://{source}")


def test_a_glob_freezes_what_it_matches(data: DataSource, source: Path) -> None:
    (source / "notes.txt").write_text("no data")
    assert paths(data.freeze(f"{source}/**/*.csv")) == ["a.csv", "b/c.csv"]
    assert paths(data.freeze(f"{source}/?.csv")) == ["a.csv"]
    assert paths(data.freeze(f"{source}/b*")) == ["b/c.csv"]


def test_a_glob_follows_links_inside_its_folder_alone(data: DataSource, source: Path) -> None:
    (source / "link.csv").symlink_to("a.csv")
    assert paths(data.freeze(f"{source}/*.csv")) == ["a.csv", "link.csv"]
    out(source)
    with pytest.raises(RequestError, match="is a link out of"):
        data.freeze(f"{source}/*.csv")


def test_a_folder_may_have_a_name_like_a_glob(data: DataSource, tmp_path: Path) -> None:
    (tmp_path / "a[1]").mkdir()
    (tmp_path / "a[1]" / "x.csv").write_text("1")
    assert paths(data.freeze(str(tmp_path / "a[1]"))) == ["x.csv"]


def test_a_single_file_is_a_source(data: DataSource, source: Path) -> None:
    assert paths(data.freeze(str(source / "a.csv"))) == ["a.csv"]


@pytest.fixture
def bucket() -> str:
    name = f"/{uuid.uuid4().hex}"
    system: Any = fsspec.filesystem("memory")
    system.pipe({f"{name}/a.csv": b"1", f"{name}/b/c.csv": b"2" * 3_000_000, f"{name}/.hidden": b"3"})
    return f"memory:/{name}"


def test_a_url_is_frozen_like_a_folder(data: DataSource, bucket: str, tmp_path: Path) -> None:
    snapshot = data.freeze(bucket)
    assert paths(snapshot) == ["a.csv", "b/c.csv"]
    assert content(data, snapshot, "b/c.csv") == b"2" * 3_000_000
    assert paths(data.freeze(f"{bucket}/*.csv")) == ["a.csv"]
    assert paths(data.freeze(f"{bucket}/a.csv")) == ["a.csv"]


def test_new_content_behind_a_url_is_noticed(data: DataSource, bucket: str) -> None:
    old = data.freeze(bucket)
    system: Any = fsspec.filesystem("memory")
    system.pipe(f"{bucket.removeprefix('memory:/')}/a.csv", b"9")
    new = data.freeze(bucket)
    assert change_between(old, new).replaced == ("a.csv",)
    assert content(data, new, "a.csv") == b"9"


class TaggedFileSystem(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """Storage whose listings tell the digest of each content, as S3's do."""

    protocol = "tagged"
    contents: ClassVar[dict[str, bytes]] = {}
    opened: ClassVar[list[str]] = []

    def ls(self, path: str, detail: bool = True, **options: object) -> list[dict[str, object]]:
        return [
            {"name": name, "type": "file", "size": len(content), "ETag": blake3(content).hexdigest()}
            for name, content in self.contents.items()
        ]

    def open(self, path: str, mode: str = "rb", **options: object) -> io.BytesIO:
        self.opened.append(path)
        return io.BytesIO(self.contents[path])


def test_only_new_content_is_fetched_when_the_storage_tells_what_it_has(data: DataSource) -> None:
    fsspec.register_implementation("tagged", TaggedFileSystem, clobber=True)
    contents, opened = TaggedFileSystem.contents, TaggedFileSystem.opened
    contents.clear()
    opened.clear()
    contents.update({"bucket/a.csv": b"1", "bucket/b.csv": b"2"})
    first = data.freeze("tagged://bucket")
    assert sorted(opened) == ["bucket/a.csv", "bucket/b.csv"]
    assert data.freeze("tagged://bucket") == first
    assert len(opened) == 2
    contents["bucket/a.csv"] = b"3"
    assert change_between(first, data.freeze("tagged://bucket")).replaced == ("a.csv",)
    assert opened[2:] == ["bucket/a.csv"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("s3://bucket/prefix/", "s3fs"),
        ("gs://user:password@bucket/", "gcsfs"),
        ("nosuch://bucket/", "nosuch"),
        ("memory://nothing-here", "There is nothing at"),
    ],
)
def test_a_url_that_cannot_be_read_says_what_to_do(local: LocalDataSource, name: str, expected: str) -> None:
    with pytest.raises(RequestError, match=expected) as caught:
        local.freeze(name)
    assert "password" not in str(caught.value)


class UnreachableFileSystem(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """Storage that goes away after the first answer."""

    protocol = "unreachable"

    def ls(self, path: str, detail: bool = True, **options: object) -> list[object]:
        if path.endswith("bucket"):
            return [
                {"name": f"{path}/a.csv", "type": "file", "size": 1},
                {"name": f"{path}/below", "type": "directory", "size": 0},
            ]
        raise ConnectionError(f"no route to {path}")


@pytest.mark.parametrize("pattern", ["bucket", "elsewhere", "bucket/**/*.csv"])
def test_unreachable_storage_is_an_error_that_can_pass_and_never_an_absence_of_data(
    data: DataSource, pattern: str
) -> None:
    """ "Storage unreachable" is an error and an alert. It is never "no new data"."""
    fsspec.register_implementation("unreachable", UnreachableFileSystem, clobber=True)
    with pytest.raises(BackendError, match="no route to") as caught:
        data.freeze(f"unreachable://{pattern}")
    assert caught.value.retryable


def test_more_files_than_a_page_of_a_listing_are_all_there(local: LocalDataSource, tmp_path: Path) -> None:
    """Zero, one and 100,000 new objects; more than 1,000 keys (one page of a listing)."""
    (tmp_path / "many").mkdir()
    for number in range(1_001):
        (tmp_path / "many" / f"{number}.txt").write_text(str(number))
    assert len(local.freeze(str(tmp_path / "many")).files) == 1_001


def test_a_missing_source_says_so(data: DataSource, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="is not there"):
        data.freeze(str(tmp_path / "nowhere"))
    with pytest.raises(RequestError, match="There are no files at"):
        data.freeze(str(tmp_path / "nowhere" / "*.csv"))


def test_an_empty_source_says_so(data: DataSource, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="There are no files at"):
        data.freeze(str(tmp_path / "empty"))
    with pytest.raises(RequestError, match="There are no files at"):
        data.freeze(str(tmp_path / "empty" / "*.csv"))


def test_an_empty_file_is_data(data: DataSource, source: Path) -> None:
    (source / "empty.csv").touch()
    assert content(data, data.freeze(str(source)), "empty.csv") == b""


def test_links_inside_the_source_are_followed(data: DataSource, source: Path) -> None:
    (source / "link.csv").symlink_to("a.csv")
    (source / "again").symlink_to("b")
    assert paths(data.freeze(str(source))) == ["a.csv", "again/c.csv", "b/c.csv", "link.csv"]


def out(source: Path) -> None:
    (source.parent / "outside.csv").write_text("x")
    (source / "out.csv").symlink_to(source.parent / "outside.csv")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (out, "is a link out of"),
        (lambda source: (source / "b" / "up").symlink_to(".."), "a loop without end"),
        (lambda source: (source / "lost").symlink_to("nowhere"), "which is not there"),
        (lambda source: (source / "self").symlink_to("self"), "leads back to itself"),
        (lambda source: os.mkfifo(source / "pipe"), "is a pipe, socket or device"),
        (lambda source: Path(os.fsdecode(os.fsencode(source) + b"/\xff")).touch(), "not UTF-8"),
    ],
)
def test_what_cannot_be_frozen_is_refused_by_name(
    data: DataSource, source: Path, spoil: Callable[[Path], object], expected: str
) -> None:
    spoil(source)
    with pytest.raises(RequestError, match=expected):
        data.freeze(str(source))


def test_a_source_may_itself_be_a_link(data: DataSource, source: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(source)
    assert data.freeze(str(tmp_path / "link")) == data.freeze(str(source))


def test_the_state_folder_is_never_data(source: Path) -> None:
    data = LocalDataSource(source / "state")
    for pattern in (source, source, f"{source}/**", f"{source}/*"):
        assert paths(data.freeze(str(pattern))) == ["a.csv", "b/c.csv"]


def test_a_program_that_writes_in_place_into_its_inputs_cannot_change_the_snapshot(
    data: DataSource, source: Path
) -> None:
    """A script that writes in place into its inputs/frozen code cannot change the snapshot."""
    before = data.freeze(str(source))
    with (source / "a.csv").open("r+b") as file:
        file.write(b"z")
    after = data.freeze(str(source))
    assert content(data, before, "a.csv") == b"x,y\n1,2\n"
    assert change_between(before, after).replaced == ("a.csv",)


def test_a_change_that_keeps_size_and_time_is_noticed(data: DataSource, source: Path) -> None:
    os.utime(source / "a.csv", (OLD, OLD))
    before = data.freeze(str(source))
    (source / "a.csv").write_bytes(b"x,y\n1,3\n")
    os.utime(source / "a.csv", (OLD, OLD))
    assert change_between(before, data.freeze(str(source))).replaced == ("a.csv",)


def spoil_by_removing(path: Path) -> None:
    path.unlink()


def spoil_by_cutting(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"")


def spoil_by_writing(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"X" * path.stat().st_size)


@pytest.mark.parametrize("path", ["a.csv", "b/c.csv"])
@pytest.mark.parametrize("spoil", [spoil_by_removing, spoil_by_cutting, spoil_by_writing])
def test_a_lost_or_changed_object_is_stored_again(
    local: LocalDataSource, source: Path, spoil: Callable[[Path], None], path: str
) -> None:
    snapshot = local.freeze(str(source))
    (entry,) = (entry for entry in snapshot.files if entry.path == path)
    spoil(Path(str(local.location(snapshot.id)["objects"]), object_path(entry.digest)))
    with pytest.raises(StateError):
        local.verify(snapshot.id)
    assert local.freeze(str(source)) == snapshot
    local.verify(snapshot.id)


def test_a_lost_object_is_told_before_a_job_needs_it(local: LocalDataSource, source: Path) -> None:
    snapshot = local.freeze(str(source))
    path = Path(str(local.location(snapshot.id)["objects"]), object_path(snapshot.files[0].digest))
    os.utime(path)
    local.location(snapshot.id)
    path.unlink()
    with pytest.raises(StateError, match=r"the kept content of a\.csv"):
        local.location(snapshot.id)


def test_a_damaged_manifest_is_an_error_and_mended_by_freezing(local: LocalDataSource, source: Path) -> None:
    snapshot = local.freeze(str(source))
    manifest = Path(str(local.location(snapshot.id)["manifest"]))
    for damage in ("", "{", '{"files": []}'):
        manifest.write_text(damage)
        with pytest.raises(StateError, match="Freeze the data again"):
            local.snapshot(snapshot.id)
    assert local.freeze(str(source)) == snapshot == local.snapshot(snapshot.id)


def test_a_damaged_memory_of_what_was_seen_costs_time_only(local: LocalDataSource, home: Path, source: Path) -> None:
    snapshot = local.freeze(str(source))
    (memory,) = (home / "snapshots").glob("seen-*")
    for damage in (b"", b"[1]", b'{"a.csv": 3}'):
        memory.write_bytes(damage)
        assert local.freeze(str(source)) == snapshot


def test_content_is_kept_once(local: LocalDataSource, home: Path, source: Path) -> None:
    local.freeze(str(source))
    shutil.copy(source / "b" / "c.csv", source / "again.csv")
    (source / "a.csv").rename(source / "moved.csv")
    local.freeze(str(source))
    assert len(list((home / "objects").glob("??/*"))) == 2


def test_what_no_kept_snapshot_needs_is_removed(local: LocalDataSource, source: Path) -> None:
    first = local.freeze(str(source))
    (source / "a.csv").write_bytes(b"new")
    second = local.freeze(str(source))
    assert local.prune([second.id]) == len(b"x,y\n1,2\n")
    local.verify(second.id)
    with pytest.raises(NotFoundError):
        local.snapshot(first.id)


def test_nothing_is_removed_when_a_snapshot_to_keep_is_not_there(local: LocalDataSource, source: Path) -> None:
    snapshot = local.freeze(str(source))
    with pytest.raises(NotFoundError):
        local.prune([SnapshotId("sha256:" + "0" * 64)])
    local.verify(snapshot.id)


def test_a_state_folder_that_cannot_be_one_says_so(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="EVERFIT_HOME"):
        LocalDataSource(tmp_path / "file").freeze(str(source))
