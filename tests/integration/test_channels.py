"""What really goes out: to a web server, a mail server, and to some that misbehave."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from everfit.adapters.local.channels import ProgramChannels
from everfit.adapters.local.sqlite_database import SqliteDatabase
from everfit.adapters.memory.clock import SettableClock
from everfit.adapters.sql.outbox import SqlOutbox
from everfit.application.ports import Letter
from everfit.domain.alert import Channel, ChannelKind
from everfit.domain.delivery import ROUND, DeliveryState
from everfit.domain.message import Message
from everfit.domain.notice import Notice, NoticeKind
from everfit.domain.storm import WINDOW
from tests.listening import Heard, mail_server, silent_server, trickling_server, web_server
from tests.stored import START

SHORT = timedelta(seconds=2)


@pytest.fixture
def web() -> Iterator[Heard]:
    with web_server() as heard:
        yield heard


@pytest.fixture
def mail() -> Iterator[Heard]:
    with mail_server() as heard:
        yield heard


def a_letter(kind: str, address: str, subject: str = "tickets: failed") -> Letter:
    message = Message(subject=subject, body="Zu spät,\n日本", content={"schema": 1, "kind": "failed", "model": "ü"})
    return Letter(
        id="run:1:failed", channel=Channel(key=kind, kind=ChannelKind(kind), address=address), message=message
    )


def sent(letter: Letter, smtp: str | None = None, time: timedelta = timedelta(seconds=60)) -> str | None:
    ((_, words),) = ProgramChannels(smtp, time).send([letter])
    return words


def test_a_webhook_is_posted_json_that_names_itself_alike_when_it_comes_twice(web: Heard) -> None:
    letter = a_letter("webhook", f"http://127.0.0.1:{web.port}/hook")
    assert [sent(letter), sent(letter)] == [None, None]
    assert json.loads(web.bodies[0]) == {"schema": 1, "kind": "failed", "model": "ü"}
    assert web.headers[0]["idempotency-key"] == web.headers[1]["idempotency-key"]


@pytest.mark.parametrize("code", [302, 400, 404, 500, 503])
def test_a_webhook_that_does_not_take_it_has_not_got_it(web: Heard, code: int) -> None:
    web.code, web.said = code, b"no, /s3cret-path is closed"
    words = sent(a_letter("webhook", f"http://127.0.0.1:{web.port}/s3cret-path?key=s3cret-key"))
    assert words is not None
    assert str(code) in words
    assert "s3cret" not in words
    assert len(web.bodies) == 1


def test_a_server_that_is_not_there_is_said_so() -> None:
    assert "cannot be reached" in (sent(a_letter("webhook", "http://127.0.0.1:1/")) or "")


def test_a_channel_that_accepts_and_never_answers_is_ended_and_holds_up_no_other(web: Heard) -> None:
    with silent_server() as silent, trickling_server() as trickling:
        ports = {silent: False, trickling: False, web.port: True}
        letters = [a_letter("webhook", f"http://127.0.0.1:{port}/") for port in ports]
        found = {letter.channel.address: words for letter, words in ProgramChannels(None, SHORT).send(letters)}
    assert [words is None for words in found.values()].count(True) == 1
    assert found[f"http://127.0.0.1:{web.port}/"] is None
    assert found[f"http://127.0.0.1:{silent}/"] == "it did not take the message within 2 s"


def test_all_together_may_take_no_longer_than_is_asked_for() -> None:
    with silent_server() as silent:
        letters = [a_letter("webhook", f"http://127.0.0.1:{silent}/{number}") for number in range(40)]
        found = list(ProgramChannels(None).send(letters, timedelta(seconds=1)))
    assert {words for _, words in found} <= {"it did not take the message within 1 s", "there was no time left for it"}


def test_a_mail_has_its_words_and_a_name_of_its_own(mail: Heard) -> None:
    smtp = f"smtp://127.0.0.1:{mail.port}?from=everfit@example.com"
    assert sent(a_letter("email", "team@example.com"), smtp) is None
    letter = mail.letter()
    assert (letter["To"], letter["From"], letter["Subject"]) == (
        "team@example.com",
        "everfit@example.com",
        "tickets: failed",
    )
    assert letter.get_content().splitlines() == ["Zu spät,", "日本"]
    assert mail.bodies[0].isascii()
    assert letter["Message-ID"].endswith("@everfit>")


def test_a_line_break_in_a_subject_makes_no_header(mail: Heard) -> None:
    smtp = f"smtp://127.0.0.1:{mail.port}?from=everfit@example.com"
    letter = a_letter("email", "team@example.com", subject="x\r\nBcc: all@example.com")
    assert sent(letter, smtp) is not None
    assert mail.bodies == []


def test_an_address_that_the_mail_server_refuses_is_said_so(mail: Heard) -> None:
    smtp = f"smtp://127.0.0.1:{mail.port}?from=everfit@example.com"
    assert sent(a_letter("email", "nobody@example.com"), smtp) == "the mail server takes no mail for this address"


@pytest.mark.parametrize("smtp", [None, "nonsense", "smtp://u:s3cret@host:port", "smtp://u:s3cret@host"])
def test_a_mail_server_that_is_not_named_is_said_so_and_no_password_is(smtp: str | None) -> None:
    words = ProgramChannels(smtp).trouble(a_letter("email", "a@b").channel)
    assert words is not None
    assert "EVERFIT_SMTP must read" in words
    assert "s3cret" not in words
    assert sent(a_letter("email", "a@b"), smtp) == words


def test_other_services_are_reached_through_apprise(web: Heard) -> None:
    assert sent(a_letter("url", f"json://127.0.0.1:{web.port}/")) is None
    told = json.loads(web.bodies[0])
    assert (told["title"], told["message"]) == ("tickets: failed", "Zu spät,\n日本")


def test_an_address_of_no_known_kind_is_said_so() -> None:
    words = sent(a_letter("url", "nonsense://s3cret-token")) or ""
    assert "of no kind that Apprise knows" in words
    assert "s3cret" not in words


def test_no_secret_is_an_argument_of_a_program() -> None:
    with silent_server() as silent:
        order = {"kind": "webhook", "address": f"http://127.0.0.1:{silent}/s3cret", "digest": "1", "content": {}}
        with subprocess.Popen([sys.executable, "-m", "everfit.jobs.tell"], stdin=subprocess.PIPE) as program:
            assert program.stdin is not None
            program.stdin.write(json.dumps(order).encode())
            program.stdin.flush()
            line = Path(f"/proc/{program.pid}/cmdline").read_bytes()
            program.kill()
            program.stdin.close()
    assert b"s3cret" not in line


TELLER = """
import os, signal, sys
from pathlib import Path
from everfit.adapters.local.channels import ProgramChannels
from everfit.adapters.sql.outbox import SqlOutbox
from everfit.adapters.local.sqlite_database import SqliteDatabase
from everfit.adapters.memory.clock import SettableClock
from tests.integration.test_channels import a_letter
from tests.stored import START
outbox = SqlOutbox(SqliteDatabase(Path(sys.argv[1])), SettableClock(START))
for taken in outbox.take(10):
    for _, words in ProgramChannels(None).send([a_letter("webhook", sys.argv[2])]):
        assert words is None, words
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_kill_9_between_sending_and_writing_it_down_sends_it_once_more_at_most(tmp_path: Path, web: Heard) -> None:
    clock, url = SettableClock(START), f"http://127.0.0.1:{web.port}/"
    with closing(SqliteDatabase(tmp_path / "state.db")) as database:
        outbox = SqlOutbox(database, clock)
        notice = Notice(id="1", kind=NoticeKind.FAILED, model="m", environment="e", run=None, cause="c", at=START)
        outbox.note(notice)
        outbox.address(notice, {"webhook": WINDOW})
        command = [sys.executable, "-c", TELLER, str(tmp_path / "state.db"), url]
        done = subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": f"src{os.pathsep}."})
        assert (done.returncode, len(web.bodies)) == (-signal.SIGKILL, 1)
        assert list(outbox.take(10)) == []
        clock.advance(ROUND)
        (again,) = outbox.take(10)
        assert sent(a_letter("webhook", url)) is None
        outbox.delivered(again)
        assert [each.state for each in outbox.deliveries()] == [DeliveryState.DELIVERED]
    assert (len(web.bodies), len({headers["idempotency-key"] for headers in web.headers})) == (2, 1)
