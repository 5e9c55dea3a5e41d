"""A worker process: it serves one front after the other, and nothing that its model does confuses the two."""

import os
import select
import signal
import socket
import struct
import threading
from pathlib import Path

import pytest

from everfit.serving.frames import Readiness, Reply, Trouble, encoded_batch
from tests.integration.workers import RunningWorker, request, worker

SCRIPT = """
import os, sys, time
from pathlib import Path

def model_fn(model_dir):
    folder = Path(model_dir).parent
    with (folder / "loads").open("a") as loads:
        print(os.getpid(), file=loads)
    while (folder / "wait").exists():
        time.sleep(0.01)
    if (folder / "bad").exists():
        raise ValueError("no weights")
    return folder

def transform_fn(folder, data, content_type, accept):
    if data == "read":
        return repr(sys.stdin.read()), "text/plain"
    if data == "print":
        print("printed\\x00\\n" * 3)
        os.write(1, b"written out\\n")
        os.write(2, b"written in trouble\\n")
    if data == "fork":
        os.fork()
        return str(os.getpid()), "text/plain"
    if data == "child stays":
        if os.fork() == 0:
            (folder / "child").write_text(str(os.getpid()))
            while True:
                time.sleep(1)
        while not (folder / "child").exists() or not (folder / "child").read_text():
            time.sleep(0.01)
    if data == "exit":
        sys.exit(3)
    if data == "die":
        os._exit(7)
    if data == "interrupt":
        raise KeyboardInterrupt
    if data == "memory":
        raise MemoryError
    if data == "close":
        sys.stderr.close()
        sys.stdout = None
        raise ValueError("quiet")
    if data == "mute":
        class Mute(Exception):
            def __str__(self): raise ValueError("no words")
        raise Mute
    if data == "cycle":
        endless = []
        endless.append(endless)
        return endless
    if data == "surrogate":
        return chr(0xD800), "text/plain"
    if data == "wait":
        (folder / "asked").touch()
        while not (folder / "go").exists():
            time.sleep(0.01)
    return data, "text/plain"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "m"
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "inference.py").write_text(SCRIPT)
    return folder


def pid_of_peer(connection: socket.socket) -> int:
    return int(struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])


def still_answers(running: RunningWorker) -> bool:
    return [reply.body for reply in running.ask("here", content_type="text/csv")] == [b"here"]


def test_one_front_after_the_other_is_served_by_the_same_model(folder: Path) -> None:
    with worker(folder) as running:
        hello = running.connections[0].ready()
        assert (hello.kind, hello.pid) == (Readiness.READY, running.process.pid)
        assert [reply.body for reply in running.ask("a", "b")] == [b"a", b"b"]
        running.connections[0].close()

        second = running.connect()

        assert second.ready().pid == pid_of_peer(second.socket) == running.process.pid
        assert [reply.body for reply in second.ask([request("c", "text/csv")])] == [b"c"]
    assert (folder.parent / "loads").read_text().split() == [str(running.process.pid)]


def test_a_front_that_comes_while_the_model_loads_is_greeted_at_once(folder: Path) -> None:
    (folder.parent / "wait").touch()
    with worker(folder) as running:
        assert running.connections[0].hello(Readiness.LOADING).pid == running.process.pid
        running.connections[0].close()
        second = running.connect()
        assert second.hello(Readiness.LOADING).pid == running.process.pid

        (folder.parent / "wait").unlink()

        assert second.ready().kind is Readiness.READY


def test_a_front_that_comes_while_the_one_before_is_answered_is_greeted_and_then_served(folder: Path) -> None:
    with worker(folder) as running:
        running.connections[0].ready()
        running.connections[0].send([request("wait", "text/csv")])
        running.connections[0].close()
        second = running.connect()
        assert second.hello(Readiness.LOADING).pid == running.process.pid

        (folder.parent / "go").touch()

        assert second.ready().kind is Readiness.READY
        running.connections.reverse()
        assert still_answers(running)


def test_why_a_model_is_unusable_reaches_the_front_that_comes_next(folder: Path) -> None:
    (folder.parent / "wait").touch()
    (folder.parent / "bad").touch()
    with worker(folder) as running:
        running.connections[0].hello(Readiness.LOADING)
        (folder.parent / "wait").unlink()

        hello = running.connections[0].ready()

        assert hello.kind is Readiness.UNUSABLE
        assert "no weights (inference.py, line 12, in model_fn)" in str(hello.message)
        assert running.process.wait(60) == 0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("exit", "SystemExit: 3"),
        ("interrupt", "KeyboardInterrupt"),
        ("memory", "MemoryError"),
        ("close", "ValueError: quiet"),
        ("mute", "Mute"),
        ("cycle", "RecursionError: maximum recursion depth exceeded"),
        ("surrogate", "UnicodeEncodeError: 'utf-8' codec can't encode"),
    ],
)
def test_what_the_users_code_raises_is_the_answer_to_its_request_alone(folder: Path, body: str, message: str) -> None:
    with worker(folder) as running:
        before, failed, after = running.ask("before", body, "after", content_type="text/csv")

        assert (before.body, after.body) == (b"before", b"after")
        assert (failed.status, failed.trouble) == (500, Trouble.MODEL)
        assert failed.body.decode().startswith(message)
        assert still_answers(running)


def test_text_that_is_none_is_refused_and_the_rest_of_the_batch_answered(folder: Path) -> None:
    with worker(folder) as running:
        refused, answered = running.ask(b"\xff", "fine", content_type="text/csv")

        assert (refused.status, refused.trouble, answered.body) == (400, Trouble.REFUSED, b"fine")


def test_what_the_users_code_prints_is_in_the_log_and_it_has_nothing_to_read(folder: Path) -> None:
    with worker(folder) as running:
        printed, read = running.ask("print", "read", content_type="text/csv")

        assert (printed.body, read.body) == (b"print", b"''")
        log = running.log.read_text()
        assert log.count("printed\x00") == 3
        assert "written out" in log
        assert "written in trouble" in log


def test_a_child_that_returns_into_the_worker_ends_and_answers_nothing(folder: Path) -> None:
    with worker(folder) as running:
        forked, after = running.ask("fork", "after", content_type="text/csv")

        assert (int(forked.body), after.body) == (running.process.pid, b"after")
        assert still_answers(running)


def test_a_child_that_stays_does_not_keep_the_connection_of_a_worker_that_died(folder: Path) -> None:
    with worker(folder) as running:
        assert [reply.body for reply in running.ask("child stays", content_type="text/csv")] == [b"child stays"]
        child = int((folder.parent / "child").read_text())
        running.connections[0].send([request("die", "text/csv")])

        with pytest.raises(EOFError):
            running.connections[0].receive()

        assert running.process.wait(60) == 7
        with pytest.raises(ConnectionRefusedError):
            running.connect()
        os.kill(child, signal.SIGKILL)


def test_a_worker_ends_with_its_host_and_takes_along_what_it_has_started(folder: Path) -> None:
    with worker(folder) as running:
        running.ask("child stays", content_type="text/csv")
        child = os.pidfd_open(int((folder.parent / "child").read_text()))

        running.release_life()

        assert running.process.wait(60) == -signal.SIGKILL
        assert is_over(child)
        os.close(child)


def is_over(pidfd: int) -> bool:
    """Whether the process ends within a minute."""
    return bool(select.select([pidfd], [], [], 60)[0])


def test_a_worker_that_is_busy_in_native_code_ends_with_its_host(folder: Path) -> None:
    (folder / "code" / "inference.py").write_text(
        "import re\n"
        "def model_fn(model_dir): return 1\n"
        "def transform_fn(model, data, content_type, accept): re.match('(a+)+$', 'a' * 60 + 'b')\n"
    )
    with worker(folder) as running:
        running.connections[0].ready()
        running.connections[0].send([request("x")])
        running.release_life()

        assert running.process.wait(60) == -signal.SIGKILL


def test_what_is_no_batch_costs_the_connection_and_nothing_else(folder: Path) -> None:
    with worker(folder) as running:
        running.connections[0].ready()
        running.connections[0].socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(EOFError):
            running.connections[0].receive()

        running.connections.insert(0, running.connect())

        assert still_answers(running)


def test_many_large_answers_arrive_though_nobody_reads_them_for_a_while(folder: Path) -> None:
    with worker(folder) as running:
        body = "x" * 1_000_000
        connection = running.connections[0]
        requests = [(name, request(body, "text/csv")) for name in range(8)]
        # Neither side reads while it writes: what the sockets cannot hold waits in this thread.
        sending = threading.Thread(target=connection.socket.sendall, args=(encoded_batch(requests),))
        sending.start()
        answers: list[tuple[int, Reply]] = []
        while len(answers) < len(requests):
            answers += connection.receive()
        sending.join()

        assert {(name, reply.body) for name, reply in answers} == {(name, body.encode()) for name in range(8)}
