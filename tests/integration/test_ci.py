"""``everfit ci`` writes workflows into a repository, and keeps what a person has made of them."""

import subprocess
from pathlib import Path

import pytest

from tests.projects import EVERFIT, Result

PROJECT = """\
model: mask
triggers:
  - schedule: "0 0 * * SAT"
    timezone: America/New_York
  - schedule: rate(12 hours)
environments:
  staging: {backend: sagemaker, tag: "staging-mask-v*"}
  production: {backend: sagemaker, tag: "production-mask-v*"}
aws: {region: us-east-1, bucket: masks}
"""
STAGING = ".github/workflows/retrain-staging.yml"
PRODUCTION = ".github/workflows/retrain-production.yml"


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A repository with the project in a folder of it."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "everfit.yaml").write_text(PROJECT)
    return tmp_path


def everfit_ci(top: Path, *arguments: str) -> Result:
    command = [str(EVERFIT), "ci", arguments[0], "-C", str(top / "python"), *arguments[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return Result(code=done.returncode, out=done.stdout, err=done.stderr)


def test_without_write_the_files_are_only_shown(top: Path) -> None:
    shown = everfit_ci(top, "github")
    assert (shown.code, (top / ".github").exists()) == (0, False)
    assert f"# --- {STAGING}" in shown.out
    assert "rate(12 hours) is left out: a rate has no cron line" in shown.err
    assert "--write does" in shown.err


def test_files_are_written_at_the_top_of_the_repository_and_again_without_a_question(top: Path) -> None:
    written = everfit_ci(top, "github", "--write")
    assert (written.code, written.out) == (0, f"{STAGING}: written\n{PRODUCTION}: written\n")
    assert "working-directory: python" in (top / STAGING).read_text()
    assert everfit_ci(top, "github", "--write").out == f"{STAGING}: is as it was\n{PRODUCTION}: is as it was\n"
    again = everfit_ci(top, "github", "--write", "--credentials", "keys")
    assert (again.code, again.out) == (0, f"{STAGING}: written\n{PRODUCTION}: written\n")


def test_what_a_person_has_changed_stays_and_nothing_beside_it_is_written(top: Path) -> None:
    everfit_ci(top, "github", "--write")
    (top / STAGING).write_text((top / STAGING).read_text().replace("ubuntu-latest", "self-hosted"))
    before = (top / PRODUCTION).read_text()
    refused = everfit_ci(top, "github", "--write", "--credentials", "keys")
    assert refused.code == 2
    assert f"{STAGING} (changed by hand)" in refused.err
    assert ("self-hosted" in (top / STAGING).read_text(), (top / PRODUCTION).read_text()) == (True, before)
    assert everfit_ci(top, "github", "--write", "--credentials", "keys", "--force").code == 0
    assert "self-hosted" not in (top / STAGING).read_text()


def test_a_pipeline_of_somebody_else_stays(top: Path) -> None:
    (top / ".gitlab-ci.yml").write_text("test: {script: [make]}\n")
    refused = everfit_ci(top, "gitlab", "--write")
    assert (refused.code, (top / ".gitlab-ci.yml").read_text()) == (2, "test: {script: [make]}\n")
    assert "written for something else" in refused.err
    written = everfit_ci(top, "gitlab", "--write", "--file", "ci/everfit.yml", "--env", "staging")
    assert (written.code, written.out) == (0, "ci/everfit.yml: written\n")
    assert "0 0 * * SAT in America/New_York with EVERFIT_ENVIRONMENT=staging" in written.err
    assert "retrain-production" not in (top / "ci" / "everfit.yml").read_text()


def test_a_program_gets_json(top: Path) -> None:
    answer = everfit_ci(top, "github", "--json", "--env", "production").json
    assert (answer["schema"], answer["written"]) == (1, False)
    (file,) = answer["files"]
    assert (file["path"], file["standing"]) == (".github/workflows/retrain.yml", "new")
    assert file["text"].startswith("# Written by everfit ci github for mask in python, production.\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("github", "--env", "producton"), "Did you mean production?"),
        (("github", "--default", "X"), "is not NAME=VALUE"),
        (("github", "--default", "X=1"), "everfit.yaml has no ${X}"),
        (("github", "--package", "$(rm -rf /)"), "nothing that pip could install"),
        (("gitlab", "--file", "../outside.yml"), "below the top of the repository"),
    ],
    ids=["environment", "default", "variable", "package", "file"],
)
def test_a_wrong_word_is_answered_with_one_sentence(top: Path, arguments: tuple[str, ...], words: str) -> None:
    refused = everfit_ci(top, *arguments)
    assert (refused.code, words in refused.err) == (2, True), refused.err
    assert len(refused.err.strip().splitlines()) <= 4


def test_a_project_that_stays_on_one_machine_is_refused(top: Path) -> None:
    (top / "python" / "everfit.yaml").write_text("model: mask\n")
    refused = everfit_ci(top, "github")
    assert (refused.code, refused.err.startswith("No environment of everfit.yaml has backend: sagemaker.")) == (2, True)
    (top / "python" / "everfit.yaml").unlink()
    assert "everfit init makes one" in everfit_ci(top, "github").err


def test_where_a_file_cannot_be_written_is_told(top: Path) -> None:
    (top / ".github").write_text("a file where a folder should be\n")
    refused = everfit_ci(top, "github", "--write", "--force")
    assert (refused.code, "cannot be written" in refused.err) == (2, True)
