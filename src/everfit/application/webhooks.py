"""Put what a webhook tells into the inbox, for every project whose repository it is about."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from everfit.application.ports import Clock, Inbox
from everfit.application.ports.repositories import Home, Repositories
from everfit.application.workspace import Workspace
from everfit.domain.errors import RequestError
from everfit.domain.git_event import Dispatched, Noticed, Pushed, Tagged, events_of
from everfit.domain.trigger import TriggerEvent
from everfit.domain.triggers import OtherEvent, Push, Tag
from everfit.domain.webhook import Ignored, Told, Webhook, decoded


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a webhook; the same for one that is delivered again.

    Args:
        accepted: events that wait for a run, or had one.
        refused: events that were written down as skipped, each with the reason.
        reason: why nothing came of it; None when something did.
    """

    accepted: Sequence[TriggerEvent] = ()
    refused: Sequence[tuple[TriggerEvent, str]] = ()
    reason: str | None = None


def take_webhook(
    webhook: Webhook, workspaces: Iterable[Workspace], repositories: Repositories, inbox: Inbox, clock: Clock
) -> Receipt:
    """Accept the webhook's events in one transaction; its signature has been checked.

    Raises:
        RequestError: it cannot be read.
    """
    told = decoded(webhook, clock.now())
    match told:
        case Ignored():
            return Receipt(reason=told.reason)
        case Told():
            return _taken(_noticed(told, workspaces, repositories), told, inbox)
        case _:
            assert_never(told)


def _taken(noticed: Sequence[Noticed], told: Told, inbox: Inbox) -> Receipt:
    if not noticed:
        return Receipt(reason=f"no project here waits for {_what(told)} in {told.change.repository}")
    refused = tuple((each.event, each.refusal) for each in noticed if each.refusal is not None)
    accepted = tuple(each.event for each in noticed if each.refusal is None)
    for event, reason in refused:
        inbox.refuse(event, reason)
    if accepted:
        inbox.accept(accepted)
    return Receipt(accepted=accepted, refused=refused)


def _noticed(told: Told, workspaces: Iterable[Workspace], repositories: Repositories) -> Sequence[Noticed]:
    found: list[Noticed] = []
    for workspace in workspaces:
        if not any(isinstance(trigger, (Push, Tag, OtherEvent)) for trigger in workspace.project.triggers):
            continue
        home = _home(workspace, repositories)
        if home is not None and home.remote.name in told.repositories:
            change = replace(told.change, repository=home.remote.name)
            found += events_of(change, workspace.project, home.folder)
    return found


def _home(workspace: Workspace, repositories: Repositories) -> Home | None:
    try:
        return repositories.home(workspace)
    except RequestError:
        return None  # The source that looks at the repositories tells of it.


def _what(told: Told) -> str:
    change = told.change
    match change:
        case Pushed():
            return f"pushes to {change.branch}"
        case Tagged():
            return f"the tag {change.tag}"
        case Dispatched():
            return f"the dispatch {change.action}"
        case _:
            assert_never(change)
