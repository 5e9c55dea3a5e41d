"""What a service does all the time, as one pass that something calls each minute.

Every chore leaves what it knows in the state, so that a pass may be missed, cut or made twice. One that fails keeps
nobody else from theirs, and people are told of it once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, assert_never, cast

from everfit.application.alerting import tell
from everfit.application.approvals import expire_approvals
from everfit.application.archiving import archive_events
from everfit.application.aws_decisions import settle_decisions
from everfit.application.aws_effects import Effect, EffectKind
from everfit.application.dead_man import watch_for_silence
from everfit.application.dispatch import Held, dispatch
from everfit.application.kept import Kept
from everfit.application.ports import Outbox, Source
from everfit.application.ports.executions import Execution
from everfit.application.retraining import is_decided
from everfit.domain.delivery import Delivery
from everfit.domain.errors import EverfitError, RefusedError, StateError
from everfit.domain.notice import Notice, NoticeKind
from everfit.domain.run import Outcome, Run, RunId
from everfit.domain.secret import hidden

FIRST_PAUSE: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(hours=1)
"""How long a run rests whose executions fail; it grows with their number."""
REPAIR_EVERY: Final = 30
"""Minutes."""
SCHEDULES: Final = "schedules"
PART: Final = "the chores of the stack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """What a pass came to.

    Args:
        done: what was done, in words, by chore; a chore that had nothing to do is not in it.
        troubles: what went wrong, by chore.
    """

    done: Mapping[str, str]
    troubles: Mapping[str, str]


Chore = Callable[[Kept, datetime], str | None]
"""Does it, and returns in words what was done; None for nothing."""


def tick(kept: Kept, now: datetime) -> Ticked:
    """Do every chore once.

    Raises:
        StateError: the state cannot be used at all, so that nobody could be told of anything.
    """
    done: dict[str, str] = {}
    troubles: dict[str, str] = {}
    for name, chore in _chores(kept).items():
        if kept.ports.leaving():
            break
        try:
            words = chore(kept, now)
        except StateError:
            raise
        except EverfitError as error:
            troubles[name] = hidden(str(error), kept.workspace.project.secrets)
            _tell_of(name, troubles[name], kept, now)
        except Exception as error:  # noqa: BLE001 - one chore that breaks must not take the others with it in silence
            troubles[name] = hidden(f"an error of Everfit's own: {error!r}", kept.workspace.project.secrets)
            _tell_of(name, troubles[name], kept, now)
        else:
            if words is not None:
                done[name] = words
    return Ticked(done=done, troubles=troubles)


def dispatched(kept: Kept) -> Run | None:
    """Start the run that is due, with an execution of its own; None when none may start."""
    answer = dispatch(kept.workspace.model, kept.environment, kept.workspace, kept.ports)
    if answer is None or isinstance(answer, Held):
        return None
    # When this fails the run is in the state all the same, and the next pass gives it its execution.
    kept.executions.start(answer.id)
    return answer


def follow(effect: Effect, kept: Kept) -> str:
    """Do what is left to do after an event, and return in words what was done; what fails is made up for by a pass."""
    match effect.kind:
        case EffectKind.NOTHING:
            return "nothing"
        case EffectKind.WAKE:
            return "nothing" if effect.run is None else _woken(effect.run, kept)
        case EffectKind.START:
            run = dispatched(kept)
            return "nothing may start yet" if run is None else f"{run.id} starts"
        case EffectKind.ROLL_BACK:
            return _gone_back(effect, kept)
        case _:
            assert_never(effect.kind)


def may_go_on(newest: Execution | None, now: datetime) -> int | None:
    """Return the number of the execution that a run may get now; None when it has one, or one failed just now."""
    if newest is None:
        return 1
    if newest.ended is None:
        return None
    pause = min(FIRST_PAUSE * 2 ** min(newest.number - 1, 10), LONGEST_PAUSE) if newest.has_failed else timedelta(0)
    return newest.number + 1 if newest.ended + pause <= now else None


def _woken(run: RunId, kept: Kept) -> str:
    number = may_go_on(kept.executions.newest(run), kept.ports.clock.now())
    is_started = number is not None and kept.executions.start(run, number)
    return f"{run} goes on" if is_started else f"{run} is gone on with already"


def _gone_back(effect: Effect, kept: Kept) -> str:
    if effect.back is None or effect.name is None:
        return "nothing"
    back = effect.back
    asked = {"actor": back.actor, "before": back.before, "to": back.to, "reason": back.reason}
    is_new = kept.executions.begin(effect.name, {"rollback": asked})
    return f"the way back {effect.name} {'begins' if is_new else 'has begun already'}"


def _chores(kept: Kept) -> Mapping[str, Chore]:
    looks = {name: _look(source) for name, source in kept.sources.items()}
    # Whatever may take long comes last: a pass that is killed over millions of objects has done all the rest.
    return {
        **{name: look for name, look in looks.items() if name == SCHEDULES},
        "approvals": _expire,
        "decisions": _settle,
        "runs": _dispatch,
        "executions": _go_on,
        "silence": _watch,
        "models": _mend,
        "alerts": _tell,
        **{name: look for name, look in looks.items() if name != SCHEDULES},
        "archive": _archive,
        "mirror": _repair,
    }


def _look(source: Source) -> Chore:
    def look(kept: Kept, now: datetime) -> str | None:
        del kept
        source.look(now)
        return None

    return look


def _expire(kept: Kept, now: datetime) -> str | None:
    del now
    expired = expire_approvals(kept.workspaces, kept.ports)
    return f"nobody decided in time about {', '.join(run.id for run in expired)}" if expired else None


def _settle(kept: Kept, now: datetime) -> str | None:
    """Do what people decided in the registry outside, in case no event has told of it."""
    del now
    if kept.packages is None:
        return None
    effects = settle_decisions(kept.place, kept.ports, kept.packages)
    return "; ".join(effect.words for effect in effects) or None


def _dispatch(kept: Kept, now: datetime) -> str | None:
    del now
    run = dispatched(kept)
    return None if run is None else f"{run.id} starts: {run.cause}"


def _go_on(kept: Kept, now: datetime) -> str | None:
    """Give each run that can be gone on with an execution, unless it has one."""
    started: list[str] = []
    for run in kept.ports.store.open():
        if (run.model, run.environment) != (kept.workspace.model, kept.environment):
            continue
        if run.outcome is Outcome.NEEDS_APPROVAL and not is_decided(run, kept.ports):
            continue
        number = may_go_on(kept.executions.newest(run.id), now)
        if number is not None and kept.executions.start(run.id, number):
            started.append(run.id)
    return f"{', '.join(started)} go on" if started else None


def _watch(kept: Kept, now: datetime) -> str | None:
    del now
    count = watch_for_silence(kept.workspaces, kept.ports)
    return f"{count} noted" if count else None


class _OwnDeliveries:
    """Passes everything on to *outbox*, and takes only what is about one environment.

    The topic of another environment is none of this stack's to write to.
    """

    def __init__(self, outbox: Outbox, environment: str) -> None:
        self._outbox, self._environment = outbox, environment

    def take(self, limit: int, models: frozenset[str] | None = None) -> Sequence[Delivery]:
        return self._outbox.take(limit, models, self._environment)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._outbox, name)


def _mend(kept: Kept, now: datetime) -> str | None:
    """Put back what serves where somebody has written over it, and have people told."""
    del now
    wrong = () if kept.mend is None else kept.mend()
    if not wrong:
        return None
    raise RefusedError(
        f"{'; '.join(wrong)}. Its own bytes were put back. Whatever was started meanwhile may serve the others: look "
        "who wrote them, and have `everfit rollback` or `everfit run --force` replace what runs."
    )


def _tell(kept: Kept, now: datetime) -> str | None:
    del now
    own = cast("Outbox", _OwnDeliveries(kept.ports.outbox, kept.environment))
    found = tell({kept.whole.model: kept.whole}, replace(kept.ports, outbox=own))
    failed = sum(words is not None for words in found.values())
    return f"{len(found) - failed} delivered, {failed} to be tried again" if found else None


def _repair(kept: Kept, now: datetime) -> str | None:
    # It looks at every version, so not each minute; a pass that is missed is made up for by the next of these.
    if kept.repair is None or now.minute % REPAIR_EVERY:
        return None
    count = kept.repair()
    return f"{count} packages say again how their versions stand" if count else None


def _archive(kept: Kept, now: datetime) -> str | None:
    del now
    count = 0 if kept.archive is None else archive_events(kept.archive, kept.ports)
    return f"{count} events went to the archive" if count else None


def _tell_of(name: str, words: str, kept: Kept, now: datetime) -> None:
    """Note the trouble, once a day while it lasts."""
    cause = sha256(words.encode()).hexdigest()[:16]
    place = f"{kept.workspace.model}:{kept.environment}"
    notice = Notice(
        id=f"{NoticeKind.TROUBLE.value}:{place}:{name}:{cause}:{now.date().isoformat()}",
        kind=NoticeKind.TROUBLE,
        model=kept.workspace.model,
        environment=kept.environment,
        run=None,
        cause=f"{PART}:{name}:{cause}",
        at=now,
        facts={"part": f"{PART} ({name})", "reason": words},
    )
    kept.ports.outbox.note(notice)
