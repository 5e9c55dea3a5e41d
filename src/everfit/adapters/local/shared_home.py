"""Remembers, in a state folder that several projects share, which project folder a model's name belongs to."""

from contextlib import suppress
from pathlib import Path

from everfit.adapters.local.project_file import FILE_NAME

FOLDER = "projects"


def noted_project(home: Path, model: str) -> Path | None:
    """Return the project folder that uses the name *model* here, while it holds a project."""
    try:
        known = Path((home / FOLDER / model).read_text(encoding="utf-8"))
        return known if (known / FILE_NAME).exists() else None
    except (OSError, UnicodeDecodeError):
        return None


def other_project(home: Path, model: str, folder: Path) -> Path | None:
    """Return another project folder that uses the name *model* here; keep *folder* when there is none.

    A folder that is gone, or holds no project any more, has given the name up.
    """
    note = home / FOLDER / model
    known = None
    with suppress(OSError, UnicodeDecodeError):
        known = Path(note.read_text(encoding="utf-8"))
    if known is not None and known != folder and (known / FILE_NAME).exists():
        return known
    if known != folder:
        # A note that cannot be kept is missed only by the next project; the state itself says what is wrong with it.
        with suppress(OSError):
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(str(folder), encoding="utf-8")
    return None
