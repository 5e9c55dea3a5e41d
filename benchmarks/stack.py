"""What the stacks of the examples weigh, and how long it takes to make their templates.

Run: .venv/bin/python benchmarks/stack.py
"""

import json
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from tests.aws.blueprints import FULL, PLAIN, blueprint  # noqa: E402

from everfit.adapters.aws.stack.storage import base_template  # noqa: E402
from everfit.adapters.aws.stack.template import environment_template  # noqa: E402

TIMES = 20


def main() -> None:
    for title, text in (("the smallest project", PLAIN), ("every option at once", FULL)):
        wanted = blueprint(text)
        seconds: list[float] = []
        for _ in range(TIMES):
            begun = time.perf_counter()
            body = environment_template(wanted).text()
            seconds.append(time.perf_counter() - begun)
        resources = json.loads(body)["Resources"]
        print(
            f"{title:22} {len(body) / 1000:6.1f} kB, {len(resources)} resources, "
            f"{statistics.median(seconds) * 1000:.1f} ms"
        )
    base = base_template(wanted.place, ("runs/",)).text()
    print(f"{'the bucket':22} {len(base) / 1000:6.1f} kB")


if __name__ == "__main__":
    main()
