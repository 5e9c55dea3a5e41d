"""Measure what it costs to keep every request with its answer, in throughput and in processor time.

Run with: .venv/bin/python benchmarks/serving/capture.py [--rounds 15] [--seconds 2] [--connections 16 64]
A version's requests are kept none and all in turns, a short while each and every time in another order, so that what
else the machine does falls on both alike. ``cost`` is the median over the rounds of 1 - captured / plain, in percent.
"""

import argparse
import json
import statistics
from typing import Any

from everfit_server import ENDPOINT, NUMBERED_BODY, Everfit, Numbered, processor_seconds, version_of_code
from load import Ask, measure
from models import payloads

from everfit.domain.endpoint import ServedVersion, Service

SHARES = {"plain": 0.0, "captured": 1.0}


def main() -> None:
    """Print one JSON object."""
    words = argparse.ArgumentParser()
    words.add_argument("--rounds", type=int, default=15)
    words.add_argument("--seconds", type=float, default=2.0)
    words.add_argument("--connections", type=int, nargs="+", default=[16, 64])
    words.add_argument("--model", choices=["lin", "hgb", "number"], default="number")
    options = words.parse_args()
    with Everfit() as everfit:
        everfit.deploy(made(everfit, options.model))
        body = NUMBERED_BODY if options.model == "number" else payloads()["1-row JSON"].body
        found = {
            f"{connections} connections": side_by_side(
                everfit, asking(everfit, body, connections, options), options.rounds
            )
            for connections in options.connections
        }
        capture = everfit.report()["capture"]
    print(json.dumps({"commit": version_of_code(), "model": options.model, **found, "capture": capture}, indent=1))


def made(everfit: Everfit, model: str) -> ServedVersion:
    """Return a version of the model."""
    return everfit.numbered(1, Numbered(trees=False)) if model == "number" else everfit.of_models(model)


def asking(everfit: Everfit, body: bytes, connections: int, options: argparse.Namespace) -> Ask:
    """Return what is asked in a turn."""
    return Ask(
        port=everfit.port,
        path=everfit.path,
        body=body,
        connections=connections,
        seconds=options.seconds,
        warm_up=options.seconds / 4,
    )


def side_by_side(everfit: Everfit, ask: Ask, rounds: int) -> dict[str, Any]:
    """Keep no request and each in turns, and return the figures of both and the cost."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in SHARES}
    for turn in range(rounds):
        for name in sorted(SHARES, reverse=bool(turn % 2)):
            everfit.endpoints.keep_requests(ENDPOINT, Service(capture=SHARES[name]))
            before = processor_seconds(everfit.processes())
            result = measure(ask)
            spent = processor_seconds(everfit.processes()) - before
            asked = result["rps"] * ask.seconds * 1.25
            found[name].append(
                {
                    "rps": result["rps"],
                    "p99_ms": result["p99_ms"],
                    "cpu_us": 1e6 * spent / asked,
                    "failed": result["failed"],
                }
            )
    ratios = [1 - kept["rps"] / plain["rps"] for plain, kept in zip(found["plain"], found["captured"], strict=True)]
    dearer = [kept["cpu_us"] - plain["cpu_us"] for plain, kept in zip(found["plain"], found["captured"], strict=True)]
    return {
        **{
            name: {key: round(statistics.median(turn[key] for turn in turns), 3) for key in turns[0]}
            for name, turns in found.items()
        },
        "cost": round(100 * statistics.median(ratios), 2),
        "cpu_us more a request": round(statistics.median(dearer), 2),
    }


if __name__ == "__main__":
    main()
