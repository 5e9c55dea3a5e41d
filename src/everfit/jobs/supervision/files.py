"""Files that are whole or not there, and copies that are the job's own."""

import json
import os
import stat
from collections.abc import Mapping

BEGUN = "begun.json"


def write_json(path: str, value: object, *, durable: bool = False) -> None:
    """Replace the file at *path* in one step; *durable*: it survives a power cut."""
    partial = f"{path}.partial"
    with open(partial, "w", encoding="utf-8") as file:
        json.dump(value, file, separators=(",", ":"), default=_plain)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    os.replace(partial, path)


def _plain(value: object) -> object:
    # What was frozen in a project file, and the dates that YAML reads out of it.
    return dict(value) if isinstance(value, Mapping) else str(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def read_json(path: str) -> dict[str, object] | None:
    """Return the object in the file, or None when there is no such file."""
    try:
        with open(path, encoding="utf-8") as file:
            return dict(json.load(file))
    except FileNotFoundError:
        return None


def write_files(folder: str, contents: Mapping[str, object]) -> None:
    """Write each value as JSON to its name in *folder*."""
    os.makedirs(folder, exist_ok=True)
    for name, value in contents.items():
        write_json(f"{folder}/{name}", value)


def copy_tree(source: str, target: str) -> None:
    """Copy a file or folder so that its new owner may change it; links are followed."""
    import shutil  # noqa: PLC0415 - slow to import, and only training copies

    def copy(original: str, target: str) -> None:
        shutil.copyfile(original, target)
        os.chmod(target, stat.S_IMODE(os.stat(original).st_mode) | stat.S_IRUSR | stat.S_IWUSR)

    os.makedirs(target, exist_ok=True)
    if os.path.isfile(source):
        copy(source, os.path.join(target, os.path.basename(source)))
        return
    for place, _, names in os.walk(source, followlinks=True):
        here = os.path.join(target, os.path.relpath(place, source))
        os.makedirs(here, exist_ok=True)
        for name in names:
            # A pipe or a socket among the data would block the copy for ever.
            if os.path.isfile(original := os.path.join(place, name)):
                copy(original, os.path.join(here, name))


def remove_tree(folder: str) -> None:
    """Delete the folder, if there is one."""
    if os.path.isdir(folder):
        import shutil  # noqa: PLC0415 - slow to import, and seldom needed

        shutil.rmtree(folder)


def holds_files(folder: str) -> bool:
    """Tell whether there is any file below *folder*."""
    return any(names for _, _, names in os.walk(folder))


def free_bytes(folder: str) -> int:
    """Return how many bytes an ordinary user may still write there."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize
