"""The programs that containers run, and Everfit's packages for images that do not hold them, as objects in S3."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Final

from everfit import __version__
from everfit.adapters.aws.job_files import JobFiles
from everfit.domain.aws import AwsPlace
from everfit.domain.errors import BackendError, NotFoundError
from everfit.jobs import find_modules
from everfit.jobs.aws import launch, score, score_own

_PROGRAMS: Final[tuple[ModuleType, ...]] = (launch, score, score_own, find_modules)


class JobPrograms:
    """Sends each program once, to a folder named by the content of all of them.

    Args:
        make: returns the packages of this Everfit, name of the file -> where it lies; None where they cannot be made,
            as in a function, or need not be: those are used that somebody has sent.
    """

    def __init__(self, files: JobFiles, place: AwsPlace, make: Callable[[], Mapping[str, Path]] | None = None) -> None:
        self._files = files
        self._home = f"{place.home}/packages"
        self._make = make
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
        if self._make is None:
            return self._found_wheels()
        make, self._make = self._make, None
        try:
            return self.send_wheels(make())
        except BackendError:
            # Without the package index, those of an earlier run do as well.
            found = self._found_wheels()
            if found is None:
                self._make = make
                raise
            return found

    def _found_wheels(self) -> str | None:
        try:
            pointer = json.loads(self._files.read(self._pointer))
        except NotFoundError:
            return None
        return str(pointer["folder"])

    def send_wheels(self, wheels: Mapping[str, Path]) -> str:
        """Send the packages of this Everfit, name of the file -> where it lies; return their folder's URL."""
        contents = {name: path.read_bytes() for name, path in wheels.items()}
        folder = f"{self._home}/wheels/{_digest(contents)}/"
        if self._found_wheels() == folder:
            return folder
        for name, content in contents.items():
            self._files.write_once(f"{folder}{name}", content)
        # Last, so that whoever finds it finds all of them.
        self._files.replace(self._pointer, json.dumps({"folder": folder}).encode())
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
