"""Small real projects for tests: a line is fitted in plain Python, so that a whole run takes a second."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everfit.adapters.local.endpoints import LocalEndpoints
from tests.warm import can_run, warm_commands

EVERFIT = Path(sys.executable).parent / "everfit"
PATIENCE = 100.0

PROJECT = """\
model: line
task: regression
data:
  source: data/
  target: y
  id: id
train:
  script: train.py
  timeout: 1m
  grace: 1s
  metric_definitions: {slope: "slope=([-0-9.]+)"}
serve:
  script: inference.py
gate:
  - mae <= 5
  - mae <= champion * 1.01
"""

TRAIN = """\
import csv, json, os, sys
from pathlib import Path

rows = []
for file in sorted(Path(os.environ["SM_CHANNEL_TRAIN"]).glob("*.csv")):
    with file.open(newline="") as lines:
        rows += [(float(row["x"]), float(row["y"])) for row in csv.DictReader(lines)]
slope = sum(x * y for x, y in rows) / sum(x * x for x, y in rows)
print(f"slope={slope:.4f}", flush=True)
Path(os.environ["SM_MODEL_DIR"], "line.json").write_text(json.dumps({"slope": slope}))
"""

INFERENCE = """\
import json
from pathlib import Path


def model_fn(model_dir):
    return json.loads(Path(model_dir, "line.json").read_text())["slope"]


def input_fn(body, content_type):
    return json.loads(body)["instances"]


def predict_fn(rows, slope):
    return [row["x"] * slope for row in rows]


def output_fn(predictions, accept):
    return json.dumps({"predictions": predictions})
"""


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(command: Sequence[str], variables: Mapping[str, str], given: str | None) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    if can_run(command, variables):
        return warm_commands().run(command, variables, given, PATIENCE)
    return subprocess.run(
        command, input=given, capture_output=True, text=True, env=variables, timeout=PATIENCE, check=False
    )


class LineProject:
    """A project folder and the command line in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[str]] = []
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "data").mkdir(exist_ok=True)
        self.write("everfit.yaml", PROJECT)
        self.write("train.py", TRAIN)
        self.write("inference.py", INFERENCE)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def add_rows(self, name: str, first: int = 0, count: int = 60, slope: float = 2.0, noise: float = 0.5) -> None:
        """Write rows y = slope * x, with a fixed zigzag of *noise* instead of chance."""
        lines = ["id,x,y"]
        for row in range(first, first + count):
            x = 1 + row % 20
            lines.append(f"{row},{x},{slope * x + noise * (-1) ** row:.3f}")
        self.write(f"data/{name}", "\n".join(lines) + "\n")

    def environment(self, **variables: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("EVERFIT_", "SM_"))}
        return {**kept, "EVERFIT_ACTOR": "tester", **variables}

    def command(self, *arguments: str) -> list[str]:
        return [str(EVERFIT), arguments[0], "-C", str(self.folder), *arguments[1:]]

    def everfit(self, *arguments: str, stdin: str | None = None, **variables: str) -> Result:
        done = run(self.command(*arguments), self.environment(**variables), stdin)
        assert "Traceback" not in done.stderr, done.stderr
        return Result(code=done.returncode, out=done.stdout, err=done.stderr)

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        started = subprocess.Popen(
            self.command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(**variables),
        )
        self._started.append(started)
        return started

    def predict(self, x: float) -> Any:
        answer = self.everfit("predict", "--json", stdin=json.dumps({"instances": [{"x": x, "id": 0}]}))
        return answer.json

    def down(self) -> None:
        """Leave nothing behind, also when a test failed in the middle."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.communicate()
        # The command does the same, and takes longer to load than this takes.
        LocalEndpoints(self.folder / ".everfit", None).stop()
