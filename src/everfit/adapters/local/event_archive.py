"""Events that ended long ago, as compressed JSON lines below the state folder, in a file for each part of a month."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from everfit.adapters.files.disk import replace_file
from everfit.adapters.sql.archived_events import archived
from everfit.domain.trigger import EventRecord

FOLDER: Final = "archive"


class LocalEventArchive:
    """Implements ``EventArchive``."""

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER

    def keep(self, records: Sequence[EventRecord]) -> None:
        name, content = archived(records)
        replace_file(self._folder / name, content)
