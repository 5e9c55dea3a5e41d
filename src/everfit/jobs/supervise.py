"""Watches over one job until its last process has ended, then writes ``result.json``.

It outlives whoever started it. It holds a lock on the job's folder as long as it lives, so that nobody has to guess
by a process id whether it still does; the script, in turn, dies with it. Started as
``python -I -S -c "…main()" FOLDER LOCK``, with the values of the secrets on its standard input.
"""

import fcntl
import json
import os
import select
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from everfit.jobs.supervision import children, installation, workplace
from everfit.jobs.supervision.ending import FAILURE_FILE_LIMIT, Facts, failure_of, message_of
from everfit.jobs.supervision.files import BEGUN, free_bytes, holds_files, read_json, write_json
from everfit.jobs.supervision.output import Output
from everfit.jobs.supervision.workplace import Task

READ = 1 << 18
RESERVE = 1 << 16
RESERVE_FILE = "reserve"
DRAIN = 2.0


class WishedToEndError(Exception):
    """The job was stopped, or its time is over, while no process of its own was running."""


class Supervision:
    """One job, from its folder to its result."""

    def __init__(
        self, task: Task, secrets: Mapping[str, str], hidden: Sequence[str], surroundings: Mapping[str, str]
    ) -> None:
        self._task = task
        self._secrets = secrets
        self._surroundings = surroundings
        self._started = time.monotonic()
        self._deadline = self._started + task.timeout
        self._stop = False
        self._wish: str | None = None
        self._kill_at: float | None = None
        self._is_working_alone = False
        self._stage = "script"
        self._peak = 0
        self._oom_kills = children.oom_kills()
        self._python = task.python
        self._sites = task.sites
        self._output = Output(f"{task.folder}/log", task.log_limit, {*secrets.values(), *hidden}, task.definitions)
        self._wake_read, self._wake_write = os.pipe()
        self._pipe_read, self._pipe_write = -1, -1

    def listen(self) -> None:
        """Take a wish to stop as one, and wake up when a child ends."""
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGCHLD, self._on_child)

    def _on_stop(self, *_: object) -> None:
        self._stop = True
        self._interrupt()

    def _interrupt(self, *_: object) -> None:
        if self._is_working_alone:
            self._is_working_alone = False
            raise WishedToEndError

    def _on_child(self, *_: object) -> None:
        """Let the signal wake the poll up; it has to have a handler for that."""

    def work(self) -> dict[str, object]:
        """Do the job and return its result."""
        code: int | None = None
        try:
            self._furnish()
            code = self._install() or self._run_program()
        except WishedToEndError:
            self._wish = self._wish or ("stopped" if self._stop else "timed out")
        except OSError as error:
            self._output.feed(f"[everfit: the job could not be set up: {error}]\n".encode())
        with suppress(OSError):
            os.unlink(f"{self._task.folder}/{RESERVE_FILE}")
        self._output.close()
        return self._result(code)

    def _furnish(self) -> None:
        # Copying gigabytes can take longer than the job may, and no poll is there to see it.
        signal.signal(signal.SIGALRM, self._interrupt)
        self._is_working_alone = True
        try:
            signal.setitimer(signal.ITIMER_REAL, self._task.timeout)
            workplace.furnish(self._task)
        finally:
            self._is_working_alone = False
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _install(self) -> int | None:
        wanted = self._task.installation
        if wanted is None:
            return 0
        self._stage = "requirements"
        folder, requirements = str(wanted["folder"]), str(wanted["requirements"])
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        lock = os.open(f"{folder}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._take(lock)
            if not installation.is_complete(folder):
                self._output.feed(b"[everfit: installing the requirements in an environment of their own]\n")
                code = installation.build(folder, requirements, self._run_tool)
                if code != 0:
                    return code
        finally:
            os.close(lock)
        self._sites = installation.site_packages(folder)
        self._stage = "script"
        return 0

    def _take(self, lock: int) -> None:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            if self._stop or time.monotonic() > self._deadline:
                raise WishedToEndError
            time.sleep(0.05)

    def _run_tool(self, command: Sequence[str]) -> int | None:
        folder = workplace.working_folder(self._task)
        # A private index may need a token that the project file names as a secret.
        own = {**self._surroundings, **self._task.environment, **self._secrets}
        return self._run(command, folder, {**own, children.MARK: self._task.folder})

    def _run_program(self) -> int | None:
        environment = workplace.variables(self._task, self._surroundings, self._secrets)
        # From here on the job cannot be started a second time: its script may have done anything.
        write_json(f"{self._task.folder}/{BEGUN}", {"seconds": time.monotonic() - self._started}, durable=True)
        return self._run(workplace.command_line(self._task), workplace.working_folder(self._task), environment)

    def _run(self, command: Sequence[str], folder: str, environment: Mapping[str, str]) -> int | None:
        """Run a command to its end and return its exit code; nothing that it started is left."""
        if self._stop or time.monotonic() > self._deadline:
            raise WishedToEndError
        self._pipe_read, self._pipe_write = os.pipe()
        group = children.spawn(command, folder, environment, self._pipe_write)
        os.close(self._pipe_write)
        try:
            return self._follow(group)
        finally:
            os.close(self._pipe_read)

    def _follow(self, group: int) -> int | None:
        os.set_blocking(self._pipe_read, False)
        poll = select.poll()
        poll.register(self._pipe_read, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        is_open, ended = True, False
        code: int | None = None
        give_up = 0.0
        while not ended or (is_open and time.monotonic() < give_up):
            if not ended and (status := self._reap(group)) is not None:
                ended, code, give_up = True, os.waitstatus_to_exitcode(status), time.monotonic() + DRAIN
                children.end_descendants(group)
            if ended and not is_open:
                break
            self._press(group, ended=ended)
            poll.poll(self._patience(ended=ended) * 1000)
            self._drain_wake()
            if is_open and not self._read():
                is_open = False
                poll.unregister(self._pipe_read)
        return code

    def _reap(self, script: int) -> int | None:
        """Reap every child that has ended; return the script's status when it is among them."""
        found: int | None = None
        with suppress(ChildProcessError):
            while True:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
                if pid == 0:
                    break
                if pid == script:
                    found = status
                    self._peak = max(self._peak, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
        return found

    def _press(self, group: int, *, ended: bool) -> None:
        """End the script when that is wished: with SIGTERM, and after its grace with SIGKILL."""
        now = time.monotonic()
        if ended:
            return
        if self._wish is None and (self._stop or now >= self._deadline):
            self._wish = "stopped" if self._stop else "timed out"
            self._kill_at = now + self._task.grace
            children.signal_group(group, signal.SIGTERM)
        elif self._kill_at is not None and now >= self._kill_at:
            children.signal_group(group, signal.SIGKILL)

    def _patience(self, *, ended: bool) -> float:
        if ended:
            return 0.05
        until = self._deadline if self._kill_at is None else self._kill_at
        # A kill that has not worked yet is tried again, but not in a busy loop.
        return min(max(until - time.monotonic(), 0.01 if self._kill_at is not None else 0.0), 3600.0)

    def _drain_wake(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self._wake_read, 4096):
                pass

    def _read(self) -> bool:
        """Take one piece of output; False at its end."""
        try:
            data = os.read(self._pipe_read, READ)
        except BlockingIOError:
            return True
        self._output.feed(data)
        return bool(data)

    def _result(self, code: int | None) -> dict[str, object]:
        task = self._task
        facts = Facts(task.what, code, wish=self._wish, stage=self._stage)
        facts.oom_kills = children.oom_kills() - self._oom_kills
        facts.free = free_bytes(task.folder)
        facts.needs_model = task.is_training and not holds_files(f"{task.ml}/model")
        facts.seconds = time.monotonic() - self._started
        facts.timeout = task.timeout
        facts.lines = self._output.last_lines()
        facts.failure_file = self._output.redact(self._failure_file())
        failure = failure_of(facts)
        return {
            "state": "succeeded" if failure is None else "failed",
            "failure": failure,
            "message": None if failure is None else message_of(facts, failure),
            "exit_code": code,
            "claims": self._output.claims,
            "seconds": facts.seconds,
            "peak_memory": self._peak or None,
            "python": self._python,
            "packages": installation.packages(self._sites),
        }

    def _failure_file(self) -> str:
        path = f"{self._task.ml}/output/failure"
        # A pipe of that name would keep its reader waiting for ever.
        if not os.path.isfile(path):
            return ""
        with suppress(OSError), open(path, "rb") as file:
            # A character takes four bytes at most; a secret cut in half by the limit must not slip through.
            return file.read(8 * FAILURE_FILE_LIMIT).decode(errors="replace")
        return ""


def _speak_to(path: str) -> None:
    """Leave the pipe to whoever started this; what goes wrong from now on is written to a file."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)


def main() -> None:
    """Leave whoever started this, and watch over the job.

    The process that was started ends with 0 as soon as the one that watches is on its own.
    """
    folder, lock = sys.argv[1], int(sys.argv[2])
    os.set_inheritable(lock, False)
    given = json.loads(sys.stdin.buffer.read() or b"{}")
    secrets: dict[str, str] = given.get("environment", {})
    hidden: list[str] = given.get("hidden", [])
    ready, tell = os.pipe()
    if os.fork():
        os.close(tell)
        os._exit(0 if os.read(ready, 1) else 1)
    os.close(ready)
    os.setsid()
    children.adopt_orphans()
    task = Task(folder, read_json(f"{folder}/spec.json") or {})
    # Full disks happen in the middle of jobs; the result must find room all the same.
    with open(f"{folder}/{RESERVE_FILE}", "wb") as reserve:
        reserve.write(bytes(RESERVE))
    supervision = Supervision(task, secrets, hidden, dict(os.environ))
    supervision.listen()
    write_json(f"{folder}/supervisor.json", {"pid": os.getpid(), "started": children.start_time(os.getpid())})
    os.write(tell, b"1")
    os.close(tell)
    _speak_to(f"{folder}/supervisor.log")
    result = supervision.work()
    write_json(f"{folder}/result.json", result, durable=True)
    os._exit(0)
