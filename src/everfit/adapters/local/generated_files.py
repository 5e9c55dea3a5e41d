"""Writes generated files below the top of a repository; what a person has changed stays as it is."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from everfit.domain.ci.generated import GeneratedFile, Standing, standing_of
from everfit.domain.errors import RequestError

_KEPT: Final = (Standing.CHANGED, Standing.FOREIGN)


def top_of(folder: Path) -> Path:
    """Return the top of the repository that *folder* lies in, or *folder* itself when it lies in none."""
    start = folder.resolve()
    return next((place for place in (start, *start.parents) if (place / ".git").exists()), start)


def standings(top: Path, files: Sequence[GeneratedFile]) -> Mapping[str, Standing]:
    """Return how each file stands to the one that is there, by its path."""
    return {file.path: standing_of(_text(top / file.path), file.text) for file in files}


def write_generated(top: Path, files: Sequence[GeneratedFile], *, force: bool) -> Mapping[str, Standing]:
    """Write the files and return how each stood to the one before.

    Args:
        force: whether what a person has changed is written over.

    Raises:
        RequestError: without *force*, a person has changed one of them; then none is written.
    """
    found = standings(top, files)
    kept = [f"{path} ({standing.value})" for path, standing in found.items() if standing in _KEPT]
    if kept and not force:
        raise RequestError(
            f"Nothing was written, to keep {', '.join(kept)}. Move it away, choose another --name or --file, or write "
            "over it with --force."
        )
    for file in files:
        if found[file.path] is not Standing.SAME:
            _write(top / file.path, file.text)
    return found


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (UnicodeDecodeError, NotADirectoryError, IsADirectoryError):
        # Whatever it is, it was not written here.
        return ""


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise RequestError(f"{path} cannot be written: {error.strerror}.") from error
