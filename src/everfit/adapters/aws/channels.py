"""Sends alerts to AWS beside the usual channels; each message has a thread and a time of its own.

This module needs no boto3: an installation without it says so when a channel wants it.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from importlib.util import find_spec
from typing import Final, Protocol

from everfit.application.ports.channels import Channels, Letter
from everfit.domain.alert import Channel, ChannelKind
from everfit.domain.errors import EverfitError, RequestError

TIME: Final = timedelta(seconds=20)
NEEDS_BOTO3: Final = "It needs the package boto3: pip install 'everfit[aws]'."


class Sender(Protocol):
    """Brings a message to one kind of channel."""

    def send(self, letter: Letter) -> None:
        """Send it, or raise ``EverfitError``."""
        ...

    def trouble(self, channel: Channel) -> str | None:
        """Return why nothing can be sent, as far as that is known without asking."""
        ...


class RoutedChannels:
    """Implements ``Channels``: each kind goes to its sender, the rest to the usual channels.

    Args:
        time: most time for one message.
    """

    def __init__(self, usual: Channels, senders: Mapping[ChannelKind, Sender], time: timedelta = TIME) -> None:
        self._usual = usual
        self._senders = senders
        self._time = time

    def send(self, letters: Sequence[Letter], patience: timedelta | None = None) -> Iterator[tuple[Letter, str | None]]:
        ours = [letter for letter in letters if letter.channel.kind in self._senders]
        sent: queue.SimpleQueue[tuple[Letter, str | None]] = queue.SimpleQueue()
        for letter in ours:
            # A daemon: a call that hangs ends by its own time-outs, and nobody waits for it.
            act = _acting(self._senders[letter.channel.kind], letter, sent)
            threading.Thread(target=act, name="everfit-alert", daemon=True).start()
        end = time.monotonic() + min(self._time, patience or self._time).total_seconds()
        yield from self._usual.send(
            [letter for letter in letters if letter.channel.kind not in self._senders], patience
        )
        yield from self._collected(ours, sent, end)

    def trouble(self, channel: Channel) -> str | None:
        sender = self._senders.get(channel.kind)
        return self._usual.trouble(channel) if sender is None else sender.trouble(channel)

    def _collected(
        self, letters: Sequence[Letter], sent: "queue.SimpleQueue[tuple[Letter, str | None]]", end: float
    ) -> Iterator[tuple[Letter, str | None]]:
        left = {letter.id: letter for letter in letters}
        while left:
            try:
                letter, words = sent.get(timeout=max(end - time.monotonic(), 0.001))
            except queue.Empty:
                break
            del left[letter.id]
            yield letter, words
        words = f"AWS did not take the message within {self._time.total_seconds():.0f} s"
        yield from ((letter, words) for letter in left.values())


def _acting(sender: Sender, letter: Letter, sent: "queue.SimpleQueue[tuple[Letter, str | None]]") -> Callable[[], None]:
    def act() -> None:
        try:
            sender.send(letter)
        except EverfitError as error:
            sent.put((letter, str(error)))
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise it to; it is told like any other trouble
            sent.put((letter, f"it failed: {error!r}"))
        else:
            sent.put((letter, None))

    return act


class LateSender:
    """Loads what it needs when there is something to send, and says so when that is not installed.

    Args:
        load: returns the sender; boto3 takes a while to load.
    """

    def __init__(self, load: Callable[[], Sender]) -> None:
        self._load = load

    def send(self, letter: Letter) -> None:
        trouble = self.trouble(letter.channel)
        if trouble is not None:
            raise RequestError(trouble)
        self._load().send(letter)

    def trouble(self, channel: Channel) -> str | None:
        if find_spec("boto3") is None:
            return NEEDS_BOTO3
        return self._load().trouble(channel)
