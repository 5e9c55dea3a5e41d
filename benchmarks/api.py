"""How many reads a second the API answers, and whether it gets slower as the history grows.

Run: python benchmarks/api.py [--runs 1000 10000 100000] [--seconds 5] [--connections 8]

For each number of runs an installation is made with so many ended runs (each with its event and ten steps, one in ten
with a version that served), over SQLite. A server in a process of its own answers with the service's app and without
its limit of requests; the client, in another process, keeps its connections open and asks for one thing as often as it
can. Printed are reads a second, and the median and 99th percentile of the time to answer, in milliseconds.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

MODEL = "house"
STEPS = 10
START = datetime(2020, 1, 1, tzinfo=UTC)
PROJECT = f"model: {MODEL}\ntask: regression\ndata: {{source: data/, target: y}}\ngate: [mae <= 5]\n"


@dataclass(frozen=True)
class Figures:
    each_second: float
    median: float
    slow: float


def filled(home: Path, runs: int) -> None:
    """Write a history into a new installation, in one transaction."""
    from everfit.adapters.local.home import FILE  # noqa: PLC0415
    from everfit.adapters.local.sqlite_database import SqliteDatabase  # noqa: PLC0415

    database = SqliteDatabase(home / FILE)
    with database.transaction() as rows:
        for number in range(1, runs + 1):
            at = (START + timedelta(minutes=number)).isoformat(timespec="microseconds")
            values = {"run": f"run-{number:07}", "at": at, "model": MODEL, "number": number, "id": f"api:{number}"}
            rows.write(
                "insert into run (id, model, environment, state, started, fence, force, accept_schema, actor, outcome,"
                " reason, version, ended) values (:run, :model, 'production', 'ended', :at, 1, 0, 0, 'bench',"
                " 'deployed', 'it is better than the one before', :number, :at)",
                values,
            )
            rows.write(
                "insert into event (id, kind, model, environment, actor, at, state, run, reason, accepted, ended)"
                " values (:id, 'api', :model, 'production', 'bench', :at, 'ran', :run, 'it is better', :at, :at)",
                values,
            )
            for step in range(STEPS):
                rows.write(
                    "insert into step (run, place, name, outcome, attempt, started, ended, result)"
                    " values (:run, :place, :name, 'done', 1, :at, :at, '{}')",
                    {**values, "place": step, "name": f"step-{step}"},
                )
            if number % 10 == 0:
                served(rows, values, is_last=number > runs - 10)
        rows.write(
            "insert into tally values (:model, 'production', 'deployed', :runs, :at)",
            {"model": MODEL, "runs": runs, "at": at},
        )
    database.close()


def served(rows: object, values: dict[str, object], *, is_last: bool) -> None:
    """Write a version and the time in which it served."""
    write = rows.write  # type: ignore[attr-defined]
    write(
        "insert into version (model, number, artifact, size, run, snapshot, code, config, created, lineage, metrics,"
        " claims) values (:model, :number, 'sha256:1', 1, :run, 'blake3:1', 'blake3:1', 'sha256:1', :at, '{}', '{}',"
        " '{}')",
        values,
    )
    write(
        "insert into served (model, environment, version, since, until, reason, actor, run, is_rollback)"
        " values (:model, 'production', :number, :at, :until, 'it is better', 'bench', :run, 0)",
        {**values, "until": None if is_last else values["at"]},
    )


def serve(project: Path, listening: socket.socket) -> None:
    """Answer until the process is ended."""
    import uvicorn  # noqa: PLC0415

    from everfit.bootstrap_service import open_installation, service_home  # noqa: PLC0415
    from everfit.domain.rate import Rate  # noqa: PLC0415
    from everfit.interfaces.api.app import make_app  # noqa: PLC0415
    from everfit.interfaces.api.hub import Hub, Limits  # noqa: PLC0415
    from everfit.interfaces.cli.progress import Silence  # noqa: PLC0415
    from everfit.interfaces.service.health import HealthBook  # noqa: PLC0415
    from everfit.settings import read_settings  # noqa: PLC0415

    settings = read_settings({})
    found = open_installation(service_home([project], settings), [project], settings, Silence())
    access, free = found.access, Rate(each_second=1e9, at_once=1e9)
    hub = Hub(
        catalog=found.catalog,
        ports=found.ports,
        tokens=access.tokens,
        replies=access.replies,
        figures=access.figures,
        repositories=access.repositories,
        topics=access.topics,
        wake=lambda: None,
        health=HealthBook().now,
        actor="bench",
        is_tokenless=True,
        limits=Limits(rate=free, stranger=free),
    )
    config = uvicorn.Config(make_app(hub), log_config=None, access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[listening])


def asked(port: int, path: str, seconds: float) -> list[float]:
    """Ask over one connection again and again; return how long each answer took."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    end, took = time.perf_counter() + seconds, list[float]()
    while (begun := time.perf_counter()) < end:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        took.append(time.perf_counter() - begun)
        assert answer.status == 200, body
    connection.close()
    return took


def measured(port: int, path: str, connections: int, seconds: float) -> Figures:
    asked(port, path, 0.5)
    with ThreadPoolExecutor(connections) as pool:
        parts = pool.map(lambda _: asked(port, path, seconds), range(connections))
        took = sorted(one for part in parts for one in part)
    return Figures(
        each_second=len(took) / seconds,
        median=statistics.median(took) * 1000,
        slow=took[int(len(took) * 0.99) - 1] * 1000,
    )


def client(port: int, paths: dict[str, str], connections: int, seconds: float) -> None:
    """Print the figures of each path as JSON; this is the client's own process."""
    found = {name: vars(measured(port, path, connections, seconds)) for name, path in paths.items()}
    print(json.dumps(found))


def round_of(runs: int, connections: int, seconds: float) -> dict[str, Figures]:
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "everfit.yaml").write_text(PROJECT)
        (project / ".everfit").mkdir()
        filled(project / ".everfit", runs)
        middle = f"run-{runs // 2:07}"
        paths = {
            "list of 20 runs": "/v1/runs?limit=20",
            "one page deep in the runs": f"/v1/runs?model={MODEL}&limit=20&before={middle}",
            "one run": f"/v1/runs/{middle}",
            "status of a model": f"/v1/models/{MODEL}",
            "history, 20 rows": f"/v1/models/{MODEL}/history?limit=20",
            "list of 20 triggers": "/v1/triggers?limit=20",
            "20 versions": f"/v1/models/{MODEL}/versions?limit=20",
            "endpoint-status": "/endpoint-status",
            "metrics": "/metrics",
        }
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            port = listening.getsockname()[1]
            context = multiprocessing.get_context("fork")
            server = context.Process(target=serve, args=(project, listening), daemon=True)
            server.start()
            given = json.dumps([port, paths, connections, seconds])
            try:
                done = subprocess.run(
                    [sys.executable, __file__, "--client", given], capture_output=True, text=True, check=True
                )
            finally:
                server.terminate()
                server.join()
    return {name: Figures(**found) for name, found in json.loads(done.stdout).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--client", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.client:
        client(*json.loads(given.client))
        return
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, {given.connections} connections")
    for runs in given.runs:
        print(f"\n{runs:,} runs stored")
        for name, found in round_of(runs, given.connections, given.seconds).items():
            print(f"{name:<28} {found.each_second:7.0f} /s   median {found.median:6.1f} ms   p99 {found.slow:6.1f} ms")


if __name__ == "__main__":
    main()
