"""Jobs as processes of this machine; each has a supervisor that outlives whoever started it.

The supervisor holds a lock on the job's folder. So "is it running?" is asked of the kernel and never guessed from a
process id, and of two that start the same job one gets the lock.
"""

import fcntl
import json
import os
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
from everfit.adapters.local.job_request import NAME, check, description
from everfit.adapters.local.job_result import lose, status_of
from everfit.domain.errors import BackendError, BusyError, NotFoundError, RequestError, RunFailedError, StateError
from everfit.domain.job import JobSpec, JobState, JobStatus
from everfit.jobs.supervision import children
from everfit.jobs.supervision.contract import SURROUNDINGS
from everfit.jobs.supervision.files import BEGUN, read_json, write_json
from everfit.jobs.supervision.json_values import mapping_of
from everfit.jobs.supervision.output import last_lines

LOG_LIMIT = 100_000_000
LONGEST_NAP = 0.05
BLOCK = 1 << 16
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
        check(spec)
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
        environment = self._environments.choose(spec.requirements, spec.code)
        write_json(str(folder / "spec.json"), description(spec, folder, environment, self._log_limit))
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
            return status_of(folder, result)
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
            return status_of(folder, result)
        children.end_marked(str(folder))
        # One whose script was never started can be started again without harm, so it is not lost.
        return status_of(folder, lose(folder)) if _has_begun(folder) else JobStatus(state=JobState.UNKNOWN)

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
        """Delete what the jobs of a run worked on; their reports, what they printed and how they ended stay."""
        for folder in (self._runs / run).glob("*/ml"):
            large = [part for part in folder.iterdir() if part.name != "output"]
            large += [part for part in folder.glob("output/*") if part.is_dir()]
            for part in (*large, folder.with_name("tmp"), folder.with_name("home")):
                shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(self._runs / run / "checkpoints", ignore_errors=True)

    def forget(self, run: str) -> None:
        """Delete everything that the jobs of a run left."""
        if not NAME.fullmatch(run):
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
        if not NAME.fullmatch(name) or not self._runs.is_dir():
            return None
        with os.scandir(self._runs) as entries:
            runs = sorted((entry.name for entry in entries), key=lambda run: run not in name)
        return next((self._runs / run / name for run in runs if (self._runs / run / name).is_dir()), None)


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
