"""Requests that are kept beside the hot path: none is kept twice or half, and none waits."""

import asyncio
import hashlib
import json
import marshal
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from everfit.serving import capture as front_side
from everfit.serving.calls import Inquiry
from everfit.serving.capture import Capture
from everfit.serving.capture_keeper import keep
from everfit.serving.capture_settings import CaptureSettings, read_settings, write_settings
from everfit.serving.capture_spool import MARSHAL, Row, Spool, frames, segment_of, spools
from everfit.serving.capture_writer import Writer
from everfit.serving.frames import Reply, Trouble, excuse
from everfit.serving.label_files import label_files
from tests.integration.captured import give_labels, numbers_of, offer, rows_of, until
from tests.integration.host_client import eventually
from tests.small_disk import mounted


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The folder of a host that keeps requests on a disk that others fill as they like."""
    write_settings(tmp_path, "solar", CaptureSettings(reserve=0))
    return tmp_path


@pytest.fixture
def small_disk(host: Path) -> Iterator[Path]:
    """A real file system of 1 MB for captured requests."""
    with mounted(host / "capture", "1m") as place:
        yield place


def test_what_was_asked_and_answered_becomes_parquet_that_any_tool_reads(host: Path) -> None:
    async def serve() -> None:
        capture = Capture(host)
        inquiry = Inquiry(body=b"\x00\xff", content_type="application/x-npy", accept="*/*")
        reply = Reply(status=200, body=b"[1]", content_type="application/json")
        capture.offer("solar", 3, inquiry, reply, 0.25, "order-ä")
        capture.offer("solar", 4, inquiry, excuse(Trouble.MODEL, 500, "no"), 0.5, "order-ö")
        await capture.end()
        assert capture.report("solar") == {"captured": 2, "dropped": {}}

    before = datetime.now(UTC).replace(tzinfo=None)
    asyncio.run(serve())
    keep(host, time.time())
    (at, *first), second = rows_of(host)
    assert before <= at <= datetime.now(UTC).replace(tzinfo=None)
    assert first[:7] == ["solar", 3, "order-ä", "application/x-npy", b"\x00\xff", 2, None]
    assert first[7:] == ["*/*", 200, "application/json", b"[1]", 3, None, 0.25]
    assert (second[2], second[9], second[11]) == (4, 500, b"no")
    assert spools(host / "capture") == []


def test_of_a_large_body_only_size_and_digest_are_kept(host: Path) -> None:
    async def serve() -> None:
        capture = Capture(host)
        offer(capture, 1, body=b"x" * (front_side.LARGEST_BODY + 1))
        await until(lambda: capture.report("solar")["captured"], "the large body was written")
        await capture.end()

    asyncio.run(serve())
    keep(host, time.time())
    (row,) = rows_of(host, "request, request_size, request_digest, answer, answer_digest")
    digest = hashlib.sha256(b"x" * (front_side.LARGEST_BODY + 1)).hexdigest()
    assert row == (None, front_side.LARGEST_BODY + 1, f"sha256:{digest}", b"given 1", None)


@pytest.mark.parametrize("seed", range(4))
def test_a_writer_that_is_killed_anywhere_leaves_nothing_half_and_nothing_twice(host: Path, seed: int) -> None:
    chance = random.Random(seed)

    async def serve() -> dict[str, object]:
        capture, number = Capture(host), 0
        for _ in range(4):
            for _ in range(chance.randrange(1, 3000)):
                offer(capture, number)
                number += 1
                if not number % 97:
                    await asyncio.sleep(0)
            await until(lambda: capture.process, "the writer runs")
            os.kill(capture.process or 0, signal.SIGKILL)
        offer(capture, number)
        report = capture.report("solar")
        await until(lambda: capture.report("solar") != report, "the writer runs again")
        await capture.end()
        return {"offered": number + 1, **capture.report("solar")}

    told = asyncio.run(serve())
    keep(host, time.time())
    found = numbers_of(host)
    assert len(set(found)) == len(found)
    dropped = told["dropped"]
    assert isinstance(dropped, dict)
    assert isinstance(told["captured"], int)
    assert set(dropped) <= {"lost writer"}
    assert told["captured"] + sum(dropped.values()) == told["offered"]
    assert told["captured"] <= len(found) <= told["captured"] + sum(dropped.values())


def test_a_keeper_that_is_killed_leaves_no_half_segment_and_the_next_one_goes_on(host: Path) -> None:
    written = spool_of(host, range(20_000))
    command = [sys.executable, "-m", "everfit.serving.capture_keeper", str(host), "soon", str(time.time())]
    for pause in range(3):
        keeper = subprocess.Popen(command)
        eventually(lambda: list(written.parents[1].glob("*/.*.new*")), "the keeper has begun")
        for _ in range(pause * 200):
            segment_of(written).exists()
        keeper.kill()
        keeper.wait()
        assert len(numbers_of(host)) in (0, 20_000)
    keep(host, time.time())
    assert numbers_of(host) == list(range(20_000))
    assert [path.name for path in segment_of(written).parent.iterdir()] == [segment_of(written).name]


def test_a_spool_that_a_killed_keeper_left_beside_its_segment_counts_once(host: Path) -> None:
    written = spool_of(host, range(10))
    shutil.copy(written, host / "saved")
    keep(host, time.time())
    shutil.copy(host / "saved", written)
    assert spools(host / "capture") == []
    keep(host, time.time())
    assert not written.exists()
    assert numbers_of(host) == list(range(10))


def test_a_frame_that_was_cut_off_is_left_out_and_those_before_it_count(host: Path) -> None:
    written = spool_of(host, range(600))
    os.truncate(written, written.stat().st_size - 7)
    assert [len(rows) for rows in frames(written)] == [256, 256]
    keep(host, time.time())
    assert numbers_of(host) == list(range(512))


def test_a_spool_that_is_being_written_is_left_alone(host: Path) -> None:
    spool = Spool(host / "capture" / "solar", time.time())
    keep(host, time.time() + 10**9)
    assert spools(host / "capture") == [spool.path]
    assert spool.is_there
    spool.close()


def test_when_the_writer_stands_still_requests_are_dropped_and_counted(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front_side, "MOST_HELD", 2_000_000)

    async def serve() -> dict[str, object]:
        capture = Capture(host)
        offer(capture, 0)
        await until(lambda: capture.report("solar")["captured"], "the writer runs")
        process = capture.process or 0
        os.kill(process, signal.SIGSTOP)
        try:
            for number in range(1, 200):
                offer(capture, number, body=b"x" * 100_000)
                await asyncio.sleep(0)
            stopped = capture.report("solar")
        finally:
            os.kill(process, signal.SIGCONT)
        assert stopped["captured"] == 1
        assert stopped["dropped"]["slow writer"] > 0
        await capture.end()
        return capture.report("solar")

    told = asyncio.run(serve())
    keep(host, time.time())
    assert len(rows_of(host)) == told["captured"]
    assert told["captured"] + told["dropped"]["slow writer"] == 200  # type: ignore[index]


def test_a_full_disk_drops_requests_and_capture_goes_on_when_there_is_room(host: Path, small_disk: Path) -> None:
    chance = random.Random(1)

    async def serve() -> tuple[int, dict[str, int]]:
        capture = Capture(host)
        for number in range(30):
            offer(capture, number, body=chance.randbytes(100_000))
            capture._flush()
        await until(lambda: "disk full" in capture.report("solar")["dropped"], "the disk is full")
        (small_disk / "room").unlink(missing_ok=True)
        for path in small_disk.glob("*/spool/*"):
            path.unlink()

        await until(again_by(capture), "capture goes on")
        await capture.end()
        report = capture.report("solar")
        return report["captured"], report["dropped"]

    captured, dropped = asyncio.run(serve())
    assert set(dropped) == {"disk full"}
    assert captured > 0
    (rest,) = spools(host / "capture")
    assert all(row[2] == "request-1000" for rows in frames(rest) for row in rows)


def test_a_write_that_fails_leaves_the_spool_as_it_was(host: Path) -> None:
    async def serve() -> dict[str, object]:
        capture = Capture(host)
        offer(capture, 0)
        await until(lambda: capture.report("solar")["captured"] == 1, "the writer runs")
        resource.prlimit(capture.process or 0, resource.RLIMIT_FSIZE, (2000, 100_000_000))
        for number in range(1, 300):
            offer(capture, number)
        await until(lambda: "disk failed" in capture.report("solar")["dropped"], "the write failed")
        resource.prlimit(capture.process or 0, resource.RLIMIT_FSIZE, (100_000_000, 100_000_000))

        await until(again_by(capture), "capture goes on")
        await capture.end()
        return capture.report("solar")

    told = asyncio.run(serve())
    keep(host, time.time())
    found = numbers_of(host)
    assert found[0] == 0
    assert len(found) == told["captured"]


def test_nothing_is_captured_on_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    write_settings(tmp_path, "solar", CaptureSettings(reserve=10**18))
    writer = Writer(tmp_path)
    writer.look()
    assert writer.write("solar", b"") == "disk full"
    assert spools(tmp_path / "capture") == []
    write_settings(tmp_path, "solar", CaptureSettings(reserve=0))
    writer.look()
    assert writer.write("solar", b"") == ""


def test_the_reserve_is_a_part_of_the_disk_between_bounds() -> None:
    usual = CaptureSettings()
    assert [usual.reserve_of(size * 10**9) for size in (10, 100, 10_000)] == [10**9, 5 * 10**9, 20 * 10**9]


def test_what_is_too_old_goes_and_what_serves_stays(host: Path) -> None:
    now = time.time()
    old, new = spool_of(host, range(5)), spool_of(host, range(5, 10))
    os.utime(old, (now - 100, now - 100))
    write_settings(host, "solar", CaptureSettings(keep=50, reserve=0))
    keep(host, now)
    assert numbers_of(host) == list(range(5, 10))
    assert not segment_of(old).exists()
    keep(host, now + 100)
    assert numbers_of(host) == []
    assert not segment_of(new).parent.exists()


def test_labels_go_with_the_requests_that_they_are_for(host: Path) -> None:
    now = time.time()
    give_labels(host, ("old", [1.0]))
    give_labels(host, ("new", [1.0]))
    old, new = label_files(host / "labels" / "solar")
    os.utime(old, (now - 100, now - 100))
    write_settings(host, "solar", CaptureSettings(keep=50, reserve=0))
    keep(host, now)
    assert label_files(host / "labels" / "solar") == [new]


def test_of_what_is_too_much_the_oldest_goes(host: Path) -> None:
    now = time.time()
    for first in (0, 5, 10):
        os.utime(spool_of(host, range(first, first + 5)), (now - 100 + first, now - 100 + first))
    keep(host, now)
    size = max(path.stat().st_size for path in host.glob("capture/solar/*/*.parquet"))
    write_settings(host, "solar", CaptureSettings(most=int(size * 2.5), reserve=0))
    keep(host, now)
    assert numbers_of(host) == list(range(5, 15))


def test_a_clock_that_is_set_back_overwrites_nothing(host: Path) -> None:
    moments = (1_800_000_000.0, 1_800_000_000.0, 1_700_000_000.0, 1_800_000_000.0)
    spooled = [spool_of(host, range(place * 3, place * 3 + 3), now=now) for place, now in enumerate(moments[:2])]
    keep(host, time.time())
    spooled += [spool_of(host, range(place * 3, place * 3 + 3), now=now) for place, now in enumerate(moments[2:], 2)]
    keep(host, time.time())
    assert len({segment_of(path) for path in spooled}) == 4
    assert numbers_of(host) == list(range(12))


def test_settings_that_cannot_be_read_are_the_usual_ones(tmp_path: Path) -> None:
    assert write_settings(tmp_path, "solar", CaptureSettings(share=0.5, keep=5, most=6, reserve=7))
    assert not write_settings(tmp_path, "solar", CaptureSettings(share=0.5, keep=5, most=6, reserve=7))
    write_settings(tmp_path, "lunar", CaptureSettings(keep=8))
    assert read_settings(tmp_path).of("solar") == CaptureSettings(share=0.5, keep=5, most=6, reserve=7)
    for damaged in ("{", "[]", json.dumps({"solar": {"keep": "long"}}), json.dumps({"solar": 7})):
        (tmp_path / "capture.json").write_text(damaged)
        assert read_settings(tmp_path).of("solar") == CaptureSettings()


def test_what_an_earlier_host_left_is_taken_up_without_any_request(host: Path) -> None:
    spool_of(host, range(10))

    async def serve() -> None:
        capture = Capture(host)
        await until(lambda: numbers_of(host), "the spool became Parquet")
        await capture.end()

    asyncio.run(serve())
    assert numbers_of(host) == list(range(10))


def test_what_no_format_knows_is_dropped_alone(host: Path) -> None:
    async def serve() -> None:
        capture = Capture(host)
        offer(capture, 1)
        inquiry = Inquiry(body=b"", content_type="", accept="")
        capture.offer(
            "solar", 1, inquiry, Reply(status=200, body=b"", content_type=type("Odd", (str,), {})("x")), 0, "odd"
        )
        await capture.end()
        assert capture.report("solar") == {"captured": 1, "dropped": {"unwritable": 1}}

    asyncio.run(serve())


def again_by(capture: Capture) -> Callable[[], bool]:
    """Return whether a request that is offered now and then has been captured."""
    before = capture.report("solar")["captured"]

    def look() -> bool:
        offer(capture, 1000)
        capture._flush()
        return bool(capture.report("solar")["captured"] > before)

    return look


def spool_of(host: Path, numbers: range, now: float | None = None) -> Path:
    """Write a spool as a writer would that had it from a front, and return its path."""
    spool = Spool(host / "capture" / "solar", time.time() if now is None else now)
    writer = Writer(host)
    writer._spools["solar"] = spool
    rows: list[Row] = [
        (time.time(), 1, f"request-{n}", "a/b", b"asked %d" % n, "*/*", 200, "c/d", b"given %d" % n, n / 1000)
        for n in numbers
    ]
    for start in range(0, len(rows), 256):
        packed = marshal.dumps(rows[start : start + 256], MARSHAL)
        assert writer.write("solar", packed) == ""
    spool.close()
    return spool.path
