"""Write below the state folder so that nothing half-made is ever found there, and say what a disk refuses."""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from everfit.domain.errors import StateError

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN: Final = (errno.EROFS, errno.EACCES, errno.EPERM)


def _free(folder: Path) -> str:
    for place in (folder, *folder.parents):
        with suppress(OSError):
            return f"{shutil.disk_usage(place).free:,} bytes are free"
    return "how much is free is not known"


def state_error(error: OSError, folder: Path, needed: int | None = None) -> StateError:
    """Return what the user is told when *folder* cannot be written; *needed* bytes were to be, when that is known."""
    if error.errno in _FULL:
        wanted = "" if needed is None else f"{needed:,} bytes are needed, "
        return StateError(
            f"There is no room for {folder}: {wanted}{_free(folder)} ({error.strerror}). "
            "Free some space or set EVERFIT_HOME to a folder on a larger disk, then run again."
        )
    if error.errno in _FORBIDDEN:
        return StateError(
            f"{folder} may not be written ({error.strerror}). "
            "Give the user that runs Everfit the right to write there, or set EVERFIT_HOME to another folder."
        )
    return StateError(
        f"{folder} cannot be used ({error.strerror or error}). Look at the disk, or set EVERFIT_HOME to another folder."
    )


@contextmanager
def writing(folder: Path, needed: int | None = None) -> Generator[None]:
    """Turn what the disk refuses inside the block into a ``StateError`` about *folder*."""
    try:
        yield
    except OSError as error:
        raise state_error(error, folder, needed) from error


def replace_file(path: Path, data: bytes) -> None:
    """Give *path* this content all at once: a reader, or a start after a crash, sees the old or the new one."""
    with writing(path.parent, len(data)):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".new-", dir=path.parent)
        try:
            with open(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            put_file(Path(temporary), path)
        except OSError:
            with suppress(OSError):
                os.unlink(temporary)
            raise


def put_file(temporary: Path, target: Path) -> None:
    """Give *target* the finished and synced file *temporary*, so that a loss of power cannot take it back."""
    os.replace(temporary, target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def incoming(folder: Path) -> Generator[Path]:
    """Give a new folder inside *folder* for what is not finished; it is gone at the end of the block."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".incoming-", dir=folder))
    try:
        yield temporary
    finally:
        remove_folder(temporary)


def remove_folder(folder: Path) -> None:
    """Remove the folder, read-only parts too; nothing happens when there is none."""
    if not folder.is_dir():
        return
    for path, _, _ in os.walk(folder):
        with suppress(OSError):
            os.chmod(path, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


def put_folder(temporary: Path, target: Path) -> None:
    """Give *target* the content of the finished folder *temporary*; a program that runs in the old one keeps it."""
    with incoming(target.parent) as trash, writing(target.parent):
        if target.exists():
            os.rename(target, trash / "old")
        os.rename(temporary, target)


@contextmanager
def alone(folder: Path, *, shared: bool = False) -> Generator[None]:
    """Keep other processes out of *folder* for the block; with *shared*, only those that ask to be alone."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        with writing(folder):
            _sweep(folder, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sweep(folder: Path, descriptor: int) -> None:
    """Remove what a killed process left, when no living one is at work."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    for left in folder.glob(".incoming-*"):
        remove_folder(left)
