"""Accept what a person or a program asks for, pause and resume, and cancel a run."""

from dataclasses import dataclass, field
from typing import Final

from everfit.application.ports import Ports
from everfit.application.retraining import environment_of
from everfit.application.workspace import Workspace
from everfit.domain.errors import RequestError
from everfit.domain.inbox import Pause
from everfit.domain.run import Cancellation, Run, RunId
from everfit.domain.trigger import EventRecord, TriggerEvent, TriggerKind, Wish
from everfit.domain.triggers import BY_API, FORCED
from everfit.domain.wish import detail_of

LONGEST_ID: Final = 200
LONGEST_REASON: Final = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a person or a program asks for.

    Args:
        id: the sender's own; the same id is the same event. None makes one.
        environment: None means the only one, or ``production``.
        reason: in the sender's words.
        kind: what made them ask, for the records; it changes nothing in the run.
    """

    actor: str
    id: str | None = None
    environment: str | None = None
    reason: str = ""
    wish: Wish = field(default_factory=Wish)
    kind: TriggerKind = TriggerKind.API


def request(demand: Demand, workspace: Workspace, ports: Ports) -> EventRecord:
    """Accept the demand as a trigger event and return it as it is kept; the same id again returns the first one.

    Raises:
        NotFoundError: there is no such environment.
        RequestError: it says too much.
    """
    environment = environment_of(workspace, demand.environment)
    if demand.id is not None and not (0 < len(demand.id) <= LONGEST_ID and demand.id.isprintable()):
        raise RequestError(f"The id of a trigger has 1 to {LONGEST_ID} printable characters.")
    if len(demand.reason) > LONGEST_REASON:
        raise RequestError(f"The reason of a trigger has at most {LONGEST_REASON:,} characters; say less.")
    now = ports.clock.now()
    event = TriggerEvent(
        id=f"api:{demand.id or ports.ids.run_id(now)}",
        kind=demand.kind,
        trigger=FORCED if demand.wish.force else BY_API,
        model=workspace.model,
        environment=environment.name,
        actor=demand.actor,
        at=now,
        subject=demand.reason,
        detail=detail_of(demand.wish),
    )
    ports.inbox.accept((event,))
    return ports.inbox.event(workspace.model, environment.name, event.id)


def pause(pause: Pause, workspace: Workspace, ports: Ports) -> None:
    """Start no runs from now on; what triggers them is kept."""
    if pause.environment is not None:
        environment_of(workspace, pause.environment)
    ports.inbox.pause(pause)


def resume(environment: str | None, workspace: Workspace, ports: Ports) -> bool:
    """Take the pause back; False when there was none."""
    if environment is not None:
        environment_of(workspace, environment)
    return ports.inbox.resume(workspace.model, environment)


def cancel(run: RunId, actor: str, reason: str, ports: Ports) -> Run:
    """Ask whoever drives the run to stop it; what already settles is not cut.

    Raises:
        IllegalMoveError: the run has ended.
    """
    return ports.store.cancel(run, Cancellation(actor=actor, reason=reason, at=ports.clock.now()))
