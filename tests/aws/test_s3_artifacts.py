"""What models packed from S3 into S3 promise beyond what every store of artifacts does."""

import hashlib
import io
import shutil
import stat
import tarfile
from pathlib import Path

import pytest

from everfit.adapters.aws.artifacts import S3Artifacts
from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.code import S3Code
from everfit.adapters.aws.s3_objects import NOTHING, Put, S3Objects
from everfit.adapters.local.artifacts import LocalArtifacts
from everfit.adapters.local.code import LocalCode
from everfit.domain.aws import AwsPlace
from everfit.domain.errors import NotFoundError, RefusedError, RequestError, StateError
from tests.aws.bench.client import Bench
from tests.aws_bench import BUCKET

TRAINED = f"s3://{BUCKET}/everfit/runs/run-1/run-1-train/output/model"
LIMIT = 20_000_000


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


@pytest.fixture
def artifacts(aws_clients: Clients, s3_place: AwsPlace, scratch: Path) -> S3Artifacts:
    return S3Artifacts(aws_clients, s3_place, scratch, limit=LIMIT)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """What a training left in SM_MODEL_DIR."""
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    (folder / "model.joblib").write_bytes(b"weights" * 50_000)
    (folder / "variables" / "ü").write_bytes(b"1")
    (folder / "run.sh").write_bytes(b"#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    return folder


def put(bench: Bench, url: str, data: bytes) -> None:
    bench.client("s3").put_object(Bucket=BUCKET, Key=url.removeprefix(f"s3://{BUCKET}/"), Body=data)


def packed_by_sagemaker(folder: Path) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        archive.add(folder, arcname=".")
    return stream.getvalue()


def empty(scratch: Path) -> bool:
    return [path.name for path in scratch.iterdir() if path.name not in (".lock", "code")] == []


def test_a_model_that_sagemaker_packed_has_the_digest_of_the_same_model_packed_here(
    bench: Bench, artifacts: S3Artifacts, model: Path, scratch: Path, tmp_path: Path
) -> None:
    put(bench, f"{TRAINED}.tar.gz", packed_by_sagemaker(model))
    made = artifacts.pack(TRAINED, None, "scikit-learn==1.5\n")
    assert made == LocalArtifacts(tmp_path / "home").pack(str(model), None, "scikit-learn==1.5\n")
    assert artifacts.unpacked(made.digest) == f"s3://{BUCKET}/everfit/artifacts/{made.digest[7:]}.tar.gz"
    assert empty(scratch)


def test_frozen_code_goes_into_the_package_from_wherever_it_lies(
    bench: Bench, artifacts: S3Artifacts, aws_clients: Clients, s3_place: AwsPlace, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "inference.py").write_text("def model_fn(folder): ...\n")
    local = LocalCode(tmp_path / "home")
    there = S3Code(aws_clients, s3_place, local, tmp_path / "other").freeze(str(tmp_path / "project"))
    here = local.freeze(str(tmp_path / "project"))
    put(bench, f"{TRAINED}.tar.gz", packed_by_sagemaker(model))
    expected = LocalArtifacts(tmp_path / "home").pack(str(model), here.folder, None)
    assert artifacts.pack(TRAINED, there.folder, None) == expected
    assert artifacts.pack(str(model), here.folder, None) == expected


def test_code_that_was_changed_is_not_packed(
    bench: Bench, artifacts: S3Artifacts, aws_clients: Clients, s3_place: AwsPlace, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "inference.py").write_text("def model_fn(folder): ...\n")
    frozen = S3Code(aws_clients, s3_place, LocalCode(tmp_path / "home"), tmp_path / "other").freeze(
        str(tmp_path / "project")
    )
    put(bench, frozen.folder, packed_by_sagemaker(model))
    with pytest.raises(RefusedError, match="is not the code that it was"):
        artifacts.pack(str(model), frozen.folder, None)


def test_a_training_that_left_no_model_is_told(artifacts: S3Artifacts) -> None:
    with pytest.raises(RequestError, match="the training left no model") as caught:
        artifacts.pack(TRAINED, None, None)
    assert not isinstance(caught.value, NotFoundError)


def test_an_archive_without_a_file_holds_no_model(bench: Bench, artifacts: S3Artifacts, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    put(bench, f"{TRAINED}.tar.gz", packed_by_sagemaker(tmp_path / "empty"))
    with pytest.raises(RequestError, match="holds no model"):
        artifacts.pack(TRAINED, None, None)


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
        [member("bomb", size=LIMIT + 1)],
    ],
)
def test_a_model_that_could_do_harm_is_refused_and_leaves_nothing(
    bench: Bench, artifacts: S3Artifacts, scratch: Path, tmp_path: Path, members: list[tarfile.TarInfo]
) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for each in members:
            archive.addfile(each, io.BytesIO(bytes(each.size)))
    put(bench, f"{TRAINED}.tar.gz", stream.getvalue())
    with pytest.raises(RefusedError, match="is refused because of"):
        artifacts.pack(TRAINED, None, None)
    assert empty(scratch)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("data", [b"", b"no archive at all"])
def test_what_is_no_archive_is_refused(bench: Bench, artifacts: S3Artifacts, data: bytes) -> None:
    put(bench, f"{TRAINED}.tar.gz", data)
    with pytest.raises(RefusedError, match=r"output/model\.tar\.gz is not a whole archive"):
        artifacts.pack(TRAINED, None, None)


def test_packing_again_uploads_nothing_new(bench: Bench, artifacts: S3Artifacts, model: Path) -> None:
    made = artifacts.pack(str(model), None, None)
    key = f"everfit/artifacts/{made.digest[7:]}.tar.gz"
    before = bench.client("s3").head_object(Bucket=BUCKET, Key=key)["Metadata"]
    assert artifacts.pack(str(model), None, None) == made
    assert bench.client("s3").head_object(Bucket=BUCKET, Key=key)["Metadata"] == before


def test_a_lost_answer_is_settled_by_looking(bench: Bench, artifacts: S3Artifacts, model: Path) -> None:
    bench.lose_answer("s3", "PutObject", times=5)
    made = artifacts.pack(str(model), None, None)
    artifacts.verify(made.digest)


def test_an_artifact_that_s3_has_no_digest_of_is_read_once(
    bench: Bench, artifacts: S3Artifacts, aws_clients: Clients, s3_place: AwsPlace, tmp_path: Path
) -> None:
    """What is written in parts has only a checksum of checksums there."""
    large = tmp_path / "large"
    large.write_bytes(b"x" * 12_000_000)
    digest = f"sha256:{hashlib.sha256(large.read_bytes()).hexdigest()}"
    key = f"everfit/artifacts/{digest[7:]}.tar.gz"
    objects = S3Objects(aws_clients, s3_place, single=5 << 20)
    assert objects.put(Put(key=key, body=large, replaces=NOTHING)) is not None
    assert objects.put(Put(key=key, body=large, replaces=NOTHING)) is None
    assert len(bench.calls("s3", "UploadPart")) == 6
    artifacts.verify(digest)
    artifacts.verify(digest)
    assert len(bench.calls("s3", "GetObject")) == 1
    put(bench, f"s3://{BUCKET}/{key}", b"x" * 12_000_001)
    with pytest.raises(RefusedError, match="is not what it was"):
        artifacts.verify(digest)


def test_a_disk_that_is_too_small_is_told_in_one_sentence(
    bench: Bench, artifacts: S3Artifacts, model: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bench, f"{TRAINED}.tar.gz", packed_by_sagemaker(model))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1000, 900, 100))
    with pytest.raises(StateError, match=r"no room .* bytes are needed, 100 bytes are free"):
        artifacts.pack(TRAINED, None, None)
    assert empty(scratch)


def test_what_a_killed_process_left_is_removed(artifacts: S3Artifacts, scratch: Path, model: Path) -> None:
    (scratch / ".incoming-killed").mkdir(parents=True)
    (scratch / ".incoming-killed" / "large").write_bytes(b"x")
    artifacts.pack(str(model), None, None)
    assert empty(scratch)


def test_programs_stay_programs(bench: Bench, artifacts: S3Artifacts, model: Path) -> None:
    put(bench, f"{TRAINED}.tar.gz", packed_by_sagemaker(model))
    key = artifacts.unpacked(artifacts.pack(TRAINED, None, None).digest).removeprefix(f"s3://{BUCKET}/")
    data = bench.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        assert {each.name for each in opened if each.mode & stat.S_IXUSR and each.isfile()} == {"run.sh"}
