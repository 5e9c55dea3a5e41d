"""Tell what a run would do, without doing it."""

from everfit.application.ports import Ports
from everfit.application.retraining import Request, environment_of, promoted_version, unfinished
from everfit.application.steps.snapshot import (
    champion_in,
    freeze,
    nothing_but_bad,
    nothing_new,
    pending_in,
    turned_back_in,
)
from everfit.application.workspace import Workspace


def preview(request: Request, workspace: Workspace, ports: Ports) -> dict[str, object]:
    """Return what a run would do and why; the data is listed and frozen, nothing is trained or changed."""
    environment = environment_of(workspace, request.environment)
    plan: dict[str, object] = {
        "model": workspace.model,
        "environment": environment.name,
        "endpoint": environment.endpoint,
    }
    interrupted = unfinished(workspace, environment, ports)
    if interrupted is not None:
        return {**plan, "would": "resume", "reason": f"run {interrupted.id} was interrupted"}
    promote = promoted_version(request.promote, workspace, environment, ports)
    champion = champion_in(workspace.model, environment, ports)
    pending = pending_in(workspace.model, environment, ports)
    frozen = freeze(workspace, environment, champion, ports)
    plan |= {key: frozen[key] for key in ("champion", "snapshot", "files", "bytes", "change")}
    left = turned_back_in(workspace.model, environment, ports)
    reason = None
    if not request.force:
        reason = nothing_new(frozen, champion, pending, promote) or nothing_but_bad(frozen, left, promote)
    if reason is not None:
        return {**plan, "would": "skip", "reason": reason}
    if promote is not None:
        return {
            **plan,
            "would": "promote",
            "reason": f"version {promote} would be judged by {environment.name}'s own gate",
        }
    return {**plan, "would": "train", "reason": "there is something new to learn from"}
