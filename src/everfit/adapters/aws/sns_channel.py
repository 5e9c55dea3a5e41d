"""Publishes alerts to topics of SNS."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import explained
from everfit.application.ports.channels import Letter
from everfit.domain.alert import Channel, ChannelKind
from everfit.domain.aws import partition_of
from everfit.domain.errors import RequestError
from everfit.domain.message import cut
from everfit.domain.notice import NoticeKind

# "ASCII text that begins with a letter, number, or punctuation mark; no line breaks or control characters; less than
# 100 characters long" (API reference, Publish, Subject).
LONGEST_SUBJECT: Final = 99
FIFO: Final = "everfit.yaml names a FIFO topic, which cannot send mail; choose a standard topic"
ATTRIBUTES: Final[Mapping[str, str]] = {
    "model": "model",
    "environment": "environment",
    "outcome": "kind",
    "version": "version",
    "serving": "serving",
    "run": "run",
    "id": "id",
}
"""Name of a message attribute -> key of the message's content; subscriptions can filter by them."""


class SnsSender:
    """Sends to the topics that ``alerts`` names by ARN, and to those of ``aws.names.topic``.

    Args:
        clients_in: returns the clients of a region.
    """

    def __init__(self, clients_in: Callable[[str], Clients]) -> None:
        self._clients_in = clients_in

    def send(self, letter: Letter) -> None:
        trouble = self.trouble(letter.channel)
        if trouble is not None:
            raise RequestError(trouble)
        clients, arn = self._topic(letter.channel)
        with explained(f"publish to the topic {arn.rpartition(':')[2]}"):
            clients("sns").publish(TopicArn=arn, **publication(letter))

    def trouble(self, channel: Channel) -> str | None:
        return FIFO if channel.address.endswith(".fifo") else None

    def _topic(self, channel: Channel) -> tuple[Clients, str]:
        if channel.kind is ChannelKind.SNS:
            return self._clients_in(channel.address.split(":")[3]), channel.address
        _, region, name = channel.address.split(":")
        clients = self._clients_in(region)
        with explained("find out whose credentials these are"):
            account = clients.account()
        return clients, f"arn:{partition_of(region)}:sns:{region}:{account}:{name}"


def publication(letter: Letter) -> dict[str, Any]:
    """Return subject, message and attributes as SNS takes them."""
    content = letter.message.content
    values = {name: content.get(key) for name, key in ATTRIBUTES.items()}
    if content.get("kind") == NoticeKind.REJECTED.value and content.get("serving") is not None:
        # Who is told of a rejection is told by name what goes on serving.
        values["serving"] = f"{content['model']} version {content['serving']}"
    return {
        "Subject": subject(letter.message.subject),
        "Message": letter.message.body or letter.message.subject,
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": str(value)}
            for name, value in values.items()
            if value not in (None, "")
        },
    }


def subject(text: str) -> str:
    """Return the text as SNS takes a subject."""
    plain = text.replace("…", "...").encode("ascii", errors="replace").decode()
    shown = " ".join("".join(sign if sign.isprintable() else " " for sign in plain).split())
    return cut(shown, LONGEST_SUBJECT - 2).replace("…", "...") or "Everfit"
