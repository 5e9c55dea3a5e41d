"""Collects what there is to say about a notice."""

from contextlib import suppress
from dataclasses import replace

from everfit.application.ports import Ports
from everfit.domain.delivery import Delivery
from everfit.domain.errors import NotFoundError
from everfit.domain.notice import Notice, NoticeKind
from everfit.domain.run import Run, RunId
from everfit.domain.secret import hidden
from everfit.domain.story import Story
from everfit.domain.version import Placement

ASKS = "a person must approve"


def story_of(delivery: Delivery, ports: Ports) -> Story:
    """Return the facts behind a delivery; what is not to be found any more is left out."""
    notice = delivery.notice
    run = _run(notice, ports)
    version = _whole(notice, "version") if run is None else run.version
    placement = _placement(notice, version, ports)
    return Story(
        id=notice.id,
        kind=notice.kind,
        model=notice.model,
        environment=notice.environment,
        at=notice.at,
        run=notice.run,
        cause=None if run is None else run.cause,
        release=None if run is None else run.release,
        actor=_text(notice, "actor") or (None if run is None else run.actor),
        version=version,
        before=_before(notice, placement),
        serving=_whole(notice, "serving"),
        findings=() if placement is None else placement.verdict.findings,
        asked=None if placement is None or ASKS not in placement.verdict.reason else placement.verdict.reason,
        reason=_reason(notice, placement),
        part=_text(notice, "part"),
        link=None if ports.url is None or notice.run is None else f"{ports.url}/v1/runs/{notice.run}",
        repeats=delivery.repeats,
        since=delivery.since,
    )


def without_secrets(story: Story, secrets: frozenset[str]) -> Story:
    """Return the story with every secret masked."""
    return replace(
        story,
        findings=tuple(replace(each, reason=hidden(each.reason, secrets)) for each in story.findings),
        reason=_hidden(story.reason, secrets),
        actor=_hidden(story.actor, secrets),
        asked=_hidden(story.asked, secrets),
    )


def _hidden(words: str | None, secrets: frozenset[str]) -> str | None:
    return None if words is None else hidden(words, secrets)


def _run(notice: Notice, ports: Ports) -> Run | None:
    with suppress(NotFoundError):
        return None if notice.run is None else ports.store.run(RunId(notice.run))
    return None


def _placement(notice: Notice, version: int | None, ports: Ports) -> Placement | None:
    if version is None or notice.environment is None:
        return None
    with suppress(NotFoundError):
        return ports.registry.placement(notice.model, notice.environment, version)
    return None


def _before(notice: Notice, placement: Placement | None) -> int | None:
    given = _whole(notice, "before")
    if given is not None or placement is None or notice.kind is NoticeKind.ROLLED_BACK:
        return given
    return placement.verdict.champion


def _reason(notice: Notice, placement: Placement | None) -> str | None:
    given = _text(notice, "reason")
    if given is None and placement is not None and notice.kind is NoticeKind.NEEDS_APPROVAL:
        return placement.verdict.reason
    return given


def _whole(notice: Notice, name: str) -> int | None:
    value = notice.facts.get(name)
    return value if isinstance(value, int) else None


def _text(notice: Notice, name: str) -> str | None:
    value = notice.facts.get(name)
    return value if isinstance(value, str) else None
