"""What each event of AWS leads to, however often and in whatever order it comes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from everfit.adapters.local.ids import TimedIds
from everfit.application.aws_events import Effect, EffectKind, Place, settle_decisions, take
from everfit.application.dispatch import dispatch
from everfit.application.journal import drive
from everfit.application.ports.packages import Package
from everfit.application.releases import Decision, decide, roll_back
from everfit.application.retraining import Request, retrain
from everfit.application.serverless import go_back
from everfit.domain.aws import aws_place
from everfit.domain.endpoint import EndpointState
from everfit.domain.errors import RefusedError, RequestError
from everfit.domain.gate import ApprovalPolicy
from everfit.domain.notice import NoticeKind
from everfit.domain.project import Environment
from everfit.domain.run import Outcome, Run
from everfit.domain.trigger import TriggerKind
from everfit.domain.triggers import Drift, NewData
from everfit.domain.version import Standing
from tests.aws.events import ACCOUNT, REGION, a_job_event, a_package_event, an_alarm_event, an_endpoint_event, an_event
from tests.fakes import World
from tests.stored import MINUTE, START
from tests.stored import an_event as an_event_of_data

ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/line/1"


@dataclass
class HeldPackages:
    """Packages as they stand in SageMaker."""

    kept: dict[str, Package] = field(default_factory=dict)
    reset: list[int] = field(default_factory=list)
    environment: str = "production"

    def package(self, name: str) -> Package | None:
        return self.kept.get(name)

    def decided(self) -> Sequence[Package]:
        return [each for each in self.kept.values() if each.approved is not None]

    def put_back(self, version: int) -> None:
        self.reset.append(version)

    def owner(self) -> str:
        return self.environment


class Shown:
    """Endpoints of which only one is looked at."""

    def __init__(self, state: EndpointState) -> None:
        self._state = state

    def describe(self, name: str) -> EndpointState | None:
        return self._state if name == self._state.name else None


class Cloud(World):
    """A world whose environment is on AWS."""

    def __init__(self, approval: str = "automatic", **changes: Any) -> None:
        super().__init__(approval)
        self.packages = HeldPackages()
        self.change(aws=aws_place("line", "production", {"region": REGION, "bucket": "lake"}, {}), **changes)

    def change(self, **changes: Any) -> None:
        project = self.workspace.project
        environments = {**project.environments, "production": replace(self.environment(), **changes)}
        self.workspace = replace(self.workspace, project=replace(project, environments=environments))

    def listen(self, *triggers: Any) -> None:
        project = replace(self.workspace.project, triggers=triggers)
        self.workspace = replace(self.workspace, project=project)

    def decide_there(self, *, approved: bool, by: str | None = "grace", **changes: Any) -> None:
        """Do what a person does in SageMaker's registry, who has seen what is known of version 1 now."""
        package = Package(
            name=ARN,
            model="line",
            version=1,
            artifact=self.registry.version("line", 1).artifact,
            approved=approved,
            verdict=self.registry.placement("line", "production", 1).verdict.id,
            decided_by=by,
            is_whole=True,
        )
        self.packages.kept[ARN] = replace(package, **changes)

    @property
    def place(self) -> Place:
        return Place(workspace=self.workspace, environment=self.environment(), account=ACCOUNT)

    def environment(self, name: str = "production") -> Environment:
        return self.workspace.project.environments[name]

    def run(self, mae: float = 1.0) -> Run:
        self.mae = mae
        self.data.rows += 100
        self.clock.advance(MINUTE)
        return retrain(Request(environment="production", actor="ada"), self.workspace, self.ports())

    def take(self, body: object) -> Effect:
        return take(body, self.place, self.ports(), self.packages)

    @property
    def standing(self) -> Standing:
        return self.registry.placement("line", "production", 1).standing

    @property
    def troubles(self) -> list[str]:
        notices = self.outbox.unaddressed(limit=1_000)
        return [str(each.facts["reason"]) for each in notices if each.kind is NoticeKind.TROUBLE]


def waiting() -> Cloud:
    """Return a world in which version 1 waits for a person."""
    world = Cloud("manual")
    assert world.run().outcome is Outcome.NEEDS_APPROVAL
    world.decide_there(approved=True)
    return world


# Decisions in the Model Registry


def test_an_approval_there_approves_exactly_that_version_and_the_run_goes_on() -> None:
    world = waiting()
    effect = world.take(a_package_event("line", 1, "Approved"))
    assert effect.kind is EffectKind.WAKE
    assert world.standing is Standing.APPROVED
    assert effect.run is not None
    assert drive(effect.run, world.workspace, world.ports()).outcome is Outcome.DEPLOYED
    approval = world.registry.placement("line", "production", 1).approval
    assert approval is not None
    assert approval.actor == "grace"


def test_the_same_approval_ten_times_deploys_once() -> None:
    """Approving a pending version deploys exactly that version, once, however often the approval arrives."""
    world = waiting()
    effects = [world.take(a_package_event("line", 1, "Approved", event=f"e-{number}")) for number in range(3)]
    assert effects[0].run is not None
    drive(effects[0].run, world.workspace, world.ports())
    effects += [world.take(a_package_event("line", 1, "Approved", event=f"e-{number}")) for number in range(7)]
    assert [each.kind for each in effects[3:]] == [EffectKind.NOTHING] * 7
    assert [served.version for served in world.registry.history("line")] == [1]


def test_a_rejection_there_deploys_nothing() -> None:
    world = waiting()
    world.decide_there(approved=False)
    effect = world.take(a_package_event("line", 1, "Rejected"))
    assert effect.run is not None
    assert drive(effect.run, world.workspace, world.ports()).outcome is Outcome.REJECTED
    assert world.serving() is None


def test_what_the_package_says_now_counts_whatever_order_the_events_come_in() -> None:
    world = waiting()
    world.decide_there(approved=False)
    world.take(a_package_event("line", 1, "Approved"))
    assert world.standing is Standing.REJECTED


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"artifact": "sha256:other"}, "other bytes"),
        ({"is_whole": False}, "other bytes"),
        ({"model": "fraud"}, "another model"),
        ({"version": 9}, "not kept here"),
        ({"verdict": "sha256:another"}, "judged again"),
    ],
)
def test_a_package_that_is_not_ours_as_we_made_it_decides_nothing(change: dict[str, Any], words: str) -> None:
    world = waiting()
    world.decide_there(approved=True, **change)
    effect = world.take(a_package_event("line", 1, "Approved"))
    assert effect.kind is EffectKind.NOTHING
    assert words in effect.words
    assert world.standing is Standing.PENDING


def test_an_approval_when_nothing_waits_does_nothing() -> None:
    world = Cloud()
    world.run(mae=9.0)
    world.decide_there(approved=True)
    assert "does not wait" in world.take(a_package_event("line", 1, "Approved")).words
    assert world.standing is Standing.REJECTED


def test_only_those_may_decide_there_whom_the_policy_names() -> None:
    world = waiting()
    world.change(approval=ApprovalPolicy(mode="manual", approvers=("ada",)))
    assert "grace may not decide" in world.take(a_package_event("line", 1, "Approved")).words
    assert world.standing is Standing.PENDING
    assert world.packages.reset == [1]
    world.take(a_package_event("line", 1, "Approved", event="e-2"))
    assert len(world.troubles) == 1


def test_nobody_approves_there_what_they_started_when_four_eyes_must_see_it() -> None:
    world = waiting()
    world.change(approval=ApprovalPolicy(mode="manual", four_eyes=True))
    world.decide_there(approved=True, by="Ada")
    assert "somebody else must approve" in world.take(a_package_event("line", 1, "Approved")).words
    world.decide_there(approved=True, by="grace")
    assert world.take(a_package_event("line", 1, "Approved")).kind is EffectKind.WAKE


@pytest.mark.parametrize("policy", [{"approvers": ("ada",)}, {"four_eyes": True}])
def test_a_decision_of_nobody_knows_whom_is_not_taken_when_the_policy_asks_who(policy: dict[str, Any]) -> None:
    world = waiting()
    world.change(approval=ApprovalPolicy(mode="manual", **policy))
    world.decide_there(approved=True, by=None)
    assert "does not say who decided" in world.take(a_package_event("line", 1, "Approved")).words
    assert world.standing is Standing.PENDING


def test_a_decision_of_nobody_knows_whom_is_taken_when_anybody_may_decide() -> None:
    world = waiting()
    world.decide_there(approved=True, by=None)
    assert world.take(a_package_event("line", 1, "Approved")).kind is EffectKind.WAKE


def test_an_approval_after_the_time_is_over_comes_too_late() -> None:
    world = waiting()
    world.change(approval=ApprovalPolicy(mode="manual", expires=timedelta(hours=1)))
    world.clock.advance(timedelta(hours=2))
    assert "expired" in world.take(a_package_event("line", 1, "Approved")).words
    assert world.standing is Standing.REJECTED


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (a_package_event("fraud", 1, "Approved"), "no package of line"),
        (a_package_event("line", 1, "PendingManualApproval"), "nobody has decided"),
        (a_package_event("line", 7, "Approved"), "no package of ours"),
        (a_package_event("line", 1, "Approved"), "nobody has decided"),
    ],
)
def test_other_packages_and_other_states_do_nothing(body: Any, words: str) -> None:
    world = waiting()
    world.packages.kept[ARN] = replace(world.packages.kept[ARN], approved=None)
    assert words in world.take(body).words
    assert world.standing is Standing.PENDING


def test_a_decision_belongs_to_one_environment_of_those_that_share_a_group() -> None:
    world = waiting()
    world.packages.environment = "live"
    assert "one for live" in world.take(a_package_event("line", 1, "Approved")).words
    assert settle_decisions(world.place, world.ports(), world.packages) == []
    assert world.standing is Standing.PENDING


def test_a_decision_whose_event_never_came_is_found_by_looking() -> None:
    world = waiting()
    (effect,) = settle_decisions(world.place, world.ports(), world.packages)
    assert effect.kind is EffectKind.WAKE
    assert world.standing is Standing.APPROVED


# Jobs


def started() -> tuple[Cloud, Run]:
    """Return a world with a run that has begun and not ended."""
    world = Cloud()
    world.listen(NewData(key="data", environments=("production",), every=MINUTE))
    world.inbox.accept([replace(an_event_of_data("a.csv", model="line"), trigger="data")])
    run = dispatch("line", "production", world.workspace, replace(world.ports(), ids=TimedIds()))
    assert isinstance(run, Run)
    return world, run


def test_a_job_that_ended_wakes_its_run_however_often_that_is_told() -> None:
    world, run = started()
    bodies = [a_job_event(f"{run.id}-train", "Failed", event=f"e-{number}") for number in range(2)]
    assert [(effect.kind, effect.run) for effect in map(world.take, bodies)] == [(EffectKind.WAKE, run.id)] * 2
    assert world.take(a_job_event(f"{run.id}-train", "InProgress")).kind is EffectKind.NOTHING


def test_a_job_of_a_run_that_has_ended_or_waits_for_a_person_wakes_nothing() -> None:
    world, run = started()
    drive(run.id, world.workspace, world.ports())
    assert world.take(a_job_event(f"{run.id}-train", "Completed")).kind is EffectKind.NOTHING


def test_a_job_of_a_run_in_another_environment_wakes_nothing_here() -> None:
    world, run = started()
    place = replace(world.place, environment=world.environment("live"))
    effect = take(a_job_event(f"{run.id}-train", "Completed"), place, world.ports(), world.packages)
    assert effect.kind is EffectKind.NOTHING


@pytest.mark.parametrize("name", ["somebody-elses-job", "20261121-093112-a1b2c3d4-train"])
def test_a_job_of_somebody_else_wakes_nothing(name: str) -> None:
    assert Cloud().take(a_job_event(name, "Completed")).kind is EffectKind.NOTHING


# Endpoints


def test_an_endpoint_that_was_deleted_by_hand_is_told_once() -> None:
    world = Cloud()
    world.run()
    world.endpoints = type(world.endpoints)()
    for number in range(3):
        world.take(an_endpoint_event("line", "DELETED", event=f"e-{number}"))
    assert len(world.troubles) == 1
    assert "somebody deleted it" in world.troubles[0]


def test_an_endpoint_that_serves_what_it_should_is_no_news() -> None:
    world = Cloud()
    world.run()
    assert world.take(an_endpoint_event("line", "IN_SERVICE")).kind is EffectKind.NOTHING
    assert world.troubles == []


def test_another_endpoint_is_no_news() -> None:
    world = Cloud()
    world.run()
    assert "not the endpoint" in world.take(an_endpoint_event("line-live", "DELETED")).words


def test_an_endpoint_that_moves_in_a_run_wakes_it() -> None:
    world, run = started()
    effect = world.take(an_endpoint_event("line", "IN_SERVICE", kind="Endpoint Deployment"))
    assert (effect.kind, effect.run) == (EffectKind.WAKE, run.id)


@pytest.mark.parametrize("status", ["UPDATING", "IN_SERVICE"])
def test_an_endpoint_that_nothing_of_ours_serves_behind_is_no_news_yet(status: str) -> None:
    assert Cloud().take(an_endpoint_event("line", status)).kind is EffectKind.NOTHING


def test_an_endpoint_that_somebody_changed_by_hand_is_told_once() -> None:
    world = Cloud()
    world.run()
    state = world.endpoints.describe("line")
    assert state is not None
    by_hand = Shown(replace(state, weights={}))
    for number in range(2):
        body = an_endpoint_event("line", "IN_SERVICE", event=f"e-{number}")
        take(body, world.place, world.ports(endpoints=by_hand), world.packages)
    assert len(world.troubles) == 1
    assert "something that Everfit has not put there" in world.troubles[0]


# Alarms


def serving_two(**watch: Any) -> Cloud:
    """Return a world in which version 2 serves and version 1 is the way back."""
    world = Cloud(watch=watch or {"for": timedelta(hours=24), "roll_back_when": ["latency_p99 > 500ms"]})
    world.run()
    world.run()
    assert world.serving() == 2
    return world


def moment(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


def raised(world: Cloud, name: str = "line-latency-p99", **given: Any) -> Effect:
    since = given.pop("since", world.clock.now() + MINUTE)
    return world.take(an_alarm_event(name, since=moment(since), **given))


def test_an_alarm_asks_for_the_way_back_once_a_transition() -> None:
    world = serving_two()
    since = world.clock.now() + MINUTE
    first, second = raised(world, since=since), raised(world, since=since, event="e-2")
    assert first == second
    assert first.kind is EffectKind.ROLL_BACK
    assert first.back is not None
    assert (first.back.before, first.back.actor) == (2, "cloudwatch")
    for _ in range(3):
        go_back(first.back, "production", world.workspace, world.ports())
    assert world.serving() == 1
    assert [each.version for each in world.registry.history("line")] == [1, 2, 1]
    # What comes late is about the version that is gone.
    assert raised(world, since=since, event="e-3").kind is EffectKind.NOTHING


def test_an_alarm_of_before_the_version_served_is_not_about_it() -> None:
    world = serving_two()
    assert "served before" in raised(world, since=START).words


@pytest.mark.parametrize("state", ["OK", "INSUFFICIENT_DATA"])
def test_only_an_alarm_that_is_raised_does_anything(state: str) -> None:
    assert raised(serving_two(), state=state).kind is EffectKind.NOTHING


def test_an_alarm_about_an_endpoint_whose_name_begins_alike_does_nothing() -> None:
    world = serving_two()
    effect = raised(world, "line-live-latency", dimensions={"EndpointName": "line-live"})
    assert effect.kind is EffectKind.NOTHING
    assert world.troubles == []


def test_an_alarm_after_the_watch_is_over_is_told_and_takes_nothing_back() -> None:
    world = serving_two()
    effect = raised(world, since=world.clock.now() + timedelta(days=2))
    assert effect.kind is EffectKind.NOTHING
    assert "not watched any more" in world.troubles[0]


def test_an_alarm_without_a_watch_is_told_and_takes_nothing_back() -> None:
    world = Cloud(watch={})
    world.run()
    world.run()
    raised(world)
    raised(world, event="e-2")
    assert len(world.troubles) == 1


def test_an_alarm_with_nothing_to_go_back_to_is_told() -> None:
    world = Cloud(watch={"for": timedelta(hours=1)})
    world.run()
    assert raised(world).kind is EffectKind.NOTHING
    assert "nothing to go back to" in world.troubles[0]


def test_an_alarm_in_the_middle_of_a_run_is_left_to_the_run() -> None:
    world, _ = started()
    assert "in the middle of a run" in raised(world).words


def test_an_alarm_when_nothing_serves_does_nothing() -> None:
    assert "nothing serves" in raised(Cloud()).words


def test_an_alarm_after_a_way_back_does_not_go_on_and_on() -> None:
    world = serving_two()
    roll_back(world.environment(), world.workspace, world.ports(), actor="ada")
    assert raised(world).kind is EffectKind.NOTHING
    assert world.serving() == 1


def test_drift_starts_what_a_trigger_says_once_a_transition() -> None:
    world = serving_two()
    world.listen(Drift(key="drift", environments=("production",)))
    since = world.clock.now() + MINUTE
    effects = [raised(world, "line-mape-drift-alarm", since=since, event=f"e-{number}") for number in range(3)]
    assert [each.kind for each in effects] == [EffectKind.START] * 3
    assert [each.accepted for each in effects] == [1, 0, 0]
    (waits,) = world.inbox.events(model="line", environment="production")[:1]
    assert waits.event.kind is TriggerKind.DRIFT


def test_drift_that_no_trigger_waits_for_is_told() -> None:
    world = serving_two()
    assert raised(world, "line-mape-drift-alarm").kind is EffectKind.NOTHING
    assert "line-mape-drift-alarm" in world.troubles[0]


# Objects, and whatever else may come


def test_new_data_is_accepted_once() -> None:
    world = Cloud()
    data = replace(world.workspace.project.data, source="s3://lake/raw/")
    world.workspace = replace(world.workspace, project=replace(world.workspace.project, data=data))
    world.listen(NewData(key="data", environments=("production",), every=MINUTE))
    stored: dict[str, Any] = {"bucket": {"name": "lake"}, "object": {"key": "raw/a.csv", "size": 3, "sequencer": "01"}}
    effects = [world.take(an_event("aws.s3", "Object Created", stored, name=f"e-{number}")) for number in range(2)]
    assert [(each.kind, each.accepted) for each in effects] == [(EffectKind.START, 1), (EffectKind.START, 0)]
    other = {**stored, "object": {**stored["object"], "key": "models/a.csv"}}
    assert world.take(an_event("aws.s3", "Object Created", other)).kind is EffectKind.NOTHING


def test_an_event_from_another_account_or_region_is_refused_and_does_nothing() -> None:
    world = waiting()
    for change in ({"account": "999999999999"}, {"region": "eu-west-1"}):
        with pytest.raises(RefusedError):
            world.take({**a_package_event("line", 1, "Approved"), **change})
    assert world.standing is Standing.PENDING


def test_an_event_that_means_nothing_here_does_nothing() -> None:
    assert Cloud().take(an_event("aws.ec2", "anything", {})).kind is EffectKind.NOTHING
    with pytest.raises(RequestError):
        Cloud().take({"hello": "world"})


def test_a_decision_here_is_not_taken_again_when_the_registry_outside_follows() -> None:
    world = waiting()
    decision = Decision(version=1, approved=True, actor="ada", reason="fine")
    decide(decision, world.environment(), world.workspace, world.ports())
    assert world.take(a_package_event("line", 1, "Approved")).kind is EffectKind.NOTHING
    assert [each.version for each in world.registry.history("line")] == [1]
