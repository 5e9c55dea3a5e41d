"""The faults that a test asked for, and the calls that meet them."""

from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any, Literal

from tests.aws.bench.call import Call

Kind = Literal["error", "drop", "hang", "stale"]
PATIENCE = 60.0


@dataclass(slots=True, kw_only=True)
class Fault:
    """What happens to some calls.

    Args:
        service: boto3's name, or ``*``.
        operation: the API's name, or ``*``.
        kind: ``error`` answers with *code*; ``drop`` closes the connection; ``hang`` waits until it is released;
            ``stale`` gives the answer that the same call had before.
        moment: ``before`` the call is accepted, or ``after`` it was, when nobody hears of it.
        skip: so many calls pass first.
        times: so many calls meet it then.
        where: values that parameters of the call must have.
    """

    number: int = 0
    service: str
    operation: str = "*"
    kind: Kind = "error"
    moment: Literal["before", "after"] = "before"
    code: str = "InternalFailure"
    message: str = "The bench was told to fail."
    status: int = 400
    skip: int = 0
    times: int = 1
    key: str | None = None
    where: dict[str, Any] = field(default_factory=dict[str, Any])
    reached: Event = field(default_factory=Event)
    released: Event = field(default_factory=Event)
    is_dropped: bool = True

    def fits(self, call: Call) -> bool:
        """Return whether *call* is one of those meant."""
        if self.service not in {"*", call.service} or self.operation not in {"*", call.operation}:
            return False
        if self.key is not None and self.key != call.key:
            return False
        return all(call.params.get(name) == value for name, value in self.where.items())

    def hang(self) -> None:
        """Wait until the test releases the call."""
        self.reached.set()
        self.released.wait(PATIENCE)


class Faults:
    """The faults in force."""

    def __init__(self) -> None:
        self._faults: dict[int, Fault] = {}
        self._last = 0
        self._lock = Lock()

    def add(self, fault: Fault) -> int:
        with self._lock:
            self._last += 1
            fault.number = self._last
            self._faults[fault.number] = fault
            return fault.number

    def get(self, number: int) -> Fault:
        with self._lock:
            return self._faults[number]

    def remove(self, number: int) -> None:
        with self._lock:
            fault = self._faults.pop(number, None)
        if fault is not None:
            fault.released.set()

    def clear(self) -> None:
        """Forget all of them and let every call go that hangs."""
        with self._lock:
            going, self._faults = list(self._faults.values()), {}
        for fault in going:
            fault.released.set()

    def meeting(self, call: Call) -> Fault | None:
        """Return the fault that *call* meets, and count it."""
        with self._lock:
            for fault in self._faults.values():
                if fault.times > 0 and fault.fits(call):
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None
