"""Sends alerts by short-lived programs, one for each message: one that hangs is ended from outside."""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from typing import Any, Final, cast
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from everfit.application.ports.channels import Letter
from everfit.domain.alert import Channel, ChannelKind
from everfit.domain.errors import RequestError
from everfit.domain.secret import hidden

PROGRAM: Final = "everfit.jobs.tell"
AT_ONCE: Final = 4
TIME: Final = timedelta(seconds=20)
SHORTEST_SECRET: Final = 4
SMTP_WORDS: Final = "EVERFIT_SMTP must read smtps://USER:PASSWORD@HOST:PORT?from=ADDRESS, or smtp://…"


@dataclass(frozen=True, slots=True)
class _Server:
    """A mail server, as the program is told of it."""

    host: str
    port: int
    user: str
    password: str
    sender: str
    tls: bool

    @property
    def order(self) -> Mapping[str, object]:
        """The server as JSON."""
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "sender": self.sender,
            "tls": self.tls,
            "local": self.host in ("localhost", "127.0.0.1", "::1"),
        }


class ProgramChannels:
    """Implements ``Channels``.

    Args:
        smtp: address of the mail server, with its password; None means that there is none.
        time: most time for one message.
    """

    def __init__(self, smtp: str | None, time: timedelta = TIME, program: Sequence[str] = ("-m", PROGRAM)) -> None:
        self._smtp = smtp
        self._time = time.total_seconds()
        self._program = (sys.executable, *program)

    def send(self, letters: Sequence[Letter], patience: timedelta | None = None) -> Iterator[tuple[Letter, str | None]]:
        end = None if patience is None else time.monotonic() + patience.total_seconds()
        with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="everfit-alert") as pool:
            sent = {pool.submit(self._send, letter, end): letter for letter in letters}
            for future in as_completed(sent):
                yield sent[future], future.result()

    def trouble(self, channel: Channel) -> str | None:
        if channel.kind is ChannelKind.EMAIL:
            try:
                self._server()
            except RequestError as error:
                return str(error)
        elif channel.kind is not ChannelKind.WEBHOOK and find_spec("apprise") is None:
            return "It needs the package apprise: pip install 'everfit[service]'."
        return None

    def _send(self, letter: Letter, end: float | None) -> str | None:
        seconds = self._time if end is None else min(self._time, end - time.monotonic())
        if seconds <= 0:
            return "there was no time left for it"
        try:
            order = self._order(letter)
        except RequestError as error:
            return str(error)
        words = self._told(json.dumps(order), seconds)
        return None if words is None else hidden(words, _secrets(order))

    def _told(self, order: str, seconds: float) -> str | None:
        try:
            done = subprocess.run(
                self._program, input=order.encode(), capture_output=True, timeout=seconds, check=False
            )
            answer = cast("dict[str, Any]", json.loads(done.stdout or b"{}"))
        except subprocess.TimeoutExpired:
            return f"it did not take the message within {seconds:.0f} s"
        except (OSError, ValueError) as error:
            return f"the program that sends it cannot be run: {error}"
        if "error" not in answer:
            return f"the program that sends it ended with code {done.returncode} and without an answer"
        return None if answer["error"] is None else str(answer["error"])

    def _order(self, letter: Letter) -> dict[str, Any]:
        message, channel = letter.message, letter.channel
        return {
            "kind": channel.kind.value,
            "address": channel.address,
            "digest": hashlib.sha256(letter.id.encode()).hexdigest()[:32],
            "subject": message.subject,
            "body": message.body,
            "content": dict(message.content) if channel.kind is ChannelKind.WEBHOOK else None,
            "server": self._server().order if channel.kind is ChannelKind.EMAIL else None,
        }

    def _server(self) -> _Server:
        if not self._smtp:
            raise RequestError(f"Nobody has said which mail server to use: {SMTP_WORDS}.")
        try:
            return _read_server(urlsplit(self._smtp))
        except ValueError:
            # The cause would show the password.
            raise RequestError(f"{SMTP_WORDS}.") from None


def _read_server(url: SplitResult) -> _Server:
    is_secure = url.scheme == "smtps"
    user = unquote(url.username or "")
    sender = parse_qs(url.query).get("from", [user])[0]
    if url.scheme not in ("smtp", "smtps") or not url.hostname or "@" not in sender:
        raise ValueError(url.scheme)
    return _Server(
        host=url.hostname,
        port=url.port or (465 if is_secure else 587),
        user=user,
        password=unquote(url.password or ""),
        sender=sender,
        tls=is_secure,
    )


def _secrets(order: Mapping[str, Any]) -> Collection[str]:
    """Return what must not be seen in an answer: an address is a secret for most services, and so are its parts."""
    server: Mapping[str, str] = order["server"] or {}
    if order["kind"] == ChannelKind.EMAIL.value:
        found = [server.get("password", "")]
    else:
        address = str(order["address"])
        url = urlsplit(address)
        found = [address, url.password or "", url.path.strip("/"), *url.path.split("/"), url.query]
    return {secret for secret in found if len(secret) >= SHORTEST_SECRET}
