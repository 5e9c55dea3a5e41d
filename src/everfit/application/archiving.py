"""Move events that ended long ago from the inbox to an archive, so that the inbox does not grow for ever."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import takewhile
from typing import Final

from everfit.application.ports import Ports
from everfit.application.ports.event_archive import EventArchive
from everfit.domain.trigger import EventRecord

KEPT: Final = timedelta(days=90)
AT_ONCE: Final = 5_000


def archive_events(archive: EventArchive, ports: Ports, *, kept: timedelta = KEPT) -> int:
    """Archive what has ended longer ago than *kept*, a part at a time; return how many events that were.

    A process that is killed in between archives the same part again, in the same place.
    """
    count, before = 0, ports.clock.now() - kept
    while not ports.leaving():
        part = _of_one_month(ports.inbox.archive(before, limit=AT_ONCE))
        if not part:
            break
        archive.keep(part)
        count += ports.inbox.drop(part[-1])
    return count


def _of_one_month(records: Sequence[EventRecord]) -> Sequence[EventRecord]:
    month = _month(records[0]) if records else None
    return list(takewhile(lambda record: _month(record) == month, records))


def _month(record: EventRecord) -> str:
    return "" if record.ended is None else f"{record.ended:%Y-%m}"
