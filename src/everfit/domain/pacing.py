"""May a run start for what waits? Each trigger has its pace; a pause, a run under way and the budget hold them all.

A decision is made of sums alone, so it costs the same for one event and for 100,000.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from everfit.domain.amounts import lasting
from everfit.domain.inbox import Backlog, Pause, Waiting
from everfit.domain.trigger import Amount
from everfit.domain.triggers import Pace, Trigger

AT_ONCE: Final = Pace()


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What besides the events bears on the decision.

    Args:
        busy: run that has neither ended nor waits for a person.
        last_started: when the newest run that counts was started.
        started_this_month: how many runs that count were started in the calendar month (UTC) of now.
        budget: most of them; None is no limit.
        forced: whether a person asks for a run whatever it costs.
    """

    pause: Pause | None = None
    busy: str | None = None
    last_started: datetime | None = None
    started_this_month: int = 0
    budget: int | None = None
    forced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A run may start now, for this reason."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Nothing starts yet.

    Args:
        until: when to ask again; None means when something else has happened.
    """

    until: datetime | None
    why: str


def decide(waiting: Waiting, triggers: Sequence[Trigger], state: State, now: datetime) -> Start | Held | None:
    """Return whether a run may start for what waits; None when nothing waits.

    When one trigger may start, all that waits joins its run.
    """
    if not waiting.backlogs:
        return None
    held = _held_by_all(state, now)
    if held is not None:
        return held
    paces = {trigger.key: trigger.pace for trigger in triggers}
    answers = [
        _of_trigger(backlog, paces.get(key, AT_ONCE), waiting.unconsumed, state, now)
        for key, backlog in waiting.backlogs.items()
    ]
    start = next((answer for answer in answers if isinstance(answer, Start)), None)
    return start or _soonest([answer for answer in answers if isinstance(answer, Held)])


def _held_by_all(state: State, now: datetime) -> Held | None:
    if state.pause is not None:
        return Held(until=None, why=f"paused by {state.pause.actor}: {state.pause.reason}")
    if state.busy is not None:
        return Held(until=None, why=f"run {state.busy} is under way; one more follows it")
    if state.budget is not None and state.started_this_month >= state.budget and not state.forced:
        runs = "1 run" if state.budget == 1 else f"{state.budget} runs"
        return Held(until=_next_month(now), why=f"the budget of {runs} for {now:%B %Y} is used up")
    return None


def _of_trigger(backlog: Backlog, pace: Pace, unconsumed: Amount, state: State, now: datetime) -> Start | Held:
    missing = _missing(backlog.amount + unconsumed, pace.at_least)
    if missing is not None:
        return Held(until=None, why=f"{_name(backlog)}: {missing}")
    quiet = _over(backlog.last, pace.quiet_for, now)
    if pace.at_most is not None:
        quiet = min(quiet, _over(backlog.first, pace.at_most, now))
    if quiet > now:
        return Held(
            until=quiet, why=f"{_name(backlog)}: waits until nothing more has arrived for {lasting(pace.quiet_for)}"
        )
    if state.last_started is not None:
        cool = _over(state.last_started, pace.cooldown, now)
        if cool > now:
            return Held(until=cool, why=f"{_name(backlog)}: cools down for {lasting(pace.cooldown)} after the last run")
    return Start(why=_name(backlog))


def _over(since: datetime, length: timedelta, now: datetime) -> datetime:
    """Return when *length* is over.

    An instant that lies further ahead than that is of a clock that was set back since: it holds nothing. A little
    ahead is a machine whose clock goes before this one's.
    """
    return now if since - now > length else since + length


def _missing(amount: Amount, least: Amount) -> str | None:
    for unit in ("files", "rows", "bytes"):
        there, wanted = getattr(amount, unit), getattr(least, unit)
        if there < wanted:
            return f"{there} of {wanted} new {unit} are there"
    return None


def _soonest(answers: Sequence[Held]) -> Held:
    timed = {answer.until: answer for answer in reversed(answers) if answer.until is not None}
    return timed[min(timed)] if timed else answers[0]


def _name(backlog: Backlog) -> str:
    events = "1 event" if backlog.count == 1 else f"{backlog.count} events"
    return f"{events} of {backlog.trigger or backlog.kind.value}"


def _next_month(now: datetime) -> datetime:
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


def month_of(now: datetime) -> datetime:
    """Return the start of the calendar month of *now*."""
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def pause_of(pauses: Sequence[Pause], model: str, environment: str) -> Pause | None:
    """Return the pause that holds runs of the model in the environment, if one does."""
    found: Mapping[tuple[str, str | None], Pause] = {(pause.model, pause.environment): pause for pause in pauses}
    return found.get((model, environment)) or found.get((model, None))
