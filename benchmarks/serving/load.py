"""Ask a server over many connections at once, by a program in C that costs less than what it measures.

Run with: .venv/bin/python benchmarks/serving/load.py --port 8080 --path /ping --connections 16 --seconds 5
The program beside it (``load.c``) is compiled by gcc at its first use and kept in the temporary folder. A request costs
it about 6 µs of processor time, so on two processors it takes its share from the server, as any other generator does.
Against a server that answers after 20 ms it counts what the server counts, and agrees with autocannon.

What it prints, in JSON: ``rps`` counts good answers only: status 200, the version in the header and in the body the
same when ``--check-version`` is given, and the number of the request in the answer when the body holds ``@@@@@@@@@@``.
With ``--rate`` requests are due at fixed times and a latency counts from then, whether or not a connection was free.
``gaps`` are the times, longer than ``--gap`` ms, in which no good answer came on any connection; ``max_at``, ``began``
and all other moments are seconds of the monotonic clock.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("load.c")


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What is asked: where, what and how.

    Args:
        requests: the most that are sent; None sends until the time is over.
        rate: requests a second that are due; None asks again as soon as an answer has come.
        gap: milliseconds without a good answer that are worth telling; 0 tells of none.
    """

    port: int
    path: str
    body: bytes | None = None
    content_type: str = "application/json"
    accept: str = "*/*"
    connections: int = 16
    seconds: float = 1.0
    warm_up: float = 0.0
    requests: int | None = None
    rate: float | None = None
    timeout: float = 30.0
    gap: float = 0.0
    check_version: bool = False
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def words(self, body: Path | None) -> list[str]:
        """Return the arguments of the program."""
        known = {
            "port": self.port,
            "path": self.path,
            "type": self.content_type,
            "accept": self.accept,
            "body": body,
            "connections": self.connections,
            "seconds": self.seconds,
            "warm-up": self.warm_up,
            "requests": self.requests,
            "rate": self.rate,
            "timeout": self.timeout,
            "gap": self.gap,
        }
        words = [word for name, value in known.items() if value is not None for word in (f"--{name}", str(value))]
        words += [word for name, value in self.headers.items() for word in ("--header", f"{name}: {value}")]
        return [*words, "--check-version"] if self.check_version else words


class Load:
    """A load that runs beside what is measured; ``result`` waits for its end and returns the figures."""

    def __init__(self, ask: Ask) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="everfit-load-")
        body = None
        if ask.body is not None:
            body = Path(self._folder.name, "body")
            body.write_bytes(ask.body)
        self._process = subprocess.Popen([program(), *ask.words(body)], stdout=subprocess.PIPE, text=True)

    def stop(self) -> dict[str, Any]:
        """Send nothing more, wait for the answers that are missing, and return the figures."""
        self._process.send_signal(signal.SIGINT)
        return self.result()

    def result(self) -> dict[str, Any]:
        """Wait until the time is over and return the figures."""
        told, _ = self._process.communicate()
        self._folder.cleanup()
        if self._process.returncode:
            sys.exit(f"The load generator ended with {self._process.returncode}.")
        return json.loads(told)  # type: ignore[no-any-return]


def measure(ask: Ask) -> dict[str, Any]:
    """Return the figures of one load."""
    return Load(ask).result()


def program() -> str:
    """Return the compiled program; its name holds the digest of its source."""
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    target = Path(tempfile.gettempdir(), f"everfit-load-{os.getuid()}-{digest}")
    if not target.exists():
        fresh = target.with_suffix(f".{os.getpid()}")
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", str(fresh), str(SOURCE)], check=True)
        fresh.rename(target)
    return str(target)


if __name__ == "__main__":
    os.execv(program(), [program(), *sys.argv[1:]])  # noqa: S606 - the program that was just compiled
