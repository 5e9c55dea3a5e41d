"""Messages of SNS, signed by an authority of the tests' own."""

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from everfit.domain.sns_message import sns_message
from tests.stored import START

TOPIC = "arn:aws:sns:eu-west-1:123456789012:models"
CERTIFICATE = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
CONFIRM = f"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=abc"


def notification(message: object = "hello", **changes: Any) -> dict[str, Any]:
    """Return a message that nobody has signed yet."""
    return {
        "Type": "Notification",
        "MessageId": "95df01b4",
        "TopicArn": TOPIC,
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": START.isoformat().replace("+00:00", "Z"),
        "SignatureVersion": "2",
        "Signature": "bm90aGluZw==",
        "SigningCertURL": CERTIFICATE,
        **changes,
    }


def confirmation(kind: str = "SubscriptionConfirmation", **changes: Any) -> dict[str, Any]:
    """Return a message that asks whether a subscription is wanted."""
    return notification(
        "You have chosen to subscribe.", **{"Type": kind, "Token": "abc", "SubscribeURL": CONFIRM, **changes}
    )


@dataclass
class Authority:
    """Signs as SNS does, and gives its certificate to who asks at the right address."""

    until: datetime = START + timedelta(days=30)
    asked: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def fetch(self, address: str) -> bytes:
        self.asked.append(address)
        return self.certificate()

    def certificate(self) -> bytes:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self._key.public_key())
        made = made.serial_number(1).not_valid_before(START - timedelta(days=1)).not_valid_after(self.until)
        return made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def signed(self, values: dict[str, Any]) -> bytes:
        """Return the message with its signature."""
        text = sns_message(json.dumps(values).encode()).signed
        algorithm = hashes.SHA1() if values["SignatureVersion"] == "1" else hashes.SHA256()  # noqa: S303 - SNS does
        signature = self._key.sign(text, padding.PKCS1v15(), algorithm)
        return json.dumps({**values, "Signature": base64.b64encode(signature).decode()}).encode()
