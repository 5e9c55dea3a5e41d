"""Reads ``everfit.yaml``."""

from collections.abc import Mapping
from pathlib import Path

from everfit.adapters.local.generated_files import top_of
from everfit.adapters.local.time_zones import time_zones
from everfit.adapters.local.yaml_document import read_document
from everfit.domain.ci.project import CiProject, ci_project
from everfit.domain.document import Reading
from everfit.domain.errors import ProjectError
from everfit.domain.project import Project
from everfit.domain.project_reader import project_of

FILE_NAME = "everfit.yaml"


def read_project(
    folder: Path, variables: Mapping[str, str], *, needs_variables: bool = True, content: bytes | None = None
) -> Project:
    """Return the project in *folder*.

    Args:
        folder: holds ``everfit.yaml``.
        variables: what stands for each ``${NAME}`` in it.
        needs_variables: whether a ``${NAME}`` without a value is a problem.
        content: of the file; None reads it.

    Raises:
        ProjectError: with every problem that was found, also when there is no such file.
    """
    reading = Reading(file=FILE_NAME, needs_variables=needs_variables)
    document = read_document(_content(folder, reading) if content is None else content, reading)
    return project_of(document, variables, time_zones, reading)


def read_ci_project(folder: Path) -> CiProject:
    """Return what workflows need to know of the project in *folder*, whatever its ``${NAME}`` stand for.

    Raises:
        ProjectError: with every problem that was found.
        RequestError: none of its environments is on AWS.
    """
    reading = Reading(file=FILE_NAME, needs_variables=False)
    below = folder.resolve().relative_to(top_of(folder)).as_posix()
    return ci_project(read_document(_content(folder, reading), reading), "" if below == "." else below, reading)


def _content(folder: Path, reading: Reading) -> bytes:
    path = folder / FILE_NAME
    try:
        return path.read_bytes()
    except FileNotFoundError:
        _note_missing(folder, reading)
    except (IsADirectoryError, NotADirectoryError):
        where = f"{path} is a folder" if path.is_dir() else f"{folder} is not a folder"
        reading.add(None, where, expected="a folder with the file everfit.yaml")
    except OSError as error:
        reading.add(None, f"{path} cannot be read: {error.strerror}", expected="a file that you may read")
    raise ProjectError(reading.problems)


def _note_missing(folder: Path, reading: Reading) -> None:
    if not folder.is_dir():
        reading.add(None, f"there is no folder {folder}", expected="a folder with everfit.yaml")
        return
    similar = next((name for name in ("everfit.yml", "Everfit.yaml") if (folder / name).exists()), None)
    reading.add(
        None,
        f"there is no everfit.yaml in {folder}",
        expected="a project folder; everfit init makes one",
        nearest=similar and f"to rename {similar} to everfit.yaml",
    )
