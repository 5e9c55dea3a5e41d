"""The outbox in memory, by the same rules as the one in SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from threading import RLock

from everfit.adapters.memory.inbox import MemoryInbox
from everfit.adapters.memory.registry import MemoryRegistry
from everfit.adapters.memory.run_store import MemoryRunStore
from everfit.application.ports import Clock
from everfit.application.ports.outbox import Place
from everfit.domain import delivery as deliveries
from everfit.domain.delivery import Delivery, DeliveryState
from everfit.domain.errors import NotFoundError
from everfit.domain.notice import WELL, Notice, notices_of, rolled_back
from everfit.domain.run import Outcome, Run
from everfit.domain.storm import Earlier, plan, thread_of

DECISIVE = (*WELL, Outcome.FAILED)
ENDED = (DeliveryState.DELIVERED, DeliveryState.MUTED)


class MemoryOutbox:
    """Implements ``Outbox`` for tests and dry runs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turn = RLock()
        self._notices: dict[str, Notice] = {}
        self._addressed: set[str] = set()
        self._deliveries: dict[int, Delivery] = {}
        self._watched: dict[Place, datetime] = {}

    def follow(self, store: MemoryRunStore, registry: MemoryRegistry, inbox: MemoryInbox) -> None:
        """Note from now on what the store, the registry and the inbox have to tell."""
        inbox.on_notice.append(self._keep_notice)
        store.on_settled.append(lambda run: self._tell_of_run(run, store, registry))
        registry.on_rollback.append(lambda served, before: self._keep_notice(rolled_back(served, before)))

    def note(self, notice: Notice) -> bool:
        return self._keep_notice(notice)

    def unaddressed(self, model: str | None = None, *, after: int = 0, limit: int = 100) -> Sequence[Notice]:
        with self._turn:
            found = [one for one in self._notices.values() if one.id not in self._addressed and one.place > after]
            return [one for one in found if model in (None, one.model)][:limit]

    def address(self, notice: Notice, channels: Mapping[str, timedelta]) -> Sequence[Delivery]:
        now = self._clock.now()
        with self._turn:
            if notice.id in self._addressed:
                return ()
            self._addressed.add(notice.id)
            return [self._plan(notice, channel, window, now) for channel, window in channels.items()]

    def take(
        self, limit: int, models: frozenset[str] | None = None, environment: str | None = None
    ) -> Sequence[Delivery]:
        now = self._clock.now()
        with self._turn:
            waiting = [one for one in self._deliveries.values() if one.due is not None and one.due <= now]
            meant = [one for one in waiting if models is None or one.notice.model in models]
            meant = [one for one in meant if environment is None or one.notice.environment in (None, environment)]
            first = sorted(meant, key=lambda one: (one.attempts, one.id))[:limit]
            return [self._keep(deliveries.taken(one, now)) for one in first]

    def delivered(self, delivery: Delivery) -> None:
        self._keep(deliveries.arrived(delivery, self._clock.now()))

    def failed(self, delivery: Delivery, error: str) -> Delivery:
        return self._keep(deliveries.failed(delivery, error, self._clock.now()))

    def put_back(self, delivery: Delivery, due: datetime) -> None:
        self._keep(replace(delivery, attempts=delivery.attempts - 1, due=due))

    def give_up(self, delivery: Delivery, error: str) -> None:
        self._keep(deliveries.given_up(delivery, error, self._clock.now()))

    def retry(self, delivery: int) -> Delivery:
        with self._turn:
            if delivery not in self._deliveries:
                raise NotFoundError(f"There is no delivery {delivery}; `everfit alerts` lists them.")
            return self._keep(deliveries.tried_anew(self._deliveries[delivery], self._clock.now()))

    def deliveries(
        self,
        *,
        model: str | None = None,
        state: DeliveryState | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[Delivery]:
        with self._turn:
            found = [one for one in self._deliveries.values() if model in (None, one.notice.model)]
            found = [one for one in found if state in (None, one.state) and (before is None or one.id < before)]
            return found[::-1][:limit]

    def next_due(self) -> datetime | None:
        with self._turn:
            return min((one.due for one in self._deliveries.values() if one.due is not None), default=None)

    def newest(self, model: str, environment: str, cause: str) -> Notice | None:
        with self._turn:
            found = [one for one in self._notices.values() if (one.model, one.environment) == (model, environment)]
            return next((one for one in reversed(found) if one.cause == cause), None)

    def watch(self, places: Sequence[Place]) -> Mapping[Place, datetime]:
        with self._turn:
            return {place: self._watched.setdefault(place, self._clock.now()) for place in places}

    def _keep_notice(self, notice: Notice) -> bool:
        with self._turn:
            is_new = notice.id not in self._notices
            self._notices.setdefault(notice.id, replace(notice, place=len(self._notices) + 1))
            return is_new

    def _tell_of_run(self, run: Run, store: MemoryRunStore, registry: MemoryRegistry) -> None:
        before = [one for one in store.runs(run.model, run.environment) if one.id != run.id]
        last = next((one.outcome for one in before if one.ended and one.outcome in DECISIVE), None)
        serving = registry.champion(run.model, run.environment)
        had_failed = last is Outcome.FAILED
        for notice in notices_of(run, now=self._clock.now(), serving=serving, had_failed=had_failed):
            self._keep_notice(notice)

    def _plan(self, notice: Notice, channel: str, window: timedelta, now: datetime) -> Delivery:
        thread = [one for one in self._thread(notice, channel) if one.state is not DeliveryState.MUTED]
        others = [one for one in thread if one.notice.kind is not notice.kind]
        for held in others:
            if held.state is DeliveryState.WAITING and held.attempts == 0 and held.planned > now:
                self._mute(held, now)
        alike = [one for one in thread if (one.notice.kind, one.notice.cause) == (notice.kind, notice.cause)]
        last = alike[-1] if alike else None
        earlier = None if last is None else Earlier(planned=last.planned, repeats=last.repeats, since=last.since)
        changed = max((one.planned for one in others if one.planned <= now), default=None)
        planned = plan(notice, earlier, changed, now, window)
        if planned.supersedes and last is not None:
            self._mute(last, now)
        return self._keep(
            Delivery(
                id=len(self._deliveries) + 1,
                notice=notice,
                channel=channel,
                state=DeliveryState.WAITING,
                planned=planned.due,
                due=planned.due,
                repeats=planned.repeats,
                since=planned.since,
            )
        )

    def _thread(self, notice: Notice, channel: str) -> Sequence[Delivery]:
        place = (notice.model, notice.environment, thread_of(notice), channel)
        found = self._deliveries.values()
        return [
            one
            for one in found
            if (one.notice.model, one.notice.environment, thread_of(one.notice), one.channel) == place
        ]

    def _mute(self, delivery: Delivery, now: datetime) -> None:
        self._keep(replace(delivery, state=DeliveryState.MUTED, due=None, ended=now))

    def _keep(self, delivery: Delivery) -> Delivery:
        with self._turn:
            known = self._deliveries.get(delivery.id)
            if known is None or known.state not in ENDED:
                self._deliveries[delivery.id] = delivery
            return delivery
