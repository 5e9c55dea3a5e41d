"""Endpoints on this machine: what is wanted is written down, and the host is asked what it really serves."""

import http.client
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from everfit.adapters.local.host_process import NOTHING_CHOSEN, HostProcess
from everfit.adapters.local.host_report import (
    invocations,
    is_loading,
    moved_in,
    named,
    observation_in,
    shares,
    why_unable,
)
from everfit.domain.endpoint import Answer, EndpointState, ServedVersion, Service
from everfit.domain.errors import BackendError, FencedError, RunFailedError
from everfit.domain.live import Observation, Quality
from everfit.domain.version import Release
from everfit.serving.access import HostAccess
from everfit.serving.capture_settings import CaptureSettings, write_settings
from everfit.serving.desired import DesiredEndpoint
from everfit.serving.desired_file import read_desired, write_desired
from everfit.serving.detour import read_detours, really_moved
from everfit.serving.limits import Limits
from everfit.serving.state_files import locked

USUAL = Limits()
# Whoever asks what serves wants to know it now, and not when a slow model has been loaded after a restart.
LOOK_PATIENCE = 30.0

Move = Callable[[DesiredEndpoint], DesiredEndpoint]


class LiveQuality(Protocol):
    """Joins what versions answered with the labels that came later."""

    def quality(
        self, name: str, versions: Sequence[int], metrics: Sequence[str], since: datetime
    ) -> Mapping[int, Quality]:
        """Return how good the answers since then were, for each version with a labelled row."""
        ...


class LocalEndpoints:
    """The endpoints of one state folder, and the traffic on them: this is ``Endpoints`` and ``Traffic``.

    Args:
        home: the state folder.
        port: of the host; None takes the one it had before, the usual one or a free one.
        limits: of a host that is started; a running one keeps its own.
        access: what was chosen of the address that the host listens on, and of tokens.
        quality: None where no labels are taken.
    """

    def __init__(
        self,
        home: Path,
        port: int | None,
        limits: Limits = USUAL,
        access: HostAccess = NOTHING_CHOSEN,
        quality: LiveQuality | None = None,
    ) -> None:
        self._folder = home / "host"
        self._host = HostProcess(self._folder, port, limits, access)
        self._quality = quality

    def describe(self, name: str) -> EndpointState | None:
        """Return what the endpoint really serves; a host that died is started again, one that was stopped is not."""
        desired = read_desired(self._folder).endpoints.get(name)
        if desired is None:
            return None
        if self._host.is_stopped and not self._host.is_running:
            return self._state(desired, {})
        return self._state(desired, self._report(name, desired.weights, LOOK_PATIENCE))

    def observe(self, name: str) -> Observation | None:
        """Return what the host has counted, or None before the first deployment or when it is stopped."""
        desired = read_desired(self._folder).endpoints.get(name)
        if desired is None or not desired.weights or (self._host.is_stopped and not self._host.is_running):
            return None
        report = named(self._host.tell("converge"), name)
        return observation_in(report) if "epoch" in report else None

    def quality(
        self, name: str, versions: Sequence[int], metrics: Sequence[str], since: datetime
    ) -> Mapping[int, Quality]:
        """Return how good live answers since then were, on rows whose labels have come."""
        return {} if self._quality is None else self._quality.quality(name, versions, metrics, since)

    def keep_requests(self, name: str, service: Service) -> None:
        """Have requests kept by these settings from now on, whichever version answers them."""
        is_known = name in read_desired(self._folder).endpoints
        if is_known and write_settings(self._folder, name, capture_of(service)) and self._host.is_running:
            # A host that does not hear it now looks by itself.
            with suppress(BackendError):
                self._host.tell("converge")

    def stage(self, name: str, version: ServedVersion, *, fence: int) -> None:
        """Load the version beside what serves and have it answer its sample."""
        self._change(name, fence, lambda endpoint: endpoint.with_version(version))
        write_settings(self._folder, name, capture_of(version.service))
        self._host.tell("stage", endpoint=name, versions=[version.version])
        found = self._settled(name, [version.version])["versions"].get(str(version.version), {})
        if found.get("state") == "ready":
            return
        self._change(name, fence, lambda endpoint: endpoint.without_version(version.version))
        self._host.tell("converge")
        if not found:
            raise FencedError(f"Version {version.version} was taken off endpoint {name} while it was loaded.")
        raise RunFailedError(
            f"Version {version.version} of {version.model_name} cannot serve on {name}: {found['message']} "
            "Nothing was shifted."
        )

    def shift(self, name: str, weights: Mapping[int, float], releases: Sequence[Release], *, fence: int) -> bool:
        """Move the traffic in one atomic change."""
        self._move(name, fence, lambda endpoint: endpoint.with_weights(weights, releases).renewed())
        return True

    def split(
        self,
        name: str,
        weights: Mapping[int, float],
        releases: Sequence[Release],
        *,
        shadows: Sequence[int] = (),
        fence: int,
    ) -> None:
        """Give staged versions these shares, and copies to *shadows*, in one atomic change."""
        held = read_desired(self._folder).endpoint(name).claimed(fence).versions
        missing = [number for number in [*weights, *shadows] if number not in held]
        if missing:
            raise RunFailedError(f"Version {missing[0]} is not loaded on {name}. Nothing was changed.")
        self._move(name, fence, lambda endpoint: endpoint.with_weights(weights, releases, shadows).renewed())

    def _move(self, name: str, fence: int, move: Move) -> None:
        """Change who takes traffic, once everything that shall is loaded, and see to it that it does."""
        wanted = move(read_desired(self._folder).endpoint(name).claimed(fence))
        used = [*wanted.weights, *wanted.shadows]
        report = self._settled(name, used)
        for number in used:
            reason = why_unable(report, number)
            if reason is not None:
                raise RunFailedError(f"Version {number} on {name} {reason} Nothing was shifted.")
        self._change(name, fence, move)
        report = named(self._host.tell("converge"), name)
        # A host that was started again in between has to load first.
        if not serves(report, wanted):
            report = self._settled(name, used)
        if not serves(report, wanted):
            moved = moved_in(report)
            left = report.get("refusal") if moved is None else f"{moved.reason} Version {moved.after} took over."
            raise BackendError(
                f"Endpoint {name} serves {shares(report)} instead of {dict(wanted.weights)}. {left}", retryable=True
            )

    def wait(self, name: str, patience: timedelta) -> bool:
        """Tell that nothing is under way: a change is over when it returns."""
        del name, patience
        return True

    def settle(self, name: str, keep: Sequence[int], *, fence: int, back: int | None = None) -> None:
        """Let versions go that take no traffic and are not in *keep*, and remember the way back."""
        detour = read_detours(self._folder).get(name)

        def settled(endpoint: DesiredEndpoint) -> DesiredEndpoint:
            # What serves in the place of a version that cannot go on is in use, whatever is known of that elsewhere.
            serving = detour.weights if detour is not None and detour.holds(endpoint) else ()
            return endpoint.settled([*keep, *serving], back)

        self._change(name, fence, settled)
        if self._host.is_running:
            self._host.tell("converge")

    def restore(self, name: str, version: ServedVersion, release: Release, *, fence: int) -> bool:
        """Go back: stage the version unless it is loaded, and give it all the traffic."""
        whole = {version.version: 1.0}

        def back(endpoint: DesiredEndpoint) -> DesiredEndpoint:
            # What is left now is no way back.
            moved = endpoint.with_weights(whole, [release]).renewed()
            return moved.going_back_to(version.version, moved.fallback)

        back(read_desired(self._folder).endpoint(name).claimed(fence).with_version(version))
        self.stage(name, version, fence=fence)
        self._move(name, fence, back)
        return True

    def invoke(self, name: str, body: bytes, content_type: str, accept: str) -> Answer:
        """Send a request as a client would."""
        self._host.ensure()
        address = urlsplit(self._host.url)
        patience = self._host.limits.request.total_seconds() * 3
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=patience)
        headers = {"Content-Type": content_type, "Accept": accept, **self._host.credentials}
        try:
            with closing(connection):
                connection.request("POST", invocations(name), body=body, headers=headers)
                response = connection.getresponse()
                content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise BackendError(f"Endpoint {name} did not answer: {error!r}. Try again.", retryable=True) from error
        version = response.headers.get("X-Everfit-Version")
        return Answer(
            status=response.status,
            body=content,
            content_type=response.headers.get("Content-Type", ""),
            version=None if version is None else int(version),
        )

    def start(self) -> None:
        """Start the host with the state that it had, unless it runs."""
        self._host.ensure()

    def is_running(self) -> bool:
        """Tell whether the host runs; this starts nothing."""
        return self._host.is_running

    def is_stopped(self) -> bool:
        """Tell whether the host was stopped on purpose, and nobody has started it since."""
        return self._host.is_stopped

    def stop(self) -> bool:
        """Stop the host when it has answered what it has; it starts again with the next change or request."""
        return self._host.stop()

    def _change(self, name: str, fence: int, move: Move) -> None:
        with locked(self._folder / "desired.lock"):
            state = read_desired(self._folder)
            write_desired(self._folder, state.with_endpoint(move(state.endpoint(name).claimed(fence))))

    def _settled(self, name: str, versions: Collection[int]) -> dict[str, Any]:
        """Return the endpoint's report once none of the versions is being loaded any more."""
        report = self._report(name, versions, self._host.limits.load.total_seconds() * 2)
        if is_loading(report, versions):
            raise BackendError(f"Endpoint {name} is still loading; look again later.", retryable=True)
        return report

    def _report(self, name: str, versions: Collection[int], patience: float) -> dict[str, Any]:
        """Return the endpoint's report when the versions are loaded or *patience* (seconds) is over."""
        deadline = time.monotonic() + patience
        while True:
            report = named(self._host.tell("await", endpoint=name, versions=list(versions)), name)
            if not is_loading(report, versions) or time.monotonic() > deadline:
                return report

    def _state(self, desired: DesiredEndpoint, report: Mapping[str, Any]) -> EndpointState:
        versions: dict[str, dict[str, Any]] = report.get("versions", {})
        ready = {int(number): found for number, found in versions.items() if found["state"] == "ready"}
        kept = really_moved(desired, read_detours(self._folder).get(desired.name))
        return EndpointState(
            name=desired.name,
            url=self._host.url + invocations(desired.name),
            weights=shares(report),
            staged=tuple(sorted(ready)),
            artifacts={number: found["artifact"] for number, found in ready.items()},
            fence=desired.fence,
            moved=moved_in(report) or kept,
        )


def serves(report: Mapping[str, Any], wanted: DesiredEndpoint) -> bool:
    """Whether the host gives the shares and copies that are wanted."""
    return shares(report) == dict(wanted.weights) and tuple(report.get("shadows", ())) == wanted.shadows


def capture_of(service: Service) -> CaptureSettings:
    """Return which requests of an endpoint are kept."""
    return CaptureSettings(share=service.capture, keep=service.keep, most=service.keep_most)
