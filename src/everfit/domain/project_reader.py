"""From the tree of a project file to the project, or to every problem with it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, cast

from everfit.domain.alert import channels_of
from everfit.domain.aws import Function, aws_place
from everfit.domain.document import Fields, Node, Reading, with_variables
from everfit.domain.errors import ProjectError
from everfit.domain.gate import ApprovalPolicy
from everfit.domain.keys import PROJECT
from everfit.domain.project import Backend, Data, Environment, Format, Hosting, Project, Repository, Serve, Task, Train
from everfit.domain.project_checks import DEFAULT_ENVIRONMENT, RETRAIN, Values, check, endpoint_of, task_of
from everfit.domain.trigger_reader import triggers_of
from everfit.domain.value import UNREADABLE


def project_of(
    document: Node, variables: Mapping[str, str], time_zones: Callable[[], Collection[str]], reading: Reading
) -> Project:
    """Return the project that *document* says.

    Args:
        document: the whole file.
        variables: what stands for each ``${NAME}``.
        time_zones: gives the known names; only called when the file names one.
        reading: may already hold problems of the file; all are raised together.

    Raises:
        ProjectError: with every problem that was found.
    """
    known = with_variables(document, variables, reading)
    values: Values = _readable(PROJECT.read(known, "", reading))
    if isinstance(known, Fields):
        check(known, values, time_zones, reading)
        _note_unset(known, values, reading)
    if reading.problems:
        raise ProjectError(sorted(reading.problems, key=lambda problem: problem.line or 0))
    return _project(values, reading)


def _note_unset(known: Fields, values: Values, reading: Reading) -> None:
    """Note what no project is without, where a variable that is not set hides it; elsewhere that may wait."""
    for name in ("model", "data", "gate"):
        if name not in values and not reading.problems:
            what = f"{name} has no value, because a variable in it is not set"
            reading.add(known.line_of(name), what, found=known.at(name), expected="a value for that variable")


def _readable(value: object) -> Any:
    """Return *value* without what could not be read."""
    if isinstance(value, dict):
        pairs = cast("dict[str, object]", value).items()
        return {name: _readable(each) for name, each in pairs if each is not UNREADABLE}
    if isinstance(value, tuple):
        return tuple(_readable(each) for each in cast("tuple[object, ...]", value))
    return value


def _project(values: Values, reading: Reading) -> Project:
    data = _data(Data(source=""), values["data"])
    environments = {
        name: _environment(name, given, values, data)
        for name, given in values.get("environments", {DEFAULT_ENVIRONMENT: {}}).items()
    }
    return Project(
        model=values["model"],
        task=Task(task_of(values)),
        data=data,
        train=Train(**_frozen(values.get("train", {}))),
        serve=_serve(values.get("serve", {})),
        gate=values["gate"],
        evaluate=values.get("evaluate"),
        environments=MappingProxyType(environments),
        triggers=triggers_of(values.get("triggers", ()), environments),
        repository=Repository(**values.get("repository", {})),
        budget=values.get("budget"),
        monitor=MappingProxyType(values.get("monitor", {})),
        alerts=channels_of(values.get("alerts", ())),
        no_success_for=values.get("no_success_for"),
        later=_later(reading.later, environments),
        secrets=reading.secrets,
    )


def _data(inherited: Data, given: Values) -> Data:
    """Return *inherited* with what is *given* instead."""
    known: dict[str, Any] = {name: Format(value) if name == "format" else value for name, value in given.items()}
    return replace(inherited, **known)


def _serve(given: Values) -> Serve:
    own = _frozen(given)
    workers, batch = own.pop("workers", 1), own.pop("batch", {})
    least, most = (workers, None) if isinstance(workers, int) else (workers.get("min", 1), workers.get("max"))
    joined = {"size": batch} if isinstance(batch, int) else batch
    for name, key in (("size", "batch"), ("wait", "gather")):
        if name in joined:
            own[key] = joined[name]
    return Serve(**own, workers=least, most_workers=most or least)


def _later(found: Sequence[str], environments: Mapping[str, Environment]) -> tuple[str, ...]:
    """Return the keys that are not acted on: what AWS does for an environment there is acted on."""
    everywhere = all(each.backend is Backend.SAGEMAKER for each in environments.values())
    return tuple(key for key in found if not (everywhere and key.startswith("monitor")))


def _environment(name: str, given: Values, values: Values, data: Data) -> Environment:
    own, model = _frozen(given), values["model"]
    own["endpoint"] = endpoint_of(name, given, model)
    own["backend"] = Backend(own.get("backend", Backend.LOCAL.value))
    is_on_aws = own["backend"] is Backend.SAGEMAKER
    own["aws"] = aws_place(model, name, values.get("aws", {}), given.get("aws", {})) if is_on_aws else None
    own["hosting"] = Hosting(own.get("hosting", Hosting.ENDPOINT.value))
    own["function"] = Function(**given.get("function", {}))
    own["approval"] = _approval(given.get("approval", "automatic"))
    own["data"] = _data(data, given["data"]) if "data" in given else None
    if own.get("promote_from") == RETRAIN:
        own["promote_from"] = None
    return Environment(name=name, **own)


def _approval(given: str | Values) -> ApprovalPolicy:
    if isinstance(given, str):
        return ApprovalPolicy(mode=given)
    written: dict[str, Any] = {"mode": "when" if "when" in given else "manual", **given}
    return ApprovalPolicy(**written)


def _frozen(values: Values) -> dict[str, Any]:
    return {
        name: MappingProxyType(cast("dict[str, object]", value)) if isinstance(value, dict) else value
        for name, value in values.items()
    }
