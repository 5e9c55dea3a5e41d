"""What the functions of a stack cost: their package, a cold start, and a run on the bench.

Run: .venv/bin/python benchmarks/lambdas.py
"""

import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from tests.aws.bench import strict  # noqa: E402
from tests.aws.bench.client import Bench, RunningBench, until  # noqa: E402
from tests.aws.bench.sandboxes import INCLUDED  # noqa: E402
from tests.aws.serverless_bench import ServerlessBench  # noqa: E402
from tests.aws.stages import rows  # noqa: E402
from tests.aws_bench import BUCKET, REGION  # noqa: E402

from everfit.adapters.aws.clients import Clients  # noqa: E402
from everfit.adapters.aws.packages import HANDLERS, Package, build_package  # noqa: E402
from everfit.adapters.aws.wheels import InstalledPackages  # noqa: E402

TIMES = 7
COLD = """
import sys, time
sys.path[:0] = [{task!r}, {runtime!r}]
wall, cpu = time.perf_counter(), time.process_time()
import boto3
between = time.process_time()
import {module}
print(time.perf_counter() - wall, time.process_time() - cpu, time.process_time() - between)
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measure_package(folder)
        with RunningBench(folder / "bench") as bench:
            measure_run(bench)


def measure_package(folder: Path) -> None:
    begun = time.perf_counter()
    package = build_package(InstalledPackages())
    print(f"pack the functions                     {time.perf_counter() - begun:6.2f} s")
    print(f"size of the zip                        {len(package.content) / 1e6:6.2f} MB")
    task, runtime = unpacked(package, folder), runtime_folder(folder)
    for role, handler in HANDLERS.items():
        program = COLD.format(task=str(task), runtime=str(runtime), module=handler.rpartition(".")[0])
        found = [cold(program) for _ in range(TIMES)]
        wall, cpu, own = (statistics.median(column) for column in zip(*found, strict=True))
        print(
            f"cold import of {role:8}  {wall * 1000:5.0f} ms, of the processor {cpu * 1000:4.0f} ms ({own * 1000:.0f}"
            " ms without boto3)"
        )


def unpacked(package: Package, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(package.content)) as archive:
        archive.extractall(folder / "task")
    return folder / "task"


def runtime_folder(folder: Path) -> Path:
    """Return a folder with what Lambda's runtime brings, and nothing else of this environment."""
    (folder / "runtime").mkdir()
    for name in INCLUDED:
        place = Path(str(__import__(name).__file__))
        place = place.parent if place.name == "__init__.py" else place
        (folder / "runtime" / place.name).symlink_to(place)
    return folder / "runtime"


def cold(program: str) -> tuple[float, float, float]:
    command = [sys.executable, "-I", "-S", "-B", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    wall, cpu, own = map(float, done.stdout.split())
    return wall, cpu, own


def measure_run(bench: Bench) -> None:
    os.environ.update(bench.environment())
    bench.client("s3").create_bucket(Bucket=BUCKET)
    stack = ServerlessBench(bench, Clients(REGION, prepare=strict.install))
    for title in ("first run, functions cold", "second run, functions warm"):
        before = len(bench.calls())
        known = set(stack.executions())
        begun = time.time()
        stack.put(f"{len(known)}.csv", rows(first=1_000 * len(known), count=60 + 300 * len(known)))
        name = until(lambda known=known: set(stack.executions()) - known, "an execution")  # type: ignore[misc]
        started = time.time() - begun
        stack.ended(len(known) + 1)
        stack.at_rest()
        report(title, bench.calls(since=before), started, time.time() - begun, sorted(name)[0])


def report(title: str, calls: Sequence[Mapping[str, Any]], started: float, ended: float, name: str) -> None:
    print(f"\n{title} ({name})")
    print(f"  from the upload to the execution     {started:6.2f} s")
    print(f"  from the upload to its end           {ended:6.2f} s")
    by_role = Counter((str(call.get("role")), str(call["service"])) for call in calls)
    for role in sorted({role for role, _ in by_role}):
        services = ", ".join(f"{service} {count}" for (each, service), count in sorted(by_role.items()) if each == role)
        print(f"  calls of {role:38} {services}")


if __name__ == "__main__":
    main()
