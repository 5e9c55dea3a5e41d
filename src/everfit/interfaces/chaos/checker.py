"""Reads the database of a stormed service with SQL of its own, and says which promises hold."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from everfit.interfaces.chaos.models import SOURCE, model_name
from everfit.interfaces.chaos.plan import Delivery

ENDS = ("ran", "merged", "skipped", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What is wrong, each in words; nothing in all of them means that the promises hold.

    Args:
        lost: events that were accepted and are not there, or have no end.
        doubled: events that are there twice, runs that deployed twice.
        extra: runs and versions that no event asked for.
        unproved: what serves without a passing verdict for exactly these bytes.
    """

    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    extra: tuple[str, ...]
    unproved: tuple[str, ...]
    outcomes: Mapping[str, int]
    ends: Mapping[str, int]

    @property
    def is_well(self) -> bool:
        """Whether every promise held."""
        return not (self.lost or self.doubled or self.extra or self.unproved)


def is_settled(database: Path) -> bool:
    """Tell whether every event has its end and every run has ended."""
    with closing(_opened(database)) as rows:
        (pending,) = rows.execute("select count(*) from event where state = 'pending'").fetchone()
        (under_way,) = rows.execute("select count(*) from run where state <> 'ended'").fetchone()
    return (pending, under_way) == (0, 0)


def check(database: Path, delivered: Iterable[Delivery], serving: Mapping[str, int | None]) -> Findings:
    """Compare what was delivered with what is written, and what serves with what may.

    Args:
        serving: version that the endpoint of each model answers with.
    """
    with closing(_opened(database)) as rows:
        return Findings(
            lost=tuple(_lost(rows, set(delivered))),
            doubled=tuple(_doubled(rows)),
            extra=tuple(_extra(rows, set(delivered))),
            unproved=tuple(_unproved(rows, serving)),
            outcomes=_counted(rows, "select coalesce(outcome, state) from run"),
            ends=_counted(rows, "select state from event"),
        )


def _opened(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)


def _key(delivery: Delivery) -> tuple[str, str]:
    return model_name(delivery.model), f"event:{SOURCE}:{delivery.event}"


def _lost(rows: sqlite3.Connection, delivered: set[Delivery]) -> Iterator[str]:
    found = {
        (model, event): (state, run)
        for model, event, state, run in rows.execute("select model, id, state, run from event")
    }
    ended = {run for (run,) in rows.execute("select id from run where state = 'ended'")}
    for model, event in map(_key, delivered):
        state, run = found.get((model, event), ("not there", None))
        if state not in ENDS:
            yield f"{event} of {model} is {state}"
        elif state != "skipped" and run not in ended:
            yield f"{event} of {model} is {state}, but its run {run} has not ended"


def _doubled(rows: sqlite3.Connection) -> Iterator[str]:
    for (model, event), count in Counter(rows.execute("select model, id from event")).items():
        if count > 1:
            yield f"{event} of {model} is there {count} times"
    for what, sql in (
        ("was served", "select run from served where run is not null and is_rollback = 0"),
        ("made a version", "select run from version"),
        ("is what an event says it ran", "select run from event where state = 'ran'"),
    ):
        for (run,), count in Counter(rows.execute(sql)).items():
            if count > 1:
                yield f"{run} {what} {count} times"


def _extra(rows: sqlite3.Connection, delivered: set[Delivery]) -> Iterator[str]:
    known = set(map(_key, delivered))
    for event in rows.execute("select model, id from event"):
        if event not in known:
            yield f"{event[1]} of {event[0]} was never delivered"
    for (run,) in rows.execute("select id from run where id not in (select run from event where run is not null)"):
        yield f"{run} has no event"
    for model, environment, count in rows.execute(
        "select model, environment, count(*) from served where until is null group by model, environment"
    ):
        if count > 1:
            yield f"{model} in {environment} has {count} champions"


def _unproved(rows: sqlite3.Connection, serving: Mapping[str, int | None]) -> Iterator[str]:
    for model, number in serving.items():
        (champion,) = rows.execute(
            "select max(version) from served where model = ? and until is null", (model,)
        ).fetchone()
        if number != champion:
            yield f"{model} answers with version {number}, and version {champion} should serve"
        if number is None:
            continue
        proof = rows.execute(
            "select verdict.outcome, json_extract(verdict.content, '$.artifact') = version.artifact, placement.standing"
            " from placement join verdict on verdict.id = placement.verdict and verdict.model = placement.model"
            " and verdict.environment = placement.environment and verdict.version = placement.version"
            " join version on version.model = placement.model and version.number = placement.version"
            " where placement.model = ? and placement.version = ?",
            (model, number),
        ).fetchone()
        if proof != ("approved", 1, "serving"):
            yield f"{model} answers with version {number}, whose proof is {proof}"


def _counted(rows: sqlite3.Connection, sql: str) -> Mapping[str, int]:
    return dict(Counter(word for (word,) in rows.execute(sql)))
