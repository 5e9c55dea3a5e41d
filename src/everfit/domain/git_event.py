"""What comes to a git repository, and the trigger events that it is for a project.

The id of an event is made of the repository, the branch or tag, and the commit. It is the same whether a webhook told
of it or a look at the repository, so both together start one run; a tag that was moved to another commit is new.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from everfit.domain.path_glob import is_any_matched
from everfit.domain.project import Project
from everfit.domain.release_name import SHOWN, tag_name
from everfit.domain.trigger import TriggerEvent, TriggerKind
from everfit.domain.triggers import OtherEvent, Push, Tag, Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What every arrival has.

    Args:
        repository: its name; see ``repository_name``.
        delivery: the sender's own number for the message that told of it; None when it was found by a look.
    """

    repository: str
    actor: str
    at: datetime
    delivery: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed(Arrival):
    """A branch stands at another commit.

    Args:
        paths: that changed, from the top of the repository; None when they are not known.
    """

    branch: str
    commit: str
    paths: frozenset[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged(Arrival):
    """A tag is new, or stands at another commit."""

    tag: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatched(Arrival):
    """A program asked for something by name.

    Args:
        id: the program's own for it, or that of the delivery.
    """

    id: str
    action: str
    payload: object


Change = Pushed | Tagged | Dispatched


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """An event of a project, and why it starts nothing; None when it may."""

    event: TriggerEvent
    refusal: str | None


def events_of(change: Change, project: Project, folder: str) -> Sequence[Noticed]:
    """Return the events that the change is for the project: at most one for each environment.

    Args:
        folder: where the project lies in the repository; empty at its top.
    """
    found: dict[str, Noticed] = {}
    for trigger in project.triggers:
        for noticed in _events(change, trigger, project.model, folder):
            found.setdefault(noticed.event.environment, noticed)
    return tuple(found.values())


def _events(change: Change, trigger: Trigger, model: str, folder: str) -> Iterator[Noticed]:
    match change, trigger:
        case Pushed(), Push():
            yield from _pushed(change, trigger, model, folder)
        case Tagged(), Tag():
            yield from _tagged(change, trigger, model)
        case Dispatched(), OtherEvent():
            yield from _dispatched(change, trigger, model)
        case _:
            return


def _pushed(change: Pushed, trigger: Push, model: str, folder: str) -> Iterator[Noticed]:
    # Paths that nobody knows count as changed: a run of code that is not new ends by itself.
    is_ours = not trigger.paths or change.paths is None or is_any_matched(trigger.paths, change.paths, folder)
    if change.branch != trigger.branch or not is_ours:
        return
    subject = f"push of {change.commit[:SHOWN]} to {change.branch}"
    for environment in trigger.environments:
        detail = {"commit": change.commit, "branch": change.branch}
        yield Noticed(event=_event(change, trigger, (model, environment), subject, detail), refusal=None)


def _tagged(change: Tagged, trigger: Tag, model: str) -> Iterator[Noticed]:
    name = tag_name(trigger.pattern, change.tag)
    if name is None:
        return
    refusal = None if name.release else _no_release(change.tag, name.star, trigger.pattern)
    for environment in trigger.environments:
        detail = {"commit": change.commit, "tag": change.tag} | ({"release": name.release} if name.release else {})
        subject = f"tag {change.tag} at {change.commit[:SHOWN]}"
        yield Noticed(event=_event(change, trigger, (model, environment), subject, detail), refusal=refusal)


def _no_release(tag: str, star: str, pattern: str) -> str:
    held = f"{star!r} is" if star else "nothing is"
    return (
        f"the tag {tag} fits {pattern} but holds no version: {held} where a semantic version such as 1.2.3 belongs; "
        "push a tag with one"
    )


def _dispatched(change: Dispatched, trigger: OtherEvent, model: str) -> Iterator[Noticed]:
    if trigger.source != "github" or trigger.type not in (None, change.action):
        return
    for environment in trigger.environments:
        detail = {"source": "github", "type": change.action, "payload": change.payload}
        place = (model, environment)
        yield Noticed(event=_event(change, trigger, place, f"dispatch {change.action}", detail), refusal=None)


def _event(
    change: Change, trigger: Trigger, place: tuple[str, str], subject: str, detail: Mapping[str, object]
) -> TriggerEvent:
    model, environment = place
    told = {"repository": change.repository} | ({"delivery": change.delivery} if change.delivery else {})
    return TriggerEvent(
        id=event_id(change),
        kind=_kind(change),
        model=model,
        environment=environment,
        actor=change.actor,
        at=change.at,
        trigger=trigger.key,
        subject=subject,
        detail={**detail, **told},
    )


def event_id(change: Change) -> str:
    """Return the id of the change's events."""
    match change:
        case Pushed():
            return f"push:{change.repository}:{change.branch}:{change.commit}"
        case Tagged():
            return f"tag:{change.repository}:{change.tag}:{change.commit}"
        case Dispatched():
            return f"dispatch:{change.repository}:{change.id}"
        case _:
            assert_never(change)


def _kind(change: Change) -> TriggerKind:
    match change:
        case Pushed():
            return TriggerKind.PUSH
        case Tagged():
            return TriggerKind.TAG
        case Dispatched():
            return TriggerKind.EVENT
        case _:
            assert_never(change)
