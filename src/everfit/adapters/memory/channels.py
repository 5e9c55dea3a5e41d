"""Channels that keep what they are given."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from everfit.application.ports.channels import Letter
from everfit.domain.alert import Channel


class MemoryChannels:
    """Implements ``Channels`` for tests and dry runs.

    ``down`` says what is wrong with a channel, by its key; ``refused`` is a word that no message may hold.
    """

    def __init__(self) -> None:
        self.sent: list[Letter] = []
        self.tried: list[Letter] = []
        self.down: dict[str, str] = {}
        self.refused: str | None = None

    def send(self, letters: Sequence[Letter], patience: timedelta | None = None) -> Iterator[tuple[Letter, str | None]]:
        del patience
        for letter in letters:
            self.tried.append(letter)
            words = self.down.get(letter.channel.key)
            if self.refused is not None and self.refused in letter.message.body:
                words = "it takes no such message"
            if words is None:
                self.sent.append(letter)
            yield letter, words

    def trouble(self, channel: Channel) -> str | None:
        return self.down.get(channel.key)
