"""Messages of SNS: what they say, and what SNS signs of them, by the rules that AWS publishes."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, cast

from everfit.domain.errors import RefusedError, RequestError

OLDEST: Final = timedelta(hours=1)
"""SNS gives up trying to deliver after an hour; whatever is older was recorded by somebody and is sent again."""
AHEAD: Final = timedelta(minutes=15)
_ARN: Final = re.compile(r"arn:(aws|aws-cn|aws-us-gov):sns:([a-z0-9-]{3,30}):[0-9]{12}:[A-Za-z0-9_.-]{1,256}")
_CERTIFICATE: Final = re.compile(
    r"https://sns\.([a-z0-9-]{3,30})\.amazonaws\.com(?:\.cn)?/SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem"
)
_CONFIRM: Final = re.compile(r"https://sns\.([a-z0-9-]{3,30})\.amazonaws\.com(?:\.cn)?/\?([A-Za-z0-9=&%:_.-]{1,2000})")
_NOTIFIED: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMED: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


class SnsKind(Enum):
    """What SNS sends."""

    NOTIFICATION = "Notification"
    SUBSCRIPTION = "SubscriptionConfirmation"
    UNSUBSCRIPTION = "UnsubscribeConfirmation"


@dataclass(frozen=True, slots=True, kw_only=True)
class SnsMessage:
    """A message as it came; nothing in it is believed before its signature was checked.

    Args:
        version: of the signature: 1 is SHA-1, 2 is SHA-256.
        signed: the text that SNS signs.
        certificate: address of the certificate, which is one of AWS.
        confirm: address that confirms the subscription; None for a notification.
    """

    kind: SnsKind
    id: str
    topic: str
    subject: str
    text: str
    at: datetime
    version: int
    signature: str
    signed: bytes
    certificate: str
    confirm: str | None


def sns_message(body: bytes) -> SnsMessage:
    """Read a message.

    Raises:
        RequestError: it is no message of SNS.
        RefusedError: it names a certificate or an address that is not one of AWS.
    """
    values = _values(body)
    kind = _kind(values)
    topic = _text(values, "TopicArn")
    arn = _ARN.fullmatch(topic)
    if arn is None:
        raise RequestError("The message of SNS names no topic by its ARN.")
    certificate = _text(values, "SigningCertURL")
    found = _CERTIFICATE.fullmatch(certificate)
    if found is None or found[1] != arn[2]:
        raise RefusedError("The message of SNS names a signing certificate that is not one of AWS in its region.")
    return SnsMessage(
        kind=kind,
        id=_text(values, "MessageId"),
        topic=topic,
        subject=str(values.get("Subject") or ""),
        text=_text(values, "Message"),
        at=_time(_text(values, "Timestamp")),
        version=_version(values),
        signature=_text(values, "Signature"),
        signed=_signed(values, kind),
        certificate=certificate,
        confirm=None if kind is SnsKind.NOTIFICATION else _confirm(values, topic, arn[2]),
    )


def check_age(message: SnsMessage, now: datetime) -> None:
    """Raise ``RefusedError`` for a message that was sent too long ago, or that comes from the future."""
    if not -AHEAD <= now - message.at <= OLDEST:
        raise RefusedError("The message of SNS is more than an hour old, or the clocks differ.")


def _values(body: bytes) -> Mapping[str, object]:
    try:
        values: object = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestError("The message of SNS is no JSON.") from None
    if not isinstance(values, dict):
        raise RequestError("The message of SNS is no JSON object.")
    return cast("Mapping[str, object]", values)


def _kind(values: Mapping[str, object]) -> SnsKind:
    try:
        return SnsKind(values.get("Type"))
    except ValueError:
        raise RequestError("The message is none of SNS: its Type is unknown.") from None


def _text(values: Mapping[str, object], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not value:
        raise RequestError(f"The message of SNS has no {name}.")
    return value


def _version(values: Mapping[str, object]) -> int:
    version = values.get("SignatureVersion")
    if version not in ("1", "2"):
        raise RequestError("The message of SNS has a SignatureVersion that is neither 1 nor 2.")
    return int(str(version))


def _signed(values: Mapping[str, object], kind: SnsKind) -> bytes:
    names = _NOTIFIED if kind is SnsKind.NOTIFICATION else _CONFIRMED
    given = [name for name in names if not (name == "Subject" and values.get(name) is None)]
    return "".join(f"{name}\n{values.get(name)}\n" for name in given).encode(errors="replace")


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise RequestError("The message of SNS has a Timestamp that is no time.") from None
    if moment.tzinfo is None:
        raise RequestError("The message of SNS has a Timestamp without a time zone.")
    return moment


def _confirm(values: Mapping[str, object], topic: str, region: str) -> str:
    address = _text(values, "SubscribeURL")
    found = _CONFIRM.fullmatch(address)
    if found is None or found[1] != region:
        raise RefusedError("The message of SNS wants to be confirmed at an address that is not one of AWS.")
    asked = found[2].replace("%3A", ":").replace("%3a", ":").split("&")
    if asked.count("Action=ConfirmSubscription") != 1 or asked.count(f"TopicArn={topic}") != 1 or len(asked) != 3:
        raise RefusedError("The message of SNS wants something else confirmed than its own topic.")
    return address
