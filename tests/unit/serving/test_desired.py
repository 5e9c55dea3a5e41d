"""What may be wished of an endpoint, for any sequence of wishes."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.endpoint import SampleRequest, ServedVersion
from everfit.domain.errors import FencedError, RefusedError, StateError
from everfit.domain.version import Release
from everfit.serving.desired import DesiredEndpoint, DesiredState, from_document, objection, to_document

NUMBERS = st.integers(1, 4)


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


@st.composite
def wishes(draw: st.DrawFn) -> DesiredEndpoint:
    """An endpoint after any wishes, those that were refused left out."""
    endpoint = DesiredEndpoint(name="solar")
    for _ in range(draw(st.integers(0, 12))):
        number, content = draw(NUMBERS), draw(st.sampled_from(["same", "other"]))
        try:
            match draw(st.sampled_from(["stage", "shift", "split", "settle", "drop"])):
                case "stage":
                    endpoint = endpoint.with_version(version(number, content))
                case "shift":
                    endpoint = endpoint.with_weights({number: 1.0}, [proof(number, content)])
                case "split":
                    other = draw(NUMBERS)
                    endpoint = endpoint.with_weights({number: 0.9, other: 0.1}, [proof(number), proof(other)])
                case "settle":
                    endpoint = endpoint.with_only([number])
                case _:
                    endpoint = endpoint.without_version(number)
        except RefusedError:
            continue
    return endpoint


@given(wishes())
def test_traffic_goes_only_to_released_bytes_whatever_is_wished(endpoint: DesiredEndpoint) -> None:
    """First deployment, update, rollback and recovery all obey the same rule: traffic only to digests with a passing
    verdict.
    """
    assert not endpoint.weights or objection(endpoint) is None
    for number in endpoint.weights:
        assert endpoint.releases[number].artifact == endpoint.versions[number].artifact


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
