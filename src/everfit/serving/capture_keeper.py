"""The process that makes captured rows Parquet and lets go of what is too old or too much, in time that nobody wants.

``capture_keeper FOLDER idle|soon NOW``: NOW is in seconds since 1970. A segment is written beside and moved, so that a
kill leaves none half; its spool goes after that, and one that is left although its segment is there is not read again.
"""

import fcntl
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from everfit.serving.capture_retention import Stored, too_old_or_too_much
from everfit.serving.capture_settings import Settings, read_settings
from everfit.serving.capture_spool import segment_of
from everfit.serving.label_files import SUFFIX

PATTERNS = ("*.parquet", "*.spool", f"*{SUFFIX}")


def main() -> None:
    """Convert and let go once."""
    folder, haste, now = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    yield_to_others(is_idle=haste == "idle")
    os.umask(0o077)
    keep(folder, now)


def yield_to_others(*, is_idle: bool) -> None:
    """Run when nothing else wants to, or at least after everything else."""
    with suppress(OSError):
        os.nice(19)
    if is_idle and hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def keep(folder: Path, now: float) -> None:
    """Convert what is complete, and let go of what is too old or too much; one process at a time.

    Args:
        folder: of the host.
        now: seconds since 1970.
    """
    captured = folder / "capture"
    captured.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (captured / "keeper.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        clean(captured)
        let_go(folder, read_settings(folder), now)
        convert_all(captured)


def clean(captured: Path) -> None:
    """Remove what a killed keeper or writer was just making."""
    for path in captured.glob("*/*/.*.parquet.new"):
        path.unlink(missing_ok=True)
    for path in captured.glob("*/*/.*.parquet.new.spill"):
        shutil.rmtree(path, ignore_errors=True)
    for path in captured.glob("*/spool/*.new"):
        remove_unless_locked(path)


def convert_all(captured: Path) -> None:
    """Make each spool that is complete a segment."""
    for path in sorted(captured.glob("*/spool/*.spool")):
        with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as spool:
            fcntl.flock(spool, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not segment_of(path).exists():
                from everfit.serving.capture_segment import convert  # noqa: PLC0415 - mostly there is nothing to convert

                problem = convert(path, segment_of(path))
                if problem is not None:
                    # It stays and is tried again, and goes when it is too old.
                    sys.stderr.write(f"{path} is not made Parquet now: {problem}\n")
                    continue
            path.unlink()


def let_go(folder: Path, settings: Settings, now: float) -> None:
    """Remove what is too old, and the oldest of what is too much."""
    for endpoint in {path.name for kind in ("capture", "labels") for path in folder.glob(f"{kind}/*") if path.is_dir()}:
        limits = settings.of(endpoint)
        stored = list(stored_of(folder, endpoint))
        for name in too_old_or_too_much(stored, now, limits.keep, limits.most):
            remove_unless_locked(Path(name))
        for day in (folder / "capture" / endpoint).glob("*-*-*"):
            # One that is not empty stays.
            with suppress(OSError):
                day.rmdir()


def stored_of(folder: Path, endpoint: str) -> list[Stored]:
    """Return all files that hold an endpoint's requests and labels."""
    found: list[Stored] = []
    for kind in ("capture", "labels"):
        for pattern in PATTERNS:
            for path in (folder / kind / endpoint).rglob(pattern):
                with suppress(FileNotFoundError):
                    status = path.stat()
                    found.append(Stored(name=str(path), size=status.st_size, written=status.st_mtime))
    return found


def remove_unless_locked(path: Path) -> None:
    """Remove a file that nobody is writing or converting."""
    with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()


if __name__ == "__main__":
    main()
