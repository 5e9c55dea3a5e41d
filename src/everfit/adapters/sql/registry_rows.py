"""Versions, verdicts, approvals and history as rows."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, cast

from everfit.adapters.sql.database import Row, Statements
from everfit.domain.gate import Verdict
from everfit.domain.record import from_plain, instant, to_plain
from everfit.domain.version import Approval, Placement, Served, Standing, Version

_PLACEMENT = (
    "select p.model, p.environment, p.version, p.standing, v.content, a.verdict as approved_verdict, a.approved,"
    " a.actor, a.reason, a.at from placement p join verdict v on v.model = p.model and v.environment = p.environment"
    " and v.version = p.version and v.id = p.verdict left join approval a on a.model = p.model"
    " and a.environment = p.environment and a.version = p.version and a.verdict = p.verdict"
    " join version n on n.model = p.model and n.number = p.version where p.model = :model"
)


def add_version(rows: Statements, version: Version) -> None:
    """Write a new version."""
    rows.write(
        "insert into version (model, number, artifact, size, run, snapshot, code, config, created, lineage,"
        " metrics, claims) values (:model, :number, :artifact, :size, :run, :snapshot, :code, :config, :created,"
        " :lineage, :metrics, :claims)",
        {
            "model": version.model,
            "number": version.number,
            "artifact": version.artifact,
            "size": version.size,
            "run": version.run,
            "snapshot": version.snapshot,
            "code": version.code,
            "config": version.config,
            "created": instant(version.created),
            "lineage": _text(version.lineage),
            "metrics": _text(version.metrics),
            "claims": _text(version.claims),
        },
    )


def last_number(rows: Statements, model: str) -> int:
    """Return the highest number that the model ever gave, forgotten versions too; 0 before the first."""
    row = rows.one("select max(number) as number from version where model = :model", {"model": model})
    return 0 if row is None or row["number"] is None else int(row["number"])


def version_of(rows: Statements, model: str, number: int) -> Version | None:
    """Return the version, unless it is unknown or forgotten."""
    row = rows.one(
        "select * from version where model = :model and number = :number and forgotten is null",
        {"model": model, "number": number},
    )
    return None if row is None else _version(row)


def is_forgotten(rows: Statements, model: str, number: int) -> bool:
    """Return whether there was a version of that number that is in no list any more."""
    query = "select 1 from version where model = :model and number = :number and forgotten is not null"
    return rows.one(query, {"model": model, "number": number}) is not None


def version_of_run(rows: Statements, run: str) -> Version | None:
    """Return the version that the run has made."""
    row = rows.one("select * from version where run = :run", {"run": run})
    return None if row is None else _version(row)


def versions_of(rows: Statements, model: str) -> Sequence[Version]:
    """Return the versions, oldest first."""
    found = rows.all(
        "select * from version where model = :model and forgotten is null order by number", {"model": model}
    )
    return [_version(row) for row in found]


def newest_versions(rows: Statements, model: str, before: int | None, limit: int) -> Sequence[Version]:
    """Return at most *limit* versions, newest first."""
    found = rows.all(
        "select * from version where model = :model and number < :before and forgotten is null"
        " order by number desc limit :limit",
        {"model": model, "before": 2**62 if before is None else before, "limit": limit},
    )
    return [_version(row) for row in found]


def holds_artifact(rows: Statements, artifact: str) -> bool:
    """Return whether a version of any model that is not forgotten is made of these bytes."""
    query = "select 1 from version where artifact = :artifact and forgotten is null limit 1"
    return rows.one(query, {"artifact": artifact}) is not None


def forget_version(rows: Statements, model: str, number: int, now: datetime) -> None:
    """Take the version out of every list; what it was stays for the record."""
    rows.write(
        "update version set forgotten = :now where model = :model and number = :number",
        {"model": model, "number": number, "now": instant(now)},
    )


def newest_approved_lineage(rows: Statements, model: str) -> Mapping[str, object] | None:
    """Return the lineage of the newest version that a gate or a person ever approved."""
    row = rows.one(
        "select lineage from version n where model = :model and (exists (select 1 from verdict v"
        " where v.model = n.model and v.version = n.number and v.outcome = 'approved') or exists (select 1"
        " from approval a where a.model = n.model and a.version = n.number and a.approved = 1))"
        " order by number desc limit 1",
        {"model": model},
    )
    return None if row is None else _mapping(row["lineage"])


def add_verdict(rows: Statements, placement: Placement) -> None:
    """Write the verdict behind a placement."""
    rows.write(
        "insert into verdict (id, model, environment, version, outcome, content)"
        " values (:id, :model, :environment, :version, :outcome, :content)"
        " on conflict (model, environment, version, id) do nothing",
        {
            "id": placement.verdict.id,
            "model": placement.model,
            "environment": placement.environment,
            "version": placement.version,
            "outcome": placement.verdict.outcome.value,
            "content": _text(placement.verdict),
        },
    )


def keep_placement(rows: Statements, placement: Placement) -> None:
    """Write how a version stands now."""
    rows.write(
        "insert into placement (model, environment, version, standing, verdict)"
        " values (:model, :environment, :version, :standing, :verdict)"
        " on conflict (model, environment, version) do update set standing = excluded.standing,"
        " verdict = excluded.verdict",
        {
            "model": placement.model,
            "environment": placement.environment,
            "version": placement.version,
            "standing": placement.standing.value,
            "verdict": placement.verdict.id,
        },
    )


def placement_of(rows: Statements, model: str, environment: str, number: int) -> Placement | None:
    """Return how the version stands, also a forgotten one, if it was judged there."""
    row = rows.one(
        f"{_PLACEMENT} and p.environment = :environment and p.version = :version",
        {"model": model, "environment": environment, "version": number},
    )
    return None if row is None else _placement(row)


def placements_of(rows: Statements, model: str, environment: str | None) -> Sequence[Placement]:
    """Return how every version stands, oldest first; in every environment when it is None."""
    place = "" if environment is None else " and p.environment = :environment"
    found = rows.all(
        f"{_PLACEMENT} and n.forgotten is null{place} order by p.version, p.environment",
        {"model": model, "environment": environment},
    )
    return [_placement(row) for row in found]


def add_approval(rows: Statements, approval: Approval) -> None:
    """Write a person's decision."""
    rows.write(
        "insert into approval (model, environment, version, verdict, approved, actor, reason, at)"
        " values (:model, :environment, :version, :verdict, :approved, :actor, :reason, :at)",
        {
            "model": approval.model,
            "environment": approval.environment,
            "version": approval.version,
            "verdict": approval.verdict,
            "approved": int(approval.approved),
            "actor": approval.actor,
            "reason": approval.reason,
            "at": instant(approval.at),
        },
    )


def serving(rows: Statements, model: str, environment: str) -> Served | None:
    """Return what takes traffic now."""
    row = rows.one(
        "select * from served where model = :model and environment = :environment and until is null",
        {"model": model, "environment": environment},
    )
    return None if row is None else _served(row)


def add_served(rows: Statements, served: Served) -> None:
    """Write that a version takes traffic."""
    rows.write(
        "insert into served (model, environment, version, since, reason, actor, run, is_rollback)"
        " values (:model, :environment, :version, :since, :reason, :actor, :run, :is_rollback)",
        {
            "model": served.model,
            "environment": served.environment,
            "version": served.version,
            "since": instant(served.since),
            "reason": served.reason,
            "actor": served.actor,
            "run": served.run,
            "is_rollback": int(served.is_rollback),
        },
    )


def end_served(rows: Statements, served: Served, until: datetime) -> None:
    """Write that a version takes no traffic any more."""
    rows.write(
        "update served set until = :until where model = :model and environment = :environment and until is null",
        {"model": served.model, "environment": served.environment, "until": instant(until)},
    )


def history_of(
    rows: Statements, model: str, filters: Mapping[str, object] | None = None, limit: int | None = None
) -> Sequence[Served]:
    """Return what took traffic, newest first; the filters are any of environment, version and by."""
    given = {name: value for name, value in (filters or {}).items() if value is not None}
    conditions = " and ".join(["model = :model", *(_HISTORY_FILTERS[name] for name in given)])
    # Nothing begins to serve before what it takes over from, so both orders are one; each has an index.
    order = "since desc, place desc" if "by" in given else "place desc"
    most = "" if limit is None else " limit :limit"
    found = rows.all(
        f"select * from served where {conditions} order by {order}{most}",  # noqa: S608
        {**given, "model": model, "limit": limit},
    )
    return [_served(row) for row in found]


_HISTORY_FILTERS: Final = {
    "environment": "environment = :environment",
    "version": "version = :version",
    "by": "since <= :by",
}


def _version(row: Row) -> Version:
    return Version(
        model=row["model"],
        number=row["number"],
        artifact=row["artifact"],
        size=row["size"],
        run=row["run"],
        snapshot=row["snapshot"],
        code=row["code"],
        config=row["config"],
        created=datetime.fromisoformat(row["created"]),
        lineage=_mapping(row["lineage"]),
        metrics=_mapping(row["metrics"]),
        claims=_mapping(row["claims"]),
    )


def _placement(row: Row) -> Placement:
    approval = None
    if row["approved_verdict"] is not None:
        approval = Approval(
            model=row["model"],
            environment=row["environment"],
            version=row["version"],
            approved=bool(row["approved"]),
            actor=row["actor"],
            reason=row["reason"],
            verdict=row["approved_verdict"],
            at=datetime.fromisoformat(row["at"]),
        )
    return Placement(
        model=row["model"],
        environment=row["environment"],
        version=row["version"],
        standing=Standing(row["standing"]),
        verdict=from_plain(Verdict, _mapping(row["content"])),
        approval=approval,
    )


def _served(row: Row) -> Served:
    return Served(
        model=row["model"],
        environment=row["environment"],
        version=row["version"],
        since=datetime.fromisoformat(row["since"]),
        until=None if row["until"] is None else datetime.fromisoformat(row["until"]),
        reason=row["reason"],
        actor=row["actor"],
        run=row["run"],
        is_rollback=bool(row["is_rollback"]),
    )


def _text(value: object) -> str:
    return json.dumps(to_plain(value), ensure_ascii=False, separators=(",", ":"))


def _mapping(text: str) -> Mapping[str, object]:
    return cast("Mapping[str, object]", json.loads(text))
