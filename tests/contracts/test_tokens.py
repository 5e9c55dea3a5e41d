"""What every store of tokens promises."""

from datetime import timedelta

import pytest

from everfit.adapters.memory.clock import SettableClock
from everfit.adapters.memory.tokens import MemoryTokens
from everfit.adapters.sql.database import Database
from everfit.adapters.sql.tokens import SqlTokens
from everfit.application.ports.tokens import Tokens
from everfit.domain.access import Role, admitted, digest_of, parsed
from everfit.domain.errors import NotFoundError, RefusedError, RequestError
from tests.stored import START

DAY = timedelta(days=1)


@pytest.fixture
def tokens(database: Database | None) -> Tokens:
    clock = SettableClock(START)
    return MemoryTokens(clock) if database is None else SqlTokens(database, clock)


def test_whoever_got_the_token_is_let_in_by_what_is_kept(tokens: Tokens) -> None:
    made, text = tokens.add("bot", Role.TRIGGER, DAY)
    found = parsed(text)
    assert found is not None
    assert admitted(tokens.token(found[0]), found[1], START).name == "bot"
    assert made == tokens.token(made.id) == tokens.tokens()[0]
    assert (made.role, made.created, made.expires) == (Role.TRIGGER, START, START + DAY)


def test_the_secret_is_not_kept(tokens: Tokens) -> None:
    made, text = tokens.add("bot", Role.READ, None)
    secret = text.split("_", 2)[2]
    assert secret not in repr(tokens.tokens())
    assert made.digest == digest_of(secret)


def test_no_two_tokens_have_the_same_secret(tokens: Tokens) -> None:
    texts = {tokens.add(f"bot-{number}", Role.READ, None)[1] for number in range(20)}
    assert len(texts) == 20
    assert [token.name for token in tokens.tokens()] == [f"bot-{number}" for number in range(20)]


def test_a_revoked_token_stays_so_and_frees_its_name(tokens: Tokens) -> None:
    made, _ = tokens.add("bot", Role.READ, None)
    assert tokens.revoke("bot").revoked == START
    with pytest.raises(NotFoundError, match="bot"):
        tokens.revoke("bot")
    again, _ = tokens.add("bot", Role.READ, None)
    before = tokens.token(made.id)
    assert before is not None
    assert (before.revoked, again.revoked) == (START, None)


def test_a_token_is_revoked_by_its_id_as_well(tokens: Tokens) -> None:
    made, _ = tokens.add("bot", Role.READ, None)
    assert tokens.revoke(made.id).id == made.id


def test_a_name_is_that_of_one_token_alone(tokens: Tokens) -> None:
    tokens.add("bot", Role.READ, None)
    with pytest.raises(RefusedError, match="bot"):
        tokens.add("bot", Role.APPROVE, None)


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb", "a\0b"])
def test_a_name_can_be_read_in_a_record(tokens: Tokens, name: str) -> None:
    with pytest.raises(RequestError, match="name"):
        tokens.add(name, Role.READ, None)


def test_the_last_use_is_kept(tokens: Tokens) -> None:
    made, _ = tokens.add("bot", Role.READ, None)
    tokens.used(made.id, START + DAY)
    tokens.used("nobody", START + DAY)
    found = tokens.token(made.id)
    assert found is not None
    assert found.used == START + DAY


def test_there_is_no_token_of_another_id(tokens: Tokens) -> None:
    assert tokens.token("abcdef123456") is None
