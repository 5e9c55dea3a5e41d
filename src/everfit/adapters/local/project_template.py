"""Writes a small working project for each kind of task."""

import re
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from string import Template

from everfit.adapters.local.project_template_data import TABLES
from everfit.domain.errors import RequestError
from everfit.domain.words import listed, nearest

KINDS = tuple(TABLES)
SUFFIX = ".template"


def write_template(kind: str, folder: Path) -> list[str]:
    """Write the project for *kind* (one of ``KINDS``) into *folder* and return its files' names.

    Raises:
        RequestError: there is no such kind, a file of the project is already there, or *folder* cannot be written.
    """
    if kind not in KINDS:
        near = nearest(kind, KINDS)
        hint = f" Did you mean {near}?" if near else ""
        raise RequestError(f"There is no project template {kind!r}; there are {listed(KINDS)}.{hint}")
    contents = _contents(kind, folder)
    if there := [name for name in contents if (folder / name).exists()]:
        raise RequestError(
            f"{folder / there[0]} is already there and would be overwritten; nothing was written. "
            "Choose another folder, or move that file away."
        )
    try:
        for name, text in contents.items():
            _write(folder / name, text)
    except OSError as error:
        raise RequestError(f"The project cannot be written to {folder}: {error.strerror}.") from error
    return list(contents)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # "x" so that a file that appeared in the meantime is not overwritten either.
    with path.open("x", encoding="utf-8", newline="\n") as file:
        file.write(text)


def _contents(kind: str, folder: Path) -> dict[str, str]:
    """Return name -> text of each file of the project."""
    contents: dict[str, str] = {}
    for file in sorted(
        files("everfit.adapters.local").joinpath("templates", kind).iterdir(), key=lambda file: file.name
    ):
        name = file.name.removesuffix(SUFFIX)
        text = file.read_text(encoding="utf-8")
        if name == "everfit.yaml":
            text = Template(text).substitute(model=_model_name(folder, kind))
        contents[".gitignore" if name == "gitignore" else name] = text
    data, rows = TABLES[kind]
    contents[data] = _csv(rows())
    return contents


def _csv(rows: Iterable[tuple[object, ...]]) -> str:
    return "".join(",".join(map(str, row)) + "\n" for row in rows)


def _model_name(folder: Path, kind: str) -> str:
    """Return the folder's name as the name of a model, as far as it can be one."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", folder.absolute().name).strip("-")
    return words[:63].strip("-") or f"my-{kind}"
