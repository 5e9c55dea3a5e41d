"""What waits for a run in each environment, and what it waits for, as plain JSON."""

from typing import assert_never

from everfit.application.dispatch import Held, Start, answer
from everfit.application.ports import Ports
from everfit.application.workspace import Workspace
from everfit.domain.inbox import Backlog, Pause
from everfit.domain.pacing import pause_of

Json = dict[str, object]


def waiting_row(environment: str, workspace: Workspace, ports: Ports) -> Json | None:
    """Return how much waits there, why, and until when; None when nothing does."""
    waiting = ports.inbox.waiting(workspace.model, environment)
    decision = answer(waiting, workspace, ports)
    match decision:
        case None:
            return None
        case Start():
            until, why = None, "nothing: a run may start now"
        case Held():
            until, why = decision.until, decision.why
        case _:
            assert_never(decision)
    return {
        "environment": environment,
        "events": waiting.count,
        "since": min(backlog.first for backlog in waiting.backlogs.values()).isoformat(),
        "waits_for": why,
        "until": None if until is None else until.isoformat(),
        "triggers": [_backlog(backlog) for backlog in waiting.backlogs.values()],
    }


def waiting_rows(workspace: Workspace, ports: Ports) -> list[Json]:
    """Return what waits, for each environment of the project in which something does."""
    rows = [waiting_row(environment, workspace, ports) for environment in workspace.project.environments]
    return [row for row in rows if row is not None]


def paused_row(environment: str, workspace: Workspace, ports: Ports) -> Json | None:
    """Return the pause that holds runs there; None when none does."""
    pause = pause_of(ports.inbox.pauses(), workspace.model, environment)
    return None if pause is None else _pause(pause)


def _pause(pause: Pause) -> Json:
    return {"actor": pause.actor, "reason": pause.reason, "since": pause.since.isoformat()}


def _backlog(backlog: Backlog) -> Json:
    return {
        "kind": backlog.kind.value,
        "trigger": backlog.trigger,
        "events": backlog.count,
        "first": backlog.first.isoformat(),
        "last": backlog.last.isoformat(),
        "files": backlog.amount.files,
        "rows": backlog.amount.rows,
        "bytes": backlog.amount.bytes,
    }
