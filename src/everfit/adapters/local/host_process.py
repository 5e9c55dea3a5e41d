"""The endpoint host from outside: started when it is needed, told of changes, stopped."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, cast

from everfit.domain.errors import BackendError, StateError
from everfit.serving.limits import Limits
from everfit.serving.state_files import is_locked

START_PATIENCE = 30.0
REPLY_PATIENCE = 60.0
PAUSE = 0.02
STARTS = 3
"""A start that ends without a word, killed or short of memory, is tried so often."""
TOLD_OF_LOG = 400


class HostProcess:
    """The host of one state folder; whoever needs it first starts it, and it outlives the command."""

    def __init__(self, folder: Path, port: int | None, limits: Limits) -> None:
        self.folder = folder
        self.limits = limits
        self._port = port

    @property
    def is_running(self) -> bool:
        """Whether a host lives here."""
        return is_locked(self.folder / "host.lock")

    @property
    def is_stopped(self) -> bool:
        """Whether somebody stopped the host and nobody has started it since."""
        return (self.folder / "stopped").exists()

    @property
    def url(self) -> str:
        """Where the host answers, or will answer."""
        with suppress(OSError):
            return f"http://127.0.0.1:{int((self.folder / 'port').read_text())}"
        return f"http://127.0.0.1:{self._port or 8080}"

    def ensure(self) -> None:
        """Start the host unless it runs."""
        deadline, failures = time.monotonic() + START_PATIENCE, 0
        while not self.is_running:
            code = self._start()
            failures += code is not None
            if code is not None and failures == STARTS:
                words = f"The endpoint host did not start: it ended with {code}. {self._last_words()}"
                raise BackendError(f"{words} See {self.folder / 'host.log'}.", retryable=True)
            if time.monotonic() > deadline:
                raise BackendError(f"The endpoint host does not start; see {self.folder / 'host.log'}.", retryable=True)
        running = self._record().get("port")
        if self._port is not None and running is not None and running != self._port:
            raise StateError(
                f"The endpoint host runs on port {running}, not {self._port}: stop it with `everfit down` first."
            )

    def _start(self) -> int | None:
        """Start it; return the exit code of a start that ended without a word."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "stopped").unlink(missing_ok=True)
            log = (self.folder / "host.log").open("ab")
        except OSError as error:
            raise StateError(f"The state folder {self.folder} cannot be used: {error}.") from error
        limits = {
            "body": self.limits.body,
            "request": self.limits.request.total_seconds(),
            "load": self.limits.load.total_seconds(),
        }
        arguments = [str(self.folder), json.dumps(self._port), json.dumps(limits)]
        with log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "everfit.serving.supervisor", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        return self._hear(process)

    def _hear(self, process: subprocess.Popen[bytes]) -> int | None:
        if process.stdout is None:
            return None
        with process.stdout as told:
            line = told.readline()
        if not line:
            return process.wait()
        message: dict[str, Any] = json.loads(line)
        if "started" in message:
            # It outlives this command on purpose, so nobody will ever wait for it.
            process.returncode = 0
            return None
        process.wait()
        if "error" in message:
            raise StateError(message["error"])
        return None

    def _last_words(self) -> str:
        with suppress(OSError), (self.folder / "host.log").open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TOLD_OF_LOG))
            lines = log.read().decode(errors="replace").splitlines()
            return lines[-1] if lines else ""
        return ""

    def tell(self, action: str, **body: object) -> dict[str, Any]:
        """Have the host do something and return what it really serves then."""
        deadline = time.monotonic() + START_PATIENCE
        while True:
            self.ensure()
            try:
                return self._told(action, body)
            except (OSError, http.client.HTTPException, PermissionError) as error:
                # It is just being started, again or by somebody else.
                if time.monotonic() > deadline:
                    raise BackendError(f"The endpoint host does not answer: {error!r}.", retryable=True) from error
                time.sleep(PAUSE)

    def _told(self, action: str, body: dict[str, object]) -> dict[str, Any]:
        record = self._record()
        connection = http.client.HTTPConnection("127.0.0.1", int(record.get("port", 0)), timeout=REPLY_PATIENCE)
        with closing(connection):
            headers = {"Authorization": f"Bearer {record.get('secret', '')}", "Content-Type": "application/json"}
            connection.request("POST", f"/-/{action}", body=json.dumps(body), headers=headers)
            response = connection.getresponse()
            text = response.read()
        if response.status != http.HTTPStatus.OK:
            raise PermissionError(text.decode(errors="replace"))
        return cast("dict[str, Any]", json.loads(text))

    def _record(self) -> dict[str, Any]:
        try:
            return cast("dict[str, Any]", json.loads((self.folder / "host.json").read_bytes()))
        except (OSError, ValueError):
            return {}

    def stop(self) -> bool:
        """Let the host answer what it has and end; False when none was running."""
        if not self.is_running:
            return False
        with suppress(OSError):
            (self.folder / "stopped").touch()
        with suppress(OSError, http.client.HTTPException):
            self._told("stop", {})
        deadline = time.monotonic() + self.limits.request.total_seconds() + 10
        while self.is_running:
            if time.monotonic() > deadline:
                self._kill()
            time.sleep(PAUSE)
        return True

    def _kill(self) -> None:
        pid = self._record().get("pid")
        if isinstance(pid, int):
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
