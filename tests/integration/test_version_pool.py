"""The processes of a version and what they do to each other's requests: real processes, real crashes."""

import asyncio
import gc
import os
import re
import shutil
import weakref
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from everfit.serving import scaling
from everfit.serving.frames import Reply, Request, Trouble
from everfit.serving.limits import Limits
from everfit.serving.version_pool import PoolState, VersionPool
from tests.integration.host_client import gone
from tests.integration.pools import Asking, loads, made, placed, serving, until


def run(work: Coroutine[Any, Any, None]) -> None:
    uvloop.run(work)


async def held(asking: Asking, gate: Path) -> None:
    """Keep the only process busy until the gate opens."""
    asking.send(f"wait {gate}")
    await until(lambda: list(gate.parent.glob(f"{gate.name}.*")), "it is being answered")


def test_requests_that_come_together_share_one_call(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as asking:
            asked = asking.send(*map(str, range(8)))
            assert [reply.body.decode() for reply in await asking.replies(asked)] == [f"<{n}>" for n in range(8)]
            assert asking.pool.batches == {8: 1}

    run(story())


def test_what_waits_goes_together_by_its_kind_and_no_more_than_is_allowed(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path, batch=3) as asking:
            await held(asking, tmp_path / "gate")
            asked = [*asking.send("1", "2", "3", "4"), *asking.send("5", "6", content_type="application/json")]
            assert (asking.pool.queue, asking.pool.under_way) == (6, 1)
            (tmp_path / "gate").touch()
            await asking.replies(asked)
            assert asking.pool.batches == {1: 2, 2: 1, 4: 1}

    run(story())


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("crash", "twice: exit code 7"),
        ("segfault", "twice: signal SIGSEGV"),
        ("garbage", "twice: signal SIGKILL"),
        # Whether it is killed, or ends by itself as it finds its connection gone, is a matter of who is first.
        ("close", "twice: (signal SIGKILL|exit code 1)"),
    ],
)
def test_a_request_that_ends_its_process_fails_alone(tmp_path: Path, bad: str, words: str) -> None:
    async def story() -> None:
        async with serving(tmp_path) as asking:
            await held(asking, tmp_path / "gate")
            asked = asking.send("1", bad, "2")
            (tmp_path / "gate").touch()
            one, failed, other = await asking.replies(asked)
            assert (one.body, other.body) == (b"<1>", b"<2>")
            assert (failed.status, failed.trouble) == (500, Trouble.MODEL)
            assert re.search(words, failed.body.decode())
            assert asking.pool.restarts == 2
            assert asking.pool.is_healthy

    run(story())


@pytest.mark.parametrize("bad", ["raise no such house", "leave now"])
def test_a_request_that_raises_fails_alone_and_its_process_stays(tmp_path: Path, bad: str) -> None:
    async def story() -> None:
        async with serving(tmp_path) as asking:
            asked = asking.send("1", bad, "2")
            one, failed, other = await asking.replies(asked)
            assert (one.body, failed.trouble, other.body) == (b"<1>", Trouble.MODEL, b"<2>")
        assert loads(tmp_path) == 1

    run(story())


def test_a_request_that_never_ends_takes_no_other_with_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path, timeout=1.0) as asking:
            asked = asking.send("1", "stuck", "2")
            one, failed, other = await asking.replies(asked)
            assert (one.body, other.body) == (b"<1>", b"<2>")
            assert (failed.status, failed.trouble) == (504, Trouble.TIMEOUT)

    run(story())


def test_a_request_whose_time_is_over_while_it_waits_is_told_so(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path, timeout=0.5, batch=1) as asking:
            asked = asking.send("stuck", "1", "2")
            stuck, *late = await asking.replies(asked)
            assert stuck.trouble is Trouble.TIMEOUT
            assert {reply.trouble for reply in late} == {Trouble.UNAVAILABLE}
            assert (await asking.ask("3")).body == b"<3>"

    run(story())


def test_a_version_that_has_gone_is_forgotten_without_a_search_for_cycles(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as asking:
            await asking.ask("1")
            parts = [weakref.ref(part) for part in (asking.pool, asking.pool._dispatcher, asking.pool._group)]
        del asking
        await until(lambda: not any(part() for part in parts), "all of it is forgotten")

    gc.disable()
    try:
        run(story())
    finally:
        gc.enable()


def test_more_than_may_wait_are_turned_away_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path, queue=2) as asking:
            await held(asking, tmp_path / "gate")
            waiting = asking.send("1", "2")
            (refused,) = asking.send("3")
            assert refused.replies[0].trouble is Trouble.OVERLOADED
            assert refused.replies[0].status == 503
            (tmp_path / "gate").touch()
            assert {reply.status for reply in await asking.replies(waiting)} == {200}

    run(story())


def test_a_model_that_prints_without_end_is_answered_all_the_same(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as asking:
            for what in ("print", "chatter", "1"):
                assert (await asking.ask(what)).status == 200

    run(story())


def test_what_a_model_has_started_ends_with_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as asking:
            assert (await asking.ask("zombies")).status == 200
            children = [int((await asking.ask("child")).body)]
            await asking.ask("crash")
            await asyncio.to_thread(gone, children)
            children = [int((await asking.ask("child")).body), *asking.pool.processes]
        gone(children)

    run(story())


def test_a_killed_process_is_replaced_and_what_it_had_is_answered(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as asking:
            (before,) = asking.pool.processes
            await held(asking, tmp_path / "gate")
            asked = asking.send("1", "2")
            os.kill(before, 9)
            (tmp_path / "gate").touch()
            assert {reply.status for reply in await asking.replies([*asking.all, *asked])} == {200}
            assert asking.pool.processes != [before]
            assert asking.pool.restarts == 1

    run(story())


def test_a_version_whose_folder_and_log_are_gone_still_gets_another_process(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as asking:
            place = asking.pool.place
            shutil.rmtree(place.folder)
            place.log.unlink()
            place.log.mkdir()
            os.kill(asking.pool.processes[0], 9)
            assert (await asking.ask("1")).status == 200

    run(story())


def test_a_process_that_grows_is_replaced_without_a_failed_request(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path, memory=120_000_000) as asking:
            (before,) = asking.pool.processes
            assert (await asking.ask("grow 120")).status == 200
            while not asking.pool.recycled:
                assert (await asking.ask("1")).status == 200
            await until(lambda: len(asking.pool.processes) == 1, "the old one is gone")
            assert asking.pool.processes != [before]
            assert "grew to" in str(asking.pool.message)
            assert asking.pool.restarts == 0
        assert loads(tmp_path) == 2

    run(story())


def test_a_request_that_needs_far_too_much_memory_fails_alone(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path, memory=120_000_000) as asking:
            before = asking.pool.processes
            failed = await asking.ask("grow 1000")
            assert (failed.trouble, failed.body) == (Trouble.MODEL, b"MemoryError")
            assert (await asking.ask("1")).status == 200
            assert asking.pool.processes == before

    run(story())


def test_a_process_that_holds_far_too_much_is_not_waited_for(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path, memory=100_000_000) as asking:
            failed = await asking.ask("hold 210")
            assert failed.body == b"The model's process ended at this request, twice: signal SIGKILL"
            assert asking.pool.recycled == 2
            assert (await asking.ask("1")).status == 200

    run(story())


def test_a_model_that_needs_more_memory_than_it_may_is_never_ready(tmp_path: Path) -> None:
    async def story() -> None:
        pool = VersionPool(made(tmp_path, memory=5_000_000), placed(tmp_path), Limits())
        await pool.load()
        assert pool.state is PoolState.FAILED
        assert pool.processes == []

    run(story())


def test_a_version_that_crashes_whatever_it_is_asked_says_so_once_and_comes_back(tmp_path: Path) -> None:
    told: list[str] = []
    mended = tmp_path / "mended"

    async def story() -> None:
        async with serving(tmp_path, lambda: told.append("loop")) as asking:
            for number in range(2):
                assert (await asking.ask(f"unless {mended} {number}")).status == 500
            asked = asking.send(f"unless {mended} 3", f"unless {mended} 4")
            assert {reply.trouble for reply in await asking.replies(asked)} <= {Trouble.MODEL, Trouble.UNAVAILABLE}
            assert told == ["loop"]
            await until(lambda: asking.pool.is_healthy, "it comes back")
            assert (await asking.ask("1")).status == 200
            assert told == ["loop"]

    run(story())


def test_while_a_version_crashes_again_and_again_nobody_waits_for_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as asking:
            number = 0
            while asking.pool.is_healthy:
                number += 1
                await asking.ask(f"crash {number}")
            (refused,) = asking.send("1")
            assert refused.replies[0].trouble is Trouble.UNAVAILABLE
            assert "its log says why" in refused.text

    run(story())


def test_a_version_that_is_taken_away_answers_what_it_has(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as asking:
            await held(asking, tmp_path / "gate")
            asked = asking.send("1", "2")
            leaving = asyncio.create_task(asking.pool.retire())
            await asyncio.sleep(0)
            (tmp_path / "gate").touch()
            assert {reply.status for reply in await asking.replies(asked)} == {200}
            await leaving
            assert asking.pool.state is PoolState.RETIRED
            assert asking.pool.processes == []

    run(story())


def test_a_version_that_ends_at_once_tells_whoever_waits(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as asking:
            await held(asking, tmp_path / "gate")
            asking.send("1", "2")
            await asking.pool.end()
            assert {reply.trouble for reply in await asking.replies(asking.all)} == {Trouble.UNAVAILABLE}

    run(story())


def test_several_processes_answer_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path, workers=3, batch=1) as asking:
            gates = [tmp_path / f"gate{number}" for number in range(3)]
            asking.send(*(f"wait {gate}" for gate in gates))
            await until(lambda: all(list(tmp_path.glob(f"{gate.name}.*")) for gate in gates), "all are being answered")
            for gate in gates:
                gate.touch()
            assert {reply.status for reply in await asking.replies(asking.all)} == {200}

    run(story())


def test_another_process_comes_when_requests_wait_too_long_and_goes_when_it_is_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaling, "QUIET", 1.0)

    async def story() -> None:
        async with serving(tmp_path, most_workers=2) as asking:
            await asking.ask("1")
            await held(asking, tmp_path / "gate")
            asked = asking.send("2", "3")
            assert {reply.status for reply in await asking.replies(asked)} == {200}
            assert asking.pool.workers == 2
            (tmp_path / "gate").touch()
            await asking.replies(asking.all)
            while len(asking.pool.processes) > 1:
                assert (await asking.ask("4")).status == 200
                await asyncio.sleep(0.01)
            assert {each.replies[0].status for each in asking.all} == {200}
            assert (asking.pool.restarts, asking.pool.recycled) == (0, 0)

    run(story())


def test_a_caller_that_fails_at_its_answer_keeps_no_other_from_theirs(tmp_path: Path) -> None:
    async def story() -> None:
        mistakes: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: mistakes.append(context))

        def broken(_reply: Reply) -> None:
            raise ZeroDivisionError

        async with serving(tmp_path) as asking:
            asking.pool.submit(Request(body=b"1", content_type="text/csv", accept="*/*"), broken)
            assert (await asking.ask("2")).status == 200
        assert isinstance(mistakes[0]["exception"], ZeroDivisionError)

    run(story())
