"""The channels that come with an environment on AWS: its topic, its metrics, and what was trained last."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from everfit.domain.alert import Channel, ChannelKind, Template
from everfit.domain.aws import AwsPlace
from everfit.domain.notice import NoticeKind

TRAINED: Final = frozenset({NoticeKind.DEPLOYED, NoticeKind.APPROVED, NoticeKind.NEEDS_APPROVAL, NoticeKind.REJECTED})
"""What a run ends with, or waits with, that has trained a model."""
COUNTED: Final = TRAINED | {NoticeKind.FAILED, NoticeKind.ROLLED_BACK}
AT_ONCE: Final = timedelta(0)
"""Nothing is held: a program counts, and reads the newest."""


def following_channels(places: Iterable[AwsPlace | None], alerts: Sequence[Channel] = ()) -> tuple[Channel, ...]:
    """Return the channels of these places, in their order.

    Args:
        alerts: the channels of the project file; a topic that one of them tells is told by that one alone.
    """
    return tuple(channel for place in places if place is not None for channel in _of(place, alerts))


def _is_told(place: AwsPlace, alerts: Sequence[Channel]) -> bool:
    return any(
        each.kind is ChannelKind.SNS
        and each.address.split(":")[3::2] == [place.region, place.names.topic]
        and place.environment in (each.environments or (place.environment,))
        for each in alerts
    )


def _of(place: AwsPlace, alerts: Sequence[Channel]) -> Iterator[Channel]:
    here = (place.environment,)
    if place.names.topic is not None and not _is_told(place, alerts):
        # With the template, who filters mails by the words of the threshold finds them; else it says the usual.
        yield Channel(
            key=f"topic-{place.environment}",
            kind=ChannelKind.TOPIC,
            address=f"topic:{place.region}:{place.names.topic}",
            environments=here,
            template=Template.THRESHOLD,
        )
    yield Channel(
        key=f"metrics-{place.environment}",
        kind=ChannelKind.METRICS,
        address=f"metrics:{place.environment}",
        environments=here,
        on=COUNTED,
        window=AT_ONCE,
    )
    if place.last_trained is not None:
        yield Channel(
            key=f"last-trained-{place.environment}",
            kind=ChannelKind.LAST_TRAINED,
            address=place.last_trained,
            environments=here,
            on=TRAINED,
            window=AT_ONCE,
        )
