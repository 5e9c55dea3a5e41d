"""Whatever is asked of them, the run stores in memory and in SQLite answer the same."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from everfit.adapters.local.sqlite_database import SqliteDatabase
from everfit.adapters.memory.clock import SettableClock
from everfit.application.ports import Claim
from everfit.domain.errors import EverfitError
from everfit.domain.run import Outcome, Run, RunId, RunState
from everfit.domain.trigger import EventEnd, EventRecord
from tests.kept import Kept, MemoryKept, SqlKept
from tests.stored import START, a_run, an_event, quick_folder

LEASE = timedelta(seconds=30)
environments = some.sampled_from(["production", "staging"])
run_names = some.sampled_from([f"run-{number}" for number in range(4)])
steps = some.sampled_from(["snapshot", "train", "deploy"])
owners = some.sampled_from(["ada", "bob", "eve"])
pick = some.integers(0, 3)


class TwoStores(RuleBasedStateMachine):
    """Asks both the same, and remembers what may never change."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = quick_folder()
        self.clock = SettableClock(START)
        self.dead: set[str] = set()
        self.database = SqliteDatabase(Path(self.folder.name) / "state.db")
        self.memory = MemoryKept(self.clock, self.dead.__contains__)
        self.sqlite = SqlKept(self.database, self.clock, self.dead.__contains__)
        self.claims: list[Claim] = []
        self.fences: dict[str, int] = {}
        self.over: dict[str, Run] = {}
        self.told: dict[tuple[str, str], EventRecord] = {}

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()

    def both(self, ask: Callable[[Kept], object]) -> object:
        answers = [answer(ask, store) for store in (self.memory, self.sqlite)]
        assert answers[0] == answers[1]
        return answers[0]

    def claim_of(self, index: int) -> Claim:
        return self.claims[-1 - index % len(self.claims)]

    @rule(number=some.integers(0, 5), environment=environments)
    def accept(self, number: int, environment: str) -> None:
        self.both(lambda store: store.accept(an_event(f"event-{number}", environment=environment)))

    @rule(name=run_names, environment=environments)
    def begin(self, name: str, environment: str) -> None:
        self.both(lambda store: store.begin(a_run(name, environment=environment)))

    @rule(owner=owners, environment=environments, name=some.none() | run_names, take_over=some.booleans())
    def claim(self, owner: str, environment: str, name: str | None, take_over: bool) -> None:
        run = None if name is None else RunId(name)
        claim = self.both(
            lambda store: store.claim("churn", environment, owner=owner, lease=LEASE, run=run, take_over=take_over)
        )
        if isinstance(claim, Claim):
            assert claim.fence > self.fences.get(environment, 0)
            self.fences[environment] = claim.fence
            self.claims.append(claim)

    @precondition(lambda self: self.claims)
    @rule(index=pick)
    def renew(self, index: int) -> None:
        self.both(lambda store: store.renew(self.claim_of(index), LEASE))

    @precondition(lambda self: self.claims)
    @rule(index=pick)
    def release(self, index: int) -> None:
        self.both(lambda store: store.release(self.claim_of(index)))

    @precondition(lambda self: self.claims)
    @rule(index=pick, name=steps)
    def begin_step(self, index: int, name: str) -> None:
        self.both(lambda store: store.begin_step(self.claim_of(index), name))

    @precondition(lambda self: self.claims)
    @rule(index=pick, name=steps, value=some.integers())
    def finish_step(self, index: int, name: str, value: int) -> None:
        self.both(lambda store: store.finish_step(self.claim_of(index), name, {"value": value}))

    @precondition(lambda self: self.claims)
    @rule(index=pick, name=steps)
    def fail_step(self, index: int, name: str) -> None:
        self.both(lambda store: store.fail_step(self.claim_of(index), name, "It broke."))

    @precondition(lambda self: self.claims)
    @rule(index=pick, outcome=some.none() | some.sampled_from(Outcome))
    def wait(self, index: int, outcome: Outcome | None) -> None:
        self.both(lambda store: store.wait(self.claim_of(index), "approval", outcome))

    @precondition(lambda self: self.claims)
    @rule(index=pick, outcome=some.sampled_from(Outcome), step=some.none() | steps)
    def end(self, index: int, outcome: Outcome, step: str | None) -> None:
        last = None if step is None else (step, {"last": True})
        self.both(lambda store: store.end(self.claim_of(index), outcome, "the reason", last=last))

    @rule(seconds=some.sampled_from([-3600, -1, 1, 29, 31, 3600]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    @rule(owner=owners)
    def die_or_rise(self, owner: str) -> None:
        self.dead ^= {owner}

    @invariant()
    def all_that_can_be_read_is_the_same(self) -> None:
        self.both(everything)

    @invariant()
    def what_is_over_never_moves(self) -> None:
        for run in self.sqlite.runs("churn"):
            assert self.over.get(run.id, run) == run
            if run.state is RunState.ENDED:
                self.over[run.id] = run

    @invariant()
    def an_event_ends_once(self) -> None:
        for environment in ("production", "staging"):
            for record in self.sqlite.events("churn", environment):
                key = (environment, record.event.id)
                assert self.told.get(key, record) == record
                if record.end is not EventEnd.PENDING:
                    self.told[key] = record


def everything(store: Kept) -> object:
    runs = store.runs("churn")
    asked = (store.events, store.unfinished, store.waiting)
    answers = [ask("churn", environment) for ask in asked for environment in ("production", "staging")]
    return runs, answers, [store.steps(run.id) for run in runs]


def answer(ask: Callable[[Kept], object], store: Kept) -> object:
    try:
        return ask(store)
    except EverfitError as error:
        return type(error)


TestTwoStores = TwoStores.TestCase
TestTwoStores.settings = settings(
    max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
