"""Other servers with the same models, each in an environment of its own below ``PEERS`` (default /tmp/peers).

Run with: .venv/bin/python benchmarks/serving/peers.py install [NAME …]
      or: .venv/bin/python benchmarks/serving/peers.py serve NAME --model hgb --port 8099
``install`` makes the environments, one after the other. ``serve`` starts one server and ends it with the input. Each is
set up for two processors as its own documentation says: as many workers as processors, or one where that was faster,
batching where it has it, access logs off, and one thread for each worker's numbers, as two workers with two threads
each wait for each other.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from everfit_server import MARK, free_port, marked
from models import MODELS, Payload, payloads

HERE = Path(__file__).parent
PLACE = Path(os.environ.get("PEERS", "/tmp/peers"))  # noqa: S108 - a benchmark's own place, which can be changed
PACKAGES = {
    "fastapi": ["fastapi", "uvicorn[standard]"],
    # Its workers do not start with a newer uvloop, which makes no event loop unasked.
    "mlserver": ["mlserver", "uvloop==0.21.0"],
    "bentoml": ["bentoml", "uvicorn[standard]"],
    "litserve": ["litserve"],
    "mlflow": ["mlflow", "uvicorn[standard]"],
    "ray": ["ray[serve]"],
}
START_PATIENCE = 180.0
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Wanted:
    """How one server wants a request: where, in which type and which words."""

    path: str
    content_type: str
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One server.

    Args:
        environment: the folder below ``PLACE``; None is this one.
        command: the words that start it, given a folder of its own, the model's file and the port.
        ask: how it wants a payload.
        told: what its answer says, as numbers.
    """

    environment: str | None
    command: Callable[[Path, Path, int], list[str]]
    ask: Callable[[Payload], Wanted]
    told: Callable[[Any], list[float]]
    variables: Mapping[str, str] = field(default_factory=dict[str, str])


def python(environment: str) -> str:
    """Return the interpreter of a peer's environment."""
    return str(PLACE / environment / "bin" / "python")


def plain(payload: Payload) -> Wanted:
    """Return the request as it is."""
    return Wanted("/invocations", payload.content_type, payload.body)


def predictions(answer: Any) -> list[float]:
    """Return the predictions by that name."""
    return list(answer["predictions"])


def fastapi(workers: int) -> Peer:
    """Return FastAPI on uvicorn."""

    def command(_folder: Path, _model: Path, port: int) -> list[str]:
        words = ["-m", "uvicorn", "fastapi_app:app", "--port", str(port), "--workers", str(workers)]
        return [python("fastapi"), *words, "--loop", "uvloop", "--http", "httptools", "--no-access-log"]

    return Peer(environment="fastapi", command=command, ask=plain, told=predictions)


def mlserver(workers: int) -> Peer:
    """Return MLServer with adaptive batching; without workers the model is in the server's own process."""

    def command(folder: Path, _model: Path, port: int) -> list[str]:
        model = {
            "name": "bench",
            "implementation": "mlserver_model.Model",
            "max_batch_size": 64,
            "max_batch_time": 0.002,
        }
        ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port(), "metrics_endpoint": None}
        quiet = {"debug": False, "host": "127.0.0.1", "use_structured_logging": False}
        (folder / "model-settings.json").write_text(json.dumps(model))
        (folder / "settings.json").write_text(json.dumps({**ports, **quiet, "parallel_workers": workers}))
        return [str(PLACE / "mlserver" / "bin" / "mlserver"), "start", str(folder)]

    def ask(payload: Payload) -> Wanted:
        if payload.is_csv:
            given = {"name": "rows", "shape": [1, 1], "datatype": "BYTES", "data": [payload.csv]}
        else:
            shape = [len(payload.rows), len(payload.rows[0])]
            given = {"name": "rows", "shape": shape, "datatype": "FP64", "data": payload.rows}
        return Wanted("/v2/models/bench/infer", "application/json", json.dumps({"inputs": [given]}).encode())

    def told(answer: Any) -> list[float]:
        (output,) = answer["outputs"]
        data = output["data"]
        return list(json.loads(data[0])) if output["datatype"] == "BYTES" else list(data)

    return Peer(environment="mlserver", command=command, ask=ask, told=told)


def bentoml(workers: int, *, batching: bool) -> Peer:
    """Return BentoML."""

    def command(folder: Path, _model: Path, port: int) -> list[str]:
        words = ["-m", "bentoml", "serve", "bentoml_service:Bench", "--port", str(port), "--host", "127.0.0.1"]
        return [python("bentoml"), *words, "--working-dir", str(HERE / "peer_servers")]

    def ask(payload: Payload) -> Wanted:
        if payload.is_csv:
            return Wanted("/csv", "application/json", json.dumps({"texts": [payload.csv]}).encode())
        return plain(payload)

    def told(answer: Any) -> list[float]:
        return list(answer[0]) if isinstance(answer[0], list) else list(answer)

    variables = {"PEER_WORKERS": str(workers), "PEER_BATCHING": str(int(batching)), "BENTOML_DO_NOT_TRACK": "1"}
    return Peer(environment="bentoml", command=command, ask=ask, told=told, variables=variables)


def litserve(workers: int) -> Peer:
    """Return LitServe with batching."""

    def ask(payload: Payload) -> Wanted:
        if payload.is_csv:
            return Wanted("/invocations", "application/json", json.dumps({"csv": payload.csv}).encode())
        return plain(payload)

    return Peer(
        environment="litserve",
        command=lambda *_: [python("litserve"), "litserve_app.py"],
        ask=ask,
        told=predictions,
        variables={"PEER_WORKERS": str(workers)},
    )


def mlflow(workers: int) -> Peer:
    """Return MLflow's scoring server, whose CSV needs a line of names."""

    def command(folder: Path, _model: Path, port: int) -> list[str]:
        subprocess.run(
            [python("mlflow"), "mlflow_model.py", str(folder / "model")],
            check=True,
            env=environment(),
            cwd=HERE / "peer_servers",
        )
        words = ["-m", "mlflow", "models", "serve", "-m", str(folder / "model"), "--env-manager", "local"]
        return [python("mlflow"), *words, "--port", str(port), "--workers", str(workers)]

    def environment() -> dict[str, str]:
        return dict(os.environ)

    def ask(payload: Payload) -> Wanted:
        if payload.is_csv:
            names = ",".join(f"c{number}" for number in range(len(payload.rows[0])))
            return Wanted("/invocations", "text/csv", f"{names}\n{payload.csv}".encode())
        return plain(payload)

    return Peer(environment="mlflow", command=command, ask=ask, told=predictions)


def ray(workers: int) -> Peer:
    """Return Ray Serve with batching, without HAProxy, which is a program of its own."""
    return Peer(
        environment="ray",
        command=lambda *_: [python("ray"), "ray_app.py"],
        ask=plain,
        told=predictions,
        variables={"PEER_WORKERS": str(workers), "RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"},
    )


def everfit(workers: int) -> Peer:
    """Return the endpoint host."""

    def command(_folder: Path, model: Path, port: int) -> list[str]:
        words = ["--model", model.stem, "--workers", str(workers), "--port", str(port)]
        return [sys.executable, str(HERE / "everfit_server.py"), *words]

    def ask(payload: Payload) -> Wanted:
        return Wanted("/endpoints/bench/invocations", payload.content_type, payload.body)

    return Peer(environment=None, command=command, ask=ask, told=predictions)


def single() -> Peer:
    """Return the endpoint host's own code in one process."""

    def command(_folder: Path, model: Path, port: int) -> list[str]:
        return [sys.executable, str(HERE / "single_process.py"), "--model", str(model), "--port", str(port)]

    def ask(payload: Payload) -> Wanted:
        return Wanted("/endpoints/bench/invocations", payload.content_type, payload.body)

    return Peer(environment=None, command=command, ask=ask, told=predictions)


PEERS: Mapping[str, Peer] = {
    "everfit": everfit(1),
    "everfit-2": everfit(2),
    "single": single(),
    "fastapi": fastapi(1),
    "fastapi-2": fastapi(2),
    "mlserver-0": mlserver(0),
    "mlserver": mlserver(1),
    "mlserver-2": mlserver(2),
    "bentoml": bentoml(2, batching=True),
    "bentoml-plain": bentoml(2, batching=False),
    "litserve": litserve(1),
    "litserve-2": litserve(2),
    "mlflow": mlflow(1),
    "mlflow-2": mlflow(2),
    "ray": ray(1),
    "ray-2": ray(2),
}


class Running:
    """A server that runs, with the model; it has answered every payload rightly before it is handed out."""

    def __init__(self, name: str, model: str) -> None:
        self.peer = PEERS[name]
        self.port = free_port()
        self._name, self._model = name, model
        self._mark = uuid.uuid4().hex
        self._folder = tempfile.TemporaryDirectory(prefix=f"everfit-bench-{name}-", ignore_cleanup_errors=True)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        own = sys.executable if self.peer.environment is None else python(self.peer.environment)
        trained = Path(PLACE, "models", self.peer.environment or "everfit")
        subprocess.run([own, str(HERE / "models.py"), str(trained)], check=True)
        folder, model = Path(self._folder.name), trained / f"{self._model}.joblib"
        threads = dict.fromkeys(THREADS, "1")
        known = {
            "PEER_MODEL": str(model),
            "PEER_PORT": str(self.port),
            MARK: self._mark,
            "PYTHONPATH": str(HERE / "peer_servers"),
        }
        if self.peer.environment is not None:
            known["PATH"] = f"{PLACE / self.peer.environment / 'bin'}:{os.environ['PATH']}"
        else:
            known["PYTHONPATH"] = os.environ.get("PYTHONPATH", "")
        if self._name.startswith("everfit"):
            # It sees to its workers' threads itself.
            threads = {}
        os.environ.update(PEER_MODEL=str(model))
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            self.peer.command(folder, model, self.port),
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            cwd=folder if self._name.startswith("mlserver") else HERE / "peer_servers",
            env={**os.environ, **threads, **known, **self.peer.variables, "HOME": str(folder)},
            start_new_session=True,
        )
        self._check(json.loads((trained / "expected.json").read_text())[self._model])

    def _check(self, expected: Mapping[str, list[float]]) -> None:
        deadline = time.monotonic() + START_PATIENCE
        for payload in payloads().values():
            while True:
                try:
                    found = self._answer(payload)
                    break
                except (OSError, ValueError, KeyError) as error:
                    if time.monotonic() > deadline or self._process.poll() is not None:
                        log = Path(self._folder.name, "log").read_text(errors="replace")[-6000:]
                        raise SystemExit(f"{self._name} does not answer {payload.name}: {error!r}\n{log}") from error
                    time.sleep(0.1)
            wanted = expected[payload.name]
            right = len(found) == len(wanted) and all(abs(a - b) < 1e-6 for a, b in zip(found, wanted, strict=True))
            if not right:
                raise SystemExit(f"{self._name} answers {payload.name} with {found[:3]}… instead of {wanted[:3]}…")

    def _answer(self, payload: Payload) -> list[float]:
        wanted = self.peer.ask(payload)
        headers = {"Content-Type": wanted.content_type}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{wanted.path}", wanted.body, headers)
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            return self.peer.told(json.loads(response.read()))

    def processes(self) -> list[int]:
        """Return the processes that serve, without the one that only started them."""
        helper = self._process.pid if self._name.startswith("everfit") else None
        return [process for process in self._marked() if process != helper]

    def _marked(self) -> list[int]:
        return [process for process in marked(MARK, self._mark) if process != os.getpid()]

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_process"):
            with suppress(OSError):
                self._process.stdin.close()  # type: ignore[union-attr]
            if self.peer.environment is None:
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(20)
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            for process in self._marked():
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self._process.wait()
            self._log.close()
        self._folder.cleanup()


def install(names: list[str]) -> None:
    """Make the environments that are missing."""
    for name in names or PACKAGES:
        done = PLACE / name / "ok"
        if done.exists():
            continue
        subprocess.run([sys.executable, "-m", "venv", str(PLACE / name)], check=True)
        words = ["install", "-q", "--disable-pip-version-check", *PACKAGES[name], "scikit-learn==1.9.1", "pandas"]
        failed = subprocess.run([python(name), "-m", "pip", *words], check=False).returncode
        print(json.dumps({name: "not installed" if failed else "installed"}), flush=True)
        if not failed:
            done.touch()


def main() -> None:
    """Install or serve."""
    words = argparse.ArgumentParser()
    words.add_argument("what", choices=["install", "serve"])
    words.add_argument("names", nargs="*")
    words.add_argument("--model", choices=MODELS, default="hgb")
    options = words.parse_args()
    if options.what == "install":
        install(options.names)
        return
    for name in options.names:
        with Running(name, options.model) as running:
            print(json.dumps({"name": name, "port": running.port, "processes": running.processes()}), flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    main()
