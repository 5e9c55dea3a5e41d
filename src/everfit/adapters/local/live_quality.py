"""How good live answers were, from captured requests and the labels that came for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from everfit.domain.live import Quality
from everfit.serving.label_files import label_files


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """What became of an endpoint's labels.

    Args:
        requests: that were given a label.
        unmatched: of these, for how many nothing is kept: not captured, not yet, or let go.
    """

    requests: int
    unmatched: int


class LiveQuality:
    """The quality of the endpoints of one state folder.

    Args:
        home: the state folder.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / "host"

    def quality(
        self, name: str, versions: Sequence[int], metrics: Sequence[str], since: datetime
    ) -> Mapping[int, Quality]:
        """Return how good live answers since then were, version by version, on rows whose labels have come.

        A version without a labelled row is left out. Losses are absolute errors for numbers, and 0 or 1 for labels.
        """
        if not versions or not label_files(self._folder / "labels" / name):
            return {}
        # Whoever has no label does not pay for loading DuckDB.
        from everfit.adapters.local.live_answers import make_pairs  # noqa: PLC0415
        from everfit.adapters.local.live_measure import measured  # noqa: PLC0415
        from everfit.adapters.local.live_rows import labelled_answers  # noqa: PLC0415

        with labelled_answers(self._folder, name, versions, since) as connection:
            if connection is None:
                return {}
            make_pairs(connection)
            return measured(connection, versions, metrics)

    def matching(self, name: str) -> Matching:
        """Return how many requests were given labels, and for how many of these nothing is kept."""
        if not label_files(self._folder / "labels" / name):
            return Matching(requests=0, unmatched=0)
        from everfit.adapters.local.live_rows import counted  # noqa: PLC0415 - as above

        requests, unmatched = counted(self._folder, name)
        return Matching(requests=requests, unmatched=unmatched)
