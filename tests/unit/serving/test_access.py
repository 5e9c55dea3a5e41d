"""Who may reach the endpoint host, decided before anything listens."""

import pytest

from everfit.domain.errors import StateError
from everfit.serving.access import HostAccess, is_loopback, reachable, url_of

TOKEN = "a-secret-of-some-length"


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        (None, "127.0.0.1", None),
        ("localhost:9000", "127.0.0.1", 9000),
        ("0.0.0.0", "0.0.0.0", None),
        ("0.0.0.0:8080", "0.0.0.0", 8080),
        ("::1", "::1", None),
        ("[::]:8080", "::", 8080),
        ("[::1]", "::1", None),
    ],
)
def test_an_address_may_name_a_port(address: str | None, host: str, port: int | None) -> None:
    access = HostAccess(address=address)
    assert (access.host, access.wanted_port) == (host, port)


@pytest.mark.parametrize(
    "address", ["everywhere", "0.0.0.0:", "0.0.0.0:0", "0.0.0.0:99999", "0.0.0.0:http", "1.2.3", ":"]
)
def test_an_address_that_is_none_is_named(address: str) -> None:
    with pytest.raises(StateError, match=r"EVERFIT_SERVE_ADDRESS is '.*': it must be an IP address"):
        HostAccess(address=address).check()


def test_two_ports_are_an_error() -> None:
    assert HostAccess(address="127.0.0.1:9000", port=9000).wanted_port == 9000
    with pytest.raises(StateError, match="let one of them name it"):
        _ = HostAccess(address="127.0.0.1:9000", port=9001).wanted_port


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.7:80", "::"])
def test_nothing_listens_for_other_machines_without_a_token(address: str) -> None:
    with pytest.raises(StateError, match=r"does not start: .* EVERFIT_SERVE_TOKEN is not set"):
        HostAccess(address=address).check()
    HostAccess(address=address, tokens=(TOKEN,)).check()


def test_this_machine_needs_no_token() -> None:
    HostAccess().check()
    HostAccess(address="127.0.0.2").check()


@pytest.mark.parametrize(
    "token", ["short", "fifteen-letters", "with a space in it", "späße-mit-umlauten", "tab\tin-the-middle"]
)
def test_a_weak_token_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(StateError, match="EVERFIT_SERVE_TOKEN needs 16 characters") as caught:
        HostAccess(tokens=(TOKEN, token)).check()
    assert token not in str(caught.value)


def test_each_of_several_tokens_lets_in() -> None:
    access = HostAccess(tokens=("the-old-token-of-all", "the-new-token-of-all"))
    assert access.knows("the-old-token-of-all")
    assert access.knows("the-new-token-of-all")
    assert not access.knows("the-new-token-of-al")
    assert not access.knows("")
    assert not access.knows("späße")
    assert "token-of-all" not in repr(access)


def test_no_tokens_let_nobody_in() -> None:
    assert not HostAccess().knows("")


@pytest.mark.parametrize(
    ("address", "near"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("fe80::1%eth0", False),
    ],
)
def test_which_callers_are_on_this_machine(address: str, near: bool) -> None:
    assert is_loopback(address) is near


def test_the_host_is_reached_from_here_wherever_it_listens() -> None:
    assert [reachable(host) for host in ("0.0.0.0", "::", "192.0.2.7")] == ["127.0.0.1", "::1", "192.0.2.7"]
    assert url_of("0.0.0.0", 8080) == "http://127.0.0.1:8080"
    assert url_of("::", 8080) == "http://[::1]:8080"
