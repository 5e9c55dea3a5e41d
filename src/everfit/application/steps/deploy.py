"""Put the version behind the same endpoint: stage, shift at once or step by step, look, write down."""

from everfit.application.moving import Moving, moving_of
from everfit.application.owed import made_ready
from everfit.application.rollout_endings import broken_off, left
from everfit.application.rollouts import begun, look
from everfit.application.serving import sample_of, served_version
from everfit.application.step import Answer, AwaitEndpoint, Context, Done, End
from everfit.domain.amounts import counted
from everfit.domain.errors import RunFailedError
from everfit.domain.rollout import Ending, Progress, Verdict, phases_of
from everfit.domain.run import Outcome
from everfit.domain.version import Placement, Release, Standing, Version, last_good, release


def deploy(context: Context) -> Answer:
    """Move the endpoint to the version, once; a second try finds the first one's work."""
    registry, environment, model = context.ports.registry, context.environment, context.project.model
    number = context.result("register").whole("version")
    version, placement = registry.version(model, number), registry.placement(model, environment.name, number)
    before = registry.champion(model, environment.name)
    moving = moving_of(context, version, release(version, placement), before)
    progress = moving.rollouts.of_run(context.run.id) if moving is not None else None
    if moving is not None and progress is not None and progress.ending is Ending.ABORTED:
        return left(moving, progress)
    bad = _taken_back(context, before, number) or _withdrawn(context, number)
    late = bad or _stale_comparison(placement, before, number)
    if late is not None:
        if moving is not None and progress is not None and progress.ending is None:
            return broken_off(moving, progress, late, is_bad=bad is not None)
        return _left(context, before, number, late)
    answer = None if moving is None else _on_its_way(moving)
    return _served(context, version, placement, before) if answer is None else answer


def _on_its_way(moving: Moving) -> Answer | None:
    """Take the version step by step; None when all of the traffic is to move to it now."""
    progress = begun(moving)
    return look(moving, progress) if isinstance(progress, Progress) else progress


def _served(context: Context, version: Version, placement: Placement, before: int | None) -> Answer:
    """Give the version all of the traffic, and write it down."""
    ports, environment, number = context.ports, context.environment, version.number
    proof = release(version, placement)
    if not _shift(context, version, proof):
        return AwaitEndpoint(endpoint=environment.endpoint)
    ports.registry.served(context.claim, proof, reason=_reason(context, placement, before), actor=context.run.actor)
    good = last_good(ports.registry.history(context.project.model, environment.name), number)
    keep = [number] if good is None else [number, good]
    ports.endpoints.settle(environment.endpoint, keep, fence=context.claim.fence, back=good)
    state = ports.endpoints.describe(environment.endpoint)
    return Done(
        result={
            "from": context.result("evaluate").whole_or_none("champion"),
            "to": number,
            "url": state.url if state else None,
        }
    )


def _reason(context: Context, placement: Placement, before: int | None) -> str:
    """Return why the version serves from now on."""
    reason = "first version" if before is None else f"passed its gate against version {before}"
    if context.run.promote is not None:
        reason = f"promoted: {reason}"
    if placement.approval is not None:
        reason = f"{reason}; approved by {placement.approval.actor}: {placement.approval.reason}"
    rollouts = context.ports.rollouts
    progress = None if rollouts is None else rollouts.of_run(context.run.id)
    if progress is None or (progress.champion is None and not progress.orders):
        return reason
    return f"{reason}; {_how_it_passed(progress)}"


def _how_it_passed(progress: Progress) -> str:
    """Return by what the version passed its rollout; the numbers of each step are kept with that."""
    steps = len(phases_of(progress))
    by_evidence = {each.step for each in progress.decisions if each.verdict is Verdict.ADVANCE and each.comparisons}
    if len(by_evidence) == steps:
        return f"passed its rollout in {counted(steps, 'step')}"
    return f"rollout: {progress.reason}"


def _left(context: Context, champion: int | None, number: int, late: str) -> Answer:
    """End the run; where the endpoint was on its way to the version already, it goes back first."""
    endpoints, name = context.ports.endpoints, context.environment.endpoint
    state = endpoints.describe(name)
    if champion is not None and champion != number and state is not None and number in state.staged:
        model, proof = made_ready(champion, context.environment, context.workspace, context.ports)
        if not endpoints.restore(name, model, proof, fence=context.claim.fence):
            return AwaitEndpoint(endpoint=name)
    return End(outcome=Outcome.FAILED, reason=late)


def _taken_back(context: Context, champion: int | None, number: int) -> str | None:
    """Say that this run's version has served and was taken back since, while the run was broken off."""
    history, run = context.ports.registry.history(context.project.model, context.environment.name), context.run
    # Whoever found it serving before the run could write that down has no run to name.
    mine = (served for served in history if served.run == run.id or served.since >= run.started)
    if champion == number or all(served.version != number for served in mine):
        return None
    return f"version {number} served, and was taken back for version {champion} while the run was broken off"


def _withdrawn(context: Context, number: int) -> str | None:
    """Say that the version was rolled back where it is promoted from, after this run had begun."""
    source = context.environment.promote_from
    if context.run.promote is None or source is None:
        return None
    standing = context.ports.registry.placement(context.project.model, source, number).standing
    if standing is not Standing.ROLLED_BACK:
        return None
    return f"version {number} was rolled back in {source} since its promotion began; nothing was changed"


def _stale_comparison(placement: Placement, champion: int | None, number: int) -> str | None:
    """Say why a verdict about another champion decides nothing any more, unless a person approved it knowing that."""
    approved = placement.approval is not None and placement.approval.approved
    if approved or champion in (placement.verdict.champion, number):
        return None
    return (
        f"version {number} was judged against version {placement.verdict.champion}, but version {champion} serves "
        "by now; nothing was changed; run again to judge it against what serves"
    )


def _shift(context: Context, version: Version, proof: Release) -> bool:
    """Put the version behind the endpoint; False while that is under way."""
    endpoints, name, number = context.ports.endpoints, context.environment.endpoint, version.number
    folder = context.ports.artifacts.unpacked(version.artifact)
    model = served_version(version, folder, context.project, sample_of(context.results))
    endpoints.stage(name, model, fence=context.claim.fence)
    if not endpoints.shift(name, {number: 1.0}, [proof], fence=context.claim.fence):
        return False
    state = endpoints.describe(name)
    if state is None or state.weights.get(number) != 1.0 or state.artifacts.get(number) != version.artifact:
        raise RunFailedError(f"The endpoint {name} does not serve version {number} after it was told to; see its log.")
    return True
