"""Models for endpoint tests: packed and unpacked as Everfit does it, answering with their own number."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from everfit.adapters.local.artifacts import LocalArtifacts
from everfit.application.ports import Endpoints
from everfit.domain.endpoint import SampleRequest, ServedVersion
from everfit.domain.version import Release

SCRIPT = """
import os
import re
import time
from pathlib import Path

import sibling


def model_fn(model_dir):
    return int(Path(model_dir, "number").read_text())


def transform_fn(model, data, content_type, accept):
    print("asked", data, flush=True)
    if data == "raise":
        raise ValueError("no such house")
    if data == "crash" or data.startswith("crash now "):
        os._exit(7)
    if data.startswith("crash once "):
        marker = Path(data.removeprefix("crash once "))
        if not marker.exists():
            marker.touch()
            os._exit(7)
    if data == "stuck":
        re.match("(a+)+$", "a" * 60 + "b")
    if data == "pid":
        return str(os.getpid())
    if data.startswith("wait for "):
        wanted = Path(data.removeprefix("wait for "))
        Path(f"{wanted}.{os.getpid()}.started").touch()
        while not wanted.exists():
            time.sleep(0.005)
    if data == "nothing":
        return b""
    return f"{model}:{sibling.NUMBER}:{data}", "text/plain"
"""

SLOW = """
import time
from pathlib import Path


def model_fn(model_dir):
    while Path("hold").exists():
        time.sleep(0.005)
    return int(Path(model_dir, "number").read_text())


def transform_fn(model, data, content_type, accept):
    while data.startswith("hold ") and not Path(data.removeprefix("hold ")).exists():
        time.sleep(0.005)
    return f"{model}:{data}", "text/plain"
"""

BROKEN = {
    "exits_when_asked.py": SLOW.replace("    while data", "    import os\n\n    os._exit(9)\n    while data"),
    "slow.py": SLOW,
    "raises.py": "def model_fn(model_dir):\n    raise ValueError('the weights are gone')\n",
    "syntax.py": "def model_fn(model_dir:\n",
    "missing_package.py": "import a_package_that_nobody_has\n",
    "no_handlers.py": "number = 1\n",
    "exits.py": "import os\n\ndef model_fn(model_dir):\n    print('last words', flush=True)\n    os._exit(3)\n",
    "bad_answer.py": "def transform_fn(*arguments):\n    raise KeyError('b')\n\ndef model_fn(d):\n    return 1\n",
    "empty_answer.py": "def transform_fn(*arguments):\n    return b''\n\ndef model_fn(d):\n    return 1\n",
    "crashing_answer.py": "import os\n\ndef transform_fn(*a):\n    os._exit(9)\n\ndef model_fn(d):\n    return 1\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """Makes versions in a state folder."""

    home: Path

    def version(self, number: int, script: str | None = None, workers: int = 1) -> ServedVersion:
        """Return a version that answers with its number, one that does so slowly, or one of the broken ones."""
        folder = self.home / "made" / f"{number}-{script}"
        code = folder / "code"
        (folder / "model").mkdir(parents=True, exist_ok=True)
        code.mkdir(exist_ok=True)
        (folder / "model" / "number").write_text(str(number))
        (code / "inference.py").write_text(SCRIPT)
        (code / "sibling.py").write_text(f"NUMBER = {number}\n")
        for name, text in BROKEN.items():
            (code / name).write_text(text)
        artifacts = LocalArtifacts(self.home)
        digest = artifacts.pack(str(folder / "model"), str(code), None).digest
        return ServedVersion(
            model_name="houses",
            version=number,
            artifact=digest,
            model=artifacts.unpacked(digest),
            python=sys.executable,
            script=script,
            workers=workers,
            sample=SampleRequest(body="sample", content_type="text/csv"),
        )


def proof(of: ServedVersion, /, **changes: object) -> Release:
    """Return a release of the version."""
    release = Release(
        model=of.model_name,
        environment="production",
        version=of.version,
        artifact=of.artifact,
        verdict="sha256:verdict",
    )
    return replace(release, **changes)  # type: ignore[arg-type]  # tests name the fields that they change


def deploy(endpoints: Endpoints, version: ServedVersion, name: str = "solar", fence: int = 1) -> None:
    """Give the version all the traffic."""
    endpoints.stage(name, version, fence=fence)
    endpoints.shift(name, {version.version: 1.0}, [proof(version)], fence=fence)


def tamper_file(folder: Path) -> None:
    """Change a file of a model."""
    target = folder / "number"
    target.chmod(0o644)
    target.write_text("9")


def tamper_remove(folder: Path) -> None:
    """Take a file of a model away."""
    folder.chmod(0o755)
    (folder / "number").unlink()


def tamper_add(folder: Path) -> None:
    """Put a file beside those of a model."""
    (folder / "code").chmod(0o755)
    (folder / "code" / "numpy.py").write_text("")
