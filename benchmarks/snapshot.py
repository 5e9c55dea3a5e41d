"""Time of freezing 10,000 files of 10 kB and 20 files of 100 MB, beside DVC's library.

Run: python benchmarks/snapshot.py [--rounds 5] --folder /var/tmp/bench [--dvc /path/to/venv/bin/python]

--dvc names an interpreter in which ``pip install dvc-data`` was run; without it, DVC is left out. The folder needs
9 GB. Every round freezes into an empty store, freezes again with nothing changed, and once more with one file in a
hundred (of the 20 large ones: one) changed. The tools take turns; what is printed are medians of
seconds in process, and of the processor's seconds in brackets, which other work on the machine disturbs less.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

PREPARE = """
import os, sys, time, json
from pathlib import Path
home, source, changed = sys.argv[1], sys.argv[2], sys.argv[3:]

def change():
    for path in changed:
        with open(path, "r+b") as file:
            file.write(os.urandom(16))

def timed(freeze):
    start, busy = time.perf_counter(), time.process_time()
    freeze()
    return time.perf_counter() - start, time.process_time() - busy
"""

MEASURE = """
seconds = [timed(freeze), timed(freeze)]
change()
seconds.append(timed(freeze))
print(json.dumps([*zip(*seconds)]))
"""

EVERFIT = """
from everfit.adapters.local.data_source import LocalDataSource
data = LocalDataSource(Path(home))

def freeze():
    data.freeze(source)
"""

# The floor: every file read, hashed and copied each time, one after the other, and no promise kept.
PLAIN = """
import hashlib, shutil
os.makedirs(home)

def freeze():
    for place, _, names in os.walk(source):
        for name in names:
            path = os.path.join(place, name)
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if not os.path.exists(f"{home}/{digest}"):
                shutil.copyfile(path, f"{home}/{digest}")
"""

DVC = """
from dvc_data.hashfile.build import build
from dvc_data.hashfile.db.local import LocalHashFileDB
from dvc_data.hashfile.state import State
from dvc_data.hashfile.transfer import transfer
from dvc_objects.fs.local import LocalFileSystem
os.makedirs(home + "/tmp")
system = LocalFileSystem()
store = LocalHashFileDB(system, home + "/cache", state=State(root_dir=home, tmp_dir=home + "/tmp"))

def freeze():
    staging, _, tree = build(store, source, system, "md5")
    transfer(staging, store, {tree.hash_info}, shallow=False, hardlink=False)
"""


def make_data(folder: Path) -> dict[str, Path]:
    small, large = folder / "small", folder / "large"
    if not (large / "19.bin").exists():
        shutil.rmtree(small, ignore_errors=True)
        for number in range(10_000):
            path = small / f"{number % 100:02}" / f"{number}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.urandom(10_000))
        large.mkdir(parents=True, exist_ok=True)
        noise = os.urandom(100_000_000)
        for number in range(20):
            (large / f"{number}.bin").write_bytes(number.to_bytes(8, "big") + noise[8:])
    return {"10,000 x 10 kB": small, "20 x 100 MB": large}


def measure(python: str, code: str, home: Path, source: Path) -> list[float]:
    shutil.rmtree(home, ignore_errors=True)
    os.sync()
    files = sorted(path for path in source.rglob("*") if path.is_file())
    changed = [str(path) for path in files[::100]]
    command = [python, "-c", PREPARE + code + MEASURE, str(home), str(source), *changed]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    shutil.rmtree(home)
    wall, processor = json.loads(done.stdout.splitlines()[-1])
    return [*map(float, wall), *map(float, processor)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--dvc", default=None)
    options = parser.parse_args()
    tools = {"Everfit": (sys.executable, EVERFIT), "plain sha256 and copy": (sys.executable, PLAIN)}
    if options.dvc is not None:
        tools["dvc-data"] = (options.dvc, DVC)
    for name, source in make_data(options.folder).items():
        taken: dict[str, list[list[float]]] = {tool: [] for tool in tools}
        for _ in range(options.rounds):
            for tool, (python, code) in tools.items():
                taken[tool].append(measure(python, code, options.folder / "home", source))
        for tool, rounds in taken.items():
            middle = [statistics.median(column) for column in zip(*rounds, strict=True)]
            words = zip(("first", "unchanged", "1 % changed"), middle[:3], middle[3:], strict=True)
            print(f"{name:15} {tool:22}", *(f"{word} {wall:.3f} ({busy:.3f})" for word, wall, busy in words), sep="  ")


if __name__ == "__main__":
    main()
