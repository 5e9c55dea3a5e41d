import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.errors import EverfitError, RefusedError, RequestError
from everfit.domain.sns_message import AHEAD, OLDEST, SnsKind, SnsMessage, check_age, sns_message
from tests.sns import CERTIFICATE, CONFIRM, TOPIC, confirmation, notification
from tests.stored import START

SECOND = timedelta(seconds=1)


def read(values: object) -> SnsMessage:
    return sns_message(json.dumps(values).encode())


def test_what_sns_signs_of_a_notification_is_as_aws_publishes_it() -> None:
    message = read(notification("m", Subject="s"))
    stamp = "2026-11-21T09:00:00Z"
    assert message.signed.decode() == (
        f"Message\nm\nMessageId\n95df01b4\nSubject\ns\nTimestamp\n{stamp}\nTopicArn\n{TOPIC}\nType\nNotification\n"
    )
    assert b"Subject" not in read(notification("m")).signed


def test_what_sns_signs_of_a_confirmation_is_as_aws_publishes_it() -> None:
    names = read(confirmation()).signed.decode().split("\n")[:-1:2]
    assert names == ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    assert read(confirmation()).confirm == CONFIRM
    assert read(confirmation("UnsubscribeConfirmation")).kind is SnsKind.UNSUBSCRIPTION


@pytest.mark.parametrize(
    "address",
    [
        CERTIFICATE.replace("https", "http"),
        CERTIFICATE.replace("eu-west-1", "us-east-1"),
        CERTIFICATE.replace(".pem", ".pem?x=.pem"),
        CERTIFICATE.replace("amazonaws.com", "amazonaws.com.evil.example"),
        CERTIFICATE.replace("sns.eu-west-1.amazonaws.com", "sns.eu-west-1.amazonaws.com@evil.example"),
        CERTIFICATE.replace("/Simple", "/bucket/Simple"),
        CERTIFICATE.replace("sns.", "s3."),
        "https://evil.example/SimpleNotificationService-1.pem",
        CERTIFICATE + "\n",
    ],
)
def test_a_certificate_from_anywhere_else_is_refused(address: str) -> None:
    with pytest.raises(RefusedError, match="certificate"):
        read(notification(SigningCertURL=address))


@pytest.mark.parametrize(
    "address",
    [
        CONFIRM.replace("https", "http"),
        CONFIRM.replace("amazonaws.com", "evil.example"),
        CONFIRM.replace("eu-west-1.amazonaws", "us-east-1.amazonaws"),
        CONFIRM.replace("ConfirmSubscription", "Publish"),
        CONFIRM.replace(f"{TOPIC}&", "arn:aws:sns:eu-west-1:123456789012:other&"),
        CONFIRM + "&Action=Publish",
        CONFIRM.replace("/?", "/x?"),
        "",
    ],
)
def test_a_confirmation_of_anything_else_is_refused(address: str) -> None:
    with pytest.raises((RefusedError, RequestError)):
        read(confirmation(SubscribeURL=address))


@pytest.mark.parametrize(
    "name", ["Type", "MessageId", "TopicArn", "Message", "Timestamp", "Signature", "SigningCertURL"]
)
def test_a_message_that_lacks_something_is_refused(name: str) -> None:
    values: tuple[object, ...] = (None, "", 7, [], "nonsense\n")
    for value in values:
        if (name, value) not in (("MessageId", "nonsense\n"), ("Message", "nonsense\n"), ("Signature", "nonsense\n")):
            with pytest.raises((RequestError, RefusedError)):
                read(notification(**{name: value}))


@pytest.mark.parametrize("version", [None, "0", "3", 1, 2, "1.0"])
def test_a_signature_of_another_kind_is_refused(version: object) -> None:
    with pytest.raises(RequestError, match="SignatureVersion"):
        read(notification(SignatureVersion=version))


def test_a_message_of_more_than_an_hour_ago_is_refused() -> None:
    message = read(notification())
    check_age(message, START + OLDEST)
    check_age(message, START - AHEAD)
    for now in (START + OLDEST + SECOND, START - AHEAD - SECOND):
        with pytest.raises(RefusedError, match="hour"):
            check_age(message, now)


@given(st.binary() | st.dictionaries(st.sampled_from(list(confirmation())), st.text() | st.none()).map(json.dumps))
def test_no_bytes_break_the_reading_of_messages(body: bytes | str) -> None:
    try:
        sns_message(body if isinstance(body, bytes) else body.encode())
    except EverfitError:
        return
