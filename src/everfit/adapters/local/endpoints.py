"""Endpoints on this machine: what is wanted is written down, and the host is asked what it really serves."""

import http.client
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from everfit.adapters.local.host_process import NOTHING_CHOSEN, HostProcess
from everfit.domain.endpoint import Answer, EndpointState, ServedVersion
from everfit.domain.errors import BackendError, FencedError, RunFailedError
from everfit.domain.version import Release
from everfit.serving.access import HostAccess
from everfit.serving.desired import DesiredEndpoint
from everfit.serving.desired_file import read_desired, write_desired
from everfit.serving.limits import Limits
from everfit.serving.state_files import locked

USUAL = Limits()
# Whoever asks what serves wants to know it now, and not when a slow model has been loaded after a restart.
LOOK_PATIENCE = 30.0


class LocalEndpoints:
    """The endpoints of one state folder.

    Args:
        home: the state folder.
        port: of the host; None takes the one it had before, the usual one or a free one.
        limits: of a host that is started; a running one keeps its own.
        access: what was chosen of the address that the host listens on, and of tokens.
    """

    def __init__(
        self, home: Path, port: int | None, limits: Limits = USUAL, access: HostAccess = NOTHING_CHOSEN
    ) -> None:
        self._folder = home / "host"
        self._host = HostProcess(self._folder, port, limits, access)

    def describe(self, name: str) -> EndpointState | None:
        """Return what the endpoint really serves; a host that died is started again, one that was stopped is not."""
        desired = read_desired(self._folder).endpoints.get(name)
        if desired is None:
            return None
        if self._host.is_stopped and not self._host.is_running:
            return self._state(desired, {})
        return self._state(desired, self._report(name, desired.weights, LOOK_PATIENCE))

    def stage(self, name: str, version: ServedVersion, *, fence: int) -> None:
        """Load the version beside what serves and have it answer its sample."""
        self._change(name, fence, lambda endpoint: endpoint.with_version(version))
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
        wanted = read_desired(self._folder).endpoint(name).claimed(fence).with_weights(weights, releases)
        found = self._settled(name, wanted.weights)["versions"]
        for number in wanted.weights:
            standing = found.get(str(number), {})
            if standing.get("state") != "ready":
                raise RunFailedError(
                    f"Version {number} is not loaded on {name}: {standing.get('message')} Nothing was shifted."
                )
        self._change(name, fence, lambda endpoint: endpoint.with_weights(weights, releases))
        report = named(self._host.tell("converge"), name)
        # A host that was started again in between has to load first.
        if shares(report) != dict(wanted.weights):
            report = self._settled(name, wanted.weights)
        if shares(report) != dict(wanted.weights):
            raise BackendError(
                f"Endpoint {name} serves {shares(report)} instead of {dict(wanted.weights)}. {report.get('refusal')}",
                retryable=True,
            )
        return True

    def wait(self, name: str, patience: timedelta) -> bool:
        """Tell that nothing is under way: a change is over when it returns."""
        del name, patience
        return True

    def settle(self, name: str, keep: Sequence[int], *, fence: int, back: int | None = None) -> None:
        """Let versions go that take no traffic and are not in *keep*, and remember the way back."""
        self._change(name, fence, lambda endpoint: endpoint.settled(keep, back))
        if self._host.is_running:
            self._host.tell("converge")

    def restore(self, name: str, version: ServedVersion, release: Release, *, fence: int) -> bool:
        """Go back: stage the version unless it is loaded, and give it all the traffic."""
        read_desired(self._folder).endpoint(name).claimed(fence).with_version(version).with_weights(
            {version.version: 1.0}, [release]
        )
        self.stage(name, version, fence=fence)
        return self.shift(name, {version.version: 1.0}, [release], fence=fence)

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

    def _change(self, name: str, fence: int, move: Callable[[DesiredEndpoint], DesiredEndpoint]) -> None:
        with locked(self._folder / "desired.lock"):
            state = read_desired(self._folder)
            write_desired(self._folder, state.with_endpoint(move(state.endpoint(name).claimed(fence))))

    def _settled(self, name: str, versions: Mapping[int, float] | Sequence[int]) -> dict[str, Any]:
        """Return the endpoint's report once none of the versions is being loaded any more."""
        report = self._report(name, versions, self._host.limits.load.total_seconds() * 2)
        if is_loading(report, versions):
            raise BackendError(f"Endpoint {name} is still loading; look again later.", retryable=True)
        return report

    def _report(self, name: str, versions: Mapping[int, float] | Sequence[int], patience: float) -> dict[str, Any]:
        """Return the endpoint's report when the versions are loaded or *patience* (seconds) is over."""
        deadline = time.monotonic() + patience
        while True:
            report = named(self._host.tell("await", endpoint=name, versions=list(versions)), name)
            if not is_loading(report, versions) or time.monotonic() > deadline:
                return report

    def _state(self, desired: DesiredEndpoint, report: Mapping[str, Any]) -> EndpointState:
        versions: dict[str, dict[str, Any]] = report.get("versions", {})
        ready = {int(number): found for number, found in versions.items() if found["state"] == "ready"}
        return EndpointState(
            name=desired.name,
            url=self._host.url + invocations(desired.name),
            weights=shares(report),
            staged=tuple(sorted(ready)),
            artifacts={number: found["artifact"] for number, found in ready.items()},
            fence=desired.fence,
        )


def invocations(name: str) -> str:
    """Return the path that an endpoint answers at."""
    return f"/endpoints/{quote(name, safe='')}/invocations"


def named(report: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the part of the host's report that is about one endpoint."""
    if report["problem"] is not None:
        raise BackendError(report["problem"])
    entries: list[dict[str, Any]] = report["endpoints"]
    nothing: dict[str, Any] = {"versions": {}}
    return next((entry for entry in entries if entry["name"] == name), nothing)


def is_loading(report: Mapping[str, Any], versions: Mapping[int, float] | Sequence[int]) -> bool:
    """Whether one of the versions is being loaded."""
    found = [report["versions"].get(str(number), {}) for number in versions]
    return any(standing.get("state") == "loading" for standing in found)


def shares(report: Mapping[str, Any]) -> dict[int, float]:
    """Return the shares of the traffic that an endpoint reports."""
    return {int(number): weight for number, weight in report.get("weights", {}).items()}
