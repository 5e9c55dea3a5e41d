"""Whatever is asked of them, the registries in memory and in SQLite answer the same, and traffic stays safe."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from everfit.adapters.local.sqlite_database import SqliteDatabase
from everfit.adapters.memory.clock import SettableClock
from everfit.adapters.memory.registry import MemoryRegistry
from everfit.adapters.sql.registry import SqlRegistry
from everfit.application.ports import Claim, Registry
from everfit.domain.errors import EverfitError
from everfit.domain.gate import VerdictOutcome
from everfit.domain.version import Standing, last_good, release
from tests.kept import MemoryKept, SqlKept
from tests.stored import START, a_placement, a_verdict, a_version, an_approval, quick_folder

ENVIRONMENTS = ("production", "staging")
environments = some.sampled_from(ENVIRONMENTS)
numbers = some.integers(1, 4)
outcomes = some.sampled_from([*VerdictOutcome, VerdictOutcome.APPROVED, VerdictOutcome.APPROVED])


class TwoRegistries(RuleBasedStateMachine):
    """Asks both the same, and watches who serves."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = quick_folder()
        self.clock = SettableClock(START)
        self.database = SqliteDatabase(Path(self.folder.name) / "state.db")
        memory = MemoryKept(self.clock)
        self.stores = (memory, SqlKept(self.database, self.clock))
        self.memory = MemoryRegistry(memory, self.clock)
        self.sqlite = SqlRegistry(self.database, self.clock)
        self.claims: dict[str, Claim] = {}
        for environment in ENVIRONMENTS:
            self.claim(environment)

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()

    def both(self, ask: Callable[[Registry], object]) -> object:
        answers = [answer(ask, registry) for registry in (self.memory, self.sqlite)]
        assert answers[0] == answers[1]
        return answers[0]

    @rule(environment=environments)
    def claim(self, environment: str) -> None:
        length = timedelta(seconds=30)
        claims = [
            store.claim("churn", environment, owner="worker", lease=length, take_over=True) for store in self.stores
        ]
        assert claims[0] == claims[1]
        self.claims[environment] = claims[0]

    @rule(environment=environments, run=some.integers(1, 6), outcome=outcomes, is_same=some.booleans())
    def register(self, environment: str, run: int, outcome: VerdictOutcome, is_same: bool) -> None:
        artifact = f"sha256:{run}" if is_same else f"sha256:{run}-again"
        verdict = a_verdict(outcome, artifact, f"verdict-{run}-{outcome.value}")
        version, placement = a_version(f"run-{run}", artifact), a_placement(verdict, environment=environment)
        self.both(lambda registry: registry.register(self.claims[environment], version, placement))

    @rule(environment=environments, number=numbers, outcome=outcomes, name=some.integers(1, 2))
    def place(self, environment: str, number: int, outcome: VerdictOutcome, name: int) -> None:
        known = {version.number: version.artifact for version in self.sqlite.versions("churn")}
        verdict = a_verdict(outcome, known.get(number, "sha256:0"), f"placed-{number}-{name}-{outcome.value}")
        placement = a_placement(verdict, version=number, environment=environment)
        self.both(lambda registry: registry.place(self.claims[environment], placement))

    @rule(environment=environments, number=numbers)
    def turn_back(self, environment: str, number: int) -> None:
        self.both(lambda registry: registry.turn_back(self.claims[environment], number))

    @rule(environment=environments, number=numbers, approved=some.booleans(), is_seen=some.booleans())
    def decide(self, environment: str, number: int, approved: bool, is_seen: bool) -> None:
        kept = [one for one in self.sqlite.placements("churn", environment) if one.version == number]
        verdict = kept[0].verdict.id if kept and is_seen else "unseen"
        approval = an_approval(approved=approved, version=number, verdict=verdict, environment=environment)
        self.both(lambda registry: registry.decide(approval))

    @rule(environment=environments, number=numbers, run=some.none() | some.integers(1, 3), roll_back=some.booleans())
    def serve(self, environment: str, number: int, run: int | None, roll_back: bool) -> None:
        def ask(registry: Registry) -> object:
            proof = release(registry.version("churn", number), registry.placement("churn", environment, number))
            registry.served(self.claims[environment], proof, reason="x", actor="ada", roll_back=roll_back)
            return proof

        self.both(ask)

    @rule(environment=environments, number=numbers)
    def serve_late(self, environment: str, number: int) -> None:
        claim = replace(self.claims[environment], fence=self.claims[environment].fence - 1)

        def ask(registry: Registry) -> object:
            proof = release(registry.version("churn", number), registry.placement("churn", environment, number))
            registry.served(claim, proof, reason="x", actor="ada")
            return proof

        assert isinstance(self.both(ask), type)

    @rule(number=numbers)
    def forget(self, number: int) -> None:
        self.both(lambda registry: registry.forget("churn", number))

    @rule(seconds=some.sampled_from([-3600, 1, 3600]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    @invariant()
    def all_that_can_be_read_is_the_same(self) -> None:
        self.both(everything)

    @invariant()
    def one_version_serves_and_it_may(self) -> None:
        for environment in ENVIRONMENTS:
            placements = self.sqlite.placements("churn", environment)
            champion = self.sqlite.champion("churn", environment)
            serving = [one.version for one in placements if one.standing is Standing.SERVING]
            assert serving == ([] if champion is None else [champion])
            for one in placements:
                if one.standing is Standing.SERVING:
                    release(self.sqlite.version("churn", one.version), one)

    @invariant()
    def the_way_back_is_there(self) -> None:
        kept = {version.number for version in self.sqlite.versions("churn")}
        for environment in ENVIRONMENTS:
            history = self.sqlite.history("churn", environment)
            good = last_good(history, self.sqlite.champion("churn", environment))
            assert good is None or good in kept

    @invariant()
    def history_has_neither_gap_nor_overlap(self) -> None:
        for environment in ENVIRONMENTS:
            history = self.sqlite.history("churn", environment)
            assert [one.until for one in history] == [None, *(one.since for one in history[:-1])][: len(history)]


def everything(registry: Registry) -> object:
    placed = [registry.placements("churn", environment) for environment in ENVIRONMENTS]
    champions = [registry.champion("churn", environment) for environment in ENVIRONMENTS]
    return registry.versions("churn"), placed, champions, registry.history("churn"), registry.learnt("churn")


def answer(ask: Callable[[Registry], object], registry: Registry) -> object:
    try:
        return ask(registry)
    except EverfitError as error:
        return type(error)


TestTwoRegistries = TwoRegistries.TestCase
TestTwoRegistries.settings = settings(
    max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
