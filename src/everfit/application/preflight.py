"""Rehearse a run on a small part of the data, so that what is wrong is found before a real training costs anything."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from everfit.application.alerting import troubled
from everfit.application.facts import Facts
from everfit.application.ports import Claim, Ports
from everfit.application.step import Answer, AwaitJob, Context, Done, End
from everfit.application.steps.check import check
from everfit.application.steps.evaluate import evaluate
from everfit.application.steps.prepare import prepare
from everfit.application.steps.snapshot import freeze
from everfit.application.steps.train import train
from everfit.application.workspace import Workspace
from everfit.domain.amounts import counted, sized
from everfit.domain.errors import EverfitError, RunFailedError
from everfit.domain.job import JobState
from everfit.domain.project import Environment
from everfit.domain.run import Run, RunId
from everfit.domain.secret import hidden

SHARE: Final = 0.01
LOOK: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One thing that was examined.

    Args:
        is_well: None when it is only a remark.
    """

    name: str
    is_well: bool | None
    words: str


def preflight(workspace: Workspace, environment: Environment, ports: Ports) -> Iterator[Examined]:
    """Yield what is examined, in the order of the loop, until something is wrong.

    Nothing is registered or deployed, and what the rehearsal made is deleted.
    """
    yield Examined(name="config", is_well=True, words=f"everfit.yaml is a {workspace.project.task.value} project")
    for key in workspace.project.later:
        yield Examined(name="config", is_well=None, words=f"{key} is valid, but this release does not act on it")
    for channel, words in troubled(workspace, ports):
        yield Examined(name="alerts", is_well=None, words=f"{channel.key}: {words}")
    context = _rehearsal(workspace, environment, ports)
    artifact: list[str] = []
    try:
        yield from _until_wrong(context, artifact)
    finally:
        ports.jobs.forget(context.run.id)
        for digest in artifact:
            _forget(digest, workspace, ports)


def _rehearsal(workspace: Workspace, environment: Environment, ports: Ports) -> Context:
    now = ports.clock.now()
    run = Run(
        id=RunId(f"check-{ports.ids.run_id(now)}"), model=workspace.model, environment=environment.name, started=now
    )
    claim = Claim(model=run.model, environment=run.environment, owner=ports.owner, fence=0, run=run.id)
    return Context(
        run=run, claim=claim, workspace=workspace, environment=environment, ports=ports, results={}, sample=SHARE
    )


def _until_wrong(context: Context, artifact: list[str]) -> Iterator[Examined]:
    under_way = "data"
    try:
        frozen = freeze(context.workspace, context.environment, None, context.ports)
        yield Examined(name="data", is_well=True, words=_frozen(frozen))
        yield _space(Facts("snapshot", frozen).whole("bytes"), context.ports)
        context = replace(context, results={"snapshot": frozen})
        for name, function, words in _REHEARSED:
            under_way = name
            result = _finished(name, function, context)
            context = replace(context, results={**context.results, name: result})
            if name == "train":
                artifact.append(Facts("train", result).text("artifact"))
            yield Examined(name=name, is_well=True, words=words(Facts(name, result)))
    except EverfitError as error:
        yield Examined(name=under_way, is_well=False, words=hidden(str(error), context.project.secrets))


def _space(size: int, ports: Ports) -> Examined:
    free = ports.machine.free_bytes()
    needed = 4 * size
    words = f"{sized(free)} are free; a run of this data needs about {sized(needed)}"
    return Examined(name="disk", is_well=free > needed, words=words)


def _finished(name: str, function: Callable[[Context], Answer], context: Context) -> dict[str, object]:
    context.ports.progress.step_started(name, 1)
    begun = context.ports.clock.now()
    answer = function(context)
    while isinstance(answer, AwaitJob):
        while context.ports.jobs.wait(answer.job, LOOK).state is JobState.RUNNING:
            continue
        answer = function(context)
    context.ports.progress.step_ended(name, "done", (context.ports.clock.now() - begun).total_seconds())
    if isinstance(answer, End):
        raise RunFailedError(answer.reason)
    result = dict(answer.result) if isinstance(answer, Done) else {}
    if name == "evaluate":
        _refuse_silence(Facts("evaluate", result))
    return result


def _refuse_silence(evaluated: Facts) -> None:
    error = evaluated.below("evaluation").below("challenger").text_or_none("error")
    if error is not None:
        raise RunFailedError(f"the model of the rehearsal cannot be asked: {error}")


def _forget(artifact: str, workspace: Workspace, ports: Ports) -> None:
    if artifact not in {version.artifact for version in ports.registry.versions(workspace.model)}:
        ports.artifacts.delete(artifact)


def _frozen(frozen: Mapping[str, object]) -> str:
    return f"{counted(frozen['files'], 'file')}, {sized(frozen['bytes'])}"


def _prepared(result: Facts) -> str:
    rows = result.below("report").mapping("rows")
    return f"{counted(rows.get('total'), 'row')} read"


def _checked(result: Facts) -> str:
    rules = result.whole("rules")
    passed = f"{counted(rules, 'data rule')} {'passes' if rules == 1 else 'pass'}" if rules else "no data rules"
    return f"{passed}; the scripts parse, and what they import is installed"


def _trained(result: Facts) -> str:
    return f"a rehearsal on about {SHARE:.0%} of the rows made a model of {sized(result.whole('size'))}"


def _evaluated(result: Facts) -> str:
    return f"the model loads and answers {counted(result.below('evaluation').number_or_none('rows'), 'row')}"


_REHEARSED: Final[tuple[tuple[str, Callable[[Context], Answer], Callable[[Facts], str]], ...]] = (
    ("prepare", prepare, _prepared),
    ("check", check, _checked),
    ("train", train, _trained),
    ("evaluate", evaluate, _evaluated),
)
