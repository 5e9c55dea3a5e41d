"""The five example projects on AWS: each plans, applies and runs there, and keeps the names that were promised."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.aws.bench.client import Bench, RunningBench, until
from tests.aws.bench.guide import ACCOUNT, furnish, minutely, variables
from tests.integration.test_examples import EXAMPLES, variables_of
from tests.projects import LineProject, Result

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
LONG = 300.0


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The account of the examples, with what their owners have made there."""
    with RunningBench(tmp_path_factory.mktemp("account"), account=ACCOUNT) as running:
        furnish(running)
        yield running


class Example(LineProject):
    """A copy of an example that works on the bench."""

    def __init__(self, bench: Bench, name: str, folder: Path) -> None:
        self.bench, self.name, self.folder = bench, name, folder / name
        self._started = []
        self._machines: dict[str, str] = {}
        shutil.copytree(EXAMPLES / name, self.folder, ignore=shutil.ignore_patterns("data", ".everfit", "__pycache__"))

    def environment(self, **given: str) -> dict[str, str]:
        own = {**variables_of(self.name), **variables(self.bench), "EVERFIT_AWS_LOOK": "100ms"}
        return super().environment(**own, **given)

    def data(self, bucket: str, *arguments: str) -> None:
        """Make up data and put it where the training finds it, as the README says."""
        program = [sys.executable, "data.py", "--bucket", bucket, *arguments]
        subprocess.run(program, cwd=self.folder, check=True, env=self.environment())

    def well(self, *arguments: str) -> Result:
        """Call a command that must end well."""
        result = self.everfit(*arguments)
        assert result.code == 0, result.out + result.err
        return result

    def applied(self, environment: str = "production") -> Mapping[str, str]:
        """Plan and apply, and return what the stack says of itself."""
        assert self.planned(environment)["changes"]
        outputs: Mapping[str, str] = self.well("apply", "--env", environment, "--yes", "--json").json["outputs"]
        self._machines[environment] = outputs["StateMachine"]
        return outputs

    def planned(self, environment: str = "production") -> dict[str, Any]:
        return dict(self.well("plan", "--env", environment, "--json").json)

    def ran(self, environment: str = "production", code: int = 0) -> dict[str, Any]:
        """Run as a controller and return how the run ended."""
        result = self.everfit("run", "--env", environment, "--json")
        assert result.code == code, result.out + result.err
        return dict(result.json)

    def ran_alone(self, environment: str = "production") -> dict[str, Any]:
        """Ask for a run and let the stack take it; return how it ended."""
        before = self.executions(environment).keys()
        self.well("trigger", "--env", environment)

        def rested() -> bool:
            new = [status for name, status in self.executions(environment).items() if name not in before]
            if not new:
                self.tick()
            return bool(new) and "RUNNING" not in new

        until(rested, "a run that the stack takes", LONG)
        newest = self.runs(environment)[0]
        assert newest["ended"] is not None, str(newest)
        return newest

    def executions(self, environment: str) -> Mapping[str, str]:
        machine = self._machines[environment]
        found = self.bench.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
        return {each["name"]: each["status"] for each in found}

    def runs(self, environment: str) -> list[dict[str, Any]]:
        return list(self.well("runs", "--env", environment, "--json").json)

    def tick(self) -> None:
        """Let a minute pass for every stack."""
        for name in minutely(self.bench):
            self.bench.fire(name)

    def served(self, environment: str = "production") -> list[int]:
        rows = self.well("history", "--env", environment, "--json").json
        return [row["version"] for row in rows][::-1]


def schedule(bench: Bench, name: str) -> tuple[str, str]:
    found = bench.client("scheduler").get_schedule(Name=name)
    return found["ScheduleExpression"], found["ScheduleExpressionTimezone"]


class Heard:
    """A queue that hears a topic."""

    def __init__(self, bench: Bench, topic: str) -> None:
        self._sqs = bench.client("sqs")
        self._url = self._sqs.create_queue(QueueName=f"hears-{topic}")["QueueUrl"]
        bench.client("sns").subscribe(
            TopicArn=f"arn:aws:sns:us-east-1:{ACCOUNT}:{topic}",
            Protocol="sqs",
            Endpoint=f"arn:aws:sqs:us-east-1:{ACCOUNT}:hears-{topic}",
        )

    def all(self) -> list[tuple[str, str]]:
        """Return subject and body of each message since the last time."""
        found = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages", [])
        for each in found:
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=each["ReceiptHandle"])
        told = [json.loads(each["Body"]) for each in found]
        return [(each.get("Subject", ""), each["Message"]) for each in told]


def alarms(bench: Bench, prefix: str) -> dict[str, dict[str, Any]]:
    found = bench.client("cloudwatch").describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"]
    return {each["AlarmName"]: each for each in found}


def metrics(bench: Bench, namespace: str) -> set[str]:
    found = bench.client("cloudwatch").list_metrics(Namespace=namespace)["Metrics"]
    return {each["MetricName"] for each in found}


def functions(bench: Bench) -> set[str]:
    pages = bench.client("lambda").get_paginator("list_functions").paginate()
    return {each["FunctionName"] for page in pages for each in page["Functions"]}


@pytest.mark.soak
def test_the_forecast_keeps_names_figures_and_words_and_deploys_what_was_approved(
    account: Bench, tmp_path: Path
) -> None:
    tickets = Example(account, "ticket-forecast", tmp_path)
    tickets.applied()
    assert not tickets.planned()["changes"]
    assert "prophet-retrain-trigger" in functions(account)
    assert schedule(account, "weekly-prophet-retrain") == ("cron(0 9 ? * SUN *)", "UTC")
    mail = Heard(account, "model-drift-alerts")
    tickets.data("ticket-forecasting-lake")
    first = tickets.ran_alone()
    assert first["outcome"] == "deployed", str(first)
    assert tickets.ran()["outcome"] == "skipped"
    mail.all()

    tickets.data("ticket-forecasting-lake", "--until", "2024-05-31", "--unruly-from", "2024-02-01")
    waiting = tickets.ran(code=4)
    mape = waiting["metrics"]["challenger"]["mape"]
    assert (waiting["outcome"], 20 <= mape < 100) == ("needs approval", True)
    words = f"New model exceeded MAPE threshold. MAPE: {mape:.1f}%, Threshold: 20.0%. "
    assert ("Model Needs Manual Approval", f"{words}Please review and approve manually.") in mail.all()
    alarm = alarms(account, "prophet-fastapi-endpoint-latest-")["prophet-fastapi-endpoint-latest-mape-drift-alarm"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("MLOps/Forecasting", "ModelMAPE")
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 20.0)
    assert f"arn:aws:sns:us-east-1:{ACCOUNT}:model-drift-alerts" in alarm["AlarmActions"]
    assert {"ModelMAPE", "ModelDriftDetected"} <= metrics(account, "MLOps/Forecasting")
    assert tickets.served() == [1]

    tickets.well("approve", "2", "--env", "production", "--reason", "the flood is real")
    assert tickets.served() == [1, 2]
    found = account.client("s3").get_object(Bucket="ticket-forecasting-lake", Key="Model/last_trained.json")
    assert json.loads(found["Body"].read())["version"] == 2


@pytest.mark.soak
def test_solar_rejects_below_its_threshold_and_tells_only_whom_it_concerns(account: Bench, tmp_path: Path) -> None:
    solar = Example(account, "solar-power", tmp_path)
    told = {kind: Heard(account, f"solar-power-{kind}") for kind in ("deployed", "rejected", "failed")}
    outputs = solar.applied()
    assert outputs["StateMachine"].endswith(":solar-power-retraining-workflow")
    assert "solar-power-data-monitor" in functions(account)
    solar.data("your-solar-data-bucket")
    assert solar.ran()["outcome"] == "deployed"
    assert [len(told[kind].all()) for kind in told] == [1, 0, 0]
    assert "ModelR2" in metrics(account, "SolarPower")
    solar.data("your-solar-data-bucket", "--until", "2024-09", "--broken", "2024-09")
    worse = solar.ran_alone()
    assert (worse["outcome"], solar.served()) == ("rejected", [1])

    def bad_news() -> bool:
        solar.tick()
        return "r2 >= 0.95" in "".join(body for _, body in told["rejected"].all())

    until(bad_news, "the bad news", LONG)
    assert [len(told[kind].all()) for kind in ("deployed", "failed")] == [0, 0]


@pytest.mark.soak
def test_leaves_train_in_the_image_of_the_table_and_a_new_class_is_caught(account: Bench, tmp_path: Path) -> None:
    plants = Example(account, "plant-doctor", tmp_path)
    plants.applied()
    plants.data("plant-doctor-photos", "--prefix", "leaves/", "--count", "15")
    assert plants.ran_alone()["outcome"] == "deployed"
    jobs = account.calls("sagemaker", "CreateTrainingJob")
    image = jobs[-1]["params"]["AlgorithmSpecification"]["TrainingImage"]
    assert image == "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.12-cpu-py39"
    leaf = plants.folder / "data" / "late_blight" / "late_blight-0003.png"
    answer = plants.well("predict", "--env", "production", "--json", str(leaf)).json
    assert answer["body"]["predictions"] == ["late_blight"]
    plants.data("plant-doctor-photos", "--prefix", "leaves/", "--class", "mosaic_virus", "--count", "15")
    caught = plants.ran(code=3)
    assert "The class mosaic_virus is new" in caught["reason"]
    assert plants.served() == [1]


@pytest.mark.soak
def test_masks_serve_from_functions_of_their_own_in_staging_and_production(account: Bench, tmp_path: Path) -> None:
    masks = Example(account, "mask-recommender", tmp_path)
    for environment in ("staging", "production"):
        masks.applied(environment)
        bucket = f"mask-recommender-{environment}-{ACCOUNT}"
        masks.data(bucket)
    weekly = [schedule(account, name) for name in weekly_names(account, "mask-recommender")]
    assert weekly == [("cron(0 0 ? * SAT *)", "America/New_York")] * 2
    assert masks.ran_alone("staging")["outcome"] == "deployed"
    assert "mask-recommender-inference-staging" in functions(account)
    assert "mask-recommender-inference" not in functions(account)
    assert masks.ran("production")["outcome"] == "deployed"
    masks.data(f"mask-recommender-staging-{ACCOUNT}", "--more", "1")
    assert masks.ran("staging")["outcome"] == "deployed"
    masks.well("rollback", "--env", "staging")
    assert (masks.served("staging"), masks.served("production")) == ([1, 2, 1], [1])
    face = {"face_length_mm": 118, "face_width_mm": 140, "nose_protrusion_mm": 20, "bizygomatic_mm": 136}
    asked = json.dumps({"instances": [{**face, "has_beard": 0}]})
    answer = masks.everfit("predict", "--env", "production", "--json", stdin=asked).json
    assert len(answer["body"]["predictions"]) == 1


def weekly_names(bench: Bench, model: str) -> list[str]:
    listed = bench.client("scheduler").list_schedules()["Schedules"]
    return [each["Name"] for each in listed if model in each["Name"] and not re.search("tick", each["Name"])]


def test_reviews_are_planned_and_applied_and_nothing_is_left_to_change(account: Bench, tmp_path: Path) -> None:
    reviews = Example(account, "sentiment", tmp_path)
    assert reviews.applied()["Endpoint"] == "ml-sentiment"
    assert not reviews.planned()["changes"]


@pytest.mark.soak
def test_reviews_are_deployed_when_their_training_is_done(account: Bench, tmp_path: Path) -> None:
    reviews = Example(account, "sentiment", tmp_path)
    reviews.applied()
    reviews.data(f"ml-sentiment-{ACCOUNT}")
    assert reviews.ran_alone()["outcome"] == "deployed"
    assert reviews.served() == [1]
    asked = json.dumps({"instances": [{"text": "The case is terrible"}]})
    answer = reviews.everfit("predict", "--env", "production", "--json", stdin=asked).json
    assert answer["body"]["predictions"] == ["negative"]
    before = account.client("sagemaker").describe_endpoint(EndpointName="ml-sentiment")["LastModifiedTime"]
    reviews.data(f"ml-sentiment-{ACCOUNT}", "--more", "1")
    assert reviews.ran()["outcome"] == "deployed"
    after = account.client("sagemaker").describe_endpoint(EndpointName="ml-sentiment")["LastModifiedTime"]
    assert after > before
