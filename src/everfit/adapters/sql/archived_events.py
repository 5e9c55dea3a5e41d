"""Events that ended long ago, as compressed JSON lines, and the name of the file that they go into."""

import gzip
import json
from collections.abc import Sequence

from everfit.domain.record import instant
from everfit.domain.trigger import EventRecord


def archived(records: Sequence[EventRecord]) -> tuple[str, bytes]:
    """Return the name and the content of the file for events that ended in one month."""
    first = records[0]
    month = f"{first.ended or first.event.at:%Y-%m}"
    lines = "".join(json.dumps(_line(record), ensure_ascii=False) + "\n" for record in records)
    # Named after its first event: the same part again, after a kill, takes the place of this one.
    name = f"events-{month}-{first.place:012}.jsonl.gz"
    return name, gzip.compress(lines.encode(errors="surrogatepass"), mtime=0)


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
