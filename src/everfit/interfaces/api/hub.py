"""What the routes need, given to them by whoever starts the service."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from everfit.application.ports import Catalog, Ports
from everfit.application.ports.figures import Figures
from everfit.application.ports.replies import Replies
from everfit.application.ports.repositories import Repositories
from everfit.application.ports.tokens import Tokens
from everfit.application.ports.topics import Topics
from everfit.domain.rate import Rate


class Health(Protocol):
    """How the service stands; ``troubles`` are in words, by part."""

    @property
    def is_draining(self) -> bool:
        """Whether no new work is taken."""
        ...

    @property
    def troubles(self) -> tuple[tuple[str, str], ...]:
        """What is wrong."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is taken from a caller.

    Args:
        body: bytes of a request.
        depth: of arrays and objects in each other.
        patience: for the whole of a request to arrive.
        rate: of a caller with a token, or on this machine.
        stranger: of an address that has shown no token yet, and of senders whose signature is their proof.
        followers: how many logs are followed at once.
        longest: how long one log is followed.
    """

    body: int = 1_000_000
    depth: int = 64
    patience: timedelta = timedelta(seconds=10)
    rate: Rate = field(default_factory=lambda: Rate(each_second=500, at_once=1_000))
    stranger: Rate = field(default_factory=lambda: Rate(each_second=50, at_once=200))
    followers: int = 32
    longest: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """Everything behind the routes.

    Args:
        ports: its inbox wakes the dispatcher; its owner is that of the HTTP side.
        wake: has the dispatcher look, after a decision that the inbox knows nothing of.
        actor: whom a caller on this machine acts as who shows no token.
        is_tokenless: whether such a caller is let in: only where nobody else can reach the service.
        webhook_secrets: any of them may have signed a webhook.
        topics: of SNS, whose messages are taken.
        places: folders of this machine that no caller is told of, besides those of the projects.
        seconds: counts up steadily, whatever the clock on the wall does.
    """

    catalog: Catalog
    ports: Ports
    tokens: Tokens
    replies: Replies
    figures: Figures
    repositories: Repositories
    topics: Topics
    wake: Callable[[], None]
    health: Callable[[], Health]
    actor: str
    is_tokenless: bool
    webhook_secrets: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    seconds: Callable[[], float] = time.monotonic
