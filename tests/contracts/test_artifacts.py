"""What every store of artifacts promises."""

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from everfit.adapters.local.artifacts import LocalArtifacts
from everfit.application.ports import Artifacts
from everfit.domain.errors import NotFoundError, RefusedError, RequestError
from tests.aws_bench import BUCKET

if TYPE_CHECKING:
    from everfit.adapters.aws.clients import Clients
    from everfit.domain.aws import AwsPlace
    from tests.aws.bench.client import Bench

ABSENT = "sha256:" + "0" * 64
LIMIT = 10_000_000


class Kept(Protocol):
    """Where a backend keeps its archives."""

    def archive(self, digest: str) -> bytes:
        """Return the bytes of an archive."""
        ...

    def put(self, digest: str, data: bytes) -> str:
        """Put other bytes in the place of an archive, as only somebody else would; return the name of that place."""
        ...

    def contents(self, location: str) -> dict[str, bytes]:
        """Return the files of an artifact by where ``unpacked`` says that they are."""
        ...


class LocalKept:
    def __init__(self, home: Path) -> None:
        self._home = home

    def archive(self, digest: str) -> bytes:
        return archive(self._home, digest).read_bytes()

    def put(self, digest: str, data: bytes) -> str:
        path = archive(self._home, digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        return path.name

    def contents(self, location: str) -> dict[str, bytes]:
        return contents(location)


class S3Kept:
    def __init__(self, bench: "Bench") -> None:
        self._client = bench.client("s3")

    def archive(self, digest: str) -> bytes:
        data: bytes = self._client.get_object(Bucket=BUCKET, Key=self._key(digest))["Body"].read()
        return data

    def put(self, digest: str, data: bytes) -> str:
        self._client.put_object(Bucket=BUCKET, Key=self._key(digest), Body=data)
        return self._key(digest)

    def contents(self, location: str) -> dict[str, bytes]:
        key = location.removeprefix(f"s3://{BUCKET}/")
        data = self._client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(data)) as opened:
            files = {member.name: opened.extractfile(member) for member in opened if member.isfile()}
            return {name: file.read() for name, file in files.items() if file is not None}

    def _key(self, digest: str) -> str:
        return f"everfit/artifacts/{digest.removeprefix('sha256:')}.tar.gz"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def local_artifacts(home: Path) -> LocalArtifacts:
    return LocalArtifacts(home, limit=LIMIT)


@pytest.fixture
def s3_artifacts(aws_clients: "Clients", s3_place: "AwsPlace", home: Path) -> Artifacts:
    from everfit.adapters.aws.artifacts import S3Artifacts  # noqa: PLC0415

    return S3Artifacts(aws_clients, s3_place, home / "scratch", limit=LIMIT)


@pytest.fixture(params=["local", "s3"])
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def artifacts(request: pytest.FixtureRequest, backend: str) -> Artifacts:
    found: Artifacts = request.getfixturevalue(f"{backend}_artifacts")
    return found


@pytest.fixture
def kept(request: pytest.FixtureRequest, backend: str, home: Path) -> Kept:
    return LocalKept(home) if backend == "local" else S3Kept(request.getfixturevalue("bench"))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    (folder / "model.joblib").write_bytes(b"weights" * 50_000)
    (folder / "variables" / f"{'long-' * 30}ü").write_bytes(b"")
    return folder


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "__pycache__" / "inference.pyc").touch()
    (folder / "inference.py").write_text("def model_fn(folder): ...\n")
    return folder


def contents(folder: str | Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def archive(home: Path, digest: str) -> Path:
    return home / "artifacts" / f"{digest.removeprefix('sha256:')}.tar.gz"


def test_a_packed_model_comes_back_with_its_code_and_requirements(
    artifacts: Artifacts, kept: Kept, model: Path, code: Path
) -> None:
    artifact = artifacts.pack(str(model), str(code), "scikit-learn==1.5\n")
    found = kept.contents(artifacts.unpacked(artifact.digest))
    assert found == contents(model) | {
        "code/inference.py": b"def model_fn(folder): ...\n",
        "code/requirements.txt": b"scikit-learn==1.5\n",
    }


def test_the_code_that_was_frozen_replaces_code_that_the_script_left(
    artifacts: Artifacts, kept: Kept, model: Path, code: Path
) -> None:
    (model / "code").mkdir()
    (model / "code" / "inference.py").write_text("old")
    (model / "code" / "extra.py").write_text("extra")
    found = kept.contents(artifacts.unpacked(artifacts.pack(str(model), str(code), None).digest))
    assert (found["code/inference.py"], found["code/extra.py"]) == (b"def model_fn(folder): ...\n", b"extra")


def test_other_programs_can_read_the_archive(artifacts: Artifacts, kept: Kept, model: Path) -> None:
    artifact = artifacts.pack(str(model), None, None)
    data = kept.archive(artifact.digest)
    assert (len(data), hashlib.sha256(data).hexdigest()) == (artifact.size, artifact.digest.removeprefix("sha256:"))
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as opened:
        assert {member.name for member in opened if member.isfile()} == contents(model).keys()


def test_the_same_content_has_the_same_digest_whenever_and_wherever_it_is_packed(
    artifacts: Artifacts, model: Path, tmp_path: Path
) -> None:
    first = artifacts.pack(str(model), None, None)
    copy = tmp_path / "elsewhere" / "copy"
    for path, data in reversed(contents(model).items()):
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).write_bytes(data)
        os.utime(copy / path, (1, 1))
    assert LocalArtifacts(tmp_path / "other").pack(str(copy), None, None) == first


def test_the_digest_is_one_for_ever(artifacts: Artifacts, tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "weights").write_bytes(b"1234")
    assert artifacts.pack(str(tmp_path / "tiny"), None, None).digest == DIGEST_OF_TINY


# Python, zlib and the machine may change; what was packed once must keep its name.
DIGEST_OF_TINY = "sha256:4f7666ec544a60787e2cfd12a9b96be05394364a18c3de17d94be09632ac268c"


def test_a_later_run_cannot_change_what_serves(artifacts: Artifacts, kept: Kept, model: Path) -> None:
    """A version's artifact is immutable and lives under its own name.

    A later run, a rejected one too, cannot change what serves, not even after a restart or a scale-out.
    """
    serving = artifacts.pack(str(model), None, None)
    folder = artifacts.unpacked(serving.digest)
    before = kept.contents(folder)
    (model / "model.joblib").write_bytes(b"worse")
    rejected = artifacts.pack(str(model), None, None)
    artifacts.unpacked(rejected.digest)
    artifacts.delete(rejected.digest)
    assert rejected.digest != serving.digest
    assert kept.contents(folder) == before
    artifacts.verify(serving.digest)


def test_what_was_never_packed_or_was_deleted_is_not_found(artifacts: Artifacts, model: Path) -> None:
    artifact = artifacts.pack(str(model), None, None)
    artifacts.unpacked(artifact.digest)
    artifacts.delete(artifact.digest)
    artifacts.delete(artifact.digest)
    for digest in (artifact.digest, ABSENT):
        with pytest.raises(NotFoundError):
            artifacts.unpacked(digest)
        with pytest.raises(NotFoundError):
            artifacts.verify(digest)


@pytest.mark.parametrize("digest", ["", "sha256:../../etc", f"blake3:{'0' * 64}", "sha256:0"])
def test_only_a_digest_names_an_artifact(artifacts: Artifacts, digest: str) -> None:
    with pytest.raises(RequestError, match="is not the digest"):
        artifacts.unpacked(digest)


@pytest.mark.parametrize("position", [0, 600, -1])
def test_a_tampered_archive_is_refused(artifacts: Artifacts, kept: Kept, model: Path, position: int) -> None:
    artifact = artifacts.pack(str(model), None, None)
    artifacts.unpacked(artifact.digest)
    data = bytearray(kept.archive(artifact.digest))
    data[position] ^= 1
    name = kept.put(artifact.digest, bytes(data))
    for use in (artifacts.unpacked, artifacts.verify):
        with pytest.raises(RefusedError, match=name):
            use(artifact.digest)
    artifacts.pack(str(model), None, None)
    artifacts.verify(artifact.digest)


def overwrite(path: Path) -> None:
    """Change bytes in place, and hide it as well as one can."""
    path.chmod(0o644)
    before = path.stat()
    with path.open("r+b") as file:
        file.write(b"W")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_by_link(path: Path) -> None:
    path.rename(path.parent.parent.parent / "moved")
    path.symlink_to(path.parent.parent.parent / "moved")


def add_a_file(path: Path) -> None:
    (path.parent / "sitecustomize.py").write_text("import evil")


def add_a_folder(path: Path) -> None:
    (path.parent / "folder").mkdir()


@pytest.mark.parametrize("tamper", [overwrite, Path.unlink, replace_by_link, add_a_file, add_a_folder])
def test_a_tampered_folder_is_named_and_mended(
    local_artifacts: LocalArtifacts, model: Path, tamper: Callable[[Path], object]
) -> None:
    """An artifact in S3 is unpacked by what serves it, so that no folder of ours can be tampered with."""
    artifacts = local_artifacts
    artifact = artifacts.pack(str(model), None, None)
    folder = artifacts.unpacked(artifact.digest)
    tamper(Path(folder, "model.joblib"))
    with pytest.raises(RefusedError, match=r"model\.joblib|sitecustomize\.py|folder"):
        artifacts.verify(artifact.digest)
    assert artifacts.unpacked(artifact.digest) == folder
    assert contents(folder) == contents(model)
    artifacts.verify(artifact.digest)


def test_a_lost_listing_is_made_again(local_artifacts: LocalArtifacts, home: Path, model: Path) -> None:
    artifacts = local_artifacts
    artifact = artifacts.pack(str(model), None, None)
    folder = artifacts.unpacked(artifact.digest)
    for damage in ("", "[]", "[1]", "{}"):
        (home / "models" / f"{Path(folder).name}.json").write_text(damage)
        artifacts.unpacked(artifact.digest)
        artifacts.verify(artifact.digest)


def test_a_link_inside_the_model_becomes_the_file(artifacts: Artifacts, kept: Kept, model: Path) -> None:
    (model / "latest").symlink_to("model.joblib")
    found = kept.contents(artifacts.unpacked(artifacts.pack(str(model), None, None).digest))
    assert found["latest"] == found["model.joblib"]


def test_a_link_out_of_the_model_is_refused(artifacts: Artifacts, model: Path) -> None:
    (model / "passwords").symlink_to("/etc/passwd")
    with pytest.raises(RequestError, match="is a link out of"):
        artifacts.pack(str(model), None, None)


def test_a_folder_without_a_model_is_refused(artifacts: Artifacts, tmp_path: Path) -> None:
    (tmp_path / "empty" / "below").mkdir(parents=True)
    with pytest.raises(RequestError, match="holds no model"):
        artifacts.pack(str(tmp_path / "empty"), None, None)
    with pytest.raises(RequestError, match="There is no folder"):
        artifacts.pack(str(tmp_path / "nowhere"), None, None)


def foreign(home: Path, *members: tarfile.TarInfo) -> str:
    """Put an archive that something else has made; return its digest."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as opened:
        for member in members:
            opened.addfile(member, io.BytesIO(bytes(member.size)))
    digest = f"sha256:{hashlib.sha256(stream.getvalue()).hexdigest()}"
    archive(home, digest).parent.mkdir(parents=True, exist_ok=True)
    archive(home, digest).write_bytes(stream.getvalue())
    return digest


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.size, made.linkname = kind, size, link
    return made


@pytest.mark.parametrize(
    "members",
    [
        [member("../evil")],
        [member("/evil")],
        [member("a/../../evil")],
        [member("a", tarfile.SYMTYPE, link="/etc"), member("a/passwd")],
        [member("a", tarfile.LNKTYPE, link="b")],
        [member("a", tarfile.CHRTYPE)],
        [member("a", tarfile.FIFOTYPE)],
        [member("a"), member("./a")],
        [member("a"), member("a/b")],
        [member("a/b"), member("a")],
        [member("./")],
        [member("a" * 256)],
        [member("a/" * 200 + "b")],
        [member("a" * 200 + "/" + "b" * 900)],
        [member("a", size=9_000_000), member("b", size=9_000_000)],
    ],
)
def test_an_archive_that_could_do_harm_is_refused(
    local_artifacts: LocalArtifacts, home: Path, members: list[tarfile.TarInfo]
) -> None:
    artifacts = local_artifacts
    digest = foreign(home, *members)
    with pytest.raises(RefusedError, match="is refused because of"):
        artifacts.unpacked(digest)
    assert [path.name for path in (home / "models").iterdir()] == [".lock"]


def test_an_archive_made_by_tar_can_be_unpacked(local_artifacts: LocalArtifacts, home: Path) -> None:
    artifacts = local_artifacts
    folder = artifacts.unpacked(foreign(home, member("./model", size=3), member("code", tarfile.DIRTYPE)))
    assert contents(folder) == {"model": bytes(3)}


def test_what_is_no_archive_is_refused(local_artifacts: LocalArtifacts, home: Path) -> None:
    artifacts = local_artifacts
    for data in (b"", b"no archive", gzip.compress(b"no tar")):
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        (home / "artifacts").mkdir(parents=True, exist_ok=True)
        archive(home, digest).write_bytes(data)
        with pytest.raises(RefusedError, match="is not a whole archive"):
            artifacts.unpacked(digest)
