"""What live traffic says of the versions of an endpoint."""

from collections.abc import Mapping
from datetime import datetime

from everfit.application.ports import Traffic
from everfit.domain.live import Moved, Observation, Quality, Tally
from everfit.domain.project import Environment
from everfit.domain.rollout import Evidence, Progress
from everfit.domain.rollout_progress import done
from everfit.domain.version import Served
from everfit.domain.watch import ERROR_RATE, SLOWER, Finding, Health, WatchPolicy, judged, watch_policy


def live_evidence(
    progress: Progress,
    observation: Observation,
    moved: Moved | None,
    environment: Environment,
    traffic: Traffic,
) -> Evidence:
    """Return what a decision about the step under way is made from.

    Args:
        moved: what was moved without the control plane; None when nothing was.
    """
    policy, challenger = watch_policy(environment.watch), progress.challenger
    versions = [number for number in (progress.champion, challenger) if number is not None]
    quality: Mapping[int, Quality] = {}
    if progress.since is not None:
        quality = traffic.quality(progress.endpoint, versions, labelled(policy), progress.since)
    recent, total = observation.recent.get(challenger, Tally()), done(progress, observation, challenger)
    findings = () if policy is None else judged(policy, recent, total, quality.get(challenger))
    return Evidence(
        observation=observation,
        quality=quality,
        breaches=tuple(finding.words for finding in findings if finding.health is Health.BREACHED),
        moved=moved,
    )


def watched(
    policy: WatchPolicy, served: Served, name: str, observation: Observation, traffic: Traffic
) -> tuple[Finding, ...]:
    """Return what each rule of the watch comes to for the version that serves.

    Args:
        name: the endpoint's.
    """
    version, since = served.version, served.since
    names = labelled(policy)
    quality = traffic.quality(name, [version], names, since).get(version) if names else None
    recent, total = observation.recent.get(version, Tally()), observation.totals.get(version, Tally())
    return judged(policy, recent, total, quality)


def labelled(policy: WatchPolicy | None) -> tuple[str, ...]:
    """Return the metrics among the rules: what needs labels."""
    names = () if policy is None else (rule.name for rule in policy.rules)
    return tuple(dict.fromkeys(name for name in names if name != ERROR_RATE and name not in SLOWER))


def lasts_until(policy: WatchPolicy, since: datetime) -> datetime:
    """Return when the watch of a version ends that took all the traffic then."""
    return since + policy.lasts
