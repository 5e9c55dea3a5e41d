"""A whole project in memory: what each job gives is set by the test, and any call of any port may be the last."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, cast

from everfit.adapters.local.project_file import read_project
from everfit.adapters.memory.channels import MemoryChannels
from everfit.adapters.memory.clock import SettableClock
from everfit.adapters.memory.endpoints import MemoryEndpoints
from everfit.adapters.memory.heart import StillHeart
from everfit.adapters.memory.inbox import MemoryInbox
from everfit.adapters.memory.jobs import Ended, MemoryJobs
from everfit.adapters.memory.outbox import MemoryOutbox
from everfit.adapters.memory.registry import MemoryRegistry
from everfit.adapters.memory.rollouts import MemoryRollouts
from everfit.adapters.memory.run_store import MemoryRunStore
from everfit.adapters.memory.traffic import MemoryTraffic
from everfit.application.ports import Artifact, FrozenCode, Ports
from everfit.application.workspace import Workspace
from everfit.domain.errors import NotFoundError
from everfit.domain.job import JobFailure, JobKind, JobSpec, JobState, JobStatus
from everfit.domain.live import Tally, bucket_of
from everfit.domain.project import Environment
from everfit.domain.run import RunId
from everfit.domain.snapshot import FileEntry, Snapshot, SnapshotId, snapshot_of
from tests.stored import START

PROJECT = """\
model: line
task: regression
data: {source: data/, target: y, id: id}
train: {script: train.py}
gate: [mae <= 5]
environments:
  production: {endpoint: line, approval: APPROVAL, rollout: ROLLOUT, watch: WATCH}
  live: {endpoint: line-live, promote_from: production, rollout: ROLLOUT, watch: WATCH}
"""
AT_ONCE = "{strategy: all-at-once}"
CANARY = "{strategy: canary, steps: [10%, 50%], bake: 40s, minimum_requests: 100}"
SHADOW = "{strategy: shadow, bake: 40s, minimum_requests: 100, disagreement: 5%}"
WATCH = "{for: 1h, roll_back_when: [error_rate > 5%, mae > 50]}"


class Killed(BaseException):
    """Stands for kill -9: nothing in the product may catch it."""


@dataclass
class Fuse:
    """Counts the calls of the ports down; once it is burnt every call dies.

    Args:
        meanwhile: happens instead, once, and then everything goes on: whoever called was stopped for that long.
    """

    left: int | None = None
    after: bool = False
    meanwhile: Callable[[], object] | None = None

    def burn(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def burning(*arguments: Any, **named: Any) -> Any:
            if self.left is None:
                return call(*arguments, **named)
            self.left -= 1
            if self.left == 0 and self.meanwhile is not None:
                return self._interrupted(self.meanwhile, partial(call, *arguments, **named))
            if self.left == 0 and self.after:
                call(*arguments, **named)
            if self.left <= 0:
                raise Killed
            return call(*arguments, **named)

        return burning

    def _interrupted(self, meanwhile: Callable[[], object], call: Callable[[], Any]) -> Any:
        self.left, self.meanwhile = None, None
        if not self.after:
            meanwhile()
            return call()
        found = call()
        meanwhile()
        return found


class Fused:
    """Passes every call on to a port, through the fuse."""

    def __init__(self, port: Any, fuse: Fuse) -> None:
        self._port, self._fuse = port, fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        return self._fuse.burn(found) if callable(found) else found


class CountedIds:
    def __init__(self) -> None:
        self._made = 0

    def run_id(self, now: datetime) -> RunId:
        del now
        self._made += 1
        return RunId(f"run-{self._made:04}")


@dataclass
class FixedData:
    """Data of which there is more each time that ``rows`` grows."""

    rows: int = 100
    frozen: dict[str, Snapshot] = field(default_factory=dict[str, Snapshot])

    def freeze(self, source: str) -> Snapshot:
        del source
        made = snapshot_of([FileEntry(path="rows.csv", size=self.rows, digest=f"blake3:{self.rows:064}")])
        return self.frozen.setdefault(made.id, made)

    def snapshot(self, snapshot: SnapshotId) -> Snapshot:
        return self.frozen[snapshot]

    def location(self, snapshot: SnapshotId) -> Mapping[str, object]:
        return {"manifest": snapshot, "objects": "objects"}


class FixedCode:
    def freeze(
        self,
        folder: str,
        *,
        leave_out: Sequence[str] = (),
        commit: str | None = None,
        repository: str | None = None,
    ) -> FrozenCode:
        del leave_out, repository
        return FrozenCode(digest=f"blake3:code{commit or ''}", folder=folder, commit=commit, is_dirty=False)

    def text(self, folder: str, path: str) -> str:
        del folder, path
        return "import os\n"

    def modules(self, folder: str) -> frozenset[str]:
        del folder
        return frozenset()


@dataclass
class HeldArtifacts:
    """Artifacts whose bytes are their folder's name."""

    kept: set[str] = field(default_factory=set[str])

    def pack(self, model: str, code: str | None, requirements: str | None) -> Artifact:
        del code, requirements
        self.kept.add(f"sha256:{model}")
        return Artifact(digest=f"sha256:{model}", size=10)

    def unpacked(self, digest: str) -> str:
        self.verify(digest)
        return digest

    def verify(self, digest: str) -> None:
        if digest not in self.kept:
            raise NotFoundError(f"There is no artifact {digest}.")

    def delete(self, digest: str) -> None:
        self.kept.discard(digest)


class RoomyMachine:
    def free_bytes(self) -> int:
        return 10**12

    def findings(self) -> Sequence[tuple[str, bool, str]]:
        return ()


class Silent:
    def step_started(self, name: str, attempt: int) -> None: ...

    def step_ended(self, name: str, outcome: str, seconds: float) -> None: ...

    def told(self, words: str) -> None: ...

    def printed(self, output: bytes) -> None: ...


class Behaviour(Enum):
    """How a version does with live traffic."""

    GOOD = Tally(requests=100, latency={bucket_of(0.01): 100}, compared=100, disagreed=1)
    FAILING = Tally(requests=100, errors=20, latency={bucket_of(0.01): 100}, compared=100, disagreed=1)
    SLOW = Tally(requests=100, latency={bucket_of(0.5): 100}, compared=100, disagreed=1)
    OTHER = Tally(requests=100, latency={bucket_of(0.01): 100}, compared=100, disagreed=50)


class World:
    """A project with every port in memory.

    Args:
        approval: of the environment ``production``.
        rollout: of both environments.
    """

    def __init__(self, approval: str = "automatic", rollout: str = AT_ONCE, watch: str = WATCH) -> None:
        with tempfile.TemporaryDirectory() as folder:
            said = PROJECT.replace("APPROVAL", approval).replace("ROLLOUT", rollout).replace("WATCH", watch)
            Path(folder, "everfit.yaml").write_text(said)
            self.workspace = Workspace(folder=folder, project=read_project(Path(folder), {}))
        self.mae: float | None = 1.0
        self.lose: dict[JobKind, int] = {}
        self.endless: set[JobKind] = set()
        self.fuse = Fuse()
        self.lives = 1
        self.clock = SettableClock(START)
        self.data = FixedData()
        self.artifacts = HeldArtifacts()
        self.jobs = MemoryJobs(self._work)
        self.stopped: set[str] = set()
        self.store = MemoryRunStore(self.clock, is_dead=lambda owner: owner not in {self.owner, *self.stopped})
        self.inbox = MemoryInbox(self.store, self.clock)
        self.outbox = MemoryOutbox(self.clock)
        self.registry = MemoryRegistry(self.store, self.clock)
        self.channels = MemoryChannels()
        self.outbox.follow(self.store, self.registry, self.inbox)
        self.endpoints = MemoryEndpoints()
        self.traffic = MemoryTraffic(self.endpoints)
        self.rollouts = MemoryRollouts(self.store)
        self.behaviour: dict[int, Behaviour] = {}
        self.is_busy = True
        self.rests = 0
        self.patience = 1_000
        self.ids = CountedIds()

    @property
    def owner(self) -> str:
        return f"process-{self.lives}"

    def ports(self, **instead: Any) -> Ports:
        """Return the ports, each behind the fuse."""
        ports: dict[str, Any] = {
            "data": self.data,
            "code": FixedCode(),
            "jobs": self.jobs,
            "artifacts": self.artifacts,
            "store": self.store,
            "inbox": self.inbox,
            "outbox": self.outbox,
            "channels": self.channels,
            "registry": self.registry,
            "endpoints": self.endpoints,
            "traffic": self.traffic,
            "rollouts": self.rollouts,
            **instead,
        }
        return Ports(
            clock=self.clock,
            ids=self.ids,
            machine=RoomyMachine(),
            heart=StillHeart(),
            progress=Silent(),
            owner=self.owner,
            rest=self.rest,
            **cast("dict[str, Any]", {name: Fused(port, self.fuse) for name, port in ports.items()}),
        )

    def rest(self, time: timedelta) -> None:
        """Let time pass, in which the versions are sent requests; who waits for too long is killed."""
        self.rests += 1
        if self.rests > self.patience:
            raise Killed
        self.clock.advance(time)
        self.flow()

    def flow(self, times: int = 1) -> None:
        """Have every version do what it does, where there is traffic at all."""
        for name in ("line", "line-live") if self.is_busy else ():
            seen = self.endpoints.desired(name)
            for number in () if seen is None else {*seen.weights, *seen.shadows}:
                for _ in range(times):
                    self.traffic.did(name, number, self.behaviour.get(number, Behaviour.GOOD).value)

    def environment(self, name: str = "production") -> Environment:
        return self.workspace.project.environments[name]

    def killed_at(self, call: int, *, after: bool, act: Callable[[], object]) -> bool:
        """Do *act* and be killed at that call of a port; False when it ended before."""
        self.fuse.left, self.fuse.after = call, after
        try:
            act()
        except Killed:
            return True
        finally:
            self.fuse.left = None
            self.lives += 1
            self.clock.advance(timedelta(seconds=1))
        return False

    def stopped_at(self, call: int, *, after: bool, act: Callable[[], object], meanwhile: Callable[[], object]) -> None:
        """Do *act*, but stop the process at that call of a port while another one does something, then let it go on."""

        def other() -> None:
            self.stopped.add(self.owner)
            self.lives += 1
            meanwhile()

        self.fuse.left, self.fuse.after, self.fuse.meanwhile = call, after, other
        try:
            act()
        finally:
            self.fuse.left, self.fuse.meanwhile = None, None
            self.stopped.clear()
            self.lives += 1
            self.clock.advance(timedelta(seconds=1))

    def serving(self, endpoint: str = "line") -> int | None:
        state = self.endpoints.describe(endpoint)
        return None if state is None else next(iter(state.weights), None)

    def started(self, kind: JobKind) -> Iterator[str]:
        return (spec.name for spec in self.jobs.specs if spec.kind is kind)

    def _work(self, spec: JobSpec) -> Ended:
        if self.lose.get(spec.kind, 0) > 0:
            self.lose[spec.kind] -= 1
            return Ended(status=JobStatus(state=JobState.FAILED, failure=JobFailure.LOST, message="It was lost."))
        if spec.kind in self.endless:
            return Ended(status=JobStatus(state=JobState.RUNNING))
        status = JobStatus(state=JobState.SUCCEEDED, output=f"out/{spec.name}", python="python3", seconds=1.0)
        return Ended(status=status, reports={"report.json": REPORT, "evaluation.json": self._evaluation()})

    def _evaluation(self) -> Mapping[str, object]:
        side = {"metrics": {"mae": {"value": self.mae, "reason": None, "rows": 100}}, "latency": {}, "error": None}
        return {"rows": 100, "challenger": side, "champion": None, "comparisons": []}


REPORT: Mapping[str, object] = {
    "rows": {"total": 500, "train": 400, "validation": 0, "holdout": 100},
    "columns": [{"name": "y", "type": "number"}],
    "labels": None,
    "cutoff": None,
    "findings": [],
}
