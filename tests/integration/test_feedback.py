"""Late labels: on the disk before they are accepted, and a host that goes on when they cannot be."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from everfit.serving import feedback as front_side
from everfit.serving.feedback import Feedback
from everfit.serving.label_files import label_files
from tests.integration.captured import until

ONE = b'{"inference_id": "a", "label": 1.5}'


async def told(feedback: Feedback, body: bytes, kind: str = "application/json") -> tuple[int, dict[str, Any]]:
    """Give labels and return what is said to it."""
    answers: list[tuple[int, dict[str, Any]]] = []
    feedback.take("solar", body, kind, lambda status, document: answers.append((status, document)))
    await until(lambda: answers, "the labels were answered")
    (answer,) = answers
    return answer


def kept(host: Path) -> list[tuple[str, Sequence[object]]]:
    """Return what is on the disk."""
    lines = [line for path in label_files(host / "labels" / "solar") for line in path.read_text().splitlines()]
    return [(entry["id"], entry["labels"]) for entry in map(json.loads, lines)]


def test_labels_are_on_the_disk_before_they_are_accepted(tmp_path: Path) -> None:
    async def serve() -> None:
        feedback = Feedback(tmp_path)
        assert await told(feedback, ONE) == (202, {"requests": 1, "labels": 1})
        os.kill(feedback.process or 0, signal.SIGKILL)
        assert kept(tmp_path) == [("a", [1.5])]
        status, document = await told(feedback, b"inference_id,label\nb,2\nc,3\n", "text/csv")
        assert (status, document) in ((202, {"requests": 2, "labels": 2}), (503, document))
        await feedback.end()

    asyncio.run(serve())


def test_of_a_body_with_a_wrong_line_nothing_is_kept(tmp_path: Path) -> None:
    async def serve() -> None:
        feedback = Feedback(tmp_path)
        status, document = await told(feedback, ONE + b"\n{", "application/jsonlines")
        assert (status, document["Code"]) == (400, "ValidationError")
        assert document["Message"].startswith("Nothing was kept. Line 2: it is not JSON")
        await feedback.end()
        assert kept(tmp_path) == []

    asyncio.run(serve())


def test_labels_that_come_together_are_all_answered(tmp_path: Path) -> None:
    async def serve() -> None:
        feedback = Feedback(tmp_path)
        bodies = [json.dumps({"inference_id": f"a{number}", "label": number}).encode() for number in range(500)]
        answers = await asyncio.gather(*(told(feedback, body) for body in [*bodies, b"no"]))
        await feedback.end()
        assert [status for status, _ in answers] == [202] * 500 + [400]

    asyncio.run(serve())
    assert kept(tmp_path) == [(f"a{number}", [number]) for number in range(500)]


def test_when_the_writer_is_killed_the_caller_is_told_to_send_again(tmp_path: Path) -> None:
    async def serve() -> None:
        feedback = Feedback(tmp_path)
        assert (await told(feedback, ONE))[0] == 202
        os.kill(feedback.process or 0, signal.SIGSTOP)
        waiting = asyncio.create_task(told(feedback, ONE))
        await asyncio.sleep(0)
        os.kill(feedback.process or 0, signal.SIGKILL)
        status, document = await waiting
        assert (status, document["Code"]) == (503, "ServiceUnavailable")
        assert "send them again" in document["Message"]
        assert (await told(feedback, ONE))[0] == 202
        await feedback.end()

    asyncio.run(serve())


def test_a_writer_that_stands_still_leaves_no_caller_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def serve() -> None:
        feedback = Feedback(tmp_path)
        assert (await told(feedback, ONE))[0] == 202
        monkeypatch.setattr(front_side, "PATIENCE", 0.01)
        monkeypatch.setattr(front_side, "MOST_HELD", 10_000_000)
        process = feedback.process or 0
        os.kill(process, signal.SIGSTOP)
        try:
            assert (await told(feedback, ONE))[0] == 503
            large = [asyncio.create_task(told(feedback, b" " * 4_000_000 + ONE)) for _ in range(10)]
            answers = await asyncio.gather(*large)
        finally:
            os.kill(process, signal.SIGCONT)
        assert {status for status, _ in answers} == {503}
        assert any("Too many labels wait" in document["Message"] for _, document in answers)
        await feedback.end()

    asyncio.run(serve())


def test_a_full_disk_is_told_and_what_was_accepted_stays(tmp_path: Path) -> None:
    place = tmp_path / "labels"
    place.mkdir()
    mount = shutil.which("mount")
    if mount is None or subprocess.run([mount, "-t", "tmpfs", "-o", "size=64k", "none", place], check=False).returncode:
        pytest.skip("mounting a small file system needs the rights to mount")

    async def serve() -> None:
        feedback = Feedback(tmp_path)
        assert (await told(feedback, ONE))[0] == 202
        many = json.dumps([{"inference_id": f"a{number}", "label": number} for number in range(5000)]).encode()
        status, document = await told(feedback, many)
        assert status == 503
        words = "The labels cannot be written: No space left on device. Nothing was kept; send them again."
        assert document["Message"] == words
        assert (await told(feedback, ONE))[0] == 202
        await feedback.end()

    try:
        asyncio.run(serve())
        assert kept(tmp_path) == [("a", [1.5]), ("a", [1.5])]
    finally:
        subprocess.run(["umount", "-l", place], check=True)
