"""Who is told what."""

from typing import Any

import pytest

from everfit.domain.alert import ChannelKind, Template, channels_of, takes
from everfit.domain.notice import Notice, NoticeKind
from tests.stored import START


def a_notice(kind: NoticeKind, environment: str | None = "production", **facts: object) -> Notice:
    return Notice(id="1", kind=kind, model="m", environment=environment, run="run-1", cause="c", at=START, facts=facts)


def told(kind: NoticeKind, environment: str | None = "production", **written: Any) -> bool:
    (channel,) = channels_of([{"slack": "https://x", **written}])
    return takes(channel, a_notice(kind, environment))


def test_channels_are_named_by_their_kind_and_never_by_their_secret() -> None:
    written = [{"slack": "https://s3cret"}, {"email": "a@b"}, {"sns": "arn"}, {"slack": "https://other"}]
    channels = channels_of(written)
    assert [channel.key for channel in channels] == ["slack", "email", "sns", "slack-2"]
    assert "s3cret" not in repr(channels)


def test_a_channel_takes_what_people_want_to_know_unless_it_says_otherwise() -> None:
    unasked = {kind for kind in NoticeKind if not told(kind)}
    assert unasked == {NoticeKind.APPROVED, NoticeKind.CANCELLED, NoticeKind.RESUMED}
    assert {kind for kind in NoticeKind if told(kind, on=("failed",))} == {NoticeKind.FAILED, NoticeKind.TEST}


def test_a_channel_of_one_environment_is_told_of_it_and_of_the_whole_model() -> None:
    places = ("production", "staging", None)
    assert [told(NoticeKind.FAILED, place, environments=("staging",)) for place in places] == [False, True, True]


@pytest.mark.parametrize(("on", "is_told"), [(("recovered",), True), (("recovered", "deployed"), False)])
def test_that_it_works_again_is_not_told_beside_the_deployment(on: tuple[str, ...], is_told: bool) -> None:
    (channel,) = channels_of([{"slack": "https://x", "on": on}])
    assert takes(channel, a_notice(NoticeKind.RECOVERED, outcome="deployed")) is is_told


def test_what_is_written_is_kept() -> None:
    (channel,) = channels_of([{"url": "ntfy://topic", "template": "threshold"}])
    assert (channel.kind, channel.template, channel.address) == (ChannelKind.URL, Template.THRESHOLD, "ntfy://topic")
