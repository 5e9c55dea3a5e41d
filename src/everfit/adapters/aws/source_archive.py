"""Makes the ``sourcedir.tar.gz`` of a training out of the frozen code: its files, and the requirements at its top."""

import gzip
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from everfit.domain.errors import RequestError, StateError

REQUIREMENTS: Final = "requirements.txt"
"""The toolkit of framework images installs what this file at the top names (sagemaker-training-toolkit, modules.py)."""


def write_source(code: Path, program: str, requirements: str | None, target: Path) -> None:
    """Write the archive; the same code and requirements give the same bytes.

    Args:
        code: the archive of the frozen code.
        requirements: text; None leaves none at the top, so that nothing is installed that the project does not name.

    Raises:
        RequestError: the program is not in the code.
    """
    try:
        with (
            tarfile.open(code) as frozen,
            gzip.GzipFile(target, "wb", mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            names = set(_copied(frozen, archive))
            if requirements is not None:
                data = requirements.encode()
                archive.addfile(_member(REQUIREMENTS, len(data), 0o644), io.BytesIO(data))
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
        raise StateError(f"The frozen code {code.name} is damaged ({error}).") from error
    if program not in names:
        raise RequestError(f"The training script {program} is not in the code; check train.script.")


def _copied(frozen: tarfile.TarFile, archive: tarfile.TarFile) -> Iterator[str]:
    for member in sorted(frozen.getmembers(), key=lambda each: each.name):
        name = str(PurePosixPath(member.name))
        if not member.isfile() or name == REQUIREMENTS:
            continue
        archive.addfile(_member(name, member.size, 0o755 if member.mode & 0o100 else 0o644), frozen.extractfile(member))
        yield name


def _member(name: str, size: int, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, mode
    return member


def is_empty(archive: Path) -> bool:
    """Tell whether an archive holds no file."""
    try:
        with tarfile.open(archive) as opened:
            return not any(member.isfile() for member in opened)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile):
        return False
