"""What the inside needs of the outside: one small protocol each, one contract suite for every adapter."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from everfit.domain.endpoint import Answer, EndpointState, ServedVersion
from everfit.domain.job import JobSpec, JobStatus
from everfit.domain.run import Outcome, Run, RunId, StepRecord
from everfit.domain.snapshot import Snapshot, SnapshotId
from everfit.domain.trigger import EventRecord, TriggerEvent
from everfit.domain.version import Approval, Placement, Release, Served, Version


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Return the time, with the UTC time zone."""
        ...


class Ids(Protocol):
    """Identity."""

    def run_id(self, now: datetime) -> RunId:
        """Return an id that no other run has; ids sort by time."""
        ...


class DataSource(Protocol):
    """Lists and freezes data."""

    def freeze(self, source: str) -> Snapshot:
        """Return *source* (a folder, a glob or a URL) as a snapshot whose content is kept from now on.

        Raises:
            RequestError: the source is missing, empty or may not be read.
            BackendError: the storage cannot be reached (never treated as "no data"), or a file went on changing.
        """
        ...

    def snapshot(self, snapshot: SnapshotId) -> Snapshot:
        """Return a snapshot that was frozen before, or raise ``NotFoundError``."""
        ...

    def location(self, snapshot: SnapshotId) -> Mapping[str, object]:
        """Return what a prepare job needs to read the snapshot: ``manifest`` and ``objects``, both paths."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenCode:
    """The user's code as it was when the run started.

    Args:
        digest: of every file's path and content.
        folder: where the copy lies.
        commit: of the git repository it came from; None outside one.
        is_dirty: whether something there was not committed.
    """

    digest: str
    folder: str
    commit: str | None
    is_dirty: bool


class Code(Protocol):
    """The user's code."""

    def freeze(self, folder: str, *, leave_out: Sequence[str] = ()) -> FrozenCode:
        """Copy the code in *folder* once per content; *leave_out* are paths below it that are not code."""
        ...

    def text(self, folder: str, path: str) -> str:
        """Return the text of a file in a frozen folder, or raise ``NotFoundError``."""
        ...

    def modules(self, folder: str) -> frozenset[str]:
        """Return the names that Python can import from the top of a frozen folder."""
        ...


class Jobs(Protocol):
    """Starts, observes and stops work that runs in processes of its own."""

    def start(self, spec: JobSpec) -> None:
        """Start the job; a job of that name that was started before is left alone."""
        ...

    def observe(self, name: str) -> JobStatus:
        """Return how the job stands now; a job whose process is gone without a result is ``FAILED``, ``LOST``."""
        ...

    def wait(self, name: str, patience: timedelta) -> JobStatus:
        """Return as soon as the job has ended, or how it stands when *patience* is over."""
        ...

    def stop(self, name: str) -> None:
        """Ask the job's whole process group to end, with its grace; return at once."""
        ...

    def report(self, name: str, file: str) -> Mapping[str, object]:
        """Return the JSON file that the job wrote below its ``output/``, or raise ``NotFoundError``."""
        ...

    def trim(self, run: str) -> None:
        """Delete what the jobs of a run worked on; reports, what they printed and how they ended stay."""
        ...

    def forget(self, run: str) -> None:
        """Delete everything that the jobs of a run left; none of them may be running."""
        ...

    def log(self, name: str, start: int = 0) -> Iterator[bytes]:
        """Yield what the job has printed so far, from byte *start* on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A packed model: ``sha256:…`` of the archive, and its size in bytes."""

    digest: str
    size: int


class Artifacts(Protocol):
    """Immutable model packages, by digest."""

    def pack(self, model: str, code: str | None, requirements: str | None) -> Artifact:
        """Pack the folder *model*, with *code* as its ``code/``, like SageMaker's ``model.tar.gz``; keep it once.

        The text *requirements* becomes ``code/requirements.txt``. The same content gives the same digest, whenever
        and wherever it is packed.
        """
        ...

    def unpacked(self, digest: str) -> str:
        """Return a folder with the content of the artifact, verified against *digest*.

        Raises:
            NotFoundError: there is no such artifact.
            RefusedError: its bytes are not those of *digest* any more.
        """
        ...

    def verify(self, digest: str) -> None:
        """Raise as ``unpacked`` does when the archive or the unpacked folder is not what *digest* says."""
        ...

    def delete(self, digest: str) -> None:
        """Forget the artifact; nothing happens when there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to change what a model and environment has, until somebody takes it over.

    Args:
        run: None when a person holds it, for a rollback or an approval.
        fence: grows with each claim of that model and environment.
    """

    model: str
    environment: str
    owner: str
    fence: int
    run: RunId | None


class RunStore(Protocol):
    """Triggers, runs, steps and leases: the truth about what happened. Each call is one transaction."""

    def accept(self, event: TriggerEvent) -> bool:
        """Write the event; False when its id was accepted before."""
        ...

    def events(self, model: str, environment: str) -> Sequence[EventRecord]:
        """Return the accepted events, oldest first, with how each ended."""
        ...

    def begin(self, run: Run) -> Run:
        """Write a new queued run, and merge every pending event of its model and environment into it."""
        ...

    def run(self, run: RunId) -> Run:
        """Return the run, or raise ``NotFoundError``."""
        ...

    def runs(self, model: str, environment: str | None = None, *, limit: int = 100) -> Sequence[Run]:
        """Return runs, newest first."""
        ...

    def unfinished(self, model: str, environment: str) -> Run | None:
        """Return the oldest run that has not ended and that waits for no person, if there is one."""
        ...

    def waiting(self, model: str, environment: str) -> Sequence[Run]:
        """Return the runs that wait for a person, oldest first."""
        ...

    def claim(
        self,
        model: str,
        environment: str,
        *,
        owner: str,
        lease: timedelta,
        run: RunId | None = None,
        take_over: bool = False,
    ) -> Claim:
        """Take the lease of the model and environment with a higher fence; a claimed run is running then.

        A lease may be taken when it has run out, when its owner is known to be dead, or when it is free.

        Args:
            take_over: take it from a living owner as well, whose next write is refused: the way back waits for
                nobody.

        Raises:
            BusyError: a living owner holds it; the message names it.
        """
        ...

    def renew(self, claim: Claim, lease: timedelta) -> None:
        """Prolong the lease, or raise ``FencedError``."""
        ...

    def release(self, claim: Claim) -> None:
        """Give the lease back; nothing happens when somebody else has it by now."""
        ...

    def begin_step(self, claim: Claim, name: str) -> StepRecord:
        """Write that the step starts, with its attempt; raise ``FencedError`` when the claim is lost."""
        ...

    def finish_step(self, claim: Claim, name: str, result: Mapping[str, object]) -> None:
        """Write the step's result; raise ``FencedError`` when the claim is lost."""
        ...

    def fail_step(self, claim: Claim, name: str, error: str) -> None:
        """Write that this attempt failed; raise ``FencedError`` when the claim is lost."""
        ...

    def steps(self, run: RunId) -> Sequence[StepRecord]:
        """Return the steps of the run in the order in which they first started."""
        ...

    def wait(self, claim: Claim, waits_for: str, outcome: Outcome | None = None) -> None:
        """Write that the run waits, and for what; ``NEEDS_APPROVAL`` is the only outcome of a waiting run."""
        ...

    def note_version(self, claim: Claim, version: int) -> None:
        """Write which version the run made."""
        ...

    def end(
        self,
        claim: Claim,
        outcome: Outcome,
        reason: str,
        error: str | None = None,
        last: tuple[str, Mapping[str, object]] | None = None,
    ) -> None:
        """End the run and every event merged into it, once; raise ``FencedError`` when the claim is lost.

        Args:
            last: the step that ended the run and what it gave, written in the same transaction.
        """
        ...


class Registry(Protocol):
    """Versions, verdicts, approvals and the history of what served when.

    A registry that cannot be read raises ``BackendError``; it is never treated as empty.
    """

    def register(self, claim: Claim, version: Version, placement: Placement) -> Version:
        """Keep the version under the model's next number, with its standing; once for each run.

        The numbers in *version* and *placement* are ignored; the one that was given is returned.
        """
        ...

    def version(self, model: str, number: int) -> Version:
        """Return the version, or raise ``NotFoundError``."""
        ...

    def versions(self, model: str) -> Sequence[Version]:
        """Return all versions, oldest first."""
        ...

    def holds(self, artifact: str) -> bool:
        """Tell whether a version of any model that is not forgotten is made of these bytes."""
        ...

    def place(self, claim: Claim, placement: Placement) -> None:
        """Keep how an existing version stands in another environment, with that environment's own verdict."""
        ...

    def placement(self, model: str, environment: str, number: int) -> Placement:
        """Return how the version stands, or raise ``NotFoundError``."""
        ...

    def placements(self, model: str, environment: str) -> Sequence[Placement]:
        """Return how every version stands that has been judged in the environment, oldest first."""
        ...

    def decide(self, approval: Approval) -> Placement:
        """Keep a person's decision and move the version; the same decision twice is one.

        Raises:
            IllegalMoveError: the version does not wait for approval.
        """
        ...

    def served(self, claim: Claim, release: Release, *, reason: str, actor: str, roll_back: bool = False) -> None:
        """Write that the version serves from now on and that the one before it does not.

        The version before is ``ROLLED_BACK`` when *roll_back*, else ``RETIRED``. Writing it twice is writing it once.

        Raises:
            FencedError: the claim is lost.
            RefusedError: the stored verdict or artifact is not the one that *release* proves.
        """
        ...

    def champion(self, model: str, environment: str) -> int | None:
        """Return the version that serves, by the record of ``served``."""
        ...

    def history(self, model: str, environment: str | None = None) -> Sequence[Served]:
        """Return what took traffic, newest first."""
        ...

    def learnt(self, model: str) -> Mapping[str, object] | None:
        """Return the schema and label order that hold, or None before a version was approved.

        Each version carries them on from the one before, so those of the newest approved version are those of the
        first one, or of the one that a person let learn them anew.
        """
        ...

    def forget(self, model: str, number: int) -> None:
        """Take the version out of every list; its number is never given again.

        Raises:
            RefusedError: it serves, waits for approval, or is the one to go back to, in any environment.
        """
        ...


class Endpoints(Protocol):
    """Names that answer. Every change carries a fencing token; an older one raises ``FencedError``."""

    def describe(self, name: str) -> EndpointState | None:
        """Return what the endpoint really serves, or None before its first deployment."""
        ...

    def stage(self, name: str, version: ServedVersion, *, fence: int) -> None:
        """Load the version beside what serves and have it answer its sample; return when it can take traffic.

        Raises:
            RunFailedError: it does not load or answer; the message holds its own error text. Nothing was shifted.
        """
        ...

    def shift(self, name: str, weights: Mapping[int, float], releases: Sequence[Release], *, fence: int) -> None:
        """Move the traffic in one atomic change; each version with a weight needs its release.

        Raises:
            RefusedError: a version with a weight has no release for the bytes that are loaded.
        """
        ...

    def settle(self, name: str, keep: Sequence[int], *, fence: int) -> None:
        """Let versions go that take no traffic and are not in *keep*, when they have finished what they have."""
        ...

    def restore(self, name: str, version: ServedVersion, release: Release, *, fence: int) -> None:
        """Go back: stage *version* unless it is loaded, and give it all the traffic."""
        ...

    def invoke(self, name: str, body: bytes, content_type: str, accept: str) -> Answer:
        """Send a request as a client would."""
        ...

    def start(self) -> None:
        """Start the host with the state that it had, unless it runs."""
        ...

    def is_running(self) -> bool:
        """Tell whether the host runs; this starts nothing."""
        ...

    def stop(self) -> bool:
        """Stop the host when there is one; False when none was running."""
        ...


class Machine(Protocol):
    """The machine that Everfit runs on."""

    def free_bytes(self) -> int:
        """Return the free space where the state lies."""
        ...

    def findings(self) -> Sequence[tuple[str, bool, str]]:
        """Return what was examined, whether it is well, and what was seen or what to do."""
        ...


class Heart(Protocol):
    """Keeps a claim alive while work goes on."""

    def beating(self, claim: Claim) -> AbstractContextManager[None]:
        """Renew the claim's lease in the background for as long as the context lasts."""
        ...


class Progress(Protocol):
    """Is told what happens, as it happens; it decides nothing."""

    def step_started(self, name: str, attempt: int) -> None:
        """A step starts."""
        ...

    def step_ended(self, name: str, outcome: str, seconds: float) -> None:
        """A step is done, failed or waits."""
        ...

    def printed(self, output: bytes) -> None:
        """The user's script has printed something."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything that the application needs of the outside, chosen by bootstrap."""

    clock: Clock
    ids: Ids
    data: DataSource
    code: Code
    jobs: Jobs
    artifacts: Artifacts
    store: RunStore
    registry: Registry
    endpoints: Endpoints
    machine: Machine
    heart: Heart
    progress: Progress
    owner: str
