"""Lets a storm loose on a service of its own, and has what is left examined."""

import http.client
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random  # noqa: TID251 - a storm is drawn by chance that its seed repeats
from threading import Condition, Event, Thread
from typing import Final

from everfit.interfaces.chaos.checker import Findings, check, is_settled
from everfit.interfaces.chaos.models import add_data, model_name, write_model
from everfit.interfaces.chaos.plan import Scale, Storm, storm_of
from everfit.interfaces.chaos.senders import Senders, Times
from everfit.interfaces.chaos.victim import Victim

SENDERS: Final = 8
LONGEST_SETTLING: Final = 1800.0
LOOK: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What a storm did.

    Args:
        deliveries: how many there were of all events.
        refused: deliveries that the service turned away, which none should be.
        storming: seconds from the first delivery to the last.
        settling: seconds from there until everything had its end.
    """

    findings: Findings
    deliveries: int
    kills: int
    refused: tuple[str, ...]
    times: Times
    storming: float
    settling: float

    @property
    def is_well(self) -> bool:
        """Whether every promise held."""
        return self.findings.is_well and not self.refused


def storm(scale: Scale, surroundings: Mapping[str, str], say: Callable[[str], None]) -> Aftermath:
    """Run one storm in a temporary folder; it is kept when a promise was broken.

    Args:
        surroundings: environment of the service.
        say: is told how it goes on.
    """
    tree = Path(tempfile.mkdtemp(prefix="everfit-chaos-"))
    for number in range(scale.models):
        write_model(tree, number)
    kept = {name: value for name, value in surroundings.items() if not name.startswith("EVERFIT_")}
    tempest = _Tempest(scale, tree, kept, say)
    try:
        aftermath = tempest.rage()
    finally:
        tempest.end()
    if aftermath.is_well:
        shutil.rmtree(tree, ignore_errors=True)
    else:
        say(f"everything is kept in {tree}")
    return aftermath


class _Tempest:
    def __init__(self, scale: Scale, tree: Path, surroundings: Mapping[str, str], say: Callable[[str], None]) -> None:
        self._scale, self._tree, self._say = scale, tree, say
        self._chance = Random(scale.seed)  # noqa: S311 - nothing is kept secret by it
        self._storm: Storm = storm_of(scale, self._chance)
        self._port, host_port = _free_ports()
        self._victim = Victim(tree, self._port, {**surroundings, "EVERFIT_PORT": str(host_port)})
        self._host = host_port
        self._reached = 0
        self._news = list(self._storm.news)
        self._moved = Condition()
        self._pause = Event()

    @property
    def _database(self) -> Path:
        return self._tree / ".everfit" / "state.db"

    def rage(self) -> Aftermath:
        """Deliver, kill, wait until all is settled, and look."""
        self._victim.start()
        self._say(f"{len(self._storm.deliveries)} deliveries of {self._scale.events} events begin")
        senders = Senders(self._storm.deliveries, self._port, self._note)
        sending = Thread(target=senders.send, args=(SENDERS,), name="senders", daemon=True)
        begun = time.monotonic()
        sending.start()
        late = self._kill_while(sending)
        sending.join()
        sent = time.monotonic()
        self._kill_at_random(late)
        self._settle()
        settled = time.monotonic()
        return Aftermath(
            findings=check(self._database, self._storm.deliveries, self._serving()),
            deliveries=len(self._storm.deliveries),
            kills=len(self._storm.kills),
            refused=tuple(senders.refused),
            times=senders.times,
            storming=sent - begun,
            settling=settled - sent,
        )

    def end(self) -> None:
        """Leave no process behind."""
        self._victim.end()
        self._victim.stop_host()

    def _note(self, number: int) -> None:
        with self._moved:
            while self._news and self._news[0][0] <= number:
                when, model = self._news.pop(0)
                add_data(self._tree, model, f"news-{when}")
            self._reached = max(self._reached, number)
            self._moved.notify_all()

    def _kill_while(self, sending: Thread) -> int:
        """Kill the service at the deliveries that were drawn; return how many kills are left for later."""
        last = len(self._storm.deliveries) - 1
        early = [kill for kill in self._storm.kills if kill <= last]
        for number, kill in enumerate(early, 1):
            self._wait_for(kill, sending)
            self._kill(number)
        return len(self._storm.kills) - len(early)

    def _wait_for(self, delivery: int, sending: Thread) -> None:
        with self._moved:
            self._moved.wait_for(lambda: self._reached >= delivery or not sending.is_alive())

    def _kill_at_random(self, count: int) -> None:
        for number in range(count):
            self._pause.wait(self._chance.uniform(0.0, 2.0))
            self._kill(len(self._storm.kills) - count + number + 1)

    def _kill(self, number: int) -> None:
        self._pause.wait(self._chance.uniform(0.0, 0.1))
        self._victim.kill()
        self._victim.start()
        self._say(f"killed {number} times, {self._reached + 1} deliveries begun")

    def _settle(self) -> None:
        end = time.monotonic() + LONGEST_SETTLING
        while not is_settled(self._database) and time.monotonic() < end:
            self._pause.wait(LOOK)

    def _serving(self) -> Mapping[str, int | None]:
        return {name: self._answering(name) for name in map(model_name, range(self._scale.models))}

    def _answering(self, model: str) -> int | None:
        """Return the version that answers; None when none does."""
        headers = {"Content-Type": "application/json"}
        with closing(http.client.HTTPConnection("127.0.0.1", self._host, timeout=30)) as connection:
            try:
                connection.request("POST", f"/endpoints/{model}/invocations", body=b"{}", headers=headers)
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException):
                return None
        version = response.headers.get("X-Everfit-Version")
        return int(version) if response.status == http.client.OK and version else None


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]
