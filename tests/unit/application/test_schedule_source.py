from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any, cast
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from everfit.adapters.memory.inbox import MemoryInbox
from everfit.application.sources.schedules import IDLE, ScheduleSource
from everfit.application.workspace import Workspace
from everfit.domain.errors import BackendError
from everfit.domain.schedule import Timetable, times_of
from everfit.domain.trigger import TriggerEvent, TriggerKind
from everfit.domain.triggers import Schedule
from tests.fakes import Fused, Killed, World
from tests.watching import KeptOutbox

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
WEEKLY = "0 0 * * SAT"


def schedule(expression: str, zone: str = "UTC", environments: tuple[str, ...] = ("production",)) -> Schedule:
    key = f"schedule:{expression}@{zone}"
    return Schedule(key=key, environments=environments, expression=expression, timezone=zone)


@dataclass
class Scheduled:
    """A model with schedules, looked at whenever a test says so."""

    triggers: Sequence[Schedule]
    now: datetime = NOON
    world: World = field(default_factory=World)
    outbox: KeptOutbox = field(default_factory=KeptOutbox)
    lost: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.inbox = MemoryInbox(self.world.store, self.world.clock)
        self.source = self.started()

    def started(self) -> ScheduleSource:
        fused = cast("Any", Fused(self.inbox, self.world.fuse))
        source = ScheduleSource(fused, cast("Any", self.outbox), self.zone)
        source.keep((self.workspace(*self.triggers),))
        return source

    def zone(self, name: str) -> ZoneInfo:
        if name in self.lost:
            raise BackendError(f"This machine no longer knows the time zone {name}.")
        return ZoneInfo(name)

    def workspace(self, *triggers: Schedule) -> Workspace:
        before = self.world.workspace
        return replace(before, project=replace(before.project, triggers=triggers))

    def edit(self, *triggers: Schedule) -> None:
        self.source.keep((self.workspace(*triggers),))
        self.source.look(self.now)

    def look(self, at: datetime | None = None) -> datetime:
        self.now = at or self.now
        return self.source.look(self.now)

    @property
    def events(self) -> list[TriggerEvent]:
        return [record.event for record in reversed(self.inbox.events(limit=10_000))]

    @property
    def ticks(self) -> list[str]:
        return [f"{event.at:%m-%d %H:%M}" for event in self.events]


def watched(*triggers: Schedule) -> Scheduled:
    """Return schedules that were seen for the first time at noon on the first of January, a Thursday."""
    made = Scheduled(triggers)
    made.look()
    return made


def test_a_schedule_that_is_seen_for_the_first_time_fires_nothing() -> None:
    made = watched(schedule(WEEKLY))
    made.look()
    assert made.events == []


def test_a_look_is_due_at_the_very_tick() -> None:
    made = watched(schedule("30 12 * * *"))
    assert made.look() == NOON.replace(minute=30)


def test_without_a_tick_near_the_clock_is_looked_at_each_hour() -> None:
    assert watched(schedule(WEEKLY)).look() == NOON + IDLE
    assert watched().look() == NOON + IDLE


def test_a_tick_becomes_one_event_that_names_it() -> None:
    made = watched(schedule(WEEKLY, "America/New_York"))
    made.look(datetime(2026, 1, 3, 5, tzinfo=UTC))
    made.look(datetime(2026, 1, 3, 5, 0, 1, tzinfo=UTC))
    (event,) = made.events
    assert event.id == "schedule:0 0 * * SAT@America/New_York:2026-01-03T05:00:00+00:00"
    assert (event.kind, event.trigger) == (TriggerKind.SCHEDULE, "schedule:0 0 * * SAT@America/New_York")
    assert event.subject == "0 0 * * SAT (America/New_York), due 2026-01-03 00:00"


def test_the_ticket_scenario_trains_on_sundays_at_nine() -> None:
    made = watched(schedule("cron(0 9 ? * SUN *)"))
    for day in range(1, 15):
        made.look(datetime(2026, 1, day, 9, 0, 0, 500, tzinfo=UTC))
    assert made.ticks == ["01-04 09:00", "01-11 09:00"]


def test_each_environment_of_a_schedule_has_its_own_event() -> None:
    made = watched(schedule(WEEKLY, environments=("staging", "production")))
    made.look(NOON + 3 * DAY)
    assert {event.environment for event in made.events} == {"staging", "production"}


def test_missed_ticks_are_one_event_that_says_how_many() -> None:
    made = watched(schedule("0 * * * *"))
    made.look(NOON + timedelta(hours=5, minutes=30))
    assert made.ticks == ["01-01 17:00"]
    assert made.events[0].subject.endswith("; 4 missed before it")


def test_a_restart_fires_what_was_missed_once() -> None:
    made = watched(schedule(WEEKLY))
    made.now = NOON + 30 * DAY
    for _ in range(2):
        made.source = made.started()
        made.look()
    assert made.ticks == ["01-31 00:00"]


def test_an_edited_schedule_fires_nothing_and_the_old_one_never_again() -> None:
    made = watched(schedule("0 13 * * *"))
    made.now = NOON + timedelta(hours=2)
    made.edit(schedule("30 13 * * *"))
    made.edit(schedule("0 13 * * *"))
    assert made.events == []
    assert list(made.inbox.marks("schedule:")) == ["schedule:line:production:schedule:0 13 * * *@UTC"]


def test_a_project_that_is_away_for_a_while_is_not_forgotten() -> None:
    made = watched(schedule("0 13 * * *"))
    made.source.keep(())
    made.look(NOON + HOUR / 2)
    made.source = made.started()
    made.look(NOON + 2 * HOUR)
    assert made.ticks == ["01-01 13:00"]


def test_a_clock_that_is_put_back_an_hour_fires_nothing_twice() -> None:
    made = watched(schedule("0 * * * *"))
    for minutes in (60, 61, 5, 61, 119, 120):
        made.look(NOON + timedelta(minutes=minutes))
    assert made.ticks == ["01-01 13:00", "01-01 14:00"]


def test_a_clock_that_is_put_forward_a_day_fires_the_newest_tick() -> None:
    made = watched(schedule("0 * * * *"))
    made.look(NOON + DAY)
    assert made.ticks == ["01-02 12:00"]


def test_a_clock_that_was_wrong_for_years_does_not_silence_a_schedule() -> None:
    made = watched(schedule("0 13 * * *"))
    made.look(NOON + 900 * DAY)
    made.look(NOON + SECOND)
    made.look(NOON + HOUR)
    assert made.ticks[1:] == ["01-01 13:00"]


def test_two_services_on_one_inbox_fire_a_tick_once() -> None:
    made = watched(schedule("0 13 * * *"))
    other = made.started()
    for source in (made.source, other, made.source):
        source.look(NOON + HOUR)
    assert made.ticks == ["01-01 13:00"]


def test_a_rate_goes_on_from_where_it_was_first_seen_through_a_restart() -> None:
    made = watched(schedule("rate(90 minutes)"))
    made.look(NOON + HOUR)
    made.source = made.started()
    made.look(NOON + 2 * HOUR)
    assert made.ticks == ["01-01 13:30"]


def test_a_schedule_without_a_time_to_come_is_told_of_once() -> None:
    made = watched(schedule("cron(0 13 1 1 ? 2026)"))
    made.look(NOON + HOUR)
    made.look(NOON + 2 * HOUR)
    made.source = made.started()
    made.look()
    (notice,) = made.outbox.noted.values()
    assert notice.facts["reason"] == "The schedule cron(0 13 1 1 ? 2026) has ended: it names no time to come."
    assert made.ticks == ["01-01 13:00"]


def test_a_lost_time_zone_is_told_of_and_kept_from_other_schedules_until_it_is_found() -> None:
    made = Scheduled((schedule("0 18 * * *", "Asia/Kolkata"), schedule("0 13 * * *")), lost=("Asia/Kolkata",))
    made.look()
    made.look(NOON + HOUR)
    assert made.ticks == ["01-01 13:00"]
    assert made.outbox.told == [("trouble", "This machine no longer knows the time zone Asia/Kolkata.")]
    made.lost = ()
    made.look(NOON + 2 * HOUR)
    made.look(NOON + DAY + HOUR)
    assert made.ticks == ["01-01 13:00", "01-02 12:30", "01-02 13:00"]


def test_a_mark_that_makes_no_sense_counts_as_none() -> None:
    made = Scheduled((schedule("0 13 * * *"),))
    made.inbox.accept((), {"schedule:line:production:schedule:0 13 * * *@UTC": {"last": "soon"}})
    made.look()
    made.look(NOON + HOUR)
    assert made.ticks == ["01-01 13:00"]


def test_a_kill_at_any_call_costs_no_tick_and_doubles_none() -> None:
    for after in (False, True):
        for call in count(1):
            made = watched(schedule("0 13 * * *"), schedule("15 13 * * *"))
            if not made.world.killed_at(call, after=after, act=partial(made.look, NOON + 2 * HOUR)):
                break
            made.source = made.started()
            made.look(NOON + 2 * HOUR)
            assert sorted(made.ticks) == ["01-01 13:00", "01-01 13:15"]


def test_a_look_that_fails_is_made_up_for() -> None:
    made = watched(schedule("0 13 * * *"))
    made.world.fuse.left = 1
    try:
        made.look(NOON + HOUR)
    except Killed:
        made.world.fuse.left = None
    made.look(NOON + HOUR + SECOND)
    assert made.ticks == ["01-01 13:00"]


def test_a_thousand_models_wait_in_one_list() -> None:
    made = Scheduled(())
    line = schedule("0 13 * * *")
    projects = [replace(made.workspace(line), project=named(made.workspace(line), f"m{n}")) for n in range(1_000)]
    made.source.keep(projects)
    made.look()
    assert made.look(NOON + HOUR) == NOON + HOUR + IDLE
    assert len({event.model for event in made.events}) == 1_000


def named(workspace: Workspace, model: str) -> Any:
    return replace(workspace.project, model=model)


steps = st.lists(st.tuples(st.integers(0, 100_000), st.booleans()), min_size=1, max_size=12)


@given(st.sampled_from(("0 */5 * * *", "45 1 * * *", "rate(7 hours)", "30 * * * *")), steps)
def test_each_tick_is_fired_or_merged_exactly_once(expression: str, seconds: list[tuple[int, bool]]) -> None:
    made = watched(schedule(expression, "America/New_York"))
    for each, is_restart in seconds:
        if is_restart:
            made.source = made.started()
        made.look(made.now + timedelta(seconds=each))
    table = Timetable(times=times_of(expression), zone=ZoneInfo("America/New_York"), anchor=NOON)
    missed = table.missed(NOON, made.now)
    told = sum(1 + cast("int", event.detail["missed"]) for event in made.events)
    assert told == (0 if missed is None else missed.count)
    assert len({event.id for event in made.events}) == len(made.events)
