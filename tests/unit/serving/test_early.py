"""Requests that came before any version was loaded: each waits its time and no longer, and only so many wait."""

import asyncio

from everfit.serving.calls import Inquiry
from everfit.serving.early import MOST, Early


def inquiry(number: int = 0) -> Inquiry:
    return Inquiry(body=str(number).encode(), content_type="text/csv", accept="*/*")


def test_they_are_let_in_in_the_order_in_which_they_came() -> None:
    async def kept() -> list[bytes]:
        early = Early(60, lambda *_: None)
        for number in range(3):
            assert early.add(inquiry(number), lambda _: None)
        taken = [each.body for each, _ in early.take_all()]
        assert (len(early), early.take_all()) == (0, [])
        return taken

    assert asyncio.run(kept()) == [b"0", b"1", b"2"]


def test_only_so_many_wait() -> None:
    async def kept() -> list[bool]:
        early = Early(60, lambda *_: None)
        return [early.add(inquiry(), lambda _: None) for _ in range(MOST + 1)]

    assert asyncio.run(kept()) == [True] * MOST + [False]


def test_whoever_has_waited_for_long_enough_is_given_up_once() -> None:
    async def given_up() -> list[bytes]:
        over, told = asyncio.Event(), list[bytes]()

        def give_up(each: Inquiry, _done: object) -> None:
            told.append(each.body)
            if len(told) == 2:
                over.set()

        early = Early(0.01, give_up)
        early.add(inquiry(1), lambda _: None)
        early.add(inquiry(2), lambda _: None)
        await over.wait()
        assert early.take_all() == []
        return told

    assert asyncio.run(given_up()) == [b"1", b"2"]
