"""Versions, verdicts, approvals and what served when, in SQL: each call is one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import cast

from everfit.adapters.sql import outbox_rows, registry_rows
from everfit.adapters.sql.database import Database, Statements
from everfit.adapters.sql.leases import held
from everfit.application.ports import Claim, Clock
from everfit.domain.errors import NotFoundError, RefusedError
from everfit.domain.notice import rolled_back
from everfit.domain.record import instant
from everfit.domain.retention import check_removable
from everfit.domain.version import (
    Approval,
    Placement,
    Release,
    Served,
    Version,
    VersionMove,
    adopted,
    check_release,
    decided,
    judged,
    moved,
    turned_back,
)


class SqlRegistry:
    """Implements ``Registry`` in the run store's own database: a claim is checked in the transaction that needs it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def register(self, claim: Claim, version: Version, placement: Placement) -> Version:
        check_place(claim, version.model, placement.environment)
        with self._database.transaction() as rows:
            held(rows, claim)
            kept = registry_rows.version_of_run(rows, version.run)
            if kept is None:
                number = registry_rows.last_number(rows, version.model) + 1
                kept = replace(version, number=number)
                registry_rows.add_version(rows, kept)
            elif kept.artifact != version.artifact:
                raise RefusedError(
                    f"Run {version.run} has made version {kept.number} of {version.model} as {kept.artifact}; "
                    f"it cannot make {version.artifact} as well."
                )
            self._judge(rows, kept, placement)
            return kept

    def version(self, model: str, number: int) -> Version:
        with self._database.reading() as rows:
            return self._version(rows, model, number)

    def versions(self, model: str) -> Sequence[Version]:
        with self._database.reading() as rows:
            return registry_rows.versions_of(rows, model)

    def newest_versions(self, model: str, *, before: int | None = None, limit: int = 100) -> Sequence[Version]:
        with self._database.reading() as rows:
            return registry_rows.newest_versions(rows, model, before, limit)

    def holds(self, artifact: str) -> bool:
        with self._database.reading() as rows:
            return registry_rows.holds_artifact(rows, artifact)

    def place(self, claim: Claim, placement: Placement) -> None:
        check_place(claim, placement.model, placement.environment)
        with self._database.transaction() as rows:
            held(rows, claim)
            self._judge(rows, self._version(rows, placement.model, placement.version), placement)

    def adopt(self, version: Version, placement: Placement) -> None:
        with self._database.transaction() as rows:
            kept = registry_rows.version_of(rows, version.model, version.number)
            if kept is None and registry_rows.is_forgotten(rows, version.model, version.number):
                raise RefusedError(
                    f"Version {version.number} of {version.model} was removed here, and no number is given twice. "
                    "Promote a newer version."
                )
            after = adopted(version, kept, placement)
            if kept is None:
                registry_rows.add_version(rows, version)
            registry_rows.add_verdict(rows, after)
            registry_rows.keep_placement(rows, after)
            if after.approval is not None and kept is None:
                registry_rows.add_approval(rows, after.approval)

    def placement(self, model: str, environment: str, number: int) -> Placement:
        with self._database.reading() as rows:
            return self._placement(rows, model, environment, number)

    def placements(self, model: str, environment: str) -> Sequence[Placement]:
        with self._database.reading() as rows:
            return registry_rows.placements_of(rows, model, environment)

    def decide(self, approval: Approval) -> Placement:
        with self._database.transaction() as rows:
            before = self._placement(rows, approval.model, approval.environment, approval.version)
            after = decided(before, approval)
            if after is None:
                return before
            registry_rows.add_approval(rows, approval)
            registry_rows.keep_placement(rows, after)
            return after

    def served(self, claim: Claim, release: Release, *, reason: str, actor: str, roll_back: bool = False) -> None:
        check_place(claim, release.model, release.environment)
        with self._database.transaction() as rows:
            held(rows, claim)
            version = self._version(rows, release.model, release.version)
            placement = self._placement(rows, release.model, release.environment, release.version)
            check_release(release, version, placement)
            before = registry_rows.serving(rows, release.model, release.environment)
            if before is not None and (before.version, before.run) == (release.version, claim.run):
                return
            now = self._clock.now()
            if before is not None:
                # Times of one history never overlap, whatever the clock does.
                now = max(now, before.since)
                registry_rows.end_served(rows, before, now)
                if before.version != release.version:
                    self._retire(rows, before, VersionMove.ROLL_BACK if roll_back else VersionMove.RETIRE)
            standing = moved(placement.standing, VersionMove.SERVE)
            registry_rows.keep_placement(rows, replace(placement, standing=standing))
            served = Served(
                model=release.model,
                environment=release.environment,
                version=release.version,
                since=now,
                until=None,
                reason=reason,
                actor=actor,
                run=claim.run,
                is_rollback=roll_back,
            )
            registry_rows.add_served(rows, served)
            if roll_back:
                outbox_rows.add_notice(rows, rolled_back(served, None if before is None else before.version))

    def turn_back(self, claim: Claim, number: int) -> None:
        with self._database.transaction() as rows:
            held(rows, claim)
            placement = self._placement(rows, claim.model, claim.environment, number)
            registry_rows.keep_placement(rows, turned_back(placement))

    def champion(self, model: str, environment: str) -> int | None:
        with self._database.reading() as rows:
            served = registry_rows.serving(rows, model, environment)
            return None if served is None else served.version

    def history(
        self,
        model: str,
        environment: str | None = None,
        *,
        version: int | None = None,
        by: datetime | None = None,
        limit: int | None = None,
    ) -> Sequence[Served]:
        filters = {"environment": environment, "version": version, "by": None if by is None else instant(by)}
        with self._database.reading() as rows:
            return registry_rows.history_of(rows, model, filters, limit)

    def learnt(self, model: str) -> Mapping[str, object] | None:
        with self._database.reading() as rows:
            lineage = registry_rows.newest_approved_lineage(rows, model)
        data = None if lineage is None else lineage.get("data")
        return cast("Mapping[str, object]", data) if isinstance(data, Mapping) else None

    def forget(self, model: str, number: int) -> None:
        with self._database.transaction() as rows:
            self._version(rows, model, number)
            placements = registry_rows.placements_of(rows, model, None)
            check_removable(model, number, placements, registry_rows.history_of(rows, model))
            registry_rows.forget_version(rows, model, number, self._clock.now())

    def _judge(self, rows: Statements, version: Version, placement: Placement) -> None:
        before = registry_rows.placement_of(rows, version.model, placement.environment, version.number)
        after = judged(version, before, placement)
        if after is not None:
            registry_rows.add_verdict(rows, after)
            registry_rows.keep_placement(rows, after)

    def _retire(self, rows: Statements, served: Served, move: VersionMove) -> None:
        placement = self._placement(rows, served.model, served.environment, served.version)
        registry_rows.keep_placement(rows, replace(placement, standing=moved(placement.standing, move)))

    def _version(self, rows: Statements, model: str, number: int) -> Version:
        found = registry_rows.version_of(rows, model, number)
        if found is None:
            raise NotFoundError(
                f"There is no version {number} of {model}, or it was removed; "
                "`everfit runs` shows which run made which version."
            )
        return found

    def _placement(self, rows: Statements, model: str, environment: str, number: int) -> Placement:
        self._version(rows, model, number)
        found = registry_rows.placement_of(rows, model, environment, number)
        if found is None:
            raise NotFoundError(
                f"Version {number} of {model} was never judged in {environment}; "
                f"`everfit promote {number} --to {environment}` does that."
            )
        return found


def check_place(claim: Claim, model: str, environment: str) -> None:
    """Raise ``RefusedError`` when the claim is about another model or environment."""
    if (claim.model, claim.environment) != (model, environment):
        raise RefusedError(f"A claim of {claim.model} in {claim.environment} cannot change {model} in {environment}.")
