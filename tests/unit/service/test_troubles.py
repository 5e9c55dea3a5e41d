"""A service in trouble tells each channel once, and what cannot be told stops nothing."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from everfit.domain.alert import Channel, ChannelKind
from everfit.domain.errors import StateError
from everfit.domain.notice import Notice, NoticeKind
from everfit.interfaces.service.troubles import Troubles
from tests.fakes import World


def channel(address: str) -> Channel:
    return Channel(key=address, kind=ChannelKind.WEBHOOK, address=address)


class Bench:
    def __init__(self, **channels: tuple[str, ...]) -> None:
        world = World()
        self.is_full = False
        self.noted: list[Notice] = []
        workspaces = {
            model: SimpleNamespace(project=SimpleNamespace(alerts=tuple(map(channel, addresses))))
            for model, addresses in channels.items()
        }
        ports = replace(world.ports(), outbox=cast("Any", SimpleNamespace(note=self._note)))
        self.troubles = Troubles(cast("Any", SimpleNamespace(workspaces=lambda: workspaces)), ports)

    def _note(self, notice: Notice) -> bool:
        if self.is_full:
            raise StateError("The disk is full.")
        self.noted.append(notice)
        return True


def test_models_that_share_a_channel_are_told_once() -> None:
    bench = Bench(a=("https://one",), b=("https://one",), c=("https://two",), d=())
    bench.troubles.tell("dispatcher", "It failed.")
    assert sorted(notice.model for notice in bench.noted) == ["a", "c"]
    assert {notice.kind for notice in bench.noted} == {NoticeKind.TROUBLE}


def test_what_was_told_is_taken_back_and_what_was_not_is_not() -> None:
    bench = Bench(a=("https://one",))
    bench.troubles.tell("data", None)
    assert bench.noted == []
    bench.troubles.tell("data", "It failed.")
    bench.troubles.tell("data", None)
    assert [notice.kind for notice in bench.noted] == [NoticeKind.TROUBLE, NoticeKind.RECOVERED]


def test_a_trouble_that_cannot_be_written_stops_nothing() -> None:
    bench = Bench(a=("https://one",))
    bench.is_full = True
    bench.troubles.tell("dispatcher", "The disk is full.")
    bench.is_full = False
    bench.troubles.tell("dispatcher", None)
    assert bench.noted == []
