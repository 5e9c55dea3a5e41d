"""Kill the host's processes at random while versions are swapped under load, and hold the answers against the promises.

Run with: .venv/bin/python benchmarks/serving/storm.py --minutes 10 [--seed 1] [--rate 500]
A process of its own swaps versions without an end, as the control plane does; it also stages versions that have no
release, and tries to give them traffic. One of the front, a worker, the supervisor, the control plane, or all of them
at once is killed (``kill -9``) every few seconds. Every answer names its version and is checked against its request.

``lost with the front`` are requests that a front had when it was killed: no answer can come any more. ``accepted and
not answered`` are all others whose connection ended without an answer; there must be none, nor answers of unapproved
versions. Recovery is from the kill to the next good answer, told where none came for over 20 ms.
"""

import argparse
import json
import os
import pickle
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from everfit_server import ENDPOINT, NUMBERED_BODY, Everfit, Numbered, release, version_of_code
from load import Ask, Load

from everfit.adapters.local.endpoints import LocalEndpoints
from everfit.domain.endpoint import ServedVersion, Service
from everfit.domain.errors import EverfitError, RefusedError

ROLES: Mapping[str, str] = {
    "front": "everfit.serving.host",
    "worker": "everfit.serving.worker",
    "supervisor": "everfit.serving.supervisor",
    "control plane": "--control",
}
FRONT = "everfit-front"
APPROVED = range(1, 7)
UNAPPROVED = range(101, 104)
LOST_WITHIN = 0.25
GAP = 20.0


def main() -> None:
    """Print one JSON object; times in milliseconds."""
    words = argparse.ArgumentParser()
    words.add_argument("--minutes", type=float, default=10.0)
    words.add_argument("--pause", type=float, default=2.0, help="seconds between two kills, on average")
    words.add_argument("--connections", type=int, default=16)
    words.add_argument("--rate", type=float, help="requests per second; without it as many as are answered")
    words.add_argument("--workers", type=int, default=2)
    words.add_argument("--roles", default="front,worker,supervisor,control plane,all")
    words.add_argument("--trees", action="store_true", help="a model that costs what a model costs")
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--control", help=argparse.SUPPRESS)
    options = words.parse_args()
    if options.control:
        swap_for_ever(Path(options.control))
        return
    with Everfit() as everfit:
        print(json.dumps(storm(everfit, options), indent=1))


def swap_for_ever(folder: Path) -> None:
    """Stage, shift and settle as the control plane does, whatever happens to the host."""
    port, approved, unapproved = pickle.loads((folder / "plan.pickle").read_bytes())  # noqa: S301 - written by the parent
    endpoints, number = LocalEndpoints(folder, port), 0
    while True:
        number += 1
        try:
            swap(endpoints, approved[number % len(approved)], unapproved[number % len(unapproved)])
            print("swapped", flush=True)
        except EverfitError as error:
            print(f"{type(error).__name__}: {error}", flush=True)


def swap(endpoints: LocalEndpoints, version: ServedVersion, bad: ServedVersion) -> None:
    """Change to the version, with an unapproved one staged beside it that nobody lets in."""
    state = endpoints.describe(ENDPOINT)
    before = [] if state is None else [number for number, share in state.weights.items() if share == 1]
    endpoints.stage(ENDPOINT, bad, fence=1)
    endpoints.stage(ENDPOINT, version, fence=1)
    try:
        endpoints.shift(ENDPOINT, {bad.version: 1.0}, [], fence=1)
    except RefusedError:
        endpoints.shift(ENDPOINT, {version.version: 1.0}, [release(version)], fence=1)
    else:
        print("LET IN WITHOUT A RELEASE", flush=True)
    endpoints.settle(ENDPOINT, [*before, version.version, bad.version], fence=1, back=before[0] if before else None)


def storm(everfit: Everfit, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures."""
    service = Service(most_workers=options.workers)
    like = Numbered(trees=options.trees, workers=options.workers, service=service)
    approved, unapproved = ([everfit.numbered(n, like) for n in numbers] for numbers in (APPROVED, UNAPPROVED))
    (everfit.home / "plan.pickle").write_bytes(pickle.dumps((everfit.port, approved, unapproved)))
    everfit.deploy(approved[0])
    load = Load(
        Ask(
            port=everfit.port,
            path=everfit.path,
            body=NUMBERED_BODY,
            connections=options.connections,
            seconds=86400,
            rate=options.rate,
            check_version=True,
            gap=GAP,
        )
    )
    log = everfit.home / "control.log"
    kills = kill_at_random(everfit, options, log)
    figures = told(load.stop(), kills, log.read_text().splitlines())
    everfit.deploy(approved[1])
    figures["serves after it"] = everfit.report().get("weights")
    everfit.endpoints.stop()
    deadline = time.monotonic() + 10
    while everfit.processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    figures["processes left after the stop"] = len(everfit.processes())
    return figures | {"commit": version_of_code(), "options": vars(options)}


def kill_at_random(everfit: Everfit, options: argparse.Namespace, log: Path) -> list[tuple[float, str]]:
    """Kill, with the control plane started again whenever it is gone; return when and what."""
    chance, kills = random.Random(options.seed), list[tuple[float, str]]()  # noqa: S311 - a storm that can be repeated
    end = time.monotonic() + options.minutes * 60
    with log.open("ab") as output:
        command = [sys.executable, __file__, "--control", str(everfit.home)]
        control = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            while time.monotonic() < end:
                time.sleep(chance.uniform(0.1, 2 * options.pause))
                role = chance.choice(options.roles.split(","))
                if strike(everfit, role, chance):
                    kills.append((time.monotonic(), role))
                if role in ("control plane", "all"):
                    control.wait()
                    control = subprocess.Popen(command, stdout=output, stderr=output)
                # A control plane that is killed again and again would never finish a swap.
                time.sleep(chance.choice((0.0, options.pause)))
        finally:
            control.kill()
            control.wait()
    return kills


def strike(everfit: Everfit, role: str, chance: random.Random) -> bool:
    """Kill one process of the role, or all; tell whether there was one."""
    names = list(ROLES) if role == "all" else [role]
    found = [process for process in everfit.processes() if any(ROLES[name] in command_of(process) for name in names)]
    for process in found if role == "all" else found and [chance.choice(found)]:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return bool(found)


def command_of(process: int) -> list[str]:
    """Return the words that the process was started with; a front is forked, and has those of its supervisor."""
    with suppress(OSError):
        if Path(f"/proc/{process}/comm").read_text().strip() == FRONT:
            return [ROLES["front"]]
        return Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
    return []


def told(found: dict[str, Any], kills: list[tuple[float, str]], log: list[str]) -> dict[str, Any]:
    """Return what came of it."""
    fatal = [at for at, role in kills if role in ("front", "all")]
    broken = [at for at, kind in found["moments"] if kind in ("unanswered", "cut off")]
    lost = [at for at in broken if any(-0.05 <= at - kill <= LOST_WITHIN for kill in fatal)]
    answered = {int(number): seen["answers"] for number, seen in found["versions"].items()}
    times, unexplained = recoveries(found["gaps"], kills)
    return {
        "kills": dict(Counter(role for _, role in kills)),
        "swaps": sum(line == "swapped" for line in log),
        "let in without a release": log.count("LET IN WITHOUT A RELEASE"),
        "requests": found["requests"],
        "p99_ms": found["p99_ms"],
        "max_ms": found["max_ms"],
        "answers of versions without a release": sum(answered.get(number, 0) for number in UNAPPROVED),
        "answers by version": answered,
        "statuses": found["statuses"],
        "failures": found["failures"],
        "lost with the front": len(lost),
        "accepted and not answered": len(broken) - len(lost),
        f"without an answer for over {GAP:g} ms": {role: summary(of_role) for role, of_role in times.items()},
        "gaps without a kill": summary(unexplained),
        "samples": found["samples"],
        "what the control plane met": Counter(line[:200] for line in log if line != "swapped").most_common(12),
    }


def recoveries(gaps: list[list[float]], kills: list[tuple[float, str]]) -> tuple[dict[str, list[float]], list[float]]:
    """Return for each role how long no good answer came after a kill, and the gaps that no kill explains.

    A gap in which several were killed is counted from the last of them.
    """
    times, unexplained = {role: list[float]() for _, role in kills}, list[float]()
    for start, length in gaps:
        end = start + length / 1000
        before = [(at, role) for at, role in kills if start - LOST_WITHIN <= at <= end]
        if before:
            at, role = max(before)
            times[role].append((end - at) * 1000)
        else:
            unexplained.append(length)
    return times, unexplained


def summary(times: list[float]) -> dict[str, float]:
    """Return how many there are, their median and the longest."""
    if not times:
        return {"times": 0}
    return {"times": len(times), "median": round(statistics.median(times), 1), "worst": round(max(times), 1)}


if __name__ == "__main__":
    main()
