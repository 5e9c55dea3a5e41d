"""Brings notices to people: to whom each is addressed, and what happens until it has arrived.

Nothing here can hold up or fail a run: a run's part is over when its notice is written. A message may be sent twice
when a process is killed between sending it and writing that down; it then bears the same id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from everfit.application.ports import Letter, Ports
from everfit.application.telling import story_of, without_secrets
from everfit.application.workspace import Workspace
from everfit.domain import delivery as deliveries
from everfit.domain.alert import Channel, takes
from everfit.domain.delivery import Delivery
from everfit.domain.message import message_of
from everfit.domain.secret import hidden

PAGE: Final = 100
ROUND: Final = deliveries.ROUND - timedelta(minutes=2)
"""How long a round of deliveries may take; the rest of it is for the last messages under way."""
STRANGE_FOR: Final = timedelta(days=3)
"""How long what is told of a model without a project waits for the project to come back."""
STRANGE_PAUSE: Final = timedelta(hours=1)
GONE: Final = "everfit.yaml has no such channel any more"
STRANGE: Final = "no project has this model any more"
DOWN_AFTER: Final = 2
"""So many messages in a row must fail before a channel is down: one alone may be wrong itself."""


def address(workspaces: Mapping[str, Workspace], ports: Ports) -> int:
    """Plan the deliveries of every notice that is new, and return how many notices there were."""
    count, after = 0, 0
    while page := ports.outbox.unaddressed(_only(workspaces), after=after, limit=PAGE):
        for notice in page:
            workspace = workspaces.get(notice.model)
            if workspace is not None or notice.at + STRANGE_FOR <= ports.clock.now():
                channels = () if workspace is None else workspace.project.channels
                windows = {channel.key: channel.window for channel in channels if takes(channel, notice)}
                ports.outbox.address(notice, windows)
                count += 1
        after = page[-1].place
    return count


def tell(
    workspaces: Mapping[str, Workspace], ports: Ports, patience: timedelta | None = None
) -> Mapping[int, str | None]:
    """Address what is new, then try what is due; return what came of each delivery: None, or what went wrong.

    What fails waits for its next attempt.

    Args:
        patience: most time for all together; None means the usual time for each message.
    """
    address(workspaces, ports)
    rounds = Round(workspaces=workspaces, ports=ports, end=ports.clock.now() + (patience or ROUND), patience=patience)
    while rounds.has_time and _is_due(ports) and (taken := ports.outbox.take(PAGE, _models(workspaces))):
        rounds.send(taken)
    return rounds.found


@dataclass(kw_only=True)
class Round:
    """One go at what is due: one message at a time in each channel, several channels at once.

    Args:
        failures: how many messages in a row have failed, by channel.
        found: what came of each delivery.
    """

    workspaces: Mapping[str, Workspace]
    ports: Ports
    end: datetime
    patience: timedelta | None = None
    failures: dict[str, int] = field(default_factory=dict[str, int])
    found: dict[int, str | None] = field(default_factory=dict[int, "str | None"])

    @property
    def has_time(self) -> bool:
        """Whether another message may be begun."""
        return self.ports.clock.now() < self.end and not self.ports.leaving()

    def send(self, taken: Sequence[Delivery]) -> None:
        """Send what was taken; what there is no time for is put back."""
        waiting: dict[str, list[tuple[Delivery, Letter]]] = {}
        for delivery in taken:
            letter = self._letter(delivery)
            if letter is not None:
                waiting.setdefault(letter.channel.address, []).append((delivery, letter))
        while waiting:
            first = {letter.id: (delivery, letter) for delivery, letter in (each.pop(0) for each in waiting.values())}
            self._send_together(first)
            waiting = {address: each for address, each in waiting.items() if each}

    def _send_together(self, first: Mapping[str, tuple[Delivery, Letter]]) -> None:
        now = self.ports.clock.now()
        letters: list[Letter] = []
        for delivery, letter in first.values():
            if self.failures.get(letter.channel.address, 0) >= DOWN_AFTER:
                self._keep(delivery, "it was not tried: the channel did not take the messages before it")
            elif self.has_time:
                letters.append(letter)
            else:
                self.ports.outbox.put_back(delivery, now)
        left = None if self.patience is None else max(self.end - now, timedelta(0))
        for letter, words in self.ports.channels.send(letters, left):
            place = letter.channel.address
            self.failures[place] = 0 if words is None else self.failures.get(place, 0) + 1
            self._keep(first[letter.id][0], words)

    def _letter(self, delivery: Delivery) -> Letter | None:
        """Return what is to be sent; None when there is nobody to send it to."""
        outbox, now = self.ports.outbox, self.ports.clock.now()
        workspace = self.workspaces.get(delivery.notice.model)
        if workspace is None:
            is_over = delivery.planned + STRANGE_FOR <= now
            outbox.give_up(delivery, STRANGE) if is_over else outbox.put_back(delivery, now + STRANGE_PAUSE)
            return None
        channel = next((each for each in workspace.project.channels if each.key == delivery.channel), None)
        if channel is None:
            outbox.give_up(delivery, GONE)
            return None
        return letter_of(delivery, channel, workspace, self.ports)

    def _keep(self, delivery: Delivery, words: str | None) -> None:
        if words is None:
            self.ports.outbox.delivered(delivery)
        else:
            words = hidden(words, self.workspaces[delivery.notice.model].project.secrets)
            self.ports.outbox.failed(delivery, words)
        self.found[delivery.id] = words


def letter_of(delivery: Delivery, channel: Channel, workspace: Workspace, ports: Ports) -> Letter:
    """Return what the channel is given."""
    story = without_secrets(story_of(delivery, ports), workspace.project.secrets)
    identity = f"{delivery.notice.id}:{workspace.model}:{channel.key}"
    return Letter(id=identity, channel=channel, message=message_of(story, channel.template))


def troubled(workspace: Workspace, ports: Ports) -> Sequence[tuple[Channel, str]]:
    """Return the channels through which nothing can be sent as things are set up, with the reason."""
    found = ((channel, ports.channels.trouble(channel)) for channel in workspace.project.alerts)
    return [(channel, words) for channel, words in found if words is not None]


def _is_due(ports: Ports) -> bool:
    """Tell whether anything is due, without asking for the right to write."""
    due = ports.outbox.next_due()
    return due is not None and due <= ports.clock.now()


def _only(workspaces: Mapping[str, Workspace]) -> str | None:
    """Return the one model that this process knows, or None when it keeps an installation."""
    return next(iter(workspaces)) if len(workspaces) == 1 else None


def _models(workspaces: Mapping[str, Workspace]) -> frozenset[str] | None:
    only = _only(workspaces)
    return None if only is None else frozenset({only})
