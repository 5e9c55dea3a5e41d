from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.access import (
    Caller,
    ForbiddenError,
    Origin,
    Role,
    Token,
    UnknownCallerError,
    admitted,
    check_exposure,
    check_local,
    check_role,
    digest_of,
    expiry,
    is_loopback,
    parsed,
    written,
)
from everfit.domain.errors import RefusedError
from tests.stored import START

SECRET = "s" * 43
TOKEN = Token(id="abcdef123456", name="bot", role=Role.TRIGGER, digest=digest_of(SECRET), created=START)
DAY = timedelta(days=1)


def test_each_role_holds_those_before_it() -> None:
    held = {role: [needed for needed in Role if role.covers(needed)] for role in Role}
    assert held == {Role.READ: [Role.READ], Role.TRIGGER: [Role.READ, Role.TRIGGER], Role.APPROVE: list(Role)}


def test_a_role_that_does_not_reach_is_refused_by_name() -> None:
    with pytest.raises(ForbiddenError, match="bot has the role trigger; this needs approve"):
        check_role(Caller(name="bot", role=Role.TRIGGER), Role.APPROVE)


def test_the_owner_of_a_token_is_let_in() -> None:
    assert admitted(TOKEN, SECRET, START) == Caller(name="bot", role=Role.TRIGGER, token=TOKEN.id)


@pytest.mark.parametrize("token", [None, TOKEN, replace(TOKEN, revoked=START), replace(TOKEN, expires=START)])
def test_a_wrong_secret_tells_nothing_about_the_token(token: Token | None) -> None:
    with pytest.raises(UnknownCallerError, match="is not known here"):
        admitted(token, "x" * 43, START)


def test_what_was_revoked_or_has_expired_is_known_no_more() -> None:
    with pytest.raises(UnknownCallerError, match="revoked"):
        admitted(replace(TOKEN, revoked=START), SECRET, START)
    expiring = replace(TOKEN, expires=START + DAY)
    assert admitted(expiring, SECRET, START + DAY - timedelta(seconds=1)).name == "bot"
    with pytest.raises(UnknownCallerError, match="expired"):
        admitted(expiring, SECRET, START + DAY)


@given(st.from_regex(r"[A-Za-z0-9_-]{43}", fullmatch=True))
def test_a_token_is_read_as_it_was_written(secret: str) -> None:
    assert parsed(written("abcdef123456", secret)) == ("abcdef123456", secret)


@given(st.text())
def test_no_text_breaks_the_reading_of_tokens(text: str) -> None:
    assert parsed(text) is None or text.startswith("evf_")


def test_the_secret_is_kept_nowhere() -> None:
    assert SECRET not in repr(TOKEN)


def test_a_lifetime_that_no_calendar_holds_is_for_ever() -> None:
    assert expiry(START, timedelta.max) is None
    assert expiry(START, DAY) == START + DAY


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_this_machine_alone_needs_no_token(host: str) -> None:
    assert is_loopback(host)
    check_exposure(host, ())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.com", "localhost.example.com", ""])
def test_never_an_open_port_without_a_token(host: str) -> None:
    for tokens in ((), (replace(TOKEN, revoked=START),)):
        with pytest.raises(RefusedError, match="everfit tokens add"):
            check_exposure(host, tokens)
    check_exposure(host, (TOKEN,))


@pytest.mark.parametrize(
    "origin",
    [
        Origin(host="localhost:8700"),
        Origin(host="127.0.0.1:8700", origin="http://127.0.0.1:8700", site="same-origin"),
        Origin(host="[::1]:8700"),
        Origin(host="LOCALHOST", site="none"),
    ],
)
def test_a_program_of_this_machine_is_let_in(origin: Origin) -> None:
    check_local(origin)


@pytest.mark.parametrize(
    "origin",
    [
        Origin(host=None),
        Origin(host=""),
        Origin(host="evil.example"),
        Origin(host="127.0.0.1.evil.example"),
        Origin(host="localhost@evil.example"),
        Origin(host="localhost:8700", origin="http://evil.example"),
        Origin(host="localhost:8700", origin="http://localhost:8888"),
        Origin(host="localhost:8700", origin="null"),
        Origin(host="localhost:8700", site="cross-site"),
        Origin(host="localhost:8700", site="same-site"),
        Origin(host="localhost:8700", is_forwarded=True),
    ],
)
def test_a_page_of_another_site_or_a_proxy_is_not(origin: Origin) -> None:
    with pytest.raises(UnknownCallerError):
        check_local(origin)
