"""A container without Docker: a real process in a directory of its own, with ``/opt/ml`` moved there.

Every ``/opt/ml`` in command, arguments and environment becomes that directory, and ``SAGEMAKER_BASE_DIR`` names it.
What the process prints goes to CloudWatch Logs by the role of the job.
"""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from botocore.exceptions import ClientError

from tests.aws.bench.world import ResetError, World, end_group

BASE = "/opt/ml"
BATCH = 0.1
# What the training toolkit says before the user's own program says anything.
TOOLKIT = b"Invoking user script"


class Container:
    """One process, from its directory to its end.

    Args:
        kind: the part of the bench's folder in which it lives.
        log: group and stream.
    """

    def __init__(self, world: World, kind: str, region: str, role: str, log: tuple[str, str]) -> None:
        self._world = world
        self._region = region
        self._role = role
        self._log = Log(world, region, role, log)
        self.root = world.new_folder(kind)
        self.ml = self.root / "ml"
        (self.ml / "output").mkdir(parents=True)
        (self.root / "bin").mkdir()
        (self.root / "tmp").mkdir()
        self.process: subprocess.Popen[bytes] | None = None
        self.first_line = threading.Event()
        self._reader: threading.Thread | None = None

    @property
    def lines(self) -> list[str]:
        """What the process has printed so far."""
        return self._log.lines

    def moved(self, text: str) -> str:
        """Return *text* with the platform's directory replaced by this container's."""
        return text.replace(BASE, str(self.ml))

    def offer(self, name: str, command: list[str]) -> None:
        """Put a program *name* on the path of the process."""
        path = self.root / "bin" / name
        quoted = " ".join(f"'{part}'" for part in command)
        path.write_text(f'#!/bin/sh\nexec {quoted} "$@"\n')
        path.chmod(0o755)

    def start(self, command: list[str], environment: Mapping[str, str], folder: Path | None = None) -> None:
        """Start the process in *folder*, which is its base directory unless given."""
        variables = {**self._variables(), **{name: self.moved(value) for name, value in environment.items()}}
        moved = [self.moved(part) for part in command]
        try:
            self.process = subprocess.Popen(
                moved,
                cwd=folder or self.ml,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise StartError(f"{command[0]}: {error.strerror}") from error
        self._world.adopt(self.process)
        assert self.process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self._reader.start()

    def _variables(self) -> dict[str, str]:
        return {
            "PATH": os.pathsep.join([str(self.root / "bin"), str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
            "HOME": str(self.root),
            "TMPDIR": str(self.root / "tmp"),
            "LANG": "C.UTF-8",
            # The framework images set it, so that the log of a job is that of the moment.
            "PYTHONUNBUFFERED": "1",
            "SAGEMAKER_BASE_DIR": str(self.ml),
            "AWS_ENDPOINT_URL": self._world.address,
            "AWS_ACCESS_KEY_ID": self._world.identities.key_of(self._role),
            "AWS_SECRET_ACCESS_KEY": "bench-bench-bench-bench",
            "AWS_REGION": self._region,
            "AWS_DEFAULT_REGION": self._region,
            "SAGEMAKER_REGION": self._region,
        }

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            self._log.add(line.decode(errors="replace").rstrip("\n"))
            if not line.startswith(TOOLKIT):
                self.first_line.set()
        stream.close()

    def wait(self, is_over: Callable[[], bool], seconds: Callable[[], float]) -> int | None:
        """Return the exit code; None when *is_over* or when *seconds* have passed first."""
        process = self.process
        assert process is not None
        self._world.until(lambda: process.poll() is not None or is_over(), seconds)
        return process.poll()

    def stop(self) -> int:
        """End it as Docker does: SIGTERM to the first process, and SIGKILL to all of them after the grace."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            self.process.wait(timeout=self._world.settings.grace)
        except subprocess.TimeoutExpired:
            end_group(self.process)
        return self.process.wait(timeout=10)

    def close(self) -> None:
        """Leave nothing running, and tell the rest of the log; the directory stays until ``remove``."""
        if self.process is not None:
            end_group(self.process)
            self.process.wait(timeout=10)
            self._world.release(self.process)
        if self._reader is not None:
            self._reader.join(timeout=5)
        self._log.flush()

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)


class StartError(Exception):
    """The program of a container cannot be started."""


class Log:
    """The lines of a process, sent to CloudWatch Logs in batches."""

    def __init__(self, world: World, region: str, role: str, place: tuple[str, str]) -> None:
        self._world = world
        self._client = world.client("logs", region, role)
        self._group, self._stream = place
        self._sent = 0
        self._sent_at = time.monotonic()
        self._is_made = False
        self._guard = threading.Lock()
        self.lines: list[str] = []

    def add(self, line: str) -> None:
        self.lines.append(line)
        if time.monotonic() - self._sent_at > BATCH:
            self.flush()

    def flush(self) -> None:
        """Send what is new; a role that may not write logs loses them, as on AWS."""
        with self._guard, suppress(ClientError, ResetError, OSError):
            fresh = self.lines[self._sent :]
            self._sent, self._sent_at = self._sent + len(fresh), time.monotonic()
            if not fresh:
                return
            if not self._is_made:
                self._make()
            moment = int(time.time() * 1000)
            events = [{"timestamp": moment, "message": line or " "} for line in fresh]
            self._client.put_log_events(logGroupName=self._group, logStreamName=self._stream, logEvents=events)

    def _make(self) -> None:
        self._is_made = True
        given = {"logGroupName": self._group, "logStreamName": self._stream}
        try:
            self._client.create_log_stream(**given)
        except self._client.exceptions.ResourceNotFoundException:
            with suppress(self._client.exceptions.ResourceAlreadyExistsException):
                self._client.create_log_group(logGroupName=self._group)
            self._client.create_log_stream(**given)
