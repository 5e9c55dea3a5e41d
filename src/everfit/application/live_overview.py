"""The read side of live traffic: rates, errors and latencies by version, and how a rollout and a watch stand."""

from collections.abc import Mapping

from everfit.application.live_evidence import lasts_until, live_evidence
from everfit.application.live_watch import findings
from everfit.application.owed import shortly
from everfit.application.ports import Ports
from everfit.application.workspace import Workspace
from everfit.domain.endpoint import EndpointState
from everfit.domain.errors import BackendError
from everfit.domain.live import RECENT, Observation, Tally
from everfit.domain.project import Environment
from everfit.domain.record import instant
from everfit.domain.rollout import Evidence, Progress, describe_plan, is_one_shift, summary
from everfit.domain.rollout_plan import rollout_of
from everfit.domain.watch import is_watched, watch_policy

Json = dict[str, object]


def rollout_report(environment: Environment, workspace: Workspace, ports: Ports) -> Mapping[str, object] | None:
    """Return how the rollout under way stands, with all that was decided; the newest one when none is; None before any.

    The fields of ``summary``, and ``plan``, ``orders`` and ``decisions``, oldest first.
    """
    if ports.rollouts is None:
        return None
    progress = ports.rollouts.current(workspace.model, environment.name)
    if progress is None:
        progress = next(iter(ports.rollouts.ended(workspace.model, environment.name, limit=1)), None)
    return None if progress is None else _report(progress, environment, workspace, ports)


def rollout_reports(
    environment: Environment, workspace: Workspace, ports: Ports, *, limit: int = 20
) -> list[Mapping[str, object]]:
    """Return rollouts that are over, newest first, each as ``rollout_report`` gives it."""
    if ports.rollouts is None:
        return []
    found = ports.rollouts.ended(workspace.model, environment.name, limit=limit)
    return [_report(progress, environment, workspace, ports) for progress in found]


def plan_words(environment: Environment, workspace: Workspace, ports: Ports) -> list[str]:
    """Return in sentences how the next version would take its traffic; nothing where it moves all at once."""
    plan = rollout_of(environment.rollout)
    if ports.traffic is None or is_one_shift(plan):
        return []
    versions = ports.registry.newest_versions(workspace.model, limit=1)
    return describe_plan(
        plan,
        ports.registry.champion(workspace.model, environment.name),
        versions[0].number + 1 if versions else 1,
    )


def live_rows(environment: Environment, state: EndpointState | None, ports: Ports) -> list[Json] | None:
    """Return what each version that is loaded does with live traffic; None when the endpoint does not tell.

    ``share`` of the traffic, ``is_shadow``, ``state`` (``serves``, ``shadows`` or ``is ready``), and of the last five
    minutes ``requests``, ``errors`` and ``error_rate``, ``p50`` and ``p99`` (seconds); ``rate`` is what it answers in a
    second now. What needs requests is None without any.
    """
    if ports.traffic is None or state is None or ports.endpoints.is_stopped():
        return None
    try:
        observation = ports.traffic.observe(environment.endpoint)
    except BackendError:
        return None
    if observation is None:
        return None
    numbers = sorted({*state.staged, *observation.weights, *observation.shadows})
    return [_row(number, observation) for number in numbers]


def watch_row(environment: Environment, workspace: Workspace, ports: Ports) -> Json | None:
    """Return what the watch says of the version that serves; None when nothing is watched at the moment.

    While a version is on its way to the traffic, its rollout judges, and not the watch.
    """
    policy = watch_policy(environment.watch)
    served = next(iter(ports.registry.history(workspace.model, environment.name, limit=1)), None)
    if policy is None or served is None or ports.traffic is None:
        return None
    if ports.rollouts is not None and ports.rollouts.current(workspace.model, environment.name) is not None:
        return None
    if not is_watched(served.since, policy, ports.clock.now()):
        return None
    try:
        found = findings(environment, workspace, ports)
    except BackendError:
        found = ()
    return {
        "version": served.version,
        "until": instant(lasts_until(policy, served.since)),
        "rules": [
            {"rule": each.rule.text, "health": each.health.value, "value": each.value, "words": each.words}
            for each in found
        ],
    }


def rollout_row(environment: Environment, workspace: Workspace, ports: Ports) -> Mapping[str, object] | None:
    """Return how the rollout under way stands; None when none is."""
    progress = None if ports.rollouts is None else ports.rollouts.current(workspace.model, environment.name)
    return (
        None
        if progress is None
        else summary(progress, _evidence(progress, environment, workspace, ports), ports.clock.now())
    )


def _report(progress: Progress, environment: Environment, workspace: Workspace, ports: Ports) -> Mapping[str, object]:
    return {
        **summary(progress, _evidence(progress, environment, workspace, ports), ports.clock.now()),
        "environment": progress.environment,
        "ended": None if progress.ended is None else instant(progress.ended),
        "plan": describe_plan(progress.plan, progress.champion, progress.challenger),
        "orders": [
            {"order": each.kind.value, "actor": each.actor, "reason": each.reason, "at": instant(each.at)}
            for each in progress.orders
        ],
        "decisions": [
            {"verdict": each.verdict.value, "step": each.step + 1, "reason": each.reason, "at": instant(each.at)}
            for each in progress.decisions
        ],
    }


def _evidence(progress: Progress, environment: Environment, workspace: Workspace, ports: Ports) -> Evidence | None:
    """Return what a decision would be made from now; None when the rollout is over or the endpoint does not tell."""
    if progress.ending is not None or ports.traffic is None or ports.endpoints.is_stopped():
        return None
    try:
        observation = ports.traffic.observe(environment.endpoint)
        if observation is None:
            return None
        state = ports.endpoints.describe(environment.endpoint)
        moved = None if state is None or state.moved is None else shortly(state.moved, workspace.project)
        return live_evidence(progress, observation, moved, environment, ports.traffic)
    except BackendError:
        return None


def _row(number: int, observation: Observation) -> Json:
    recent, share = observation.recent.get(number, Tally()), observation.weights.get(number, 0.0)
    is_shadow = number in observation.shadows
    return {
        "version": number,
        "share": share,
        "is_shadow": is_shadow,
        "state": "serves" if share else "shadows" if is_shadow else "is ready",
        "requests": recent.requests,
        "rate": round(observation.rates.get(number, recent.requests / RECENT.total_seconds()), 3),
        "errors": recent.errors,
        "error_rate": recent.errors / recent.requests if recent.requests else None,
        "p50": recent.quantile(0.5),
        "p99": recent.quantile(0.99),
    }
