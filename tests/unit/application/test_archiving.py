"""Events that ended long ago leave the inbox for the archive, and are never lost on the way."""

import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from everfit.adapters.local.event_archive import LocalEventArchive
from everfit.application.archiving import archive_events
from everfit.domain.trigger import TriggerEvent, TriggerKind
from tests.fakes import Fuse, Fused, Killed, World
from tests.stored import START

DAY = timedelta(days=1)
PLACE = ("line", "production")


def an_event(name: str) -> TriggerEvent:
    return TriggerEvent(id=name, kind=TriggerKind.DATA, model=PLACE[0], environment=PLACE[1], actor="x", at=START)


def ended(world: World, *names: str) -> None:
    world.inbox.accept([an_event(name) for name in names])
    world.inbox.skip(*PLACE, "nothing new")


def found(home: Path) -> list[dict[str, Any]]:
    files = sorted((home / "archive").glob("events-*.jsonl.gz"))
    return [json.loads(line) for file in files for line in gzip.decompress(file.read_bytes()).decode().splitlines()]


def test_events_are_archived_by_the_month_in_which_they_ended(tmp_path: Path) -> None:
    world = World()
    ended(world, "a", "b")
    world.clock.advance(20 * DAY)
    ended(world, "c")
    world.clock.advance(100 * DAY)
    ended(world, "young")
    assert archive_events(LocalEventArchive(tmp_path), world.ports()) == 3
    assert [line["id"] for line in found(tmp_path)] == ["a", "b", "c"]
    assert [file.name[:14] for file in sorted((tmp_path / "archive").iterdir())] == ["events-2026-11", "events-2026-12"]
    assert [record.event.id for record in world.inbox.events()] == ["young"]


def test_what_waits_is_never_archived(tmp_path: Path) -> None:
    world = World()
    world.inbox.accept((an_event("a"),))
    world.clock.advance(1000 * DAY)
    assert archive_events(LocalEventArchive(tmp_path), world.ports()) == 0
    assert world.inbox.waiting(*PLACE).count == 1


def test_an_archived_event_says_all_that_was_known_of_it(tmp_path: Path) -> None:
    world = World()
    ended(world, "a")
    world.clock.advance(91 * DAY)
    archive_events(LocalEventArchive(tmp_path), world.ports())
    (line,) = found(tmp_path)
    assert (line["id"], line["end"], line["reason"]) == ("a", "skipped", "nothing new")
    assert (line["ended"], line["kind"], line["detail"]) == ("2026-11-21T09:00:00.000000+00:00", "data", {})


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", [1, 2])
def test_a_kill_while_archiving_neither_loses_nor_doubles_an_event(tmp_path: Path, call: int, *, after: bool) -> None:
    world = World()
    ended(world, *"abc")
    world.clock.advance(DAY)
    ended(world, "d")
    world.clock.advance(89.5 * DAY)
    fuse = Fuse(call, after=after)
    dying: Any = Fused(LocalEventArchive(tmp_path), fuse)
    with pytest.raises(Killed):
        archive_events(dying, world.ports(inbox=Fused(world.inbox, fuse)))
    world.clock.advance(2 * DAY)
    archive_events(LocalEventArchive(tmp_path), world.ports())
    assert [line["id"] for line in found(tmp_path)] == ["a", "b", "c", "d"]
