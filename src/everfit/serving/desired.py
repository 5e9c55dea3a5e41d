"""What an endpoint shall serve, as the control plane wrote it down; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from everfit.domain.endpoint import SampleRequest, ServedVersion, Service
from everfit.domain.errors import FencedError, RefusedError, StateError
from everfit.domain.live import Moved
from everfit.domain.version import Release

FORMAT: Final = 2
READABLE: Final = (1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredEndpoint:
    """One endpoint: the versions to hold, their shares, and the proof that each share is allowed.

    Args:
        releases: version -> the proof that it may serve; of every version that is held and ever had one.
        shadows: versions that are given copies of requests; their answers are thrown away.
        champion: the version that had all the traffic when the endpoint was last settled.
        fallback: the version to go back to when the champion cannot go on.
        moved: what a person moved while the control plane was away; it is for that to write it down.
        turn: grows whenever shares are given, also the same ones again.
    """

    name: str
    fence: int = 0
    versions: Mapping[int, ServedVersion] = field(default_factory=lambda: MappingProxyType({}))
    weights: Mapping[int, float] = field(default_factory=lambda: MappingProxyType({}))
    releases: Mapping[int, Release] = field(default_factory=lambda: MappingProxyType({}))
    shadows: tuple[int, ...] = ()
    champion: int | None = None
    fallback: int | None = None
    moved: Moved | None = None
    turn: int = 0

    @property
    def whole(self) -> int | None:
        """The version that is given all the traffic; None when several share it, or none has any."""
        return next((number for number, weight in self.weights.items() if weight == 1.0), None)

    @property
    def ways_back(self) -> tuple[int, ...]:
        """The versions that may take over when what serves cannot go on, the best one first.

        While another version takes traffic than the one that was settled on, such as in a rollout, that one comes
        first; then the fallback. What was left once is never gone back to unasked.
        """
        left = None if self.moved is None else self.moved.before
        known = [number for number in (self.champion, self.fallback) if number is not None]
        return tuple(n for n in known if n not in (self.whole, left) and objection_to(self, n) is None)

    def claimed(self, fence: int) -> "DesiredEndpoint":
        """Return it with the token of whoever changes it, or raise ``FencedError`` for an older one."""
        if fence < self.fence:
            raise FencedError(
                f"Endpoint {self.name} has been taken over: token {fence} is older than {self.fence}. Nothing changed."
            )
        return replace(self, fence=fence)

    def with_version(self, version: ServedVersion) -> "DesiredEndpoint":
        """Return it holding the version; one that takes traffic or copies stays as it is."""
        known = self.versions.get(version.version)
        if known is not None and known.artifact != version.artifact:
            raise RefusedError(
                f"Endpoint {self.name} holds version {version.version} with other bytes ({known.artifact}); "
                "a version never changes."
            )
        if known is not None and version.version in self._used:
            return self
        return replace(self, versions={**self.versions, version.version: version})

    def without_version(self, number: int) -> "DesiredEndpoint":
        """Return it without the version, unless that takes traffic or copies."""
        if number in self._used:
            return self
        return self._holding([held for held in self.versions if held != number])

    def with_weights(
        self, weights: Mapping[int, float], releases: Sequence[Release], shadows: Sequence[int] = ()
    ) -> "DesiredEndpoint":
        """Return it with other shares, or raise ``RefusedError`` when something speaks against them.

        Args:
            shadows: are given copies; one that has a share is none.
        """
        shares = {version: weight for version, weight in weights.items() if weight != 0}
        copied = tuple(sorted(set(shadows) - set(shares)))
        proofs = {proof.version: proof for proof in releases if proof.version in {*shares, *copied}}
        # Only what is shown now opens the door; what was shown before is kept for the way back.
        changed = replace(self, weights=shares, shadows=copied, releases=proofs)
        reason = objection(changed)
        if reason is not None:
            raise RefusedError(reason)
        known = {number: proof for number, proof in self.releases.items() if number in self.versions}
        return replace(changed, releases={**known, **proofs}, moved=None)

    def renewed(self) -> "DesiredEndpoint":
        """Return it in its next turn: whatever was moved before by anybody else is over."""
        return replace(self, turn=self.turn + 1, moved=None)

    def with_only(self, keep: Sequence[int]) -> "DesiredEndpoint":
        """Return it without the versions that take neither traffic nor copies and are not to be kept."""
        return self._holding([number for number in self.versions if number in {*keep, *self._used}])

    def settled(self, keep: Sequence[int], back: int | None) -> "DesiredEndpoint":
        """Return it with only what is used or kept, what has all the traffic as the champion, and the way back.

        Args:
            back: is kept as well; without its release, it is no way back.
        """
        only = self.with_only(keep if back is None else [*keep, back])
        champion = self.champion if only.whole is None else only.whole
        return only.going_back_to(champion, back)

    def going_back_to(self, champion: int | None, fallback: int | None) -> "DesiredEndpoint":
        """Return it with these two as the way back, as far as they may serve."""
        good = [n if n is not None and objection_to(self, n) is None else None for n in (champion, fallback)]
        return replace(self, champion=good[0], fallback=good[1] if good[1] != good[0] else None)

    def left_for(self, moved: Moved) -> "DesiredEndpoint":
        """Return it with all the traffic moved without the control plane, or raise ``RefusedError``."""
        reason = objection_to(self, moved.after)
        if reason is not None:
            raise RefusedError(reason)
        return replace(self, weights={moved.after: 1.0}, shadows=(), moved=moved, turn=self.turn + 1)

    @property
    def _used(self) -> frozenset[int]:
        return frozenset({*self.weights, *self.shadows})

    def _holding(self, numbers: Sequence[int]) -> "DesiredEndpoint":
        held = replace(
            self,
            versions={number: version for number, version in self.versions.items() if number in numbers},
            releases={number: proof for number, proof in self.releases.items() if number in numbers},
        )
        return held.going_back_to(held.champion, held.fallback)


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
    """Return why the shares and copies may not be given, or None when they may."""
    shares = endpoint.weights.values()
    # Asked this way round, NaN is refused as well.
    if not (all(share >= 0 for share in shares) and abs(sum(shares) - 1) <= 1e-9):
        return f"The shares of endpoint {endpoint.name} are {dict(endpoint.weights)}; they must sum to 1."
    reasons = (objection_to(endpoint, number) for number in [*endpoint.weights, *endpoint.shadows])
    return next((reason for reason in reasons if reason is not None), None)


def objection_to(endpoint: DesiredEndpoint, number: int) -> str | None:
    """Return why a version may not be asked anything, or None when it is held with a release for these very bytes."""
    version, proof = endpoint.versions.get(number), endpoint.releases.get(number)
    if version is None:
        return f"Version {number} is not staged on endpoint {endpoint.name}; stage it first."
    if proof is None or not proof.verdict or (proof.model, proof.version) != (version.model_name, number):
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
        "endpoints": {name: endpoint_document(endpoint) for name, endpoint in state.endpoints.items()},
    }


def endpoint_document(endpoint: DesiredEndpoint) -> dict[str, Any]:
    """Return one endpoint as plain JSON."""
    return {
        "fence": endpoint.fence,
        "versions": {str(number): asdict(version) for number, version in endpoint.versions.items()},
        "weights": {str(number): weight for number, weight in endpoint.weights.items()},
        "releases": {str(number): asdict(proof) for number, proof in endpoint.releases.items()},
        "shadows": list(endpoint.shadows),
        "champion": endpoint.champion,
        "fallback": endpoint.fallback,
        "moved": None if endpoint.moved is None else moved_document(endpoint.moved),
        "turn": endpoint.turn,
    }


def from_document(document: Any) -> DesiredState:
    """Return the state that the JSON says, or raise ``StateError``."""
    try:
        if document["format"] not in READABLE:
            raise StateError(
                f"The desired state of the endpoint host has format {document['format']}, and this Everfit knows "
                f"{FORMAT}: use the newer Everfit that wrote it."
            )
        endpoints = {name: endpoint_from(name, entry) for name, entry in document["endpoints"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateError(f"The desired state of the endpoint host is damaged ({error!r}).") from error
    return DesiredState(endpoints=endpoints)


def endpoint_from(name: str, entry: dict[str, Any]) -> DesiredEndpoint:
    """Return one endpoint of the document; the first format knows neither copies nor a way back."""
    return DesiredEndpoint(
        name=name,
        fence=int(entry["fence"]),
        versions={int(number): version_from(fields) for number, fields in entry["versions"].items()},
        weights={int(number): float(weight) for number, weight in entry["weights"].items()},
        releases={int(number): Release(**fields) for number, fields in entry["releases"].items()},
        shadows=tuple(int(number) for number in entry.get("shadows", ())),
        champion=optional_number(entry.get("champion")),
        fallback=optional_number(entry.get("fallback")),
        moved=None if entry.get("moved") is None else moved_from(entry["moved"]),
        turn=int(entry.get("turn", 0)),
    )


def optional_number(value: Any) -> int | None:
    """Return the number of a version, or None."""
    return None if value is None else int(value)


def version_from(fields: dict[str, Any]) -> ServedVersion:
    """Return one version of the document."""
    known = dict[str, Any](fields)
    sample, service = known.pop("sample"), known.pop("service", {})
    return ServedVersion(
        **known, sample=None if sample is None else SampleRequest(**sample), service=Service(**service)
    )


def moved_document(moved: Moved) -> dict[str, Any]:
    """Return what was moved as plain JSON."""
    return {**asdict(moved), "at": moved.at.isoformat()}


def moved_from(fields: dict[str, Any]) -> Moved:
    """Return what was moved, as the JSON says."""
    known = dict[str, Any](fields)
    return Moved(at=datetime.fromisoformat(known.pop("at")), **known)
