"""The endpoint host as a benchmark needs it: in a temporary folder, told what to serve by the adapters.

Run with: .venv/bin/python benchmarks/serving/everfit_server.py --model hgb --workers 2 --port 8099
It serves one of the models of ``models.py`` until its input ends; what it prints, once it answers, says where.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from models import payloads, write_models

from everfit.adapters.local.artifacts import LocalArtifacts
from everfit.adapters.local.endpoints import LocalEndpoints
from everfit.domain.endpoint import SampleRequest, ServedVersion, Service
from everfit.domain.version import Release

ENDPOINT = "bench"
MARK = "EVERFIT_BENCHMARK"
KINDS = ("Pss", "Rss", "Anonymous")
NUMBERED = '''
import os
import time
from pathlib import Path

import sibling


class Numbered:
    """Answers each row with its own number, with that of its code, and with what the row began with."""

    def __init__(self, folder):
        self.number = int(Path(folder, "number").read_text())
        self.weights = Path(folder, "weights").read_bytes()
        self.model = None
        if Path(folder, "hgb.joblib").exists():
            import joblib
            import numpy

            self.model, self.rows = joblib.load(Path(folder, "hgb.joblib")), numpy.zeros((4096, 30))

    def predict(self, rows):
        if self.model is not None:
            self.model.predict(self.rows[: len(rows)])
        return [f"{self.number}:{sibling.NUMBER}:{row[0]}" for row in rows]


def model_fn(folder):
    load, crash = float(Path(folder, "load").read_text()), Path(folder, "crash").read_text()
    time.sleep(load)
    if crash == "exit":
        os._exit(3)
    if crash == "raise":
        raise ValueError("the weights are gone")
    return Numbered(folder)
'''
NUMBERED_BODY = b'{"instances": [["@@@@@@@@@@"]]}'


@dataclass(frozen=True, kw_only=True)
class Numbered:
    """What a version is like that answers with its own number.

    Args:
        size: bytes that it holds in memory.
        load: seconds that it takes to load.
        crash: what becomes of loading it: nothing when empty, else ``raise`` or ``exit``.
        trees: whether each call asks the boosted trees too, so that it costs what a model costs.
    """

    size: int = 0
    load: float = 0.0
    crash: str = ""
    trees: bool = True
    workers: int = 1
    service: Service = field(default_factory=Service)


class Everfit:
    """A host of its own, and what is deployed on it; everything is gone when it is left.

    Args:
        port: where it listens; None takes any that is free.
    """

    def __init__(self, port: int | None = None) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="everfit-bench-", ignore_cleanup_errors=True)
        self.home = Path(self._temporary.name)
        self.port = free_port() if port is None else port
        self.path = f"/endpoints/{ENDPOINT}/invocations"
        self.endpoints = LocalEndpoints(self.home, self.port)
        self._artifacts = LocalArtifacts(self.home)
        self._mark = os.environ.get(MARK) or uuid.uuid4().hex

    def __enter__(self) -> Self:
        os.environ[MARK] = self._mark
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Exception):
            self.endpoints.stop()
        for process in self.processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._temporary.cleanup()

    def processes(self) -> list[int]:
        """Return the living processes of the host, its supervisor and its workers, and none of the control plane."""
        return [process for process in marked(MARK, self._mark) if process != os.getpid()]

    def report(self) -> dict[str, Any]:
        """Return what the host says of the endpoint."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(
                f"GET /endpoints/{ENDPOINT} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
            )
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        return json.loads(answer.partition(b"\r\n\r\n")[2])  # type: ignore[no-any-return]

    def of_models(self, name: str, number: int = 1, workers: int = 1, service: Service | None = None) -> ServedVersion:
        """Return a version that serves one of the models with the default handlers."""
        write_models(self.home / "trained")
        folder = self.home / "made" / f"{name}-{number}"
        folder.mkdir(parents=True)
        shutil.copy(self.home / "trained" / f"{name}.joblib", folder)
        (folder / "number").write_text(str(number))
        sample = SampleRequest(body=payloads()["1-row JSON"].body.decode(), content_type="application/json")
        made = self._packed(number, folder, None, sample)
        return replace(made, workers=workers, service=service or Service())

    def numbered(self, number: int, like: Numbered) -> ServedVersion:
        """Return a version that answers with its own number."""
        folder, code = self.home / "made" / str(number), self.home / "made" / f"{number}-code"
        folder.mkdir(parents=True)
        code.mkdir()
        if like.trees:
            write_models(self.home / "trained")
            shutil.copy(self.home / "trained" / "hgb.joblib", folder)
        (folder / "number").write_text(str(number))
        (folder / "load").write_text(str(like.load))
        (folder / "crash").write_text(like.crash)
        with (folder / "weights").open("wb") as weights:
            for _ in range(like.size // 2**20):
                weights.write(os.urandom(2**20))
        (code / "inference.py").write_text(NUMBERED)
        (code / "sibling.py").write_text(f"NUMBER = {number}\n")
        sample = SampleRequest(body='{"instances": [["sample"]]}', content_type="application/json")
        made = self._packed(number, folder, code, sample)
        shutil.rmtree(folder)
        return replace(made, workers=like.workers, service=like.service)

    def _packed(self, number: int, folder: Path, code: Path | None, sample: SampleRequest) -> ServedVersion:
        digest = self._artifacts.pack(str(folder), None if code is None else str(code), None).digest
        return ServedVersion(
            model_name="bench",
            version=number,
            artifact=digest,
            model=self._artifacts.unpacked(digest),
            python=sys.executable,
            sample=sample,
        )

    def stage(self, version: ServedVersion) -> None:
        """Load it beside what serves."""
        self.endpoints.stage(ENDPOINT, version, fence=1)

    def shift(self, *versions: ServedVersion, weights: Sequence[float] = (1.0,)) -> None:
        """Give the versions their shares."""
        shares = {version.version: weight for version, weight in zip(versions, weights, strict=True)}
        self.endpoints.shift(ENDPOINT, shares, [release(version) for version in versions], fence=1)

    def keep(self, *versions: ServedVersion) -> None:
        """Let all other versions go."""
        self.endpoints.settle(ENDPOINT, [version.version for version in versions], fence=1)

    def deploy(self, version: ServedVersion) -> None:
        """Give it all the traffic."""
        self.stage(version)
        self.shift(version)


def release(version: ServedVersion) -> Release:
    """Return the proof that the version may serve."""
    return Release(
        model=version.model_name,
        environment="production",
        version=version.version,
        artifact=version.artifact,
        verdict="sha256:verdict",
    )


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


def marked(name: str, value: str) -> list[int]:
    """Return the living processes whose environment holds the variable, by which a whole tree is found again."""
    wanted, found = f"{name}={value}".encode(), list[int]()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdecimal() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return sorted(found)


def memory(processes: Sequence[int]) -> dict[str, float]:
    """Return the memory of the processes in MB and their number.

    PSS counts what is shared in parts, RSS counts it in each process. Anonymous memory is what they have written
    themselves, the only one that does not change with what else runs on the machine.
    """
    sums, count = dict.fromkeys(KINDS, 0), 0
    for process in processes:
        with suppress(OSError):
            for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]:
                kind = line.partition(":")[0]
                if kind in sums:
                    sums[kind] += int(line.split()[1])
            count += 1
    sizes = {"pss_mb": sums["Pss"], "rss_mb": sums["Rss"], "own_mb": sums["Anonymous"]}
    return {name: round(size / 1024, 2) for name, size in sizes.items()} | {"processes": count}


def processor_seconds(processes: Sequence[int]) -> float:
    """Return how long processors have worked for the living processes."""
    ticks = 0
    for process in processes:
        with suppress(OSError):
            after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += int(after_name[11]) + int(after_name[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def version_of_code() -> str:
    """Return the commit that is measured."""
    here = Path(__file__).parent
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=here, capture_output=True, text=True, check=False
    )
    return told.stdout.strip()


def main() -> None:
    """Serve until the input ends."""
    words = argparse.ArgumentParser()
    words.add_argument("--model", default="hgb")
    words.add_argument("--workers", type=int, default=1)
    words.add_argument("--port", type=int)
    words.add_argument("--batch", type=int, default=Service().batch)
    words.add_argument("--gather", type=float, default=Service().gather)
    words.add_argument("--capture", type=float, default=0.0)
    options = words.parse_args()
    service = Service(batch=options.batch, gather=options.gather, capture=options.capture, most_workers=options.workers)
    with Everfit(options.port) as everfit:
        started = time.monotonic()
        everfit.deploy(everfit.of_models(options.model, workers=options.workers, service=service))
        where = {
            "port": everfit.port,
            "path": everfit.path,
            "mark": f"{MARK}={os.environ[MARK]}",
            "helper": os.getpid(),
        }
        print(json.dumps({**where, "seconds": round(time.monotonic() - started, 2)}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
