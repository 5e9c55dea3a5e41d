"""Runs and steps as rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from everfit.adapters.sql.database import Row, Statements
from everfit.domain.errors import IllegalMoveError, NotFoundError
from everfit.domain.record import instant
from everfit.domain.result import read
from everfit.domain.run import Cancellation, Outcome, Run, RunId, RunState, StepOutcome, StepRecord


def add_run(rows: Statements, run: Run) -> None:
    """Write a new run."""
    rows.write(
        "insert into run (id, model, environment, state, started, actor, fence, force, accept_schema, promote, hold,"
        " commit_hash, release_name, cause, outcome, reason, waits_for, version, error, ended)"
        " values (:id, :model, :environment, :state, :started, :actor, :fence, :force, :accept_schema, :promote, :hold,"
        " :commit_hash, :release_name, :cause, :outcome, :reason, :waits_for, :version, :error, :ended)",
        {
            **_moving(run),
            "model": run.model,
            "environment": run.environment,
            "started": instant(run.started),
            "actor": run.actor,
            "force": int(run.force),
            "accept_schema": int(run.accept_schema),
            "promote": run.promote,
            "hold": int(run.hold),
            "commit_hash": run.commit,
            "release_name": run.release,
            "cause": run.cause,
        },
    )


def keep_run(rows: Statements, run: Run) -> None:
    """Write how a run stands now."""
    rows.write(
        "update run set state = :state, fence = :fence, outcome = :outcome, reason = :reason,"
        " waits_for = :waits_for, version = :version, error = :error, ended = :ended where id = :id",
        _moving(run),
    )


def run_of(rows: Statements, run: RunId) -> Run | None:
    """Return the run, if there is one."""
    row = rows.one("select * from run where id = :id", {"id": run})
    return None if row is None else _run(row)


def newest_runs(rows: Statements, filters: Mapping[str, str], limit: int) -> Sequence[Run]:
    """Return at most *limit* runs, newest first; the filters are any of model, environment and before."""
    conditions = [_RUN_FILTERS[name] for name in filters]
    where = f" where {' and '.join(conditions)}" if conditions else ""
    found = rows.all(f"select * from run{where} order by place desc limit :limit", {**filters, "limit": limit})  # noqa: S608
    return [_run(row) for row in found]


_RUN_FILTERS: Final = {
    "model": "model = :model",
    "environment": "environment = :environment",
    "before": "place < coalesce((select place from run where id = :before), 0)",
}


def unfinished_run(rows: Statements, model: str, environment: str) -> Run | None:
    """Return the oldest run that has not ended and waits for no person."""
    row = rows.one(
        "select * from run where model = :model and environment = :environment and state <> 'ended'"
        " and outcome is null order by place limit 1",
        {"model": model, "environment": environment},
    )
    return None if row is None else _run(row)


def waiting_runs(rows: Statements, model: str, environment: str) -> Sequence[Run]:
    """Return the runs that wait for a person, oldest first."""
    found = rows.all(
        "select * from run where model = :model and environment = :environment and state <> 'ended'"
        " and outcome is not null order by place",
        {"model": model, "environment": environment},
    )
    return [_run(row) for row in found]


def step_of(rows: Statements, run: RunId, name: str) -> StepRecord | None:
    """Return the step, if it ever started."""
    row = rows.one("select * from step where run = :run and name = :name", {"run": run, "name": name})
    return None if row is None else _step(row)


def steps_of(rows: Statements, run: RunId) -> Sequence[StepRecord]:
    """Return the steps in the order in which they first started."""
    return [_step(row) for row in rows.all("select * from step where run = :run order by place", {"run": run})]


def start_step(rows: Statements, run: RunId, step: StepRecord) -> None:
    """Write that an attempt starts; what the attempt before left is gone."""
    rows.write(
        "insert into step (run, place, name, outcome, attempt, started) values (:run,"
        " (select coalesce(max(place), 0) + 1 from step where run = :run), :name, :outcome, :attempt, :started)"
        " on conflict (run, name) do update set outcome = excluded.outcome, attempt = excluded.attempt,"
        " started = excluded.started, ended = null, result = null, error = null",
        {
            "run": run,
            "name": step.name,
            "outcome": step.outcome.value,
            "attempt": step.attempt,
            "started": instant(step.started),
        },
    )


def end_step(  # noqa: PLR0913 - a row is all of these
    rows: Statements,
    run: RunId,
    name: str,
    outcome: StepOutcome,
    now: datetime,
    *,
    result: str | None = None,
    error: str | None = None,
) -> None:
    """Write how the attempt that has started ended."""
    step = step_of(rows, run, name)
    if step is None:
        raise NotFoundError(f"The step {name!r} of run {run} has not started.")
    if step.outcome is not StepOutcome.STARTED:
        raise IllegalMoveError(f"The step {name!r} of run {run} is {step.outcome.value} already.")
    rows.write(
        "update step set outcome = :outcome, ended = :ended, result = :result, error = :error"
        " where run = :run and name = :name",
        {
            "run": run,
            "name": name,
            "outcome": outcome.value,
            "ended": instant(now),
            "result": result,
            "error": error,
        },
    )


def fail_started(rows: Statements, run: RunId, error: str, now: datetime) -> None:
    """Write that what was under way has failed: its run has ended."""
    rows.write(
        "update step set outcome = :failed, ended = :ended, error = :error where run = :run and outcome = :started",
        {
            "run": run,
            "failed": StepOutcome.FAILED.value,
            "started": StepOutcome.STARTED.value,
            "ended": instant(now),
            "error": error,
        },
    )


def open_runs(rows: Statements) -> Sequence[Run]:
    """Return every run that has not ended, of all models, oldest first."""
    return [_run(row) for row in rows.all("select * from run where state <> 'ended' order by place", {})]


def last_successes(rows: Statements) -> Mapping[tuple[str, str], datetime]:
    """Return when a run has last ended well, by model and environment; from sums, whatever the history's length."""
    found = rows.all(
        "select model, environment, max(newest) as newest from tally where outcome in ('deployed', 'approved')"
        " group by model, environment",
        {},
    )
    return {(row["model"], row["environment"]): datetime.fromisoformat(row["newest"]) for row in found}


def ask_to_stop(rows: Statements, run: RunId, cancellation: Cancellation) -> None:
    """Write who wants the run to stop."""
    rows.write(
        "update run set cancelled_by = :actor, cancel_reason = :reason, cancelled_at = :at where id = :run",
        {
            "run": run,
            "actor": cancellation.actor,
            "reason": cancellation.reason,
            "at": instant(cancellation.at),
        },
    )


def _moving(run: Run) -> dict[str, object]:
    return {
        "id": run.id,
        "state": run.state.value,
        "fence": run.fence,
        "outcome": None if run.outcome is None else run.outcome.value,
        "reason": run.reason,
        "waits_for": run.waits_for,
        "version": run.version,
        "error": run.error,
        "ended": None if run.ended is None else instant(run.ended),
    }


def _run(row: Row) -> Run:
    return Run(
        id=RunId(row["id"]),
        model=row["model"],
        environment=row["environment"],
        started=datetime.fromisoformat(row["started"]),
        state=RunState(row["state"]),
        fence=row["fence"],
        force=bool(row["force"]),
        accept_schema=bool(row["accept_schema"]),
        promote=row["promote"],
        hold=bool(row["hold"]),
        commit=row["commit_hash"],
        release=row["release_name"],
        cause=row["cause"],
        cancellation=_cancellation(row),
        actor=row["actor"],
        outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
        reason=row["reason"],
        waits_for=row["waits_for"],
        version=row["version"],
        error=row["error"],
        ended=_moment(row["ended"]),
    )


def _step(row: Row) -> StepRecord:
    return StepRecord(
        name=row["name"],
        outcome=StepOutcome(row["outcome"]),
        attempt=row["attempt"],
        started=datetime.fromisoformat(row["started"]),
        ended=_moment(row["ended"]),
        result=None if row["result"] is None else read(row["result"]),
        error=row["error"],
    )


def _cancellation(row: Row) -> Cancellation | None:
    if row["cancelled_by"] is None:
        return None
    return Cancellation(
        actor=row["cancelled_by"], reason=row["cancel_reason"], at=datetime.fromisoformat(row["cancelled_at"])
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
