"""Controllers that die at chosen calls, one after the other, until the last one has done what there was to do.

A process that is killed sends nothing any more: from its death on, each of its calls ends as the first one did, also
those by which it would give back its locks. What time does then, to its lock and its lease, is done at once.
"""

import re
import threading
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import MISSING, code_of
from everfit.adapters.memory.heart import StillHeart
from everfit.adapters.sql.run_store import SqlRunStore
from everfit.application.ports import Ports
from everfit.application.workspace import Workspace
from everfit.bootstrap_aws.ports import open_aws
from everfit.settings import Settings
from tests.aws.bench.client import Bench
from tests.aws.killing import Killed, Moment
from tests.aws.stages_made import hurried
from tests.aws_bench import BUCKET

LOCK = "everfit/state.lock"
SERVICES = ("s3", "sagemaker", "logs", "cloudwatch", "application-autoscaling", "sts")
LOOKING = ("Get", "Head", "List", "Describe")
MOST_DEATHS = 8
"""In one step of one run: a step that was started ten times is given up, as its process does not survive it."""
COUNTED = 3
"""The same call to S3 is told apart the first times in a step; others are asked again as often as it takes."""


class Call(NamedTuple):
    """What a controller asks of AWS, told so that another run of the same story has the same one.

    Args:
        step: of the loop, after the number of the run.
        about: the key of an object without what is different each time.
        nth: of its like in the step, from 1 to ``COUNTED``; 1 for what is asked again until it is over.
    """

    step: str
    service: str
    operation: str
    about: str
    nth: int


class Point(NamedTuple):
    """Where a controller dies."""

    call: Call
    moment: Moment


def points(calls: Sequence[Call]) -> list[Point]:
    """Return both moments of the first and the last call of each operation, and of one in the middle that changes."""
    found: dict[Point, None] = {}
    for service, operation in dict.fromkeys((call.service, call.operation) for call in calls):
        same = list(dict.fromkeys(call for call in calls if (call.service, call.operation) == (service, operation)))
        middle = () if operation.startswith(LOOKING) else (same[len(same) // 2],)
        for call in (same[0], *middle, same[-1]):
            found |= {Point(call, "before"): None, Point(call, "after"): None}
    return sorted(found)


@dataclass
class Reaper:
    """Follows the calls of a controller, and kills it at the first one that is wanted.

    Args:
        wanted: where somebody has still to die; a point at which somebody did is taken off.
        is_strict: whether he dies at just that call, and not at another one of the same operation.
    """

    wanted: set[Point]
    is_strict: bool = True
    calls: list[Call] = field(default_factory=list[Call])
    deaths: list[Point] = field(default_factory=list[Point])
    run: int = 0
    is_dead: bool = False
    _step: str = ""
    _seen: Counter[tuple[str, ...]] = field(default_factory=Counter[tuple[str, ...]])
    _now: threading.local = field(default_factory=threading.local)

    # What shows the progress of a run

    def step_started(self, name: str, attempt: int) -> None:
        del attempt
        self._step = f"{self.run} {name}"
        self._seen.clear()

    def step_ended(self, name: str, outcome: str, seconds: float) -> None:
        """Go on with the same step: what is written down at its end belongs to it."""

    def told(self, words: str) -> None:
        """Show nothing."""

    def printed(self, output: bytes) -> None:
        """Show nothing."""

    # What boto3 tells of

    def before(self, model: Any, params: Any, **_: object) -> None:
        if self.is_dead:
            raise Killed
        like = (model.service_model.service_name, model.name, about(params.get("url_path", "/")))
        self._seen[like] += 1
        call = Call(self._step, *like, min(self._seen[like], COUNTED if like[0] == "s3" else 1))
        self._now.call = call
        self.calls.append(call)
        self._meet(Point(call, "before"))

    def after(self, **_: object) -> None:
        if self.is_dead:
            raise Killed
        self._meet(Point(self._now.call, "after"))

    def reborn(self) -> None:
        """Start another process."""
        self.is_dead, self._step = False, f"{self.run} start"
        self._seen.clear()

    def _meet(self, point: Point) -> None:
        found = next((each for each in self.wanted if self._is_meant(each, point)), None)
        died_here = sum(each.call.step == point.call.step for each in self.deaths)
        if found is not None and died_here < MOST_DEATHS:
            self.wanted.remove(found)
            self.deaths.append(point)
            self.is_dead = True
            raise Killed

    def _is_meant(self, wanted: Point, point: Point) -> bool:
        if self.is_strict:
            return wanted == point
        return (wanted.moment, *wanted.call[1:3]) == (point.moment, *point.call[1:3])

    @contextmanager
    def over(self, clients: Clients) -> Generator[None]:
        """Reap those who work with *clients*."""
        made = [clients(service) for service in SERVICES]
        for client in made:
            client.meta.events.register("before-call.*.*", self.before)
            client.meta.events.register("after-call.*.*", self.after)
        try:
            yield
        finally:
            for client in made:
                client.meta.events.unregister("before-call.*.*", self.before)
                client.meta.events.unregister("after-call.*.*", self.after)


def about(path: str) -> str:
    """Return the path of a request without digests, and without what makes a run's id its own."""
    short = re.sub(r"[0-9a-f]{32,}", "#", path)
    return re.sub(r"\d{8}-\d{6}-[0-9a-z]+", "run", short)


@dataclass(kw_only=True)
class Lives:
    """Controllers of one installation: at each time at most one lives."""

    bench: Bench
    clients: Clients
    workspace: Workspace
    settings: Settings
    reaper: Reaper
    born: int = 0

    def live(self, act: Callable[[Ports], None]) -> None:
        """Let one controller after the other begin *act*, until one has lived to its end."""
        self.reaper.run += 1
        while not self._survived(act):
            self._wait_for_the_lock()

    def ports(self) -> Ports:
        """Return what a new process works with: it knows nothing of those before, and that they are dead."""
        self.born += 1
        me = f"life {self.born}"
        opened = open_aws(
            self.workspace, self.settings, self.reaper, self.settings.home, owner=me, clients=self.clients
        )
        store = SqlRunStore(opened.database, opened.ports.clock, is_dead=lambda owner: owner != me)
        return hurried(replace(opened.ports, store=store, heart=StillHeart()), self.workspace, self.clients)

    def _survived(self, act: Callable[[Ports], None]) -> bool:
        self.reaper.reborn()
        try:
            with self.reaper.over(self.clients):
                act(self.ports())
        except Killed:
            return False
        return True

    def _wait_for_the_lock(self) -> None:
        """Let the time go by after which the lock of a dead one is nobody's."""
        try:
            self.bench.client("s3").delete_object(Bucket=BUCKET, Key=LOCK)
        except ClientError as error:
            if code_of(error) not in MISSING:
                raise
