"""Answers of storage that may take long, or for ever: nobody waits for them longer than a moment."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta
from threading import Thread
from typing import Final, Generic, TypeVar

from everfit.domain.errors import BackendError

Answer = TypeVar("Answer")
PATIENCE: Final = timedelta(milliseconds=200)
LONGEST: Final = timedelta(minutes=10)
REMOTE_AT_ONCE: Final = 16


class Answers(Generic[Answer]):
    """Asks each in a thread of its own; what takes long is there when it is asked for again.

    Args:
        patience: how long one waits for an answer before going on.
        longest: after how long storage that has not answered counts as unreachable.
    """

    def __init__(self, patience: timedelta, longest: timedelta) -> None:
        self._patience = patience.total_seconds()
        self._longest = longest.total_seconds()
        self._asked: dict[str, tuple[float, bool, Future[Answer]]] = {}

    def ask(self, name: str, work: Callable[[], Answer], *, is_remote: bool) -> Answer | None:
        """Return what the work gives; None while that is not known.

        Args:
            name: of what is asked for; it is asked for once at a time.
            is_remote: only some of those are asked for at once.

        Raises:
            BackendError: there has been no answer for very long; or whatever the work raises.
        """
        asked = self._asked.get(name)
        if asked is None:
            if is_remote and self._remote_under_way() >= REMOTE_AT_ONCE:
                return None
            asked = self._asked[name] = (time.monotonic(), is_remote, _begun(work))
            with suppress(TimeoutError):
                asked[2].exception(self._patience)
        since, _, answer = asked
        if answer.done():
            del self._asked[name]
            return answer.result()
        if time.monotonic() - since > self._longest:
            raise BackendError(
                f"The storage has not answered for {self._longest:.0f} s. Look at its disk or network.", retryable=True
            )
        return None

    def _remote_under_way(self) -> int:
        """Count what is being asked for; what hangs keeps nothing else waiting."""
        youngest = time.monotonic() - self._longest
        return sum(is_remote and since > youngest for since, is_remote, _ in self._asked.values())


def _begun(work: Callable[[], Answer]) -> Future[Answer]:
    """Do the work in a thread that no end of the process waits for: storage may hang for ever."""
    answer: Future[Answer] = Future()

    def go() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the answer gets the error
            answer.set_exception(error)

    Thread(target=go, name="everfit-listing", daemon=True).start()
    return answer
