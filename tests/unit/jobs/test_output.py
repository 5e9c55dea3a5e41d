"""What is promised of a job's output, whatever the job prints."""

import re
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as some

from everfit.jobs.supervision.output import BoundedLog, Claims, Redactor, last_lines

SECRETS = some.lists(some.text("ab\n", min_size=1, max_size=6), min_size=1, max_size=3)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


@given(SECRETS, some.lists(some.sampled_from(["a", "b", "x", "y\n"]), max_size=40), some.lists(some.integers(0, 60)))
def test_no_secret_passes_however_the_reads_split_it(secrets: list[str], text: list[str], cuts: list[int]) -> None:
    printed = "".join(text).encode()
    redactor = Redactor(secrets)
    shown = b"".join([*(redactor.feed(piece) for piece in pieces(printed, cuts)), redactor.flush()])
    assert not [secret for secret in secrets if secret.strip() and secret.encode() in shown]


@given(SECRETS, some.binary(max_size=60), some.lists(some.integers(0, 60)))
def test_splitting_does_not_change_what_is_shown(secrets: list[str], printed: bytes, cuts: list[int]) -> None:
    whole, split = Redactor(secrets), Redactor(secrets)
    once = whole.feed(printed) + whole.flush()
    assert b"".join([*(split.feed(piece) for piece in pieces(printed, cuts)), split.flush()]) == once


def test_a_longer_secret_is_cut_out_whole_when_a_shorter_one_begins_it() -> None:
    redactor = Redactor(["key", "key-and-more"])
    assert redactor.feed(b"key") + redactor.feed(b"-and-more!") + redactor.flush() == b"***!"


def test_a_secret_is_found_in_json_and_line_by_line() -> None:
    redactor = Redactor(['first "line"\nsecond line'])
    assert redactor.feed(b'{"k": "first \\"line\\"\\nsecond line"}\nsecond line\n') == b'{"k": "***"}\n***\n'


@given(some.lists(some.binary(max_size=50), max_size=30), some.integers(8, 200))
def test_a_log_keeps_its_beginning_and_its_end_within_its_limit(
    tmp_path_factory: object, printed: list[bytes], limit: int
) -> None:
    path = Path(tmp_path_factory.getbasetemp()) / "log"  # type: ignore[attr-defined]
    log = BoundedLog(str(path), limit)
    for piece in printed:
        log.write(piece)
    log.close()
    everything, kept = b"".join(printed), path.read_bytes()
    told = re.sub(rb"\n\[everfit: [^\]]*\]\n", b"", kept)
    assert len(told) <= limit
    assert kept.startswith(everything[: limit // 2 - limit // 64])
    assert everything.endswith(told[limit // 2 :])
    assert len(everything) > limit or b"cut" in kept or told == everything
    assert not list(path.parent.glob("log.*"))


def test_the_last_match_of_a_metric_wins_and_a_line_may_come_in_pieces() -> None:
    claims = Claims({"loss": r"loss: (\S+)", "epochs": r"\d+(?= epochs)"})
    claims.feed(b"loss: 0.5 loss: 0.4\nloss: 0.")
    claims.feed(b"3\rloss: nothing\n20 epochs")
    claims.flush()
    assert claims.values == {"loss": 0.3, "epochs": 20.0}


def test_a_line_without_end_takes_no_memory() -> None:
    claims = Claims({"loss": r"loss: (\S+)"})
    claims.feed(b"loss: 0.5 ")
    for _ in range(100):
        claims.feed(b"x" * 65536)
    assert len(claims._line) < 100_000
    claims.flush()
    assert claims.values == {"loss": 0.5}


def test_the_last_lines_of_a_progress_bar_are_its_last_state() -> None:
    assert last_lines(b"start\r\n 1%\r 50%\r100%\n\n") == ["start", "100%"]
