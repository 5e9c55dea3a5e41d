"""Turn what waits in the inbox into a run, when it may start; or end it with the reason why it never can."""

from everfit.application.ports import Ports
from everfit.application.retraining import start
from everfit.application.workspace import Workspace
from everfit.domain.errors import NotFoundError, ProjectError, RefusedError
from everfit.domain.inbox import Waiting
from everfit.domain.pacing import Held, Start, State, decide, month_of, pause_of
from everfit.domain.run import Run
from everfit.domain.triggers import FORCED

__all__ = ["Held", "Start", "answer", "dispatch"]


def dispatch(model: str, environment: str, workspace: Workspace, ports: Ports) -> Run | Held | None:
    """Start the run that is due in the place, or say why none is; None when nothing waits any more.

    What can never start ends as skipped, with the reason.
    """
    waiting = ports.inbox.waiting(model, environment)
    if not waiting.backlogs:
        return None
    place = workspace.project.environments.get(environment)
    if place is None:
        ports.inbox.skip(model, environment, f"everfit.yaml has no environment {environment!r} any more")
        return None
    decision = answer(waiting, workspace, ports)
    if not isinstance(decision, Start):
        return decision
    try:
        return start(ports.ids.run_id(ports.clock.now()), workspace, place, ports)
    except (RefusedError, NotFoundError, ProjectError):
        return None


def answer(waiting: Waiting, workspace: Workspace, ports: Ports) -> Start | Held | None:
    """Return whether a run may start for what waits, and why not."""
    model, environment = waiting.model, waiting.environment
    now = ports.clock.now()
    busy = ports.store.unfinished(model, environment)
    budget = workspace.project.budget
    triggers = [trigger for trigger in workspace.project.triggers if environment in trigger.environments]
    state = State(
        pause=pause_of(ports.inbox.pauses(), model, environment),
        busy=None if busy is None else busy.id,
        last_started=ports.inbox.last_started(model, environment),
        started_this_month=0 if budget is None else ports.inbox.started_since(model, environment, month_of(now)),
        budget=budget,
        forced=FORCED in waiting.backlogs,
    )
    return decide(waiting, triggers, state, now)
