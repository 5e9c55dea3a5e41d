"""Time and peak memory of the prepare job on a small table and on 1 and 10 million rows of 20 columns of CSV.

Run: python benchmarks/prepare.py [--rows 1000 1000000 10000000] [--rounds 3] [--by id row time] [--folder FOLDER]

A wide table of 200 rows and 66 columns comes first, since its cost is that of planning and not of reading.
The table is made by a seeded formula: an id, a time, 14 numbers, an integer with gaps, a truth and three texts. The
job runs as the loop runs it, in a process of its own, with five checks; what is printed are medians of wall and
processor seconds, and the highest resident memory. The folder needs 5 GB for 10 million rows.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

CHECKS = [
    "rows >= 1000",
    "missing(visits) <= 10%",
    "range(n3) in [0, 5000]",
    "duplicates(row_id) == 0",
    "values(region) in [north, south, east, west]",
]
CHILD = """
import resource, subprocess, sys, time
begun = time.perf_counter()
done = subprocess.run([sys.executable, "-m", "everfit.jobs.prepare"])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(done.returncode, time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def make_table(rows: int, target: Path) -> None:
    """Write the table; the same one every time."""
    numbers = ", ".join(f"round((hash(i * 31 + {k}) % 1000000) / 1000.0 * {k + 1}, 3) AS n{k}" for k in range(12))
    duckdb.connect().execute(f"""
        COPY (SELECT i AS row_id, TIMESTAMP '2020-01-01' + to_seconds(i * 3) AS ts, {numbers},
            ['north', 'south', 'east', 'west'][1 + (hash(i) % 4)::INT] AS region,
            'customer ' || (hash(i + 7) % 5000) AS customer, hash(i + 1) % 2 = 0 AS flag,
            CASE WHEN hash(i + 2) % 50 <> 0 THEN hash(i + 3) % 100 END AS visits,
            'note ' || (hash(i + 5) % 1000000) AS note, round((hash(i + 9) % 500000) / 1000.0, 3) AS target
        FROM range({rows}) r(i)) TO '{target}' (FORMAT csv, HEADER)
    """)  # noqa: S608


def make_wide_table(target: Path) -> None:
    """Write 200 rows of an id, 64 small numbers and a target, like the pixels of handwritten digits."""
    pixels = ", ".join(f"hash(i * 64 + {n}) % 17 AS p{n}" for n in range(64))
    query = f"SELECT i AS row_id, {pixels}, i % 10 AS target FROM range(200) r(i)"  # noqa: S608
    duckdb.connect().execute(f"COPY ({query}) TO '{target}' (FORMAT csv, HEADER)")


def prepare(base: Path, table: Path, by: str, checks: list[str]) -> tuple[float, float, float]:
    """Run the job once; return its wall and processor seconds and its peak memory in MB."""
    digest = "0" * 64
    shutil.rmtree(base, ignore_errors=True)
    (base / "input/config").mkdir(parents=True)
    kept = base / "objects" / digest[:2] / digest[2:]
    kept.parent.mkdir(parents=True)
    os.link(table, kept)
    entry = {"path": "data.csv", "size": table.stat().st_size, "digest": f"blake3:{digest}"}
    (base / "manifest.json").write_text(json.dumps({"id": "blake3:0", "files": [entry]}))
    parameters = {
        "manifest": str(base / "manifest.json"),
        "objects": str(base / "objects"),
        "format": "csv",
        "target": "target",
        "id": "row_id" if by == "id" else None,
        "time": "ts" if by == "time" else None,
        "checks": checks,
        "task": "regression",
    }
    (base / "input/config/parameters.json").write_text(json.dumps(parameters))
    command = [sys.executable, "-c", CHILD]
    environment = os.environ | {"SAGEMAKER_BASE_DIR": str(base)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    code, seconds, processor, memory = done.stdout.split()
    report = json.loads((base / "output/report.json").read_text())
    assert code == "0", done.stderr
    assert report["rows"]["holdout"], report["findings"]
    return float(seconds), float(processor), int(memory) / 1024


def show(what: str, rounds: list[tuple[float, float, float]]) -> None:
    """Print the medians of the rounds and their highest memory."""
    seconds, processor, _ = (statistics.median(figures) for figures in zip(*rounds, strict=True))
    memory = max(peak for _, _, peak in rounds)
    print(f"{what}: {seconds:.2f} s ({processor:.2f} s of processors), {memory:,.0f} MB", flush=True)


def main() -> None:
    """Print one line per table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 1_000_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--by", nargs="+", default=["id"], choices=["id", "row", "time"])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "everfit-benchmark-prepare")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    wide = given.folder / "wide.csv"
    make_wide_table(wide)
    show("200 rows, 66 columns", [prepare(given.folder / "job", wide, "id", []) for _ in range(given.rounds)])
    for rows in given.rows:
        table = given.folder / f"{rows}.csv"
        if not table.exists():
            make_table(rows, table)
        for by in given.by:
            rounds = [prepare(given.folder / "job", table, by, CHECKS) for _ in range(given.rounds)]
            show(f"{rows:>10,} rows, {table.stat().st_size / 1e6:,.1f} MB, split by {by}", rounds)
    shutil.rmtree(given.folder)


if __name__ == "__main__":
    begun = time.perf_counter()
    main()
    print(f"{time.perf_counter() - begun:.0f} s in all")
