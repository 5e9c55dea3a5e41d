"""One project on each way to run it, so that the same story can be told on all of them."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from everfit.application.dispatch import dispatch
from everfit.application.facts import Facts
from everfit.application.journal import drive
from everfit.application.ports import Ports
from everfit.application.releases import Decision, keep, roll_back
from everfit.application.retraining import is_decided
from everfit.application.triggering import Demand, request
from everfit.application.workspace import Workspace
from everfit.domain.project import Environment
from everfit.domain.run import Run
from everfit.domain.trigger import Wish

ENVIRONMENT = "production"
DIGITS = 9


def rows(first: int = 0, count: int = 60, slope: float = 2.0, noise: float = 0.5) -> str:
    """Return a CSV of y = slope * x, with a fixed zigzag of *noise* instead of chance."""
    lines = ["id,x,y"]
    for row in range(first, first + count):
        x = 1 + row % 20
        lines.append(f"{row},{x},{slope * x + noise * (-1) ** row:.3f}")
    return "\n".join(lines) + "\n"


@dataclass
class Stage(ABC):
    """A project whose environment ``production`` is on one backend."""

    workspace: Workspace
    ports: Ports

    @property
    def environment(self) -> Environment:
        return self.workspace.project.environments[ENVIRONMENT]

    @abstractmethod
    def put(self, name: str, content: str) -> None:
        """Write a file of the data source."""

    def trigger(self, name: str, *, force: bool = False) -> None:
        """Accept an event; nothing starts by it yet."""
        demand = Demand(actor="tester", id=name, environment=ENVIRONMENT, wish=Wish(force=force))
        request(demand, self.workspace, self.ports)

    def settle(self) -> None:
        """Let everything that was accepted or decided come as far as it can."""
        while (run := self._next()) is not None:
            drive(run.id, self.workspace, self.ports)

    def approve(self, version: int) -> None:
        decision = Decision(version=version, approved=True, actor="ada", reason="looks right")
        keep(decision, self.environment, self.workspace, self.ports)

    def roll_back(self) -> None:
        roll_back(self.environment, self.workspace, self.ports, actor="ada", reason="it was wrong")

    def ending(self) -> Mapping[str, Any]:
        """Return everything that was decided and what came of it, without what differs from place to place."""
        return ending(self.workspace, self.environment, self.ports)

    def _next(self) -> Run | None:
        model = self.workspace.model
        open_run = self.ports.store.unfinished(model, ENVIRONMENT)
        if open_run is not None:
            return open_run
        waiting = self.ports.store.waiting(model, ENVIRONMENT)
        decided = next((run for run in waiting if is_decided(run, self.ports)), None)
        if decided is not None:
            return decided
        found = dispatch(model, ENVIRONMENT, self.workspace, self.ports)
        return found if isinstance(found, Run) else None


def ending(workspace: Workspace, environment: Environment, ports: Ports) -> Mapping[str, Any]:
    """Return decisions and end state in a form that is the same wherever the story was told."""
    model = workspace.model
    runs = list(reversed(ports.store.runs(model, environment.name)))
    number_of = {run.id: number for number, run in enumerate(runs, 1)}
    state = ports.endpoints.describe(environment.endpoint)
    return {
        "runs": [_run(run, number_of, ports) for run in runs],
        "events": [
            (record.event.kind.value, record.end.value, number_of.get(record.run or ""))
            for record in reversed(ports.inbox.events(model=model))
        ],
        "versions": [_version(number, environment, workspace, ports) for number in _numbers(model, ports)],
        "champion": ports.registry.champion(model, environment.name),
        "weights": {} if state is None else dict(state.weights),
        "served bytes": {} if state is None else {n: state.artifacts[n] for n in state.weights},
        "history": [(served.version, served.is_rollback) for served in ports.registry.history(model)],
        "waits": [run.version for run in ports.store.waiting(model, environment.name)],
        "told": sorted(notice.kind.value for notice in ports.outbox.unaddressed(model)),
    }


def _numbers(model: str, ports: Ports) -> Sequence[int]:
    return [version.number for version in ports.registry.versions(model)]


def _run(run: Run, number_of: Mapping[str, int], ports: Ports) -> Mapping[str, Any]:
    steps = ports.store.steps(run.id)
    prepared = next((step.result or {} for step in steps if step.name == "prepare"), {})
    return {
        "outcome": None if run.outcome is None else run.outcome.value,
        "reason": _anonymous(run.reason or "", number_of),
        "version": run.version,
        "steps": [(step.name, step.outcome.value) for step in steps],
        "rows": Facts("prepare", prepared).below("report").mapping("rows") if prepared else None,
    }


def _version(number: int, environment: Environment, workspace: Workspace, ports: Ports) -> Mapping[str, Any]:
    version = ports.registry.version(workspace.model, number)
    placement = ports.registry.placement(workspace.model, environment.name, number)
    return {
        "number": number,
        "standing": placement.standing.value,
        "verdict": placement.verdict.outcome.value,
        "why": placement.verdict.reason,
        "rules": [(finding.rule, finding.result.value) for finding in placement.verdict.findings],
        "approved by": None if placement.approval is None else placement.approval.actor,
        "artifact": version.artifact,
        "metrics": _rounded(Facts("metrics", version.metrics).mapping("metrics")),
    }


def _anonymous(words: str, number_of: Mapping[str, int]) -> str:
    for run, number in number_of.items():
        words = words.replace(run, f"run {number}")
    return words


def _rounded(value: object) -> object:
    """Return *value* with what two machines may differ in by the last bits made equal."""
    if isinstance(value, Mapping):
        return {name: _rounded(below) for name, below in value.items()}
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.{DIGITS}g}")
    return value


Story = Callable[[Stage], None]


def first_model(stage: Stage) -> None:
    """Nothing serves; the first model passes its gate and serves."""
    stage.put("a.csv", rows())
    stage.trigger("first")
    stage.settle()


def better(stage: Stage) -> None:
    """More rows make a model that takes over."""
    first_model(stage)
    stage.put("b.csv", rows(first=100, count=300))
    stage.trigger("second")
    stage.settle()


def worse(stage: Stage) -> None:
    """Spoiled labels make a model that is rejected; the one before keeps serving."""
    first_model(stage)
    stage.put("b.csv", rows(first=100, count=200, noise=40.0))
    stage.trigger("second")
    stage.settle()


def broken_data(stage: Stage) -> None:
    """A column that is gone is turned away before anything is trained."""
    first_model(stage)
    stage.put("a.csv", rows().replace("id,x,y", "id,z,y"))
    stage.trigger("second")
    stage.settle()


def stale(stage: Stage) -> None:
    """Nothing is new, so nothing is trained."""
    first_model(stage)
    stage.trigger("second")
    stage.settle()


def burst(stage: Stage) -> None:
    """Many events before a run are one run, and each has its end."""
    stage.put("a.csv", rows())
    for number in range(12):
        stage.trigger(f"event-{number}")
    stage.trigger("event-3")
    stage.settle()


def needs_approval(stage: Stage) -> None:
    """A person is asked; what is approved is deployed, once."""
    stage.put("a.csv", rows())
    stage.trigger("first")
    stage.settle()
    stage.approve(1)
    stage.approve(1)
    stage.settle()


def rolled_back(stage: Stage) -> None:
    """The last good version comes back."""
    better(stage)
    stage.roll_back()


STORIES: Mapping[str, Story] = {
    "first model": first_model,
    "better": better,
    "worse": worse,
    "broken data": broken_data,
    "stale": stale,
    "burst": burst,
    "needs approval": needs_approval,
    "rolled back": rolled_back,
}
