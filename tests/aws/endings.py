"""How a story ended, in a form that is the same wherever it was told.

What differs for a reason is made alike here and nowhere else:

- ids of runs, which hold the time and chance: a run is known by its number;
- the last bits of floating-point numbers, which two machines may round otherwise (``DIGITS``);
- how often new data was told of: S3 tells of each object, a look at a folder of all that is new at once (``_events``);
- what a script or a model that failed has said, of which each place shows another part (``_words``).
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from everfit.application.facts import Facts
from everfit.application.ports import Ports
from everfit.application.workspace import Workspace
from everfit.domain.run import Run
from everfit.domain.trigger import EventRecord, TriggerKind

ENVIRONMENT = "production"
DIGITS = 9
SAID = re.compile(r"(?<=^train failed: ).*|(?<=of the holdout: ).*?Error: [^)\"]*\"?\}?", re.DOTALL)


def ending(workspace: Workspace, ports: Ports, told: Sequence[str]) -> Mapping[str, Any]:
    """Return decisions and end state.

    Args:
        told: the kinds of everything that there was to tell.
    """
    model, environment = workspace.model, workspace.project.environments[ENVIRONMENT]
    runs = list(reversed(ports.store.runs(model, environment.name)))
    number_of: Mapping[str, int] = {run.id: number for number, run in enumerate(runs, 1)}
    state = ports.endpoints.describe(environment.endpoint)
    return {
        "runs": [_run(run, number_of, ports) for run in runs],
        "events": _events(list(reversed(ports.inbox.events(model=model))), number_of),
        "versions": [_version(number, workspace, ports) for number in _numbers(model, ports)],
        "champion": ports.registry.champion(model, environment.name),
        "weights": {} if state is None else dict(state.weights),
        "served bytes": {} if state is None else {n: state.artifacts[n] for n in state.weights},
        "history": [(served.version, served.is_rollback) for served in ports.registry.history(model)],
        "waits": [run.version for run in ports.store.waiting(model, environment.name)],
        "told": sorted(told),
    }


def plain(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return *found* as JSON gives it back, so that it can be kept in a file and compared."""
    again: Mapping[str, Any] = json.loads(json.dumps(found))
    return again


def _numbers(model: str, ports: Ports) -> Sequence[int]:
    return [version.number for version in ports.registry.versions(model)]


def _events(records: Sequence[EventRecord], number_of: Mapping[str, int]) -> list[object]:
    """Return each event with its end and its run; of new data only which runs it went into."""
    told = [record for record in records if record.event.kind is not TriggerKind.DATA]
    data = {number_of.get(record.run or "", 0) for record in records if record.event.kind is TriggerKind.DATA}
    asked = [(each.event.kind.value, each.end.value, number_of.get(each.run or "")) for each in told]
    return [*asked, *(("data", number) for number in sorted(data))]


def _run(run: Run, number_of: Mapping[str, int], ports: Ports) -> Mapping[str, Any]:
    steps = ports.store.steps(run.id)
    prepared = next((step.result for step in steps if step.name == "prepare"), None)
    return {
        "outcome": None if run.outcome is None else run.outcome.value,
        "reason": _words(run.reason or "", number_of),
        "version": run.version,
        "steps": [(step.name, step.outcome.value) for step in steps],
        "rows": Facts("prepare", prepared).below("report").mapping("rows") if prepared else None,
    }


def _version(number: int, workspace: Workspace, ports: Ports) -> Mapping[str, Any]:
    version = ports.registry.version(workspace.model, number)
    placement = ports.registry.placement(workspace.model, ENVIRONMENT, number)
    return {
        "number": number,
        "standing": placement.standing.value,
        "verdict": placement.verdict.outcome.value,
        "why": _words(placement.verdict.reason, {}),
        "rules": [(finding.rule, finding.result.value) for finding in placement.verdict.findings],
        "approved by": None if placement.approval is None else placement.approval.actor,
        "artifact": version.artifact,
        "metrics": _rounded(Facts("metrics", version.metrics).mapping("metrics")),
    }


def _words(words: str, number_of: Mapping[str, int]) -> str:
    for run, number in number_of.items():
        words = words.replace(run, f"run {number}")
    return SAID.sub("…", words)


def _rounded(value: object) -> object:
    """Return *value* with what two machines may differ in by the last bits made equal."""
    if isinstance(value, Mapping):
        values = cast("Mapping[str, object]", value)
        return {name: _rounded(below) for name, below in values.items()}
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.{DIGITS}g}")
    return value
