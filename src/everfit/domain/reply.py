"""Answers that are kept, so that asking for a change twice under one key changes it once."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

KEPT_FOR: Final = timedelta(hours=48)
LONGEST_KEY: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A request for a change, under a key of its caller's.

    Args:
        caller: whose key it is.
        digest: of all that was asked for.
        owner: the process that answers it; empty when it was left for anybody to try again.
    """

    caller: str
    key: str
    digest: str
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is kept of a request.

    Args:
        plan: what was decided before anything was changed, so that doing it again does the same.
        status: None while it is under way, or when whoever did it was stopped.
    """

    asking: Asking
    begun: datetime
    plan: str | None = None
    status: int | None = None
    body: str | None = None


class Turn(Enum):
    """What to do with a request."""

    DO = "do"
    DO_AGAIN = "do again"
    REPLAY = "replay"
    UNDER_WAY = "under way"
    ANOTHER = "another"


def turn_of(before: Reply | None, asking: Asking, now: datetime, *, is_dead: bool) -> Turn:
    """Return what to do with a request whose key may have been used before.

    Args:
        is_dead: whether the process that began to answer it is known to be gone.
    """
    if before is None or now - before.begun >= KEPT_FOR:
        return Turn.DO
    if before.asking.digest != asking.digest:
        return Turn.ANOTHER
    if before.status is not None:
        return Turn.REPLAY
    return Turn.DO_AGAIN if is_dead or not before.asking.owner else Turn.UNDER_WAY


def digest_of(*parts: bytes) -> str:
    """Return what tells requests apart; where one part ends matters."""
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8) + part)
    return found.hexdigest()
