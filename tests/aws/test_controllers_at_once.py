"""Controllers as real processes: killed by SIGKILL, started at the same moment, stopped and overtaken."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import MISSING, code_of
from everfit.adapters.local.clock import SystemClock
from everfit.adapters.sql.run_store import SqlRunStore
from everfit.application.journal import drive
from everfit.application.ports import Ports
from everfit.bootstrap_aws.ports import open_aws
from everfit.domain.run import Outcome
from everfit.domain.trigger import EventEnd
from everfit.interfaces.cli import exit_codes
from everfit.interfaces.cli.progress import Silence
from tests.aws.bench.client import Bench
from tests.aws.controllers import Controllers
from tests.aws.endings import ENVIRONMENT
from tests.aws.installed import done_in, installed
from tests.aws.mortal import LOCK
from tests.aws.stages import rows
from tests.aws.stages_made import hurried
from tests.aws_bench import BUCKET

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
Hang = tuple[str, str, str]
FIRST: Sequence[Hang] = (
    ("s3", "PutObject", "after"),
    ("sagemaker", "CreateProcessingJob", "after"),
    ("sagemaker", "CreateTrainingJob", "before"),
    ("sagemaker", "CreateModelPackage", "after"),
    ("sagemaker", "CreateEndpoint", "after"),
)
SECOND: Sequence[Hang] = (
    ("sagemaker", "CreateTrainingJob", "after"),
    ("sagemaker", "UpdateEndpoint", "before"),
    ("sagemaker", "UpdateEndpoint", "after"),
)


@dataclass
class Place:
    """An installation on the bench, and the processes that work on it."""

    bench: Bench
    clients: Clients
    folder: Path
    controllers: Controllers

    def __post_init__(self) -> None:
        self.workspace, self.settings = installed(self.bench, self.clients, self.folder)
        self.put("a.csv", rows())

    def put(self, name: str, content: str) -> None:
        self.bench.client("s3").put_object(Bucket=BUCKET, Key=f"rows/{name}", Body=content.encode())

    def ports(self, owner: str = "test", ahead: timedelta = timedelta(0)) -> Ports:
        """Return what works here, in a process whose clock is ahead of the others."""
        opened = open_aws(
            self.workspace, self.settings, Silence(), self.settings.home, owner=owner, clients=self.clients
        )
        clock = Ahead(ahead)
        store = SqlRunStore(opened.database, clock)
        return hurried(replace(opened.ports, clock=clock, store=store), self.workspace, self.clients)

    def die(self, hang: Hang) -> None:
        """Start a controller and kill it at the call."""
        service, operation, moment = hang
        number = self.bench.hang(service, operation, moment=moment)
        controller = self.controllers.start()
        controller.reached(self.bench, number)
        controller.kill()
        self.bench.release(number)
        self.bench.forget(number)
        self._wait_for_the_lock()

    def _wait_for_the_lock(self) -> None:
        """Let the time go by after which the lock of a dead one is nobody's."""
        try:
            self.bench.client("s3").delete_object(Bucket=BUCKET, Key=LOCK)
        except ClientError as error:
            if code_of(error) not in MISSING:
                raise

    def outcomes(self) -> list[Outcome | None]:
        return [run.outcome for run in reversed(self.ports().store.runs("line", ENVIRONMENT))]

    def history(self) -> list[int]:
        return [served.version for served in self.ports().registry.history("line", ENVIRONMENT)]

    def serving(self) -> dict[int, float]:
        state = self.ports().endpoints.describe("line")
        return {} if state is None else dict(state.weights)

    def ends(self) -> list[EventEnd]:
        return [record.end for record in self.ports().inbox.events(model="line")]


class Ahead(SystemClock):
    """A clock before which the leases of others have run out."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return super().now() + self._by


@pytest.fixture
def place(bench: Bench, aws_clients: Clients, tmp_path: Path) -> Iterator[Place]:
    controllers = Controllers(bench, tmp_path / "line")
    try:
        yield Place(bench, aws_clients, tmp_path / "line", controllers)
    finally:
        controllers.end()


def test_processes_that_are_killed_one_after_the_other_make_two_versions_and_each_thing_once(place: Place) -> None:
    for hang in FIRST:
        place.die(hang)
    assert place.controllers.start().ended().code == exit_codes.OK
    place.put("b.csv", rows(first=100, count=300))
    for hang in SECOND:
        place.die(hang)
    last = place.controllers.start().ended()
    assert (last.code, last.said.splitlines()[0].partition(",")[0]) == (exit_codes.OK, "deployed: line in production")
    assert place.outcomes() == [Outcome.DEPLOYED] * 2
    assert (place.history(), place.serving()) == ([2, 1], {2: 1.0})
    assert done_in(place.bench) == {
        "CreateEndpoint": 1,
        "UpdateEndpoint": 1,
        "CreateModelPackage": 2,
        "CreateTrainingJob": 2,
        "CreateProcessingJob": 7,
    }
    # The one that was killed before its run had begun has asked for it as well.
    assert EventEnd.RAN in place.ends()
    assert set(place.ends()) <= {EventEnd.RAN, EventEnd.MERGED}
    assert place.bench.notes("config-in-use-deleted") == []


def test_of_two_that_start_at_the_same_moment_one_deploys_and_the_other_says_who_is_at_it(place: Place) -> None:
    both = [place.controllers.start() for _ in range(2)]
    ended = [each.ended() for each in both]
    assert sorted(each.code for each in ended) == [exit_codes.OK, exit_codes.FAILED]
    (late,) = (each for each in ended if each.code == exit_codes.FAILED)
    assert "is taken: process" in late.complained
    assert place.outcomes() == [Outcome.DEPLOYED]
    assert (place.history(), place.serving()) == ([1], {1: 1.0})
    assert done_in(place.bench)["CreateEndpoint"] == 1


@pytest.mark.parametrize("operation", [pytest.param("CreateEndpointConfig", marks=pytest.mark.soak), "CreateEndpoint"])
def test_one_that_was_stopped_while_it_deployed_finds_itself_overtaken_and_changes_nothing(
    operation: str, place: Place
) -> None:
    number = place.bench.hang("sagemaker", operation, moment="after")
    stopped = place.controllers.start()
    stopped.reached(place.bench, number)
    stopped.stop()
    other = place.ports("other", ahead=timedelta(minutes=5))
    run = other.store.unfinished("line", ENVIRONMENT)
    assert run is not None
    assert drive(run.id, place.workspace, other).outcome is Outcome.DEPLOYED
    before = place.bench.calls("sagemaker")
    place.bench.release(number, is_answered=True)
    stopped.go_on()
    told = stopped.ended()
    assert (told.code, "Traceback" in told.complained) == (exit_codes.FAILED, False)
    assert "Endpoint line has been taken over: token 1 is older than 2. Nothing changed." in told.complained
    assert place.outcomes() == [Outcome.DEPLOYED]
    assert (place.history(), place.serving()) == ([1], {1: 1.0})
    assert done_in(place.bench)["CreateEndpoint"] == 1
    later = place.bench.calls("sagemaker")[len(before) :]
    assert [call["operation"] for call in later if not call["operation"].startswith(("Describe", "List"))] == []
