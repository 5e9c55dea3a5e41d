"""Change the model a hundred times under constant load: failed, wrong or mixed answers, and the slowest one.

Run with: .venv/bin/python benchmarks/serving/swaps.py [--swaps 100] [--size 500MB] [--load 20] [--crash exit]
Sixteen connections ask all the time. Every answer names its version in the header, and its body was made by the weights
and by the code of one version; all three must agree, and it must hold the number of its own request. ``--rate`` asks at
fixed times instead, and a latency counts from when the request was due. With ``--crash`` every new version fails to
load, and nothing may change.
"""

import argparse
import json
import statistics
import time
from typing import Any

from everfit_server import NUMBERED_BODY, Everfit, Numbered, version_of_code
from load import Ask, Load, measure

from everfit.domain.endpoint import ServedVersion, Service
from everfit.domain.errors import RunFailedError

SETTLED = 0.2


def main() -> None:
    """Print one JSON object; all times in milliseconds."""
    options = arguments()
    like = Numbered(
        size=options.size,
        load=options.load,
        trees=not options.no_trees,
        workers=options.workers,
        service=Service(most_workers=options.workers),
    )
    with Everfit() as everfit:
        print(json.dumps(swapped(everfit, like, options), indent=1))


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    words = argparse.ArgumentParser()
    words.add_argument("--swaps", type=int, default=100)
    words.add_argument("--connections", type=int, default=16)
    words.add_argument("--rate", type=float, help="requests per second; without it as many as are answered")
    words.add_argument("--base", type=float, default=5.0, help="seconds without a swap, to compare with")
    words.add_argument("--size", type=size_of, default=0, help="memory of each version, such as 500MB")
    words.add_argument("--load", type=seconds_of, default=0.0, help="time that each version takes to load, such as 20s")
    words.add_argument("--crash", default="", choices=["", "raise", "exit"], help="how loading a new version fails")
    words.add_argument("--no-trees", action="store_true", help="a model that costs nothing")
    words.add_argument("--workers", type=int, default=1)
    words.add_argument("--versions", type=int, default=0, help="distinct versions that are swapped in turn")
    return words.parse_args()


def size_of(text: str) -> int:
    """Return the bytes that a size such as ``500MB`` means."""
    return int(float(text.upper().removesuffix("B").removesuffix("M")) * 2**20)


def seconds_of(text: str) -> float:
    """Return the seconds that ``20s`` or ``20`` means."""
    return float(text.removesuffix("s"))


def swapped(everfit: Everfit, like: Numbered, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures."""
    count = options.versions or (3 if like.size else min(options.swaps + 1, 10))
    first = everfit.numbered(1, like)
    crashing = Numbered(**{**vars(like), "crash": options.crash})
    versions = [first, *(everfit.numbered(number, crashing) for number in range(2, count + 1))]
    everfit.deploy(first)
    measure(asking(everfit, options, 1.0))
    alone = measure(asking(everfit, options, options.base))
    load = Load(asking(everfit, options, 36000.0))
    time.sleep(SETTLED)
    steps = [swap(everfit, versions, number, bool(options.crash)) for number in range(options.swaps)]
    time.sleep(SETTLED)
    return told(alone, load.stop(), steps) | {"commit": version_of_code(), "options": vars(options)}


def asking(everfit: Everfit, options: argparse.Namespace, seconds: float) -> Ask:
    """Return the load."""
    return Ask(
        port=everfit.port,
        path=everfit.path,
        body=NUMBERED_BODY,
        connections=options.connections,
        seconds=seconds,
        rate=options.rate,
        check_version=True,
        gap=50,
    )


def swap(everfit: Everfit, versions: list[ServedVersion], number: int, fails: bool) -> dict[str, float]:
    """Change to the next version and keep the one before; return how long it took."""
    before, after = versions[number % len(versions)], versions[(number + 1) % len(versions)]
    start = time.monotonic()
    if fails:
        try:
            everfit.stage(versions[1 + number % (len(versions) - 1)])
        except RunFailedError:
            return {"stage": time.monotonic() - start, "shift": 0.0}
        raise SystemExit("A version that cannot be loaded was staged.")
    everfit.stage(after)
    staged = time.monotonic()
    everfit.shift(after)
    shifted = time.monotonic()
    everfit.keep(before, after)
    return {"stage": staged - start, "shift": shifted - staged}


def told(alone: dict[str, Any], during: dict[str, Any], steps: list[dict[str, float]]) -> dict[str, Any]:
    """Return the figures as they are told."""
    failures = {name: during["failures"].get(name, 0) for name in ("mixed", "wrong", *during["failures"])}
    stages, shifts = [step["stage"] * 1000 for step in steps], [step["shift"] * 1000 for step in steps]
    kept = ("requests", "rps", "p50_ms", "p99_ms", "p999_ms", "max_ms", "failed")
    return {
        "swaps": len(steps),
        "without": {name: alone[name] for name in kept},
        "during": {name: during[name] for name in kept},
        "failures": failures,
        "samples": during["samples"],
        "worst request over p99 without a swap": round(during["max_ms"] / alone["p99_ms"], 2),
        "worst request over worst without a swap": round(during["max_ms"] / alone["max_ms"], 2),
        "worst 10 seconds": sorted((second[2] for second in during["each_second"]), reverse=True)[:10],
        "versions that answered": len(during["versions"]),
        "no answer for over 50 ms": len(during["gaps"]),
        "stage, median": round(statistics.median(stages), 1),
        "stage, worst": round(max(stages), 1),
        "shift, median": round(statistics.median(shifts), 1),
        "shift, worst": round(max(shifts), 1),
    }


if __name__ == "__main__":
    main()
