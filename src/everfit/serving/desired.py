"""What an endpoint shall serve, as the control plane wrote it down; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any

from everfit.domain.endpoint import SampleRequest, ServedVersion, Service
from everfit.domain.errors import FencedError, RefusedError, StateError
from everfit.domain.version import Release

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredEndpoint:
    """One endpoint: the versions to hold, their shares, and the proof that each share is allowed."""

    name: str
    fence: int = 0
    versions: Mapping[int, ServedVersion] = field(default_factory=lambda: MappingProxyType({}))
    weights: Mapping[int, float] = field(default_factory=lambda: MappingProxyType({}))
    releases: Mapping[int, Release] = field(default_factory=lambda: MappingProxyType({}))

    def claimed(self, fence: int) -> "DesiredEndpoint":
        """Return it with the token of whoever changes it, or raise ``FencedError`` for an older one."""
        if fence < self.fence:
            raise FencedError(
                f"Endpoint {self.name} has been taken over: token {fence} is older than {self.fence}. Nothing changed."
            )
        return replace(self, fence=fence)

    def with_version(self, version: ServedVersion) -> "DesiredEndpoint":
        """Return it holding the version; one that takes traffic stays as it is."""
        known = self.versions.get(version.version)
        if known is not None and known.artifact != version.artifact:
            raise RefusedError(
                f"Endpoint {self.name} holds version {version.version} with other bytes ({known.artifact}); "
                "a version never changes."
            )
        if known is not None and self.weights.get(version.version, 0) > 0:
            return self
        return replace(self, versions={**self.versions, version.version: version})

    def without_version(self, number: int) -> "DesiredEndpoint":
        """Return it without the version, unless that takes traffic."""
        if self.weights.get(number, 0) > 0:
            return self
        return replace(self, versions={key: value for key, value in self.versions.items() if key != number})

    def with_weights(self, weights: Mapping[int, float], releases: Sequence[Release]) -> "DesiredEndpoint":
        """Return it with other shares, or raise ``RefusedError`` when something speaks against them."""
        shares = {version: weight for version, weight in weights.items() if weight != 0}
        proofs = {proof.version: proof for proof in releases if proof.version in shares}
        changed = replace(self, weights=shares, releases=proofs)
        reason = objection(changed)
        if reason is not None:
            raise RefusedError(reason)
        return changed

    def with_only(self, keep: Sequence[int]) -> "DesiredEndpoint":
        """Return it without the versions that take no traffic and are not to be kept."""
        kept = {number: version for number, version in self.versions.items() if number in {*keep, *self.weights}}
        return replace(self, versions=kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredState:
    """All endpoints of an installation."""

    endpoints: Mapping[str, DesiredEndpoint] = field(default_factory=lambda: MappingProxyType({}))

    def endpoint(self, name: str) -> DesiredEndpoint:
        """Return the endpoint; one that nobody has changed yet holds nothing."""
        return self.endpoints.get(name, DesiredEndpoint(name=name))

    def with_endpoint(self, endpoint: DesiredEndpoint) -> "DesiredState":
        """Return the state with the endpoint in place of the one of that name."""
        return replace(self, endpoints={**self.endpoints, endpoint.name: endpoint})


def objection(endpoint: DesiredEndpoint) -> str | None:
    """Return why the shares may not be given, or None when they may."""
    if any(weight < 0 for weight in endpoint.weights.values()) or abs(sum(endpoint.weights.values()) - 1) > 1e-9:
        return f"The shares of endpoint {endpoint.name} are {dict(endpoint.weights)}; they must sum to 1."
    for number in endpoint.weights:
        version, proof = endpoint.versions.get(number), endpoint.releases.get(number)
        if version is None:
            return f"Version {number} is not staged on endpoint {endpoint.name}; stage it first."
        if proof is None or not proof.verdict or proof.model != version.model_name:
            return f"Version {number} has no release: nothing serves on {endpoint.name} without a passing verdict."
        if proof.artifact != version.artifact:
            return (
                f"The release of version {number} is for other bytes ({proof.artifact}) than those that endpoint "
                f"{endpoint.name} holds ({version.artifact})."
            )
    return None


def to_document(state: DesiredState) -> dict[str, Any]:
    """Return the state as plain JSON."""
    return {
        "format": FORMAT,
        "endpoints": {
            name: {
                "fence": endpoint.fence,
                "versions": {str(number): asdict(version) for number, version in endpoint.versions.items()},
                "weights": {str(number): weight for number, weight in endpoint.weights.items()},
                "releases": {str(number): asdict(proof) for number, proof in endpoint.releases.items()},
            }
            for name, endpoint in state.endpoints.items()
        },
    }


def from_document(document: Any) -> DesiredState:
    """Return the state that the JSON says, or raise ``StateError``."""
    try:
        if document["format"] != FORMAT:
            raise StateError(
                f"The desired state of the endpoint host has format {document['format']}, and this Everfit knows "
                f"{FORMAT}: use the newer Everfit that wrote it."
            )
        endpoints = {name: endpoint_from(name, entry) for name, entry in document["endpoints"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateError(f"The desired state of the endpoint host is damaged ({error!r}).") from error
    return DesiredState(endpoints=endpoints)


def endpoint_from(name: str, entry: dict[str, Any]) -> DesiredEndpoint:
    """Return one endpoint of the document."""
    return DesiredEndpoint(
        name=name,
        fence=int(entry["fence"]),
        versions={int(number): version_from(fields) for number, fields in entry["versions"].items()},
        weights={int(number): float(weight) for number, weight in entry["weights"].items()},
        releases={int(number): Release(**fields) for number, fields in entry["releases"].items()},
    )


def version_from(fields: dict[str, Any]) -> ServedVersion:
    """Return one version of the document."""
    known = dict[str, Any](fields)
    sample, service = known.pop("sample"), known.pop("service", {})
    return ServedVersion(
        **known, sample=None if sample is None else SampleRequest(**sample), service=Service(**service)
    )
