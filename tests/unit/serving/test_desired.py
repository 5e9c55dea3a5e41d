"""What may be wished of an endpoint, for any sequence of wishes."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.endpoint import SampleRequest, ServedVersion
from everfit.domain.errors import FencedError, RefusedError, StateError
from everfit.domain.live import Moved
from everfit.domain.version import Release
from everfit.serving.desired import (
    DesiredEndpoint,
    DesiredState,
    endpoint_document,
    from_document,
    objection,
    to_document,
)

NUMBERS = st.integers(1, 4)
LEFT: Final[dict[str, Any]] = {"actor": "ann", "reason": "nonsense", "at": datetime(2026, 3, 1, tzinfo=UTC)}


def version(number: int, content: str = "same") -> ServedVersion:
    return ServedVersion(
        model_name="m",
        version=number,
        artifact=f"sha256:{number}-{content}",
        model=f"/models/{number}",
        python="python",
        sample=SampleRequest(body="1", content_type="text/csv") if number % 2 else None,
    )


def proof(number: int, content: str = "same") -> Release:
    return Release(model="m", environment="p", version=number, artifact=f"sha256:{number}-{content}", verdict="v")


Wish = Callable[[DesiredEndpoint, int, int, str], DesiredEndpoint]
WISHES: Final[dict[str, Wish]] = {
    "stage": lambda endpoint, one, other, content: endpoint.with_version(version(one, content)),
    "shift": lambda endpoint, one, other, content: endpoint.with_weights({one: 1.0}, [proof(one, content)]),
    "split": lambda endpoint, one, other, content: endpoint.with_weights(
        {one: 0.9, other: 0.1}, [proof(one), proof(other)]
    ),
    "copy": lambda endpoint, one, other, content: endpoint.with_weights(
        {one: 1.0}, [proof(one), proof(other)], [other]
    ),
    "settle": lambda endpoint, one, other, content: endpoint.settled([one], other if content == "same" else None),
    "keep": lambda endpoint, one, other, content: endpoint.with_only([one]),
    "leave": lambda endpoint, one, other, content: endpoint.left_for(Moved(before=other, after=one, **LEFT)),
    "drop": lambda endpoint, one, other, content: endpoint.without_version(one),
}


@st.composite
def wishes(draw: st.DrawFn) -> DesiredEndpoint:
    """An endpoint after any wishes, those that were refused left out."""
    endpoint = DesiredEndpoint(name="solar")
    for _ in range(draw(st.integers(0, 12))):
        wish = WISHES[draw(st.sampled_from(sorted(WISHES)))]
        try:
            endpoint = wish(endpoint, draw(NUMBERS), draw(NUMBERS), draw(st.sampled_from(["same", "other"])))
        except RefusedError:
            continue
    return endpoint


NAMES = st.sampled_from([str(number) for number in range(1, 4)])
SHARES = st.sampled_from([0, 0.5, 1, -1, 2, 0.1, 0.9, float("nan"), float("inf")])


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A desired state that somebody wrote by hand: well-formed, and perhaps wrong in every way."""
    entry = endpoint_document(draw(wishes()))
    for number in draw(st.sets(NAMES)):
        if number in entry["versions"] and draw(st.booleans()):
            entry["versions"][number][draw(st.sampled_from(["artifact", "model_name"]))] = "changed"
        if number in entry["releases"] and draw(st.booleans()):
            field = draw(st.sampled_from(["artifact", "model", "verdict", "version"]))
            entry["releases"][number][field] = draw(st.sampled_from(["", "changed", 7]))
        if draw(st.booleans()):
            entry["releases"].pop(number, None)
    if draw(st.booleans()):
        entry["weights"] = draw(st.dictionaries(NAMES, SHARES, max_size=3))
    if draw(st.booleans()):
        entry["shadows"] = draw(st.lists(NUMBERS, max_size=2))
    if draw(st.booleans()):
        entry["champion"], entry["fallback"] = draw(NUMBERS), draw(NUMBERS)
    return {"format": 2, "endpoints": {"solar": entry}}


@given(wishes())
def test_traffic_goes_only_to_released_bytes_whatever_is_wished(endpoint: DesiredEndpoint) -> None:
    """First deployment, update, rollback and recovery all obey the same rule: traffic only to digests with a passing
    verdict.
    """
    assert not endpoint.weights or objection(endpoint) is None
    for number in (*endpoint.weights, *endpoint.shadows, *endpoint.ways_back):
        assert endpoint.releases[number].artifact == endpoint.versions[number].artifact


@given(wishes())
def test_what_serves_or_listens_and_the_way_back_are_held(endpoint: DesiredEndpoint) -> None:
    """The configuration in use is never deleted; what is no longer needed is removed by policy, and the last good
    version never is.
    """
    assert {*endpoint.weights, *endpoint.shadows, *endpoint.ways_back} <= set(endpoint.versions)
    assert endpoint.whole not in endpoint.ways_back
    assert not {*endpoint.weights} & {*endpoint.shadows}


@given(documents())
def test_a_version_without_a_release_never_answers_whatever_the_document_says(document: dict[str, Any]) -> None:
    """First deployment, update, rollback and recovery all obey the same rule: traffic only to digests with a passing
    verdict.
    """
    try:
        endpoint = from_document(document).endpoint("solar")
    except StateError:
        return
    allowed = objection(endpoint) is None
    for number in (*endpoint.weights, *endpoint.shadows) if allowed else endpoint.ways_back:
        held, shown = endpoint.versions[number], endpoint.releases[number]
        assert shown.verdict
        assert (shown.artifact, shown.model, shown.version) == (held.artifact, held.model_name, number)
    if allowed:
        assert sum(endpoint.weights.values()) == pytest.approx(1)


def test_the_first_format_is_read_and_holds_no_way_back() -> None:
    state = DesiredState().with_endpoint(
        DesiredEndpoint(name="solar").with_version(version(1)).with_weights({1: 1.0}, [proof(1)])
    )
    document = to_document(state)
    for name in ("shadows", "champion", "fallback", "moved", "turn"):
        del document["endpoints"]["solar"][name]
    assert from_document({**document, "format": 1}) == state


@pytest.mark.parametrize("share", [float("nan"), float("inf"), -0.1])
def test_a_share_that_is_no_share_is_refused(share: float) -> None:
    held = DesiredEndpoint(name="solar").with_version(version(1)).with_version(version(2))
    with pytest.raises(RefusedError, match="sum to 1"):
        held.with_weights({1: share, 2: 1.0}, [proof(1), proof(2)])


@given(wishes())
def test_what_is_written_is_read_again(endpoint: DesiredEndpoint) -> None:
    state = DesiredState().with_endpoint(endpoint)
    assert from_document(to_document(state)) == state


@given(wishes(), st.integers(0, 5), st.integers(0, 5))
def test_an_older_token_never_passes(endpoint: DesiredEndpoint, first: int, second: int) -> None:
    claimed = endpoint.claimed(first)
    if second < first:
        with pytest.raises(FencedError, match=f"token {second} is older than {first}"):
            claimed.claimed(second)
    else:
        assert claimed.claimed(second).fence == second


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        None,
        {"format": 3, "endpoints": {}},
        {"format": 1},
        {"format": 1, "endpoints": {"a": {}}},
        {"format": 1, "endpoints": {"a": {"fence": "x", "versions": {}, "weights": {}, "releases": {}}}},
        {"format": 1, "endpoints": {"a": {"fence": 1, "versions": {"1": {}}, "weights": {}, "releases": {}}}},
    ],
)
def test_a_document_that_is_damaged_or_newer_is_never_read_as_something_else(document: Mapping[str, object]) -> None:
    with pytest.raises(StateError, match="desired state"):
        from_document(document)
