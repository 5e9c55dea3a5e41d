"""Watches over one job until its last process has ended, then writes ``result.json``.

It outlives whoever started it. It holds a lock on the job's folder as long as it lives, so that nobody has to guess
by a process id whether it still does; the script, in turn, dies with it. Started as
``python -I -S -c "…main()" FOLDER LOCK``, with the values of the secrets on its standard input.
"""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from everfit.jobs.supervision import children, installation, workplace
from everfit.jobs.supervision.ending import FAILURE_FILE_LIMIT, Facts, failure_of, message_of
from everfit.jobs.supervision.files import BEGUN, free_bytes, holds_files, read_json, write_json
from everfit.jobs.supervision.output import Output
from everfit.jobs.supervision.watch import Watch, WishedToEndError
from everfit.jobs.supervision.workplace import Task

RESERVE = 1 << 16
RESERVE_FILE = "reserve"


class Supervision:
    """One job, from its folder to its result."""

    def __init__(
        self, task: Task, secrets: Mapping[str, str], hidden: Sequence[str], surroundings: Mapping[str, str]
    ) -> None:
        self._task = task
        self._secrets = secrets
        self._surroundings = surroundings
        self._started = time.monotonic()
        self._stage = "script"
        self._oom_kills = children.oom_kills()
        self._python = task.python
        self._sites = task.sites
        self._output = Output(f"{task.folder}/log", task.log_limit, {*secrets.values(), *hidden}, task.definitions)
        self._watch = Watch(self._output, task.timeout, task.grace)

    def listen(self) -> None:
        """Take a wish to stop as one from now on."""
        self._watch.listen()

    def work(self) -> dict[str, object]:
        """Do the job and return its result."""
        code: int | None = None
        try:
            with self._watch.alone():
                workplace.furnish(self._task)
            code = self._install() or self._run_program()
        except WishedToEndError:
            self._watch.note_wish()
        except OSError as error:
            self._output.feed(f"[everfit: the job could not be set up: {error}]\n".encode())
        with suppress(OSError):
            os.unlink(f"{self._task.folder}/{RESERVE_FILE}")
        self._output.close()
        return self._result(code)

    def _install(self) -> int | None:
        wanted = self._task.installation
        if wanted is None:
            return 0
        self._stage = "requirements"
        folder, requirements = str(wanted["folder"]), str(wanted["requirements"])
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        lock = os.open(f"{folder}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._watch.take(lock)
            if not installation.is_complete(folder):
                self._output.feed(b"[everfit: installing the requirements in an environment of their own]\n")
                place = workplace.working_folder(self._task)
                has_pip = installation.can_install_elsewhere(self._task.sites)
                code = installation.build(folder, requirements, place, self._run_tool, has_pip=has_pip)
                if code != 0:
                    return code
        finally:
            os.close(lock)
        self._sites = installation.site_packages(folder)
        self._stage = "script"
        return 0

    def _run_tool(self, command: Sequence[str]) -> int | None:
        folder = workplace.working_folder(self._task)
        # A private index may need a token that the project file names as a secret.
        own = {**self._surroundings, **self._task.environment, **self._secrets}
        return self._watch.run(command, folder, {**own, children.MARK: self._task.folder})

    def _run_program(self) -> int | None:
        environment = workplace.variables(self._task, self._surroundings, self._secrets)
        # From here on the job cannot be started a second time: its script may have done anything.
        write_json(f"{self._task.folder}/{BEGUN}", {"seconds": time.monotonic() - self._started}, durable=True)
        return self._watch.run(workplace.command_line(self._task), workplace.working_folder(self._task), environment)

    def _result(self, code: int | None) -> dict[str, object]:
        task = self._task
        facts = Facts(task.what, code, wish=self._watch.wish, stage=self._stage)
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
            "peak_memory": self._watch.peak_memory or None,
            "python": self._python,
            # An environment is made by this very interpreter, so its version is the same.
            "python_version": ".".join(str(part) for part in sys.version_info[:3]),
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
