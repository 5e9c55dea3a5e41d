"""What the front keeps of requests and answers: put into a bounded buffer and handed to a process that writes it.

No request waits for it and none fails by it: what cannot be taken is dropped and counted, with the reason.
"""

import marshal
from asyncio import AbstractEventLoop, Future, TimerHandle, get_running_loop
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from pathlib import Path
from time import time
from typing import Any

from everfit.serving.calls import Inquiry
from everfit.serving.capture_spool import MARSHAL, Row
from everfit.serving.companion import Companion
from everfit.serving.frames import Reply

LARGEST_BODY = 1024 * 1024
"""Of a longer body, only size and digest are kept."""
MOST_HELD = 32 * 1024 * 1024
FLUSH_SECONDS = 0.05
FLUSH_ROWS = 512
FLUSH_BYTES = 256 * 1024
MOST_DIGESTS = 4
ROW_BYTES = 400
"""What a row takes in memory beside its bodies, about."""


class Dropped(Enum):
    """Why a request was not kept."""

    SLOW = "slow writer"
    LOST = "lost writer"
    DISK_FULL = "disk full"
    DISK_FAILED = "disk failed"
    LARGE = "large bodies"
    UNFIT = "unwritable"


@dataclass(slots=True, kw_only=True)
class _Kept:
    """One endpoint's rows on their way, and what became of all before them."""

    rows: list[Row] = field(default_factory=list[Row])
    captured: int = 0
    dropped: Counter[Dropped] = field(default_factory=Counter[Dropped])


class Capture:
    """Keeps requests and answers of all endpoints of a host.

    Args:
        folder: of the host.
    """

    def __init__(self, folder: Path) -> None:
        self._loop: AbstractEventLoop = get_running_loop()
        self._kept: dict[str, _Kept] = {}
        self._bytes = 0
        self._timer: TimerHandle | None = None
        self._digests = 0
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="digest")
        self._writer: Companion[tuple[_Kept, int]] = Companion(
            "everfit.serving.capture_writer", folder, self._answered, self._lost
        )
        if (folder / "capture").is_dir() or (folder / "labels").is_dir():
            # What an earlier writer left behind is taken up, and what is too old goes, without any request.
            self._writer.start()

    @property
    def process(self) -> int | None:
        """The id of the writer; None while there is none."""
        return self._writer.process

    def offer(
        self, endpoint: str, version: int, inquiry: Inquiry, reply: Reply, seconds: float, inference_id: str
    ) -> None:
        """Keep a request with its answer, or drop it.

        Args:
            seconds: from request to answer.
        """
        kept = self._kept.get(endpoint)
        if kept is None:
            kept = self._kept[endpoint] = _Kept()
        asked, given = inquiry.body, reply.body
        size = len(asked) + len(given) + ROW_BYTES
        if self._bytes + size + self._writer.held > MOST_HELD:
            kept.dropped[Dropped.SLOW] += 1
            return
        if size > LARGEST_BODY and max(len(asked), len(given)) > LARGEST_BODY:
            self._digest(kept, (time(), version, inquiry, reply, seconds, inference_id))
            return
        self._bytes += size
        kept.rows.append(
            (
                time(),
                version,
                inference_id,
                inquiry.content_type,
                asked,
                inquiry.accept,
                reply.status,
                reply.content_type,
                given,
                seconds,
            )
        )
        if len(kept.rows) >= FLUSH_ROWS or self._bytes >= FLUSH_BYTES:
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(FLUSH_SECONDS, self._flush)

    def report(self, endpoint: str) -> dict[str, Any]:
        """Return how many requests of the endpoint were captured, and how many dropped for which reason."""
        kept = self._kept.get(endpoint, _Kept())
        return {"captured": kept.captured, "dropped": {why.value: count for why, count in kept.dropped.items()}}

    async def end(self) -> None:
        """Hand over what is held, and let the writer end."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._flush()
        await self._writer.end()

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._bytes = 0
        for endpoint, kept in self._kept.items():
            if kept.rows:
                rows, kept.rows = kept.rows, []
                self._hand_over(endpoint, kept, rows)

    def _hand_over(self, endpoint: str, kept: _Kept, rows: list[Row]) -> None:
        try:
            packed = marshal.dumps(rows, MARSHAL)
        except ValueError:
            # A handler gave something of a type of its own; the others need not go with it.
            fit = [row for row in rows if _is_fit(row)]
            kept.dropped[Dropped.UNFIT] += len(rows) - len(fit)
            packed, rows = marshal.dumps(fit, MARSHAL), fit
        self._writer.say(endpoint, packed, (kept, len(rows)))

    def _answered(self, token: tuple[_Kept, int], head: str, body: bytes) -> None:
        del body
        kept, rows = token
        if head:
            kept.dropped[Dropped(head)] += rows
        else:
            kept.captured += rows

    def _lost(self, token: tuple[_Kept, int]) -> None:
        kept, rows = token
        kept.dropped[Dropped.LOST] += rows

    def _digest(self, kept: _Kept, large: tuple[float, int, Inquiry, Reply, float, str]) -> None:
        """Have the digests of large bodies made in a thread, a few at a time."""
        if self._digests >= MOST_DIGESTS:
            kept.dropped[Dropped.LARGE] += 1
            return
        self._digests += 1
        at, version, inquiry, reply, seconds, inference_id = large

        def made(digests: Future[tuple[bytes | tuple[int, str], ...]]) -> None:
            self._digests -= 1
            if digests.cancelled():
                return
            asked, given = digests.result()
            kind = (inquiry.content_type, asked, inquiry.accept, reply.status, reply.content_type, given)
            kept.rows.append((at, version, inference_id, *kind, seconds))
            self._flush()

        future = self._loop.run_in_executor(self._threads, _shortened, inquiry.body, reply.body)
        future.add_done_callback(made)


def _shortened(*bodies: bytes) -> tuple[bytes | tuple[int, str], ...]:
    """Return the bodies, and in the place of a large one its size and digest."""
    return tuple(
        body if len(body) <= LARGEST_BODY else (len(body), f"sha256:{sha256(body).hexdigest()}") for body in bodies
    )


def _is_fit(row: Row) -> bool:
    try:
        marshal.dumps(row, MARSHAL)
    except ValueError:
        return False
    return True
