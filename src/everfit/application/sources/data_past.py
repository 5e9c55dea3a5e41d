"""What a model learnt from before anybody watched its data."""

from collections.abc import Iterator

from everfit.application.ports import DataSource, Registry, RunStore
from everfit.domain.errors import NotFoundError, StateError
from everfit.domain.listing import ListedFile, order_of
from everfit.domain.run import Outcome
from everfit.domain.snapshot import Snapshot, SnapshotId

LATEST = 10


class Past:
    """The data of earlier runs."""

    def __init__(self, store: RunStore, registry: Registry, data: DataSource) -> None:
        self._store = store
        self._registry = registry
        self._data = data

    def files(self, model: str, environment: str) -> list[ListedFile]:
        """Return the files that the newest run looked at, or the champion learnt from, by path and size.

        A run that failed or was cancelled has looked at nothing for good.
        """
        for name in self._snapshots(model, environment):
            try:
                found = self._data.snapshot(SnapshotId(name))
            except (NotFoundError, StateError):
                continue  # It was removed, or nobody can say what it held.
            return _listed(found)
        return []

    def _snapshots(self, model: str, environment: str) -> Iterator[str]:
        for run in self._store.runs(model, environment, limit=LATEST):
            if run.outcome not in (Outcome.FAILED, Outcome.CANCELLED):
                results = {step.name: step.result for step in self._store.steps(run.id)}
                name = (results.get("snapshot") or {}).get("snapshot")
                if isinstance(name, str):
                    yield name
        champion = self._registry.champion(model, environment)
        if champion is not None:
            yield self._registry.version(model, champion).snapshot


def _listed(snapshot: Snapshot) -> list[ListedFile]:
    files = (ListedFile(path=entry.path, size=entry.size, mark="") for entry in snapshot.files)
    return sorted(files, key=lambda file: order_of(file.path))
