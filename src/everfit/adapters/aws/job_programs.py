"""The programs that containers run, and Everfit's packages for images that do not hold them, as objects in S3."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Final, Protocol

from everfit import __version__
from everfit.adapters.aws.job_files import JobFiles
from everfit.domain.aws import AwsPlace
from everfit.domain.errors import BackendError, NotFoundError
from everfit.jobs import find_modules
from everfit.jobs.aws import launch, score, score_own

_PROGRAMS: Final[tuple[ModuleType, ...]] = (launch, score, score_own, find_modules)


class Wheels(Protocol):
    """The packages of this Everfit, made when they are needed."""

    @property
    def name(self) -> str:
        """Another one whenever the packages would be others."""
        ...

    def made(self) -> Mapping[str, Path]:
        """Return the packages, by file name."""
        ...


class JobPrograms:
    """Sends each program once, to a folder named by the content of all of them.

    Args:
        own: the packages of this Everfit, which are sent unless they were sent before; None where they cannot be made,
            as in a function, or need not be: those are used that somebody has sent.
    """

    def __init__(self, files: JobFiles, place: AwsPlace, own: Wheels | None = None) -> None:
        self._files = files
        self._home = f"{place.home}/packages"
        self._own = own
        self._sent: str | None = None

    def programs(self) -> str:
        """Return the URL of the folder with the programs; a newer Everfit does not touch those of an older one."""
        if self._sent is None:
            contents = {_place(module): Path(str(module.__file__)).read_bytes() for module in _PROGRAMS}
            folder = f"{self._home}/programs/{_digest(contents)}"
            for place, content in contents.items():
                self._files.write_once(f"{folder}/{place}", content)
            self._sent = f"{folder}/"
        return self._sent

    def wheels(self) -> str | None:
        """Return the URL of the folder with the packages of this Everfit; None when nobody has sent them."""
        found = self._found_wheels()
        if self._own is None or found.get("name") == self._own.name:
            return found.get("folder")
        try:
            return self._send_wheels(self._own)
        except BackendError:
            # Without the package index, those of an earlier run do as well.
            if "folder" not in found:
                raise
            return found["folder"]

    def _found_wheels(self) -> Mapping[str, str]:
        try:
            pointer: dict[str, str] = json.loads(self._files.read(self._pointer))
        except NotFoundError:
            return {}
        return pointer

    def _send_wheels(self, own: Wheels) -> str:
        contents = {name: path.read_bytes() for name, path in own.made().items()}
        folder = f"{self._home}/wheels/{_digest(contents)}/"
        for name, content in contents.items():
            self._files.write_once(f"{folder}{name}", content)
        # Last, so that whoever finds it finds all of them.
        self._files.replace(self._pointer, json.dumps({"folder": folder, "name": own.name}).encode())
        return folder

    @property
    def _pointer(self) -> str:
        return f"{self._home}/wheels/{__version__}.json"


def _place(module: ModuleType) -> str:
    return f"{module.__name__.replace('.', '/')}.py"


def _digest(contents: Mapping[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name in sorted(contents):
        whole.update(f"{name}\0{hashlib.sha256(contents[name]).hexdigest()}\n".encode())
    return whole.hexdigest()[:32]
