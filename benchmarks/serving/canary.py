"""Measure the share of a canary over ten thousand requests on sixteen connections.

Run with: .venv/bin/python benchmarks/serving/canary.py [--requests 10000]
"""

import argparse
import json

from everfit_server import NUMBERED_BODY, Everfit, Numbered, version_of_code
from load import Ask, measure

SHARES = (0.1, 0.01, 0.05, 1 / 3, 0.5)


def main() -> None:
    """Print one JSON object; shares in percent."""
    words = argparse.ArgumentParser()
    words.add_argument("--requests", type=int, default=10_000)
    words.add_argument("--connections", type=int, default=16)
    options = words.parse_args()
    found = dict[str, object]()
    with Everfit() as everfit:
        champion, challenger = (everfit.numbered(number, Numbered(trees=False)) for number in (1, 2))
        everfit.deploy(champion)
        everfit.stage(challenger)
        for share in SHARES:
            everfit.shift(champion, challenger, weights=(1 - share, share))
            ask = Ask(
                port=everfit.port,
                path=everfit.path,
                body=NUMBERED_BODY,
                connections=options.connections,
                seconds=600,
                requests=options.requests,
                check_version=True,
            )
            result = measure(ask)
            answered = {number: seen["answers"] for number, seen in result["versions"].items()}
            measured = 100 * answered.get("2", 0) / max(1, sum(answered.values()))
            found[f"{100 * share:.4g} %"] = {
                "answers": answered,
                "share": round(measured, 4),
                "off by points": round(measured - 100 * share, 4),
                "failed": result["failed"],
            }
    print(json.dumps({"commit": version_of_code(), "requests": options.requests, "canary": found}, indent=1))


if __name__ == "__main__":
    main()
