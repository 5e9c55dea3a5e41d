"""The dashboard of one environment: how runs ended, how the model answers, and whether Everfit itself is well."""

from collections.abc import Mapping, Sequence
from typing import Final

from everfit.adapters.aws.permissions import Role, function_name, queue_name
from everfit.adapters.aws.stack.blueprint import Blueprint
from everfit.domain.gate_rule import Subject
from everfit.domain.project import Hosting

Dimensions = Mapping[str, str]
Widget = dict[str, object]

VARIANT: Final = "AllTraffic"
RUN_METRICS: Final = ("RunDeployed", "RunRejected", "RunFailed")
_WIDTH: Final = 8
_HEIGHT: Final = 6
_ACROSS: Final = 24


def run_dimensions(blueprint: Blueprint) -> Dimensions:
    """Return the dimensions of the metrics that tell how runs ended and how good a model is."""
    return {"Model": blueprint.place.model, "Environment": blueprint.place.environment}


def serving_dimensions(blueprint: Blueprint) -> Dimensions:
    """Return the dimensions of AWS's own metrics of what serves."""
    name = blueprint.environment.endpoint
    if blueprint.environment.hosting is Hosting.ENDPOINT:
        return {"EndpointName": name, "VariantName": VARIANT}
    # Metrics of an alias have its name in Resource (Lambda Developer Guide, "Viewing metrics for Lambda functions").
    return {"FunctionName": name, "Resource": f"{name}:{blueprint.environment.function.alias}"}


def dashboard(blueprint: Blueprint) -> Widget:
    """Return the body (CloudWatch API reference, "Dashboard body structure and syntax")."""
    place = blueprint.place
    serving = serving_dimensions(blueprint)
    is_endpoint = blueprint.environment.hosting is Hosting.ENDPOINT
    space = "AWS/SageMaker" if is_endpoint else "AWS/Lambda"
    failures = ("Invocation5XXErrors", "Invocation4XXErrors") if is_endpoint else ("Errors", "Throttles")
    roles = (Role.STEP, Role.TICK, Role.TRIGGER, Role.EVENTS)
    functions = [("AWS/Lambda", "Errors", {"FunctionName": function_name(place, role)}) for role in roles]
    queues = [queue_name(place)] if blueprint.watched is not None else []
    waiting = [
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": name})
        for name in (*queues, f"{queue_name(place)}-dead")
    ]
    runs, region = run_dimensions(blueprint), place.region
    graphs = [
        _graph(region, "Runs", [(place.namespace, name, runs) for name in RUN_METRICS], "Sum"),
        _graph(region, "Requests", [(space, "Invocations", serving)], "Sum"),
        _graph(region, "Requests that fail", [(space, name, serving) for name in failures], "Sum"),
        _graph(region, "Time to answer", [(space, "ModelLatency" if is_endpoint else "Duration", serving)], "p99"),
        *_quality(blueprint),
        _graph(region, "Errors of Everfit's functions", functions, "Sum"),
        _graph(region, "Events that wait", waiting, "Maximum"),
    ]
    return {"widgets": [_headline(blueprint), *(_placed(each, at) for at, each in enumerate(graphs))]}


def _quality(blueprint: Blueprint) -> list[Widget]:
    rules = blueprint.project.rules_in(blueprint.environment)
    names = dict.fromkeys(rule.name for rule in rules if rule.subject is Subject.METRIC and rule.slices is None)
    space, region = blueprint.place.namespace, blueprint.place.region
    model = {"EndpointName": blueprint.environment.endpoint}
    return [_graph(region, f"Model: {name}", [(space, metric_name(name), model)], "Maximum") for name in names]


def metric_name(metric: str) -> str:
    """Return the name under which a metric of the gate is seen in CloudWatch, such as ``ModelMAPE``."""
    return f"Model{metric.upper()}"


def _headline(blueprint: Blueprint) -> Widget:
    place = blueprint.place
    words = (
        f"# {place.model} in {place.environment}\n"
        f"Answers as **{blueprint.environment.endpoint}**. "
        f"`everfit status --env {place.environment}` tells what serves and what waits."
    )
    return {
        "type": "text",
        "x": 0,
        "y": 0,
        "width": _ACROSS,
        "height": 2,
        "properties": {"markdown": words},
    }


def _graph(region: str, title: str, metrics: Sequence[tuple[str, str, Dimensions]], statistic: str) -> Widget:
    lines = [[space, name, *(part for pair in where.items() for part in pair)] for space, name, where in metrics]
    return {
        "type": "metric",
        "width": _WIDTH,
        "height": _HEIGHT,
        "properties": {
            "title": title,
            "view": "timeSeries",
            "region": region,
            "stat": statistic,
            "period": 300,
            "metrics": lines,
        },
    }


def _placed(widget: Widget, at: int) -> Widget:
    row, column = divmod(at, _ACROSS // _WIDTH)
    return {**widget, "x": column * _WIDTH, "y": 2 + row * _HEIGHT}
