"""Topics of SNS: signatures are checked here, with certificates that are fetched once."""

import base64
import binascii
import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from everfit.application.ports import Clock
from everfit.domain.errors import BackendError, RefusedError
from everfit.domain.sns_message import SnsMessage

PATIENCE: Final = 5.0
LARGEST: Final = 100_000
HASHES: Final = {1: hashes.SHA1, 2: hashes.SHA256}  # SHA-1 is what SNS signs with unless the topic says otherwise.

Fetch = Callable[[str], bytes]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nobody to another address: the one that was asked is pinned."""

    def redirect_request(self, *given: Any, **named: Any) -> None:
        del given, named


def fetched(address: str) -> bytes:
    """Return what is at an address of AWS, which was checked to be one; raise ``BackendError`` when there is none."""
    try:
        with urllib.request.build_opener(_NoRedirect).open(address, timeout=PATIENCE) as answer:
            found: bytes = answer.read(LARGEST)
            return found
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise BackendError("AWS does not answer, so SNS cannot be asked now.", retryable=True) from error


class SnsTopics:
    """Implements ``Topics``.

    Args:
        home: certificates are kept below it.
        allowed: the topics whose messages are taken, by their ARN.
    """

    def __init__(self, home: Path, allowed: tuple[str, ...], clock: Clock, fetch: Fetch = fetched) -> None:
        self._folder = home / "certificates"
        self._allowed = allowed
        self._clock = clock
        self._fetch = fetch

    def is_allowed(self, topic: str) -> bool:
        return topic in self._allowed

    def check(self, message: SnsMessage) -> None:
        certificate = self._certificate(message.certificate)
        key = certificate.public_key()
        now = self._clock.now().astimezone(UTC)
        if not isinstance(key, RSAPublicKey) or not _holds(certificate, now):
            raise RefusedError("The message of SNS was signed with a certificate that does not hold now.")
        try:
            signature = base64.b64decode(message.signature, validate=True)
            key.verify(signature, message.signed, PKCS1v15(), HASHES[message.version]())
        except (InvalidSignature, binascii.Error):
            raise RefusedError("The message is not signed by SNS, or was changed on its way.") from None

    def confirm(self, message: SnsMessage) -> None:
        if message.confirm is not None:
            self._fetch(message.confirm)

    def _certificate(self, address: str) -> x509.Certificate:
        path = self._folder / f"{hashlib.sha256(address.encode()).hexdigest()}.pem"
        with suppress(OSError, BackendError):
            return _read(path.read_bytes())
        content = self._fetch(address)
        certificate = _read(content)
        self._folder.mkdir(parents=True, exist_ok=True)
        # Whatever is left of a write that was cut short is fetched anew, as no certificate can be read from it.
        path.write_bytes(content)
        return certificate


def _holds(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _read(content: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(content)
    except ValueError as error:
        raise BackendError("What AWS gave as the certificate of SNS cannot be read.", retryable=True) from error
