"""End the run: say what serves, and let go of what no longer has to be kept."""

from contextlib import suppress

from everfit.application.step import Answer, Context, End
from everfit.domain.errors import RefusedError
from everfit.domain.retention import removable, unused_artifacts
from everfit.domain.run import Outcome

KEPT_VERSIONS = 10


def record(context: Context) -> Answer:
    """Remove artifacts by policy, never the champion's nor the last good one's, and end the run."""
    model, deployed = context.project.model, context.result("deploy")
    removed = _forget(context)
    before, after = deployed.whole_or_none("from"), deployed.whole("to")
    over = "is the first to serve" if before is None else f"took over from version {before}"
    reason = f"version {after} of {model} passed its gate and {over} behind {context.environment.endpoint}"
    return End(outcome=Outcome.DEPLOYED, reason=reason, result={"removed": removed})


def _forget(context: Context) -> list[int]:
    registry, model = context.ports.registry, context.project.model
    versions, history = registry.versions(model), registry.history(model)
    # An environment that is no longer in the project may still have something that serves.
    names = {*context.project.environments, *(served.environment for served in history)}
    placements = [placement for name in sorted(names) for placement in registry.placements(model, name)]
    moving = _on_their_way(context)
    numbers = [each for each in removable(versions, placements, history, KEPT_VERSIONS) if each not in moving]
    gone: list[int] = []
    for number in numbers:
        # It may have been promoted or approved since the list was read.
        with suppress(RefusedError):
            registry.forget(model, number)
            gone.append(number)
    for digest in unused_artifacts(versions, gone):
        # Another model that shares the state folder may be made of the same bytes.
        if not registry.holds(digest):
            context.ports.artifacts.delete(digest)
    return gone


def _on_their_way(context: Context) -> frozenset[int]:
    """Return the versions that a rollout under way in any environment gives traffic to."""
    rollouts, model = context.ports.rollouts, context.project.model
    if rollouts is None:
        return frozenset()
    found = [rollouts.current(model, name) for name in context.project.environments]
    return frozenset(progress.challenger for progress in found if progress is not None)
