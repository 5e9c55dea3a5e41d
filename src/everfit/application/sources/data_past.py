"""What a model learnt from before anybody watched its data."""

from collections.abc import Iterable, Iterator

from everfit.application.ports import DataSource, Registry, RunStore
from everfit.domain.errors import NotFoundError, StateError
from everfit.domain.listing import ListedFile, changes, mark_of, order_of
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
        """Return the files that the newest run looked at, or the champion learnt from.

        A run that failed or was cancelled has looked at nothing for good.
        """
        for name in self._snapshots(model, environment):
            try:
                found = self._data.snapshot(SnapshotId(name))
            except (NotFoundError, StateError):
                continue  # It was removed, or nobody can say what it held.
            return _listed(found)
        return []

    def has_learnt(self, model: str, environment: str, count: int, files: Iterable[ListedFile]) -> bool:
        """Tell whether the newest run has looked at just these files; False when nobody can say so for sure.

        Args:
            count: how many there are.
        """
        name = next(self._snapshots(model, environment), None)
        try:
            found = None if name is None else self._data.snapshot(SnapshotId(name))
        except (NotFoundError, StateError):
            return False
        # Two counts are quicker to compare than a million files.
        if found is None or len(found.files) != count:
            return False
        past = _listed(found)
        return all(file.mark for file in past) and next(changes(past, files), None) is None

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
    files = (ListedFile(path=entry.path, size=entry.size, mark=mark_of(entry.digest)) for entry in snapshot.files)
    return sorted(files, key=lambda file: order_of(file.path))
