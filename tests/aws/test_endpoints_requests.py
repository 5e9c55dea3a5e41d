"""The requests that endpoints are made of, held against the models of AWS; and the decision about what comes next."""

import json
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest

from everfit.adapters.aws.alarms import Watched, drift_alarms, rollout_alarms, standing_alarms
from everfit.adapters.aws.alias_steps import AliasMove, Routing, next_alias_move
from everfit.adapters.aws.autoscaling import declared
from everfit.adapters.aws.endpoint_config import Hosting as Served
from everfit.adapters.aws.endpoint_config import difference, staging
from everfit.adapters.aws.endpoint_names import config_name, parsed
from everfit.adapters.aws.function_requests import answer_of, http_event
from everfit.adapters.aws.intent import Change, read_intent
from everfit.adapters.aws.rollout import Move, Observed, next_move
from everfit.domain.endpoint import ServedVersion
from everfit.domain.errors import StateError
from everfit.domain.gate import ApprovalPolicy
from everfit.domain.gate_rule import parse_rule
from everfit.domain.rollout_plan import deployment_config, rollout_of
from everfit.serving.function import http_answer, http_request, place_of
from tests.aws.bench import strict
from tests.aws.hosted import IMAGE, TOPIC, environment, place, project, serve

ROLE = "arn:aws:iam::123456789012:role/houses-job"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
VERSION = ServedVersion(
    model_name="houses", version=3, artifact="sha256:00", model="s3://b/a.tar.gz", python=IMAGE, script="inference.py"
)


def served(on: Any = None, **settings: Any) -> Served:
    of = on or place()
    monitored = MappingProxyType({"capture": 0.25})
    return Served(
        project=project(serve=serve(**settings), monitor=monitored), environment=environment(of), place=of, role=ROLE
    )


def test_every_request_is_one_that_sagemaker_takes() -> None:
    everything = replace(place(), key=KEY, subnets=("subnet-0a1b2c3d",), security_groups=("sg-0a1b2c3d",))
    made = staging(served(everything), "solar", VERSION, "s3://b/models/houses/3/model.tar.gz", "AllTraffic")
    assert strict.errors("sagemaker", "CreateModel", made.model) == []
    assert strict.errors("sagemaker", "CreateEndpointConfig", made.config) == []
    assert made.config["KmsKeyId"] == KEY
    assert made.config["DataCaptureConfig"]["InitialSamplingPercentage"] == 25
    for strategy in ("all-at-once", "canary", "linear", "rolling"):
        config = deployment_config(rollout_of({"strategy": strategy, "bake": timedelta(minutes=5)}), ["an-alarm"])
        update = {"EndpointName": "solar", "EndpointConfigName": made.name, "DeploymentConfig": config}
        assert strict.errors("sagemaker", "UpdateEndpoint", update) == []


@pytest.mark.parametrize("instance", ["ml.g5.xlarge", "ml.m5d.large", "ml.g4dn.xlarge"])
def test_a_disk_that_encrypts_itself_is_given_no_key(instance: str) -> None:
    made = staging(served(replace(place(), key=KEY), instance=instance), "solar", VERSION, "s3://b/m.tar.gz", "one")
    assert "KmsKeyId" not in made.config
    assert made.config["DataCaptureConfig"]["KmsKeyId"] == KEY


def test_the_same_version_has_the_same_name_until_its_settings_change() -> None:
    first, again = (staging(served(), "solar", VERSION, "s3://b/m.tar.gz", "one").name for _ in range(2))
    larger = staging(served(instance="ml.m5.xlarge"), "solar", VERSION, "s3://b/m.tar.gz", "one").name
    assert first == again
    assert first != larger


@pytest.mark.parametrize("endpoint", ["a", "solar", "x" * 47, "y" * 63, f"{'z' * 39}-{'z' * 23}"])
def test_names_are_never_too_long_and_say_their_version(endpoint: str) -> None:
    name = config_name(endpoint, 99_999, {"any": "settings"})
    found = parsed(endpoint, name)
    assert strict.errors("sagemaker", "DescribeEndpointConfig", {"EndpointConfigName": name}) == []
    assert found is not None
    assert found.version == 99_999
    # The permissions are bounded by these characters.
    assert name.startswith(endpoint[:40])
    assert parsed("other", name) is None


def test_what_only_aws_says_is_no_difference() -> None:
    assert difference({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}], "d": 3}) is None
    assert difference({"a": [{"b": 1}]}, {"a": [{"b": 2}]}) == "a.b"
    assert difference({"a": [1]}, {"a": []}) == "a"
    assert difference({"a": 1}, {}) == "a"


WATCHED = Watched(endpoint="prophet-fastapi-endpoint-latest", dimensions={"EndpointName": "e", "VariantName": "v"})
WATCH = {"for": timedelta(days=7), "roll_back_when": ("error_rate > 1%", "latency_p99 > 500ms")}


def test_the_alarm_of_a_worse_model_is_as_its_readers_know_it() -> None:
    on = replace(place(), namespace="MLOps/Forecasting")
    (alarm,) = drift_alarms("prophet-fastapi-endpoint-latest", project(), environment(on), on, TOPIC)
    assert strict.errors("cloudwatch", "PutMetricAlarm", alarm) == []
    assert alarm["AlarmName"] == "prophet-fastapi-endpoint-latest-mape-drift-alarm"
    assert (alarm["Namespace"], alarm["MetricName"]) == ("MLOps/Forecasting", "ModelMAPE")
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 20.0)
    assert alarm["AlarmActions"] == [TOPIC]


def test_the_alarm_goes_off_where_a_person_is_asked_and_not_only_where_the_gate_ends() -> None:
    asks = ApprovalPolicy(when=parse_rule("mape >= 20"))
    (alarm,) = drift_alarms("tickets", project(("mape < 100",)), environment(approval=asks), place(), None)
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 20.0)


def test_only_fixed_thresholds_of_the_whole_are_watched() -> None:
    rules = ("r2 >= 0.95", "rmse <= champion * 1.05", "latency_p99 < 500ms", "mape < 20 for region in [north]")
    found = drift_alarms("solar", project(rules), environment(), place(), None)
    assert [(each["AlarmName"], each["ComparisonOperator"]) for each in found] == [
        ("solar-r2-drift-alarm", "LessThanThreshold")
    ]
    assert "AlarmActions" not in found[0]


@pytest.mark.parametrize("is_function", [False, True])
def test_live_figures_have_alarms_that_cloudwatch_takes(is_function: bool) -> None:
    watched = replace(WATCHED, is_function=is_function)
    watching = environment(watch=WATCH)
    back = rollout_alarms(watched, "v2-01234567", watching, {"team": "energy"})
    standing = standing_alarms(watched, watching, place(), TOPIC)
    for alarm in (*back, *standing):
        assert strict.errors("cloudwatch", "PutMetricAlarm", alarm) == []
    latency = 500.0 if is_function else 500_000.0
    assert [alarm["Threshold"] for alarm in back] == [0.01, latency]
    assert [alarm["AlarmName"].removeprefix(f"{WATCHED.endpoint}-") for alarm in (*back, *standing)] == [
        "rollout-v2-01234567-5xx",
        "rollout-v2-01234567-latency",
        "5xx",
        "latency",
    ]


def test_scaling_is_what_application_auto_scaling_takes() -> None:
    scaling = declared({"autoscale": {"max": 4, "invocations_per_instance": 300}, "count": 2}, "solar")
    assert scaling is not None
    assert (scaling["min"], scaling["max"]) == (2, 4)
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/solar/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    for policy in scaling["policies"]:
        assert strict.errors("application-autoscaling", "PutScalingPolicy", {**target, **policy}) == []
    assert declared({}, "solar") is None


OLD, NEW = "solar-v1-00000000", "solar-v2-00000000"
CHANGE = Change(config=NEW, version=2, identity="a", previous=OLD, seen="then", asked=1.0)


def seen(status: str = "InService", config: str = OLD, modified: str = "now", **more: Any) -> Observed:
    return Observed(arn="arn", status=status, config=config, variant="one", modified=modified, **more)


@pytest.mark.parametrize(
    ("observed", "change", "is_fresh", "move"),
    [
        (None, None, False, Move.CREATE),
        (None, replace(CHANGE, asked=None), False, Move.CREATE),
        (None, CHANGE, True, Move.WAIT),
        (None, CHANGE, False, Move.FAIL),
        (seen("Updating"), CHANGE, False, Move.WAIT),
        (seen("Deleting"), None, False, Move.WAIT),
        (seen("Failed"), None, False, Move.REMOVE),
        (seen("Failed", NEW), CHANGE, False, Move.FAIL),
        (seen(config=NEW), None, False, Move.DONE),
        (seen(config=NEW), CHANGE, False, Move.DONE),
        (seen(config=NEW), replace(CHANGE, failed="before"), False, Move.FAIL),
        (seen(), None, False, Move.UPDATE),
        (seen(), CHANGE, False, Move.FAIL),
        (seen(modified="then"), CHANGE, True, Move.WAIT),
        (seen(modified="then"), CHANGE, False, Move.FAIL),
        (seen(modified="then"), replace(CHANGE, asked=None), False, Move.UPDATE),
        (seen(), replace(CHANGE, asked=None), False, Move.FAIL),
        (seen(config="theirs"), replace(CHANGE, asked=None), False, Move.UPDATE),
        (seen(config="theirs"), CHANGE, False, Move.FAIL),
        (seen("UpdateRollbackFailed"), None, False, Move.UPDATE),
        (seen("UpdateRollbackFailed"), CHANGE, False, Move.REPAIR),
        (seen("UpdateRollbackFailed"), replace(CHANGE, is_repair=True, asked=None), False, Move.REPAIR),
        (seen("UpdateRollbackFailed", modified="then"), replace(CHANGE, is_repair=True), True, Move.WAIT),
        (seen("UpdateRollbackFailed"), replace(CHANGE, is_repair=True), False, Move.FAIL),
        (seen(), replace(CHANGE, is_repair=True), False, Move.FAIL),
    ],
)
def test_what_comes_next_follows_from_what_serves(
    observed: Observed | None, change: Change | None, is_fresh: bool, move: Move
) -> None:
    assert next_move(observed, change, NEW, is_fresh=is_fresh).move is move


MOVED = Change(config="2", version=2, identity="a", previous="1", seen="1: 1.0", since=5.0)
STEPS = (0.1, 1.0)


@pytest.mark.parametrize(
    ("routing", "change", "baked", "is_ringing", "move"),
    [
        (Routing(main="1"), MOVED, False, False, AliasMove.ROUTE),
        (Routing(main="1", others={"2": 0.1}), replace(MOVED, since=0.0), False, False, AliasMove.BEGIN),
        (Routing(main="1", others={"2": 0.1}), MOVED, False, False, AliasMove.WAIT),
        (Routing(main="1", others={"2": 0.1}), MOVED, True, False, AliasMove.ADVANCE),
        (Routing(main="1", others={"2": 0.1}), MOVED, True, True, AliasMove.BACK),
        (Routing(main="1", others={"2": 0.1}), replace(MOVED, step=1), True, False, AliasMove.ROUTE),
        (Routing(main="1", others={"2": 0.7}), MOVED, True, False, AliasMove.STRANGE),
        (Routing(main="2"), replace(MOVED, step=1), True, False, AliasMove.DONE),
        (Routing(main="2"), replace(MOVED, step=1), False, True, AliasMove.BACK),
        (Routing(main="2"), replace(MOVED, failed="rang"), True, False, AliasMove.BACK),
    ],
)
def test_an_alias_goes_one_step_at_a_time(
    routing: Routing, change: Change, baked: bool, is_ringing: bool, move: AliasMove
) -> None:
    assert next_alias_move(routing, change, STEPS, baked=baked, is_ringing=is_ringing) is move


@pytest.mark.parametrize("content", [b"no json", b"{}", b'{"format": 99}'])
def test_an_intent_that_cannot_be_read_is_told_with_what_to_do(content: bytes) -> None:
    with pytest.raises(StateError, match="endpoint"):
        read_intent("solar", content)


def test_requests_of_both_kinds_of_api_are_read() -> None:
    rest = {"requestContext": {}, "httpMethod": "POST", "headers": {"Content-Type": "text/csv"}, "body": "7"}
    request = http_request(rest)
    assert request is not None
    assert (request.method, request.body, request.content_type, request.accept) == ("POST", b"7", "text/csv", "*/*")
    assert http_request({"rows": [1]}) is None
    assert http_request([1]) is None


def test_bytes_go_over_http_and_come_back_as_they_were() -> None:
    variables = {"MODEL_URL": "s3://b/m.tar.gz", "MODEL_DIGEST": "sha256:00", "MODEL_VERSION": "3"}
    answer = http_answer(200, b"\xff\x00", "image/png", place_of(variables))
    found = answer_of({}, json.dumps(answer).encode())
    assert (found.status, found.body, found.content_type, found.version) == (200, b"\xff\x00", "image/png", 3)
    assert b"isBase64Encoded" in http_event(b"\xff", "image/png", "*/*")


def test_an_answer_that_is_no_http_is_the_answer_itself() -> None:
    assert answer_of({}, b"[1, 2]").body == b"[1, 2]"
    assert answer_of({"FunctionError": "Unhandled"}, b'{"errorMessage": "the weights are gone"}').status == 424
