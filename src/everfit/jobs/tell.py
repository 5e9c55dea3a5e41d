"""Sends one alert through one channel: what to send comes as JSON on standard input, so no secret is an argument.

A process of its own, because a library that talks to a hundred services may hang in any of them, and a process can be
ended from outside. What went wrong is printed as JSON.
"""

import contextlib
import json
import logging
import signal
import smtplib
import ssl
import sys
import urllib.error
import urllib.request
from email.message import EmailMessage
from email.utils import formatdate
from importlib import import_module
from typing import Any, Final

TIME: Final = 25
"""Seconds after which this process ends itself, should nobody be left to end it."""
SOCKET_TIME: Final = 12.0
LONGEST_ANSWER: Final = 1_000

Order = dict[str, Any]


class RefusedError(Exception):
    """The channel has not taken it; the message says why."""


def main() -> None:
    """Send what standard input asks for."""
    signal.alarm(TIME)
    order: Order = json.load(sys.stdin)
    try:
        _send(order)
    except (RefusedError, OSError, ValueError, smtplib.SMTPException) as error:
        print(json.dumps({"error": _words(error)}))
    else:
        print(json.dumps({"error": None}))


def _send(order: Order) -> None:
    match order["kind"]:
        case "email":
            _mail(order)
        case "webhook":
            _post(order)
        case _:
            _notify(order)


def _mail(order: Order) -> None:
    server = order["server"]
    letter = EmailMessage()
    # A line break in any of these is refused by the class itself.
    letter["Subject"], letter["From"], letter["To"] = order["subject"], server["sender"], order["address"]
    letter["Date"], letter["Message-ID"] = formatdate(usegmt=True), f"<{order['digest']}@everfit>"
    letter["Auto-Submitted"] = "auto-generated"
    # Some mail servers pass on seven bits only.
    letter.set_content(order["body"], cte="quoted-printable")
    secure = ssl.create_default_context()
    with _server(server, secure) as mail:
        if server["user"]:
            mail.login(server["user"], server["password"])
        mail.send_message(letter)


def _server(server: Order, secure: ssl.SSLContext) -> smtplib.SMTP:
    if server["tls"]:
        return smtplib.SMTP_SSL(server["host"], server["port"], timeout=SOCKET_TIME, context=secure)
    mail = smtplib.SMTP(server["host"], server["port"], timeout=SOCKET_TIME)
    mail.ehlo()
    if mail.has_extn("starttls"):
        mail.starttls(context=secure)
    elif server["user"] and not server["local"]:
        mail.close()
        raise RefusedError("the mail server offers no encryption, so the password was not sent; use smtps://")
    return mail


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: what is posted is for the address that was given."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _post(order: Order) -> None:
    request = urllib.request.Request(  # noqa: S310 - only https and loopback are accepted by the project file
        order["address"],
        data=json.dumps(order["content"], ensure_ascii=False).encode(),
        headers={
            "Content-Type": "application/json; charset=utf-8",
            "Idempotency-Key": order["digest"],
            "User-Agent": "everfit",
        },
        method="POST",
    )
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=SOCKET_TIME) as answer:
            answer.read(LONGEST_ANSWER)
    except urllib.error.HTTPError as error:
        said = error.read(LONGEST_ANSWER).decode(errors="replace").strip()
        raise RefusedError(f"it answered {error.code}" + (f": {said}" if said else "")) from error
    except urllib.error.URLError as error:
        raise RefusedError(f"it cannot be reached: {error.reason}") from error


class _Heard(logging.Handler):
    """Keeps the warnings of the library: it gives no reason otherwise."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.words: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.words.append(record.getMessage())


def _notify(order: Order) -> None:
    try:
        # Loads for half a second, and is there only with the extra.
        apprise: Any = import_module("apprise")
    except ImportError as error:
        raise RefusedError("it needs the package apprise: pip install 'everfit[service]'") from error
    heard = _Heard()
    log = logging.getLogger("apprise")
    log.addHandler(heard)
    log.propagate = False
    # Pictures would be fetched from a third party by whoever reads the message.
    asset = apprise.AppriseAsset(app_id="Everfit", image_url_mask="", image_url_logo="", storage_mode="memory")
    service = apprise.Apprise(asset=asset)
    if not service.add(order["address"]):
        raise RefusedError("its address is of no kind that Apprise knows; see https://appriseit.com/services/")
    arrived = service.notify(title=order["subject"], body=order["body"], body_format=apprise.NotifyFormat.TEXT)
    if not arrived:
        raise RefusedError("; ".join(heard.words[-3:]) or "it did not take the message")


def _words(error: Exception) -> str:
    words = str(error) or type(error).__name__
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        words = f"the mail server answered {error.smtp_code}: "
        words += said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    elif isinstance(error, smtplib.SMTPRecipientsRefused):
        words = "the mail server takes no mail for this address"
    elif isinstance(error, TimeoutError):
        words = "it did not answer in time"
    return words[:LONGEST_ANSWER]


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
