"""What the front and a worker say to each other arrives whole, however the socket cuts it."""

import socket
from itertools import pairwise
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everfit.serving.frames import (
    HEAD,
    AnswerReader,
    BrokenFrameError,
    Hello,
    Kind,
    Readiness,
    Reply,
    Request,
    RequestReader,
    Trouble,
    encoded_answers,
    encoded_batch,
    encoded_hello,
)

NAMES = st.integers(0, 2**64 - 1)
TYPES = st.text(max_size=20).filter(lambda text: text.isprintable())
REQUESTS = st.builds(Request, body=st.binary(max_size=200), content_type=TYPES, accept=TYPES)
STATUSES = {200: None, 400: Trouble.REFUSED, 415: Trouble.REFUSED, 500: Trouble.MODEL}
REPLIES = st.builds(
    lambda status, body, content_type: Reply(
        status=status, body=body, content_type=content_type, trouble=STATUSES[status]
    ),
    st.sampled_from(sorted(STATUSES)),
    st.binary(max_size=200),
    TYPES,
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Cut the data at some places."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places)]


@given(
    frames=st.lists(st.lists(st.tuples(NAMES, REPLIES), max_size=5), max_size=4),
    hello=st.booleans(),
    cuts=st.lists(st.integers(0, 5000), max_size=12),
)
def test_answers_are_the_same_at_every_split(
    frames: list[list[tuple[int, Reply]]], hello: bool, cuts: list[int]
) -> None:
    said = Hello(kind=Readiness.READY, pid=4, message="not row by row", batches=False)
    data = encoded_hello(said) * hello + b"".join(map(encoded_answers, frames))
    reader = AnswerReader()

    answers = [answer for piece in pieces(data, cuts) for answer in reader.feed(piece)]

    assert answers == [answer for frame in frames for answer in frame]
    assert reader.hello == (said if hello else None)


@given(
    batches=st.lists(
        st.tuples(st.lists(st.tuples(NAMES, REQUESTS), min_size=1, max_size=5), st.booleans()), max_size=4
    ),
    cuts=st.lists(st.integers(0, 5000), max_size=12),
)
@settings(max_examples=50)
def test_batches_are_the_same_at_every_split(
    batches: list[tuple[list[tuple[int, Request]], bool]], cuts: list[int]
) -> None:
    data = b"".join(encoded_batch(requests, is_sample=is_sample) for requests, is_sample in batches)
    front, worker = socket.socketpair()
    with front, worker:
        for piece in pieces(data, cuts):
            front.sendall(piece)
        front.shutdown(socket.SHUT_WR)
        reader = RequestReader(worker)

        for requests, is_sample in batches:
            batch = reader.next()
            assert (list(batch.requests), batch.is_sample) == (requests, is_sample)
        with pytest.raises(EOFError):
            reader.next()


def test_a_body_of_many_megabytes_arrives_and_its_memory_is_given_back() -> None:
    front, worker = socket.socketpair()
    body = bytes(range(256)) * 30_000
    request = Request(body=body, content_type="application/x-npy", accept="*/*")
    with front, worker:
        sender = Thread(target=front.sendall, args=(encoded_batch([(1, request), (2, request)]) * 2,))
        sender.start()
        reader = RequestReader(worker)

        assert [list(reader.next().requests), list(reader.next().requests)] == [[(1, request), (2, request)]] * 2
        sender.join()
        assert len(reader._buffer) < len(body)


@pytest.mark.parametrize(
    "data",
    [
        HEAD.pack(0, 9),
        HEAD.pack(2, Kind.ANSWERS) + b"ab",
        HEAD.pack(4, Kind.ANSWERS) + b"\x00\x00\x00\x01",
        HEAD.pack(5, Kind.ANSWERS) + b"\x00\x00\x00\x00x",
        HEAD.pack(4, Kind.ANSWERS) + b"\xff\xff\xff\xff",
        encoded_batch([(1, Request(body=b"", content_type="", accept=""))]),
        HEAD.pack(2, Kind.HELLO) + b"[]",
        HEAD.pack(13, Kind.HELLO) + b'{"kind": "x"}',
        b"this was printed by the user's code into the socket",
    ],
)
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    reader = AnswerReader()
    with pytest.raises(BrokenFrameError):
        reader.feed(data)


@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=4))
def test_no_bytes_raise_anything_but_the_one_error(data: bytes, cuts: list[int]) -> None:
    reader = AnswerReader()
    try:
        for piece in pieces(data, cuts):
            reader.feed(piece)
    except BrokenFrameError:
        return
    assert reader.feed(b"") == []
