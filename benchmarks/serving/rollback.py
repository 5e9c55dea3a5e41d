"""From the decision to go back to the last answer of the version that is left, under load; and the commands' time.

Run with: .venv/bin/python benchmarks/serving/rollback.py [--times 20] [--commands]
``kept`` goes back to a version that is still loaded, as the last good one is; ``gone`` to one that has to be loaded
from its files. With ``--commands`` a project is deployed twice, and ``everfit rollback`` goes back and forth, as a
person would; the time is that of the whole command.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from everfit_server import ENDPOINT, NUMBERED_BODY, Everfit, Numbered, free_port, release, version_of_code
from load import Ask, Load

from everfit.domain.endpoint import ServedVersion

WAIT = 0.5


def main() -> None:
    """Print one JSON object; all times in milliseconds."""
    words = argparse.ArgumentParser()
    words.add_argument("--times", type=int, default=20)
    words.add_argument("--connections", type=int, default=16)
    words.add_argument("--rate", type=float, help="requests per second; without it as many as are answered")
    words.add_argument("--commands", action="store_true")
    options = words.parse_args()
    found: dict[str, Any] = {"commit": version_of_code()}
    with Everfit() as everfit:
        versions = [everfit.numbered(number, Numbered()) for number in (1, 2)]
        everfit.deploy(versions[0])
        everfit.deploy(versions[1])
        for name in ("kept", "gone"):
            moves = [back(everfit, versions, number, name == "kept", options) for number in range(options.times)]
            found[name] = told(moves)
    if options.commands:
        found["commands"] = commands(options)
    print(json.dumps(found, indent=1))


def back(
    everfit: Everfit, versions: list[ServedVersion], number: int, is_kept: bool, options: argparse.Namespace
) -> dict[str, Any]:
    """Go back under load; return what was seen."""
    bad, good = versions[(number + 1) % 2], versions[number % 2]
    everfit.keep(bad, good) if is_kept else everfit.keep(bad)
    load = Load(
        Ask(
            port=everfit.port,
            path=everfit.path,
            body=NUMBERED_BODY,
            connections=options.connections,
            seconds=600,
            rate=options.rate,
            check_version=True,
        )
    )
    time.sleep(WAIT)
    decided = time.monotonic()
    everfit.endpoints.restore(ENDPOINT, good, release(good), fence=1)
    returned = time.monotonic()
    time.sleep(WAIT)
    seen = load.stop()
    times = {int(name): version for name, version in seen["versions"].items()}
    return {
        "call": (returned - decided) * 1000,
        "first answer of the good version": since(decided, times.get(good.version, {}).get("first")),
        "last answer of the bad version": since(decided, times.get(bad.version, {}).get("last")),
        "failed": seen["failed"],
        "requests": seen["requests"],
    }


def since(decided: float, moment: float | None) -> float:
    """Return the milliseconds from the decision to the moment; 0 when there was none."""
    return 0.0 if moment is None else max(0.0, (moment - decided) * 1000)


def told(moves: list[dict[str, Any]]) -> dict[str, Any]:
    """Return medians and worst cases."""
    names = ("call", "first answer of the good version", "last answer of the bad version")
    figures = {name: spread([move[name] for move in moves]) for name in names}
    return {
        **figures,
        "times": len(moves),
        "requests": sum(move["requests"] for move in moves),
        "failed": sum(move["failed"] for move in moves),
    }


def spread(times: list[float]) -> dict[str, float]:
    """Return the median and the longest."""
    return {"median": round(statistics.median(times), 1), "worst": round(max(times), 1)}


def commands(options: argparse.Namespace) -> dict[str, Any]:
    """Deploy a project twice and go back by the command line."""
    with tempfile.TemporaryDirectory(prefix="everfit-bench-", ignore_cleanup_errors=True) as folder:
        place = Path(folder)
        own = {"EVERFIT_HOME": str(place / "state"), "EVERFIT_PORT": str(free_port()), "NO_COLOR": "1"}
        surroundings = {**os.environ, **own}
        try:
            everfit(surroundings, place, "init", "project")
            project = place / "project"
            everfit(surroundings, project, "run")
            everfit(surroundings, project, "run", "--force")
            moves = [str(1 + number % 2) for number in range(options.times)]
            plain = [everfit(surroundings, project, *ROLLBACK, "--to", version) for version in moves]
            return {"everfit rollback": spread(plain), "offline": offline(surroundings, project)}
        finally:
            everfit(surroundings, place / "project", "down")


ROLLBACK = ("rollback", "--reason", "measured", "--as", "benchmark")


def offline(surroundings: dict[str, str], project: Path) -> float:
    """Deploy anew, go back without the control plane, and return the milliseconds."""
    everfit(surroundings, project, "run", "--force")
    return round(everfit(surroundings, project, *ROLLBACK, "--offline"), 1)


def everfit(surroundings: dict[str, str], folder: Path, *words: str) -> float:
    """Run a command and return its milliseconds."""
    start = time.monotonic()
    command = [str(Path(sys.executable).with_name("everfit")), *words]
    done = subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(
            f"{' '.join(command)} ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return (time.monotonic() - start) * 1000


if __name__ == "__main__":
    main()
