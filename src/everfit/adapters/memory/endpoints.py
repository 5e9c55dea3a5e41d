"""Endpoints in this process, for tests and dry runs."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from everfit.domain.endpoint import Answer, EndpointState, ServedVersion
from everfit.domain.errors import RunFailedError
from everfit.domain.live import Moved
from everfit.domain.version import Release
from everfit.serving.desired import DesiredEndpoint

Ask = Callable[[ServedVersion, bytes], bytes]


def echo(version: ServedVersion, body: bytes) -> bytes:
    """Answer with the version's number and what was asked."""
    return f"{version.version}:".encode() + body


class MemoryEndpoints:
    """Endpoints that serve by a function.

    Args:
        ask: answers for a version; what it raises at the sample keeps the version from being staged.
    """

    def __init__(self, ask: Ask = echo) -> None:
        self._ask = ask
        self._endpoints: dict[str, DesiredEndpoint] = {}

    def describe(self, name: str) -> EndpointState | None:
        """Return what the endpoint serves."""
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            return None
        return EndpointState(
            name=name,
            url=f"memory://{name}",
            weights=dict(endpoint.weights),
            staged=tuple(sorted(endpoint.versions)),
            artifacts={number: version.artifact for number, version in endpoint.versions.items()},
            fence=endpoint.fence,
            moved=endpoint.moved,
        )

    def desired(self, name: str) -> DesiredEndpoint | None:
        """Return what the endpoint was told, which is what it serves; None before its first deployment."""
        return self._endpoints.get(name)

    def split(
        self,
        name: str,
        weights: Mapping[int, float],
        releases: Sequence[Release],
        shadows: Sequence[int],
        *,
        fence: int,
    ) -> None:
        """Give the versions these shares, and copies to the shadows."""
        self._endpoints[name] = self._claimed(name, fence).with_weights(weights, releases, shadows)

    def move(self, name: str, moved: Moved) -> None:
        """Move all the traffic without the control plane, as a person does offline or the host in need."""
        self._endpoints[name] = self._endpoints[name].left_for(moved)

    def stage(self, name: str, version: ServedVersion, *, fence: int) -> None:
        """Have the version answer its sample and hold it."""
        endpoint = self._claimed(name, fence)
        held = endpoint.with_version(version)
        sample = b"" if version.sample is None else version.sample.content
        try:
            self._ask(version, sample)
        except (RunFailedError, ValueError) as error:
            self._endpoints[name] = endpoint.without_version(version.version)
            raise RunFailedError(
                f"Version {version.version} of {version.model_name} cannot serve on {name}: {error} "
                "Nothing was shifted."
            ) from error
        self._endpoints[name] = held

    def shift(self, name: str, weights: Mapping[int, float], releases: Sequence[Release], *, fence: int) -> bool:
        """Move the traffic."""
        self._endpoints[name] = self._claimed(name, fence).with_weights(weights, releases)
        return True

    def wait(self, name: str, patience: timedelta) -> bool:
        """Tell that nothing is under way: every change is made at once."""
        del name, patience
        return True

    def settle(self, name: str, keep: Sequence[int], *, fence: int, back: int | None = None) -> None:
        """Let versions go that take no traffic and are not in *keep*, and remember the way back."""
        self._endpoints[name] = self._claimed(name, fence).settled(keep, back)

    def restore(self, name: str, version: ServedVersion, release: Release, *, fence: int) -> bool:
        """Go back to the version."""
        weights = {version.version: 1.0}
        self._claimed(name, fence).with_version(version).with_weights(weights, [release])
        self.stage(name, version, fence=fence)
        return self.shift(name, weights, [release], fence=fence)

    def invoke(self, name: str, body: bytes, content_type: str, accept: str) -> Answer:
        """Answer as the version with the largest share."""
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            return Answer(status=400, body=b"", content_type="application/json", version=None)
        if not endpoint.weights:
            return Answer(status=503, body=b"", content_type="application/json", version=None)
        number = max(endpoint.weights, key=endpoint.weights.__getitem__)
        content = self._ask(endpoint.versions[number], body)
        kind = content_type if accept in ("", "*/*") else accept
        return Answer(status=200, body=content, content_type=kind, version=number)

    def start(self) -> None:
        """Do nothing: memory always answers."""

    def is_running(self) -> bool:
        """No host runs."""
        return False

    def is_stopped(self) -> bool:
        """Nothing was stopped."""
        return False

    def stop(self) -> bool:
        """Nothing runs that could be stopped."""
        return False

    def _claimed(self, name: str, fence: int) -> DesiredEndpoint:
        return self._endpoints.get(name, DesiredEndpoint(name=name)).claimed(fence)
