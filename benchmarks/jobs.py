"""What a job costs beside its own work, in medians. Run: .venv/bin/python benchmarks/jobs.py [rounds].

Prints milliseconds until ``start`` returns, and until ``wait`` has returned, for a program that does nothing; beside
it, the time of the same program started bare. Then seconds and peak memory of the supervisor for 1 GB of output.
"""

import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from everfit.adapters.local.jobs import LocalJobs
from everfit.domain.job import JobKind, JobSpec, JobState
from everfit.serving.launch import command

PROGRAM = "this"
FLOOD = (
    "import os\nopen(os.environ['SM_MODEL_DIR'] + '/m', 'w').write('m')\n"
    "block = b'epoch 12 loss: 0.25, and so on, some more words here\\n' * 1200\n"
    "for _ in range(10**9 // len(block)): os.write(1, block)\n"
)


def empty_job(jobs: LocalJobs, number: int) -> tuple[float, float]:
    begun = time.perf_counter()
    jobs.start(JobSpec(name=f"bench-{number}", kind=JobKind.PREPARE, run="bench", program=PROGRAM))
    started = time.perf_counter()
    assert jobs.wait(f"bench-{number}", timedelta(minutes=1)).state is JobState.SUCCEEDED
    return started - begun, time.perf_counter() - begun


def bare() -> float:
    begun = time.perf_counter()
    subprocess.run(command(sys.executable, PROGRAM), stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def flood(home: Path) -> tuple[float, int]:
    (home / "train.py").write_text(FLOOD)
    jobs, peak = LocalJobs(home), 0
    begun = time.perf_counter()
    jobs.start(JobSpec(name="flood", kind=JobKind.TRAIN, run="bench", program="train.py", code=str(home)))
    watcher = re.search(r'"pid":(\d+)', (home / "runs" / "bench" / "flood" / "supervisor.json").read_text())
    while jobs.wait("flood", timedelta(milliseconds=50)).state is JobState.RUNNING:
        with suppress(FileNotFoundError):
            text = Path(f"/proc/{watcher and watcher[1]}/status").read_text()
            peak = max(peak, *(int(found) for found in re.findall(r"VmHWM:\s+(\d+)", text)), 0)
    return time.perf_counter() - begun, peak


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 21
    with tempfile.TemporaryDirectory() as folder:
        times = [empty_job(LocalJobs(Path(folder)), number) for number in range(rounds)]
        starts, ends = zip(*times, strict=True)
        print(f"start {statistics.median(starts) * 1e3:.0f} ms, ended {statistics.median(ends) * 1e3:.0f} ms")
        print(f"the same program bare: {statistics.median(bare() for _ in range(rounds)) * 1e3:.0f} ms")
    with tempfile.TemporaryDirectory() as folder:
        seconds, peak = flood(Path(folder))
        print(f"1 GB of output: {seconds:.1f} s, supervisor's peak memory {peak / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
