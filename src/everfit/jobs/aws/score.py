"""Ask one version every request of the evaluation through the ``serve`` of its own image, as a client would.

Reads ``score`` of ``input/config/job.json`` below ``SAGEMAKER_BASE_DIR`` and writes ``output/replies`` and, when the
version cannot be asked, ``output/error``: that is a result, so the exit code is 0. Runs in the serving image: Python
3.7, standard library only.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO, Any

from everfit.jobs.aws.launch import LaunchError, unpack

ACCEPT = "application/json"
FEWEST_TIMED = 20
# The limits of an endpoint (Developer Guide, "Use Your Own Inference Code with Hosting Services"): a container answers
# GET /ping with 200 within 2 s of the question and 4 minutes of its start, and POST /invocations within 60 s.
PING_SECONDS = 2.0
ANSWER_SECONDS = 60.0
GRACE_SECONDS = 30.0
USUAL_PORT = 8080
LAST_LINES = 8
WORDS = 300


class UnusableError(Exception):
    """The version cannot be asked; the message goes on a sentence about the model."""


def main() -> None:
    """Score the version of this job."""
    work = Path(os.environ["SAGEMAKER_BASE_DIR"])
    base = work.parent
    given = json.loads((work / "input/config/job.json").read_text(encoding="utf-8"))["score"]
    output = work / "output"
    output.mkdir(parents=True, exist_ok=True)
    with (output / "replies").open("wb") as replies:
        try:
            place_model(work / given["archive"], base / "model", given.get("sha256"))
            ask_all(given, work, base, replies)
        except UnusableError as error:
            print(error, file=sys.stderr, flush=True)
            (output / "error").write_text(str(error), encoding="utf-8")
    (output / "done").write_text("done", encoding="utf-8")


def place_model(archive: Path, folder: Path, sha256: str | None) -> None:
    """Unpack the model as SageMaker does for an endpoint, when it is the one that was kept."""
    hasher = hashlib.sha256()
    with archive.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            hasher.update(block)
    if sha256 is not None and hasher.hexdigest() != sha256:
        raise UnusableError("its artifact is not the one that was kept")
    if folder.exists():
        shutil.rmtree(str(folder))
    try:
        unpack(archive, folder)
    except (LaunchError, OSError, EOFError) as error:
        raise UnusableError(f"its artifact cannot be unpacked: {error}") from error


def ask_all(given: dict[str, Any], work: Path, base: Path, replies: IO[bytes]) -> None:
    """Start the image's server, ask it, and end it whatever comes of that."""
    server = Server(base, given.get("variables") or {})
    try:
        server.start()
        server.wait_until_ready(float(given["start_seconds"]))
        Questions(server, float(given["timed_seconds"]), float(given["timeout"])).ask(work / given["requests"], replies)
    finally:
        server.stop()


def serve_command() -> list[str]:
    """Return what ``docker run IMAGE serve`` would start; an image's entry point is not known from inside of it."""
    found = shutil.which("serve")
    if found is not None:
        return [found]
    # AWS's images for PyTorch, MXNet and Hugging Face have an entry point of such a name that takes "serve"
    # (github.com/aws/sagemaker-pytorch-inference-toolkit, docker/).
    for entry in sorted(Path("/usr/local/bin").glob("*entrypoint.py")):
        return ["python", str(entry), "serve"]
    raise UnusableError(
        "its image has no program `serve` on its path, by which SageMaker's endpoints start a container; "
        "choose another serve.sagemaker.image"
    )


class Server:
    """The server of the image, in a process group of its own."""

    def __init__(self, base: Path, variables: dict[str, str]) -> None:
        # A container is alone with its ports; below another base directory, several may stand side by side.
        self.port = free_port((USUAL_PORT, 0) if str(base) == "/opt/ml" else (0,))
        self._variables = {
            **os.environ,
            "SAGEMAKER_BASE_DIR": str(base),
            "SAGEMAKER_BIND_TO_PORT": str(self.port),
            **{name: value.replace("/opt/ml", str(base)) for name, value in variables.items()},
        }
        self._variables.pop("PYTHONPATH", None)
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._last: deque[str] = deque(maxlen=LAST_LINES)

    def start(self) -> None:
        """Start it; what it prints is this job's log."""
        command = serve_command()
        try:
            self._process = subprocess.Popen(
                command,
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise UnusableError(f"the `serve` of its image does not start: {error.strerror}") from error
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            text = line.decode("utf-8", "replace").rstrip()
            print(text, flush=True)
            if text:
                self._last.append(text[:500])

    def wait_until_ready(self, limit: float) -> None:
        """Return once it answers /ping with 200."""
        end, pause = time.monotonic() + limit, 0.02
        while True:
            if self.exit_code() is not None:
                raise UnusableError(
                    f"the model does not load: its server ended with exit code {self.exit_code()}{self.words()}"
                )
            if self._is_ready():
                return
            if time.monotonic() > end:
                raise UnusableError(f"its server did not answer /ping within {limit:g} s{self.words()}")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.5)

    def _is_ready(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PING_SECONDS)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def exit_code(self) -> int | None:
        """Return the exit code of a server that has ended."""
        return None if self._process is None else self._process.poll()

    def words(self) -> str:
        """Return the last lines that it printed, as the end of a sentence."""
        if self._reader is not None and self.exit_code() is not None:
            self._reader.join(5)
        return f"; its last lines: {' / '.join(self._last)}" if self._last else "; it printed nothing"

    def stop(self) -> None:
        """End it and everything that it started."""
        if self._process is None:
            return
        for number, patience in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, 5.0)):
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                break
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
        if self._reader is not None:
            self._reader.join(5)


def free_port(wanted: tuple[int, ...]) -> int:
    """Return the first of these ports that is free; 0 stands for any."""
    for port in wanted:
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(tried.getsockname()[1])
    raise UnusableError("no port is free in its container")


class Questions:
    """Sends requests one after the other over one connection.

    Args:
        patience: seconds that the timed requests, which come last, are asked for; for 0, none is.
        timeout: seconds for all of them.
    """

    def __init__(self, server: Server, patience: float, timeout: float) -> None:
        self._server = server
        self._patience = patience
        self._timeout = timeout
        self._end = time.monotonic() + timeout
        self._connection = HTTPConnection("127.0.0.1", server.port, timeout=ANSWER_SECONDS)
        self._is_used = False

    def ask(self, requests: Path, replies: IO[bytes]) -> None:
        """Ask everything and write the answers; raise ``UnusableError`` at the first that is none."""
        done = timed = 0
        spent = 0.0
        fewest = FEWEST_TIMED if self._patience else 0
        for head, body in read_requests(requests):
            if head["timed"] and timed >= fewest and spent >= self._patience:
                break
            place = "a timed request" if head["timed"] else rows(done, head["rows"])
            answer, kind, seconds = self._answer(body, head["content_type"], place)
            write_reply(replies, answer, kind, seconds, head["timed"])
            if head["timed"]:
                timed, spent = timed + 1, spent + seconds
            else:
                done += head["rows"]

    def _answer(self, body: bytes, content_type: str, place: str) -> tuple[bytes, str, float]:
        if time.monotonic() > self._end:
            raise UnusableError(f"it had not answered everything after {self._timeout:g} s and was stopped")
        try:
            try:
                status, kind, answer, seconds = self._post(body, content_type)
            except (ConnectionError, HTTPException):
                # A server may close a connection that was idle; only on a new one does silence mean anything.
                if not self._is_used:
                    raise
                self._connection.close()
                self._is_used = False
                status, kind, answer, seconds = self._post(body, content_type)
        except (OSError, HTTPException) as error:
            raise UnusableError(f"the model failed on {place}: {self._silence(error)}") from error
        if status != 200:
            said = re.sub(r"\s+", " ", answer.decode("utf-8", "replace")).strip()[:WORDS]
            raise UnusableError(f"the model failed on {place}: it answered {status}{': ' + said if said else ''}")
        return answer, kind, seconds

    def _post(self, body: bytes, content_type: str) -> tuple[int, str, bytes, float]:
        start = time.perf_counter()
        self._connection.request("POST", "/invocations", body, {"Content-Type": content_type, "Accept": ACCEPT})
        response = self._connection.getresponse()
        answer = response.read()
        self._is_used = True
        return response.status, response.getheader("Content-Type") or ACCEPT, answer, time.perf_counter() - start

    def _silence(self, error: Exception) -> str:
        if isinstance(error, socket.timeout):
            return f"no answer within {ANSWER_SECONDS:g} s{self._server.words()}"
        return f"its server closed the connection ({type(error).__name__}){self._server.words()}"


def rows(done: int, count: int) -> str:
    """Return which rows a request is about."""
    return f"row {done + 1} of the holdout" if count == 1 else f"rows {done + 1} to {done + count} of the holdout"


# The format is that of ``everfit.jobs.request_log``, which images of others cannot import.
def read_requests(path: Path) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Yield head and body of each request in its order."""
    with path.open("rb") as file:
        for line in iter(file.readline, b""):
            head = json.loads(line)
            yield head, file.read(head["bytes"])


def write_reply(file: IO[bytes], body: bytes, content_type: str, seconds: float, timed: bool) -> None:
    """Append an answer."""
    head = {"content_type": content_type, "seconds": seconds, "timed": timed, "bytes": len(body)}
    file.write(json.dumps(head).encode() + b"\n" + body)


if __name__ == "__main__":
    main()
