"""What live traffic says of the versions of an endpoint."""

from everfit.application.ports import Traffic
from everfit.domain.endpoint import EndpointState
from everfit.domain.live import Observation
from everfit.domain.project import Environment
from everfit.domain.rollout import Evidence, Progress


def live_evidence(
    progress: Progress,
    observation: Observation,
    state: EndpointState | None,
    environment: Environment,
    traffic: Traffic,
) -> Evidence:
    """Return what a decision about the step under way is made from."""
    versions = [number for number in (progress.champion, progress.challenger) if number is not None]
    quality = {} if progress.since is None else traffic.quality(progress.endpoint, versions, (), progress.since)
    return Evidence(observation=observation, quality=quality, moved=None if state is None else state.moved)
