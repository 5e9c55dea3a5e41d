"""What was told to whom, as plain JSON, and a test of the channels."""

from collections.abc import Iterator

from everfit.application.overview import Json
from everfit.application.ports import Letter, Ports
from everfit.application.workspace import Workspace
from everfit.domain.alert import Channel
from everfit.domain.delivery import Delivery
from everfit.domain.errors import NotFoundError
from everfit.domain.message import message_of
from everfit.domain.notice import NoticeKind
from everfit.domain.secret import hidden
from everfit.domain.story import Story
from everfit.domain.words import listed, nearest

TEST_WORDS = "This is a test. Whoever reads it is told what becomes of the model."


def delivery_row(delivery: Delivery) -> Json:
    """Return one row of ``alerts``."""
    notice = delivery.notice
    return {
        "id": delivery.id,
        "notice": notice.id,
        "kind": notice.kind.value,
        "model": notice.model,
        "environment": notice.environment,
        "run": notice.run,
        "at": notice.at.isoformat(),
        "channel": delivery.channel,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "due": None if delivery.due is None else delivery.due.isoformat(),
        "error": delivery.error,
        "ended": None if delivery.ended is None else delivery.ended.isoformat(),
        "more": delivery.repeats,
        "since": None if delivery.since is None else delivery.since.isoformat(),
    }


def send_test(workspace: Workspace, ports: Ports, channel: str | None = None) -> Iterator[tuple[Channel, str | None]]:
    """Send a test through every channel, or through one, and yield what came of each; nothing of it is kept.

    Raises:
        NotFoundError: the project has no channel, or none of that name.
    """
    channels = workspace.project.alerts
    keys = [each.key for each in channels]
    if not channels:
        raise NotFoundError(
            "everfit.yaml has no channels: write some below `alerts:`, such as - email: team@example.com"
        )
    if channel is not None and channel not in keys:
        near = nearest(channel, keys)
        hint = f"; did you mean {near}?" if near else f"; it has {listed(keys)}"
        raise NotFoundError(f"everfit.yaml has no channel {channel!r}{hint}")
    now = ports.clock.now()
    letters = [
        Letter(
            id=f"test:{now.isoformat()}:{each.key}",
            channel=each,
            message=message_of(
                Story(
                    id=f"test:{now.isoformat()}",
                    kind=NoticeKind.TEST,
                    model=workspace.model,
                    environment=None,
                    at=now,
                    reason=TEST_WORDS,
                ),
                each.template,
            ),
        )
        for each in channels
        if channel in (None, each.key)
    ]
    for letter, words in ports.channels.send(letters):
        yield letter.channel, None if words is None else hidden(words, workspace.project.secrets)
