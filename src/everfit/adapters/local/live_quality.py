"""How good live answers were, from captured requests and the labels that came for them."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from everfit.domain.live import Quality
from everfit.serving.label_files import label_files

STALE: Final = 60.0
MOST_KNOWN: Final = 64

Stamp = tuple[tuple[str, int], ...]
"""Names and sizes of the files of labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """What became of an endpoint's labels.

    Args:
        requests: that were given a label.
        unmatched: of these, for how many nothing is kept: not captured, not yet, or let go.
    """

    requests: int
    unmatched: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    labels: Stamp
    at: float
    quality: Mapping[int, Quality]


class LiveQuality:
    """The quality of the endpoints of one state folder.

    While no label comes a figure is not computed anew for some time: only an answer that was captured after its label
    could change it, and who watches asks every few seconds.

    Args:
        home: the state folder.
        clock: a clock that is never set, in seconds.
    """

    def __init__(self, home: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = home / "host"
        self._clock = clock
        self._known: dict[tuple[object, ...], _Known] = {}

    def quality(
        self, name: str, versions: Sequence[int], metrics: Sequence[str], since: datetime
    ) -> Mapping[int, Quality]:
        """Return how good live answers since then were, version by version, on rows whose labels have come.

        A version without a labelled row is left out. Losses are absolute errors for numbers, and 0 or 1 for labels.

        Raises:
            BackendError: captured requests or labels cannot be read.
        """
        wanted = name, tuple(versions), tuple(metrics), since
        labels, now = self._stamp(name), self._clock()
        if not versions or not labels:
            return {}
        known = self._known.get(wanted)
        if known is None or known.labels != labels or now - known.at > STALE:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            known = _Known(labels=labels, at=now, quality=self._measured(*wanted))
            self._known[wanted] = known
        return known.quality

    def _measured(
        self, name: str, versions: Sequence[int], metrics: Sequence[str], since: datetime
    ) -> Mapping[int, Quality]:
        # Whoever has no label does not pay for loading DuckDB.
        from everfit.adapters.local.live_answers import make_pairs  # noqa: PLC0415
        from everfit.adapters.local.live_measure import measured  # noqa: PLC0415
        from everfit.adapters.local.live_rows import labelled_answers, reading  # noqa: PLC0415

        with reading(name), labelled_answers(self._folder, name, versions, since) as connection:
            if connection is None:
                return {}
            make_pairs(connection)
            return measured(connection, versions, metrics)

    def matching(self, name: str) -> Matching:
        """Return how many requests were given labels, and for how many of these nothing is kept.

        Raises:
            BackendError: captured requests or labels cannot be read.
        """
        if not self._stamp(name):
            return Matching(requests=0, unmatched=0)
        from everfit.adapters.local.live_rows import counted, reading  # noqa: PLC0415 - as above

        with reading(name):
            requests, unmatched = counted(self._folder, name)
        return Matching(requests=requests, unmatched=unmatched)

    def _stamp(self, name: str) -> Stamp:
        found: list[tuple[str, int]] = []
        for path in label_files(self._folder / "labels" / name):
            with suppress(FileNotFoundError):
                found.append((path.name, path.stat().st_size))
        return tuple(found)
