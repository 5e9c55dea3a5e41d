"""What every registry promises."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import pytest

from everfit.adapters.memory.clock import SettableClock
from everfit.adapters.memory.registry import MemoryRegistry
from everfit.adapters.sql.database import Database
from everfit.adapters.sql.registry import SqlRegistry
from everfit.application.ports import Claim, Registry
from everfit.domain.errors import EverfitError, FencedError, IllegalMoveError, NotFoundError, RefusedError
from everfit.domain.gate import VerdictOutcome
from everfit.domain.version import Placement, Standing, Version, release
from tests.kept import Kept, MemoryKept, SqlKept
from tests.stored import MINUTE, START, a_placement, a_run, a_verdict, a_version, an_approval

LEASE = timedelta(seconds=30)


@dataclass(frozen=True)
class World:
    registry: Registry
    store: Kept
    clock: SettableClock

    def claim(self, run: str | None = None, environment: str = "production") -> Claim:
        begun = None if run is None else self.store.begin(a_run(run, environment=environment)).id
        return self.store.claim("churn", environment, owner="worker", lease=LEASE, run=begun, take_over=True)

    def make(self, number: int, outcome: VerdictOutcome = VerdictOutcome.APPROVED) -> Claim:
        """Train and judge the next version."""
        claim = self.claim(f"run-{number}")
        artifact = f"sha256:{number}"
        verdict = a_verdict(outcome, artifact, f"verdict-{number}")
        kept = self.registry.register(claim, a_version(f"run-{number}", artifact), a_placement(verdict))
        assert kept.number == number
        return claim

    def serve(self, claim: Claim, number: int, *, roll_back: bool = False) -> None:
        """Write that the version serves."""
        version = self.registry.version("churn", number)
        proof = release(version, self.registry.placement("churn", claim.environment, number))
        self.registry.served(claim, proof, reason="It is better.", actor="ada", roll_back=roll_back)

    def deploy(self, number: int) -> None:
        """Train, judge and serve the next version."""
        self.serve(self.make(number), number)

    def standings(self, environment: str = "production") -> dict[int, Standing]:
        """Return how every version stands."""
        return {one.version: one.standing for one in self.registry.placements("churn", environment)}


@pytest.fixture
def world(database: Database | None) -> World:
    clock = SettableClock(START)
    if database is None:
        store = MemoryKept(clock)
        return World(MemoryRegistry(store, clock), store, clock)
    return World(SqlRegistry(database, clock), SqlKept(database, clock), clock)


# Versions


def test_a_version_is_kept_as_it_was_made_under_the_next_number(world: World) -> None:
    kept = world.registry.register(world.claim("run-1"), a_version(number=99), a_placement(version=99))
    assert kept == a_version(number=1)
    assert world.registry.version("churn", 1) == kept
    assert world.registry.versions("churn") == [kept]
    assert world.registry.placement("churn", "production", 1) == a_placement(version=1)


def test_rejected_versions_count_too(world: World) -> None:
    world.make(1, VerdictOutcome.REJECTED)
    world.make(2)
    assert [version.number for version in world.registry.versions("churn")] == [1, 2]


def test_every_model_counts_for_itself(world: World) -> None:
    world.make(1)
    run = world.store.begin(a_run("other", model="fraud"))
    claim = world.store.claim("fraud", "production", owner="worker", lease=LEASE, run=run.id)
    kept = world.registry.register(claim, a_version("other", model="fraud"), a_placement(model="fraud"))
    assert kept.number == 1


def test_a_run_registers_once(world: World) -> None:
    claim = world.make(1)
    again = world.registry.register(claim, a_version(), a_placement(a_verdict(name="verdict-1")))
    assert again.number == 1
    assert len(world.registry.versions("churn")) == 1


def test_a_run_cannot_replace_the_bytes_that_it_made(world: World) -> None:
    """A version's artifact is immutable and lives under its own name; a later run cannot change what serves."""
    claim = world.make(1)
    other = a_version(artifact="sha256:other")
    with pytest.raises(RefusedError, match="sha256:other"):
        world.registry.register(claim, other, a_placement(a_verdict(artifact="sha256:other")))
    assert world.registry.version("churn", 1).artifact == "sha256:1"


def test_a_verdict_about_other_bytes_is_refused_and_nothing_is_registered(world: World) -> None:
    """The model that is judged is the model that is shipped: same bytes."""
    with pytest.raises(RefusedError, match="sha256:2"):
        world.registry.register(world.claim("run-1"), a_version(), a_placement(a_verdict(artifact="sha256:2")))
    assert world.registry.versions("churn") == []


def test_a_version_cannot_stand_better_than_its_verdict(world: World) -> None:
    rejected = a_verdict(VerdictOutcome.REJECTED)
    for standing in (Standing.APPROVED, Standing.SERVING, Standing.PENDING):
        with pytest.raises(RefusedError):
            world.registry.register(
                world.claim("run-1"), a_version(), replace(a_placement(rejected), standing=standing)
            )


def test_nothing_is_registered_under_a_lost_or_foreign_claim(world: World) -> None:
    claim = world.claim("run-1")
    with pytest.raises(RefusedError, match="staging"):
        world.registry.register(claim, a_version(), a_placement(environment="staging"))
    world.store.release(claim)
    with pytest.raises(FencedError):
        world.registry.register(claim, a_version(), a_placement())
    assert world.registry.versions("churn") == []


def test_what_was_never_made_or_judged_is_not_found(world: World) -> None:
    world.make(1)
    with pytest.raises(NotFoundError, match="version 9"):
        world.registry.version("churn", 9)
    with pytest.raises(NotFoundError, match="version 9"):
        world.registry.placement("churn", "production", 9)
    with pytest.raises(NotFoundError, match="never judged in staging"):
        world.registry.placement("churn", "staging", 1)


def test_a_registry_without_versions_is_empty(world: World) -> None:
    registry = world.registry
    assert not registry.versions("churn")
    assert not registry.placements("churn", "production")
    assert not registry.history("churn")
    assert registry.champion("churn", "production") is None
    assert registry.learnt("churn") is None


# Other environments


def in_production(outcome: VerdictOutcome, name: str = "production-verdict") -> Placement:
    return a_placement(a_verdict(outcome, "sha256:1", name), version=1)


def made_in_staging(world: World) -> None:
    claim = world.claim("run-1", "staging")
    world.registry.register(claim, a_version(), a_placement(environment="staging"))
    world.serve(claim, 1)


def test_promotion_keeps_the_bytes_and_each_environments_own_verdict(world: World) -> None:
    made_in_staging(world)
    world.registry.place(world.claim("run-2"), in_production(VerdictOutcome.REJECTED))
    assert world.standings() == {1: Standing.REJECTED}
    assert world.standings("staging") == {1: Standing.SERVING}
    assert world.registry.champion("churn", "production") is None


def test_the_same_verdict_is_placed_once(world: World) -> None:
    made_in_staging(world)
    claim = world.claim("run-2")
    world.registry.place(claim, in_production(VerdictOutcome.APPROVED))
    world.serve(claim, 1)
    world.registry.place(claim, in_production(VerdictOutcome.APPROVED))
    assert world.standings() == {1: Standing.SERVING}


@pytest.mark.parametrize("outcome", list(VerdictOutcome))
def test_a_version_that_was_rejected_is_never_judged_again(world: World, outcome: VerdictOutcome) -> None:
    made_in_staging(world)
    claim = world.claim("run-2")
    world.registry.place(claim, in_production(VerdictOutcome.REJECTED))
    with pytest.raises(RefusedError, match="rejected"):
        world.registry.place(claim, in_production(outcome, "second thoughts"))
    assert world.standings() == {1: Standing.REJECTED}


def test_a_version_that_never_served_there_may_be_judged_again(world: World) -> None:
    made_in_staging(world)
    claim = world.claim("run-2")
    world.registry.place(claim, in_production(VerdictOutcome.APPROVED))
    world.registry.place(claim, in_production(VerdictOutcome.NEEDS_APPROVAL, "later"))
    kept = world.registry.placement("churn", "production", 1)
    later = in_production(VerdictOutcome.NEEDS_APPROVAL, "later").verdict
    assert (kept.standing, kept.verdict) == (Standing.PENDING, later)


def test_only_a_version_that_exists_is_placed(world: World) -> None:
    with pytest.raises(NotFoundError):
        world.registry.place(world.claim(), in_production(VerdictOutcome.APPROVED))


# Decisions


def elsewhere(standing: Standing, number: int = 7, artifact: str = "sha256:7") -> tuple[Version, Placement]:
    """Return a version of another installation, and how it stands in its environment there."""
    version = a_version(f"elsewhere-{number}", artifact, number)
    placement = a_placement(a_verdict(artifact=artifact), number, "staging")
    return version, replace(placement, standing=standing)


def test_a_version_of_another_installation_keeps_its_number_and_evidence_and_serves_nothing(world: World) -> None:
    version, placement = elsewhere(Standing.SERVING)
    world.registry.adopt(version, placement)
    world.registry.adopt(version, placement)
    assert world.registry.versions("churn") == [version]
    assert world.registry.placement("churn", "staging", 7) == replace(placement, standing=Standing.RETIRED)
    assert world.registry.champion("churn", "staging") is None
    assert world.registry.learnt("churn") == version.lineage["data"]


def test_what_was_adopted_follows_a_rollback_where_it_came_from(world: World) -> None:
    version, placement = elsewhere(Standing.SERVING)
    world.registry.adopt(version, placement)
    world.registry.adopt(version, replace(placement, standing=Standing.ROLLED_BACK))
    assert world.registry.placement("churn", "staging", 7).standing is Standing.ROLLED_BACK


@pytest.mark.parametrize("standing", [Standing.APPROVED, Standing.PENDING, Standing.REJECTED])
def test_only_what_has_served_elsewhere_is_adopted(world: World, standing: Standing) -> None:
    with pytest.raises(RefusedError, match="only what has served there"):
        world.registry.adopt(*elsewhere(standing))
    assert world.registry.versions("churn") == []


def test_a_number_that_means_another_version_here_is_never_overwritten(world: World) -> None:
    world.make(1)
    with pytest.raises(RefusedError, match="both installations"):
        world.registry.adopt(*elsewhere(Standing.SERVING, 1))
    assert world.registry.version("churn", 1).artifact == "sha256:1"


def test_a_verdict_about_other_bytes_is_not_adopted(world: World) -> None:
    version, placement = elsewhere(Standing.SERVING)
    with pytest.raises(RefusedError, match="verdict about its bytes"):
        world.registry.adopt(replace(version, artifact="sha256:other"), placement)


def test_a_decision_is_kept_with_who_when_why_and_what_was_seen(world: World) -> None:
    """Who, when and what evidence they saw is recorded."""
    world.make(1, VerdictOutcome.NEEDS_APPROVAL)
    placement = world.registry.decide(an_approval())
    assert (placement.standing, placement.approval) == (Standing.APPROVED, an_approval())
    assert world.registry.placement("churn", "production", 1) == placement


def test_the_same_decision_twice_is_one(world: World) -> None:
    """Approving a pending version deploys exactly that version, once, however often the approval arrives."""
    claim = world.make(1, VerdictOutcome.NEEDS_APPROVAL)
    world.registry.decide(an_approval())
    world.serve(claim, 1)
    again = world.registry.decide(replace(an_approval(), actor="bob", at=START + MINUTE))
    assert (again.standing, again.approval) == (Standing.SERVING, an_approval())


def test_a_decision_is_never_turned_round(world: World) -> None:
    world.make(1, VerdictOutcome.NEEDS_APPROVAL)
    world.registry.decide(an_approval(approved=False))
    with pytest.raises(IllegalMoveError, match="rejected"):
        world.registry.decide(an_approval())
    assert world.standings() == {1: Standing.REJECTED}


@pytest.mark.parametrize("outcome", [VerdictOutcome.APPROVED, VerdictOutcome.REJECTED])
@pytest.mark.parametrize("approved", [True, False])
def test_only_what_waits_can_be_decided(world: World, outcome: VerdictOutcome, approved: bool) -> None:
    world.make(1, outcome)
    with pytest.raises(IllegalMoveError, match="does not wait"):
        world.registry.decide(an_approval(approved=approved, verdict=a_verdict(outcome).id))


def test_a_decision_on_evidence_that_was_replaced_is_refused(world: World) -> None:
    world.make(1, VerdictOutcome.NEEDS_APPROVAL)
    with pytest.raises(RefusedError, match="judged again"):
        world.registry.decide(an_approval(verdict="verdict-0"))


def test_approving_an_old_version_serves_the_bytes_of_the_old_version(world: World) -> None:
    """Approving v3 after v7 exists deploys v3's bytes."""
    world.make(1, VerdictOutcome.NEEDS_APPROVAL)
    world.deploy(2)
    world.registry.decide(an_approval())
    world.serve(world.claim(), 1)
    assert world.registry.champion("churn", "production") == 1
    assert world.registry.version("churn", 1).artifact == "sha256:1"


# What served


def test_the_champion_is_what_was_last_written_to_serve(world: World) -> None:
    world.deploy(1)
    world.deploy(2)
    assert world.registry.champion("churn", "production") == 2
    assert world.standings() == {1: Standing.RETIRED, 2: Standing.SERVING}


def test_history_says_from_when_to_when_why_and_by_whom(world: World) -> None:
    world.deploy(1)
    world.clock.advance(MINUTE)
    world.deploy(2)
    second, first = world.registry.history("churn", "production")
    assert (first.version, first.since, first.until) == (1, START, START + MINUTE)
    assert (second.version, second.since, second.until) == (2, START + MINUTE, None)
    assert (second.reason, second.actor, second.run) == ("It is better.", "ada", "run-2")


def test_history_of_all_environments_comes_newest_first(world: World) -> None:
    made_in_staging(world)
    claim = world.claim("run-2")
    world.registry.place(claim, in_production(VerdictOutcome.APPROVED))
    world.serve(claim, 1)
    assert [one.environment for one in world.registry.history("churn")] == ["production", "staging"]
    assert len(world.registry.history("churn", "staging")) == 1


def test_history_is_asked_for_a_version_a_moment_or_a_few_rows(world: World) -> None:
    for number in (1, 2, 3):
        world.deploy(number)
        world.clock.advance(MINUTE)
    history = partial(world.registry.history, "churn", "production")
    assert [one.version for one in history(version=2)] == [2]
    assert [one.version for one in history(by=START + MINUTE)] == [2, 1]
    assert [one.version for one in history(by=START + MINUTE, limit=1)] == [2]
    assert [one.version for one in history(by=START - MINUTE)] == []
    assert [one.version for one in history(limit=2)] == [3, 2]


def test_versions_come_a_page_at_a_time_newest_first(world: World) -> None:
    for number in (1, 2, 3):
        world.deploy(number)
    pages = [world.registry.newest_versions("churn", limit=2), world.registry.newest_versions("churn", before=2)]
    assert [[one.number for one in page] for page in pages] == [[3, 2], [1]]
    assert world.registry.newest_versions("other") == []


def test_writing_that_a_version_serves_twice_is_writing_it_once(world: World) -> None:
    claim = world.make(1)
    world.serve(claim, 1)
    world.clock.advance(MINUTE)
    world.serve(claim, 1)
    assert [(one.version, one.since) for one in world.registry.history("churn")] == [(1, START)]


def test_a_rollback_leaves_the_worse_version_rolled_back(world: World) -> None:
    world.deploy(1)
    world.deploy(2)
    world.serve(world.claim(), 1, roll_back=True)
    assert world.standings() == {1: Standing.SERVING, 2: Standing.ROLLED_BACK}
    newest = world.registry.history("churn")[0]
    assert (newest.version, newest.is_rollback, newest.run) == (1, True, None)


def test_history_does_not_overlap_when_the_clock_jumps_back(world: World) -> None:
    world.deploy(1)
    world.clock.advance(-MINUTE)
    world.deploy(2)
    second, first = world.registry.history("churn")
    assert first.since <= (first.until or START) <= second.since


@pytest.mark.parametrize("outcome", [VerdictOutcome.NEEDS_APPROVAL, VerdictOutcome.REJECTED])
def test_what_was_not_approved_never_serves(world: World, outcome: VerdictOutcome) -> None:
    """Traffic only to digests with a passing verdict. Pending and rejected events deploy nothing."""
    world.deploy(1)
    claim = world.make(2, outcome)
    forged = replace(
        release(world.registry.version("churn", 1), world.registry.placement("churn", "production", 1)),
        version=2,
        artifact="sha256:2",
        verdict="verdict-2",
    )
    with pytest.raises(RefusedError):
        world.registry.served(claim, forged, reason="I want it.", actor="eve")
    assert world.registry.champion("churn", "production") == 1


@pytest.mark.parametrize(("artifact", "verdict"), [("sha256:9", "verdict-1"), ("sha256:1", "verdict-9")])
def test_a_release_that_is_not_what_is_kept_is_refused(world: World, artifact: str, verdict: str) -> None:
    claim = world.make(1)
    version = world.registry.version("churn", 1)
    proof = release(version, world.registry.placement("churn", "production", 1))
    with pytest.raises(RefusedError, match="cannot serve"):
        world.registry.served(
            claim, replace(proof, artifact=artifact, verdict=verdict), reason="I want it.", actor="eve"
        )
    assert world.registry.champion("churn", "production") is None


def test_nothing_serves_under_a_lost_claim(world: World) -> None:
    claim = world.make(1)
    world.claim("run-2")
    with pytest.raises(FencedError):
        world.serve(claim, 1)
    assert world.registry.champion("churn", "production") is None
    assert world.standings() == {1: Standing.APPROVED}


def test_many_at_once_make_one_champion(world: World) -> None:
    """Two runs that finish together: one champion, no lost update."""
    claims = {number: world.make(number) for number in range(1, 9)}

    def serve(number: int) -> bool:
        try:
            world.serve(claims[number], number)
        except FencedError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        served = list(pool.map(serve, claims))
    assert served.count(True) == 1
    assert list(world.standings().values()).count(Standing.SERVING) == 1
    assert [one.until for one in world.registry.history("churn")] == [None]


# What was learnt, and what is forgotten


def test_the_schema_that_holds_is_that_of_the_newest_approved_version(world: World) -> None:
    world.make(1, VerdictOutcome.REJECTED)
    world.make(2, VerdictOutcome.NEEDS_APPROVAL)
    assert world.registry.learnt("churn") is None
    world.deploy(3)
    assert world.registry.learnt("churn") == a_version().lineage["data"]


def test_a_person_s_approval_teaches_the_schema_as_well(world: World) -> None:
    claim = world.claim("run-1")
    lineage = {"data": {"columns": ["old"]}}
    pending = a_placement(a_verdict(VerdictOutcome.NEEDS_APPROVAL))
    world.registry.register(claim, replace(a_version(), lineage=lineage), pending)
    assert world.registry.learnt("churn") is None
    world.registry.decide(an_approval())
    assert world.registry.learnt("churn") == {"columns": ["old"]}


def test_what_serves_waits_or_is_the_way_back_is_never_forgotten(world: World) -> None:
    """The configuration in use is never deleted; the last good version never is."""
    world.deploy(1)
    world.deploy(2)
    world.deploy(3)
    world.make(4, VerdictOutcome.NEEDS_APPROVAL)
    for number, words in ((2, "go back to"), (3, "serves"), (4, "approval")):
        with pytest.raises(RefusedError, match=words):
            world.registry.forget("churn", number)
    world.registry.forget("churn", 1)
    assert [version.number for version in world.registry.versions("churn")] == [2, 3, 4]


def test_a_forgotten_version_is_out_of_every_list_but_history(world: World) -> None:
    for number in (1, 2, 3):
        world.deploy(number)
    world.registry.forget("churn", 1)
    for ask in (world.registry.version, lambda *of: world.registry.placement(of[0], "production", of[1])):
        with pytest.raises(NotFoundError, match="removed"):
            ask("churn", 1)
    with pytest.raises(NotFoundError):
        world.registry.forget("churn", 1)
    assert set(world.standings()) == {2, 3}
    assert [one.version for one in world.registry.history("churn")] == [3, 2, 1]
    assert world.registry.learnt("churn") is not None


def test_the_number_of_a_forgotten_version_is_never_given_again(world: World) -> None:
    world.make(1)
    world.registry.forget("churn", 1)
    world.make(2)


def test_a_promise_of_one_environment_keeps_a_version_for_all(world: World) -> None:
    made_in_staging(world)
    with pytest.raises(RefusedError, match="serves in staging"):
        world.registry.forget("churn", 1)


def test_the_number_given_back_is_that_of_what_is_kept(world: World) -> None:
    kept: list[Version] = []
    for number in (1, 2):
        claim = world.claim(f"run-{number}")
        kept.append(world.registry.register(claim, a_version(f"run-{number}"), a_placement()))
    assert world.registry.versions("churn") == kept


def test_every_refusal_says_what_to_do_in_words(world: World) -> None:
    with pytest.raises(EverfitError) as caught:
        world.registry.version("churn", 3)
    assert "everfit runs" in str(caught.value)


def test_a_forgotten_version_cannot_come_back_with_a_better_verdict(world: World) -> None:
    claim = world.make(1, VerdictOutcome.REJECTED)
    world.registry.forget("churn", 1)
    with pytest.raises(RefusedError, match="rejected"):
        world.registry.register(claim, a_version(), a_placement(a_verdict(name="second thoughts")))
    assert world.registry.placements("churn", "production") == []


def test_a_version_that_another_run_deploys_again_is_told_anew_and_stays_the_champion(world: World) -> None:
    world.deploy(1)
    world.clock.advance(MINUTE)
    world.serve(world.claim("run-2"), 1)
    assert [(one.version, one.run, one.until) for one in world.registry.history("churn")] == [
        (1, "run-2", None),
        (1, "run-1", START + MINUTE),
    ]
    assert world.standings() == {1: Standing.SERVING}


def test_bytes_are_needed_as_long_as_a_version_of_any_model_is_made_of_them(world: World) -> None:
    """A version's artifact is immutable and lives under its own name."""
    world.make(1)
    other = replace(a_placement(), model="prices")
    run = world.store.begin(a_run("run-9", model="prices")).id
    claim = world.store.claim("prices", "production", owner="worker", lease=LEASE, run=run)
    world.registry.register(claim, a_version("run-9", "sha256:1", model="prices"), other)
    world.deploy(2)
    world.registry.forget("churn", 1)
    assert world.registry.holds("sha256:1")
    assert not world.registry.holds("sha256:9")


# Versions that were taken back on their way


def test_a_version_that_was_turned_back_never_served_and_is_marked(world: World) -> None:
    world.deploy(1)
    claim = world.make(2)
    world.registry.turn_back(claim, 2)
    world.registry.turn_back(claim, 2)
    assert world.standings() == {1: Standing.SERVING, 2: Standing.ROLLED_BACK}
    assert [one.version for one in world.registry.history("churn", "production")] == [1]
    assert world.registry.champion("churn", "production") == 1


def test_a_version_that_served_once_can_be_turned_back_at_its_second_try(world: World) -> None:
    world.deploy(1)
    world.deploy(2)
    world.registry.turn_back(world.claim(), 1)
    assert world.standings() == {1: Standing.ROLLED_BACK, 2: Standing.SERVING}


@pytest.mark.parametrize("outcome", [VerdictOutcome.REJECTED, VerdictOutcome.NEEDS_APPROVAL])
def test_what_never_had_the_right_to_traffic_cannot_be_turned_back(world: World, outcome: VerdictOutcome) -> None:
    claim = world.make(1, outcome)
    with pytest.raises(IllegalMoveError):
        world.registry.turn_back(claim, 1)


def test_what_serves_is_not_turned_back(world: World) -> None:
    world.deploy(1)
    with pytest.raises(IllegalMoveError, match="rollback"):
        world.registry.turn_back(world.claim(), 1)
    assert world.standings() == {1: Standing.SERVING}


def test_turning_back_needs_the_claim(world: World) -> None:
    claim = world.make(1)
    world.claim()
    with pytest.raises(FencedError):
        world.registry.turn_back(claim, 1)
