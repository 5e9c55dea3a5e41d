"""The lock of an installation: an object that one writer makes and removes, and that goes stale by S3's own clock.

It keeps writers from working in vain, no more: what keeps the state whole is that it is replaced only as it was read.
So a writer that was slow, and whose lock was taken over, loses its own change and nothing else.
"""

import json
import os
import random
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from everfit.adapters.aws.s3_objects import NOTHING, Content, Put, S3Objects, Written
from everfit.domain.errors import BackendError, NotFoundError

SHORTEST_PAUSE: Final = 0.01
LONGEST_PAUSE: Final = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The lock while one has it.

    Args:
        until: of this machine's monotonic clock, before anybody can take it over.
    """

    etag: str
    until: float

    @property
    def is_over(self) -> bool:
        """Whether somebody else may have it by now."""
        return time.monotonic() >= self.until


class StateLock:
    """The lock at *key*.

    Args:
        lifetime: after which a lock that nobody has removed belongs to nobody.
        patience: how long one waits for it.
    """

    def __init__(self, objects: S3Objects, key: str, *, lifetime: timedelta, patience: timedelta) -> None:
        self._objects = objects
        self._key = key
        self._lifetime = lifetime
        self._patience = patience.total_seconds()

    @contextmanager
    def held(self) -> Generator[Hold]:
        """Hold the lock for the block.

        Raises:
            BackendError: others held it all the time.
        """
        hold = self._taken()
        try:
            yield hold
        finally:
            self._release(hold)

    def _taken(self) -> Hold:
        begun = time.monotonic()
        pause, look_at = SHORTEST_PAUSE, begun
        while True:
            asked = time.monotonic()
            made = self._objects.put(self._new(NOTHING))
            if made is None and asked >= look_at:
                made, left = self._taken_over()
                look_at = asked + left
            if made is not None:
                return Hold(etag=made.etag, until=asked + self._lifetime.total_seconds())
            if asked - begun >= self._patience:
                raise BackendError(f"{self._busy()} Try again.", retryable=True)
            # Chance, so that of two that wait neither always comes second.
            time.sleep(pause * (0.5 + random.random()))  # noqa: S311 - nobody gains by guessing it
            pause = min(1.5 * pause, LONGEST_PAUSE)

    def _taken_over(self) -> tuple[Written | None, float]:
        """Take a lock over that is stale; also return for how many seconds it cannot be."""
        seen = self._seen()
        if seen is None:
            return None, 0.0
        # Both times are S3's, in whole seconds: only one second more is more for certain.
        left = self._lifetime + timedelta(seconds=1) - (seen.facts.now - seen.facts.modified)
        if left > timedelta(0):
            return None, left.total_seconds()
        return self._objects.put(self._new(seen.facts.etag)), 0.0

    def _seen(self) -> Content | None:
        try:
            return self._objects.get(self._key)
        except NotFoundError:
            return None

    def _new(self, replaces: str) -> Put:
        token = {"by": f"process {os.getpid()} on {os.uname().nodename}", "token": uuid.uuid4().hex}
        return Put(key=self._key, body=json.dumps(token).encode(), replaces=replaces)

    def _busy(self) -> str:
        seen = self._seen()
        try:
            holder = "" if seen is None else f", now by {json.loads(seen.data)['by']}"
        except (ValueError, KeyError, TypeError):
            holder = ""
        return f"{self._objects.url(self._key)} has been held by others for {self._patience:.0f} s{holder}."

    def _release(self, hold: Hold) -> None:
        if hold.is_over:
            return
        try:
            self._objects.delete(self._key, etag=hold.etag)
        except BackendError as error:
            # What was done is done, and the lock goes stale by itself.
            if not error.retryable:
                raise
