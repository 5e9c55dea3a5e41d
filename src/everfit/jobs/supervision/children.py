"""Processes that cannot get lost: started in a group of their own, found again, ended to the last one."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

MARK = "EVERFIT_JOB"
_IS_LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_libc = ctypes.CDLL(None) if _IS_LINUX else None


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent ends (Linux)."""
    if _libc is not None:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def spawn(command: Sequence[str], folder: str, environment: Mapping[str, str], output: int) -> int:
    """Start *command* in *folder*, in a process group of its own, printing to *output*; return its pid.

    On Linux it dies with this process.
    """
    parent = os.getpid()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
    pid = os.fork()
    if pid == 0:
        _become(command, folder, environment, output, parent)
    with suppress(OSError):
        os.setpgid(pid, pid)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return pid


def _become(command: Sequence[str], folder: str, environment: Mapping[str, str], output: int, parent: int) -> None:
    try:
        os.setpgid(0, 0)
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)
        # What Python ignores or handles would stay ignored, or get lost, in the program that follows.
        for number in (*_HANDLED, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(folder)
        os.execve(command[0], list(command), dict(environment))  # noqa: S606 - the user's own program
    except (OSError, ValueError) as error:
        os.write(2, f"{command[0]} could not be started: {error}\n".encode())
    finally:
        os._exit(127)


def signal_group(group: int, number: int) -> None:
    """Send a signal to every process of the group that still exists."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def end_descendants(group: int, patience: float = 5.0) -> None:
    """Kill and reap everything that descends from this process, also what has left the group (Linux)."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        signal_group(group, signal.SIGKILL)
        for pid in _children():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            return
        time.sleep(0.002)


def _children() -> list[int]:
    with suppress(OSError), open(f"/proc/{os.getpid()}/task/{os.getpid()}/children", encoding="ascii") as file:
        return [int(pid) for pid in file.read().split()]
    return []


def end_marked(folder: str, patience: float = 5.0) -> None:
    """Kill every process of the job in *folder*; its supervisor is gone (Linux)."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and (pids := list(marked(folder))):
        for pid in pids:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)


def marked(folder: str) -> Iterator[int]:
    """Yield the processes of the job in *folder*, by the mark in their environment (Linux)."""
    mark = f"{MARK}={folder}".encode()
    if not _IS_LINUX:
        return
    for entry in os.listdir("/proc"):
        # A process that ends meanwhile, or is somebody else's, cannot be read; neither is one of the job's.
        with suppress(OSError):
            if entry.isdigit() and mark in _read(f"/proc/{entry}/environ").split(b"\0"):
                yield int(entry)


def start_time(pid: int) -> str | None:
    """Return when the process started, in whatever unit the system tells; None when it is dead."""
    if not _IS_LINUX:
        return start_time_by_ps(pid)
    try:
        # The command's name may hold blanks and brackets: the fields are counted from its last bracket on.
        fields = _read(f"/proc/{int(pid)}/stat").rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # State is field 3 of the manual page, the start in clock ticks since boot is field 22. A zombie does nothing
    # any more; its parent just has not looked yet.
    return None if fields[0] in {b"Z", b"X"} else fields[19].decode()


def start_time_by_ps(pid: int) -> str | None:
    """Return when the process started, where there is no ``/proc``; None when it is dead."""
    import subprocess  # noqa: PLC0415 - slow to import, and Linux does without

    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    told = subprocess.run(command, capture_output=True, text=True, check=False, env={"LC_ALL": "C", "PATH": os.defpath})
    state, _, moment = told.stdout.strip().partition(" ")
    return None if told.returncode or state.startswith("Z") else "_".join(moment.split())


def oom_kills() -> int:
    """Return how many processes the kernel has killed for want of memory."""
    total = 0
    with suppress(OSError, ValueError):
        total += _count(_read("/proc/vmstat"), b"oom_kill")
    with suppress(OSError, ValueError):
        group = _read("/proc/self/cgroup").decode().rpartition("::")[2].strip()
        total += _count(_read(f"/sys/fs/cgroup{group}/memory.events"), b"oom_kill")
    return total


def _count(table: bytes, name: bytes) -> int:
    return sum(int(line.split()[1]) for line in table.splitlines() if line.split()[:1] == [name])


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
