"""Deliver events over HTTP until each delivery is accepted, as a patient sender does."""

import http.client
import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Final

from everfit.interfaces.chaos.models import SOURCE, model_name
from everfit.interfaces.chaos.plan import Delivery

PATIENCE: Final = 10.0
PAUSE: Final = 0.05


@dataclass(slots=True)
class Times:
    """Seconds until a delivery was accepted.

    Args:
        whole: from the first try, with the time that the service was down.
        answered: of the try that was accepted.
    """

    whole: list[float] = field(default_factory=list[float])
    answered: list[float] = field(default_factory=list[float])


class Senders:
    """Several senders at once, who share the deliveries.

    Args:
        reached: is called with the number of each delivery before it is sent.
    """

    def __init__(self, deliveries: Sequence[Delivery], port: int, reached: Callable[[int], None]) -> None:
        self.times = Times()
        self.refused: list[str] = []
        self._deliveries, self._port, self._reached = deliveries, port, reached
        self._next = 0
        self._lock = Lock()
        self._pause = Event()

    def send(self, count: int) -> None:
        """Deliver everything by so many senders."""
        threads = [Thread(target=self._go, name=f"sender-{number}", daemon=True) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _go(self) -> None:
        while (number := self._taken()) is not None:
            self._reached(number)
            begun = time.monotonic()
            answered = self._delivered(self._deliveries[number])
            with self._lock:
                self.times.whole.append(time.monotonic() - begun)
                self.times.answered.append(answered)

    def _taken(self) -> int | None:
        with self._lock:
            number = self._next
            self._next += 1
        return number if number < len(self._deliveries) else None

    def _delivered(self, delivery: Delivery) -> float:
        while True:
            begun = time.monotonic()
            status = self._status(delivery)
            if 200 <= status < 300:
                return time.monotonic() - begun
            if 400 <= status < 500 and status != http.client.TOO_MANY_REQUESTS:
                self.refused.append(f"{delivery.event}: {status}")
                return time.monotonic() - begun
            self._pause.wait(PAUSE)

    def _status(self, delivery: Delivery) -> int:
        """Return what the service says; 0 when it is not there."""
        body: dict[str, object] = {
            "specversion": "1.0",
            "id": delivery.event,
            "source": SOURCE,
            "type": model_name(delivery.model),
            "datacontenttype": "application/json",
            "data": {},
        }
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            with closing(connection):
                headers = {"Content-Type": "application/cloudevents+json"}
                connection.request("POST", "/events", body=json.dumps(body), headers=headers)
                response = connection.getresponse()
                response.read()
                return response.status
        except (OSError, http.client.HTTPException):
            return 0
