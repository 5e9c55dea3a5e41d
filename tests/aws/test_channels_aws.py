"""What goes out to AWS: topics, metrics and the object that says what was trained last."""

import json
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from everfit.adapters.aws.alarms import drift_alarms
from everfit.adapters.aws.channels import NEEDS_BOTO3, LateSender, RoutedChannels, Sender
from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.last_trained import LastTrainedSender
from everfit.adapters.aws.metrics_channel import MetricsSender
from everfit.adapters.aws.sns_channel import FIFO, SnsSender, publication, subject
from everfit.adapters.memory.channels import MemoryChannels
from everfit.application.alerting import tell
from everfit.application.evidence import evidence_of
from everfit.application.ports import Letter
from everfit.application.retraining import Request, retrain
from everfit.domain.alert import Channel, ChannelKind, takes
from everfit.domain.aws import aws_place
from everfit.domain.aws_channels import following_channels
from everfit.domain.delivery import DeliveryState
from everfit.domain.errors import BackendError, RequestError
from everfit.domain.message import Message
from everfit.domain.notice import Notice, NoticeKind
from everfit.domain.run import Run
from everfit.domain.told_figures import Evidence, is_newer, last_trained, metric_name, points
from tests.aws.bench.client import Bench
from tests.aws.places import PROJECT, a_project
from tests.aws_bench import BUCKET, REGION
from tests.fakes import World
from tests.stored import MINUTE, START, a_version

ACCOUNT = "123456789012"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:model-drift-alerts"
LAST = f"s3://{BUCKET}/Model/last_trained.json"
WITH_LAST = PROJECT.replace("  namespace:", f"  last_trained: {LAST}\n  namespace:")


def a_letter(to: ChannelKind = ChannelKind.SNS, address: str = TOPIC, **content: Any) -> Letter:
    said: Mapping[str, Any] = {
        "schema": 1,
        "id": "run:1:rejected",
        "kind": "rejected",
        "model": "churn",
        "environment": "production",
        "at": "2026-11-21T10:00:00+00:00",
        "run": "run-1",
        "trigger": "schedule",
        "version": 2,
        "serving": 1,
        "rules": [{"rule": "mape < 20", "result": "fail", "reason": "mape is 25.3, the limit 20"}],
        **content,
    }
    message = Message(subject="Model Rejected", body="New model exceeded MAPE threshold.", content=said)
    channel = Channel(key=to.value, kind=to, address=address, environments=("production",))
    return Letter(id=f"{said['id']}:{to.value}", channel=channel, message=message)


# Topics


@pytest.fixture
def heard(bench: Bench, aws_clients: Clients) -> str:
    """The address of a queue that hears the topic."""
    arn = bench.client("sns").create_topic(Name="model-drift-alerts")["TopicArn"]
    sqs = bench.client("sqs")
    url: str = sqs.create_queue(QueueName="heard")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bench.client("sns").subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue)
    return url


def messages(bench: Bench, url: str) -> list[dict[str, Any]]:
    found = bench.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [json.loads(each["Body"]) for each in found.get("Messages", [])]


def test_an_alert_is_published_with_what_subscriptions_filter_by(
    bench: Bench, aws_clients: Clients, heard: str
) -> None:
    SnsSender(lambda _: aws_clients).send(a_letter())
    (message,) = messages(bench, heard)
    assert (message["Subject"], message["Message"]) == ("Model Rejected", "New model exceeded MAPE threshold.")
    attributes = {name: each["Value"] for name, each in message["MessageAttributes"].items()}
    assert attributes == {
        "model": "churn",
        "environment": "production",
        "outcome": "rejected",
        "version": "2",
        "serving": "churn version 1",
        "run": "run-1",
        "id": "run:1:rejected",
    }


def test_the_topic_of_the_environment_is_found_by_its_name(bench: Bench, aws_clients: Clients, heard: str) -> None:
    channels = {each.kind: each for each in a_project().channels if each.environments == ("production",)}
    letter = a_letter()
    SnsSender(lambda _: aws_clients).send(replace(letter, channel=channels[ChannelKind.TOPIC]))
    assert len(messages(bench, heard)) == 1


@pytest.mark.parametrize(
    ("code", "words"),
    [("AuthorizationError", "may not call Publish"), ("NotFound", "it is not there"), ("ExpiredToken", "have expired")],
)
def test_a_topic_that_refuses_is_said_so_in_one_sentence(
    bench: Bench, aws_clients: Clients, heard: str, code: str, words: str
) -> None:
    bench.fault("sns", "Publish", code=code, message="no", status=403)
    with pytest.raises(RequestError, match=words) as caught:
        SnsSender(lambda _: aws_clients).send(a_letter())
    assert "\n" not in str(caught.value)


def test_a_fifo_topic_is_refused_before_anything_is_sent() -> None:
    letter = a_letter(address=f"{TOPIC}.fifo")
    sender = SnsSender(pytest.fail)
    assert sender.trouble(letter.channel) == FIFO
    with pytest.raises(RequestError, match="FIFO"):
        sender.send(letter)


@pytest.mark.parametrize(
    "text", ["", "Zu spät: 日本", "x" * 500, "two\nlines", "a…b", "\x07", "Model Needs Manual Approval"]
)
def test_a_subject_is_what_sns_takes(text: str) -> None:
    shown = subject(text)
    assert shown.isascii()
    assert shown.isprintable()
    assert 1 <= len(shown) <= 99


def test_the_words_for_an_approval_are_the_agreed_ones() -> None:
    """The exact texts that people filter their mail by."""
    message = Message(
        subject="Model Needs Manual Approval",
        body="New model exceeded MAPE threshold. MAPE: 25.3%, Threshold: 20.0%. Please review and approve manually.",
        content=a_letter().message.content,
    )
    sent = publication(replace(a_letter(), message=message))
    assert sent["Subject"] == "Model Needs Manual Approval"
    assert sent["Message"] == message.body


# Metrics


def written(bench: Bench, namespace: str = "MLOps/Forecasting") -> dict[tuple[str, str], float]:
    """Return the sum of each metric by its name and dimensions."""
    cloudwatch, found = bench.client("cloudwatch"), {}
    for metric in cloudwatch.list_metrics(Namespace=namespace)["Metrics"]:
        points = cloudwatch.get_metric_statistics(
            Namespace=namespace,
            MetricName=metric["MetricName"],
            Dimensions=metric["Dimensions"],
            StartTime=datetime(2026, 11, 21, 9, tzinfo=UTC),
            EndTime=datetime(2026, 11, 21, 11, tzinfo=UTC),
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        named = ",".join(f"{each['Name']}={each['Value']}" for each in metric["Dimensions"])
        found[metric["MetricName"], named] = sum(each["Sum"] for each in points)
    return found


def test_the_figures_of_a_rejected_model_are_seen_and_counted(bench: Bench, aws_clients: Clients) -> None:
    evidence = Evidence(version=a_version(), figures={"mape": 25.3})
    sender = MetricsSender(lambda _: aws_clients, a_project(), lambda _: evidence)
    sender.send(a_letter(ChannelKind.METRICS))
    here = "Model=churn,Environment=production"
    assert written(bench) == {
        ("ModelMAPE", "EndpointName=churn"): 25.3,
        ("ModelMAPE", here): 25.3,
        ("RunRejected", here): 1.0,
        ("ModelDriftDetected", here): 1.0,
    }


@pytest.mark.parametrize(
    ("reason", "count"),
    [("a person must approve: mape >= 20 holds (mape is 25.3, the limit 20)", 1), ("approval is manual", 0)],
)
def test_a_limit_from_which_a_person_is_asked_counts_as_drift(reason: str, count: int) -> None:
    content = {**a_letter(kind="needs approval", reason=reason).message.content, "rules": []}
    found = [point.name for point in points(content, Evidence(), "churn")]
    assert found.count("ModelDriftDetected") == count


def test_the_drift_alarm_looks_at_the_figure_that_is_written() -> None:
    """`<endpoint>-mape-drift-alarm` watches ModelMAPE in the project's namespace."""
    project = a_project()
    environment = project.environments["production"]
    assert environment.aws is not None
    (alarm,) = drift_alarms(environment.endpoint, project, environment, environment.aws, None)
    point = points(a_letter().message.content, Evidence(figures={"mape": 25.3}), environment.endpoint)[0]
    assert alarm["AlarmName"] == "churn-mape-drift-alarm"
    assert (alarm["Namespace"], alarm["MetricName"]) == ("MLOps/Forecasting", point.name)
    assert alarm["Dimensions"] == [{"Name": name, "Value": value} for name, value in point.dimensions.items()]
    assert alarm["Threshold"] == 20


@pytest.mark.parametrize(
    ("kind", "counted"),
    [
        ("deployed", {"RunDeployed"}),
        ("approved", {"RunApproved"}),
        ("needs approval", {"RunNeedsApproval"}),
        ("failed", {"RunFailed"}),
        ("rolled back", {"RolledBack"}),
        ("paused", set()),
    ],
)
def test_each_end_of_a_run_is_counted_by_its_name(kind: str, counted: set[str]) -> None:
    found = points(a_letter(kind=kind).message.content, Evidence(), "churn")
    assert {point.name for point in found} == counted


def test_a_run_that_drift_started_is_counted_as_data_drift() -> None:
    found = points(a_letter(kind="deployed", trigger="drift").message.content, Evidence(), "churn")
    assert {point.name for point in found} == {"RunDeployed", "DataDrift"}


def test_what_failed_before_it_was_measured_has_no_figures() -> None:
    evidence = Evidence(figures={"mape": 25.3})
    assert not any(
        point.name.startswith("Model") for point in points(a_letter(kind="failed").message.content, evidence, "e")
    )
    assert metric_name("r2") == "ModelR2"


def test_a_test_of_the_channels_writes_no_figure(bench: Bench, aws_clients: Clients) -> None:
    sender = MetricsSender(lambda _: aws_clients, a_project(), lambda _: Evidence())
    sender.send(a_letter(ChannelKind.METRICS, kind="test"))
    assert bench.calls("cloudwatch", "PutMetricData") == []


def test_many_figures_are_written_in_several_requests(bench: Bench, aws_clients: Clients) -> None:
    evidence = Evidence(figures={f"metric_{number}": 1.0 for number in range(30)})
    MetricsSender(lambda _: aws_clients, a_project(), lambda _: evidence).send(a_letter(ChannelKind.METRICS))
    assert len(bench.calls("cloudwatch", "PutMetricData")) == 3


# What was trained last


def sender_of(clients: Clients) -> LastTrainedSender:
    version = replace(a_version(number=2), lineage={"rows": {"train": 400}, "commit": "abc"})
    return LastTrainedSender(
        lambda _: clients, a_project(WITH_LAST), lambda _: Evidence(version=version, figures={"mape": 12.5})
    )


def last(bench: Bench) -> dict[str, Any]:
    body = bench.client("s3").get_object(Bucket=BUCKET, Key="Model/last_trained.json")["Body"].read()
    found: dict[str, Any] = json.loads(body)
    return found


def test_what_was_trained_last_is_one_object_of_a_stable_shape(bench: Bench, aws_clients: Clients) -> None:
    sender_of(aws_clients).send(a_letter(ChannelKind.LAST_TRAINED, kind="deployed", serving=2))
    assert last(bench) == {
        "schema": 1,
        "model": "churn",
        "environment": "production",
        "version": 2,
        "outcome": "deployed",
        "serving": 2,
        "trained_at": "2026-11-21T09:00:00.000000+00:00",
        "at": "2026-11-21T10:00:00+00:00",
        "run": "run-1",
        "data": {"snapshot": "blake3:data", "rows": {"train": 400}},
        "metrics": {"mape": 12.5},
        "artifact": "sha256:1",
        "commit": "abc",
    }


def test_an_older_one_never_takes_the_place_of_a_newer_one(bench: Bench, aws_clients: Clients) -> None:
    sender = sender_of(aws_clients)
    for hour in (11, 10, 12, 9):
        sender.send(a_letter(ChannelKind.LAST_TRAINED, at=f"2026-11-21T{hour:02}:00:00+00:00"))
    assert last(bench)["at"] == "2026-11-21T12:00:00+00:00"


def test_the_newest_wins_when_many_write_at_once(bench: Bench, aws_clients: Clients) -> None:
    sender = sender_of(aws_clients)
    letters = [a_letter(ChannelKind.LAST_TRAINED, at=f"2026-11-21T10:{minute:02}:00+00:00") for minute in range(5)]
    failed: list[Exception] = []

    def send(letter: Letter) -> None:
        try:
            sender.send(letter)
        except BackendError as error:
            failed.append(error)

    threads = [threading.Thread(target=send, args=(letter,)) for letter in letters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert last(bench)["at"] == "2026-11-21T10:04:00+00:00"


@pytest.mark.parametrize("content", [{"kind": "test"}, {"environment": "elsewhere"}, {"environment": None}])
def test_what_tells_of_no_training_here_leaves_the_object(bench: Bench, aws_clients: Clients, content: Any) -> None:
    sender_of(aws_clients).send(a_letter(ChannelKind.LAST_TRAINED, **content))
    LastTrainedSender(lambda _: aws_clients, a_project(WITH_LAST), lambda _: Evidence()).send(a_letter())
    LastTrainedSender(lambda _: aws_clients, a_project(), lambda _: Evidence()).send(a_letter())
    assert bench.calls("s3", "PutObject") == []


def test_an_object_that_others_write_all_the_time_is_tried_again_later(bench: Bench, aws_clients: Clients) -> None:
    bench.fault("s3", "PutObject", code="PreconditionFailed", status=412, message="no", times=100)
    with pytest.raises(BackendError, match="by others all the time") as caught:
        sender_of(aws_clients).send(a_letter(ChannelKind.LAST_TRAINED))
    assert caught.value.retryable


def test_an_object_that_is_no_json_is_replaced(bench: Bench, aws_clients: Clients) -> None:
    bench.client("s3").put_object(Bucket=BUCKET, Key="Model/last_trained.json", Body=b"broken")
    sender_of(aws_clients).send(a_letter(ChannelKind.LAST_TRAINED))
    assert last(bench)["version"] == 2


def test_a_bucket_that_may_not_be_written_is_said_so(bench: Bench, aws_clients: Clients) -> None:
    bench.deny("s3", "PutObject")
    with pytest.raises(RequestError, match="may not call PutObject"):
        sender_of(aws_clients).send(a_letter(ChannelKind.LAST_TRAINED))


@pytest.mark.parametrize("kept", [None, [], {}, {"at": 3}, {"at": "yesterday"}, {"at": "2026-11-21T10:00:00"}])
def test_whatever_the_object_holds_is_compared_or_replaced(kept: object) -> None:
    said = last_trained(a_letter().message.content, Evidence(version=a_version()))
    assert said is not None
    assert is_newer(said, kept)
    assert last_trained(a_letter().message.content, Evidence()) is None


# Who is told what


@pytest.mark.parametrize(
    ("name", "environments", "is_told_again"),
    [("drift", (), False), ("drift", ("production",), False), ("drift", ("staging",), True), ("other", (), True)],
)
def test_a_topic_that_alerts_names_is_told_once(name: str, environments: tuple[str, ...], is_told_again: bool) -> None:
    keys = {"region": "us-east-1", "bucket": "b", "names": {"topic": "drift"}}
    told = Channel(
        key="sns-1",
        kind=ChannelKind.SNS,
        address=f"arn:aws:sns:us-east-1:111122223333:{name}",
        environments=environments,
    )
    found = following_channels([aws_place("churn", "production", keys, {})], [told])
    assert ("topic-production" in [each.key for each in found]) is is_told_again


def test_an_environment_on_aws_brings_its_channels_and_hears_of_itself_alone() -> None:
    channels = a_project(WITH_LAST).channels
    assert [each.key for each in channels] == [
        "topic-staging",
        "metrics-staging",
        "last-trained-staging",
        "topic-production",
        "metrics-production",
        "last-trained-production",
    ]
    notice = Notice(
        id="1", kind=NoticeKind.DEPLOYED, model="churn", environment="staging", run="r", cause="c", at=START
    )
    assert [each.key for each in channels if takes(each, notice)] == [
        "topic-staging",
        "metrics-staging",
        "last-trained-staging",
    ]
    whole = replace(notice, environment=None, kind=NoticeKind.PAUSED)
    assert not any(takes(each, whole) for each in channels)


class Told(World):
    """A world on AWS whose metrics and object are really written."""

    def __init__(self, clients: Clients) -> None:
        super().__init__()
        given = {"region": REGION, "bucket": BUCKET, "last_trained": LAST, "namespace": "MLOps/Forecasting"}
        project = self.workspace.project
        production = replace(self.environment(), aws=aws_place("line", "production", given, {}))
        project = replace(project, environments={**project.environments, "production": production})
        self.workspace = replace(self.workspace, project=project)
        evidence = partial(evidence_of, registry=self.registry, store=self.store)
        senders: dict[ChannelKind, Sender] = {
            ChannelKind.METRICS: MetricsSender(lambda _: clients, project, evidence),
            ChannelKind.LAST_TRAINED: LastTrainedSender(lambda _: clients, project, evidence),
        }
        self.routed = RoutedChannels(self.channels, senders)

    def run(self, mae: float = 1.0) -> Run:
        self.mae = mae
        self.data.rows += 100
        self.clock.advance(MINUTE)
        return retrain(Request(environment="production", actor="ada"), self.workspace, self.ports())

    def tell(self) -> dict[int, str | None]:
        return dict(tell({"line": self.workspace}, self.ports(channels=self.routed)))


def test_each_end_of_a_run_is_written_through_the_outbox(bench: Bench, aws_clients: Clients) -> None:
    world = Told(aws_clients)
    world.run()
    world.run(mae=9.0)
    assert set(world.tell().values()) == {None}
    found = written(bench)
    assert found["RunDeployed", "Model=line,Environment=production"] == 1
    assert found["ModelMAE", "EndpointName=line"] == 10.0
    assert (last(bench)["version"], last(bench)["outcome"], last(bench)["serving"]) == (2, "rejected", 1)


def test_cloudwatch_that_fails_holds_up_no_run_and_is_tried_again(bench: Bench, aws_clients: Clients) -> None:
    """An alert channel that is down is retried and never blocks or fails a run."""
    world = Told(aws_clients)
    fault = bench.deny("cloudwatch", "PutMetricData")
    assert world.run().outcome is not None
    assert any(world.tell().values())
    bench.forget(fault)
    world.clock.advance(timedelta(hours=1))
    assert list(world.tell().values()) == [None]
    assert all(each.state is DeliveryState.DELIVERED for each in world.outbox.deliveries())


# Several at once


class Slow:
    def __init__(self) -> None:
        self.go = threading.Event()

    def send(self, letter: Letter) -> None:
        self.go.wait(30)

    def trouble(self, channel: Channel) -> str | None:
        return None


class Broken(Slow):
    def send(self, letter: Letter) -> None:
        raise ValueError("surprise")


def test_a_channel_that_hangs_holds_up_nobody() -> None:
    slow, usual = Slow(), MemoryChannels()
    routed = RoutedChannels(usual, {ChannelKind.SNS: slow, ChannelKind.TOPIC: Broken()}, timedelta(milliseconds=50))
    letters = [a_letter(), a_letter(ChannelKind.TOPIC), a_letter(ChannelKind.SLACK, "https://x")]
    found = {letter.channel.kind: words for letter, words in routed.send(letters)}
    slow.go.set()
    assert found[ChannelKind.SLACK] is None
    assert found[ChannelKind.SNS] == "AWS did not take the message within 0 s"
    assert "surprise" in str(found[ChannelKind.TOPIC])


def test_each_channel_says_itself_whether_it_can_be_used() -> None:
    usual = MemoryChannels()
    usual.down["slack"] = "no such channel"
    evidence = Evidence()
    senders: dict[ChannelKind, Sender] = {
        ChannelKind.SNS: SnsSender(pytest.fail),
        ChannelKind.METRICS: MetricsSender(pytest.fail, a_project(), lambda _: evidence),
        ChannelKind.LAST_TRAINED: LastTrainedSender(pytest.fail, a_project(), lambda _: evidence),
    }
    routed = RoutedChannels(usual, senders)
    assert routed.trouble(a_letter(ChannelKind.SLACK, "https://x").channel) == "no such channel"
    assert {routed.trouble(a_letter(kind).channel) for kind in senders} == {None}


def test_what_a_channel_needs_is_loaded_when_there_is_something_to_send() -> None:
    loaded: list[str] = []

    def load() -> Sender:
        loaded.append("once")
        return SnsSender(pytest.fail)

    late = LateSender(load)
    assert loaded == []
    assert late.trouble(a_letter(address=f"{TOPIC}.fifo").channel) == FIFO
    with pytest.raises(RequestError):
        late.send(a_letter(address=f"{TOPIC}.fifo"))


def test_without_boto3_a_topic_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    late = LateSender(lambda: pytest.fail("it needs what is not there"))
    assert late.trouble(a_letter().channel) == NEEDS_BOTO3
    with pytest.raises(RequestError, match="everfit\\[aws\\]"):
        late.send(a_letter())
