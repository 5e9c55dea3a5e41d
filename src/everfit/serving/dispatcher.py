"""Which process answers which requests, and what becomes of a request whose process ends.

Every call that is submitted is answered exactly once, whatever happens: by a process, or by the reason why none has.
Nothing here waits, and there is no task for a request.
"""

import asyncio
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Final

from everfit.domain.endpoint import Service
from everfit.serving.frames import Reply, Request, Trouble, excuse
from everfit.serving.gathering import Gathering
from everfit.serving.waiting import Call, Waiting
from everfit.serving.worker_process import Worker

SWEEP: Final = 0.1
"""Seconds between two looks at what takes too long."""
PATIENCE_AGAIN: Final = 2
"""A request that lost its process may wait for another one this many times as long as any: those that were asked
together with it wait in front of it."""


class Dispatcher:
    """Hands the requests of one version to its idle processes.

    Args:
        name: the version, for its excuses.
        timeout: seconds for an answer, and for waiting for a process.
    """

    def __init__(self, name: str, service: Service, timeout: float) -> None:
        self.batches: dict[int, int] = {}
        self.waits = 0.0
        self.sent = 0
        self.under_way = 0
        self.freed: Callable[[Worker], None] = _stay
        self.answered: Callable[[], None] = _nothing
        self.all_answered = asyncio.Event()
        self.all_answered.set()
        self.refusal: str | None = None
        self._name = name
        self._service = service
        self.timeout = timeout
        self._waiting = Waiting()
        self._gathering = Gathering(service, timeout)
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._loop = asyncio.get_running_loop()
        self._busy_seconds = 0.0
        self._come = self._back_at = self._answered_then = 0
        self._since_then = 0.0
        self._turn_is_due = False
        self._sweep_is_due = False
        self._pause: asyncio.TimerHandle | None = None

    @property
    def queue(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    @property
    def call_seconds(self) -> float:
        """How long a call of the model took lately."""
        return self._gathering.call

    @property
    def busy_seconds(self) -> float:
        """How long processes were busy, all together."""
        now = monotonic()
        return self._busy_seconds + sum(now - worker.since for worker in self._busy)

    @property
    def oldest_wait(self) -> float:
        """How long the next request has waited, in seconds; 0 when none waits."""
        since = self._waiting.oldest_since()
        return 0.0 if since is None else monotonic() - since

    def submit(self, request: Request, done: Callable[[Reply], None]) -> None:
        """Take a request."""
        if self.refusal is not None:
            done(self._unavailable(self.refusal))
            return
        if len(self._waiting) >= self._service.queue + len(self._idle) * self._service.batch:
            done(excuse(Trouble.OVERLOADED, 503, f"Version {self._name} has too many requests waiting. Try again."))
            return
        now = monotonic()
        self._waiting.add(Call(request, done, now, now + self.timeout))
        self._come += 1
        if self._come == self._back_at:
            self._gathering.came_back(self._answered_then, now - self._since_then)
        self.all_answered.clear()
        if not self._turn_is_due and self._idle:
            # What is read from the connections in the same turn of the loop goes together.
            self._turn_is_due = True
            self._loop.call_soon(self._turn)
        if not self._sweep_is_due:
            self._sweep_is_due = True
            self._loop.call_later(SWEEP, self._sweep)

    def refuse(self, why: str | None) -> None:
        """Answer everything that waits, and from now on everything that comes, with why it cannot be answered."""
        self.refusal = why
        if why is not None:
            self._give_up(self._waiting.take_all(), self._unavailable(why))

    def _unavailable(self, why: str) -> Reply:
        return excuse(Trouble.UNAVAILABLE, 503, f"Version {self._name} cannot answer now. {why}")

    def detach(self) -> None:
        """Tell nobody of anything any more: what has gone is then forgotten at once, without a search for cycles."""
        self.freed, self.answered = _stay, _nothing

    def add(self, worker: Worker) -> None:
        """Give it a process that can answer."""
        worker.answered = self._answers
        self._gathering.fixed_cost = worker.fixed_cost
        self._idle.append(worker)
        self._turn()

    def withdraw(self, worker: Worker) -> None:
        """Give a process nothing more; ``freed`` is called when it has answered what it has."""
        worker.is_leaving = True
        if worker in self._idle:
            self._idle.remove(worker)
            self.freed(worker)

    def _turn(self) -> None:
        self._turn_is_due = False
        while self._idle and self._waiting:
            waiting = len(self._waiting)
            processes = len(self._idle) + len(self._busy)
            if self._idle[-1].can_join and (pause := self._gathering.pause(waiting, self.under_way, processes)):
                if self._pause is None:
                    self._pause = self._loop.call_later(pause, self._pause_is_over)
                return
            self._send_next(waiting)

    def _pause_is_over(self) -> None:
        self._pause = None
        # Who has not come back by now is not waited for.
        self._back_at = self._come
        if self._idle and self._waiting:
            self._send_next(len(self._waiting))
            self._turn()

    def _send_next(self, waiting: int) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        self._gathering.sent(waiting + self.under_way + max(0, self._back_at - self._come))
        most = 1 if waiting == 1 else self._gathering.share(len(self._idle) + len(self._busy))
        worker = self._idle.pop()
        calls = self._waiting.take(most if worker.can_join else 1)
        self.waits += monotonic() - calls[0].since
        self.sent += 1
        self.under_way += len(calls)
        bucket = (len(calls) - 1).bit_length()
        self.batches[bucket] = self.batches.get(bucket, 0) + 1
        self._busy.add(worker)
        worker.send(calls)

    def _answers(self, worker: Worker, answers: list[tuple[Call, Reply]]) -> None:
        self.under_way -= len(answers)
        worker.heard = monotonic()
        if not worker.calls:
            seconds = worker.heard - worker.since
            self._gathering.answered(worker.asked, seconds)
            # When so many more have come, those that are answered now are taken to be back.
            self._answered_then, self._since_then = worker.asked, worker.heard
            self._back_at = self._come + worker.asked
            self._busy_seconds += seconds
            self._busy.discard(worker)
            if worker.is_leaving:
                self.freed(worker)
            elif not worker.is_over:
                self._idle.append(worker)
                # The process goes on at once, while the answers of its last call are being sent.
                self._turn()
        self.answered()
        for call, reply in answers:
            self._tell(call, reply)
        self._look_for_end()

    def _tell(self, call: Call, reply: Reply) -> None:
        try:
            call.done(reply)
        except Exception as error:  # noqa: BLE001 - what one caller does wrong must not keep the others from their answers
            self._loop.call_exception_handler({"message": "An answer could not be handed on.", "exception": error})

    def _give_up(self, calls: Iterable[Call], reply: Reply) -> None:
        for call in calls:
            self._tell(call, reply)
        self._look_for_end()

    def _look_for_end(self) -> None:
        if not self._waiting and not self.under_way:
            self.all_answered.set()

    def lost(self, worker: Worker) -> list[Call]:
        """Have the calls of a process that has ended asked again, each alone, or answered; return them."""
        if worker in self._idle:
            self._idle.remove(worker)
        if worker in self._busy:
            self._busy.discard(worker)
            self._busy_seconds += monotonic() - worker.since
        calls, worker.calls = list(worker.calls.values()), {}
        self.under_way -= len(calls)
        is_alone = len(calls) == 1
        if is_alone and worker.is_stuck:
            seconds = f"{self.timeout:g}"
            message = f"The model did not answer within {seconds} s; its process was replaced."
            self._give_up(calls, excuse(Trouble.TIMEOUT, 504, message))
            return calls
        now = monotonic()
        again: list[Call] = []
        for call in calls:
            call.lost += 1
            call.until = now + PATIENCE_AGAIN * self.timeout
            if call.lost < 2:
                again.append(call)
        self._waiting.add_again(again)
        message = f"The model's process ended at this request, twice: {worker.how}"
        self._give_up([call for call in calls if call.lost > 1], excuse(Trouble.MODEL, 500, message))
        if self.refusal is not None:
            self.refuse(self.refusal)
        self._turn()
        return calls

    def _sweep(self) -> None:
        """End what takes too long."""
        now = monotonic()
        for worker in [each for each in self._busy if now - each.heard >= self.timeout and not each.is_stuck]:
            worker.is_stuck = True
            worker.kill()
        late = self._waiting.take_late(now)
        self._give_up(late, self._unavailable("None of its processes became free in time."))
        self._sweep_is_due = bool(self._busy or self._waiting)
        if self._sweep_is_due:
            self._loop.call_later(SWEEP, self._sweep)


def _stay(_worker: Worker) -> None:
    """Nobody waits for a process to become free."""


def _nothing() -> None:
    """Nobody counts answers."""
