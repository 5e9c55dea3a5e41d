"""The outbox in SQL, in the same database as what it tells of."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from everfit.adapters.sql import outbox_rows
from everfit.adapters.sql.database import Database
from everfit.application.ports import Clock
from everfit.application.ports.outbox import Place
from everfit.domain import delivery as deliveries
from everfit.domain.delivery import Delivery, DeliveryState
from everfit.domain.errors import NotFoundError
from everfit.domain.notice import Notice
from everfit.domain.record import instant
from everfit.domain.storm import plan


class SqlOutbox:
    """Implements ``Outbox``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def note(self, notice: Notice) -> bool:
        with self._database.transaction() as rows:
            return outbox_rows.add_notice(rows, notice)

    def unaddressed(self, model: str | None = None, *, after: int = 0, limit: int = 100) -> Sequence[Notice]:
        of_model = "" if model is None else " and model = :model"
        with self._database.reading() as rows:
            found = rows.all(
                f"select * from notice where addressed is null and place > :after{of_model}"  # noqa: S608
                " order by place limit :limit",
                {"model": model, "after": after, "limit": limit},
            )
            return [outbox_rows.notice_of(row) for row in found]

    def address(self, notice: Notice, channels: Mapping[str, timedelta]) -> Sequence[Delivery]:
        now = self._clock.now()
        with self._database.transaction() as rows:
            if not outbox_rows.close_notice(rows, notice, now):
                return ()
            for channel, window in channels.items():
                outbox_rows.mute_others(rows, notice, channel, now)
                found = outbox_rows.earlier(rows, notice, channel)
                changed = None if found is None else outbox_rows.changed(rows, notice, channel, now)
                planned = plan(notice, None if found is None else found[1], changed, now, window)
                if planned.supersedes and found is not None:
                    outbox_rows.mute(rows, found[0], now)
                outbox_rows.add_delivery(rows, notice, channel, planned)
            made = rows.all(f"{outbox_rows.DELIVERIES} where d.notice = :id order by d.place", {"id": notice.id})
            return [outbox_rows.delivery_of(row) for row in made]

    def take(
        self, limit: int, models: frozenset[str] | None = None, environment: str | None = None
    ) -> Sequence[Delivery]:
        now = self._clock.now()
        names, values = outbox_rows.named(sorted(models or ()), "model")
        of_models = "" if models is None else f" and d.model in ({names or 'null'})"
        there = "" if environment is None else " and (n.environment = :environment or n.environment is null)"
        with self._database.transaction() as rows:
            found = rows.all(
                f"{outbox_rows.DELIVERIES} where d.state = 'waiting' and d.due <= :now{of_models}{there}"
                " order by d.attempts, d.place limit :limit",
                {**values, "now": instant(now), "limit": limit, "environment": environment},
            )
            taken = [deliveries.taken(outbox_rows.delivery_of(row), now) for row in found]
            for each in taken:
                outbox_rows.keep_delivery(rows, each)
            return taken

    def delivered(self, delivery: Delivery) -> None:
        self._keep(deliveries.arrived(delivery, self._clock.now()))

    def failed(self, delivery: Delivery, error: str) -> Delivery:
        return self._keep(deliveries.failed(delivery, error, self._clock.now()))

    def put_back(self, delivery: Delivery, due: datetime) -> None:
        self._keep(replace(delivery, attempts=delivery.attempts - 1, due=due))

    def give_up(self, delivery: Delivery, error: str) -> None:
        self._keep(deliveries.given_up(delivery, error, self._clock.now()))

    def retry(self, delivery: int) -> Delivery:
        with self._database.transaction() as rows:
            row = rows.one(f"{outbox_rows.DELIVERIES} where d.place = :number", {"number": delivery})
            if row is None:
                raise NotFoundError(f"There is no delivery {delivery}; `everfit alerts` lists them.")
            again = deliveries.tried_anew(outbox_rows.delivery_of(row), self._clock.now())
            outbox_rows.keep_delivery(rows, again)
            return again

    def deliveries(
        self,
        *,
        model: str | None = None,
        state: DeliveryState | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[Delivery]:
        given = {"model": model, "state": state and state.value}
        terms = [f"d.{name} = :{name}" for name, value in given.items() if value is not None]
        terms += [] if before is None else ["d.place < :before"]
        where = f" where {' and '.join(terms)}" if terms else ""
        with self._database.reading() as rows:
            found = rows.all(
                f"{outbox_rows.DELIVERIES}{where} order by d.place desc limit :limit",
                {**given, "before": before, "limit": limit},
            )
            return [outbox_rows.delivery_of(row) for row in found]

    def next_due(self) -> datetime | None:
        with self._database.reading() as rows:
            row = rows.one("select min(due) as due from delivery where state = 'waiting'", {})
            return None if row is None or row["due"] is None else outbox_rows.moment(row["due"])

    def newest(self, model: str, environment: str, cause: str) -> Notice | None:
        with self._database.reading() as rows:
            row = rows.one(
                "select * from notice where model = :model and environment = :environment and cause = :cause"
                " order by place desc limit 1",
                {"model": model, "environment": environment, "cause": cause},
            )
            return None if row is None else outbox_rows.notice_of(row)

    def watch(self, places: Sequence[Place]) -> Mapping[Place, datetime]:
        since = self._watched()
        new = [place for place in places if place not in since]
        if new:
            with self._database.transaction() as rows:
                for model, environment in new:
                    rows.write(
                        "insert into watched (model, environment, since) values (:model, :environment, :now)"
                        " on conflict (model, environment) do nothing",
                        {"model": model, "environment": environment, "now": instant(self._clock.now())},
                    )
            since = self._watched()
        return {place: since[place] for place in places}

    def _watched(self) -> Mapping[Place, datetime]:
        with self._database.reading() as rows:
            found = rows.all("select * from watched", {})
            return {(row["model"], row["environment"]): outbox_rows.moment(row["since"]) for row in found}

    def _keep(self, delivery: Delivery) -> Delivery:
        with self._database.transaction() as rows:
            outbox_rows.keep_delivery(rows, delivery)
        return delivery
