"""Versions, verdicts, approvals and history in memory, by the same rules as the SQLite registry."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import cast

from everfit.adapters.memory.run_store import MemoryRunStore
from everfit.application.ports import Claim, Clock
from everfit.domain.errors import NotFoundError, RefusedError
from everfit.domain.gate import VerdictOutcome
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


class MemoryRegistry:
    """Implements ``Registry`` for tests and dry runs; *store* knows which claims hold.

    ``on_rollback`` holds what is called with each version that the traffic went back to, and the one before.
    """

    def __init__(self, store: MemoryRunStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._turn = store.turn
        self._versions: dict[tuple[str, int], Version] = {}
        self._forgotten: set[tuple[str, int]] = set()
        self._placements: dict[tuple[str, str, int], Placement] = {}
        self._approved: set[tuple[str, int]] = set()
        self._history: list[Served] = []
        self.on_rollback: list[Callable[[Served, int | None], object]] = []

    def register(self, claim: Claim, version: Version, placement: Placement) -> Version:
        _check_place(claim, version.model, placement.environment)
        with self._turn:
            self._store.check(claim)
            made = [one for one in self._versions.values() if one.run == version.run]
            if made and made[0].artifact != version.artifact:
                raise RefusedError(
                    f"Run {version.run} has made version {made[0].number} of {version.model} as {made[0].artifact}; "
                    f"it cannot make {version.artifact} as well."
                )
            numbers = [number for model, number in self._versions if model == version.model]
            kept = made[0] if made else replace(version, number=max(numbers, default=0) + 1)
            after = self._judged(kept, placement)
            self._versions[kept.model, kept.number] = kept
            self._keep(after)
            return kept

    def version(self, model: str, number: int) -> Version:
        with self._turn:
            return self._version(model, number)

    def versions(self, model: str) -> Sequence[Version]:
        with self._turn:
            return [one for key, one in self._versions.items() if key[0] == model and key not in self._forgotten]

    def newest_versions(self, model: str, *, before: int | None = None, limit: int = 100) -> Sequence[Version]:
        found = sorted(self.versions(model), key=lambda one: one.number, reverse=True)
        return [one for one in found if before is None or one.number < before][:limit]

    def holds(self, artifact: str) -> bool:
        with self._turn:
            return any(one.artifact == artifact and key not in self._forgotten for key, one in self._versions.items())

    def adopt(self, version: Version, placement: Placement) -> None:
        key = (version.model, version.number)
        with self._turn:
            kept = self._versions.get(key)
            if key in self._forgotten:
                raise RefusedError(
                    f"Version {version.number} of {version.model} was removed here, and no number is given twice. "
                    "Promote a newer version."
                )
            after = adopted(version, kept, placement)
            self._versions[key] = kept or version
            self._keep(after)

    def place(self, claim: Claim, placement: Placement) -> None:
        _check_place(claim, placement.model, placement.environment)
        with self._turn:
            self._store.check(claim)
            self._keep(self._judged(self._version(placement.model, placement.version), placement))

    def placement(self, model: str, environment: str, number: int) -> Placement:
        with self._turn:
            return self._placement(model, environment, number)

    def placements(self, model: str, environment: str) -> Sequence[Placement]:
        with self._turn:
            return [one for one in self._placements_of(model) if one.environment == environment]

    def decide(self, approval: Approval) -> Placement:
        with self._turn:
            before = self._placement(approval.model, approval.environment, approval.version)
            after = decided(before, approval)
            self._keep(after)
            return before if after is None else after

    def served(self, claim: Claim, release: Release, *, reason: str, actor: str, roll_back: bool = False) -> None:
        _check_place(claim, release.model, release.environment)
        with self._turn:
            self._store.check(claim)
            version = self._version(release.model, release.version)
            placement = self._placement(release.model, release.environment, release.version)
            check_release(release, version, placement)
            before = self._serving(release.model, release.environment)
            if before is not None and (before.version, before.run) == (release.version, claim.run):
                return
            standing = moved(placement.standing, VersionMove.SERVE)
            now = self._clock.now()
            if before is not None:
                now = max(now, before.since)
                self._end(before, release, VersionMove.ROLL_BACK if roll_back else VersionMove.RETIRE)
                self._history[self._history.index(before)] = replace(before, until=now)
            self._keep(replace(placement, standing=standing))
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
            self._history.append(served)
            if roll_back:
                for told in self.on_rollback:
                    told(served, None if before is None else before.version)

    def turn_back(self, claim: Claim, number: int) -> None:
        with self._turn:
            self._store.check(claim)
            self._keep(turned_back(self._placement(claim.model, claim.environment, number)))

    def champion(self, model: str, environment: str) -> int | None:
        with self._turn:
            served = self._serving(model, environment)
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
        with self._turn:
            found = self._history_of(model, environment)
            found = [one for one in found if version in (None, one.version) and (by is None or one.since <= by)]
            return found[:limit]

    def learnt(self, model: str) -> Mapping[str, object] | None:
        with self._turn:
            numbers = [number for name, number in self._approved if name == model]
            if not numbers:
                return None
            data = self._versions[model, max(numbers)].lineage.get("data")
        return cast("Mapping[str, object]", data) if isinstance(data, Mapping) else None

    def forget(self, model: str, number: int) -> None:
        with self._turn:
            self._version(model, number)
            check_removable(model, number, self._placements_of(model), self._history_of(model, None))
            self._forgotten.add((model, number))

    def _judged(self, version: Version, placement: Placement) -> Placement | None:
        before = self._placements.get((version.model, placement.environment, version.number))
        return judged(version, before, placement)

    def _keep(self, placement: Placement | None) -> None:
        if placement is None:
            return
        approval = placement.approval
        if placement.verdict.outcome is VerdictOutcome.APPROVED or (approval is not None and approval.approved):
            self._approved.add((placement.model, placement.version))
        self._placements[placement.model, placement.environment, placement.version] = placement

    def _end(self, before: Served, release: Release, move: VersionMove) -> None:
        if before.version != release.version:
            placement = self._placement(before.model, before.environment, before.version)
            self._keep(replace(placement, standing=moved(placement.standing, move)))

    def _version(self, model: str, number: int) -> Version:
        if (model, number) not in self._versions or (model, number) in self._forgotten:
            raise NotFoundError(
                f"There is no version {number} of {model}, or it was removed; "
                "`everfit runs` shows which run made which version."
            )
        return self._versions[model, number]

    def _placement(self, model: str, environment: str, number: int) -> Placement:
        self._version(model, number)
        if (model, environment, number) not in self._placements:
            raise NotFoundError(
                f"Version {number} of {model} was never judged in {environment}; "
                f"`everfit promote {number} --to {environment}` does that."
            )
        return self._placements[model, environment, number]

    def _placements_of(self, model: str) -> Sequence[Placement]:
        found = [one for one in self._placements.values() if one.model == model]
        found = [one for one in found if (model, one.version) not in self._forgotten]
        return sorted(found, key=lambda one: (one.version, one.environment))

    def _serving(self, model: str, environment: str) -> Served | None:
        return next((one for one in self._history_of(model, environment) if one.until is None), None)

    def _history_of(self, model: str, environment: str | None) -> Sequence[Served]:
        found = [one for one in self._history if one.model == model and environment in (None, one.environment)]
        return found[::-1]


def _check_place(claim: Claim, model: str, environment: str) -> None:
    if (claim.model, claim.environment) != (model, environment):
        raise RefusedError(f"A claim of {claim.model} in {claim.environment} cannot change {model} in {environment}.")
