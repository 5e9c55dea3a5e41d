"""The packages that Everfit's code needs elsewhere: for a Lambda function, or for a job in somebody else's image.

They are of the versions that are installed here, which are those that this installation was tried with, and of the
platform that they go to.
"""

import hashlib
import importlib.metadata
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

import everfit
from everfit import __version__
from everfit.domain.errors import BackendError, RequestError

PATIENCE: Final = 300
"""Seconds for all downloads together."""
OF_JOBS: Final = ("blake3", "duckdb", "fsspec", "numpy", "packaging", "PyYAML")
"""What the programs of jobs import; an image of AWS's holds boto3."""
LONGEST_WORDS: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where packages go to.

    Args:
        python: its version, such as ``3.12``.
        platforms: its platform tags, the preferred one first.
    """

    python: str
    platforms: tuple[str, ...] = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


# Amazon Linux 2023 with glibc 2.34, on x86_64 unless a function says otherwise (Lambda Developer Guide, "Lambda
# runtimes").
LAMBDA: Final = Target(python="3.12")
JOBS: Final = Target(python="3.11")


class Source(Protocol):
    """Gives the files of packages."""

    def files(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """Return every file of these packages and of what they need, by its path."""
        ...


class InstalledPackages:
    """Implements ``Source`` by what is installed beside this code: right where the target is like this machine."""

    def files(self, names: Sequence[str]) -> Mapping[str, bytes]:
        return dict(self._each(names))

    def _each(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        for name in pinned(names, Target(python=f"{sys.version_info[0]}.{sys.version_info[1]}")):
            for file in importlib.metadata.distribution(name).files or ():
                path = Path(str(file.locate()))
                if "__pycache__" not in file.parts and ".." not in file.parts and path.is_file():
                    yield file.as_posix(), path.read_bytes()


class DownloadedPackages:
    """Implements ``Source`` by wheels of the target, which are downloaded once.

    Args:
        cache: folder that keeps them.
    """

    def __init__(self, cache: Path, target: Target) -> None:
        self._cache, self._target = cache, target

    def files(self, names: Sequence[str]) -> Mapping[str, bytes]:
        found: dict[str, bytes] = {}
        for path in self.wheels(names).values():
            with zipfile.ZipFile(path) as wheel:
                found |= {each.filename: wheel.read(each) for each in wheel.infolist() if not each.is_dir()}
        return found

    def wheels(self, names: Sequence[str]) -> Mapping[str, Path]:
        """Return the wheels of these packages and of what they need, by file name.

        Raises:
            RequestError: a package is not installed here, or there is none for the target.
            BackendError: the package index cannot be reached.
        """
        wanted = {name: self._folder(name, version) for name, version in pinned(names, self._target).items()}
        missing = [folder.name.replace("-", "==", 1) for folder in wanted.values() if not _kept(folder)]
        if missing:
            self._keep(missing, wanted)
        return {path.name: path for folder in wanted.values() for path in _kept(folder)}

    def _folder(self, name: str, version: str) -> Path:
        target = f"{self._target.python}-{self._target.platforms[0]}"
        return self._cache / target / f"{name.replace('-', '_')}-{version}"

    def _keep(self, requirements: Sequence[str], folders: Mapping[str, Path]) -> None:
        self._cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._cache) as place:
            self._download(requirements, Path(place))
            for made in Path(place).glob("*.whl"):
                folder = folders[parse_wheel_filename(made.name)[0]]
                folder.mkdir(parents=True, exist_ok=True)
                # A whole file or none, also when two do it at once.
                made.replace(folder / made.name)

    def _download(self, requirements: Sequence[str], place: Path) -> None:
        python = self._target.python
        abis = (f"cp{python.replace('.', '')}", "abi3", "none")
        command = [sys.executable, "-m", "pip", "download", *requirements, "--dest", str(place), "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--no-input", "--only-binary=:all:", "--implementation", "cp"]
        command += ["--python-version", python]
        command += [part for each in self._target.platforms for part in ("--platform", each)]
        command += [part for each in abis for part in ("--abi", each)]
        what = f"{', '.join(requirements)} for Python {python}"
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired as error:
            raise BackendError(f"{what} could not be downloaded in {PATIENCE} s.", retryable=True) from error
        if done.returncode != 0:
            said = " ".join((done.stderr or done.stdout).split())[-LONGEST_WORDS:]
            raise BackendError(f"{what} could not be downloaded; is the package index reachable? pip says: {said}")


def _kept(folder: Path) -> Sequence[Path]:
    return sorted(folder.glob("*.whl"))[:1]


def pinned(names: Sequence[str], target: Target) -> Mapping[str, str]:
    """Return the versions that are installed here of these packages and of what they need at the target.

    Raises:
        RequestError: one of them is not installed.
    """
    marks = {"python_version": target.python, "python_full_version": f"{target.python}.0", "extra": ""}
    found: dict[str, str] = {}
    todo = list(names)
    while todo:
        name = canonicalize_name(todo.pop(0))
        if name in found:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError as error:
            raise RequestError(f"The package {name} is not installed here: pip install 'everfit[aws]'.") from error
        found[name] = distribution.version
        needed = map(Requirement, distribution.requires or ())
        todo += [each.name for each in needed if each.marker is None or each.marker.evaluate(marks)]
    return dict(sorted(found.items()))


def everfit_files() -> Mapping[str, bytes]:
    """Return every file of this Everfit by its path, as it is installed."""
    root = Path(everfit.__file__).parent
    paths = (path for path in sorted(root.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(root.parent).as_posix(): path.read_bytes() for path in paths}


def everfit_wheel() -> tuple[str, bytes]:
    """Return file name and content of a wheel of this Everfit; the same code gives the same bytes."""
    label = f"everfit-{__version__}.dist-info"
    content = {
        **everfit_files(),
        f"{label}/METADATA": f"Metadata-Version: 2.1\nName: everfit\nVersion: {__version__}\n".encode(),
        f"{label}/WHEEL": b"Wheel-Version: 1.0\nGenerator: everfit\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{path},sha256={_hash(data)},{len(data)}" for path, data in content.items()]
    record = "\n".join([*lines, f"{label}/RECORD,,", ""])
    return f"everfit-{__version__}-py3-none-any.whl", zipped({**content, f"{label}/RECORD": record.encode()})


@dataclass(frozen=True, slots=True)
class JobWheels:
    """The wheels of this very Everfit for jobs, made when they are needed.

    Args:
        cache: folder that keeps what was downloaded.
    """

    cache: Path

    @property
    def name(self) -> str:
        """Another one whenever the wheels would be others; nothing is downloaded to find out."""
        versions = json.dumps(pinned(OF_JOBS, JOBS)).encode()
        return digest_of({**everfit_files(), "requirements": versions})[:32]

    def made(self) -> Mapping[str, Path]:
        """Return the wheels, by file name."""
        return job_wheels(self.cache)


def job_wheels(cache: Path, target: Target = JOBS) -> Mapping[str, Path]:
    """Return the wheels that a job needs in an image without Everfit, by file name: Everfit's own and the others."""
    name, content = everfit_wheel()
    own = cache / "everfit" / hashlib.sha256(content).hexdigest()[:16] / name
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_bytes(content)
    return {name: own, **DownloadedPackages(cache, target).wheels(OF_JOBS)}


def digest_of(files: Mapping[str, bytes]) -> str:
    """Return the hexadecimal digest of names and contents, however they are packed."""
    hasher = hashlib.sha256()
    for path in sorted(files):
        hasher.update(f"{path}\0{len(files[path])}\0".encode())
        hasher.update(files[path])
    return hasher.hexdigest()


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return a zip of the files, in the order of their names and without times."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, files[path], zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _hash(data: bytes) -> str:
    return urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
