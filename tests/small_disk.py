"""A real file system that is soon full."""

import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(place: Path, size: str) -> Generator[Path]:
    """Have *place* be a file system of *size*, as ``mount`` writes it; skip where nothing may be mounted."""
    place.mkdir(parents=True, exist_ok=True)
    mount = shutil.which("mount")
    command = [mount or "", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)]
    if mount is None or subprocess.run(command, check=False).returncode:
        pytest.skip("mounting a small file system needs the rights to mount")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)
