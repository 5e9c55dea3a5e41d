"""What a declared rollout becomes on AWS: SageMaker's deployment settings, or the steps of a Lambda alias."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from itertools import pairwise
from typing import Any, Final

from everfit.domain.amounts import counted, lasting
from everfit.domain.gate_rule import SECONDS
from everfit.domain.project import Environment, Hosting, Project


class Strategy(Enum):
    """How traffic moves to a new version."""

    ALL_AT_ONCE = "all-at-once"
    CANARY = "canary"
    LINEAR = "linear"
    ROLLING = "rolling"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A declared rollout with its defaults.

    Args:
        steps: rising shares of the traffic, each less than the whole, which follows by itself.
        bake: time after each step in which alarms can abort.
        minimum_requests: that the new version must have answered in a step, or in its shadow, before that is left.
        patience: people are told when a step has waited this long for evidence.
        disagreement: largest share of copied requests that a shadow may answer otherwise; None does not judge it.
    """

    strategy: Strategy = Strategy.ALL_AT_ONCE
    steps: tuple[float, ...] = ()
    bake: timedelta = timedelta()
    minimum_requests: int = 100
    patience: timedelta = timedelta(hours=1)
    disagreement: float | None = None


AT_ONCE: Final = Rollout()
"""Nothing is waited for, as when the way leads back."""
USUAL_STEP: Final = {Strategy.CANARY: 0.1, Strategy.LINEAR: 0.25, Strategy.ROLLING: 0.25}

# WaitIntervalInSeconds, TerminationWaitInSeconds and MaximumExecutionTimeoutInSeconds (API reference,
# TrafficRoutingConfig, RollingUpdatePolicy and BlueGreenUpdatePolicy).
LONGEST_BAKE: Final = timedelta(hours=1)
LONGEST_DEPLOYMENT: Final = 28_800
SHORTEST_DEPLOYMENT: Final = 600
# Time that new instances need to start and to be found healthy, besides all that is waited for.
STARTING: Final = 3_600
# CanarySize is at most half of the fleet, LinearStepSize 10 to 50 % (API reference, TrafficRoutingConfig), a rolling
# batch 5 to 50 % (API reference, RollingUpdatePolicy).
SHARES: Final = {Strategy.CANARY: (1, 50), Strategy.LINEAR: (10, 50), Strategy.ROLLING: (5, 50)}


def rollout_of(declared: Mapping[str, Any]) -> Rollout:
    """Return the rollout that an environment declares; declaring nothing is all at once."""
    strategy = Strategy(declared.get("strategy", Strategy.ALL_AT_ONCE.value))
    steps = tuple(float(step) for step in declared.get("steps", ()) if step < 1)
    if not steps and strategy is Strategy.LINEAR:
        steps = (0.25, 0.5, 0.75)
    elif not steps and strategy in USUAL_STEP:
        steps = (USUAL_STEP[strategy],)
    usual = Rollout()
    return Rollout(
        strategy=strategy,
        steps=steps,
        bake=declared.get("bake", usual.bake),
        minimum_requests=int(declared.get("minimum_requests", usual.minimum_requests)),
        patience=declared.get("patience", usual.patience),
        disagreement=declared.get("disagreement", usual.disagreement),
    )


def deployment_config(rollout: Rollout, alarms: Sequence[str]) -> dict[str, Any]:
    """Return the ``DeploymentConfig`` of UpdateEndpoint.

    Args:
        alarms: names of those that take the deployment back; at most ten (API reference, AutoRollbackConfig).
    """
    config: dict[str, Any] = {}
    if rollout.strategy is Strategy.ROLLING:
        config["RollingUpdatePolicy"] = {
            "MaximumBatchSize": _capacity(rollout),
            "WaitIntervalInSeconds": _bake(rollout),
            "MaximumExecutionTimeoutInSeconds": _most(_bake(rollout) * _batches(rollout)),
        }
    else:
        routing = _routing(rollout)
        waits = routing["WaitIntervalInSeconds"] * _batches(rollout) + _bake(rollout)
        config["BlueGreenUpdatePolicy"] = {
            "TrafficRoutingConfiguration": routing,
            # Alarms go on counting until the old fleet is gone: this is the last bake, with all of the traffic
            # (SageMaker Developer Guide, "Blue/Green Deployments").
            "TerminationWaitInSeconds": _bake(rollout),
            # Must be larger than all waits together (API reference, BlueGreenUpdatePolicy).
            "MaximumExecutionTimeoutInSeconds": _most(waits),
        }
    if alarms:
        config["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": alarm} for alarm in alarms[:10]]}
    return config


def _routing(rollout: Rollout) -> dict[str, Any]:
    if rollout.strategy is Strategy.CANARY:
        return {"Type": "CANARY", "CanarySize": _capacity(rollout), "WaitIntervalInSeconds": _bake(rollout)}
    if rollout.strategy is Strategy.LINEAR:
        return {"Type": "LINEAR", "LinearStepSize": _capacity(rollout), "WaitIntervalInSeconds": _bake(rollout)}
    # A version that was shadowed has baked already; it then takes the traffic at once.
    return {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}


def _capacity(rollout: Rollout) -> dict[str, Any]:
    low, high = SHARES[rollout.strategy]
    percent = round(_first(rollout) * 100)
    return {"Type": "CAPACITY_PERCENT", "Value": min(max(percent, low), high)}


def _first(rollout: Rollout) -> float:
    """Return the share that SageMaker is told: it knows one size for all steps, and the smallest is the safest."""
    if rollout.strategy is Strategy.LINEAR:
        return min(after - before for before, after in pairwise((0.0, *rollout.steps, 1.0)))
    return rollout.steps[0]


def _batches(rollout: Rollout) -> int:
    """Return how many times SageMaker waits before all of the traffic has moved."""
    if rollout.strategy in (Strategy.LINEAR, Strategy.ROLLING):
        return -(-100 // int(_capacity(rollout)["Value"]))
    return 1


def _bake(rollout: Rollout) -> int:
    return int(min(rollout.bake, LONGEST_BAKE).total_seconds())


def _most(waits: int) -> int:
    return min(max(waits + STARTING, SHORTEST_DEPLOYMENT), LONGEST_DEPLOYMENT)


def traffic_steps(rollout: Rollout) -> tuple[float, ...]:
    """Return the shares that a Lambda alias gives to the new version, one after the other; the last is the whole."""
    return (*rollout.steps, 1.0) if rollout.strategy in (Strategy.CANARY, Strategy.LINEAR) else (1.0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRule:
    """A rule of ``watch.roll_back_when`` about what CloudWatch measures of each request.

    Args:
        name: ``latency_p50``, ``latency_p99`` or ``error_rate``.
        operator: ``>`` or ``>=``.
        threshold: seconds of a latency, share of the requests for errors.
    """

    name: str
    operator: str
    threshold: float


_RULE: Final = re.compile(r"(\w+) *(>=|>|<=|<) *([0-9.]+)(%|us|ms|s|m)?")
LIVE: Final = ("latency_p50", "latency_p99", "error_rate")


def live_rules(environment: Environment) -> tuple[LiveRule, ...]:
    """Return the rules that alarms of CloudWatch can hold against the live traffic."""
    found: list[LiveRule] = []
    for text in _watch_rules(environment):
        match = _RULE.fullmatch(text.strip())
        if match is not None and match[1] in LIVE and match[2].startswith(">"):
            scale = 0.01 if match[4] == "%" else SECONDS.get(match[4] or "", 1.0)
            found.append(LiveRule(name=match[1], operator=match[2], threshold=float(match[3]) * scale))
    return tuple(found)


def _watch_rules(environment: Environment) -> Sequence[str]:
    declared: Any = environment.watch.get("roll_back_when", ())
    return [str(text) for text in declared]


def exclusions(project: Project, environment: Environment) -> list[str]:
    """Return, in sentences, what nothing protects when a version is deployed in *environment* on AWS."""
    rollout = rollout_of(environment.rollout)
    is_function = environment.hosting is Hosting.FUNCTION
    told = [*_unwatched(rollout), *_unjudged(environment)]
    told += _function_limits(environment) if is_function else _endpoint_limits(project, rollout)
    return told


def _unwatched(rollout: Rollout) -> list[str]:
    if rollout.bake:
        return []
    return [
        "Nothing is watched while traffic moves: rollout.bake is 0s, so no alarm has the time to take a bad version "
        "back. Declare a rollout such as {strategy: canary, steps: [10%], bake: 10m}."
    ]


def _unjudged(environment: Environment) -> list[str]:
    others = [text for text in _watch_rules(environment) if not text.startswith(LIVE)]
    if not others:
        return []
    return [f"No alarm of CloudWatch can judge {', '.join(others)} while traffic moves: that needs labels."]


def _function_limits(environment: Environment) -> list[str]:
    layers = counted(len(environment.function.layers), "layer") if environment.function.layers else "no layer"
    return [
        f"The gate scores a version in the serving image; the function runs it in Lambda's own Python 3.12 with "
        f"{layers}. A sample request is answered there before any traffic moves."
    ]


def _endpoint_limits(project: Project, rollout: Rollout) -> list[str]:
    settings: Mapping[str, Any] = project.serve.sagemaker
    instance, count = str(settings.get("instance", "ml.m5.large")), int(settings.get("count", 1))
    told: list[str] = []
    if instance.startswith("ml.inf1."):
        # SageMaker Developer Guide, deployment guardrails, "Exclusions".
        told.append(f"{instance}: SageMaker moves all traffic at once and without a bake on Inf1 instances.")
    elif rollout.strategy is not Strategy.ALL_AT_ONCE:
        told += _inexact(rollout, count)
    if rollout.strategy is not Strategy.ROLLING:
        told.append(
            f"A deployment needs a quota for both fleets at once: {counted(2 * count, 'instance')} of {instance}."
        )
    return told


def _inexact(rollout: Rollout, count: int) -> list[str]:
    told: list[str] = []
    if rollout.strategy is Strategy.SHADOW:
        told.append("The first version has nothing to be a shadow of: it takes the traffic at once.")
        return told
    exact = _capacity(rollout)["Value"]
    if rollout.strategy is Strategy.CANARY and len(rollout.steps) > 1:
        told.append(f"SageMaker knows one canary step: {exact}%, and then all of the traffic.")
    elif _is_rounded(rollout, exact):
        told.append(f"SageMaker takes steps of one size, from 10% to 50% of the instances: each is {exact}%.")
    if count * exact < 100:
        told.append(
            f"SageMaker splits traffic by whole instances: with {counted(count, 'instance')}, a step of {exact}% is "
            "at least one of them."
        )
    if rollout.bake > LONGEST_BAKE:
        told.append(f"SageMaker bakes for at most an hour after each step, not for {lasting(rollout.bake)}.")
    if _bake(rollout) * (_batches(rollout) + 1) + SHORTEST_DEPLOYMENT > LONGEST_DEPLOYMENT:
        told.append("SageMaker breaks a deployment off after 8 hours; these steps take longer. Declare fewer.")
    return told


def _is_rounded(rollout: Rollout, exact: int) -> bool:
    if rollout.strategy is not Strategy.LINEAR:
        return round(rollout.steps[0] * 100) != exact
    sizes = {round((after - before) * 100) for before, after in pairwise((0.0, *rollout.steps, 1.0))}
    return sizes != {exact}
