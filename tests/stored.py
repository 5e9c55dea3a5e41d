"""Examples of what the store and the registry keep."""

import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from everfit.domain.gate import Finding, Result, Verdict, VerdictOutcome, verdict_digest
from everfit.domain.run import Run, RunId
from everfit.domain.trigger import TriggerEvent, TriggerKind
from everfit.domain.version import FIRST_STANDING, Approval, Placement, Version

SHARED_MEMORY = "/dev/shm"  # noqa: S108 - private folders are made in it
START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def quick_folder() -> "tempfile.TemporaryDirectory[str]":
    """Return a folder for what is not about the disk: a killed process loses nothing that it gave to the system."""
    return tempfile.TemporaryDirectory(dir=SHARED_MEMORY if Path(SHARED_MEMORY).is_dir() else None)


def a_run(name: str = "run-1", model: str = "churn", environment: str = "production") -> Run:
    return Run(id=RunId(name), model=model, environment=environment, started=START)


def an_event(name: str = "event-1", model: str = "churn", environment: str = "production") -> TriggerEvent:
    return TriggerEvent(id=name, kind=TriggerKind.DATA, model=model, environment=environment, actor="bucket", at=START)


def a_verdict(
    outcome: VerdictOutcome = VerdictOutcome.APPROVED, artifact: str = "sha256:1", name: str = "verdict-1"
) -> Verdict:
    finding = Finding(rule="r2 >= 0.9", result=Result.PASS, reason="r2 is 0.95, at least 0.9")
    made = Verdict(
        id="",
        outcome=outcome,
        findings=(finding,),
        reason=f"Every rule passed, says {name}.",
        artifact=artifact,
        snapshot="blake3:data",
        policy="sha256:rules",
        champion=None,
    )
    return replace(made, id=verdict_digest(made))


def a_version(run: str = "run-1", artifact: str = "sha256:1", number: int = 0, model: str = "churn") -> Version:
    return Version(
        model=model,
        number=number,
        artifact=artifact,
        size=1000,
        run=run,
        snapshot="blake3:data",
        code="blake3:code",
        config="sha256:config",
        created=START,
        lineage={"commit": "abc", "data": {"columns": [{"name": "age", "type": "number"}], "labels": None}},
        metrics={"rmse": {"value": 1.5, "reason": None, "rows": 10}},
        claims={"loss": 0.25},
    )


def a_placement(
    verdict: Verdict | None = None, version: int = 0, environment: str = "production", model: str = "churn"
) -> Placement:
    verdict = verdict or a_verdict()
    return Placement(
        model=model,
        environment=environment,
        version=version,
        standing=FIRST_STANDING[verdict.outcome],
        verdict=verdict,
    )


def an_approval(
    *, approved: bool = True, version: int = 1, verdict: str | None = None, environment: str = "production"
) -> Approval:
    return Approval(
        model="churn",
        environment=environment,
        version=version,
        approved=approved,
        actor="ada",
        reason="Looks right.",
        verdict=verdict or a_verdict(VerdictOutcome.NEEDS_APPROVAL).id,
        at=START,
    )
