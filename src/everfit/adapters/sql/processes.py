"""Who a process is: its host, its number and when it started, because numbers are given out again."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from everfit.jobs.supervision.children import start_time


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """One process of one machine, for ever.

    Args:
        started: opaque; the same for a process as long as it lives, another one for the next of that number.
    """

    host: str
    pid: int
    started: str

    def __str__(self) -> str:
        return f"{self.host}/{self.pid}/{self.started}"

    @property
    def name(self) -> str:
        """How a person finds it."""
        return f"process {self.pid} on {self.host}"


def identity(pid: int | None = None) -> ProcessIdentity | None:
    """Return who the living process *pid* is, by default this one; None when there is none."""
    number = os.getpid() if pid is None else pid
    started = _started(number)
    return None if started is None else ProcessIdentity(host=os.uname().nodename, pid=number, started=started)


def this_process() -> ProcessIdentity:
    """Return who this process is."""
    me = identity()
    if me is None:
        return ProcessIdentity(host=os.uname().nodename, pid=os.getpid(), started="unknown")
    return me


def parsed(text: str) -> ProcessIdentity | None:
    """Return the identity that ``str`` wrote, with or without ``#`` and a worker's name; None if it is none."""
    parts = text.partition("#")[0].rsplit("/", 2)
    if len(parts) != 3 or not parts[1].isdecimal():
        return None
    return ProcessIdentity(host=parts[0], pid=int(parts[1]), started=parts[2])


def is_alive(process: ProcessIdentity) -> bool:
    """Return whether the process lives, as far as can be known from here; what cannot be known is alive."""
    if process.host != os.uname().nodename or process.started == "unknown":
        return True
    moment, _, place = process.started.partition("@")
    boot, _, space = place.partition(".")
    here_boot, _, here_space = _place().partition(".")
    if boot != here_boot:
        return False
    if space != here_space:
        return True
    now = _started(process.pid)
    return now is not None and now.partition("@")[0] == moment


def is_gone(owner: str) -> bool:
    """Return whether the owner of a lease is known to be dead."""
    process = parsed(owner)
    return process is not None and not is_alive(process)


def described(owner: str) -> str:
    """Return the owner of a lease as a person finds it."""
    process = parsed(owner)
    return owner if process is None else process.name


def _started(pid: int) -> str | None:
    moment = start_time(pid)
    return None if moment is None else f"{moment}@{_place()}"


@cache
def _place() -> str:
    """Return which start of the machine this is, and which of its name spaces numbers its processes."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
        # Containers may share a host name and a state folder, yet number their processes apart.
        return f"{boot}.{os.readlink('/proc/self/ns/pid').strip('pid:[]')}"
    except OSError:
        return "."
