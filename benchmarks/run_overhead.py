"""What a run costs when nothing is trained and nothing is scored: seconds and memory, beside other tools.

Run: python benchmarks/run_overhead.py [--rounds 5] [--peers /path/to/environments]

Everfit makes a whole run each time: snapshot, prepare, check, train, evaluate, gate, register, approve, deploy behind
the endpoint, record, every step durable. *cold* is ``everfit run`` in a project that has never run and whose endpoint
host is not up; *warm* is ``everfit run --force`` where a version serves (and is scored again beside the new one); *in
process* is the same from a program that has been loaded. ``everfit rollback`` ends when the version before answers
again. The others make six steps of nothing, and deploy nothing.
--peers names a folder with the virtual environments metaflow, prefect, dagster and zenml, each made by
``python -m venv NAME && NAME/bin/pip install PACKAGE`` with the package that the file in ``peers/`` names; what is not
there is left out. All take turns. Printed are the medians of seconds after a warm-up, all of them sorted, and
the peak of the resident memory of all processes together that the run started (for *cold*, the endpoint host too;
for *in process*, the program too), from a run of its own.
"""

import argparse
import ctypes
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
EVERFIT = Path(sys.executable).with_name("everfit")
BECOME_SUBREAPER = 36
SAMPLING = 0.005
PROJECTS = ("cold", "warm", "inside", "back")
PAGE = os.sysconf("SC_PAGE_SIZE")

PROJECT = {
    "everfit.yaml": """
model: nothing
task: custom
evaluate: evaluate.py
data: {source: data/, format: files}
train: {script: train.py}
serve: {script: inference.py}
gate: [constant >= 1]
""",
    "train.py": """
import os
with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w") as file:
    file.write("1")
""",
    "evaluate.py": """
import json, os
with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "evaluation.json"), "w") as file:
    json.dump({"constant": 1.0}, file)
""",
    "inference.py": """
def model_fn(folder): return 1
def input_fn(body, content_type): return body
def predict_fn(body, model): return model
def output_fn(answer, accept): return str(answer)
""",
    **{f"data/{number}.txt": f"{number}\n" for number in range(20)},
}

IN_PROCESS = """
import sys, time
from pathlib import Path
from everfit.application.retraining import Request, retrain
from everfit.bootstrap import open_ports, open_workspace
from everfit.interfaces.cli.progress import Silence
from everfit.settings import read_settings

settings = read_settings()
workspace = open_workspace(Path(sys.argv[1]), settings)
ports = open_ports(workspace, settings, Silence())
for line in sys.stdin:
    run = retrain(Request(force=True), workspace, ports)
    print(run.outcome.value, flush=True)
"""


class Contender:
    """Somebody who makes a run again and again.

    Args:
        before: done before each run, outside the measured time.
        after: done after each run, outside the measured time.
        own: process that lives from run to run.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[], None],
        before: Callable[[], None] = lambda: None,
        after: Callable[[], None] = lambda: None,
        own: int | None = None,
    ) -> None:
        self.name, self._run, self._before, self._after = name, run, before, after
        self.seconds: list[float] = []
        self.memory = 0
        self._own = own

    def measure(self) -> None:
        """Make a run and keep its seconds."""
        self._before()
        start = time.perf_counter()
        self._run()
        self.seconds.append(time.perf_counter() - start)
        self._after()

    def weigh(self) -> None:
        """Make a run and keep the peak of the memory of all that it starts."""
        self._before()
        over, others = threading.Event(), set(resident_below(os.getpid())) - {self._own}
        thread = threading.Thread(target=self._watch, args=(over, others))
        thread.start()
        self._run()
        over.set()
        thread.join()
        self._after()

    def _watch(self, over: threading.Event, others: set[int]) -> None:
        while not over.wait(SAMPLING):
            found = resident_below(os.getpid())
            self.memory = max(self.memory, sum(size for pid, size in found.items() if pid not in others))


def resident_below(parent: int) -> dict[int, int]:
    """Return the resident bytes of every process that descends from *parent*."""
    parents, pages = dict[int, int](), dict[int, int]()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(entry)], pages[int(entry)] = int(fields[1]), int(fields[21])
    found, edge = set[int](), {parent}
    while edge:
        edge = {pid for pid, above in parents.items() if above in edge} - found
        found |= edge
    return {pid: pages[pid] * PAGE for pid in found}


def project(folder: Path) -> Path:
    """Write a project that trains nothing."""
    for name, text in PROJECT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.lstrip())
    return folder


def command(arguments: Sequence[str | Path], **variables: str) -> None:
    """Run a command to its end; what it prints is shown when it fails."""
    # Elsewhere the byte code of what was installed is kept, and so it is here.
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    ended = subprocess.run(
        [*map(str, arguments)], env={**surroundings, **variables}, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        sys.exit(f"{' '.join(map(str, arguments))} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")


def everfit(folder: Path, *arguments: str) -> None:
    """Run a command of Everfit's in a project."""
    command([EVERFIT, *arguments, "-C", folder])


def everfits(work: Path) -> list[Contender]:
    """Return Everfit's three ways to make a run, and its way back."""
    cold, warm, inside, back = (project(work / name) for name in PROJECTS)
    for folder in (warm, inside, back):
        everfit(folder, "run", "--json")
    program = subprocess.Popen(
        [sys.executable, "-c", IN_PROCESS, str(inside)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def ask() -> None:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write("\n")
        program.stdin.flush()
        if program.stdout.readline() != "deployed\n":
            sys.exit("The run in process was not deployed.")

    return [
        Contender(
            "Everfit, cold",
            lambda: everfit(cold, "run", "--json"),
            before=lambda: shutil.rmtree(cold / ".everfit", ignore_errors=True),
            after=lambda: everfit(cold, "down"),
        ),
        Contender("Everfit, warm", lambda: everfit(warm, "run", "--force", "--json")),
        Contender("Everfit, in process", ask, own=program.pid),
        Contender(
            "everfit rollback",
            lambda: everfit(back, "rollback"),
            before=lambda: everfit(back, "run", "--force", "--json"),
        ),
    ]


def others(work: Path, environments: Path) -> list[Contender]:
    """Return the other tools that are installed below *environments*."""
    variables: Mapping[str, Mapping[str, str]] = {
        "metaflow": {"METAFLOW_DATASTORE_SYSROOT_LOCAL": str(work / "metaflow"), "METAFLOW_USER": "nobody"},
        "prefect": {"PREFECT_HOME": str(work / "prefect"), "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true"},
        "dagster": {"DAGSTER_HOME": str(work / "dagster")},
        "zenml": {"ZENML_CONFIG_PATH": str(work / "zenml"), "ZENML_ANALYTICS_OPT_IN": "false"},
    }
    found: list[Contender] = []
    for name, own in variables.items():
        python = environments / name / "bin" / "python"
        if not python.exists():
            print(f"{name} is left out: there is no {python}", file=sys.stderr)
            continue
        (work / name).mkdir()
        if name == "dagster":
            (work / name / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        arguments = [python, PEERS / f"{name}_flow.py", *(["--quiet", "run"] if name == "metaflow" else [])]
        found.append(Contender(f"{name} {version(python, name)}", lambda a=arguments, v=own: command(a, **v)))
    return found


def version(python: Path, package: str) -> str:
    """Return which version of a package an interpreter has."""
    code = f"import importlib.metadata as m; print(m.version('{package}'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", type=Path)
    options = parser.parse_args()
    # What loses its parent becomes a child of this process, so that its memory is counted.
    ctypes.CDLL(None).prctl(BECOME_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory(prefix="everfit-overhead-") as folder:
        work = Path(folder)
        os.chdir(work)
        contenders = everfits(work)
        try:
            contenders += others(work, options.peers) if options.peers else []
            for _ in range(options.rounds + 1):
                for contender in contenders:
                    contender.measure()
            for contender in contenders:
                contender.weigh()
        finally:
            for name in PROJECTS:
                everfit(work / name, "down")
        for each in contenders:
            seconds = each.seconds[1:]
            rounded = json.dumps([round(second, 3) for second in sorted(seconds)])
            print(f"{each.name:24} {statistics.median(seconds):7.3f} s  {each.memory / 2**20:6.0f} MiB  {rounded}")


if __name__ == "__main__":
    main()
