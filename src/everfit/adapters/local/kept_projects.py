"""Remembers, in the state folder, each project file as it was good last, and in which folder it lies."""

import os
from collections.abc import Mapping
from pathlib import Path

from everfit.adapters.local.shared_home import FOLDER
from everfit.domain.errors import StateError

SUFFIX = ".yaml"


class KeptProjects:
    """The files of one state folder, by model."""

    def __init__(self, home: Path) -> None:
        self._place = home / FOLDER

    def models(self) -> Mapping[Path, str]:
        """Return the model of each folder whose file is kept."""
        try:
            kept = [path for path in self._place.iterdir() if path.suffix == SUFFIX]
            notes = {path.stem: path.with_suffix("").read_text(encoding="utf-8") for path in kept}
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise StateError(f"{self._place} cannot be read: {error}.") from error
        return {Path(folder): model for model, folder in notes.items()}

    def content(self, model: str) -> bytes | None:
        """Return the file that was good last; None when none is kept."""
        try:
            return (self._place / f"{model}{SUFFIX}").read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"The last good project file of {model} cannot be read: {error}.") from error

    def keep(self, model: str, folder: Path, content: bytes) -> None:
        """Remember the file, unless it is remembered so."""
        try:
            self._place.mkdir(parents=True, exist_ok=True)
            self._replace(self._place / model, str(folder).encode())
            self._replace(self._place / f"{model}{SUFFIX}", content)
        except OSError as error:
            raise StateError(f"The project file of {model} cannot be kept in {self._place}: {error}.") from error

    def forget(self, model: str) -> None:
        """Forget a project that is gone."""
        try:
            (self._place / f"{model}{SUFFIX}").unlink(missing_ok=True)
        except OSError as error:
            raise StateError(f"The kept project file of {model} cannot be deleted: {error}.") from error

    def _replace(self, path: Path, content: bytes) -> None:
        if path.exists() and path.read_bytes() == content:
            return
        # What people write into the file is theirs alone.
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
        beside.replace(path)
