"""What a declared rollout becomes on AWS, and what nothing protects."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from everfit.domain.project import Backend, Data, Environment, Hosting, Project, Serve, Task
from everfit.domain.rollout_plan import (
    AT_ONCE,
    LiveRule,
    Rollout,
    Strategy,
    deployment_config,
    exclusions,
    live_rules,
    rollout_of,
    traffic_steps,
)
from tests.project_example import refusals

MINUTES = timedelta(minutes=10)


def environment(**given: Any) -> Environment:
    return Environment(name="production", endpoint="solar", backend=Backend.SAGEMAKER, **given)


def project(**settings: Any) -> Project:
    return Project(
        model="solar", task=Task.REGRESSION, data=Data(source="s3://bucket/data/"), serve=Serve(sagemaker=settings)
    )


def declared(strategy: str, *steps: float, bake: timedelta = MINUTES) -> Mapping[str, Any]:
    return {"strategy": strategy, "steps": steps, "bake": bake}


def blue_green(rollout: Rollout) -> Mapping[str, Any]:
    policy: Mapping[str, Any] = deployment_config(rollout, ["a"])["BlueGreenUpdatePolicy"]
    return policy


def test_nothing_declared_is_all_at_once() -> None:
    assert rollout_of({}) == AT_ONCE
    assert blue_green(AT_ONCE) == {
        "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
        "TerminationWaitInSeconds": 0,
        "MaximumExecutionTimeoutInSeconds": 3600,
    }


def test_a_canary_bakes_with_its_share_and_again_with_all_of_the_traffic() -> None:
    assert blue_green(rollout_of(declared("canary", 0.1))) == {
        "TrafficRoutingConfiguration": {
            "Type": "CANARY",
            "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10},
            "WaitIntervalInSeconds": 600,
        },
        "TerminationWaitInSeconds": 600,
        "MaximumExecutionTimeoutInSeconds": 4800,
    }


def test_linear_steps_are_as_large_as_the_smallest_that_is_declared() -> None:
    routing = blue_green(rollout_of(declared("linear", 0.2, 0.6)))["TrafficRoutingConfiguration"]
    assert routing["LinearStepSize"] == {"Type": "CAPACITY_PERCENT", "Value": 20}


def test_a_rolling_update_takes_its_batches_from_the_first_step() -> None:
    policy = deployment_config(rollout_of(declared("rolling", 0.2)), [])
    assert policy["RollingUpdatePolicy"]["MaximumBatchSize"] == {"Type": "CAPACITY_PERCENT", "Value": 20}
    assert "AutoRollbackConfiguration" not in policy


@pytest.mark.parametrize(
    ("strategy", "steps"), [("canary", (0.1,)), ("linear", (0.25, 0.5, 0.75)), ("rolling", (0.25,))]
)
def test_a_strategy_without_steps_has_usual_ones(strategy: str, steps: tuple[float, ...]) -> None:
    assert rollout_of({"strategy": strategy}).steps == steps


def test_the_whole_follows_by_itself() -> None:
    assert rollout_of(declared("canary", 0.1, 1.0)).steps == (0.1,)
    assert traffic_steps(rollout_of(declared("canary", 0.1, 0.5))) == (0.1, 0.5, 1.0)
    assert traffic_steps(rollout_of(declared("shadow"))) == (1.0,)


STRATEGIES = some.sampled_from([each for each in Strategy if each is not Strategy.SHADOW])
SHARES = some.lists(some.floats(min_value=0.01, max_value=0.99), min_size=1, max_size=6, unique=True).map(sorted)


@given(STRATEGIES, SHARES, some.timedeltas(min_value=timedelta(), max_value=timedelta(days=2)))
def test_whatever_is_declared_aws_takes(strategy: Strategy, steps: list[float], bake: timedelta) -> None:
    """MaximumExecutionTimeoutInSeconds must be larger than all waits, or the longest there is."""
    rollout = rollout_of({"strategy": strategy.value, "steps": tuple(steps), "bake": bake})
    config = deployment_config(rollout, [str(number) for number in range(20)])
    assert len(config["AutoRollbackConfiguration"]["Alarms"]) == 10
    policy = config.get("BlueGreenUpdatePolicy") or config["RollingUpdatePolicy"]
    routing = policy.get("TrafficRoutingConfiguration", policy)
    waits = routing["WaitIntervalInSeconds"] + policy.get("TerminationWaitInSeconds", 0)
    assert 0 <= routing["WaitIntervalInSeconds"] <= 3600
    assert waits < policy["MaximumExecutionTimeoutInSeconds"] <= 28_800
    for size in ("CanarySize", "LinearStepSize", "MaximumBatchSize"):
        assert 1 <= routing.get(size, {"Value": 1})["Value"] <= 50


def test_live_rules_are_those_that_cloudwatch_measures() -> None:
    watch = {"roll_back_when": ("error_rate > 1%", "latency_p99 >= 500ms", "mape > 25", "error_rate < 1%", "strange")}
    assert live_rules(environment(watch=watch)) == (
        LiveRule(name="error_rate", operator=">", threshold=0.01),
        LiveRule(name="latency_p99", operator=">=", threshold=0.5),
    )


def told(rollout: Mapping[str, Any], hosting: Hosting = Hosting.ENDPOINT, **settings: Any) -> str:
    return "\n".join(exclusions(project(**settings), environment(rollout=rollout, hosting=hosting)))


@pytest.mark.parametrize(
    ("rollout", "settings", "words"),
    [
        ({}, {}, "rollout.bake is 0s"),
        (declared("canary", 0.1, 0.5), {}, "one canary step: 10%"),
        (declared("canary", 0.8), {}, "each is 50%"),
        (declared("linear", 0.2, 0.6), {}, "each is 20%"),
        (declared("canary", 0.1), {"count": 3}, "with 3 instances, a step of 10% is at least one of them"),
        (declared("canary", 0.1, bake=timedelta(hours=2)), {}, "at most an hour after each step, not for 2 hours"),
        (declared("linear", 0.1, bake=timedelta(hours=1)), {}, "after 8 hours"),
        (declared("canary", 0.1), {"instance": "ml.inf1.xlarge"}, "without a bake on Inf1 instances"),
        (declared("canary", 0.1), {"count": 2}, "both fleets at once: 4 instances of ml.m5.large"),
        (declared("shadow"), {}, "nothing to be a shadow of"),
    ],
)
def test_what_nothing_protects_is_told(rollout: Mapping[str, Any], settings: Mapping[str, Any], words: str) -> None:
    assert words in told(rollout, **settings)


def test_what_is_exact_is_not_told() -> None:
    assert told(declared("linear", 0.25, 0.5, 0.75), count=4) == (
        "A deployment needs a quota for both fleets at once: 8 instances of ml.m5.large."
    )
    assert told(declared("rolling", 0.25), count=4) == ""


def test_a_function_is_told_of_by_its_own_limits() -> None:
    assert "Lambda's own Python 3.12 with no layer" in told(declared("canary", 0.1, 0.5), Hosting.FUNCTION)
    assert "quota" not in told(declared("canary", 0.1), Hosting.FUNCTION)


def test_rules_that_need_labels_are_named() -> None:
    watch = {"roll_back_when": ("mape > 25", "latency_p99 > 1s")}
    found = exclusions(project(), environment(watch=watch, rollout=declared("canary", 0.1)))
    assert found[0].startswith("No alarm of CloudWatch can judge mape > 25 while")


ROLLING = {"strategy": "rolling", "steps": ["20%"]}
ON_AWS = {"backend": "sagemaker", "aws": {"region": "us-east-1", "bucket": "a-bucket"}}


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"rollout": ROLLING}, "no instances on this machine"),
        ({**ON_AWS, "hosting": "function", "rollout": ROLLING}, "a Lambda function has no instances"),
        ({**ON_AWS, "hosting": "function", "rollout": {"strategy": "shadow"}}, "a Lambda function has no shadow"),
        ({**ON_AWS, "rollout": {"strategy": "rolling"}}, "steps is missing"),
    ],
)
def test_a_strategy_that_the_place_cannot_follow_is_refused(environment: Mapping[str, Any], words: str) -> None:
    told = [problem.message for problem in refusals(environments={"production": dict(environment)})]
    assert any(words in message for message in told), told
