"""Compare two models on a million predictions: every metric, its difference and the interval of it.

Run: ``.venv/bin/python benchmarks/comparison.py [ROWS] [RESAMPLES]`` (default 1,000,000 and 1,000); prints the median
of five runs for each kind of task, in seconds of wall and of processor time, and the peak memory of the process.
"""

import resource
import statistics
import sys
import time
from typing import Any

import numpy as np

from everfit.jobs.answers import Classified, LabelOrder
from everfit.jobs.comparison import WHOLE, Comparison, Plan
from everfit.jobs.judges import Judge, LabelJudge, NumberJudge, Predictions
from everfit.jobs.scored import Scored

REPEATS = 5


def numbers(rows: int, *, in_time: bool) -> tuple[Judge[Any], list[Predictions]]:
    random = np.random.default_rng(1)
    actual = random.normal(100, 20, rows)
    sides: list[Predictions] = [actual + random.normal(0, 5, rows) for _ in range(2)]
    return NumberJudge(actual=actual, order=np.arange(rows) if in_time else None), sides


def labels(rows: int, count: int) -> tuple[Judge[Any], list[Predictions]]:
    random = np.random.default_rng(2)
    truth = random.gumbel(0, 1, (rows, count))
    sides: list[Predictions] = []
    for _ in range(2):
        table = np.exp(2 * truth + random.normal(0, 1, (rows, count)))
        table /= table.sum(axis=1, keepdims=True)
        sides.append(Classified(codes=table.argmax(axis=1), probabilities=table, reason=None))
    return LabelJudge(actual=truth.argmax(axis=1), order=LabelOrder([str(i) for i in range(count)])), sides


def compare(judge: Judge[Any], sides: list[Predictions], rows: int, resamples: int) -> tuple[float, float]:
    start, busy = time.perf_counter(), time.process_time()
    scored = [Scored(predictions=side) for side in sides]
    comparison = Comparison(judge, {WHOLE: np.arange(rows)}, scored, Plan(resamples=resamples))
    for name in comparison.figures(0, WHOLE):
        found = comparison.difference(name, WHOLE, 1.0, 0.0)
        assert found["low"] is not None, (name, found)
    return time.perf_counter() - start, time.process_time() - busy


def main() -> None:
    rows, resamples = (int(word) for word in [*sys.argv[1:], "1000000", "1000"][:2])
    cases = {
        "regression": numbers(rows, in_time=False),
        "forecast": numbers(rows, in_time=True),
        "classification, 2 labels": labels(rows, 2),
        "classification, 10 labels": labels(rows, 10),
    }
    for name, (judge, sides) in cases.items():
        runs = [compare(judge, sides, rows, resamples) for _ in range(REPEATS)]
        wall, busy = (statistics.median(times) for times in zip(*runs, strict=True))
        print(f"{name:28} {rows:>10,} rows  {resamples:>6,} resamples  {wall:7.3f} s wall  {busy:7.3f} s processor")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB, the predictions included")


if __name__ == "__main__":
    main()
