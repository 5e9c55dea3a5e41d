"""The endpoint host from outside: started when it is needed, told of changes, stopped."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from everfit.domain.errors import BackendError, StateError
from everfit.serving.access import LOOPBACK, TOKENS, HostAccess, reachable, url_of
from everfit.serving.limits import Limits, to_document
from everfit.serving.state_files import is_locked

USUAL_PORT = 8080
START_PATIENCE = 30.0
REPLY_PATIENCE = 60.0
PAUSE = 0.02
STARTS = 3
"""A start that ends without a word, killed or short of memory, is tried so often."""
TOLD_OF_LOG = 400
NOTHING_CHOSEN = HostAccess()


class HostProcess:
    """The host of one state folder; whoever needs it first starts it, and it outlives the command.

    Args:
        port: that was chosen; None takes that of *access*, the one it had before, the usual one or a free one.
        access: what else was chosen of how it is reached; a running host that is reached otherwise is an error.
        limits: of a host that is started; a running one keeps its own.
    """

    def __init__(self, folder: Path, port: int | None, limits: Limits, access: HostAccess = NOTHING_CHOSEN) -> None:
        self.folder = folder
        self.limits = limits
        self._access = access if port is None else replace(access, port=port)

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
        record, port = self._record(), self._access.wanted_port or USUAL_PORT
        with suppress(OSError):
            port = int((self.folder / "port").read_text())
        return url_of(record.get("host", self._access.host), port)

    @property
    def credentials(self) -> dict[str, str]:
        """The headers by which a caller is let in."""
        tokens: list[str] = self._record().get("tokens", [])
        return {"X-Everfit-Token": tokens[0]} if tokens else {}

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
        self._check_running()

    def _check_running(self) -> None:
        """Raise ``StateError`` when the running host is reached in another way than was chosen."""
        record, port = self._record(), self._access.wanted_port
        running = record.get("port")
        # What a host before left says nothing of one that is just being started.
        if running is None or not is_alive(record["pid"]):
            return
        if port is not None and running != port:
            raise StateError(
                f"The endpoint host runs on port {running}, not {port}: stop it with `everfit down` first."
            )
        if not self._access.is_chosen:
            return
        host: str = record.get("host", LOOPBACK)
        if host != self._access.host:
            raise StateError(
                f"The endpoint host listens on {host}, not {self._access.host}: stop it with `everfit down` first."
            )
        if record.get("tokens", []) != list(self._access.tokens):
            raise StateError(
                "The endpoint host runs with other tokens than EVERFIT_SERVE_TOKEN names: stop it with `everfit down` "
                "first."
            )

    def _start(self) -> int | None:
        """Start it; return the exit code of a start that ended without a word."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "stopped").unlink(missing_ok=True)
            log = (self.folder / "host.log").open("ab")
        except OSError as error:
            raise StateError(f"The state folder {self.folder} cannot be used: {error}.") from error
        # Tokens never stand in a list of processes.
        chosen = {"address": self._access.address, "port": self._access.port}
        arguments = [str(self.folder), json.dumps(chosen), json.dumps(to_document(self.limits))]
        with log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "everfit.serving.supervisor", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, TOKENS: ",".join(self._access.tokens)},
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
        host, port = reachable(record.get("host", self._access.host)), int(record.get("port", 0))
        connection = http.client.HTTPConnection(host, port, timeout=REPLY_PATIENCE)
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


def is_alive(process: int) -> bool:
    """Whether there is a process of that number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
