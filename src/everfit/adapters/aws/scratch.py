"""Room on this machine's disk for what is on its way from S3 or to it; nothing stays there after the work."""

import errno
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from everfit.adapters.files.disk import alone, incoming, state_error, writing


class Scratch:
    """A folder for work; what a killed process left in it is removed by the next one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def room(self, needed: int = 0) -> Generator[Path]:
        """Give a new folder, gone at the end of the block.

        Args:
            needed: bytes that it must have room for.

        Raises:
            StateError: there is too little room.
        """
        with alone(self.folder, shared=True), incoming(self.folder) as folder:
            self.check(needed)
            yield folder

    def check(self, needed: int) -> None:
        """Raise ``StateError`` when so many bytes do not fit."""
        with writing(self.folder):
            free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise state_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), self.folder, needed)
