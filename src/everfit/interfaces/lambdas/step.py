"""Takes one step of a run, ends a run that is broken, or goes back: what the state machine asks for."""

from collections.abc import Mapping
from functools import partial

from everfit.application.facts import Facts
from everfit.application.kept import Kept
from everfit.application.serverless import Answer, AskedBack, Taken, broken, go_back, take
from everfit.domain.errors import NotFoundError
from everfit.domain.run import RunId
from everfit.interfaces.lambdas.answers import Json, answered
from everfit.interfaces.lambdas.log import log
from everfit.interfaces.lambdas.opened import LambdaContext, opened


def handler(event: Mapping[str, object], context: LambdaContext) -> Json:
    """Do what the state machine asks for: ``{run, step}``, ``{run, broken}`` or ``{rollback}``."""
    return handle(event, opened(context))


def handle(event: Mapping[str, object], kept: Kept) -> Json:
    """Do what is asked for and return the answer.

    Raises:
        CallError: what a retry may mend.
    """
    asked = Facts("The event", event)
    if "rollback" in event:
        back = partial(go_back, asked_back(asked.below("rollback")), kept.environment, kept.workspace, kept.ports)
        answer = answered(back, mistaken=_ended, kept=kept)
    else:
        answer = _of_run(RunId(asked.text("run")), asked, kept)
    log("a call was answered", run=event.get("run"), step=event.get("step"), **answer)
    return answer


def asked_back(facts: Facts) -> AskedBack:
    """Return the rollback that is asked for."""
    return AskedBack(
        actor=facts.text("actor"),
        before=facts.whole_or_none("before"),
        to=facts.whole_or_none("to"),
        reason=facts.text("reason"),
    )


def _of_run(run: RunId, asked: Facts, kept: Kept) -> Json:
    return answered(
        partial(_taken, run, asked, kept),
        mistaken=lambda words: broken(run, words, kept.workspace, kept.ports),
        kept=kept,
    )


def _taken(run: RunId, asked: Facts, kept: Kept) -> Taken:
    stranger = _stranger(run, kept)
    if stranger is not None:
        return _ended(stranger)
    cause = asked.text_or_none("broken")
    if cause is not None:
        return broken(run, cause, kept.workspace, kept.ports)
    return take(run, asked.text("step"), kept.workspace, kept.ports)


def _stranger(run: RunId, kept: Kept) -> str | None:
    """Say that the run is none of this stack's."""
    try:
        found = kept.ports.store.run(run)
    except NotFoundError as error:
        return str(error)
    if (found.model, found.environment) == (kept.workspace.model, kept.environment):
        return None
    return f"run {run} is of {found.model} in {found.environment}, and this stack is of {kept.environment}"


def _ended(words: str) -> Taken:
    return Taken(answer=Answer.ENDED, reason=words)
