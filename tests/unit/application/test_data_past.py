"""What the newest run has looked at is no news."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import pytest

from everfit.adapters.memory.clock import SettableClock
from everfit.adapters.memory.registry import MemoryRegistry
from everfit.application.sources.data_past import Past
from everfit.domain.listing import ListedFile, mark_of
from everfit.domain.snapshot import FileEntry, Snapshot, SnapshotId
from tests.kept import MemoryKept
from tests.stored import START, a_run

ETAG = "etag:" + "0123456789abcdef" * 4
OTHER = "etag:" + "fedcba9876543210" * 4
BLAKE = "blake3:" + "0" * 64


class Frozen:
    """A data source with one snapshot."""

    def __init__(self, digests: Sequence[str]) -> None:
        files = tuple(FileEntry(path=f"{number}.csv", size=9, digest=each) for number, each in enumerate(digests))
        self._snapshot = Snapshot(id=SnapshotId("sha256:1"), files=files)

    def snapshot(self, snapshot: SnapshotId) -> Snapshot:
        assert snapshot == self._snapshot.id
        return self._snapshot


def past(*digests: str) -> Past:
    """Return the past of a model whose newest run, still under way, has frozen files of these digests."""
    clock = SettableClock(START)
    store = MemoryKept(clock, lambda _: False)
    run = store.begin(a_run("run-1"))
    claim = store.claim("churn", "production", owner="worker", lease=timedelta(seconds=30), run=run.id)
    store.begin_step(claim, "snapshot")
    store.finish_step(claim, "snapshot", {"snapshot": "sha256:1"})
    return Past(store, MemoryRegistry(cast("Any", store), clock), cast("Any", Frozen(digests)))


def listed(*digests: str) -> list[ListedFile]:
    return [ListedFile(path=f"{number}.csv", size=9, mark=mark_of(each)) for number, each in enumerate(digests)]


@pytest.mark.parametrize(
    ("frozen", "seen", "is_learnt"),
    [
        ((ETAG,), (ETAG,), True),
        ((ETAG, OTHER), (ETAG, OTHER), True),
        ((ETAG,), (OTHER,), False),
        ((ETAG,), (ETAG, OTHER), False),
        ((ETAG, OTHER), (ETAG,), False),
        ((BLAKE,), (BLAKE,), False),
    ],
    ids=["the same", "two of them", "replaced by as many bytes", "one more", "one gone", "nobody can say"],
)
def test_only_files_that_were_surely_looked_at_are_no_news(
    frozen: Sequence[str], seen: Sequence[str], is_learnt: bool
) -> None:
    files = listed(*seen)
    assert past(*frozen).has_learnt("churn", "production", len(files), files) is is_learnt


def test_a_model_without_runs_has_learnt_nothing() -> None:
    assert past(ETAG).has_learnt("churn", "staging", 1, listed(ETAG)) is False
