"""Signatures of SNS are checked by real cryptography, without a network."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from everfit.adapters.local.sns_topics import SnsTopics, fetched
from everfit.adapters.memory.clock import SettableClock
from everfit.domain.errors import BackendError, RefusedError
from everfit.domain.sns_message import sns_message
from tests.sns import CERTIFICATE, CONFIRM, TOPIC, Authority, confirmation, notification
from tests.stored import START

ONE, TWO = "1", "2"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def topics(home: Path, authority: Authority) -> SnsTopics:
    authority.asked.clear()
    return SnsTopics(home, (TOPIC,), SettableClock(START), authority.fetch)


@pytest.mark.parametrize("version", [ONE, TWO])
@pytest.mark.parametrize("values", [notification("hello"), notification("hello", Subject="s"), confirmation()])
def test_what_sns_has_signed_is_taken(
    tmp_path: Path, authority: Authority, version: str, values: dict[str, object]
) -> None:
    signed = authority.signed({**values, "SignatureVersion": version})
    topics(tmp_path, authority).check(sns_message(signed))


@pytest.mark.parametrize(
    "change",
    [{"Message": "other"}, {"Subject": "more"}, {"MessageId": "7"}, {"SignatureVersion": ONE}, {"Signature": "AA=="}],
)
def test_what_was_changed_on_its_way_is_refused(
    tmp_path: Path, authority: Authority, change: dict[str, object]
) -> None:
    changed = json.dumps({**json.loads(authority.signed(notification("hello"))), **change}).encode()
    with pytest.raises(RefusedError, match="not signed by SNS"):
        topics(tmp_path, authority).check(sns_message(changed))


def test_what_somebody_else_has_signed_is_refused(tmp_path: Path, authority: Authority) -> None:
    forged = sns_message(Authority().signed(notification("hello")))
    with pytest.raises(RefusedError, match="not signed"):
        topics(tmp_path, authority).check(forged)


def test_a_certificate_that_has_run_out_is_refused(tmp_path: Path) -> None:
    old = Authority(until=START - timedelta(hours=1))
    with pytest.raises(RefusedError, match="does not hold now"):
        topics(tmp_path, old).check(sns_message(old.signed(notification("hello"))))


def test_a_certificate_is_fetched_once_also_through_a_restart(tmp_path: Path, authority: Authority) -> None:
    message = sns_message(authority.signed(notification("hello")))
    first = topics(tmp_path, authority)
    for _ in range(3):
        first.check(message)
    SnsTopics(tmp_path, (TOPIC,), SettableClock(START), authority.fetch).check(message)
    assert authority.asked == [CERTIFICATE]


def test_a_certificate_that_was_kept_half_is_fetched_anew(tmp_path: Path, authority: Authority) -> None:
    message = sns_message(authority.signed(notification("hello")))
    found = topics(tmp_path, authority)
    found.check(message)
    (kept,) = (tmp_path / "certificates").iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    found.check(message)
    assert authority.asked == [CERTIFICATE] * 2


def test_what_is_no_certificate_is_trouble_and_not_kept(tmp_path: Path, authority: Authority) -> None:
    message = sns_message(authority.signed(notification("hello")))
    with pytest.raises(BackendError, match="certificate"):
        SnsTopics(tmp_path, (TOPIC,), SettableClock(START), lambda address: address.encode()).check(message)
    assert not (tmp_path / "certificates").exists()


def test_a_subscription_is_confirmed_at_the_address_that_was_checked(tmp_path: Path, authority: Authority) -> None:
    message = sns_message(authority.signed(confirmation()))
    found = topics(tmp_path, authority)
    found.confirm(message)
    found.confirm(replace(message, confirm=None))
    assert authority.asked == [CONFIRM]


def test_only_topics_that_were_named_are_allowed(tmp_path: Path, authority: Authority) -> None:
    found = topics(tmp_path, authority)
    assert [found.is_allowed(topic) for topic in (TOPIC, TOPIC + "x", "")] == [True, False, False]


def test_an_address_that_does_not_answer_is_trouble_that_may_pass() -> None:
    with pytest.raises(BackendError) as error:
        fetched("https://127.0.0.1:9/SimpleNotificationService-1.pem")
    assert error.value.retryable
