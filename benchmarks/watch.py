"""What watching data costs: many files in one go, and many folders in which nothing happens.

Run: python benchmarks/watch.py [--files 100000] [--folders 1000] [--seconds 60] [--folder /dev/shm]

The first part has a folder watched into which files are written by another process, and tells how long it took from the
last file to the event, how many events there were, and what memory the watch needed at most. The second part watches
folders in which nothing happens, with real events of the file system, and tells what processor time that took.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from tests.fakes import World
from tests.watching import KeptOutbox

from everfit.adapters.local.listings import LocalListings
from everfit.adapters.local.watched_folders import WatchedFolders
from everfit.adapters.memory.inbox import MemoryInbox
from everfit.application.sources.data import DataPorts, DataWatch
from everfit.application.workspace import Workspace
from everfit.domain.project import Data
from everfit.domain.trigger import TriggerEvent
from everfit.domain.triggers import NewData, Pace

WRITE = """
import os, sys
folder, count = sys.argv[1], int(sys.argv[2])
for number in range(count):
    with open(f"{folder}/{number:06}.csv", "w") as file:
        file.write("x,y\\n1,2\\n")
"""


class Bench:
    """A watch on folders, with the clock and the events of this machine."""

    def __init__(self, home: Path, folders: list[Path]) -> None:
        world = World()
        ports = world.ports()
        self.inbox = MemoryInbox(world.store, world.clock)
        self.folders = WatchedFolders(home)
        self.watch = DataWatch(
            DataPorts(
                inbox=self.inbox,
                outbox=cast("Any", KeptOutbox()),
                listings=LocalListings(home),
                folders=self.folders,
                store=ports.store,
                registry=ports.registry,
                data=ports.data,
            )
        )
        self.watch.keep([workspace(world, number, folder) for number, folder in enumerate(folders)])
        self.looks = 0

    @property
    def events(self) -> list[TriggerEvent]:
        return [record.event for record in self.inbox.events(limit=1_000_000)]

    def look(self) -> None:
        """Look once, and wait until the next look is due."""
        due = self.watch.look(datetime.now(UTC))
        self.looks += 1
        time.sleep(min(max((due - datetime.now(UTC)).total_seconds(), 0.05), 1.0))

    def look_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look()


def workspace(world: World, number: int, folder: Path) -> Workspace:
    trigger = NewData(
        key="data",
        environments=("production",),
        pace=Pace(quiet_for=timedelta(minutes=5), at_most=timedelta(hours=1)),
        every=timedelta(minutes=10),
    )
    project = replace(world.workspace.project, model=f"m{number}", data=Data(source=str(folder)), triggers=(trigger,))
    return replace(world.workspace, project=project)


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def many_files(base: Path, count: int) -> dict[str, object]:
    data = base / "data"
    data.mkdir()
    (data / "first.csv").write_text("x,y\n1,2\n")
    bench = Bench(base / ".everfit", [data])
    bench.look_for(5)
    before, known = peak(), len(bench.events)
    start, busy = time.monotonic(), time.process_time()
    writer = subprocess.Popen([sys.executable, "-c", WRITE, str(data), str(count)])
    while writer.poll() is None:
        bench.look()
    written = time.monotonic()
    while sum(event.amount.files for event in bench.events) < count + 1:
        bench.look()
    reported, busy = time.monotonic(), time.process_time() - busy
    bench.look_for(5)
    bench.folders.close()
    return {
        "files": count,
        "seconds to write them": round(written - start, 2),
        "seconds from the last file to the event": round(reported - written, 2),
        "processor seconds of the watch": round(busy, 2),
        "events": len(bench.events) - known,
        "peak MB before": round(before, 1),
        "peak MB": round(peak(), 1),
    }


def idle_folders(base: Path, count: int, seconds: float) -> dict[str, object]:
    folders = [base / f"model-{number}" / "data" for number in range(count)]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "rows.csv").write_text("x,y\n1,2\n")
    before = resident()
    bench = Bench(base / ".everfit", folders)
    start = time.monotonic()
    while len(bench.events) < count:
        bench.look()
    ready = time.monotonic() - start
    bench.look_for(5)
    busy = time.process_time()
    bench.look_for(seconds)
    busy = time.process_time() - busy
    bench.folders.close()
    return {
        "folders": count,
        "seconds until all were seen": round(ready, 2),
        "processor share of one core": f"{busy / seconds:.3%}",
        "MB more than without": round(resident() - before, 1),
        "MB in all": round(resident(), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--folders", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--part", choices=("files", "folders"))
    options = parser.parse_args()
    if options.part is None:
        # Each in a process of its own, so that neither's memory is the other's.
        for part in ("files", "folders"):
            subprocess.run([sys.executable, *sys.argv, "--part", part], check=True)
        return
    base = Path(tempfile.mkdtemp(prefix="watch-bench-", dir=options.folder))
    try:
        measured = (
            many_files(base, options.files)
            if options.part == "files"
            else idle_folders(base, options.folders, options.seconds)
        )
        print(json.dumps(measured, indent=2))
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
