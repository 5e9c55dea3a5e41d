"""Renews a lease from a thread, so that long work in the foreground does not lose it."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

from everfit.application.ports import Claim, RunStore
from everfit.domain.errors import BackendError, FencedError


class ThreadHeart:
    """Beats three times in the life of a lease."""

    def __init__(self, store: RunStore, lease: timedelta) -> None:
        self._store = store
        self._lease = lease

    @contextmanager
    def beating(self, claim: Claim) -> Generator[None]:
        done = threading.Event()
        thread = threading.Thread(target=self._beat, args=(claim, done), name="everfit-heart", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _beat(self, claim: Claim, done: threading.Event) -> None:
        while not done.wait(self._lease.total_seconds() / 3):
            try:
                self._store.renew(claim, self._lease)
            except FencedError:
                return
            except BackendError:
                # The store may be busy for a moment; the next beat, or the next write, tells.
                continue
