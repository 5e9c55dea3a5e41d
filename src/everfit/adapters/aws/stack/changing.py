"""Brings one stack from whatever state it is in to what its template says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from everfit.adapters.aws.stack.changes import Json, first_cause
from everfit.adapters.aws.stack.cloudformation import Body, ChangeSet, CloudFormation, StackState
from everfit.domain.errors import BackendError, RefusedError

Tell = Callable[[str], None]

_NEVER_MADE = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED")
"""A stack in these states cannot be updated, only deleted (CloudFormation User Guide, "Stack status codes")."""
_MADE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
_PATIENCE = 3 * 3600.0
"""Seconds; CloudFormation gives up by itself long before."""
_LATE = 60.0
"""Seconds after which a change that was accepted has begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a stack is to be.

    Args:
        body: what is sent of the template.
    """

    name: str
    body: Body
    tags: Mapping[str, str]


def is_made(state: StackState) -> bool:
    """Tell whether the stack is as a change has left it, so that it can be compared and changed."""
    return state.status in (*_MADE, "UPDATE_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE")


def settled(cloud: CloudFormation, name: str, tell: Tell) -> StackState | None:
    """Return the stack in a state from which it can be changed; None when it has to be made.

    What somebody else is doing is waited for, what was made half is deleted, and what was undone half is undone.

    Raises:
        RefusedError: it cannot be brought there; the message says what to do.
    """
    state = cloud.state(name)
    if state is not None and state.is_moving:
        tell(f"{name} is being changed already ({state.status}); waiting for that")
        state = _waited(cloud, state, tell)
    if state is not None and state.status in _NEVER_MADE:
        # Nothing that holds data is in it: that goes with the creation that failed, or was kept when it was deleted.
        tell(f"{name} was never made as a whole ({state.status}); deleting what is left of it")
        remove(cloud, state, tell)
        return None
    if state is not None and state.status == "UPDATE_ROLLBACK_FAILED":
        state = _gone_back(cloud, state, tell)
    return state


def _gone_back(cloud: CloudFormation, state: StackState, tell: Tell) -> StackState | None:
    tell(f"the last change of {state.name} was undone only in part; undoing the rest")
    before = _known(cloud, state.id)
    cloud.go_back(state.name)
    after = _waited(cloud, _begun(cloud, state.id, before), tell)
    if after is not None and after.status == "UPDATE_ROLLBACK_FAILED":
        cause = first_cause(_new(cloud, state.id, before)) or after.reason
        raise RefusedError(
            f"The last change of the stack {state.name} cannot be undone: {cause} Mend that, and run everfit apply "
            f"again; or skip it: aws cloudformation continue-update-rollback --stack-name {state.name} "
            "--resources-to-skip NAME"
        )
    return after


def change(cloud: CloudFormation, wanted: Wanted, state: StackState | None, tell: Tell) -> tuple[Json, ...]:
    """Change the stack, or make it, and return what was changed; nothing happens when it is as it should be.

    Raises:
        BackendError: it failed; CloudFormation has undone what it had done. The message tells the first cause.
    """
    planned = cloud.planned(wanted.name, wanted.body, wanted.tags, is_new=state is None or state.is_empty)
    if not planned.changes:
        cloud.discard(planned)
        return ()
    _made(cloud, planned, tell)
    return planned.changes


def _made(cloud: CloudFormation, planned: ChangeSet, tell: Tell) -> None:
    before = _known(cloud, planned.stack)
    cloud.execute(planned)
    ended = _waited(cloud, _begun(cloud, planned.stack, before), tell, before)
    if ended is None or ended.status not in _MADE:
        cause = None if ended is None else first_cause(_new(cloud, ended.id, before)) or ended.reason
        is_left = ended is not None and ended.status == "UPDATE_ROLLBACK_COMPLETE"
        after = "Everything is as it was before." if is_left else "everfit apply goes on from there."
        raise BackendError(f"The stack {planned.stack} could not be changed: {cause or 'it is gone.'} {after}")


def remove(cloud: CloudFormation, state: StackState, tell: Tell) -> None:
    """Delete the stack.

    Raises:
        BackendError: something in it could not be deleted.
    """
    before = _known(cloud, state.id)
    cloud.delete(state.name)
    ended = _waited(cloud, _begun(cloud, state.id, before), tell, before)
    if ended is not None:
        cause = first_cause(_new(cloud, state.id, before)) or ended.reason
        raise BackendError(f"The stack {state.name} could not be deleted: {cause}")


def _begun(cloud: CloudFormation, stack: str, before: frozenset[str]) -> StackState | None:
    """Return the stack as soon as what was asked for has begun: for a moment it may look as it did before."""
    waited = 0.0
    while True:
        state = cloud.state(stack)
        if state is None or state.is_moving or _new(cloud, state.id, before) or waited > _LATE:
            return state
        cloud.wait()
        waited += cloud.interval


def _known(cloud: CloudFormation, stack: str) -> frozenset[str]:
    return frozenset(str(each["EventId"]) for each in cloud.events(stack))


def _new(cloud: CloudFormation, stack: str, known: frozenset[str]) -> list[Json]:
    return [each for each in cloud.events(stack) if each["EventId"] not in known]


def _waited(
    cloud: CloudFormation, state: StackState | None, tell: Tell, known: frozenset[str] | None = None
) -> StackState | None:
    """Return how the stack stands when nobody is changing it any more; None when it is gone.

    Args:
        known: events that were there before; None tells of none.
    """
    told, waited = set(known or ()), 0.0
    while state is not None:
        # By its id, as one that is deleted is not found by its name.
        now = cloud.state(state.id)
        if known is not None:
            for event in _new(cloud, state.id, frozenset(told)):
                told.add(str(event["EventId"]))
                if not str(event.get("ResourceStatus", "")).endswith("_IN_PROGRESS"):
                    tell(_line(event))
        if now is None or not now.is_moving:
            return now
        if waited > _PATIENCE:
            raise BackendError(f"The stack {state.name} is still {now.status}; run everfit apply again later.")
        cloud.wait()
        waited += cloud.interval
    return None


def _line(event: Json) -> str:
    status = str(event.get("ResourceStatus", "")).replace("_", " ").lower()
    reason = f": {event['ResourceStatusReason']}" if status.endswith("failed") else ""
    return f"{event.get('LogicalResourceId')} {status}{reason}"
