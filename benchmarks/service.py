"""What the service costs while nothing happens, and how fast it is when something does.

Run: python benchmarks/service.py idle [--models 1000] [--minutes 5]
     python benchmarks/service.py latency [--rounds 20]

*idle* serves a tree of models, each with a schedule that is not due and a watched folder of its own whose first data
waits for hours, waits until the service has settled, and reads from /proc what its one process uses: processor time
over the minutes, and resident memory at the end. *latency* sends one event at a time over HTTP to a model that trains
nothing, waits for its run to end, and reads when the event was sent, when it was accepted, when the first job (prepare)
was started and when the training was; a job has started when its folder has the mark that its script begins. Printed
are medians and the slowest, in milliseconds.
"""

import argparse
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from everfit.interfaces.chaos.models import SOURCE, add_data, model_name, write_model

EVERFIT = Path(sys.executable).with_name("everfit")
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
SCHEDULE = '  - schedule: "{minute} 3 1 1 *"\n    timezone: Europe/Berlin\n  - data: {{quiet_for: 6h}}\n'


@contextmanager
def service(tree: Path) -> Iterator[tuple[int, str]]:
    """Serve the tree; give the process's number and where it answers."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EVERFIT_")}
    command = [str(EVERFIT), "up", str(tree), "--port", "0", "--json"]
    with (tree / "service.err").open("wb") as log:
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=kept)
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    print(f"ready after {time.perf_counter() - begun:.2f} s, {len(ready['models'])} models")
    try:
        yield process.pid, ready["url"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
        project = next(tree.glob("*/everfit.yaml")).parent
        subprocess.run([str(EVERFIT), "down", "-C", str(project)], env=kept, capture_output=True, check=False)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6


def idle(models: int, minutes: float) -> None:
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name)
        for number in range(models):
            write_model(tree, number)
            with (tree / model_name(number) / "everfit.yaml").open("a") as file:
                file.write(SCHEDULE.format(minute=number % 60))
        with service(tree) as (pid, _):
            time.sleep(30)
            print(f"after 30 s: {resident(pid):.0f} MB, {cpu_seconds(pid):.2f} s of processor time")
            began, used = time.monotonic(), cpu_seconds(pid)
            time.sleep(60 * minutes)
            share = (cpu_seconds(pid) - used) / (time.monotonic() - began)
            threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
            print(
                f"over {minutes:g} minutes: {100 * share:.2f} % of one core, {resident(pid):.0f} MB, {threads} threads"
            )


def latency(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name)
        write_model(tree, 0)
        with service(tree) as (_, url):
            runs = tree / ".everfit" / "runs"
            measured = [round_of(tree, url, runs, number) for number in range(rounds + 1)][1:]
    for what, column in zip(
        ("accepted", "first job started", "training started"), zip(*measured, strict=True), strict=True
    ):
        print(f"{what:<18} median {1000 * statistics.median(column):.0f} ms, slowest {1000 * max(column):.0f} ms")


def round_of(tree: Path, url: str, runs: Path, number: int) -> tuple[float, float, float]:
    """Return seconds from the event to accepted, to the first job and to the training."""
    add_data(tree, 0, f"news-{number}")
    known = set(runs.iterdir()) if runs.exists() else set()
    sent = time.time()
    post(url, f"event-{number}")
    accepted = time.time() - sent
    while not (new := (set(runs.iterdir()) if runs.exists() else set()) - known):
        time.sleep(0.001)
    (run,) = new
    first, training = (appeared(run, job) - sent for job in ("prepare", "train"))
    time.sleep(3)
    return accepted, first, training


def appeared(run: Path, job: str) -> float:
    """Return when the script of the job began."""
    while True:
        for mark in run.glob(f"*{job}*/begun.json"):
            return mark.stat().st_mtime
        time.sleep(0.001)


def post(url: str, event: str) -> None:
    body = {"specversion": "1.0", "id": event, "source": SOURCE, "type": model_name(0), "data": {}}
    address = urlsplit(url)
    with closing(http.client.HTTPConnection(address.hostname or "", address.port)) as connection:
        connection.request("POST", "/events", json.dumps(body), {"Content-Type": "application/cloudevents+json"})
        response = connection.getresponse()
        assert response.status < 300, response.read()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("idle", "latency"))
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    if given.what == "idle":
        idle(given.models, given.minutes)
    else:
        latency(given.rounds)


if __name__ == "__main__":
    main()
