"""The read side: what people and programs are shown, as plain JSON."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from everfit.application.facts import Facts
from everfit.application.live_overview import live_rows, rollout_row, watch_row
from everfit.application.outlook import paused_row, waiting_row
from everfit.application.owed import shortly
from everfit.application.ports import Ports
from everfit.application.workspace import Workspace
from everfit.domain.endpoint import EndpointState
from everfit.domain.errors import BackendError, NotFoundError
from everfit.domain.gate import Finding, Verdict, verdict_from_json
from everfit.domain.project import Environment
from everfit.domain.run import Outcome, Run, StepRecord
from everfit.domain.version import Placement, Served, Version

Json = dict[str, object]
STOPPED = "the endpoint host is stopped; the next `everfit run` or `everfit predict` starts it with the same state"
TO_FOLLOW = "the next `everfit run` or rollback writes it down, or a service"
ANEW = "`everfit run --force` deploys anew"


def run_report(run: Run, workspace: Workspace, ports: Ports) -> Json:
    """Return everything about a run, in the shape of ``run --json``."""
    steps = ports.store.steps(run.id)
    results = {record.name: record.result or {} for record in steps}
    verdict = _verdict(results)
    frozen = Facts("The result of snapshot", results.get("snapshot", {}))
    environment = workspace.project.environments.get(run.environment)
    return {
        "run": run.id,
        "model": run.model,
        "environment": run.environment,
        "outcome": run.outcome.value if run.outcome else run.state.value,
        "reason": run.reason or _what_is_asked(run, verdict),
        "version": run.version,
        "commit": frozen.text_or_none("commit") or run.commit,
        "release": run.release,
        "champion_before": _champion_before(run, results, frozen, ports),
        "champion_after": _champion_after(run, results, frozen, ports),
        "verdict": None if verdict is None else verdict.outcome.value,
        "rules": _rules(results, verdict),
        "metrics": _metrics(results),
        "snapshot": frozen.text_or_none("snapshot"),
        "change": {
            **frozen.mapping("change"),
            "new_rows": Facts("The result of prepare", results.get("prepare", {})).whole_or_none("new_rows"),
        },
        "endpoint": None if environment is None else _endpoint(environment, ports),
        "steps": [_step(record) for record in steps],
        "error": run.error,
    }


def _what_is_asked(run: Run, verdict: Verdict | None) -> str | None:
    """Return why a run waits for a person."""
    return verdict.reason if verdict is not None and run.outcome is Outcome.NEEDS_APPROVAL else None


def _champion_before(run: Run, results: Mapping[str, Mapping[str, object]], frozen: Facts, ports: Ports) -> int | None:
    if results.get("evaluate"):
        return Facts("The result of evaluate", results["evaluate"]).whole_or_none("champion")
    if results.get("snapshot"):
        return frozen.whole_or_none("champion")
    return _serving_at(run.started, run, ports)


def _champion_after(run: Run, results: Mapping[str, Mapping[str, object]], frozen: Facts, ports: Ports) -> int | None:
    """Return what served when the run had ended, which is not always what serves now."""
    if run.outcome is Outcome.DEPLOYED:
        return Facts("The result of deploy", results.get("deploy", {})).whole_or_none("to")
    if run.ended is None:
        return ports.registry.champion(run.model, run.environment)
    at_end = _serving_at(run.ended, run, ports)
    return frozen.whole_or_none("champion") if at_end is None else at_end


def _serving_at(moment: datetime, run: Run, ports: Ports) -> int | None:
    newest = ports.registry.history(run.model, run.environment, by=moment, limit=1)
    return next((row.version for row in newest if row.until is None or row.until > moment), None)


def _verdict(results: Mapping[str, Mapping[str, object]]) -> Verdict | None:
    stored = results.get("gate", {}).get("verdict")
    return verdict_from_json(stored) if isinstance(stored, Mapping) else None  # pyright: ignore[reportUnknownArgumentType]


def _rules(results: Mapping[str, Mapping[str, object]], verdict: Verdict | None) -> list[Json]:
    report = Facts("The result of prepare", results.get("prepare", {})).below("report")
    checks: list[Json] = [
        {
            "rule": finding.text("rule"),
            "result": finding.text("result"),
            "reason": finding.text("reason"),
            "about": "data",
        }
        for finding in report.objects("findings")
    ]
    return checks + [finding_json(finding) for finding in (verdict.findings if verdict else ())]


def finding_json(finding: Finding) -> Json:
    """Return one rule's answer as JSON."""
    return {"rule": finding.rule, "result": finding.result.value, "reason": finding.reason, "about": "model"}


def _metrics(results: Mapping[str, Mapping[str, object]]) -> Json:
    evaluation = Facts("The result of evaluate", results.get("evaluate", {})).below("evaluation")
    return {
        "challenger": _values(evaluation, "challenger"),
        "champion": _values(evaluation, "champion") if evaluation.mapping_or_none("champion") else None,
        "difference": {
            name: {key: below.number_or_none(key) for key in ("value", "low", "high")}
            for name, below in evaluation.below("difference").children()
        },
    }


def _values(evaluation: Facts, side: str) -> Json:
    metrics = Facts(side, evaluation.mapping_or_none(side) or {}).below("metrics")
    return {name: below.number_or_none("value") for name, below in metrics.children()}


def _endpoint(environment: Environment, ports: Ports) -> Json:
    state = ports.endpoints.describe(environment.endpoint)
    return {"name": environment.endpoint, "url": state.url if state else None}


def _step(record: StepRecord) -> Json:
    seconds = None if record.ended is None else round((record.ended - record.started).total_seconds(), 3)
    return {"name": record.name, "outcome": record.outcome.value, "seconds": seconds, "attempt": record.attempt}


def run_summary(run: Run) -> Json:
    """Return one row of ``runs``."""
    return {
        "run": run.id,
        "model": run.model,
        "environment": run.environment,
        "outcome": run.outcome.value if run.outcome else run.state.value,
        "version": run.version,
        "commit": run.commit,
        "release": run.release,
        "started": run.started.isoformat(),
        "ended": run.ended.isoformat() if run.ended else None,
        "waits_for": run.waits_for,
        "reason": run.reason,
    }


def history_rows(served: Sequence[Served]) -> list[Json]:
    """Return what took traffic, newest first, in the shape of ``history --json``."""
    return [
        {
            "version": row.version,
            "environment": row.environment,
            "from": row.since.isoformat(),
            "to": row.until.isoformat() if row.until else None,
            "reason": row.reason,
            "actor": row.actor,
            "run": row.run,
        }
        for row in served
    ]


def status(workspace: Workspace, ports: Ports) -> Json:
    """Return what serves in each environment, what waits, and what was interrupted."""
    return {
        "model": workspace.model,
        "environments": [
            _environment_status(each, workspace, ports) for each in workspace.project.environments.values()
        ],
    }


def _environment_status(environment: Environment, workspace: Workspace, ports: Ports) -> Json:
    model = workspace.model
    champion = ports.registry.champion(model, environment.name)
    runs = ports.store.runs(model, environment.name, limit=20)
    unfinished = ports.store.unfinished(model, environment.name)
    try:
        state = ports.endpoints.describe(environment.endpoint)
        trouble = None if champion is None else endpoint_trouble(environment.endpoint, state, workspace, ports)
        if unfinished is not None and trouble != STOPPED:
            # It may be moved at this moment.
            trouble = None
    except BackendError as error:
        state, trouble = None, str(error)
    return {
        "environment": environment.name,
        "champion": champion,
        "endpoint": {
            "name": environment.endpoint,
            "url": state.url if state else None,
            "weights": {str(version): share for version, share in state.weights.items()} if state else {},
            "trouble": trouble,
        },
        "live": live_rows(environment, state, ports),
        "rollout": rollout_row(environment, workspace, ports),
        "watch": None if champion is None else watch_row(environment, workspace, ports),
        "last_run": run_summary(runs[0]) if runs else None,
        "waits_for_approval": [run.version for run in runs if run.outcome is Outcome.NEEDS_APPROVAL],
        "unfinished": run_summary(unfinished) if unfinished else None,
        "waiting": waiting_row(environment.name, workspace, ports),
        "paused": paused_row(environment.name, workspace, ports),
    }


def endpoint_trouble(name: str, state: EndpointState | None, workspace: Workspace, ports: Ports) -> str | None:
    """Return why nothing of ours answers behind the name; None when something does."""
    if not ports.endpoints.is_running():
        return STOPPED
    if state is None:
        return f"there is no endpoint {name} any more; {ANEW}"
    if state.moved is not None:
        moved = shortly(state.moved, workspace.project)
        return f"{moved.actor} left version {moved.before} for version {moved.after}: {moved.reason}; {TO_FOLLOW}"
    return None if state.weights else f"the endpoint {name} serves none of Everfit's versions; {ANEW}"


def explain_version(number: int, workspace: Workspace, ports: Ports) -> Json:
    """Return why a version stands where it stands, in every environment that has judged it."""
    version = ports.registry.version(workspace.model, number)
    found = [_placement_in(name, version, ports) for name in workspace.project.environments]
    placements = [placement for placement in found if placement is not None]
    served = ports.registry.history(workspace.model, version=number)
    return {
        "model": version.model,
        "version": version.number,
        "artifact": version.artifact,
        "size": version.size,
        "run": version.run,
        "snapshot": version.snapshot,
        "code": version.code,
        "created": version.created.isoformat(),
        "lineage": dict(version.lineage),
        "metrics": dict(version.metrics),
        "claims": dict(version.claims),
        "environments": [_placement(placement) for placement in placements],
        "served": history_rows(served),
    }


def _placement_in(environment: str, version: Version, ports: Ports) -> Placement | None:
    try:
        return ports.registry.placement(version.model, environment, version.number)
    except NotFoundError:
        return None


def _placement(placement: Placement) -> Json:
    approval = placement.approval
    return {
        "environment": placement.environment,
        "standing": placement.standing.value,
        "verdict": placement.verdict.outcome.value,
        "reason": placement.verdict.reason,
        "champion": placement.verdict.champion,
        "rules": [finding_json(finding) for finding in placement.verdict.findings],
        "approval": None
        if approval is None
        else {
            "approved": approval.approved,
            "actor": approval.actor,
            "reason": approval.reason,
            "verdict": approval.verdict,
            "at": approval.at.isoformat(),
        },
    }
