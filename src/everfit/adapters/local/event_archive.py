"""Events that ended long ago, as compressed JSON lines below the state folder, in a file for each part of a month."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from everfit.adapters.local.disk import replace_file
from everfit.domain.record import instant
from everfit.domain.trigger import EventRecord

FOLDER: Final = "archive"


class LocalEventArchive:
    """Implements ``EventArchive``."""

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER

    def keep(self, records: Sequence[EventRecord]) -> None:
        first = records[0]
        month = f"{first.ended or first.event.at:%Y-%m}"
        lines = "".join(json.dumps(_line(record), ensure_ascii=False) + "\n" for record in records)
        # Named after its first event: the same part again, after a kill, takes the place of this one.
        path = self._folder / f"events-{month}-{first.place:012}.jsonl.gz"
        replace_file(path, gzip.compress(lines.encode(errors="surrogatepass"), mtime=0))


def _line(record: EventRecord) -> dict[str, object]:
    event = record.event
    return {
        "id": event.id,
        "place": record.place,
        "kind": event.kind.value,
        "trigger": event.trigger,
        "model": event.model,
        "environment": event.environment,
        "actor": event.actor,
        "subject": event.subject,
        "files": event.amount.files,
        "rows": event.amount.rows,
        "bytes": event.amount.bytes,
        "detail": dict(event.detail),
        "at": instant(event.at),
        "accepted": None if record.accepted is None else instant(record.accepted),
        "end": record.end.value,
        "run": record.run,
        "reason": record.reason,
        "ended": None if record.ended is None else instant(record.ended),
    }
