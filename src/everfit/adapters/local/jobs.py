"""Jobs as processes of this machine; each has a supervisor that outlives whoever started it.

The supervisor holds a lock on the job's folder. So "is it running?" is asked of the kernel and never guessed from a
process id, and of two that start the same job one gets the lock.
"""

import fcntl
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import everfit
from everfit.adapters.local.environments import Environments
from everfit.domain.errors import BackendError, BusyError, NotFoundError, RequestError, RunFailedError, StateError
from everfit.domain.job import JobFailure, JobKind, JobSpec, JobState, JobStatus
from everfit.jobs.supervision import children
from everfit.jobs.supervision.contract import SURROUNDINGS
from everfit.jobs.supervision.files import BEGUN, read_json, write_json
from everfit.jobs.supervision.json_values import mapping_of, number_of, text_of
from everfit.jobs.supervision.output import join_segments, last_lines
from everfit.serving import launch

LOG_LIMIT = 100_000_000
LONGEST_NAP = 0.05
BLOCK = 1 << 16
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
# -S and -I keep the user's and the site's packages away, which also makes the start fast.
_SUPERVISE = "import sys; sys.path.append({path!r}); from everfit.jobs.supervise import main; main()"
_FOR_PIP = ("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "NETRC")


class LocalJobs:
    """Jobs below ``runs/<run>/<name>/`` of the state folder.

    Args:
        home: the state folder.
        surroundings: the environment that jobs inherit harmless variables from; None takes this process's.
        log_limit: bytes of output that are kept of each job.
    """

    def __init__(
        self, home: Path, *, surroundings: Mapping[str, str] | None = None, log_limit: int = LOG_LIMIT
    ) -> None:
        self._runs = home.absolute() / "runs"
        self._environments = Environments(home.absolute() / "environments")
        self._surroundings = dict(os.environ if surroundings is None else surroundings)
        self._log_limit = log_limit

    def start(self, spec: JobSpec) -> None:
        """Start the job unless it was started before; also of two that try at once, one starts it."""
        _check(spec)
        folder = self._runs / spec.run / spec.name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with self._lock_to_start(folder) as lock:
                if lock is not None:
                    self._launch(spec, folder, lock)
        except OSError as error:
            raise StateError(f"The job {spec.name} cannot be started in {folder}: {error.strerror}.") from error

    @contextmanager
    def _lock_to_start(self, folder: Path) -> Generator[int | None]:
        """Give the lock of a job that was never started, or None when somebody has started it."""
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            while not _is_locked_by_me(lock):
                # Whoever holds it starts the job, or only looks; or dies before it has started anything.
                if _is_watched(folder):
                    yield None
                    return
                time.sleep(0.002)
            yield None if _has_begun(folder) else lock
        finally:
            os.close(lock)

    def _launch(self, spec: JobSpec, folder: Path, lock: int) -> None:
        write_json(str(folder / "spec.json"), self._spec(spec, folder))
        secrets = {name: spec.environment[name] for name in spec.secrets if name in spec.environment}
        surroundings = {
            name: value
            for name, value in self._surroundings.items()
            if name in SURROUNDINGS or name in _FOR_PIP or name.startswith("PIP_")
        }
        path = str(Path(everfit.__file__).parents[1])
        launched = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _SUPERVISE.format(path=path), str(folder), str(lock)],
            input=json.dumps({"environment": secrets, "hidden": sorted(spec.hidden)}).encode(),
            capture_output=True,
            env=surroundings,
            start_new_session=True,
            pass_fds=[lock],
            check=False,
        )
        if launched.returncode != 0:
            said = "; ".join(last_lines(launched.stderr)[-1:])
            raise BackendError(f"The job {spec.name} could not be started in {folder}: {said or launched.returncode}")

    def _spec(self, spec: JobSpec, folder: Path) -> dict[str, object]:
        environment = self._environments.choose(spec.requirements, spec.code)
        is_own = spec.kind is not JobKind.TRAIN
        return {
            "name": spec.name,
            "kind": spec.kind.value,
            "program": spec.program,
            "command": launch.command(environment.python, spec.program) if is_own else [],
            "code": spec.code,
            "python": environment.python,
            "installation": environment.folder
            and {"folder": environment.folder, "requirements": environment.requirements},
            "sites": [entry for entry in sys.path if entry.endswith("-packages")],
            "parameters": dict(spec.parameters),
            "hyperparameters": dict(spec.hyperparameters),
            "channels": dict(spec.channels),
            "environment": {name: value for name, value in spec.environment.items() if name not in spec.secrets},
            "metric_definitions": dict(spec.metric_definitions),
            "checkpoints": str(folder.parent / "checkpoints") if spec.checkpoints else None,
            "timeout": spec.timeout.total_seconds(),
            "grace": spec.grace.total_seconds(),
            "log_limit": self._log_limit,
        }

    def observe(self, name: str) -> JobStatus:
        """Return how the job stands; one whose supervisor is gone is ended and declared lost."""
        folder = self._folder(name)
        if folder is None:
            return JobStatus(state=JobState.UNKNOWN)
        try:
            return self._observe(folder)
        except OSError as error:
            raise StateError(f"The job {name} cannot be observed in {folder}: {error.strerror}.") from error

    def _observe(self, folder: Path) -> JobStatus:
        if result := read_json(str(folder / "result.json")):
            return _status(folder, result)
        try:
            lock = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return JobStatus(state=JobState.UNKNOWN)
        try:
            return self._observe_unfinished(folder, lock)
        finally:
            os.close(lock)

    def _observe_unfinished(self, folder: Path, lock: int) -> JobStatus:
        if not _is_locked_by_me(lock):
            return JobStatus(state=JobState.RUNNING)
        # It may have ended between the two looks.
        if result := read_json(str(folder / "result.json")):
            return _status(folder, result)
        children.end_marked(str(folder))
        # One whose script was never started can be started again without harm, so it is not lost.
        return _status(folder, _lose(folder)) if _has_begun(folder) else JobStatus(state=JobState.UNKNOWN)

    def wait(self, name: str, patience: timedelta) -> JobStatus:
        """Return as soon as the job has ended, or how it stands when *patience* is over."""
        deadline = time.monotonic() + patience.total_seconds()
        nap = 0.001
        while True:
            status = self.observe(name)
            left = deadline - time.monotonic()
            if status.state is not JobState.RUNNING or left <= 0:
                return status
            if not self._wait_for_supervisor(name, left):
                time.sleep(min(nap, left))
                nap = min(nap * 2, LONGEST_NAP)

    def _wait_for_supervisor(self, name: str, patience: float) -> bool:
        """Sleep until the supervisor ends; False where that cannot be done."""
        pid = self._supervisor(name)
        if pid is None or not hasattr(os, "pidfd_open"):
            return False
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            return False
        try:
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            # A supervisor that dies leaves its lock a moment before it leaves the process table, never later.
            return bool(poll.poll(min(patience, 3600) * 1000))
        finally:
            os.close(handle)

    def stop(self, name: str) -> None:
        """Ask the job to end: SIGTERM to all of its processes, SIGKILL after its grace."""
        if pid := self._supervisor(name):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def report(self, name: str, file: str) -> Mapping[str, object]:
        """Return the JSON file that the job wrote below its ``output/``."""
        folder = self._folder(name)
        report = folder and folder / "ml" / "output" / file
        if report is None or not report.is_file():
            raise NotFoundError(f"The job {name} has no report {file}.")
        try:
            content: object = json.loads(report.read_bytes())
        except ValueError as error:
            raise RunFailedError(f"The report {file} of job {name} is not JSON: {error}.") from error
        if not isinstance(content, dict):
            raise RunFailedError(f"The report {file} of job {name} is not a JSON object.")
        return mapping_of(content)  # pyright: ignore[reportUnknownArgumentType]

    def trim(self, run: str) -> None:
        """Delete what the jobs of a run worked on; what they printed and how they ended stays."""
        for folder in (self._runs / run).glob("*/ml"):
            for part in (folder, folder.with_name("tmp"), folder.with_name("home")):
                shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(self._runs / run / "checkpoints", ignore_errors=True)

    def forget(self, run: str) -> None:
        """Delete everything that the jobs of a run left."""
        if not _NAME.fullmatch(run):
            raise RequestError(f"{run!r} is no run.")
        for folder in (self._runs / run).glob("*/"):
            if (folder / "lock").exists() and self.observe(folder.name).state is JobState.RUNNING:
                raise BusyError(f"The job {folder.name} is still running; stop it before its run is deleted.")
        with suppress(FileNotFoundError):
            shutil.rmtree(self._runs / run)

    def log(self, name: str, start: int = 0) -> Iterator[bytes]:
        """Yield what the job has printed so far, from byte *start* on."""
        folder = self._folder(name)
        if folder is None:
            raise NotFoundError(f"There is no job {name}.")
        with suppress(FileNotFoundError), (folder / "log").open("rb") as file:
            file.seek(start)
            while block := file.read(BLOCK):
                yield block

    def _supervisor(self, name: str) -> int | None:
        folder = self._folder(name)
        identity = read_json(str(folder / "supervisor.json")) if folder else None
        if identity is None:
            return None
        pid = int(str(identity["pid"]))
        return pid if children.start_time(pid) == identity["started"] else None

    def _folder(self, name: str) -> Path | None:
        if not _NAME.fullmatch(name) or not self._runs.is_dir():
            return None
        with os.scandir(self._runs) as entries:
            runs = sorted((entry.name for entry in entries), key=lambda run: run not in name)
        return next((self._runs / run / name for run in runs if (self._runs / run / name).is_dir()), None)


def _check(spec: JobSpec) -> None:
    for text in (spec.run, spec.name, *spec.channels):
        if not _NAME.fullmatch(text):
            raise RequestError(f"{text!r} cannot name a job or a channel; use letters, digits, '.', '_' and '-'.")
    for channel, source in spec.channels.items():
        if not Path(source).exists():
            raise RequestError(f"The channel {channel} of job {spec.name} has no data: {source} does not exist.")
    for metric, pattern in spec.metric_definitions.items():
        try:
            re.compile(pattern)
        except re.error as error:
            raise RequestError(f"The metric definition {metric!r} is no regular expression: {error}.") from error
    if spec.kind is JobKind.TRAIN:
        _check_script(spec)


def _check_script(spec: JobSpec) -> None:
    if spec.code is None:
        raise RequestError(f"The training job {spec.name} has no code.")
    if not spec.program.endswith((".py", ".sh")):
        raise RequestError(f"{spec.program} cannot be run; a training script is a .py or .sh file.")
    if not (Path(spec.code) / spec.program).is_file():
        raise RequestError(f"The training script {spec.program} is not in the code; check train.script.")


def _is_locked_by_me(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_watched(folder: Path) -> bool:
    return (folder / "supervisor.json").exists() or (folder / "result.json").exists()


def _has_begun(folder: Path) -> bool:
    return (folder / BEGUN).exists() or (folder / "result.json").exists()


def _lose(folder: Path) -> dict[str, object]:
    """Write that a job is lost: nobody watches over it any more."""
    log = folder / "log"
    with suppress(OSError):
        join_segments(str(log))
    words = [*_last_lines(log), *_last_lines(folder / "supervisor.log")]
    spec = read_json(str(folder / "spec.json")) or {}
    message = f"{spec.get('program')} is gone without a result: its supervisor was killed or the machine went down."
    if words:
        message += "\nIts last lines:\n" + "\n".join(f"  {line}" for line in words)
    result: dict[str, object] = {"state": "failed", "failure": JobFailure.LOST.value, "message": message}
    # A folder that cannot be written to tells the same tale the next time.
    with suppress(OSError):
        write_json(str(folder / "result.json"), result, durable=True)
    return result


def _last_lines(file: Path) -> list[str]:
    with suppress(FileNotFoundError), file.open("rb") as text:
        text.seek(max(0, text.seek(0, os.SEEK_END) - BLOCK))
        return last_lines(text.read())
    return []


def _status(folder: Path, result: Mapping[str, object]) -> JobStatus:
    state = JobState(result["state"])
    failure, memory = text_of(result.get("failure")), number_of(result.get("peak_memory"))
    return JobStatus(
        state=state,
        output=str(folder / "ml") if state is JobState.SUCCEEDED else None,
        failure=None if failure is None else JobFailure(failure),
        message=text_of(result.get("message")),
        claims={name: float(str(value)) for name, value in mapping_of(result.get("claims")).items()},
        seconds=number_of(result.get("seconds")),
        peak_memory=None if memory is None else int(memory),
        python=text_of(result.get("python")),
        packages={name: str(value) for name, value in mapping_of(result.get("packages")).items()},
    )
