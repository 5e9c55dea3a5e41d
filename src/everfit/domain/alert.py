"""Channels: who is told what, as the project file says it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any, Final

from everfit.domain.notice import Notice, NoticeKind
from everfit.domain.storm import WINDOW


class ChannelKind(Enum):
    """By what means people are told."""

    EMAIL = "email"
    SLACK = "slack"
    TEAMS = "teams"
    WEBHOOK = "webhook"
    URL = "url"
    SNS = "sns"
    TOPIC = "topic"
    METRICS = "metrics"
    LAST_TRAINED = "last trained"


FOLLOWING: Final = frozenset({ChannelKind.TOPIC, ChannelKind.METRICS, ChannelKind.LAST_TRAINED})
"""Those that come with an environment on AWS and stand nowhere below ``alerts``: they are told of that one only."""


class Template(Enum):
    """In which words."""

    STANDARD = "standard"
    THRESHOLD = "threshold"


USUAL: Final = frozenset(
    {
        NoticeKind.DEPLOYED,
        NoticeKind.REJECTED,
        NoticeKind.NEEDS_APPROVAL,
        NoticeKind.FAILED,
        NoticeKind.ROLLED_BACK,
        NoticeKind.PAUSED,
        NoticeKind.NO_SUCCESS,
        NoticeKind.RECOVERED,
        NoticeKind.TROUBLE,
    }
)
"""What a channel takes that does not say so itself: not what people did a moment ago and know."""

SAYABLE: Final = tuple(kind for kind in NoticeKind if kind is not NoticeKind.TEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One way to people.

    Args:
        key: names it within its project; no secret is in it, and it stays when a secret changes.
        address: an e-mail address or a URL, which may be a secret.
        on: what it takes.
        environments: only what is about these, and about the whole model; empty means all.
        window: an alert that only repeats another is held for this long.
    """

    key: str
    kind: ChannelKind
    address: str = field(repr=False)
    on: frozenset[NoticeKind] = USUAL
    environments: tuple[str, ...] = ()
    template: Template = Template.STANDARD
    window: timedelta = WINDOW


def channels_of(written: Sequence[Mapping[str, Any]]) -> tuple[Channel, ...]:
    """Return the channels of a project file; kinds that this release does not act on are left out."""
    counts: dict[ChannelKind, int] = {}
    found: list[Channel] = []
    for values in written:
        kind = next((kind for kind in ChannelKind if kind.value in values), None)
        if kind is None:
            continue
        counts[kind] = counts.get(kind, 0) + 1
        found.append(_channel(kind, counts[kind], values))
    return tuple(found)


def _channel(kind: ChannelKind, count: int, values: Mapping[str, Any]) -> Channel:
    return Channel(
        key=kind.value if count == 1 else f"{kind.value}-{count}",
        kind=kind,
        address=values[kind.value],
        on=frozenset(NoticeKind(word) for word in values["on"]) if "on" in values else USUAL,
        environments=tuple(values.get("environments", ())),
        template=Template(values.get("template", Template.STANDARD.value)),
        window=values.get("repeat_after", WINDOW),
    )


def takes(channel: Channel, notice: Notice) -> bool:
    """Tell whether the channel is told of the notice."""
    if channel.kind in FOLLOWING and notice.environment not in channel.environments:
        return False
    if notice.kind is NoticeKind.TEST:
        return True
    if notice.kind not in channel.on:
        return False
    outcome = notice.facts.get("outcome")
    if notice.kind is NoticeKind.RECOVERED and outcome in {kind.value for kind in channel.on}:
        # The news that it works again is in the news of the deployment.
        return False
    return not channel.environments or notice.environment is None or notice.environment in channel.environments
