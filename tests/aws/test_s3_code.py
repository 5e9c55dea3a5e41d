"""What frozen code in S3 promises."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.code import KEPT_FOLDERS, S3Code
from everfit.adapters.local.code import LocalCode
from everfit.domain.aws import AwsPlace
from everfit.domain.errors import NotFoundError, RefusedError, RequestError
from tests.aws.bench.client import Bench
from tests.aws_bench import BUCKET


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "package").mkdir(parents=True)
    (folder / "train.py").write_text("print('ö')\n", encoding="utf-8")
    (folder / "package" / "__init__.py").touch()
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / ".env").write_text("SECRET=1\n")
    return folder


@pytest.fixture
def local(tmp_path: Path) -> LocalCode:
    return LocalCode(tmp_path / "home")


@pytest.fixture
def code(aws_clients: Clients, s3_place: AwsPlace, local: LocalCode, tmp_path: Path) -> S3Code:
    return S3Code(aws_clients, s3_place, local, tmp_path / "scratch")


@pytest.fixture
def serverless(aws_clients: Clients, s3_place: AwsPlace, tmp_path: Path) -> S3Code:
    """As it is in a Lambda function: there is no project."""
    return S3Code(aws_clients, s3_place, None, tmp_path / "lambda")


def committed(project: Path) -> str:
    """Commit everything and return the commit."""
    git = ["git", "-C", str(project), "-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "--allow-empty", "-m", "work"]):
        subprocess.run([*git, *words], check=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


def test_code_has_the_digest_that_it_has_here_and_is_uploaded_once(
    bench: Bench, code: S3Code, local: LocalCode, project: Path
) -> None:
    frozen = code.freeze(str(project))
    here = local.freeze(str(project))
    assert frozen == replace(here, folder=f"s3://{BUCKET}/everfit/code/{here.digest[7:]}.tar.gz")
    key = frozen.folder.removeprefix(f"s3://{BUCKET}/")
    before = bench.client("s3").head_object(Bucket=BUCKET, Key=key)["Metadata"]
    assert code.freeze(str(project)) == frozen
    assert bench.client("s3").head_object(Bucket=BUCKET, Key=key)["Metadata"] == before


def test_frozen_code_is_read_where_there_is_no_project(
    bench: Bench, code: S3Code, serverless: S3Code, project: Path
) -> None:
    folder = code.freeze(str(project)).folder
    assert serverless.text(folder, "train.py") == "print('ö')\n"
    assert serverless.modules(folder) == {"train", "package"}
    assert len([call for call in bench.calls("s3", "GetObject") if "/code/" in call["params"]["Key"]]) == 1
    for path in (".env", "nowhere.py", "../../etc/passwd"):
        with pytest.raises(NotFoundError):
            serverless.text(folder, path)


def test_what_was_applied_is_verified_and_taken_as_it_is(code: S3Code, serverless: S3Code, project: Path) -> None:
    commit = committed(project)
    frozen = code.freeze(str(project))
    assert (frozen.commit, frozen.is_dirty) == (commit, False)
    assert serverless.freeze(frozen.folder) == frozen
    assert serverless.freeze(frozen.folder, commit=commit) == frozen


def test_another_commit_than_the_one_that_was_applied_wants_to_be_applied(
    code: S3Code, serverless: S3Code, project: Path
) -> None:
    folder = code.freeze(str(project)).folder
    with pytest.raises(RequestError, match=r"that of no commit, not of commit 1234.*everfit apply"):
        serverless.freeze(folder, commit="1234")
    first = committed(project)
    folder = code.freeze(str(project)).folder
    with pytest.raises(RequestError, match=f"that of commit {first[:12]}, not of commit 1234.*everfit apply"):
        serverless.freeze(folder, commit="1234")
    second = committed(project)
    assert code.freeze(str(project)).folder == folder
    assert serverless.freeze(folder, commit=second).commit == second


def test_code_with_changes_is_that_of_no_commit(code: S3Code, serverless: S3Code, project: Path) -> None:
    commit = committed(project)
    (project / "train.py").write_text("new")
    folder = code.freeze(str(project)).folder
    with pytest.raises(RequestError, match="with changes"):
        serverless.freeze(folder, commit=commit)


def test_changed_code_is_refused_and_mended_by_freezing_it_again(
    bench: Bench, code: S3Code, serverless: S3Code, project: Path
) -> None:
    frozen = code.freeze(str(project))
    (project / "train.py").write_text("evil")
    evil = code.freeze(str(project))
    client, keys = bench.client("s3"), [each.folder.removeprefix(f"s3://{BUCKET}/") for each in (frozen, evil)]
    client.copy_object(Bucket=BUCKET, Key=keys[0], CopySource=f"{BUCKET}/{keys[1]}")
    with pytest.raises(RefusedError, match="is not the code that it was"):
        serverless.freeze(frozen.folder)
    (project / "train.py").write_text("print('ö')\n", encoding="utf-8")
    assert code.freeze(str(project)) == frozen
    assert serverless.freeze(frozen.folder) == frozen


def test_what_is_no_frozen_code_says_so(serverless: S3Code, project: Path) -> None:
    with pytest.raises(RequestError, match="everfit apply"):
        serverless.freeze(str(project))
    with pytest.raises(RequestError, match="is no frozen code"):
        serverless.freeze(f"s3://{BUCKET}/everfit/code/latest.tar.gz")
    with pytest.raises(NotFoundError):
        serverless.freeze(f"s3://{BUCKET}/everfit/code/{'0' * 64}.tar.gz")
    with pytest.raises(NotFoundError):
        serverless.text(str(project), "train.py")


def test_only_the_newest_code_stays_unpacked(code: S3Code, serverless: S3Code, project: Path, tmp_path: Path) -> None:
    for number in range(KEPT_FOLDERS + 2):
        (project / "train.py").write_text(f"{number}")
        assert serverless.text(code.freeze(str(project)).folder, "train.py") == str(number)
    assert len([path for path in (tmp_path / "lambda" / "code").iterdir() if path.is_dir()]) == KEPT_FOLDERS
