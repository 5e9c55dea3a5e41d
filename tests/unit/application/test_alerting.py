"""From what happened to what people are told: through kills, silence of channels and storms."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from everfit.application.alerting import STRANGE_FOR, address, tell
from everfit.application.releases import Decision, decide, roll_back
from everfit.application.retraining import Request, retrain
from everfit.domain.alert import Channel, ChannelKind
from everfit.domain.delivery import MOST_ATTEMPTS, DeliveryState
from everfit.domain.inbox import Pause
from everfit.domain.job import JobKind
from everfit.domain.notice import Notice, NoticeKind
from everfit.domain.run import Outcome, Run
from tests.fakes import World
from tests.stored import MINUTE, START

SLACK = Channel(key="slack", kind=ChannelKind.SLACK, address="https://hooks.example/s3cret")
EMAIL = Channel(key="email", kind=ChannelKind.EMAIL, address="team@example.com")


class Told(World):
    """A world in which people are told."""

    def __init__(self, *channels: Channel, approval: str = "automatic") -> None:
        super().__init__(approval)
        project = replace(self.workspace.project, alerts=channels or (SLACK,))
        self.workspace = replace(self.workspace, project=project)

    def run(self, mae: float | None = 1.0) -> Run:
        self.mae = mae
        self.data.rows += 100
        self.clock.advance(MINUTE)
        return retrain(Request(environment="production", actor="ada"), self.workspace, self.ports())

    def tell(self, **instead: Any) -> dict[int, str | None]:
        return dict(tell({"line": self.workspace}, self.ports(**instead)))

    @property
    def subjects(self) -> list[str]:
        return [letter.message.subject.partition(": ")[2] for letter in self.channels.sent]

    def note(self, name: str, model: str = "line", **changes: Any) -> None:
        notice = Notice(id=name, kind=NoticeKind.TROUBLE, model=model, environment=None, run=None, cause=name, at=START)
        self.outbox.note(replace(notice, **changes))


def test_each_end_of_a_run_is_told_once() -> None:
    world = Told()
    assert world.run().outcome is Outcome.DEPLOYED
    assert world.run(mae=9.0).outcome is Outcome.REJECTED
    for _ in range(3):
        world.tell()
    assert world.subjects == ["version 1 is deployed", "version 2 was rejected"]


def test_a_run_that_learns_nothing_new_is_told_to_nobody() -> None:
    world = Told()
    world.run()
    world.tell()
    retrain(Request(environment="production"), world.workspace, world.ports())
    world.tell()
    assert world.subjects == ["version 1 is deployed"]


def test_a_rejection_says_which_version_keeps_serving() -> None:
    world = Told()
    world.run()
    world.run(mae=9.0)
    world.tell()
    content = world.channels.sent[-1].message.content
    assert (content["kind"], content["version"], content["serving"], content["before"]) == ("rejected", 2, 1, 1)


def test_who_must_decide_is_told_once_and_then_what_came_of_it() -> None:
    world = Told(approval="manual")
    world.run()
    world.tell()
    decision = Decision(version=1, approved=True, actor="grace", reason="fine")
    decide(decision, world.environment(), world.workspace, world.ports())
    world.tell()
    assert world.subjects == ["version 1 needs approval", "version 1 is deployed"]


def test_going_back_is_told_with_who_and_why() -> None:
    world = Told()
    world.run()
    world.run()
    roll_back(world.environment(), world.workspace, world.ports(), actor="grace", reason="too slow")
    world.tell()
    content = world.channels.sent[-1].message.content
    assert (content["kind"], content["version"], content["before"]) == ("rolled back", 1, 2)
    assert (content["actor"], content["reason"]) == ("grace", "too slow")


def test_a_pause_is_told() -> None:
    world = Told()
    world.inbox.pause(Pause(model="line", environment=None, actor="ada", reason="holidays", since=START))
    world.tell()
    assert "Holidays" in world.channels.sent[0].message.body


def test_failures_are_told_once_and_that_they_are_over_at_once() -> None:
    world = Told(replace(SLACK, on=frozenset({NoticeKind.FAILED, NoticeKind.RECOVERED})))
    for _ in range(3):
        world.lose[JobKind.TRAIN] = 10
        assert world.run().outcome is Outcome.FAILED
        world.tell()
    world.lose.clear()
    world.run()
    world.tell()
    assert world.subjects == ["retraining failed", "retraining works again"]


def test_a_channel_that_is_down_for_a_day_gets_everything_when_it_is_back() -> None:
    world = Told(SLACK, EMAIL)
    world.channels.down["slack"] = "it does not answer"
    world.run()
    for _ in range(48):
        world.tell()
        world.clock.advance(timedelta(minutes=30))
    assert [letter.channel.key for letter in world.channels.sent] == ["email"]
    assert 20 < len(world.channels.tried) < 40
    world.channels.down.clear()
    world.clock.advance(timedelta(hours=1))
    world.tell()
    assert [letter.channel.key for letter in world.channels.sent] == ["email", "slack"]


def test_what_cannot_be_told_for_days_is_given_up_and_kept_in_the_list() -> None:
    world = Told()
    world.channels.down["slack"] = "it does not answer"
    world.run()
    for _ in range(200):
        world.tell()
        world.clock.advance(timedelta(hours=1))
    (lost,) = world.outbox.deliveries(state=DeliveryState.GIVEN_UP)
    assert (lost.error, len(world.channels.tried)) == ("it does not answer", MOST_ATTEMPTS + 1)


def test_a_channel_that_takes_nothing_is_not_asked_for_each_of_a_thousand_messages() -> None:
    world = Told()
    world.channels.down["slack"] = "it does not answer"
    for number in range(1_000):
        world.note(f"trouble-{number}")
    assert len(world.tell()) == 1_000
    assert len(world.channels.tried) == 2


def test_one_message_that_is_never_taken_does_not_keep_the_others_back() -> None:
    world = Told()
    world.channels.refused = "poison"
    for name in ("poison", "good", "better"):
        world.note(name, facts={"part": name})
    world.tell()
    assert world.subjects == ["trouble with good", "trouble with better"]


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_anywhere_loses_no_message_and_doubles_at_most_the_one_under_way(*, after: bool) -> None:
    for call in range(1, 12):
        world = Told()
        world.run()
        killed = world.killed_at(call, after=after, act=world.tell)
        for _ in range(3):
            world.tell()
            world.clock.advance(timedelta(minutes=15))
        ids = [letter.id for letter in world.channels.sent]
        assert 1 <= len(ids) <= 2, call
        assert len(set(ids)) == 1, call
        assert len(ids) == 1 or killed


def _retrain(request: Request, world: World) -> Run:
    return retrain(request, world.workspace, world.ports())


def test_a_kill_at_the_end_of_a_run_loses_no_notice() -> None:
    for call in range(1, 200):
        world = Told()
        world.mae = 1.0
        request = Request(environment="production")
        if not world.killed_at(call, after=True, act=partial(_retrain, request, world)):
            return
        _retrain(request, world)
        world.tell()
        assert world.subjects == ["version 1 is deployed"], call


def test_a_broken_outbox_is_no_reason_for_a_run_to_fail() -> None:
    world = Told()
    world.channels.down["slack"] = "boom"
    assert world.run().outcome is Outcome.DEPLOYED
    assert world.tell() == {1: "boom"}
    assert world.store.runs("line")[0].outcome is Outcome.DEPLOYED


def test_a_channel_that_left_the_file_is_not_waited_for() -> None:
    world = Told(SLACK, EMAIL)
    world.run()
    address({"line": world.workspace}, world.ports())
    world.workspace = replace(world.workspace, project=replace(world.workspace.project, alerts=(EMAIL,)))
    world.tell()
    (lost,) = world.outbox.deliveries(state=DeliveryState.GIVEN_UP)
    assert (lost.channel, lost.error) == ("slack", "everfit.yaml has no such channel any more")


def test_without_channels_nothing_is_told_later_either() -> None:
    world = Told()
    channels = world.workspace.project.alerts
    world.workspace = replace(world.workspace, project=replace(world.workspace.project, alerts=()))
    world.run()
    world.tell()
    world.workspace = replace(world.workspace, project=replace(world.workspace.project, alerts=channels))
    assert world.tell() == {}


def test_notices_of_a_project_that_is_not_here_wait_and_hold_up_nobody() -> None:
    world = Told()
    other = replace(world.workspace, project=replace(world.workspace.project, model="other"))
    workspaces = {"line": world.workspace, "other": other}
    for number in range(150):
        world.note(f"gone-{number}", model="gone")
    world.run()
    tell(workspaces, world.ports())
    assert world.subjects == ["version 1 is deployed"]
    assert len(world.outbox.unaddressed(limit=1_000)) == 150
    world.clock.advance(STRANGE_FOR)
    tell(workspaces, world.ports())
    assert len(world.outbox.unaddressed(limit=1_000)) == 0


def test_no_secret_is_in_a_message_or_in_an_error() -> None:
    world = Told()
    project = replace(world.workspace.project, secrets=frozenset({"s3cret"}))
    world.workspace = replace(world.workspace, project=project)
    world.note("1", facts={"reason": "refused s3cret", "part": "data"})
    world.channels.down["slack"] = "s3cret is wrong"
    assert list(world.tell().values()) == ["*** is wrong"]
    assert "s3cret" not in str(world.channels.tried[0].message)


def test_a_link_leads_to_the_run() -> None:
    world = Told()
    run = world.run()
    tell({"line": world.workspace}, replace(world.ports(), url="https://everfit.example"))
    assert world.channels.sent[0].message.content["link"] == f"https://everfit.example/v1/runs/{run.id}"


def test_a_process_that_is_asked_to_leave_begins_no_further_message() -> None:
    world = Told()
    world.run()
    tell({"line": world.workspace}, replace(world.ports(), leaving=lambda: True))
    assert (world.channels.tried, len(world.outbox.deliveries(state=DeliveryState.WAITING))) == ([], 1)
