"""Half load for half an hour with a swap each minute: whether the memory grows, and whether a request fails.

Run with: .venv/bin/python benchmarks/serving/soak.py [--minutes 30] [--rate 1000]
Without ``--rate`` it first measures what the endpoint can do on sixteen connections, and asks half of that. Memory is
sampled just before each swap, with as many versions loaded each time, and told as its slope over time; the first
quarter is left out, as it is warming up. Every version is distinct, so nothing is served from what was loaded before.
"""

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from everfit_server import NUMBERED_BODY, Everfit, Numbered, memory, version_of_code
from load import Ask, Load, measure
from storm import command_of

from everfit.domain.endpoint import ServedVersion, Service

DISTINCT = 12
NAMES = ("supervisor", "host", "worker", "capture_writer")


def main() -> None:
    """Print one JSON object; memory in MB, times in milliseconds."""
    words = argparse.ArgumentParser()
    words.add_argument("--minutes", type=float, default=30.0)
    words.add_argument("--every", type=float, default=60.0, help="seconds between two swaps")
    words.add_argument("--rate", type=float, help="requests per second; without it half of what the endpoint can do")
    words.add_argument("--connections", type=int, default=16)
    words.add_argument("--workers", type=int, default=1)
    words.add_argument("--capture", type=float, default=0.0, help="share of the requests that is kept")
    words.add_argument("--no-trees", action="store_true", help="a model that costs nothing")
    options = words.parse_args()
    like = Numbered(
        trees=not options.no_trees,
        workers=options.workers,
        service=Service(most_workers=options.workers, capture=options.capture),
    )
    with Everfit() as everfit:
        print(json.dumps(soaked(everfit, like, options), indent=1))


def soaked(everfit: Everfit, like: Numbered, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures."""
    versions = [everfit.numbered(number, like) for number in range(1, DISTINCT + 1)]
    everfit.deploy(versions[0])
    most = measure(asking(everfit, options, 3.0, None))["rps"]
    rate = options.rate or most / 2
    load = Load(asking(everfit, options, 86400.0, rate))
    samples, swaps = list[dict[str, Any]](), list[float]()
    began = time.monotonic()
    while time.monotonic() - began < options.minutes * 60:
        time.sleep(max(0.0, began + options.every * (len(swaps) + 1) - time.monotonic()))
        samples.append({"at": time.monotonic() - began, **taken(everfit)})
        swaps.append(swap(everfit, versions, len(swaps)))
    found = load.stop()
    settled = samples[len(samples) // 4 :]
    return {
        "minutes": options.minutes,
        "most requests per second": most,
        "asked per second": round(rate, 1),
        **{name: found[name] for name in ("requests", "p50_ms", "p99_ms", "p999_ms", "max_ms", "failed", "failures")},
        "samples of failures": found["samples"],
        "swaps": len(swaps),
        "swap, median": round(statistics.median(swaps) * 1000, 1),
        "swap, worst": round(max(swaps) * 1000, 1),
        "memory at the start of the settled part": settled[0]["all"],
        "memory at the end": settled[-1]["all"],
        "slope, MB per hour": {
            kind: round(slope([(sample["at"] / 3600, sample[kind]["own_mb"]) for sample in settled]), 2)
            for kind in settled[0]
            if kind != "at"
        },
        "open files of the front": [sample["host"]["files"] for sample in (settled[0], settled[-1])],
        "samples": samples,
        "commit": version_of_code(),
        "options": vars(options),
    }


def asking(everfit: Everfit, options: argparse.Namespace, seconds: float, rate: float | None) -> Ask:
    """Return the load."""
    return Ask(
        port=everfit.port,
        path=everfit.path,
        body=NUMBERED_BODY,
        connections=options.connections,
        seconds=seconds,
        rate=rate,
        check_version=True,
    )


def swap(everfit: Everfit, versions: Sequence[ServedVersion], number: int) -> float:
    """Change to the next version and keep the one before; return the seconds."""
    start = time.monotonic()
    before, after = versions[number % len(versions)], versions[(number + 1) % len(versions)]
    everfit.deploy(after)
    everfit.keep(before, after)
    return time.monotonic() - start


def taken(everfit: Everfit) -> dict[str, Any]:
    """Return the memory of all processes, and by what they are."""
    processes = everfit.processes()
    kinds = {name: [process for process in processes if is_a(name, process)] for name in NAMES}
    found: dict[str, Any] = {name: memory(ids) | {"files": files(ids)} for name, ids in kinds.items() if ids}
    return {"all": memory(processes), **found}


def is_a(name: str, process: int) -> bool:
    """Whether the process was started as that module."""
    return f"everfit.serving.{name}" in command_of(process)


def files(processes: Sequence[int]) -> int:
    """Return how many files the processes hold open."""
    count = 0
    for process in processes:
        with suppress(OSError):
            count += len(list(Path(f"/proc/{process}/fd").iterdir()))
    return count


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the line of least squares; 0 for a single point."""
    if len(points) < 2:
        return 0.0
    return statistics.linear_regression(*zip(*points, strict=True)).slope


if __name__ == "__main__":
    main()
