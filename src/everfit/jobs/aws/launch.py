"""The first program of a processing job: bring together what SageMaker has left in the container, then run the work.

Reads ``input/config/job.json`` below ``/opt/ml/processing``. What went wrong is left in ``/opt/ml/output/message``,
which SageMaker shows as the job's ``ExitMessage`` (Developer Guide, "Save and Access Metadata Information About Your
Processing Job"). Runs in images of others: Python 3.7, standard library only.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any, cast

# Exit codes of Everfit's own, for work that could not be begun; the adapter tells them apart by these.
REQUIREMENTS_FAILED = 90
PACKAGES_FAILED = 91
MESSAGE_BYTES = 1000
PIP = ("-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off")


class LaunchError(Exception):
    """The work cannot be begun; the message says why."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def main() -> int:
    """Run the job and return its exit code."""
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    work = base / "processing"
    output = work / "output"
    output.mkdir(parents=True, exist_ok=True)
    try:
        code = run_all(json.loads((work / "input/config/job.json").read_text(encoding="utf-8")), work)
    except (LaunchError, OSError, ValueError, EOFError, tarfile.TarError) as error:
        print(error, file=sys.stderr, flush=True)
        (output / "failure").write_text(str(error), encoding="utf-8")
        code = error.code if isinstance(error, LaunchError) else 1
    if code != 0:
        leave_message(output, base / "output")
    return code


def leave_message(output: Path, folder: Path) -> None:
    """Let SageMaker tell what the work says of its failure; it shows 1 KB, and fails on what is no UTF-8."""
    try:
        said = (output / "failure").read_bytes()[:MESSAGE_BYTES].decode("utf-8", "ignore")
    except OSError:
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "message").write_text(said, encoding="utf-8")


def run_all(job: dict[str, Any], work: Path) -> int:
    """Prepare what *job* asks for, then run its programs one after the other until one fails."""
    variables = {**os.environ, "SAGEMAKER_BASE_DIR": str(work), "PYTHONUNBUFFERED": "1"}
    site = packages(job, work) if job.get("everfit") else ""
    # Last: where Everfit is installed, its package is found before the few of its modules that were sent along.
    path = [site, os.environ.get("PYTHONPATH", ""), str(work / "input/programs")]
    variables["PYTHONPATH"] = os.pathsep.join(part for part in path if part)
    archives: dict[str, str] = job.get("archives") or {}
    for archive, folder in archives.items():
        unpack(work / archive, work / folder)
    if job.get("requirements") is not None:
        install_requirements(job["requirements"], work)
    places: dict[str, str] = job.get("paths") or {}
    parameters = replaced(job.get("parameters"), {url: str(work / place) for url, place in places.items()})
    (work / "input/config/parameters.json").write_text(json.dumps(parameters), encoding="utf-8")
    for program in job["programs"]:
        code = run([sys.executable, "-m", program], variables, work)
        if code != 0:
            return code
    return 0


def run(arguments: list[str], variables: dict[str, str], folder: Path) -> int:
    """Run a command to its end, handing SIGTERM on to it; return its exit code, 128 + n for a signal."""
    child = subprocess.Popen(arguments, env=variables, cwd=str(folder), stdin=subprocess.DEVNULL)
    # Only a container's first process gets the SIGTERM of a job that is stopped (API reference, StopProcessingJob).
    before = signal.signal(signal.SIGTERM, lambda number, _: child.send_signal(number))
    try:
        code = child.wait()
    finally:
        signal.signal(signal.SIGTERM, before)
    return code if code >= 0 else 128 - code


def replaced(value: Any, paths: dict[str, str]) -> Any:
    """Return *value* with each URL that begins with one of *paths* as the place of that in this container."""
    if isinstance(value, dict):
        return {name: replaced(each, paths) for name, each in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [replaced(each, paths) for each in cast("list[object]", value)]
    if isinstance(value, str) and value.startswith("s3://"):
        for url in sorted(paths, key=len, reverse=True):
            if value == url or value.startswith(url + "/"):
                return paths[url] + value[len(url) :]
    return value


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive of Everfit's into *folder*; a member that would lead out of it is refused."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(str(archive)) as opened:
        for member in opened:
            parts = Path(member.name).parts
            if member.name.startswith("/") or ".." in parts or not (member.isfile() or member.isdir()):
                raise LaunchError(f"{archive.name} holds {member.name!r}, which does not belong there.")
            target = folder.joinpath(*parts)
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            source = opened.extractfile(member)
            if source is not None:
                with source, target.open("wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
                target.chmod(0o755 if member.mode & 0o100 else 0o644)


def packages(job: dict[str, Any], work: Path) -> str:
    """Return the folder with Everfit and what it needs, or an empty text when the image holds them."""
    if is_installed(job["everfit"]):
        return ""
    wheels = sorted(str(path) for path in (work / job["wheels"]).glob("*.whl")) if job.get("wheels") else []
    if not wheels:
        raise LaunchError(
            f"The image {job.get('image')} does not hold Everfit {job['everfit']}, and its packages were not sent. "
            f"Send them with `everfit apply`, or install 'everfit[aws]=={job['everfit']}' in the image of aws.image.",
            PACKAGES_FAILED,
        )
    site = str(work / "site")
    # Without an index nothing is downloaded: what runs is what was sent.
    arguments = [sys.executable, *PIP, "--no-index", "--no-deps", "--quiet", "--target", site, *wheels]
    if run(arguments, dict(os.environ), work) != 0:
        version = ".".join(map(str, sys.version_info[:2]))
        raise LaunchError(
            f"Everfit's packages do not fit the image {job.get('image')}, of Python {version}; the log says why. "
            f"Install 'everfit[aws]=={job['everfit']}' in it, or leave aws.image out.",
            PACKAGES_FAILED,
        )
    return site


def is_installed(version: str) -> bool:
    """Tell whether this interpreter has Everfit in that version."""
    asked = "import sys, everfit; sys.exit(everfit.__version__ != sys.argv[1])"
    quiet = subprocess.DEVNULL
    return (
        subprocess.run([sys.executable, "-c", asked, version], stdout=quiet, stderr=quiet, check=False).returncode == 0
    )


def install_requirements(text: str, work: Path) -> None:
    """Install what the user's requirements name, as a training in this image would."""
    # Beside the code, since a ``-r other.txt`` in it is looked for beside it.
    code = work / "code"
    wanted = (code if code.is_dir() else work) / ".everfit-requirements.txt"
    wanted.write_text(text, encoding="utf-8")
    ended = run([sys.executable, *PIP, "-r", str(wanted)], dict(os.environ), work)
    if ended != 0:
        raise LaunchError(
            f"The requirements could not be installed (exit code {ended}); mend requirements.txt or the package index.",
            REQUIREMENTS_FAILED,
        )


if __name__ == "__main__":
    sys.exit(main())
