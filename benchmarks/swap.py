"""Swap and roll back under load: failed requests, the slowest answer, and the time until the old version answers.

Run with: .venv/bin/python benchmarks/swap.py
It starts a host of its own in a temporary folder, with four clients that ask all the time over open connections.
"""

import json
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.integration.host_client import Client
from tests.integration.served_models import Models, deploy, proof

from everfit.adapters.local.endpoints import LocalEndpoints
from everfit.domain.endpoint import ServedVersion

CLIENTS = 4
SWAPS = 10
ROLLBACKS = 20


def load(home: Path, over: threading.Event) -> list[tuple[int, float]]:
    """Ask until it is over; return status and seconds of each answer."""
    client, answers = Client(home), list[tuple[int, float]]()
    while not over.is_set():
        start = time.perf_counter()
        status = client.ask("7").status
        answers.append((status, time.perf_counter() - start))
    return answers


def until_answered_by(client: Client, version: ServedVersion) -> None:
    """Ask until the version answers."""
    while client.ask("7").headers["x-everfit-version"] != str(version.version):
        pass


def main() -> None:
    """Print one JSON object; all times in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        endpoints, models = LocalEndpoints(home, None), Models(home=home)
        versions = [models.version(number) for number in range(1, SWAPS + 2)]
        try:
            print(json.dumps(measure(endpoints, home, versions), indent=2))
        finally:
            endpoints.stop()


def measure(endpoints: LocalEndpoints, home: Path, versions: list[ServedVersion]) -> dict[str, object]:
    """Return the figures."""
    first_start = timed(lambda: deploy(endpoints, versions[0]))
    client = Client(home)
    alone = [timed(lambda: client.ask("7")) for _ in range(2000)]
    over = threading.Event()
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(load, home, over) for _ in range(CLIENTS)]
        started = time.perf_counter()
        swaps, stages, shifts = [], [], []
        for version in versions[1:]:
            stages.append(timed(lambda version=version: endpoints.stage("solar", version, fence=1)))
            shifts.append(
                timed(
                    lambda version=version: endpoints.shift("solar", {version.version: 1.0}, [proof(version)], fence=1)
                )
            )
            swaps.append(stages[-1] + shifts[-1])
            endpoints.settle("solar", [version.version - 1], fence=1)
        seconds = time.perf_counter() - started
        over.set()
        answers = [answer for work in clients for answer in work.result()]
    kept, gone = rollbacks(endpoints, client, versions)
    return {
        "first start of host and model": first_start,
        "answer, one client, median": statistics.median(alone),
        "swaps": SWAPS,
        "requests during swaps": len(answers),
        "requests per second": round(len(answers) / seconds),
        "failed requests": sum(status != 200 for status, _ in answers),
        "answer under load, median": statistics.median(taken * 1000 for _, taken in answers),
        "answer under load, worst": max(taken * 1000 for _, taken in answers),
        "stage under load, median": statistics.median(stages),
        "shift under load, median": statistics.median(shifts),
        "rollback to a kept version, median": statistics.median(kept),
        "rollback to a kept version, worst": max(kept),
        "rollback to a version that has to load, median": statistics.median(gone),
    }


def rollbacks(
    endpoints: LocalEndpoints, client: Client, versions: list[ServedVersion]
) -> tuple[list[float], list[float]]:
    """Go back and forth: to a version that is still loaded, and to one that is not."""
    kept, gone = list[float](), list[float]()
    for number in range(ROLLBACKS):
        target = versions[number % 2]
        endpoints.stage("solar", target, fence=1)
        kept.append(timed(lambda target=target: back(endpoints, client, target)))
    for number in range(ROLLBACKS):
        endpoints.settle("solar", [], fence=1)
        gone.append(timed(lambda number=number: back(endpoints, client, versions[number % 2])))
    return kept, gone


def back(endpoints: LocalEndpoints, client: Client, version: ServedVersion) -> None:
    """Restore the version and wait for its first answer."""
    endpoints.restore("solar", version, proof(version), fence=1)
    until_answered_by(client, version)


def timed(work: object) -> float:
    """Return how long it takes, in milliseconds."""
    assert callable(work)
    start = time.perf_counter()
    work()
    return round((time.perf_counter() - start) * 1000, 2)


if __name__ == "__main__":
    main()
