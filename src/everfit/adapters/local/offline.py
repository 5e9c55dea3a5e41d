"""Go back to the last good version without the control plane: its database may be locked, damaged or gone.

What is needed stands in the endpoint's desired state: which version is the way back, and the proof that it may serve.
What was moved is kept there until the control plane has written it down.
"""

import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from everfit.adapters.local.endpoints import USUAL
from everfit.adapters.local.host_process import NOTHING_CHOSEN, HostProcess
from everfit.adapters.local.host_report import is_loading, named, shares, why_unable
from everfit.domain.errors import BackendError, NotFoundError, RefusedError, RunFailedError
from everfit.domain.live import Moved
from everfit.serving.access import HostAccess
from everfit.serving.desired import DesiredEndpoint
from everfit.serving.desired_file import read_desired, write_desired
from everfit.serving.detour import Detour, read_detours
from everfit.serving.folder_digest import verify_folder
from everfit.serving.state_files import locked


def rolled_back_offline(
    home: Path, name: str, actor: str, reason: str, now: datetime, access: HostAccess = NOTHING_CHOSEN
) -> Moved:
    """Move all the traffic of an endpoint to its way back, and return when that serves; again does it once.

    Args:
        home: the state folder.
        access: what was chosen of the address that a host listens on that has to be started.

    Raises:
        NotFoundError: there is no such endpoint.
        RefusedError: there is nothing to go back to.
        RunFailedError: the version to go back to was changed on the disk, or does not load. Nothing was moved.
        BackendError: the host does not do what it is told.
    """
    folder = home / "host"
    host = HostProcess(folder, None, USUAL, access)
    endpoint, detour = _found(folder, name)
    done = endpoint.moved
    if done is not None and endpoint.whole == done.after and not _ways(endpoint, detour):
        _await_served(host, name, done.after)
        return done
    moved = _planned(endpoint, detour, actor, reason, now)
    version = endpoint.versions[moved.after]
    verify_folder(Path(version.model), version.artifact)
    host.tell("stage", endpoint=name, versions=[moved.after])
    unable = why_unable(_settled(host, name, moved.after), moved.after)
    if unable is not None:
        raise RunFailedError(f"Version {moved.after} on {name} {unable} Nothing was moved.")
    with locked(folder / "desired.lock"):
        state = read_desired(folder)
        if state.endpoint(name) != endpoint:
            raise BackendError(f"Endpoint {name} was changed meanwhile. Look at it, and try again.", retryable=True)
        write_desired(folder, state.with_endpoint(endpoint.left_for(moved)))
    _await_served(host, name, moved.after)
    return moved


def only_endpoint(home: Path) -> str | None:
    """Return the name of the endpoint in the state folder *home*; None unless there is exactly one."""
    names = list(read_desired(home / "host").endpoints)
    return names[0] if len(names) == 1 else None


def _found(folder: Path, name: str) -> tuple[DesiredEndpoint, Detour | None]:
    endpoints = read_desired(folder).endpoints
    if not endpoints:
        raise NotFoundError(f"Nothing was deployed from {folder.parent} yet, so there is nothing to go back from.")
    if name not in endpoints:
        raise NotFoundError(f"There is no endpoint {name} in {folder.parent}; there are: {', '.join(endpoints)}.")
    detour = read_detours(folder).get(name)
    return endpoints[name], detour if detour is not None and detour.holds(endpoints[name]) else None


def _ways(endpoint: DesiredEndpoint, detour: Detour | None) -> list[int]:
    """Return the versions to go back to, the best one first."""
    avoided = set[int]() if detour is None else {*detour.left, *detour.weights}
    return [number for number in endpoint.ways_back if number not in avoided]


def _planned(endpoint: DesiredEndpoint, detour: Detour | None, actor: str, reason: str, now: datetime) -> Moved:
    weights = endpoint.weights if detour is None else detour.weights
    if not weights:
        raise RefusedError(f"Nothing serves on endpoint {endpoint.name} yet, so there is nothing to go back from.")
    ways = _ways(endpoint, detour)
    if not ways:
        raise RefusedError(
            f"Endpoint {endpoint.name} holds no version to go back to from {max(weights, key=weights.__getitem__)}."
        )
    others = {number: share for number, share in weights.items() if number != ways[0]}
    before = max(others, key=others.__getitem__)
    return Moved(before=before, after=ways[0], actor=actor, reason=reason, at=now)


def _settled(host: HostProcess, name: str, number: int) -> Mapping[str, Any]:
    """Return the endpoint's report once the version is not being loaded any more."""
    deadline = time.monotonic() + host.limits.load.total_seconds()
    while True:
        report = named(host.tell("await", endpoint=name, versions=[number]), name)
        if not is_loading(report, [number]) or time.monotonic() > deadline:
            return report


def _await_served(host: HostProcess, name: str, number: int) -> None:
    host.tell("converge")
    found = shares(_settled(host, name, number))
    if found != {number: 1.0}:
        raise BackendError(
            f"Endpoint {name} serves {found} instead of version {number}; see {host.folder / 'host.log'}.",
            retryable=True,
        )
