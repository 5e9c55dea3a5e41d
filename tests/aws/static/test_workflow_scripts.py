"""The scripts in a workflow, run by a real shell: how a run ended is how the job ends, and the summary says it."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from everfit.domain.ci.patterns import tag_expression
from everfit.domain.ci.scripts import REFUSE_TAG, run_script

PROGRAM = """\
#!/bin/sh
echo "called: $*"
echo "version 2 was rejected: r2 >= 0.95 failed"
echo "what the script printed" >&2
exit {code}
"""


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    summary: str


def shell(script: str, folder: Path, code: int = 0, **variables: str) -> Done:
    """Run a script as GitHub does, with a program called everfit that ends with *code*."""
    program = folder / "bin" / "everfit"
    program.parent.mkdir(exist_ok=True)
    program.write_text(PROGRAM.format(code=code))
    program.chmod(0o755)
    summary = folder / "summary.md"
    summary.touch()
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={
            "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
            "RUNNER_TEMP": str(folder),
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_RUN_ID": "17",
            "GITHUB_RUN_ATTEMPT": "1",
            **variables,
        },
    )
    return Done(code=done.returncode, out=done.stdout, summary=summary.read_text())


@pytest.mark.parametrize(
    ("code", "ends", "title", "note"),
    [
        (0, 0, "done", None),
        (1, 1, "failed", "::error title=Failed"),
        (2, 2, "failed", "::error title=Failed"),
        (3, 3, "rejected, what served keeps serving", "::error title=Rejected"),
        (4, 0, "waits for approval", "::warning title=Needs approval"),
        (130, 130, "failed", "::error title=Failed"),
    ],
    ids=["deployed", "failed", "usage", "rejected", "needs approval", "stopped"],
)
def test_a_job_ends_as_its_run_did(tmp_path: Path, code: int, ends: int, title: str, note: str | None) -> None:
    done = shell(run_script("mask", "staging", serverless=False), tmp_path, code, FORCE="false")
    assert done.code == ends
    assert done.summary.startswith(f"### mask in staging: {title}\n\n    called: run --env staging --because api\n")
    assert "    version 2 was rejected: r2 >= 0.95 failed" in done.summary
    assert ("::" in done.out) == (note is not None)
    assert note is None or note in done.out


def test_force_is_handed_on_only_when_it_is_asked_for(tmp_path: Path) -> None:
    script = run_script("mask", "staging", serverless=False)
    assert "called: run --env staging --because api --force\n" in shell(script, tmp_path, FORCE="true").out
    assert "called: run --env staging --because api\n" in shell(script, tmp_path, FORCE="").out


@pytest.mark.parametrize(
    ("event", "reference", "because"),
    [
        ("push", "branch", "push"),
        ("push", "tag", "tag"),
        ("schedule", "branch", "schedule"),
        ("repository_dispatch", "branch", "data"),
        ("workflow_dispatch", "branch", "api"),
        ("workflow_dispatch", "tag", "api"),
    ],
)
def test_the_records_say_what_started_the_workflow(tmp_path: Path, event: str, reference: str, because: str) -> None:
    script = run_script("mask", "staging", serverless=False)
    done = shell(script, tmp_path, GITHUB_EVENT_NAME=event, GITHUB_REF_TYPE=reference)
    assert f"called: run --env staging --because {because}\n" in done.out


def test_with_a_stack_a_run_is_asked_for_after_the_stack_is_up_to_date(tmp_path: Path) -> None:
    script = run_script("mask", "staging", serverless=True)
    done = shell(script, tmp_path, FORCE="true")
    assert "called: apply --env staging --yes\n" in done.out
    assert "called: trigger --env staging --id github-17-1 --because api --force\n" in done.out
    assert done.code == 0


def test_without_the_stack_no_run_is_asked_for(tmp_path: Path) -> None:
    done = shell(run_script("mask", "staging", serverless=True), tmp_path, 1, FORCE="false")
    assert (done.code, "called: trigger" in done.out) == (1, False)


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("staging-recommender-v0.1.2", 0),
        ("staging-recommender-v1.0.0-rc.1", 0),
        ("staging-recommender-vX", 2),
        ("staging-recommender-v", 2),
        ("production-recommender-v1.0.0", 2),
        ("staging-recommender-v1.0.0$(touch pwned)", 2),
    ],
)
def test_a_tag_without_a_version_is_refused(tmp_path: Path, tag: str, code: int) -> None:
    expression = tag_expression(["staging-recommender-v*"])
    done = shell(REFUSE_TAG, tmp_path, GITHUB_REF_NAME=tag, VERSION_TAG=expression)
    assert done.code == code
    assert ("::error title=No version in the tag" in done.out) == (code != 0)
