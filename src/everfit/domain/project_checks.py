"""What the keys of a project must be to each other, after each has been read by itself."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from everfit.domain.alert_checks import check_alerts
from everfit.domain.aws_checks import check_aws
from everfit.domain.document import Fields, Items, Reading
from everfit.domain.errors import RuleError
from everfit.domain.gate_rule import GateRule, Subject, check_fits
from everfit.domain.metric import METRICS, Direction, metrics_of
from everfit.domain.tag_checks import check_tags
from everfit.domain.trigger_checks import check_triggers
from everfit.domain.words import listed, nearest

Values = Mapping[str, Any]

TABLES = ("csv", "parquet", "jsonl")
RETRAIN = "retrain"
DEFAULT_ENVIRONMENT = "production"
_LONGEST_NAME = 63
_LIVE_FIGURES = ("error_rate", "latency_p50", "latency_p99")


def task_of(values: Values) -> str:
    """Return the task as it is written, or the one that the rest of the project speaks of."""
    if "task" in values:
        return str(values["task"])
    if "evaluate" in values:
        return "custom"
    labels = {metric.name for metric in metrics_of("classification")}
    has_label_rule = any(rule.name in labels for rule in values.get("gate", ()) if rule.subject is Subject.METRIC)
    return "classification" if has_label_rule or _format_of(values.get("data", {})) == "images" else "regression"


def endpoint_of(name: str, environment: Values, model: str) -> str:
    """Return the name under which the model answers in the environment *name*."""
    return str(environment.get("endpoint", model if name == DEFAULT_ENVIRONMENT else f"{model}-{name}"))


def check(document: Fields, values: Values, time_zones: Callable[[], Collection[str]], reading: Reading) -> None:
    """Note every contradiction between the keys of *values*, which were read from *document*."""
    # With a task that cannot be read, what depends on it cannot be judged.
    is_task_known = document.at("task") is None or "task" in values
    task = task_of(values) if is_task_known else None
    _check_evaluate(document, values, task, reading)
    for names, data in _all_data(values):
        _check_columns(document, names, data, task, reading)
    if task is not None:
        _check_rules(document, values, task, reading)
    _check_environments(document, values, reading)
    check_tags(document, values, reading)
    check_aws(document, values, reading)
    check_alerts(document, values, reading)
    _check_autoscale(document, values, reading)
    _check_workers(document, values, reading)
    _check_time_zones(document, values, time_zones, reading)
    check_triggers(document, values, _environment_names(document), reading)


def _environment_names(document: Fields) -> tuple[str, ...]:
    """Return all names that stand in the file, so that one with another mistake in it is not called missing."""
    node = document.at("environments")
    return tuple(key.text for key, _ in node.pairs) if isinstance(node, Fields) else (DEFAULT_ENVIRONMENT,)


def _check_evaluate(document: Fields, values: Values, task: str | None, reading: Reading) -> None:
    if task == "custom" and document.at("evaluate") is None:
        expected = "evaluate: evaluate.py, a script that writes evaluation.json"
        reading.add(document.line_of("task"), "a custom task needs its own scorer", expected=expected)
    if "evaluate" in values and task not in ("custom", None):
        reading.add(document.line_of("evaluate"), f"evaluate is not used by a {task} task", expected="task: custom")


def _all_data(values: Values) -> Iterator[tuple[tuple[str, ...], Values]]:
    """Give the project's data and each environment's own, filled up with the project's."""
    of_project = values.get("data", {})
    yield ("data",), of_project
    for name, environment in values.get("environments", {}).items():
        if "data" in environment:
            yield ("environments", name, "data"), {**of_project, **environment["data"]}


def _check_columns(document: Fields, names: tuple[str, ...], data: Values, task: str | None, reading: Reading) -> None:
    at, line, form = ".".join(names), document.line_of(*names), _format_of(data)
    if form in TABLES:
        _check_table(document, names, data, task, reading)
        return
    tasks = ("classification", "custom") if form == "images" else ("custom",)
    if task is not None and task not in tasks:
        reading.add(line, f"{at}: {form} cannot be scored by a {task} task", expected=f"task: {listed(tasks)}")
    for key in ("target", "time", "id", "delimiter"):
        if key in data:
            reading.add(document.line_of(*names, key), f"{at}.{key}: {form} have no columns", expected=f"no {key}")


def _check_table(document: Fields, names: tuple[str, ...], data: Values, task: str | None, reading: Reading) -> None:
    at, line = ".".join(names), document.line_of(*names)

    section = document.at("data")
    written = [name.text for name, _ in section.pairs] if isinstance(section, Fields) else []

    def is_absent(key: str) -> bool:
        # A key that was mistyped has been told of already.
        return all(nearest(name, ("target", "time")) != key for name in written)

    # So has an absent section; and an environment has what the project has.
    if names == ("data",) and isinstance(section, Fields):
        if task not in ("custom", None) and is_absent("target"):
            reading.add(line, f"{at}.target is missing", expected="the name of the column to predict")
        if task == "forecast" and is_absent("time"):
            reading.add(line, f"{at}.time is missing", expected="the column with the time, which a forecast needs")
    for key in ("time", "id"):
        if key in data and data[key] == data.get("target"):
            where = document.line_of(*names, key)
            reading.add(where, f"{at}.{key} is the target itself", found=data[key], expected="another column")
    if "delimiter" in data and _format_of(data) != "csv":
        where = document.line_of(*names, "delimiter")
        reading.add(where, f"{at}.delimiter is only for CSV", expected="format: csv, or no delimiter")


def _check_rules(document: Fields, values: Values, task: str, reading: Reading) -> None:
    claims = values.get("train", {}).get("metric_definitions", {})
    for names, rule, line, is_when in _all_rules(document, values):
        try:
            check_fits(rule, task, when=is_when)
        except RuleError as error:
            what = f"{names}: {error}".removesuffix(".")
            reading.add(line, what, expected=error.expected, nearest=error.nearest)
        if task == "custom" and (rule.subject is Subject.LATENCY or rule.slices is not None):
            what = f"{names}: an evaluate script gives figures for the whole holdout, and no latency"
            reading.add(line, what, found=rule.text, expected="a figure of evaluation.json under a name of its own")
        if rule.subject is Subject.CLAIM and rule.name not in claims:
            expected = f"{rule.name} in train.metric_definitions"
            near = nearest(rule.name, claims)
            reading.add(line, f"{names}: no figure called {rule.name} is caught", expected=expected, nearest=near)
    _check_watch_rules(document, values, task, reading)


def _all_rules(document: Fields, values: Values) -> Iterator[tuple[str, GateRule, int, bool]]:
    """Give each rule with its key, its line and whether it says when a person is asked."""
    environments = values.get("environments", {})
    gates: list[tuple[tuple[str, ...], Values]] = [((), values)]
    gates += [(("environments", name), environment) for name, environment in environments.items()]
    for names, owner in gates:
        node = document.at(*names, "gate")
        for index, rule in enumerate(owner.get("gate", ())):
            line = node.nodes[index].line if isinstance(node, Items) else document.line
            yield ".".join((*names, f"gate[{index}]")), rule, line, False
    for name, environment in environments.items():
        approval = environment.get("approval")
        if isinstance(approval, dict) and "when" in approval:
            names = ("environments", name, "approval", "when")
            yield ".".join(names), approval["when"], document.line_of(*names), True


def _check_watch_rules(document: Fields, values: Values, task: str, reading: Reading) -> None:
    if task == "custom":
        return
    known = [*(metric.name for metric in metrics_of(task)), *_LIVE_FIGURES]
    for name, environment in values.get("environments", {}).items():
        names = ("environments", name, "watch", "roll_back_when")
        for rule in environment.get("watch", {}).get("roll_back_when", ()):
            figure = rule.partition(" ")[0].partition(">")[0].partition("<")[0]
            if figure not in known:
                what = f"{'.'.join(names)}: {figure} is not measured for a {task} task"
                reading.add(document.line_of(*names), what, expected=listed(known), nearest=nearest(figure, known))
            elif (bad := _bad_side(figure)) and bad not in rule:
                what = f"{'.'.join(names)}: {rule} would leave a version that is well"
                turned = rule.replace("<", bad).replace(">", bad)
                reading.add(document.line_of(*names), what, expected=f"what is bad, such as {turned}")


def _bad_side(figure: str) -> str:
    """Return whether the figure is bad above or below a limit; empty for one that is best at zero."""
    sides = {Direction.HIGHER: "<", Direction.LOWER: ">", Direction.ZERO: ""}
    return ">" if figure in _LIVE_FIGURES else sides[METRICS[figure].direction]


def _check_environments(document: Fields, values: Values, reading: Reading) -> None:
    environments: Mapping[str, Values] = values.get("environments", {})
    for name in environments:
        if name == RETRAIN:
            line = document.line_of("environments", name)
            reading.add(line, f"no environment can be called {name}", expected="another name")
        _check_promotion(document, name, environments, reading)
        _check_rollout(document, name, environments[name].get("rollout", {}), reading)
    model = values.get("model", "")
    endpoints = {name: endpoint_of(name, environment, model) for name, environment in environments.items()}
    _check_unique(document, "endpoint", endpoints, reading)
    for name, endpoint in endpoints.items():
        if len(endpoint) > _LONGEST_NAME:
            line = document.line_of("environments", name)
            what = f"environments.{name} needs an endpoint of its own: {endpoint} would be too long"
            reading.add(line, what, expected=f"endpoint: a name of at most {_LONGEST_NAME} characters")


def _check_promotion(document: Fields, name: str, environments: Mapping[str, Values], reading: Reading) -> None:
    line, at = document.line_of("environments", name, "promote_from"), f"environments.{name}.promote_from"
    source = environments[name].get("promote_from", RETRAIN)
    if source == RETRAIN:
        return
    others = [other for other in _environment_names(document) if other != name]
    if source not in others:
        what = f"{at} names no other environment"
        reading.add(line, what, found=source, expected=listed([*others, RETRAIN]), nearest=nearest(source, others))
        return
    path = [name]
    while source != RETRAIN and source not in path:
        path.append(source)
        source = environments.get(source, {}).get("promote_from", RETRAIN)
    if source == name:
        circle = " from ".join([*path, name])
        reading.add(line, f"{at} goes in a circle", found=circle, expected="one environment that trains")


def _check_workers(document: Fields, values: Values, reading: Reading) -> None:
    workers = values.get("serve", {}).get("workers", 1)
    least, most = (1, None) if isinstance(workers, int) else (workers.get("min", 1), workers.get("max"))
    if most is not None and most < least:
        line = document.line_of("serve", "workers", "max")
        reading.add(line, "serve.workers.max is below min", found=str(most), expected=f"{least} or more")


def _check_rollout(document: Fields, name: str, rollout: Values, reading: Reading) -> None:
    at = ("environments", name, "rollout")
    strategy, steps = rollout.get("strategy", "all-at-once"), rollout.get("steps")
    if strategy != "shadow" and rollout.get("disagreement") is not None:
        what = f"{'.'.join(at)}.disagreement: {strategy} copies no requests to compare answers by"
        reading.add(document.line_of(*at, "disagreement"), what, expected="strategy: shadow")
    takes_steps = strategy in ("canary", "linear", "rolling")
    if takes_steps and document.at(*at, "steps") is None:
        line = document.line_of(*at)
        reading.add(line, f"{'.'.join(at)}.steps is missing", expected=f"shares for {strategy} such as [10%, 50%]")
    if steps is None:
        return
    line = document.line_of(*at, "steps")
    if not takes_steps:
        reading.add(
            line, f"{'.'.join(at)}.steps: {strategy} takes no steps", expected="strategy: canary, linear or rolling"
        )
    if list(steps) != sorted(set(steps)):
        found = ", ".join(f"{step:.6g}" for step in steps)
        reading.add(line, f"{'.'.join(at)}.steps do not rise", found=found, expected="each share above the last")


def _check_unique(document: Fields, key: str, given: Mapping[str, str], reading: Reading) -> None:
    owners: dict[str, str] = {}
    for name, value in given.items():
        if owners.setdefault(value, name) != name:
            line = document.line_of("environments", name, key)
            what = f"environments.{name}.{key} is also the {key} of {owners[value]}"
            reading.add(line, what, found=value, expected=f"a {key} of its own")


def _check_autoscale(document: Fields, values: Values, reading: Reading) -> None:
    given = values.get("serve", {}).get("sagemaker", {})
    autoscale = given.get("autoscale", {})
    fewest, most = autoscale.get("min", given.get("count", 1)), autoscale.get("max")
    if most is not None and fewest > most:
        names = ("serve", "sagemaker", "autoscale", "max")
        reading.add(
            document.line_of(*names),
            f"{'.'.join(names)} is below the fewest instances",
            found=most,
            expected=f"at least {fewest}",
        )


def _check_time_zones(
    document: Fields, values: Values, time_zones: Callable[[], Collection[str]], reading: Reading
) -> None:
    node = document.at("triggers")
    for index, trigger in enumerate(values.get("triggers", ())):
        zone = trigger.get("timezone")
        if zone is None or not isinstance(node, Items):
            continue
        fields = node.nodes[index]
        line = fields.line_of("timezone") if isinstance(fields, Fields) else fields.line
        known = time_zones()
        if zone not in known:
            what = f"triggers[{index}].timezone: there is no such time zone"
            expected = "a name such as Europe/Paris" if known else "the package tzdata; this machine knows no time zone"
            reading.add(line, what, found=zone, expected=expected, nearest=nearest(zone, known))


def _format_of(data: Values) -> str:
    return str(data.get("format", "csv"))
